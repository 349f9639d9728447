"""What time it is in a room: a machine's clock may be set, an interview's must not jump.

A room takes the machine's time when it opens and from then on counts by a clock that nobody sets.
So an interview keeps its 45 minutes when the machine's clock is set by an hour in its midst, and a
room that opens after the clock was set back goes on where its journal ended. What cannot be told
apart from time that really passed is a clock that was set forward while the room was closed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

TimeMs = Callable[[], int]
"""A clock, in ms; what its zero is depends on the clock."""

_NEVER_SET = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Counts on while the machine sleeps, where the system has such a clock."""


def now_ms() -> int:
    """Milliseconds since the epoch, by the machine's clock."""
    return time.time_ns() // 1_000_000


def steady_ms() -> int:
    """Milliseconds since some moment in the past, by a clock that nobody sets."""
    return time.clock_gettime_ns(_NEVER_SET) // 1_000_000


class RoomClock:
    """Milliseconds since the epoch as one room has them: never back, and never by a jump."""

    def __init__(self, wall: TimeMs = now_ms, steady: TimeMs = steady_ms) -> None:
        self._steady = steady
        self._ahead = wall() - steady()

    def now(self) -> int:
        """The room's time."""
        return self._steady() + self._ahead

    def follow(self, at: int) -> None:
        """Something in the journal happened `at`: from here on it is not earlier than that."""
        self._ahead = max(self._ahead, at - self._steady())
