"""The line is fair: pure, so any order of joining, leaving, beginning and ending is tried."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sandbox.line import Line, Waiter

OWNERS = ("a", "b", "c", "d")


@dataclass(eq=False)
class Person(Waiter):
    """Somebody in line, who remembers every place told."""

    heard: list[int] = field(default_factory=list)


def person(owner: str) -> Person:
    heard: list[int] = []
    return Person(owner, heard.append, heard=heard)


class LineMachine(RuleBasedStateMachine):
    """Four owners who ask, give up, are served and end, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.line: Line[Person] = Line()
        self.waiting: list[Person] = []
        self.under_way: list[Person] = []
        self.passed_by: dict[str, int] = {}
        """How often another owner was served while one with nothing under way waited."""

    def busy(self, owner: str) -> int:
        return sum(one.owner == owner for one in self.under_way)

    @rule(owner=st.sampled_from(OWNERS))
    def join(self, owner: str) -> None:
        one = person(owner)
        self.line.join(one)
        self.waiting.append(one)
        self.line.tell_positions()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(one)
        self.line.leave(one)
        self.line.tell_positions()

    @precondition(lambda self: self.waiting)
    @rule()
    def serve(self) -> None:
        one = self.line.order()[0]
        starved = {w.owner for w in self.waiting if not self.busy(w.owner)} - {one.owner}
        self.passed_by = {owner: self.passed_by.get(owner, 0) + 1 for owner in starved}
        self.line.begin(one)
        self.waiting.remove(one)
        self.under_way.append(one)
        self.line.tell_positions()

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(one)
        self.line.end(one)
        self.line.tell_positions()

    @invariant()
    def all_who_wait_stand_in_line_once(self) -> None:
        assert sorted(map(id, self.line.order())) == sorted(map(id, self.waiting))
        assert len(self.line) == len(self.waiting)
        assert self.line.under_way == len(self.under_way)

    @invariant()
    def places_are_counted_from_one_without_a_gap(self) -> None:
        places = sorted(one.heard[-1] for one in self.waiting)
        assert places == list(range(1, len(self.waiting) + 1))
        assert [one.heard[-1] for one in self.line.order()] == places

    @invariant()
    def nobody_hears_the_same_place_twice_in_a_row(self) -> None:
        for one in [*self.waiting, *self.under_way]:
            assert all(a != b for a, b in zip(one.heard, one.heard[1:], strict=False))

    @invariant()
    def fewer_under_way_stand_before_more(self) -> None:
        """Counting, for an owner's second in line, also the first."""
        ahead = {owner: self.busy(owner) for owner in OWNERS}
        ranks = []
        for one in self.line.order():
            ranks.append(ahead[one.owner])
            ahead[one.owner] += 1
        assert ranks == sorted(ranks)

    @invariant()
    def each_owner_is_served_in_the_order_of_asking(self) -> None:
        for owner in OWNERS:
            asked = [one for one in self.waiting if one.owner == owner]
            assert [one for one in self.line.order() if one.owner == owner] == asked

    @invariant()
    def nobody_starves(self) -> None:
        """Who has nothing under way sees each other owner go first at most once."""
        assert all(count < len(OWNERS) for count in self.passed_by.values())


TestLine = LineMachine.TestCase
TestLine.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)


@pytest.mark.parametrize("rounds", [1, 30])
def test_a_room_that_never_stops_asking_is_served_in_turn(rounds: int) -> None:
    """One place; the busy room always has ten in line, the calm one a single one."""
    line: Line[Person] = Line()
    for _ in range(10):
        line.join(person("busy"))
    served = []
    for _ in range(rounds):
        line.join(person("busy"))
        line.join(person("calm"))
        for _ in range(2):
            one = line.order()[0]
            line.begin(one)
            served.append(one.owner)
            line.end(one)
    assert served.count("calm") == rounds
