"""The interview's clock: what starting, pausing, extending and going on do to its ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.core.interview import FORMATS, MINUTE_MS, Clock, Format, Phase, following_phase

FORM = Format("three", (Phase("warm-up", 5), Phase("coding", 30), Phase("talk", 10)))
NOON = 1_700_000_000_000

times = st.integers(0, 4_000_000_000_000)
stretches = st.integers(0, 100 * MINUTE_MS)


def at(minutes: float) -> int:
    return NOON + round(minutes * MINUTE_MS)


def test_a_clock_that_was_not_started_has_no_end() -> None:
    clock = Clock()
    assert (clock.phase, clock.started_at, clock.ends_at, clock.paused) == (None, None, None, False)
    assert clock.extend(5) == clock


def test_the_first_phase_and_the_whole_interview_end_on_time() -> None:
    clock = Clock().start(FORM, NOON)
    assert clock == Clock("warm-up", NOON, at(45), at(5))


def test_a_pause_moves_both_ends_by_its_length() -> None:
    clock = Clock().start(FORM, NOON).pause(at(2))
    assert clock.paused
    assert clock.ends_at == at(45)
    clock = clock.resume(at(9))
    assert not clock.paused
    assert (clock.ends_at, clock.phase_ends_at) == (at(52), at(12))


def test_resuming_a_clock_that_runs_changes_nothing() -> None:
    clock = Clock().start(FORM, NOON)
    assert clock.resume(at(3)) == clock


def test_a_server_clock_set_back_in_a_pause_takes_no_time_away() -> None:
    clock = Clock().start(FORM, NOON).pause(at(2)).resume(at(-58))
    assert (clock.ends_at, clock.phase_ends_at, clock.paused) == (at(45), at(5), False)


def test_more_minutes_are_for_the_phase_and_the_interview() -> None:
    clock = Clock().start(FORM, NOON).extend(7)
    assert (clock.ends_at, clock.phase_ends_at) == (at(52), at(12))


def test_a_phase_begun_early_has_its_whole_length_and_leaves_the_end_where_it_was() -> None:
    clock = Clock().start(FORM, NOON).next(FORM, at(1))
    assert (clock.phase, clock.phase_ends_at, clock.ends_at) == ("coding", at(31), at(45))


def test_the_last_phase_lasts_for_what_the_interview_has_left() -> None:
    clock = Clock().start(FORM, NOON).next(FORM, at(8)).next(FORM, at(41))
    assert (clock.phase, clock.phase_ends_at, clock.ends_at) == ("talk", at(45), at(45))


def test_in_overtime_the_last_phase_is_over_as_it_begins_and_can_be_extended() -> None:
    clock = Clock().start(FORM, NOON).next(FORM, at(8)).next(FORM, at(60))
    assert clock.phase_ends_at == clock.ends_at == at(45)
    clock = clock.extend(20)
    assert clock.phase_ends_at == clock.ends_at == at(65)


def test_after_the_last_phase_there_is_none() -> None:
    clock = Clock().start(FORM, NOON).next(FORM, at(8)).next(FORM, at(41))
    assert clock.next(FORM, at(44)) == clock
    assert following_phase(FORM, "talk") is None


def test_the_phases_follow_one_another() -> None:
    assert following_phase(FORM, None) == FORM.phases[0]
    assert following_phase(FORM, "warm-up") == FORM.phases[1]
    assert FORM.minutes == 45


def test_every_format_is_called_by_its_name_and_has_phases_of_some_length() -> None:
    for name, form in FORMATS.items():
        assert form.name == name
        assert form.phases
        assert all(phase.minutes > 0 for phase in form.phases)
        assert len({phase.name for phase in form.phases}) == len(form.phases)


@given(times, st.lists(st.tuples(stretches, stretches), max_size=8))
def test_all_pauses_together_move_the_ends_by_exactly_their_length(
    start: int, stretches: list[tuple[int, int]]
) -> None:
    """Also for a pause that begins at the epoch itself."""
    clock, now = Clock().start(FORM, start), start
    for running, standing in stretches:
        clock = clock.pause(now + running).resume(now + running + standing)
        now += running + standing
    paused = sum(standing for _, standing in stretches)
    assert clock.ends_at == start + 45 * MINUTE_MS + paused
    assert clock.phase_ends_at == start + 5 * MINUTE_MS + paused
    assert not clock.paused


@given(
    times,
    st.lists(st.tuples(stretches, st.sampled_from(["pause", "resume", "extend", "next"]))),
)
def test_whatever_happens_the_ends_come_from_pauses_and_extensions_alone(
    start: int, steps: list[tuple[int, str]]
) -> None:
    clock, now, owed = Clock().start(FORM, start), start, 45 * MINUTE_MS
    for stretch, action in steps:
        now += stretch
        match action:
            case "pause" if not clock.paused:
                clock = clock.pause(now)
            case "resume" if clock.paused_at is not None:
                owed += now - clock.paused_at
                clock = clock.resume(now)
            case "extend":
                owed += 5 * MINUTE_MS
                clock = clock.extend(5)
            case "next" if not clock.paused:
                clock = clock.next(FORM, now)
        assert clock.started_at == start
        assert clock.ends_at == start + owed
        assert clock.phase != "talk" or clock.phase_ends_at == clock.ends_at
