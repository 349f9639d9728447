"""The load generator's process, as the benchmark talks to it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from server.settings import ROOT
from tests.bench.load import LINE_BYTES, OPEN_S
from tests.bench.measure import BenchError
from tests.bench.orders import (
    Answer,
    Done,
    Failed,
    Open,
    Opened,
    Order,
    Place,
    Type,
    Typed,
    Write,
)

A = TypeVar("A", Opened, Typed, Done)

PATIENCE_S = OPEN_S + 30
"""The longest that an order without an end of its own may take."""

_decoder = msgspec.json.Decoder(Answer)


class Generator:
    """Use through `generator`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def open(self, group: str, places: list[Place]) -> Opened:
        """Connect a group of clients, all at once. Raises `BenchError` where one stays out."""
        opened = await self._ask(Open(group, places), Opened)
        if opened.failed:
            raise BenchError(f"{len(opened.failed)} clients did not get in: {opened.failed[0]}")
        return opened

    async def write(self, group: str) -> None:
        """Fill the documents of a group's rooms."""
        await self._ask(Write(group), Done)

    async def keys(self, group: str, rooms: int, keys_per_s: float, seconds: float) -> Typed:
        """Have both clients in `rooms` of the group type, `keys_per_s` each."""
        return await self._ask(Type(group, rooms, keys_per_s, seconds), Typed, seconds)

    async def _ask(self, order: Order, wanted: type[A], seconds: float = 0) -> A:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        try:
            async with asyncio.timeout(PATIENCE_S + 5 * seconds):
                line = await self._process.stdout.readline()
        except TimeoutError as error:
            raise BenchError(f"The load generator hangs over {order}.") from error
        if not line:
            raise BenchError("The load generator ended before its time.")
        answer = _decoder.decode(line)
        if isinstance(answer, Failed):
            raise BenchError(answer.message)
        assert isinstance(answer, wanted)
        return answer


@asynccontextmanager
async def generator() -> AsyncIterator[Generator]:
    """A load generator for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.load"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
    )
    try:
        yield Generator(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
