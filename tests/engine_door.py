"""A door in front of the Docker engine that a test can shut: connections hang, none breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

ENGINE = "/var/run/docker.sock"


class EngineDoor:
    """Passes bytes on, both ways, for as long as it is open."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._pumps: set[asyncio.Task[None]] = set()

    def shut(self) -> None:
        """From here on nothing is passed on, on old connections and new ones."""
        self._open.clear()

    def open(self) -> None:
        """Pass everything on again, what was held back first."""
        self._open.set()

    @asynccontextmanager
    async def at(self, place: Path) -> AsyncIterator[None]:
        """Stand at this path for as long as the block lasts."""
        server = await asyncio.start_unix_server(self._let_in, place)
        try:
            yield
        finally:
            server.close()
            for pump in self._pumps:
                pump.cancel()
            await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(ENGINE)
        for source, sink in ((reader, back), (there, writer)):
            pump = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                await self._open.wait()
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass  # one side hung up, which the other is told by the close
        finally:
            sink.close()
