"""A run's way through the line for a sandbox, told to its room in events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Self

from server.core.events import AnyEvent, RunQueued

TOLD_AFTER_S = 0.2
"""A wait that is over sooner, as while the next container comes up, is not worth a word."""
PAUSE_S = 0.5
"""Between two places told. A line may move many times a second; only the newest place matters."""

RecordEvents = Callable[[Sequence[AnyEvent]], Awaitable[None]]


class PlaceInLine:
    """Use as an async context manager around the wait; `moved` is what the sandbox calls.

    `moved` returns at once: places are recorded, in order, by a task of its own.
    """

    def __init__(self, run: str, record: RecordEvents) -> None:
        self._run = run
        self._record = record
        self._newest = 0
        self._told = 0
        self._has_moved = asyncio.Event()
        self._teller: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._leave()

    def moved(self, place: int) -> None:
        """The run is at another place now, 1 for the next."""
        self._newest = place
        self._has_moved.set()
        if self._teller is None:
            self._teller = asyncio.create_task(self._tell(), name=f"place of {self._run}")

    async def reached(self) -> None:
        """The run has its sandbox: recorded before anything that comes of it."""
        await self._leave()
        if self._told:
            self._told = 0
            await self._record([RunQueued(run=self._run, place=0)])

    async def _leave(self) -> None:
        teller, self._teller = self._teller, None
        if teller is None:
            return
        teller.cancel()
        await asyncio.wait([teller])
        if not teller.cancelled():
            teller.result()

    async def _tell(self) -> None:
        await asyncio.sleep(TOLD_AFTER_S)
        while True:
            await self._has_moved.wait()
            self._has_moved.clear()
            if self._newest != self._told:
                self._told = self._newest
                await self._record([RunQueued(run=self._run, place=self._told)])
                await asyncio.sleep(PAUSE_S)
