"""The benchmark's own arithmetic, and that it never prints figures of half a machine."""

from __future__ import annotations

import asyncio
import math
import os
import sys
from pathlib import Path

import pytest

from server.settings import ROOT
from tests.bench.measure import BenchError, Comparison, Side, by_turns
from tests.bench.opening import opening


def test_quantiles_lie_between_samples_by_line() -> None:
    side = Side("a side", (40.0, 10.0, 30.0, 20.0))

    assert side.median == 25.0
    assert side.quantile(0) == 10.0
    assert side.quantile(0.95) == pytest.approx(38.5)
    assert side.quantile(1) == 40.0


def test_few_samples_have_no_99th_percentile() -> None:
    assert Side("few", tuple(map(float, range(499)))).p99 is None
    assert Side("many", tuple(map(float, range(501)))).p99 == pytest.approx(495.0)


def test_a_side_without_samples_is_an_error() -> None:
    with pytest.raises(BenchError, match="relay"):
        Side("relay", ())


def test_the_ratio_is_that_of_the_medians() -> None:
    bare = Side("bare", (1.0, 2.0, 99.0))
    comparison = Comparison("a measure", Side("Viva", (8.0, 6.0, 7.0)), (bare,))

    assert comparison.ratio(bare) == 3.5


def test_beside_a_limit_that_carried_nothing_the_ratio_is_infinite() -> None:
    bare = Side("bare", (0.0,))

    assert Comparison("a measure", Side("Viva", (8.0,)), (bare,)).ratio(bare) == math.inf


async def test_a_long_room_opens_from_its_journal_and_opens_again(tmp_path: Path) -> None:
    first, again = await opening(tmp_path, events=20, openings=2)

    assert [len(first.product.samples), len(again.product.samples)] == [1, 2]


async def test_the_two_sides_take_turns() -> None:
    order: list[str] = []

    async def one() -> None:
        order.append("one")

    async def other() -> None:
        order.append("other")

    assert [pair async for pair in by_turns(one, other, 2)] == [(None, None)] * 2
    assert order == ["one", "other", "one", "other"]


async def test_without_an_engine_there_are_no_figures_but_one_line_and_a_failure() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench", "--quick"),
        cwd=ROOT,
        env={**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaint = await process.communicate()

    assert process.returncode == 1
    assert said == b""
    assert complaint.startswith(b"bench: The Docker engine does not answer")
    assert complaint.count(b"\n") == 1
