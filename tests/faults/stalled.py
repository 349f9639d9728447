"""A client that stops reading, in a room where much is said."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from server.core import messages
from tests.faults.forked import forked
from tests.faults.pair import Pair, Server, pair
from tests.faults.verdict import Result, figures
from tests.hosting import PROBLEMS
from tests.served import socket_url

PACE_S = 0.05
NOTE = "n" * 4000
"""As long as a note may be: the tutor's connections, and no others, hear it."""

TALKERS = 6
PUSHED_BYTES = 7 * 1024 * 1024
"""More than 1 MiB and what the kernel holds besides; in fewer than the 2,000 notes of a room."""


async def stalled(
    folder: Path, edits: int, pushed: int = PUSHED_BYTES, *, compared: bool = True
) -> Result:
    """Fill a connection that nobody reads while two type beside it.

    `compared`: two type as much in a room without it, first.
    """
    result = Result("a reader that stops reading")
    async with forked(folder / "stalled", PROBLEMS) as server:
        without = await _undisturbed(server, edits, pushed) if compared else []
        async with pair(server, PACE_S) as both:
            async with _stalled_reader(both) as reader:
                async with _talk(both) as said:
                    beside = await _trips(both, edits, said, pushed)
                received, code = await _read_to_the_end(reader)
                result.times = 1
            shown = await both.settle()
        await server.kill()
        result.take(await both.evidence(shown))
    result.expect(received < pushed, "all was kept for the one who did not read")
    result.told["typing, p99"] = figures({"without": without, "beside": beside}, 0.99)
    result.told["kept for it, the kernel's part included"] = (
        f"{received / 2**20:.1f} MiB of {pushed / 2**20:.0f}"
    )
    result.told["its end"] = f"close code {code}" if code else "cut off"
    return result


async def _undisturbed(server: Server, edits: int, pushed: int) -> list[float]:
    async with pair(server, PACE_S) as both, _talk(both) as said:
        return await _trips(both, edits, said, pushed)


async def _trips(both: Pair, edits: int, said: list[int], least: int) -> list[float]:
    """How long edits took while at least so many bytes were said."""
    began = [len(typist.trips_ms) for typist in both.typists]
    await both.more_edits(edits)
    while sum(said) < least:
        await both.more_edits(5)
    return [
        trip
        for typist, first in zip(both.typists, began, strict=True)
        for trip in typist.trips_ms[first:]
    ]


@asynccontextmanager
async def _talk(both: Pair) -> AsyncIterator[list[int]]:
    """Several tabs of the tutor's take notes as fast as they may; how many bytes each has had."""
    said = [0] * TALKERS
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        talking = []
        for number in range(TALKERS):
            talker = await stack.enter_async_context(_tutor(both, f"talker-{number}"))
            talking.append(tasks.create_task(_take_notes(talker, said, number)))
        yield said
        for task in talking:
            task.cancel()


async def _take_notes(talker: ClientConnection, said: list[int], number: int) -> None:
    """One note after the other, each once the one before has come back."""
    while True:
        ref = f"{number}-{said[number]}"
        label = f"[{ref}]"
        await talker.send(json.dumps({"type": "note", "text": label + NOTE[len(label) :]}))
        while label not in str(await talker.recv()):
            pass
        said[number] += len(NOTE)


@asynccontextmanager
async def _tutor(
    both: Pair, client: str, *, on: socket.socket | None = None
) -> AsyncIterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {both.sessions['tutor']}"}
    async with connect(
        socket_url(both.server.url, both.room),
        additional_headers=headers,
        sock=on,
        proxy=None,
        compression=None,
        ping_interval=None,
        close_timeout=0.2,
        max_queue=1 if on else 16,
    ) as entered:
        await entered.send(messages.encode({"type": "hello", "after": 0, "client": client}))
        yield entered


@asynccontextmanager
async def _stalled_reader(both: Pair) -> AsyncIterator[ClientConnection]:
    """A tab of the tutor's that reads nothing: with little room in the kernel, too."""
    parts = urlsplit(both.server.url)
    with socket.socket() as on:
        on.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        on.setblocking(False)
        await asyncio.get_running_loop().sock_connect(on, (parts.hostname, parts.port))
        async with _tutor(both, "stalled", on=on) as reader:
            yield reader


async def _read_to_the_end(reader: ClientConnection) -> tuple[int, int]:
    """How many bytes there were still for it, and the close code; 0 for a cut."""
    received = 0
    try:
        while True:
            received += len(await reader.recv())
    except ConnectionClosed as closed:
        return received, closed.rcvd.code if closed.rcvd else 0
