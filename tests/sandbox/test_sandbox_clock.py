"""What the pool promises to do in time, by a clock that runs ahead: nothing here really waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sandbox.contract import SandboxError, SandboxUnavailableError
from sandbox.engine import LOOK_TIMEOUT_S
from sandbox.pool import Pool
from tests.hurried import hurried
from tests.sandbox.fake_engine import FakeEngine, Visitor

NOTICED_WITHIN_S = 5.0
USED_AGAIN_WITHIN_S = 10.0
SWEPT_EVERY_S = 60.0


async def _seconds_until(condition: Callable[[], bool]) -> float:
    """How long it takes by the event loop's clock until something is so."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(600):
        while not condition():  # noqa: ASYNC110  # no event tells of it
            await asyncio.sleep(0.05)
    return loop.time() - began


@hurried
async def test_left_overs_are_swept_at_the_start_and_every_minute() -> None:
    engine = FakeEngine()
    began = asyncio.get_running_loop().time()
    async with Pool(engine=engine):
        await _seconds_until(lambda: len(engine.swept_at) == 4)
    swept = [at - began for at in engine.swept_at]
    assert swept == pytest.approx([n * SWEPT_EVERY_S for n in range(4)], abs=1)


@pytest.mark.parametrize("hangs_s", [0.0, LOOK_TIMEOUT_S])
@pytest.mark.parametrize("since_s", [0.1, 1.0, 1.9])
@hurried
async def test_an_engine_that_went_away_is_noticed_within_five_seconds(
    hangs_s: float, since_s: float
) -> None:
    """At whatever moment between two looks it goes, and also where it hangs instead of failing."""
    engine = FakeEngine()
    async with Pool(engine=engine) as pool:
        await asyncio.sleep(since_s)
        engine.away, engine.hangs_s = "The engine is away.", hangs_s
        assert await _seconds_until(lambda: not pool.available) < NOTICED_WITHIN_S


@pytest.mark.parametrize("failures", [0, 1, 6])
@pytest.mark.parametrize("error", [SandboxError, SandboxUnavailableError])
@hurried
async def test_an_engine_that_came_back_is_used_again_within_ten_seconds(
    failures: int, error: type[SandboxError]
) -> None:
    """However often containers had failed to come up before, and however long ago."""
    engine = FakeEngine()
    engine.failures = [error("It did not come up.") for _ in range(failures)]
    async with Pool(size=1, warm=1, engine=engine) as pool:
        await _seconds_until(lambda: not engine.failures)
        engine.away = "The engine is away."
        await _seconds_until(lambda: not pool.available)
        engine.away = None
        back = await _seconds_until(lambda: pool.available)
        visitor = Visitor(pool)
        assert back + await _seconds_until(lambda: visitor.is_inside) < USED_AGAIN_WITHIN_S
        visitor.leave.set()
        await visitor.task
