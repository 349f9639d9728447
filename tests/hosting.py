"""Rooms without a network: a host over a real database, and listeners that keep what they hear."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.contract import Sandbox
from server.access import Access
from server.archive import Archive
from server.core import messages
from server.core.decide import Create, Join, Sender
from server.core.events import Entry, Role
from server.core.problem import Problem
from server.core.room import Participant, Room, replay
from server.host import Host, open_host
from server.journal import Journal, open_journal
from server.library import Library
from server.live import LiveRoom
from server.store import Store, open_store
from tests.scripted import ScriptedRun, ScriptedSandbox
from tests.serving import Frame, Match

PROBLEMS = Path(__file__).parent / "server" / "problems"


@dataclass(slots=True, eq=False)
class Ear:
    """A listener in a room."""

    participant: Participant
    frames: list[Frame] = field(default_factory=list)
    closed: tuple[int, str] | None = None
    silent_s: float = 0.0
    _heard: asyncio.Event = field(default_factory=asyncio.Event)
    _read: int = 0

    def send(self, frame: str) -> None:
        """Keep a frame."""
        self.frames.append(json.loads(frame))
        self._heard.set()

    def catch_up(self, frames: Sequence[str]) -> None:
        """Keep what comes first."""
        for frame in frames:
            self.send(frame)

    def close(self, code: int, reason: str) -> None:
        """Keep why it ended."""
        self.closed = (code, reason)

    async def until(self, matches: Match) -> Frame:
        """The next frame that fits; those before it are passed over."""
        async with asyncio.timeout(20):
            while True:
                while self._read < len(self.frames):
                    frame = self.frames[self._read]
                    self._read += 1
                    if matches(frame):
                        return frame
                self._heard.clear()
                await self._heard.wait()

    async def event(self, kind: str, **fields: Any) -> Frame:
        """The next event of this kind, with these fields."""
        return await self.until(
            lambda frame: frame.get("kind") == kind and fields.items() <= frame.items()
        )

    def kinds(self) -> list[str]:
        """The kinds of the events heard so far."""
        return [frame["kind"] for frame in self.frames if frame["type"] == "event"]


@dataclass(slots=True)
class Hosting:
    """A host, and what it stands on."""

    store: Store
    journal: Journal
    host: Host

    async def create(self, *problems: Problem) -> str:
        """An interview, with nobody in it."""
        return await self.host.create(
            Create("An interview", "Camille", "technical-45", "en"), problems
        )

    async def enter(self, room: str, role: Role = Role.CANDIDATE, after: int = 0) -> Ear:
        """Somebody in this role joins, and listens."""
        person = Participant(f"the-{role}", role.title(), role)
        await self.host.ask(room, Join(person))
        ear = Ear(person)
        (await self.host.open(room)).attach(ear, after, "ready")
        return ear

    async def ask(self, room: str, ear: Ear, command: messages.Command) -> list[Entry]:
        """Put a command to a room in somebody's name."""
        return await self.host.ask(room, command, Sender(ear.participant, ear.participant.id))

    async def type_text(self, room: str, ear: Ear, text: str, ref: str | None = None) -> None:
        """Put a line before whatever stands in the scratch pad."""
        live = await self.host.open(room)
        document = live.state.documents["scratch"]
        rest = [len(document.units)] if document.units else []
        edit = messages.Edit(
            doc="scratch",
            version=document.version,
            changes=[[0, *text.split("\n")], *rest],
            ref=ref,
        )
        await self.ask(room, ear, edit)

    async def replayed(self, room: str) -> Room:
        """The room that the journal on the disk describes."""
        live = await self.host.open(room)
        return replay(live.state.problems, await self.journal.read(room))


def scratch(room: LiveRoom | Room) -> str:
    """What stands in the scratch pad."""
    state = room.state if isinstance(room, LiveRoom) else room
    return state.documents["scratch"].text


def run_scratch(ref: str | None = None) -> messages.Run:
    return messages.Run(doc="scratch", what="program", ref=ref)


async def started(here: Hosting, room: str, ear: Ear, sandbox: ScriptedSandbox) -> ScriptedRun:
    """A run of the scratch pad that has reached the sandbox."""
    await here.ask(room, ear, run_scratch())
    return await sandbox.runs.get()


def double() -> Problem:
    """The tests' own problem."""
    return Library(PROBLEMS).problems["double"]


@asynccontextmanager
async def hosting(path: Path, sandbox: Sandbox, idle_s: float = 300.0) -> AsyncIterator[Hosting]:
    """A process's worth of rooms on the database at `path`; several may share it."""
    async with (
        open_store(f"sqlite:///{path}") as store,
        open_journal(store) as journal,
        open_host(journal, Access(store, ""), Archive(store), sandbox, idle_s) as host,
    ):
        yield Hosting(store, journal, host)
