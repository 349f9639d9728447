"""A line between clients and a server that can be cut, be slow, and lose packets.

It passes TCP's bytes on. A lost packet is what TCP makes of it: nothing behind it comes through
until it has been sent again, after a round trip and a half.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

RESENT_AFTER = 1.5
"""A lost packet comes so many round trips later."""


@dataclass(slots=True)
class Line:
    """How the line is just now; use through `line_to`."""

    host: str
    there: int
    port: int = 0
    round_trip_s: float = 0.0
    loss: float = 0.0
    """The share of packets that are lost, each way."""
    lost: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(5))  # noqa: S311
    _whole: asyncio.Event = field(default_factory=asyncio.Event)
    _pumps: set[asyncio.Task[None]] = field(default_factory=set)
    _ends: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where the server is reached over the line."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Nothing comes through from here on, and nobody is told."""
        self._whole.clear()

    def mend(self) -> None:
        """All comes through again; what was on its way comes late."""
        self._whole.set()

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(self.host, self.there)
        except OSError:
            writer.close()  # no server: the client is told by the close, as by a refusal
            return
        self._ends += [writer, back]
        for source, sink in ((reader, back), (there, writer)):
            pump = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        passing: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        out = asyncio.create_task(self._pass_on(passing, sink))
        loop = asyncio.get_running_loop()
        try:
            while data := await source.read(1400):  # as much as a packet holds
                passing.put_nowait((loop.time() + self._takes_s(), data))
        except ConnectionError:
            pass  # one side hung up, which the other is told by the end
        finally:
            passing.put_nowait((loop.time() + self.round_trip_s / 2, b""))
            try:
                await asyncio.gather(out, return_exceptions=True)
            finally:
                out.cancel()
                sink.close()

    def _takes_s(self) -> float:
        once_s = self.round_trip_s / 2
        while self.loss and self.chance.random() < self.loss:
            self.lost += 1
            once_s += self.round_trip_s * RESENT_AFTER
        return once_s

    async def _pass_on(
        self, passing: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await passing.get()
            await asyncio.sleep(due - loop.time())
            await self._whole.wait()
            if not data:
                return
            sink.write(data)
            await sink.drain()


@asynccontextmanager
async def line_to(url: str) -> AsyncIterator[Line]:
    """A line to the server at `url`, whole and quick at first."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    line = Line(parts.hostname, parts.port)
    line.mend()
    server = await asyncio.start_server(line._let_in, "127.0.0.1")
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        pumps = tuple(line._pumps)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for end in line._ends:
            end.close()
        await asyncio.gather(*(end.wait_closed() for end in line._ends), return_exceptions=True)
