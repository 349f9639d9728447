"""The network between a browser and its server: it can fall silent, or be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.process import ServerProcess

PIECE_BYTES = 65_536


class Wire:
    """A TCP proxy. What is sent while it is silent arrives afterwards, as TCP has it."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._flows = asyncio.Event()
        self._flows.set()
        self._is_cut = False
        self._pairs: set[asyncio.Task[None]] = set()
        self.port = 0

    def through(self, link: str) -> str:
        """The same address, by way of this wire."""
        return link.replace(self._server.url, f"http://127.0.0.1:{self.port}")

    def silence(self) -> None:
        """Nothing comes through any more, and no side is told."""
        self._flows.clear()

    def cut(self) -> None:
        """Every connection ends, and so does each new one."""
        self._is_cut = True
        for pair in self._pairs:
            pair.cancel()

    def mend(self) -> None:
        """All is as it was."""
        self._is_cut = False
        self._flows.set()

    async def serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._pairs.add(task)
        try:
            with suppress(OSError, asyncio.CancelledError):
                if not self._is_cut:
                    await self._join(reader, writer)
        finally:
            self._pairs.discard(task)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flows.wait()
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        ways = [
            asyncio.create_task(self._carry(reader, up_writer)),
            asyncio.create_task(self._carry(up_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            up_writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE_BYTES):
            await self._flows.wait()
            writer.write(piece)
            await writer.drain()
        await writer.drain()
        writer.close()


@asynccontextmanager
async def wire(server: ServerProcess) -> AsyncIterator[Wire]:
    """A wire to a server, for as long as the block lasts."""
    laid = Wire(server)
    listener = await asyncio.start_server(laid.serve_one, "127.0.0.1", 0)
    laid.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield laid
        laid.cut()
