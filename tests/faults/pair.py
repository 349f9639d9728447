"""Two who type in one room, and what they have to say at the end."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from websockets.asyncio.client import connect

from server.core import messages
from server.core.events import Edited
from tests.faults.verdict import Evidence, Witness
from tests.served import created, journal_of, socket_url, welcomed_text
from tests.typing_client import DOC, SILENCE_S, Typist, all_is_saved, typing, until

ROLES = ("tutor", "candidate")


class Server(Protocol):
    """A server that can be ended and begun again."""

    data: Path

    @property
    def url(self) -> str:
        """Where it serves."""
        ...

    async def start(self) -> object:
        """Start it, and wait until it serves."""
        ...

    async def kill(self) -> None:
        """End it without a word."""
        ...


@dataclass(frozen=True, slots=True)
class Pair:
    """A tutor and a candidate, in one tab each or in several, in a room of a server's."""

    server: Server
    room: str
    sessions: Mapping[str, str]
    """A session for each role."""
    typists: Sequence[Typist]

    @property
    def trips_ms(self) -> list[float]:
        """How long the own edits of both took to come back."""
        return [trip for typist in self.typists for trip in typist.trips_ms]

    def arrivals(self) -> tuple[int, ...]:
        """How often each came in."""
        return tuple(typist.arrivals for typist in self.typists)

    def all_back(self, since: tuple[int, ...]) -> bool:
        """Whether both have come in again, with all that they missed."""
        return all(typist.is_live for typist in self.typists) and all(
            now > then for now, then in zip(self.arrivals(), since, strict=True)
        )

    async def more_edits(self, number: int) -> None:
        """Until each has had so many more of their own edits come back."""
        wanted = [len(typist.trips_ms) + number for typist in self.typists]
        await until(
            self.typists,
            lambda: all(
                len(typist.trips_ms) >= n for typist, n in zip(self.typists, wanted, strict=True)
            ),
        )

    async def settle(self) -> str:
        """All stop typing and have everything; the text as the server shows it to a newcomer."""
        await all_is_saved(self.typists)
        return await welcomed_text(
            socket_url(self.server.url, self.room), self.sessions["observer"]
        )

    async def evidence(self, shown: str) -> Evidence:
        """What everybody has, after `settle` and the server's end."""
        entries, replayed = await journal_of(self.server.data, self.room)
        edits = [entry.event for entry in entries if isinstance(entry.event, Edited)]
        return Evidence(
            server=shown,
            replayed=replayed,
            refs=[str(edit.ref) for edit in edits if edit.doc == DOC],
            last_seq=entries[-1].seq,
            times=[entry.at for entry in entries],
            witnesses=[witness(typist) for typist in self.typists],
        )


def witness(typist: Typist) -> Witness:
    """What a typist knows."""
    return Witness(
        typist.name, typist.text, typist.came_at, typist.seen, typist.typed, typist.saved
    )


@asynccontextmanager
async def pair(
    server: Server, pace_s: float, *, via: str = "", silence_s: float = SILENCE_S, tabs: int = 1
) -> AsyncIterator[Pair]:
    """Two who type for as long as the block lasts; both are in when it begins.

    `via` is the URL that they reach the server by; by default its own.
    """
    room, sessions = await created(server.url)
    url = socket_url(via or server.url, room)
    typists = [
        Typist(
            *(f"{role}-{tab}", url, sessions[role], random.Random(f"{role}{tab}")),  # noqa: S311
            pace_s=pace_s,
            silence_s=silence_s,
        )
        for role in ROLES
        for tab in range(tabs)
    ]
    for typist in typists:
        await _look_in(url, typist)
    together = Pair(server, room, sessions, typists)
    async with typing(typists):
        await until(typists, lambda: all(typist.is_live for typist in typists))
        yield together


async def _look_in(url: str, typist: Typist) -> None:
    """A first look at the room, so that nothing that is typed from here on is ever missed."""
    headers = {"Authorization": f"Bearer {typist.session}"}
    async with connect(url, additional_headers=headers, proxy=None) as socket:
        await socket.send(messages.encode({"type": "hello", "after": 0, "client": "first look"}))
        typist.take_welcome(json.loads(await socket.recv()))
