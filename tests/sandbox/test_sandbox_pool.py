"""The pool keeps its bounds and heals, over an engine that fails as it is told to."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.contract import SandboxError, SandboxUnavailableError
from sandbox.pool import FAILURES_TOLD, MAKERS, TRY_AGAIN_AT_MOST_S, Pool, pause_s
from tests.hurried import hurried, in_no_time
from tests.sandbox.fake_engine import HELLO, LARGE, FakeEngine, Visitor, until

# Bounds.


@settings(deadline=None, max_examples=150)
@given(
    size=st.integers(1, 3),
    warm=st.integers(0, 3),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["run", "run", "run large", "leave", "cancel", "kill", "look"]),
            st.integers(0, 9),
        ),
        max_size=30,
    ),
)
def test_no_more_run_or_stand_ready_than_were_asked_for(
    size: int, warm: int, steps: list[tuple[str, int]]
) -> None:
    """Whoever comes, leaves, gives up or dies; none is handed out twice, and all are served."""
    in_no_time(lambda: _live_through(size, warm, steps))


async def _live_through(size: int, warm: int, steps: list[tuple[str, int]]) -> None:
    engine = FakeEngine()
    visitors: list[Visitor] = []
    async with Pool(size=size, warm=warm, engine=engine) as pool:
        for step, number in steps:
            present = [one for one in visitors if not one.task.done()]
            if step in ("run", "run large"):
                submission = HELLO if step == "run" else LARGE
                visitors.append(Visitor(pool, submission, owner=str(number % 3)))
            elif step == "kill" and engine.made:
                await engine.kill(sorted(engine.made)[number % len(engine.made)])
            elif step == "look":
                await pool.check()
            elif present and step == "leave":
                present[number % len(present)].leave.set()
            elif present and step == "cancel":
                present[number % len(present)].task.cancel()
            for _ in range(number):
                await asyncio.sleep(0)
                _check_bounds(engine, visitors, size, warm)
        for one in visitors:
            one.leave.set()
        async with asyncio.timeout(20):
            await asyncio.gather(*(one.task for one in visitors), return_exceptions=True)
        _check_bounds(engine, visitors, size, warm)
        for one in visitors:
            assert one.task.cancelled() or one.task.exception() is None
    used = [one.container for one in visitors if one.container]
    assert len(used) == len(set(used))
    assert engine.alive == 0


def _check_bounds(engine: FakeEngine, visitors: list[Visitor], size: int, warm: int) -> None:
    assert sum(one.is_inside for one in visitors) <= size
    assert engine.alive <= size + warm + MAKERS


@hurried
async def test_no_more_stand_ready_than_asked_for_after_one_is_taken() -> None:
    """Both makers hear that one is short, and one of them makes it."""
    engine = FakeEngine()
    async with Pool(size=1, warm=1, engine=engine) as pool:
        for count in (1, 2, 3):
            await until(lambda: pool.ready == 1)
            visitor = Visitor(pool)
            visitor.leave.set()
            await visitor.task
            await until(lambda: pool.ready == 1)
            assert engine.tries == count + 1


@hurried
async def test_a_pool_that_keeps_none_ready_makes_one_for_whoever_comes() -> None:
    """Else the run would wait for ever."""
    async with Pool(size=1, warm=0, engine=FakeEngine()) as pool:
        visitor = Visitor(pool)
        await until(lambda: visitor.is_inside)
        visitor.leave.set()
        await visitor.task


# Containers that die or do not come up.


@hurried
async def test_a_run_given_up_in_line_is_not_served_when_another_is_given_up_at_once() -> None:
    """As at a shutdown: it leaves the line in its own next step, after the other has left."""
    async with Pool(engine=FakeEngine(), size=1, warm=1) as pool:
        inside = Visitor(pool)
        await until(lambda: inside.is_inside)
        in_line = Visitor(pool)
        await until(lambda: in_line.places == [1])
        await until(lambda: pool.ready == 1)
        for visitor in (inside, in_line):
            visitor.task.cancel()
        await asyncio.wait([inside.task, in_line.task])
        assert inside.task.cancelled()
        assert in_line.task.cancelled()
        later = Visitor(pool)
        await until(lambda: later.is_inside)
        later.leave.set()
        await later.task


@hurried
async def test_a_dead_container_is_never_handed_out() -> None:
    """The next run gets the living one behind it, and the dead one's place is filled."""
    engine = FakeEngine()
    async with Pool(size=2, warm=2, engine=engine) as pool:
        await until(lambda: pool.ready == 2)
        oldest, other = engine.made
        await engine.kill(oldest)
        visitor = Visitor(pool)
        await until(lambda: visitor.is_inside)
        assert visitor.container == other
        assert visitor.places == []
        await until(lambda: pool.ready == 2)
        visitor.leave.set()
        await visitor.task


@hurried
async def test_a_run_that_needs_a_container_of_its_own_passes_those_whom_the_dead_hold_up() -> None:
    """It does not wait for the makers, so it does not wait behind those who do."""
    engine = FakeEngine()
    async with Pool(size=1, warm=1, engine=engine) as pool:
        await until(lambda: pool.ready == 1)
        inside = Visitor(pool)
        await until(lambda: inside.is_inside and pool.ready == 1)
        usual, large = Visitor(pool), Visitor(pool, LARGE)
        await until(lambda: (usual.places, large.places) == ([1], [2]))
        engine.makes_usual_ones.clear()
        await engine.kill(next(reversed(engine.made)))
        inside.leave.set()
        await until(lambda: large.is_inside)
        assert not usual.is_inside
        engine.makes_usual_ones.set()
        large.leave.set()
        await until(lambda: usual.is_inside)
        usual.leave.set()
        await asyncio.gather(inside.task, large.task, usual.task)


def test_makers_pause_longer_the_more_often_they_fail() -> None:
    pauses = [pause_s(failures) for failures in range(1, 20)]
    assert pauses == sorted(pauses)
    assert pauses[0] > 0
    assert len(set(pauses)) > 2
    assert pauses[-1] == TRY_AGAIN_AT_MOST_S


@hurried
async def test_those_in_line_are_told_when_containers_do_not_come_up_and_it_heals() -> None:
    """Not at the first that fails; and the next to come is served once one comes up."""
    engine = FakeEngine()
    engine.failures = [SandboxError("It did not come up.")] * FAILURES_TOLD
    async with Pool(size=2, engine=engine) as pool:
        first, second = Visitor(pool), Visitor(pool)
        await asyncio.wait([first.task, second.task])
        for one in (first, second):
            assert "did not come up" in str(one.task.exception())
        assert engine.tries == FAILURES_TOLD
        third = Visitor(pool)
        await until(lambda: third.is_inside)
        third.leave.set()
        await third.task


@hurried
async def test_one_failure_alone_is_nobodys_business() -> None:
    """Who waits gets the next container."""
    engine = FakeEngine()
    engine.failures = [SandboxError("It did not come up.")]
    async with Pool(size=1, engine=engine) as pool:
        visitor = Visitor(pool)
        await until(lambda: visitor.is_inside)
        visitor.leave.set()
        await visitor.task
        assert visitor.places == [1]


@pytest.mark.parametrize("how", ["a maker finds out", "the lookout finds out"])
@hurried
async def test_those_in_line_are_told_when_the_engine_goes(how: str) -> None:
    """At once, all of them, with the reason; and runs work again when it is back."""
    engine = FakeEngine()
    async with Pool(size=1, warm=1, engine=engine) as pool:
        await until(lambda: pool.ready == 1)
        inside = Visitor(pool)
        await until(lambda: inside.is_inside)
        waiting = [Visitor(pool) for _ in range(3)]
        await until(lambda: all(one.places for one in waiting))
        engine.away = "The engine is away."
        if how == "a maker finds out":
            await until(lambda: pool.ready == 1)
            engine.failures = [SandboxUnavailableError(engine.away)]
            waiting.append(Visitor(pool, LARGE, owner="another"))
            inside.leave.set()
        await asyncio.wait([one.task for one in waiting])
        told = [one.task.exception() for one in waiting if one.task.exception()]
        assert told
        assert all("engine is away" in str(error) for error in told)
        assert not pool.available
        with pytest.raises(SandboxUnavailableError):
            async with pool.run(HELLO):
                raise AssertionError("never reached")
        engine.away = None
        inside.leave.set()
        await until(lambda: pool.available)
        again = Visitor(pool)
        await until(lambda: again.is_inside)
        again.leave.set()
        await asyncio.gather(inside.task, again.task)
