"""The machine's clock set by an hour, forward and back, while both type."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from server.core.interview import FORMATS, MINUTE_MS
from tests.faults.forked import forked
from tests.faults.pair import Pair, pair
from tests.faults.verdict import Result
from tests.hosting import PROBLEMS
from tests.served import socket_url
from tests.serving import Frame

HOUR_MS = 60 * MINUTE_MS
PACE_S = 0.05
SET_TO_MS = (HOUR_MS, 0, -HOUR_MS, 0)
"""How far the clock is ahead of the real one, step by step."""

CLOSE_MS = 5 * MINUTE_MS
"""A clock that is off by less than this did not jump by an hour; nothing here takes so long."""


async def clock(folder: Path) -> Result:
    """Set the clock by an hour four times, and by an hour back with the server killed."""
    result = Result("clock set by an hour while both type")
    async with forked(folder / "clock", PROBLEMS) as server, pair(server, PACE_S) as both:
        began = time.monotonic()
        await _start_the_interview(both)
        for ahead_ms in SET_TO_MS:
            server.set_clock(ahead_ms)
            await both.more_edits(3)
            await _check_clock(both, result, began, f"{ahead_ms // HOUR_MS:+} h")
            result.times += 1
        await server.kill()
        server.set_clock(-HOUR_MS)
        await server.start()
        await both.more_edits(3)
        await _check_clock(both, result, began, "-1 h over a restart")
        result.times += 1
        shown = await both.settle()
        await server.kill()
        result.take(await both.evidence(shown))
    result.told["cannot be told apart"] = "set forward with the room closed; and time that passed"
    return result


async def _start_the_interview(both: Pair) -> None:
    async with _tutor(both) as (tutor, _):
        await tutor.send(json.dumps({"type": "phase", "action": "start"}))
        while json.loads(await tutor.recv()).get("kind") != "phase_started":
            pass


async def _check_clock(both: Pair, result: Result, began: float, when: str) -> None:
    """The session holds, and as much of the interview is left as there should be."""
    async with _tutor(both) as (_, welcome):
        left_ms = welcome["state"]["clock"]["ends_at"] - welcome["now"]
    passed_ms = (time.monotonic() - began) * 1000
    off_ms = left_ms - (FORMATS["technical-45"].minutes * MINUTE_MS - passed_ms)
    result.expect(
        abs(off_ms) < CLOSE_MS, f"{when}: {left_ms / MINUTE_MS:.0f} minutes of the interview left"
    )


@asynccontextmanager
async def _tutor(both: Pair) -> AsyncIterator[tuple[ClientConnection, Frame]]:
    """One more tab of the tutor's, and its welcome."""
    headers = {"Authorization": f"Bearer {both.sessions['tutor']}"}
    url = socket_url(both.server.url, both.room)
    async with connect(url, additional_headers=headers, proxy=None, max_size=None) as tutor:
        await tutor.send(json.dumps({"type": "hello", "after": 0, "client": "watch"}))
        yield tutor, json.loads(await tutor.recv())
