"""The journal: for every room, its events in order, append-only.

`append` names the sequence number that it follows; where another process was faster it fails with
`ConflictError` and the room reads on. Appends that wait at the same time share one commit.

An entry that was appended survives this process, however it ends. A moment later it is flushed to
the disk, and then `Listener.saved` tells its room: from there on it survives a power cut too.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import IntegrityError

from server import metrics
from server.core.errors import VivaError
from server.core.events import Entry, decode_event, encode_event, kind_of
from server.store import (
    EventRow,
    Store,
    StoreBusyError,
    StoreUnavailableError,
    checkpoints,
    damaged_events,
    events,
)

FLUSH_EVERY_S = 0.1
"""How long the disk has peace between two flushes: what is appended meanwhile shares the next."""

PROBE_EVERY_S = 1.0
"""How often, while nothing can be written, it is tried whether that has passed."""

COLUMNS = ("room", "seq", "at", "by", "kind", "body")

log = structlog.get_logger()


class ConflictError(VivaError):
    """Somebody else appended to this room first."""


class DamagedJournalError(VivaError):
    """A room's journal cannot be read from the entry `seq` on; the message says why."""

    def __init__(self, room: str, seq: int, why: object) -> None:
        super().__init__(f"room {room}, entry {seq} cannot be read: {why}")
        self.seq = seq


class Listener(Protocol):
    """Who hears how the journal fares: the host of its rooms."""

    def saved(self, room: str, seq: int) -> None:
        """All of `room` up to the number `seq` is on the disk."""
        ...

    def saving(self, ok: bool) -> None:
        """From here on nothing can be written, or all can be again."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A room's latest checkpoint, as of the entry `seq`."""

    seq: int
    body: str


@dataclass(frozen=True, slots=True)
class _Append:
    room: str
    rows: Sequence[EventRow]
    done: asyncio.Future[None]


class Journal:
    """Use through `open_journal`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Append] = []
        self._waiting_since = 0.0
        # What the writing thread has to do, where appending at once is not to be had.
        self._slow: asyncio.Queue[list[_Append]] = asyncio.Queue()
        self._slow_ones = 0
        self._dirty: dict[str, int] = {}
        self._dirtied = asyncio.Event()
        self._troubled = asyncio.Event()
        self._listeners: list[Listener] = []

    @property
    def ok(self) -> bool:
        """Whether the last thing that was to be written could be."""
        return not self._troubled.is_set()

    def listen(self, listener: Listener) -> None:
        """Tell `listener` from now on."""
        self._listeners.append(listener)

    async def append(self, room: str, entries: Sequence[Entry]) -> None:
        """Add `entries`, numbered on from the room's last, all or none.

        On return they survive this process; that they are on the disk is told to the listeners
        later. Raises `ConflictError` where one of the numbers is taken, `StoreUnavailableError`
        where nothing can be written now. One that is cancelled before its turn is not written.
        """
        done: asyncio.Future[None] = self._loop.create_future()
        if not self._waiting:
            self._loop.call_soon(self._commit_waiting)
            self._waiting_since = time.perf_counter()
        self._waiting.append(_Append(room, _rows(room, entries), done))
        await done

    async def flush(self) -> None:
        """Until all that was appended so far is on the disk. Raises `StoreUnavailableError`."""
        await self._store.flush()

    async def read(self, room: str, after: int = 0) -> list[Entry]:
        """The entries of `room` after the number `after`, oldest first; empty for no such room.

        Raises `DamagedJournalError` where one is missing or cannot be read.
        """
        query = (
            sa.select(events.c.seq, events.c.at, events.c.by, events.c.body)
            .where(events.c.room == room, events.c.seq > after)
            .order_by(events.c.seq)
        )
        rows = await self._store.read(lambda connection: connection.execute(query).all())
        for seq, row in enumerate(rows, after + 1):
            if row.seq != seq:
                raise DamagedJournalError(room, seq, "it is missing")
        return [_entry(room, row) for row in rows]

    async def has(self, room: str) -> bool:
        """Whether there is a room of this name."""
        query = sa.select(events.c.seq).where(events.c.room == room).limit(1)
        return (
            await self._store.read(lambda connection: connection.execute(query).first()) is not None
        )

    async def with_kinds(
        self, kinds: Sequence[str], offset: int = 0, limit: int = 100
    ) -> list[tuple[str, Entry]]:
        """Entries of these kinds in all rooms with their room's id, newest first."""
        query = (
            sa.select(events.c.room, events.c.seq, events.c.at, events.c.by, events.c.body)
            .where(events.c.kind.in_(kinds))
            .order_by(events.c.at.desc(), events.c.room)
            .offset(offset)
            .limit(limit)
        )
        rows = await self._store.read(lambda connection: connection.execute(query).all())
        return [(row.room, _entry(row.room, row)) for row in rows]

    async def ended_among(self, rooms: Sequence[str]) -> dict[str, int]:
        """When those of `rooms` that have ended did, in ms since the epoch."""
        query = sa.select(events.c.room, events.c.at).where(
            events.c.room.in_(rooms), events.c.kind == "interview_ended"
        )
        rows = await self._store.read(lambda connection: connection.execute(query).all())
        return {row.room: row.at for row in rows}

    async def silent_since(self, at: int) -> list[str]:
        """The rooms whose last entry is older than `at`, in ms since the epoch."""
        last = sa.func.max(events.c.at)
        query = sa.select(events.c.room).group_by(events.c.room).having(last < at)
        return await self._store.read(lambda c: list(c.execute(query).scalars()))

    async def set_aside(self, room: str, seq: int) -> int:
        """Move the entries from the number `seq` on out of the way, as they are; how many.

        What stood before them is a journal again, and goes on. They are kept in `damaged_events`.
        """
        which = (events.c.room == room) & (events.c.seq >= seq)
        columns = [column.name for column in events.c]

        def write(connection: sa.Connection) -> int:
            copied = sa.select(*events.c).where(which)
            connection.execute(sa.insert(damaged_events).from_select(columns, copied))
            connection.execute(
                sa.delete(checkpoints).where(checkpoints.c.room == room, checkpoints.c.seq >= seq)
            )
            return connection.execute(sa.delete(events).where(which)).rowcount

        return await self._store.write(write)

    async def erase(self, room: str) -> None:
        """Forget a room's events for good, in the database's files too."""

        def write(connection: sa.Connection) -> None:
            connection.execute(sa.delete(events).where(events.c.room == room))
            for table in (checkpoints, damaged_events):
                connection.execute(sa.delete(table).where(table.c.room == room))

        await self._store.write(write)
        await self._store.scrub()

    # Checkpoints.

    async def keep_checkpoint(self, room: str, kept: Kept) -> None:
        """Put a checkpoint in place of the room's one before. Raises `StoreUnavailableError`."""
        row = {"room": room, "seq": kept.seq, "body": kept.body}

        def write(connection: sa.Connection) -> None:
            connection.execute(sa.delete(checkpoints).where(checkpoints.c.room == room))
            connection.execute(sa.insert(checkpoints), [row])

        await self._store.write(write)

    async def checkpoint(self, room: str) -> Kept | None:
        """The room's latest checkpoint, if it has one whose entry is in the journal."""
        query = sa.select(checkpoints.c.seq, checkpoints.c.body).where(
            checkpoints.c.room == room,
            sa.exists().where(events.c.room == room, events.c.seq == checkpoints.c.seq),
        )
        row = await self._store.read(lambda connection: connection.execute(query).first())
        return Kept(row.seq, row.body) if row else None

    # Writing.

    def _commit_waiting(self) -> None:
        """Commit what this turn of the event loop brought, all of it at once."""
        group = [append for append in self._waiting if not append.done.done()]
        self._waiting = []
        # Behind those who wait for the thread, so that a room's entries stay in order.
        if self._store.appends_now and not self._slow_ones:
            self._append_now(group)
        else:
            self._append_slowly(group)
        metrics.append_seconds.observe(time.perf_counter() - self._waiting_since)

    def _append_now(self, group: Sequence[_Append]) -> None:
        if not group:
            return
        try:
            self._store.append_now([row for append in group for row in append.rows])
        except StoreBusyError:
            self._append_slowly(group)
        except StoreUnavailableError as error:
            self._settle(group, error)
        except Exception as error:  # the writer serves all rooms, and goes on
            if len(group) == 1:
                self._settle(group, _conflict(group[0], error))
                return
            for append in group:
                self._append_now([append])
        else:
            self._settle(group, None)

    def _append_slowly(self, group: Sequence[_Append]) -> None:
        if group:
            self._slow_ones += 1
            self._slow.put_nowait(list(group))

    async def write_forever(self) -> None:
        """Commit on the writing thread what cannot be committed at once, again and again."""
        while True:
            groups = [await self._slow.get()]
            while not self._slow.empty():
                groups.append(self._slow.get_nowait())
            await self._commit([append for group in groups for append in group])
            self._slow_ones -= len(groups)

    async def _commit(self, group: Sequence[_Append]) -> None:
        group = [append for append in group if not append.done.done()]
        if not group:
            return
        rows = [dict(zip(COLUMNS, row, strict=True)) for append in group for row in append.rows]
        try:
            insert = sa.insert(events)
            await self._store.append_slowly(lambda connection: connection.execute(insert, rows))
        except StoreUnavailableError as error:
            self._settle(group, error)
        except Exception as error:  # the task's edge: the writer serves all rooms, and goes on
            if len(group) == 1:
                self._settle(group, _conflict(group[0], error))
                return
            for append in group:
                await self._commit([append])
        else:
            self._settle(group, None)

    def _settle(self, group: Sequence[_Append], error: Exception | None) -> None:
        if isinstance(error, StoreUnavailableError):
            self._trouble(error)
        for append in group:
            if error is None and append.rows:
                self._dirty[append.room] = append.rows[-1][1]
                self._dirtied.set()
                for row in append.rows:
                    metrics.count_event(row[4])
            if append.done.done():
                continue
            if error is None:
                append.done.set_result(None)
            else:
                append.done.set_exception(error)

    # Flushing, and what to do when the disk refuses.

    async def flush_forever(self) -> None:
        """Have the disk keep what was appended, and tell so, again and again."""
        while True:
            await self._dirtied.wait()
            self._dirtied.clear()
            flushed, self._dirty = self._dirty, {}
            try:
                await self._store.flush()
            except StoreUnavailableError as error:
                self._dirty = {**flushed, **self._dirty}
                self._trouble(error)
                await asyncio.sleep(PROBE_EVERY_S)
                self._dirtied.set()
                continue
            for room, seq in flushed.items():
                for listener in self._listeners:
                    listener.saved(room, seq)
            await asyncio.sleep(FLUSH_EVERY_S)

    async def mend_forever(self) -> None:
        """While nothing can be written, try again and again, and tell when it can."""
        while True:
            await self._troubled.wait()
            await asyncio.sleep(PROBE_EVERY_S)
            try:
                await self._store.probe()
            except StoreUnavailableError as error:
                log.warning("still not saving", error=str(error))
                continue
            self._troubled.clear()
            log.info("saving again")
            for listener in self._listeners:
                listener.saving(ok=True)

    def _trouble(self, error: StoreUnavailableError) -> None:
        if self._troubled.is_set():
            return
        self._troubled.set()
        log.error("not saving", error=str(error))
        for listener in self._listeners:
            listener.saving(ok=False)


@asynccontextmanager
async def open_journal(store: Store) -> AsyncIterator[Journal]:
    """A journal on `store`, writing for as long as the block lasts."""
    journal = Journal(store)
    work = {
        "journal writer": journal.write_forever(),
        "journal flusher": journal.flush_forever(),
        "journal mender": journal.mend_forever(),
    }
    tasks = [asyncio.create_task(coroutine, name=name) for name, coroutine in work.items()]
    for task in tasks:
        task.add_done_callback(_tell_of_an_end)
    try:
        yield journal
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tell_of_an_end(task: asyncio.Task[None]) -> None:
    """A task of the journal's ends with it, and before that only by a fault of ours."""
    if not task.cancelled() and (error := task.exception()):
        log.critical(
            "the journal has stopped working: restart", task=task.get_name(), exc_info=error
        )


def _conflict(append: _Append, error: Exception) -> Exception:
    """What an append's own failure is to who asked for it."""
    if not isinstance(error, IntegrityError | sqlite3.IntegrityError):
        return error
    conflict = ConflictError(f"room {append.room} was appended to by another process")
    conflict.__cause__ = error
    return conflict


def _rows(room: str, entries: Sequence[Entry]) -> list[EventRow]:
    return [
        (
            room,
            entry.seq,
            entry.at,
            entry.by,
            kind_of(entry.event),
            encode_event(entry.event).decode(),
        )
        for entry in entries
    ]


def _entry(room: str, row: Any) -> Entry:
    try:
        event = decode_event(row.body)
    except msgspec.DecodeError as error:
        raise DamagedJournalError(room, row.seq, error) from error
    return Entry(seq=row.seq, at=row.at, by=row.by, event=event)
