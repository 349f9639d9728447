"""A server that stops and comes back, with hundreds of clients in many rooms."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from tests.faults.pair import Pair, pair
from tests.faults.verdict import Result, quantile
from tests.hosting import PROBLEMS
from tests.process import ServerProcess
from tests.typing_client import until

TABS = 5
"""Tabs of each of the two in a room; eight are allowed."""

PACE_S = 10.0
"""Between two lines of one client: hundreds of clients share this machine with the server."""

CLOSES = {1001, 1012}
"""The close codes by which a server that stops sends its clients away, to come back."""


async def storm(folder: Path, times: int, rooms: int) -> Result:
    """SIGTERM and start again, `times` times, with ten clients in each of the rooms."""
    clients = rooms * 2 * TABS
    result = Result(f"restart with {clients} clients in {rooms} rooms")
    server = ServerProcess(folder / "storm", sandbox=False, problems=PROBLEMS)
    last, stops, starts = [], [], []
    await server.start()
    try:
        async with AsyncExitStack() as stack:
            all_rooms = [
                await stack.enter_async_context(pair(server, PACE_S, tabs=TABS))
                for _ in range(rooms)
            ]
            for one in all_rooms:
                await until(one.typists, partial(_has_typed, one))
            for _ in range(times):
                stop_s, start_s, back_s = await _restart(server, all_rooms)
                stops.append(stop_s * 1000)
                starts.append(start_s * 1000)
                result.heal_ms += [each * 1000 for each in back_s]
                last.append(max(back_s) * 1000)
                result.times += 1
            shown = await asyncio.gather(*(one.settle() for one in all_rooms))
            await server.kill()
    finally:
        await server.kill()
    for one, text in zip(all_rooms, shown, strict=True):
        result.take(await one.evidence(text))
        for typist in one.typists:
            result.expect(set(typist.closes) <= CLOSES, f"closed with {typist.closes}")
    result.told["until the server had stopped"] = f"{max(stops):.0f} ms at most"
    result.told["until it served again from there"] = f"{max(starts):.0f} ms at most"
    result.told["until the last client was back"] = f"{max(last):.0f} ms at most"
    result.told["heal"] = (
        f"from SIGTERM to each client's return; p99 {quantile(result.heal_ms, 0.99):.0f} ms"
    )
    return result


def _has_typed(room: Pair) -> bool:
    return any(typist.seen for typist in room.typists)


async def _restart(server: ServerProcess, rooms: list[Pair]) -> tuple[float, float, list[float]]:
    """How long stop and start took, and after how long each client was back, in s."""
    before = [one.arrivals() for one in rooms]
    began = time.perf_counter()
    await server.stop()
    stopped_s = time.perf_counter() - began
    await server.start()
    started_s = time.perf_counter() - began - stopped_s
    await asyncio.gather(*(_all_back(one, since) for one, since in zip(rooms, before, strict=True)))
    typists = [typist for one in rooms for typist in one.typists]
    return stopped_s, started_s, [typist.arrived_at - began for typist in typists]


async def _all_back(one: Pair, since: tuple[int, ...]) -> None:
    await until(one.typists, lambda: one.all_back(since))
