"""Each fault in short: nothing is lost, all have the same text. `make faults` has the figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.away import by_relay, partition_over, slow
from tests.faults.clock import SET_TO_MS, clock
from tests.faults.disk import refusing_disk, through
from tests.faults.kills import kills
from tests.faults.stalled import stalled
from tests.faults.storm import storm
from tests.faults.verdict import Result

ENOUGH_BYTES = 4 * 1024 * 1024
"""More than the server and the kernel hold of a connection that nobody reads."""

pytestmark = pytest.mark.timeout(300)  # they start servers, on a machine that may be busy


def good(result: Result, times: int) -> None:
    assert (result.times, result.lost, result.complaints) == (times, [], [])
    assert result.edits > 0


async def test_a_server_killed_again_and_again_loses_nothing_that_anybody_saw(
    tmp_path: Path,
) -> None:
    good(await kills(tmp_path, 8), 8)


async def test_all_clients_come_back_after_a_restart_with_all_they_typed(tmp_path: Path) -> None:
    good(await storm(tmp_path, 1, rooms=2), 1)


async def test_a_reader_that_stops_reading_is_dropped_and_the_others_go_on(tmp_path: Path) -> None:
    good(await stalled(tmp_path, 1, ENOUGH_BYTES, compared=False), 1)


async def test_two_who_type_with_the_network_away_have_the_same_text_after(tmp_path: Path) -> None:
    good(await partition_over(by_relay, tmp_path, 2, 1), 1)


async def test_two_who_type_over_a_slow_line_that_loses_packets_have_the_same_text(
    tmp_path: Path,
) -> None:
    good(await slow(tmp_path, 3, round_trip_s=0.4), 1)


async def test_an_interview_keeps_its_time_when_the_clock_is_set_by_an_hour(tmp_path: Path) -> None:
    good(await clock(tmp_path), len(SET_TO_MS) + 1)


async def test_a_disk_that_refuses_is_told_and_a_disk_that_is_back_needs_no_restart(
    tmp_path: Path,
) -> None:
    result = Result("disk")
    await through(refusing_disk, tmp_path, result, 2)
    good(result, 2)
