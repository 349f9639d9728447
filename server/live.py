"""A room that is open: its state, who is connected, and the one queue that changes go through."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from sandbox.contract import Sandbox
from server import metrics
from server.clock import RoomClock
from server.core.checkpoint import pack
from server.core.decide import Abandon, Command, Record, Sender, decide
from server.core.errors import RefusedError, VivaError
from server.core.events import (
    SYSTEM,
    AccessRevoked,
    AnyEvent,
    Entry,
    InterviewEnded,
    Role,
    RunFinished,
    RunStarted,
    StdinWritten,
    StopRequested,
)
from server.core.messages import Cursor, encode
from server.core.room import Room, evolve, evolved
from server.core.snapshot import palette, snapshot
from server.journal import ConflictError, DamagedJournalError, Journal, Kept
from server.listeners import Listener, Listeners, frame_for
from server.runner import Job, Performance
from server.store import StoreUnavailableError

TAIL = 1_000
"""How many entries a room keeps at hand for those who come back."""

RECALL = 3_000
"""How many are read from the journal for somebody who was away longer; past it, the whole state."""

CHECKPOINT_EVERY = 500
"""A checkpoint is as far behind a room's last entry, at least; and at most about twice as far."""

GROUP = 256
"""How many commands are decided before their events are appended together."""

RETRY_S = 0.5
"""How long what a run brought waits before it is journaled again, where that failed."""

REOPENING = 1012
"""The WebSocket close code for whoever reached a room as it closed: reconnect, it opens afresh."""

REVOKED = (4403, "Your access to this room was ended. Ask whoever invited you for a new link.")
ENDED = (4410, "The interview has ended.")
"""The close codes and words for those who have no more part in a room."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Asked:
    command: Command
    who: Sender | None
    answer: asyncio.Future[list[Entry]]


@dataclass(slots=True)
class _Decided:
    """A command, what it comes to, and the state right after it."""

    asked: _Asked
    entries: list[Entry]
    state: Room


@dataclass(slots=True)
class _Group:
    """Commands decided together: the state after them, and what there is to append."""

    state: Room
    decided: list[_Decided] = field(default_factory=list)

    @property
    def entries(self) -> list[Entry]:
        return [entry for one in self.decided for entry in one.entries]


class LiveRoom:
    """Use through `Host`, which runs `serve` for as long as the room is open."""

    def __init__(
        self, name: str, journal: Journal, sandbox: Sandbox, state: Room, clock: RoomClock
    ) -> None:
        self.name = name
        self.state = state
        self.clock = clock
        self._journal = journal
        self._sandbox = sandbox
        self._asked: asyncio.Queue[_Asked] = asyncio.Queue()
        self._in_hand: list[_Asked] = []
        self._closed = False
        self.listeners = Listeners()
        self._tail: deque[Entry] = deque(maxlen=TAIL)
        self._saved = state.seq
        self._behind = state  # what the next checkpoint is made of
        self._keeping: asyncio.Task[None] | None = None
        # One run at a time is under way; the one before it may still be putting its things away.
        self._running: dict[str, tuple[Performance, asyncio.Task[None]]] = {}
        self.idle_since: float = time.monotonic()

    @property
    def is_idle(self) -> bool:
        """Nobody is connected and nothing runs."""
        return not self.listeners and not self._running and self._asked.empty()

    # Commands.

    def submit(self, command: Command, who: Sender | None = None) -> asyncio.Future[list[Entry]]:
        """Ask for something; the future brings the entries that it came to, once journaled.

        Its exception is a `RefusedError`, or `StoreUnavailableError` where nothing could be
        journaled; in both cases nothing has changed. `RoomClosedError` comes where the room closed
        in the meantime.
        """
        answer: asyncio.Future[list[Entry]] = asyncio.get_running_loop().create_future()
        asked = _Asked(command, who, answer)
        if self._closed:
            _answer(asked, RoomClosedError())
        else:
            self._asked.put_nowait(asked)
        return answer

    async def serve(self) -> None:
        """Decide, append, evolve, broadcast: for as long as the room is open."""
        try:
            while True:
                self._in_hand = [await self._asked.get()]
                while len(self._in_hand) < GROUP and not self._asked.empty():
                    self._in_hand.append(self._asked.get_nowait())
                await self._handle(self._in_hand)
        finally:
            await self._shut()

    async def _handle(self, asked: list[_Asked]) -> None:
        group = self._decide(asked)
        try:
            while not await self._journaled(group.entries):
                group = self._decide([one.asked for one in group.decided])
        except StoreUnavailableError as error:
            for one in group.decided:
                _answer(one.asked, error)
            return
        self._take_over(group.state, group.entries)
        for one in group.decided:
            for entry in one.entries:
                self._perform(entry.event, one.state)
            _answer(one.asked, one.entries)

    async def _journaled(self, entries: Sequence[Entry]) -> bool:
        """Append; False where another process was faster, whose entries are taken in instead."""
        try:
            if entries:
                await self._journal.append(self.name, entries)
        except ConflictError:
            await self._catch_up()
            return False
        return True

    def _decide(self, asked: Sequence[_Asked]) -> _Group:
        group = _Group(self.state)
        now = self.clock.now()
        for one in asked:
            try:
                events = decide(group.state, one.command, one.who, now)
            except RefusedError as error:
                _answer(one, error)
                continue
            by = one.who.participant.id if one.who else SYSTEM
            entries = list(numbered(events, group.state.seq, by, now))
            for entry in entries:
                group.state = evolve(group.state, entry)
            group.decided.append(_Decided(one, entries, group.state))
        return group

    async def _catch_up(self) -> None:
        """Take in what another process appended. What it started running, it runs."""
        entries = await self._journal.read(self.name, self.state.seq)
        state = evolved(self.state, entries)
        self._take_over(state, entries)
        for entry in entries:
            if isinstance(entry.event, RunFinished) and entry.event.run in self._running:
                self._running[entry.event.run][1].cancel()
            else:
                self._heed(entry.event)

    def _take_over(self, state: Room, entries: Sequence[Entry]) -> None:
        """The entries are journaled: they are the state now, and everybody hears of them."""
        self.state = state
        self._tail.extend(entries)
        if entries:
            self.clock.follow(entries[-1].at)  # another process's clock may be ahead
        for entry in entries:
            self.listeners.tell(entry)
        if state.seq - self._behind.seq >= CHECKPOINT_EVERY and self._keeping is None:
            self._keeping = asyncio.create_task(self._keep(self._behind), name=f"{self.name} keeps")
            self._behind = state

    async def _keep(self, behind: Room) -> None:
        """Keep a checkpoint, so that the room opens quickly; without one it opens all the same."""
        try:
            kept = Kept(behind.seq, pack(behind).decode())
            await self._journal.keep_checkpoint(self.name, kept)
        except StoreUnavailableError as error:
            log.warning("no checkpoint kept", room=self.name, error=str(error))
        finally:
            self._keeping = None

    # Whoever is connected.

    async def recall(self, after: int) -> Sequence[Entry]:
        """What came after the entry `after` and is not at hand any more, for `attach`."""
        first = self._tail[0].seq if self._tail else self.state.seq + 1
        if not 0 < after < first - 1 or self.state.seq - after > RECALL:
            return ()
        try:
            entries = await self._journal.read(self.name, after)
        except (DamagedJournalError, StoreUnavailableError) as error:
            log.warning("entries not recalled", room=self.name, error=str(error))
            return ()
        return entries

    def attach(
        self, listener: Listener, after: int, sandbox: str, recalled: Sequence[Entry] = ()
    ) -> None:
        """Welcome a connection that has seen the entries up to `after`, and keep it posted."""
        if self._closed:
            listener.close(REOPENING, "The room closed just now; reconnecting.")
            return
        if listener.participant.id in self.state.shut_out:
            listener.close(*REVOKED)
            return
        missed = self._missed(after, recalled)
        welcome: dict[str, Any] = {
            "type": "welcome",
            "you": {
                "id": listener.participant.id,
                "name": listener.participant.name,
                "role": listener.participant.role,
            },
            "seq": self.state.seq,
            "saved": self._saved,
            "saving": self._journal.ok,
            "now": self.clock.now(),
        }
        self.listeners.add(listener)
        role = listener.participant.role
        if missed is None:
            state = snapshot(self.state, role, self.listeners.present())
            welcome["state"] = {**state, "sandbox": sandbox}
        seen = (frame_for(entry, role) for entry in missed or ())
        status = encode({"type": "sandbox", "status": sandbox})
        listener.catch_up([encode(welcome), *(frame for frame in seen if frame), status])
        self.listeners.tell_presence(self.state)
        if self.state.ended_at is not None:
            self.listeners.part_with((Role.CANDIDATE, Role.OBSERVER), ENDED)

    def detach(self, listener: Listener) -> None:
        """A connection is gone."""
        self.listeners.remove(listener)
        self.idle_since = time.monotonic()
        self.listeners.tell_presence(self.state)

    def move_cursor(self, cursor: Cursor, listener: Listener) -> None:
        """Tell the others where a cursor is, at the document's latest version."""
        document = self.state.document(cursor.doc)
        who = self.state.participants[listener.participant.id]
        frame = encode(
            {
                "type": "cursor",
                "by": who.id,
                "name": who.name,
                "palette": palette(self.state, who.id),
                "doc": cursor.doc,
                "version": document.version,
                "anchor": document.map_position(cursor.anchor, cursor.version),
                "head": document.map_position(cursor.head, cursor.version),
            }
        )
        self.listeners.send(frame, but=listener)

    def look_who_is_there(self) -> None:
        """Tell everybody where somebody has fallen silent, or is heard again."""
        if self.listeners.has_changed:
            self.listeners.tell_presence(self.state)

    def tell_saved(self, seq: int) -> None:
        """All up to the number `seq` is on the disk."""
        self._saved = seq
        self.listeners.tell_saved(seq)

    def _missed(self, after: int, recalled: Sequence[Entry]) -> list[Entry] | None:
        """What came after the entry `after`; None where that is not at hand any more."""
        first = self._tail[0].seq if self._tail else self.state.seq + 1
        older = (entry for entry in recalled if entry.seq < first)
        missed = [entry for entry in (*older, *self._tail) if entry.seq > after]
        is_known = after > 0 and len(missed) == self.state.seq - after
        return missed if is_known else None

    # Effects: what the world has to do about an event.

    def _perform(self, event: AnyEvent, state: Room) -> None:
        """`state` is the room's right after the event, which may have moved on since."""
        if isinstance(event, RunStarted):
            self._start_run(event, state)
        else:
            self._heed(event)

    def _heed(self, event: AnyEvent) -> None:
        match event:
            case RunFinished():
                metrics.runs_total.labels(event.verdict).inc()
            case StdinWritten() | StopRequested() if event.run in self._running:
                self._running[event.run][0].ask(event)
            case AccessRevoked():
                self.listeners.part_with((event.role,), REVOKED)
            case InterviewEnded():
                self.listeners.part_with((Role.CANDIDATE, Role.OBSERVER), ENDED)
                for run, (performance, _) in self._running.items():
                    performance.ask(StopRequested(run=run))

    def _start_run(self, started: RunStarted, state: Room) -> None:
        source = state.document(started.doc).text
        job = Job(started, source, state.part_of(started.doc))

        async def record(events: Sequence[AnyEvent]) -> None:
            await self._record(Record(started.run, events))

        performance = Performance(self._sandbox, job, record, self.name)
        work = self._see_through(performance, started.run)
        task = asyncio.create_task(work, name=f"{self.name} {started.run}")
        self._running[started.run] = (performance, task)

    async def _see_through(self, performance: Performance, run: str) -> None:
        try:
            await performance.perform()
        except Exception:  # this is its task's edge: without an end, no other run could start
            log.exception("a run broke", room=self.name)
            await self._record(Abandon())
        finally:
            del self._running[run]
            self.idle_since = time.monotonic()

    async def _record(self, command: Record | Abandon) -> None:
        """Journal what a run brought; while that can't be done, hold it and try again."""
        while True:
            try:
                await self.submit(command)
            except StoreUnavailableError as error:
                log.warning("run not journaled yet", room=self.name, error=str(error))
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def break_off(self) -> None:
        """The server is about to end: whoever waits for a run learns that it comes to nothing."""
        try:
            await self.submit(Abandon())
        except VivaError as error:
            log.warning("run not ended in the journal", room=self.name, error=str(error))

    async def _shut(self) -> None:
        """Nothing outlives the room: runs are destroyed, nobody waits for an answer."""
        self._closed = True
        tasks = [task for _, task in self._running.values()]
        if self._keeping:
            tasks.append(self._keeping)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while not self._asked.empty():
            self._in_hand.append(self._asked.get_nowait())
        for asked in self._in_hand:
            _answer(asked, RoomClosedError())


class RoomClosedError(VivaError):
    """The room closed before it could answer; it opens afresh for whoever comes back."""

    def __init__(self) -> None:
        super().__init__("The room closed just now. Try again.")


def open_room(
    name: str,
    journal: Journal,
    sandbox: Sandbox,
    start: Room,
    entries: Sequence[Entry],
    clock: RoomClock,
) -> LiveRoom:
    """The room that `start` and the entries after it make, ready to be served."""
    behind, latest = entries[:-CHECKPOINT_EVERY], entries[-CHECKPOINT_EVERY:]
    earlier = evolved(start, behind)
    room = LiveRoom(name, journal, sandbox, evolved(earlier, latest), clock)
    room._tail.extend(entries)
    room._behind = earlier if behind else room.state
    if entries:
        clock.follow(entries[-1].at)
    return room


def numbered(events: Sequence[AnyEvent], after: int, by: str, at: int) -> Iterator[Entry]:
    """Events as entries that follow the number `after`, all of the moment `at`."""
    for seq, event in enumerate(events, after + 1):
        yield Entry(seq=seq, at=at, by=by, event=event)


def _answer(asked: _Asked, result: list[Entry] | VivaError) -> None:
    if asked.answer.done():
        return
    if isinstance(result, VivaError):
        asked.answer.set_exception(result)
    else:
        asked.answer.set_result(result)
