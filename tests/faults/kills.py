"""kill -9 at any moment, while both type."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

from tests.faults.forked import forked
from tests.faults.pair import Pair, pair
from tests.faults.verdict import Result
from tests.hosting import PROBLEMS
from tests.typing_client import until

PACE_S = 0.02
KILLS_A_ROOM = 50
"""After so many kills it goes on in a fresh room: a document's text has a limit."""

LONGEST_S = 0.5
MOST_EDITS = 30


async def kills(folder: Path, times: int) -> Result:
    """Kill `times` times, at a random moment in time or after a random number of edits."""
    result = Result("kill -9 while both type", told={"start": "modules loaded, data to be opened"})
    chance = random.Random(20)  # noqa: S311 -- when to kill, no secret
    while result.times < times:
        data = folder / f"kills-{result.times}"
        async with forked(data, PROBLEMS) as server, pair(server, PACE_S) as both:
            for _ in range(min(KILLS_A_ROOM, times - result.times)):
                await _some_typing(both, chance)
                result.heal_ms.append(await _kill(both))
                result.times += 1
            shown = await both.settle()
            await server.kill()
            result.take(await both.evidence(shown))
    return result


async def _some_typing(both: Pair, chance: random.Random) -> None:
    """Until a moment that has nothing to do with any edit, or right when one came back."""
    if chance.random() < 0.5:
        await asyncio.sleep(chance.uniform(0, LONGEST_S))
        return
    wanted = _seen(both) + chance.randint(1, MOST_EDITS)
    await until(both.typists, lambda: _seen(both) >= wanted)


def _seen(both: Pair) -> int:
    return sum(len(typist.seen) for typist in both.typists)


async def _kill(both: Pair) -> float:
    """Kill and start again; how long it took until both were back, in ms."""
    before = both.arrivals()
    began = time.perf_counter()
    await both.server.kill()
    await both.server.start()
    await until(both.typists, lambda: both.all_back(before))
    return (time.perf_counter() - began) * 1000
