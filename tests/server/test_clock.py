"""A room's time: what a machine's clock that is set does to it, and what not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.clock import RoomClock

HOUR_MS = 3_600_000


class Machine:
    """A machine's two clocks, as the test has them."""

    def __init__(self) -> None:
        self.wall = 1_700_000_000_000
        self.steady = 5_000

    def pass_ms(self, ms: int) -> None:
        """Time passes, on both."""
        self.wall += ms
        self.steady += ms

    def clock(self) -> RoomClock:
        """A room's clock that begins now."""
        return RoomClock(lambda: self.wall, lambda: self.steady)


@given(st.lists(st.tuples(st.integers(-HOUR_MS, HOUR_MS), st.integers(0, HOUR_MS))))
def test_a_room_counts_the_time_that_passed_however_the_clock_is_set(
    steps: list[tuple[int, int]],
) -> None:
    machine = Machine()
    clock = machine.clock()
    began = clock.now()
    for jump, passed in steps:
        machine.wall += jump
        machine.pass_ms(passed)
    assert clock.now() - began == sum(passed for _, passed in steps)


def test_a_room_opens_with_the_machine_s_time() -> None:
    machine = Machine()
    assert machine.clock().now() == machine.wall


def test_a_room_that_opens_after_the_clock_was_set_back_goes_on_where_its_journal_ended() -> None:
    machine = Machine()
    last = machine.wall
    machine.wall -= HOUR_MS
    clock = machine.clock()
    clock.follow(last)
    machine.pass_ms(10)
    assert clock.now() == last + 10


def test_an_older_entry_takes_no_room_back() -> None:
    machine = Machine()
    clock = machine.clock()
    clock.follow(machine.wall - HOUR_MS)
    assert clock.now() == machine.wall
