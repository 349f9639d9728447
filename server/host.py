"""The live rooms of this process: opened from the journal, served, and closed when idle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import structlog
from msgspec.structs import replace

from sandbox.contract import Sandbox
from server import metrics
from server.access import Access, new_id
from server.archive import Archive
from server.clock import RoomClock, TimeMs, now_ms
from server.core import messages
from server.core.checkpoint import UnusableCheckpointError, unpack
from server.core.decide import Abandon, Command, Create, Sender, TellDamage, decide
from server.core.errors import VivaError
from server.core.events import (
    SYSTEM,
    Entry,
    FrozenProblem,
    InterviewCreated,
    InterviewEnded,
    Role,
)
from server.core.interview import FORMATS
from server.core.messages import encode
from server.core.problem import Problem
from server.core.roles import check_allowed
from server.core.room import Room
from server.journal import DamagedJournalError, Journal
from server.live import LiveRoom, numbered, open_room
from server.store import StoreUnavailableError

IDLE_S = 300.0
"""How long a room stays open with nobody in it."""

SWEEP_S = 30.0
"""How often idle rooms are looked for."""

EXPIRY_S = 3600.0
"""How often interviews that have been kept long enough are looked for."""

DAY_MS = 24 * 3600 * 1000

SANDBOX_LOOK_S = 1.0
"""How often the sandbox's state is looked at, to tell everybody when it changes."""

PRESENCE_LOOK_S = 1.0
"""How often it is looked who has fallen silent."""

DRAIN_S = 2.0
"""How long a server that is told to stop waits for the journal."""

GONE_AWAY = 1001
ERASED = 4404
"""The WebSocket close code for a room that is no more."""

log = structlog.get_logger()


class UnknownRoomError(VivaError):
    """There is no such interview (any more)."""


class UnknownFormatError(VivaError):
    """There is no such interview format; the message names those that there are."""


@dataclass(frozen=True, slots=True)
class Interview:
    """One line of the list of interviews."""

    id: str
    created_at: int
    ended_at: int | None
    created: InterviewCreated


class Host:
    """Use through `open_host`."""

    def __init__(
        self,
        journal: Journal,
        access: Access,
        archive: Archive,
        sandbox: Sandbox,
        tasks: asyncio.TaskGroup,
        idle_s: float,
        now: TimeMs,
    ) -> None:
        self._journal = journal
        self._access = access
        self._archive = archive
        self._sandbox = sandbox
        self._tasks = tasks
        self._idle_s = idle_s
        self._now = now
        self._rooms: dict[str, tuple[LiveRoom, asyncio.Task[None]]] = {}
        self._opening = asyncio.Lock()

    @property
    def sandbox_status(self) -> Literal["ready", "unavailable"]:
        """What `/healthz` and the Run button say."""
        return "ready" if self._sandbox.available else "unavailable"

    @property
    def why_no_sandbox(self) -> str:
        """What is wrong and how to mend it; empty while programs can run."""
        return self._sandbox.why_unavailable or ""

    # Interviews.

    async def create(self, request: Create, problems: Sequence[Problem]) -> str:
        """Make an interview of `problems`, frozen as they are now; its id.

        Raises `UnknownFormatError`, `StoreUnavailableError`.
        """
        if request.format not in FORMATS:
            known = ", ".join(FORMATS)
            raise UnknownFormatError(f'There is no format "{request.format}". There are: {known}.')
        await self._archive.freeze(problems)
        room = new_id()
        state = Room(problems={problem.id: problem for problem in problems})
        now = self._now()
        events = decide(state, request, None, now)
        await self._journal.append(room, list(numbered(events, 0, SYSTEM, now)))
        await self._journal.flush()
        return room

    async def interviews(self, offset: int, limit: int) -> list[Interview]:
        """The interviews, newest first."""
        created = await self._journal.with_kinds(["interview_created"], offset, limit)
        ended = await self._journal.ended_among([room for room, _ in created])
        return [
            Interview(room, entry.at, ended.get(room), entry.event)
            for room, entry in created
            if isinstance(entry.event, InterviewCreated)
        ]

    async def interview(self, room: str) -> Interview:
        """One interview. Raises `UnknownRoomError`."""
        entries = await self.entries(room)
        created = entries[0].event
        ended = next((e.at for e in entries if isinstance(e.event, InterviewEnded)), None)
        if not isinstance(created, InterviewCreated):
            raise UnknownRoomError(f"The journal of {room} does not begin with its creation.")
        return Interview(room, entries[0].at, ended, created)

    async def entries(self, room: str) -> list[Entry]:
        """The whole journal of a room. Raises `UnknownRoomError`."""
        entries = await self._journal.read(room)
        if not entries:
            raise _unknown(room)
        return entries

    async def ask(self, room: str, command: Command, who: Sender | None = None) -> list[Entry]:
        """Put one command to a room and wait for what it comes to."""
        return await (await self.open(room)).submit(command, who)

    async def revoke(self, room: str, command: messages.Revoke, who: Sender) -> None:
        """End a role's links and sessions, then close its connections, by way of the journal.

        In this order, so that a fault in between leaves nobody with access.
        """
        check_allowed(who.participant.role, command)
        await self._access.revoke(room, Role(command.role))
        await self.ask(room, command, who)

    async def erase(self, room: str) -> None:
        """Forget an interview: its journal, its links, its sessions. Raises `UnknownRoomError`."""
        async with self._opening:  # so that nobody opens it in between and writes on
            if not await self._journal.has(room):
                raise _unknown(room)
            await self._close(room, ERASED, "This interview has been erased.")
            await self._access.erase(room)
            await self._journal.erase(room)

    # Live rooms.

    async def open(self, room: str) -> LiveRoom:
        """The live room, opened from its journal if need be. Raises `UnknownRoomError`."""
        if room in self._rooms:
            return self._rooms[room][0]
        async with self._opening:
            if room not in self._rooms:
                await self._open(room)
            return self._rooms[room][0]

    async def _open(self, name: str) -> None:
        start, entries, lost = await self._read(name)
        await self._journal.flush()  # what a killed process left: to say that it is saved
        clock = RoomClock(self._now)
        room = open_room(name, self._journal, self._sandbox, start, entries, clock)
        task = self._tasks.create_task(self._serve(room), name=f"room {name}")
        self._rooms[name] = (room, task)
        metrics.rooms_open.set(len(self._rooms))
        try:
            if lost:
                await room.submit(TellDamage(lost))
            # A run that is under way in the journal was performed by a process that is gone.
            await room.submit(Abandon())
        except VivaError:
            task.cancel()
            raise

    async def _read(self, name: str) -> tuple[Room, list[Entry], int]:
        """Where to begin, what came after it, and how many entries had to be set aside.

        Raises `UnknownRoomError`.
        """
        lost = 0
        start = await self._start(name)
        try:
            entries = await self._journal.read(name, start.seq)
        except DamagedJournalError as error:
            if error.seq == 1:
                raise  # not even the interview's creation can be read
            lost = await self._journal.set_aside(name, error.seq)
            log.error("damaged entries set aside", room=name, lost=lost, error=str(error))
            entries = await self._journal.read(name, start.seq)
        if start.seq:
            return start, entries, lost
        if not entries:
            raise _unknown(name)
        created = entries[0].event
        problems = created.problems if isinstance(created, InterviewCreated) else []
        return Room(problems=await self._thaw(problems)), entries, lost

    async def _start(self, name: str) -> Room:
        """The room as of its latest checkpoint; without a usable one, as it was before all."""
        nothing = Room(problems={})
        kept = await self._journal.checkpoint(name)
        if kept is None:
            return nothing
        try:
            room = unpack(kept.body.encode(), {})
        except UnusableCheckpointError as error:
            log.warning("a checkpoint is passed over", room=name, error=str(error))
            return nothing
        frozen = room.interview.problems if room.interview else []
        return replace(room, problems=await self._thaw(frozen))

    async def _thaw(self, frozen: Sequence[FrozenProblem]) -> Mapping[str, Problem]:
        thawed = await self._archive.thaw([problem.hash for problem in frozen])
        return {problem.id: problem for problem in thawed}

    async def _serve(self, room: LiveRoom) -> None:
        """Serve a room; one that breaks is closed, and opened afresh when its people come back."""
        try:
            await room.serve()
        except Exception:  # one room's fault must not end the others: this is its task's edge
            log.exception("a room broke", room=room.name)
            room.listeners.close(1011, "The room had an internal fault; reconnecting.")
        finally:
            self._rooms.pop(room.name, None)
            metrics.rooms_open.set(len(self._rooms))

    async def _close(self, name: str, code: int, reason: str) -> None:
        if name not in self._rooms:
            return
        room, task = self._rooms[name]
        room.listeners.close(code, reason)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def evict_idle_forever(self) -> None:
        """Close idle rooms, again and again."""
        while True:
            await asyncio.sleep(SWEEP_S)
            await self.evict_idle()

    async def evict_idle(self) -> None:
        """Close the rooms in which nothing has happened for a while."""
        async with self._opening:
            for name, (room, _) in list(self._rooms.items()):
                if room.is_idle and time.monotonic() - room.idle_since >= self._idle_s:
                    await self._close(name, GONE_AWAY, "idle")

    async def erase_expired_forever(self, retention_days: int) -> None:
        """Erase what the lobby promised to keep for so long and no longer."""
        while True:
            try:
                await self.erase_expired(retention_days)
            except StoreUnavailableError as error:
                log.warning("expired interviews not erased yet", error=str(error))
            await asyncio.sleep(EXPIRY_S)

    async def erase_expired(self, retention_days: int) -> None:
        """Erase every interview in which nothing has happened for `retention_days`."""
        await self._access.forget_expired()
        for room in await self._journal.silent_since(self._now() - retention_days * DAY_MS):
            with suppress(UnknownRoomError):  # somebody erased it in the meantime
                await self.erase(room)
            log.info("interview erased after its retention", room=room)

    async def look_who_is_there_forever(self) -> None:
        """Notice those who have fallen silent without a goodbye."""
        while True:
            await asyncio.sleep(PRESENCE_LOOK_S)
            for room, _ in self._rooms.values():
                room.look_who_is_there()

    async def tell_of_sandbox_forever(self) -> None:
        """Tell everybody when running becomes possible or impossible."""
        told = self.sandbox_status
        while True:
            await asyncio.sleep(SANDBOX_LOOK_S)
            if (status := self.sandbox_status) != told:
                told = status
                for room, _ in self._rooms.values():
                    room.listeners.send(encode({"type": "sandbox", "status": status}))

    # What the journal tells.

    def saved(self, room: str, seq: int) -> None:
        """All of `room` up to the number `seq` is on the disk: its people hear of it."""
        if room in self._rooms:
            self._rooms[room][0].tell_saved(seq)

    def saving(self, ok: bool) -> None:
        """Nothing can be saved from here on, or all can be again: everybody hears of it."""
        for room, _ in self._rooms.values():
            room.listeners.send(encode({"type": "saving", "ok": ok}))

    # The end.

    async def drain(self) -> None:
        """Before the server ends: runs end with a clear word, and browsers know to come back."""
        try:
            async with asyncio.timeout(DRAIN_S):
                await asyncio.gather(*(room.break_off() for room, _ in self._rooms.values()))
        except TimeoutError:
            log.warning("the journal is slow: runs are ended when their rooms open again")
        self.close_connections()

    def close_connections(self) -> None:
        """End every connection, so that browsers come back to the process after this one."""
        for room, _ in self._rooms.values():
            room.listeners.close(1012, "The server is restarting; reconnecting.")


def _unknown(room: str) -> UnknownRoomError:
    return UnknownRoomError(f'There is no interview "{room}" (any more).')


@asynccontextmanager
async def open_host(
    journal: Journal,
    access: Access,
    archive: Archive,
    sandbox: Sandbox,
    idle_s: float = IDLE_S,
    now: TimeMs = now_ms,
) -> AsyncIterator[Host]:
    """A host whose rooms, runs and watchers all end with the block.

    A room closes once nobody has been in it for `idle_s`. `now` is the machine's clock.
    """
    failure: VivaError | None = None
    async with asyncio.TaskGroup() as tasks:
        host = Host(journal, access, archive, sandbox, tasks, idle_s, now)
        journal.listen(host)
        watchers = [
            tasks.create_task(host.evict_idle_forever()),
            tasks.create_task(host.tell_of_sandbox_forever()),
            tasks.create_task(host.look_who_is_there_forever()),
        ]
        try:
            yield host
        except VivaError as error:
            failure = error  # raised below: the task group would hide it in a group
        finally:
            host.close_connections()
            for task in (*watchers, *(task for _, task in host._rooms.values())):
                task.cancel()
    if failure:
        raise failure
