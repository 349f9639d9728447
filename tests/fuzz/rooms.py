"""The server's application in this process, and rooms in it for a fuzzer to play in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp
from structlog.testing import capture_logs

from server.access import Session
from server.app import build_app, open_parts
from server.core.decide import Create, Join
from server.core.events import Role
from server.core.problem import Problem
from server.core.room import Participant, Room, replay
from server.core.text import Units
from server.parts import Parts
from server.settings import Settings
from tests.fuzz.editor import Editor
from tests.fuzz.planted import Around, no_fault
from tests.fuzz.programs import ShortPrograms
from tests.fuzz.wire import Frame, Wire

PROBLEMS = Path(__file__).parent.parent / "server" / "problems"

ROLES = (Role.TUTOR, Role.CANDIDATE)

STOCK = 16
"""How many rooms are made at a time."""

GRAVE = ("error", "critical")
"""Levels of the log at which something of ours broke."""

Texts = dict[str, tuple[int, Units]]


class UncaughtError(AssertionError):
    """Something broke inside the server, or reached a room that had nothing to do with it."""


@dataclass(slots=True)
class Played:
    """A room, and the two clients in it: a tutor and a candidate."""

    rooms: Rooms
    name: str
    sessions: list[str]
    editors: list[Editor]
    wires: list[Wire | None] = field(default_factory=lambda: [None, None])
    left: list[Wire] = field(default_factory=list)
    said_own_hello: list[bool] = field(default_factory=lambda: [True] * len(ROLES))
    expected: list[list[str]] = field(default_factory=lambda: [[], []])
    """The refs that this connection of each client has to be answered under."""

    def is_open(self, who: int) -> bool:
        """Whether a client is connected and has been welcomed."""
        wire = self.wires[who]
        return wire is not None and wire.is_open and self.editors[who].welcomed

    async def is_sent_away(self, who: int) -> bool:
        """Whether a client may not come back: the interview has ended, or their access has."""
        state = (await self.rooms.parts.host.open(self.name)).state
        is_away = state.ended_at is not None or _person(self.name, who).id in state.shut_out
        return is_away and not self.is_open(who)

    def connect(self, who: int, *, fresh: bool = False, says: str | None = None) -> None:
        """Connect a client that is not; it says hello, or what is given."""
        wire = self.wires[who]
        if wire is not None and wire.is_open:
            return
        editor = self.editors[who]
        after = 0 if fresh else editor.seq
        editor.welcomed = False
        self.expected[who] = []
        self.said_own_hello[who] = says is None  # else answers may come under another client id
        self._put_away(who)
        self.wires[who] = self.rooms.connect(self.name, self.sessions[who], editor)
        hello = json.dumps({"type": "hello", "after": after, "client": editor.client})
        self.send(who, hello if says is None else says)

    def _put_away(self, who: int) -> None:
        wire = self.wires[who]
        if wire is not None:
            self.left.append(wire)
            self.wires[who] = None

    def send(self, who: int, frame: str | bytes, expects: str | None = None) -> None:
        """Send a frame, where this client is connected; `expects` is the ref to be answered."""
        wire = self.wires[who]
        if wire is None or not wire.is_open:
            return
        wire.send(frame)
        if expects is not None:
            self.expected[who].append(expects)

    async def leave(self, who: int) -> None:
        """Cut a client off. What it was sent before, it has had; nothing after."""
        wire = self.wires[who]
        if wire is not None:
            wire.leave()
            self._put_away(who)

    async def rest(self) -> None:
        """Wait until all that was sent has been decided, and told to whoever is connected."""
        for _ in range(2):  # the first time it is read, the second time what came of it is told
            for wire in self.wires:
                if wire is not None and wire.is_open:
                    await wire.answered()
            # A room decides in order: this answer comes after those to all that was sent before.
            await self.rooms.parts.host.ask(self.name, Join(_person(self.name, 0)))

    async def server_texts(self) -> Texts:
        """The documents of the room itself."""
        return _texts((await self.rooms.parts.host.open(self.name)).state)

    async def replayed_texts(self) -> Texts:
        """The documents that the journal on the disk tells of."""
        live = await self.rooms.parts.host.open(self.name)
        return _texts(replay(live.state.problems, await self.rooms.parts.host.entries(self.name)))

    async def close(self) -> None:
        """Everybody leaves, and the room is forgotten. Raises what any connection broke with."""
        for who in range(len(self.wires)):
            self._put_away(who)
        ends = await asyncio.gather(*(w.ended() for w in self.left), return_exceptions=True)
        self.rooms.put_back(self)
        for end in ends:
            if isinstance(end, BaseException):
                raise UncaughtError(f"a connection broke: {end!r}") from end


@dataclass(slots=True)
class Rooms:
    """Rooms of one process, one of them with a bystander whom nothing may reach."""

    app: ASGIApp
    parts: Parts
    problem: Problem
    faults: list[str]
    logged: list[MutableMapping[str, Any]]
    bystanders_room: str = ""
    _bystander: Editor = field(default_factory=lambda: Editor("bystander"))
    _seat: Wire | None = None
    _heard: int = 0
    _stock: list[Played] = field(default_factory=list)
    _used: list[Played] = field(default_factory=list)

    async def new(self) -> Played:
        """A fresh room, out of a stock: made many at a time, they share the disk's syncs."""
        if not self._stock:
            await asyncio.gather(*(self.parts.host.erase(room.name) for room in self._used))
            self._used.clear()
            self._stock.extend(await asyncio.gather(*(self._make() for _ in range(STOCK))))
        return self._stock.pop()

    def put_back(self, room: Played) -> None:
        """A room that is not needed any more."""
        self._used.append(room)

    async def _make(self) -> Played:
        name = await self.parts.host.create(
            Create("An interview", "Camille", "technical-45", "en"), [self.problem]
        )
        sessions = [await self.enter(name, who) for who in range(len(ROLES))]
        return Played(self, name, sessions, [Editor(role.value) for role in ROLES])

    async def enter(self, room: str, who: int) -> str:
        """Let a client in as the lobby does; a session."""
        person = _person(room, who)
        await self.parts.host.ask(room, Join(person))
        access = self.parts.access
        link = await access.invite_one(room, person.role)
        session = await access.redeem(link, Session(room, person.id, person.role))
        assert session is not None
        return session

    def connect(self, room: str, session: str, editor: Editor) -> Wire:
        """A connection of a session."""

        def heard(frame: Frame) -> None:
            try:
                editor.hear(frame)
            except Exception as error:  # the server only sees that its frame was not taken
                self.faults.append(f"{editor.client} could not take {frame}: {error!r}")

        return Wire(self.app, room, {"authorization": f"Bearer {session}"}, heard)

    async def seat_bystander(self) -> None:
        """Put somebody into a room of their own."""
        room = await self.new()
        self.bystanders_room = room.name
        self._seat = self.connect(room.name, room.sessions[1], self._bystander)
        self._seat.send('{"type":"hello","after":0,"client":"bystander"}')
        await self._seat.answered()
        self._heard = len(self._bystander.frames)

    async def dismiss_bystander(self) -> None:
        """Let them go. Raises `UncaughtError` where their connection answers no more."""
        assert self._seat is not None, "there is a bystander for as long as there are rooms"
        await self._seat.answered()
        last = self._bystanders_news()
        if [frame["type"] for frame in last] != ["pong"]:
            raise UncaughtError(f"the bystander asked for a pong, and heard {last}")
        await self._seat.ended()

    def _bystanders_news(self) -> list[Frame]:
        """What they heard since they were last asked, but that their own room was saved."""
        news = self._bystander.frames[self._heard :]
        self._heard += len(news)
        return [frame for frame in news if frame["type"] != "saved"]

    def check_unharmed(self) -> None:
        """Raise `UncaughtError` where anything broke, or the bystander heard of any of it."""
        errors = [str(entry) for entry in self.logged if entry["log_level"] in GRAVE]
        heard = [f"the bystander heard {frame}" for frame in self._bystanders_news()]
        found = [*self.faults, *errors, *heard]
        self.faults.clear()
        self.logged.clear()
        if found:
            raise UncaughtError("; ".join(found))


def _person(room: str, who: int) -> Participant:
    return Participant(f"{room}-{who}", ROLES[who].title(), ROLES[who])


def _texts(state: Room) -> Texts:
    return {name: (doc.version, doc.units) for name, doc in state.documents.items()}


@asynccontextmanager
async def open_rooms(data: Path, around: Around = no_fault) -> AsyncIterator[Rooms]:
    """The whole server over `data`, but for its sockets; every fault of its tasks is kept.

    `around` may put something between the application and its clients.
    """
    faults: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: faults.append(f"the loop: {context}"))
    settings = Settings(port=0, data=data, admin_token="", problems=PROBLEMS)
    with capture_logs() as logged:
        async with open_parts(settings, ShortPrograms()) as parts:
            problem = parts.library.problems["double"]
            rooms = Rooms(around(build_app(parts)), parts, problem, faults, logged)
            await rooms.seat_bystander()
            yield rooms
            await rooms.dismiss_bystander()
