"""Two people in a room, of whom one types: over the product, or over the relay."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from tests.bench.measure import BenchError
from tests.bench.servers import Product

ANSWER_S = 20.0
DOCUMENT = "scratch"
LINES = ["    total += price[item] * 2  # so far"] * 100
"""What stands in the document already, so that an edit is one in the middle of real code."""

UNITS = len("\n".join(LINES))


class _Seen(msgspec.Struct):
    """All of a frame that matters here; the rest of it is not even decoded."""

    type: str = ""
    ref: str | int | None = None
    message: str = ""


_decoder = msgspec.json.Decoder(_Seen)


class Line:
    """One WebSocket that is read all the time; tells when the frame with a given `ref` came in."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._due: dict[str | int, asyncio.Future[float]] = {}

    def arrival(self, ref: str) -> asyncio.Future[float]:
        """When the frame comes that carries `ref`, or has it as its type, by `perf_counter`."""
        return self._due.setdefault(ref, asyncio.get_running_loop().create_future())

    async def send(self, text: str) -> None:
        """Send one frame."""
        await self._socket.send(text)

    async def read_forever(self) -> None:
        """Note the frames as they come; whoever waits for one that was refused gets an error."""
        async for text in self._socket:
            at = time.perf_counter()
            frame = _decoder.decode(text)
            due = self._due.pop(frame.type if frame.ref is None else frame.ref, None)
            if due is None:
                continue
            if frame.type == "error":
                due.set_exception(BenchError(f"the server refused {frame.ref}: {frame.message}"))
            else:
                due.set_result(at)


@asynccontextmanager
async def line(url: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Line]:
    """A connection that is read for as long as the block lasts."""
    async with connect(url, additional_headers=headers, compression=None, max_size=None) as socket:
        opened = Line(socket)
        reading = asyncio.create_task(opened.read_forever())
        try:
            yield opened
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Press:
    """How long one key press took to reach the other, and to come back to its own client."""

    other_ms: float
    own_ms: float


class Room:
    """Somebody who types into a document, and somebody who watches."""

    def __init__(self, typist: Line, watcher: Line, *, echoes: bool) -> None:
        """`echoes`: a press comes back to the typist too, as its acknowledgement."""
        self._typist = typist
        self._watcher = watcher
        self._echoes = echoes
        self._version = 0

    async def write_document(self) -> None:
        """Fill the document, that was empty."""
        await self._edit([[0, *LINES]])

    async def press(self) -> Press:
        """Type one character in the middle; return when everybody has it."""
        half = UNITS // 2
        typed = self._version - 1
        return await self._edit([half, [0, "x"], UNITS - half + typed])

    async def _edit(self, changes: list[Any]) -> Press:
        ref = f"k{self._version}"
        frame = json.dumps(
            {
                "type": "edit",
                "ref": ref,
                "doc": DOCUMENT,
                "version": self._version,
                "changes": changes,
            }
        )
        self._version += 1
        other = self._watcher.arrival(ref)
        own = self._typist.arrival(ref) if self._echoes else other
        async with asyncio.timeout(ANSWER_S):
            began = time.perf_counter()
            await self._typist.send(frame)
            # The typist's first: it is there that a refusal would come in.
            own_at, other_at = await own, await other
        return Press((other_at - began) * 1000, (own_at - began) * 1000)


@asynccontextmanager
async def product_room(product: Product) -> AsyncIterator[Room]:
    """A candidate types and the tutor watches, in an interview of their own."""
    links = await product.interview()
    async with AsyncExitStack() as stack:
        lines = []
        for role in ("candidate", "tutor"):
            session = await product.join(links[role], role)
            opened = await stack.enter_async_context(line(session.socket_url, session.headers))
            welcome = opened.arrival("welcome")
            await opened.send(json.dumps({"type": "hello", "after": 0, "client": role}))
            async with asyncio.timeout(ANSWER_S):
                await welcome
            lines.append(opened)
        room = Room(*lines, echoes=True)
        await room.write_document()
        yield room


@asynccontextmanager
async def relay_room(relay_url: str, name: str) -> AsyncIterator[Room]:
    """The same two over the relay."""
    url = f"{relay_url.replace('http', 'ws', 1)}/rooms/{name}/ws"
    async with line(url) as typist, line(url) as watcher:
        room = Room(typist, watcher, echoes=False)
        await room.write_document()
        yield room
