"""How large the pool is where nobody said so: what the engine's machine has room for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.contract import MIB, SandboxError
from sandbox.facts import EngineFacts
from sandbox.pool import Pool
from sandbox.sizes import LEAST, MOST_READY, Sizes, sizes
from tests.hurried import hurried
from tests.sandbox.fake_engine import FakeEngine, Visitor, until

GIB = 1024 * MIB

told = st.none() | st.integers(1, 1000)
memory = st.integers(0, 1 << 40)
processors = st.integers(0, 256)


@pytest.mark.parametrize(
    ("memory_gib", "processors", "wanted"),
    [
        (0, 0, Sizes(4, 4)),  # an engine that does not say
        (1, 1, Sizes(4, 4)),
        (4, 2, Sizes(4, 4)),
        (8, 4, Sizes(4, 8)),
        (16, 8, Sizes(8, 8)),
        (64, 8, Sizes(8, 8)),
        (64, 32, Sizes(32, 32)),
        (8, 64, Sizes(12, 12)),
    ],
)
def test_the_usual_sizes_go_by_processors_and_memory(
    memory_gib: int, processors: int, wanted: Sizes
) -> None:
    assert sizes(None, None, memory_gib * GIB, processors) == wanted


@given(told, told, memory, processors)
def test_what_was_told_counts(
    runs: int | None, warm: int | None, memory_bytes: int, processors: int
) -> None:
    found = sizes(runs, warm, memory_bytes, processors)
    assert runs in (None, found.runs)
    assert warm in (None, found.warm)
    assert warm is not None or runs is None or found.warm == runs


@given(memory, processors)
def test_nobody_gets_fewer_than_the_least_or_more_ready_than_are_of_use(
    memory_bytes: int, processors: int
) -> None:
    found = sizes(None, None, memory_bytes, processors)
    assert found.runs >= LEAST
    assert found.runs <= found.warm <= max(found.runs, MOST_READY)


@hurried
async def test_a_pool_asks_the_engine_how_much_room_there_is() -> None:
    engine = FakeEngine()
    engine.memory_bytes, engine.processors = 16 * GIB, 6
    async with Pool(size=None, engine=engine) as pool:
        await until(lambda: pool.ready == MOST_READY)
        visitors = [Visitor(pool, owner=str(n)) for n in range(7)]
        await until(lambda: sum(one.is_inside for one in visitors) == 6)
        assert [one.places for one in visitors if not one.is_inside] == [[1]]
        for one in visitors:
            one.leave.set()
            await one.task


class Reticent(FakeEngine):
    """Does not say at first what it has."""

    asked = 0

    async def facts(self) -> EngineFacts:
        self.asked += 1
        if self.asked == 1:
            raise SandboxError("Not now.")
        return await super().facts()


@hurried
async def test_an_engine_that_does_not_say_is_asked_again() -> None:
    engine = Reticent()
    engine.memory_bytes = 16 * GIB
    async with Pool(size=None, engine=engine) as pool:
        await until(lambda: pool.ready == LEAST)
        await pool.check()
        await until(lambda: pool.ready == MOST_READY)


@hurried
async def test_a_pool_whose_size_is_told_does_not_ask() -> None:
    engine = Reticent()
    async with Pool(size=2, engine=engine) as pool:
        await until(lambda: pool.ready == 2)
    assert engine.asked == 0
