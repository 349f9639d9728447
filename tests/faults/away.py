"""A network that is away for a while, or slow and lossy, while both go on typing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.forked import forked
from tests.faults.line import line_to
from tests.faults.network import NetworkError, cable
from tests.faults.pair import Pair, Server, pair
from tests.faults.verdict import Result, quantile
from tests.hosting import PROBLEMS
from tests.process import ServerProcess

PACE_S = 0.4
ROUND_TRIP_S = 2.0
LOSS = 0.05


@dataclass(frozen=True, slots=True)
class Reach:
    """A server, and the line to it that can be cut."""

    server: Server
    url: str
    cut: Callable[[], Awaitable[None]]
    mend: Callable[[], Awaitable[None]]
    by: str


@asynccontextmanager
async def by_cable(folder: Path) -> AsyncIterator[Reach]:
    """Over a network of the server's own. Raises `NetworkError` where there can be none."""
    async with cable() as real:
        server = ServerProcess(
            folder, sandbox=False, problems=PROBLEMS, host=real.far, around=real.inside
        )
        await server.start()
        try:
            yield Reach(server, server.url, real.cut, real.mend, "a network of the server's own")
        finally:
            await server.kill()


@asynccontextmanager
async def by_relay(folder: Path) -> AsyncIterator[Reach]:
    """Over a relay in between that keeps the bytes back."""
    async with forked(folder, PROBLEMS) as server, line_to(server.url) as line:

        async def cut() -> None:
            line.cut()

        async def mend() -> None:
            line.mend()

        yield Reach(server, line.url, cut, mend, "a relay in between")


async def partition(folder: Path, away_s: float, times: int) -> Result:
    """The network away for `away_s`, by a cable that is pulled or, without root, by a relay."""
    try:
        return await partition_over(by_cable, folder / "cable", away_s, times)
    except NetworkError as error:
        result = await partition_over(by_relay, folder / "relay", away_s, times)
        result.told["no cable"] = str(error)
        return result


async def partition_over(
    reach: Callable[[Path], AbstractAsyncContextManager[Reach]],
    folder: Path,
    away_s: float,
    times: int,
) -> Result:
    """The same, over this reach."""
    result = Result(f"network away for {away_s:g} s while both type")
    async with reach(folder) as way, pair(way.server, PACE_S, via=way.url) as both:
        waiting = 0
        for _ in range(times):
            await both.more_edits(2)
            await way.cut()
            await asyncio.sleep(away_s)
            waiting = max(waiting, sum(len(typist.pending) for typist in both.typists))
            began = time.perf_counter()
            await way.mend()
            await _have_all(both)
            result.heal_ms.append((time.perf_counter() - began) * 1000)
            result.times += 1
        result.told["by"] = way.by
        result.told["lines typed with the network away"] = str(waiting)
        result.expect(waiting > 0, "nothing was typed while the network was away")
        shown = await both.settle()
        await way.server.kill()
        result.take(await both.evidence(shown))
    return result


async def _have_all(both: Pair) -> None:
    """They stop, have all, and go on."""
    await both.settle()
    for typist in both.typists:
        typist.stopping = False


async def slow(folder: Path, edits: int, round_trip_s: float = ROUND_TRIP_S) -> Result:
    """Type `edits` lines each over a line that is slow and loses packets."""
    result = Result(f"{round_trip_s:g} s there and back, {LOSS:.0%} lost, while both type")
    async with (
        forked(folder / "slow", PROBLEMS) as server,
        line_to(server.url) as line,
        # The browser gives a slow server more time than this with each failure; as much at once.
        pair(server, PACE_S, via=line.url, silence_s=15) as both,
    ):
        line.round_trip_s, line.loss = round_trip_s, LOSS
        for typist in both.typists:
            typist.trips_ms.clear()
        await both.more_edits(edits)
        typed = sum(len(typist.typed) for typist in both.typists)
        began = time.perf_counter()
        shown = await both.settle()
        result.heal_ms.append((time.perf_counter() - began) * 1000)
        result.times = 1
        await server.kill()
        result.take(await both.evidence(shown))
    result.expect(line.lost > 0, "no packet was lost")
    result.told["heal"] = "from the last line typed to the same text everywhere"
    result.told["typed"] = f"{typed} lines, {line.lost} packets lost"
    trips = both.trips_ms
    result.told["until an edit was confirmed"] = (
        f"median {quantile(trips, 0.5):.0f} ms, p95 {quantile(trips, 0.95):.0f} ms"
    )
    return result
