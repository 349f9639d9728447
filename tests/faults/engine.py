"""A Docker engine that stops, or hangs, while both type and want to run programs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from tests.engine_door import EngineDoor
from tests.faults.pair import Pair, pair
from tests.faults.verdict import Result, figures
from tests.hosting import PROBLEMS
from tests.process import ServerProcess
from tests.served import socket_url
from tests.serving import Frame
from tests.typing_client import DOC

PACE_S = 0.05
PATIENCE_S = 120.0
"""So long is waited for a run to end or to work again, before it counts as never."""


async def engine(folder: Path, edits: int) -> Result:
    """Let the engine hang, and stop it; each time a run is tried, and one that works awaited."""
    result = Result("Docker hung, then stopped, while both type")
    place = folder / "docker.sock"
    door = EngineDoor()
    async with AsyncExitStack() as stack:
        standing = await stack.enter_async_context(AsyncExitStack())
        await standing.enter_async_context(door.at(place))
        server = ServerProcess(
            folder / "engine",
            runs=1,
            problems=PROBLEMS,
            environment={"DOCKER_HOST": f"unix://{place}"},
        )
        await server.start()
        stack.push_async_callback(server.kill)
        pid = server.process.pid if server.process else 0
        both = await stack.enter_async_context(pair(server, PACE_S))
        runner = await stack.enter_async_context(_runner(both))
        await runner.works()
        trips = {"without": await _trips(both, edits)}

        door.shut()
        # The first may have a container that stood ready: it is silent, as a program may be too.
        failed_ms = {"as it hangs": await runner.fails(), "then": await runner.fails()}
        trips["hung"] = await _trips(both, edits)
        began = time.perf_counter()
        door.open()
        await runner.works()
        result.heal_ms.append((time.perf_counter() - began) * 1000)
        result.times += 1

        await standing.aclose()
        failed_ms["stopped"] = await runner.fails()
        trips["stopped"] = await _trips(both, edits)
        began = time.perf_counter()
        await standing.enter_async_context(door.at(place))
        await runner.works()
        result.heal_ms.append((time.perf_counter() - began) * 1000)
        result.times += 1

        shown = await both.settle()
        result.expect(
            server.process is not None
            and server.process.pid == pid
            and server.process.returncode is None,
            "the server had to be started again",
        )
        await server.kill()
        result.take(await both.evidence(shown))
    result.told["heal"] = "from the engine's return to a run that works"
    result.told["until a run failed"] = figures({k: [v] for k, v in failed_ms.items()}, 0.5)
    result.told["words"] = "; ".join(sorted(runner.words))
    result.told["typing, p99"] = figures(trips, 0.99)
    return result


async def _trips(both: Pair, edits: int) -> list[float]:
    """How long so many edits of each took to come back."""
    began = [len(typist.trips_ms) for typist in both.typists]
    await both.more_edits(edits)
    return [
        trip
        for typist, first in zip(both.typists, began, strict=True)
        for trip in typist.trips_ms[first:]
    ]


class Runner:
    """A tab of the candidate's that runs the scratch pad, whatever stands in it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.words: set[str] = set()
        """What was said of runs that could not be."""

    async def works(self) -> None:
        """Try until a run ends by what the program did."""
        async with asyncio.timeout(PATIENCE_S):
            while not (await self._run()).startswith("program"):  # noqa: ASYNC110 -- it asks anew
                await asyncio.sleep(0.1)

    async def fails(self) -> float:
        """Try until a run ends in words about the platform; how long that one took, in ms."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                began = time.perf_counter()
                by, _, words = (await self._run()).partition(": ")
                if by == "platform":
                    self.words.add(words)
                    return (time.perf_counter() - began) * 1000

    async def _run(self) -> str:
        """One run: `program` or `platform`, and what was said."""
        await self._socket.send(
            json.dumps({"type": "run", "doc": DOC, "what": "program", "stdin": "", "ref": "run"})
        )
        while True:
            frame: Frame = json.loads(await self._socket.recv())
            if frame["type"] == "error":
                assert frame["code"] == "sandbox_unavailable", frame
                return f"platform: {frame['message']}"
            if frame.get("kind") == "run_finished":
                by = "platform" if frame["verdict"] == "judge_error" else "program"
                return f"{by}: {frame['message']}"


@asynccontextmanager
async def _runner(both: Pair) -> AsyncIterator[Runner]:
    headers = {"Authorization": f"Bearer {both.sessions['candidate']}"}
    url = socket_url(both.server.url, both.room)
    async with connect(
        url, additional_headers=headers, proxy=None, max_size=None, ping_interval=None
    ) as socket:
        await socket.send(json.dumps({"type": "hello", "after": 0, "client": "runner"}))
        yield Runner(socket)
