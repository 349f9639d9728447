"""Who is next: a line that is fair between rooms. Pure, without containers or time.

Whoever has the fewest runs under way goes first; among equals, whose last turn was longest ago,
then who came first. A room that asks for ten runs at once is served in turn with the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Told = Callable[[int], None]


@dataclass(eq=False)
class Waiter:
    """Someone in line; `tell` hears of each new position, counted from 1."""

    owner: str
    tell: Told
    position: int = 0


W = TypeVar("W", bound=Waiter)

REMEMBERED = 256
"""Of so many owners it is known when their last turn was; all others count as new."""


@dataclass
class Line(Generic[W]):
    """Those who wait, and how many runs each owner has under way."""

    _waiters: list[W] = field(default_factory=list)
    _busy: Counter[str] = field(default_factory=Counter)
    _turns: dict[str, int] = field(default_factory=dict)
    _turn: int = 0

    def __len__(self) -> int:
        return len(self._waiters)

    def join(self, waiter: W) -> None:
        """Take a place in line."""
        self._waiters.append(waiter)

    def leave(self, waiter: W) -> None:
        """Give it up; nothing happens to one who is not in line."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    def begin(self, waiter: W) -> None:
        """Their turn has come."""
        self.leave(waiter)
        self._busy[waiter.owner] += 1
        self._turn += 1
        self._turns.pop(waiter.owner, None)
        self._turns[waiter.owner] = self._turn
        if len(self._turns) > REMEMBERED:
            del self._turns[next(iter(self._turns))]

    def end(self, waiter: W) -> None:
        """Their run is over."""
        self._busy[waiter.owner] -= 1
        self._busy += Counter()  # forgets who has none

    @property
    def under_way(self) -> int:
        """How many runs have begun and not ended."""
        return self._busy.total()

    def order(self) -> list[W]:
        """All who wait, in the order in which they would be served now."""
        ahead = self._busy.copy()
        ranked: list[tuple[tuple[int, int], W]] = []
        for waiter in self._waiters:
            ranked.append(((ahead[waiter.owner], self._turns.get(waiter.owner, 0)), waiter))
            ahead[waiter.owner] += 1
        return [waiter for _, waiter in sorted(ranked, key=lambda one: one[0])]

    def tell_positions(self) -> None:
        """Tell those whose position has changed."""
        for position, waiter in enumerate(self.order(), start=1):
            if waiter.position != position:
                waiter.position = position
                waiter.tell(position)
