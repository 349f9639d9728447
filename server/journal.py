"""The journal: for every room, its events in order, append-only.

`append` names the sequence number that it follows; where another process was faster it fails with
`ConflictError` and the room reads on. Appends that wait at the same time share one commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from server import metrics
from server.core.errors import VivaError
from server.core.events import Entry, decode_event, encode_event, kind_of
from server.store import Store, StoreUnavailableError, events


class ConflictError(VivaError):
    """Somebody else appended to this room first."""


class DamagedJournalError(VivaError):
    """A row of the journal cannot be read; the message says which."""


@dataclass(frozen=True, slots=True)
class _Append:
    room: str
    rows: Sequence[dict[str, Any]]
    done: asyncio.Future[None]


class Journal:
    """Use through `open_journal`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: asyncio.Queue[_Append] = asyncio.Queue()

    async def append(self, room: str, entries: Sequence[Entry]) -> None:
        """Add `entries`, numbered on from the room's last, all or none; on disk on return.

        Raises `ConflictError` where one of the numbers is taken, `StoreUnavailableError` where
        nothing can be written now. One that is cancelled before its turn is not written.
        """
        rows = _rows(room, entries)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait(_Append(room, rows, done))
        with metrics.append_seconds.time():
            await done
        for entry in entries:
            metrics.events_total.labels(kind_of(entry.event)).inc()

    async def read(self, room: str, after: int = 0) -> list[Entry]:
        """The entries of `room` after the number `after`, oldest first; empty for no such room."""
        query = (
            sa.select(events.c.seq, events.c.at, events.c.by, events.c.body)
            .where(events.c.room == room, events.c.seq > after)
            .order_by(events.c.seq)
        )
        rows = await self._store.read(lambda connection: connection.execute(query).all())
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

    async def erase(self, room: str) -> None:
        """Forget a room's events for good, in the database's files too."""
        statement = sa.delete(events).where(events.c.room == room)
        await self._store.write(lambda connection: connection.execute(statement))
        await self._store.scrub()

    async def write_forever(self) -> None:
        """Commit what waits, all of it at once, again and again."""
        while True:
            group = [await self._waiting.get()]
            while not self._waiting.empty():
                group.append(self._waiting.get_nowait())
            await self._commit(group)

    async def _commit(self, group: Sequence[_Append]) -> None:
        group = [append for append in group if not append.done.done()]
        if not group:
            return
        rows = [row for append in group for row in append.rows]
        try:
            await self._store.write(lambda connection: connection.execute(sa.insert(events), rows))
        except StoreUnavailableError as error:
            _settle(group, error)
        except Exception as error:  # the task's edge: the writer serves all rooms, and goes on
            if len(group) == 1:
                _settle(group, _conflict(group[0], error))
                return
            for append in group:
                await self._commit([append])
        else:
            _settle(group, None)


@asynccontextmanager
async def open_journal(store: Store) -> AsyncIterator[Journal]:
    """A journal on `store`, writing for as long as the block lasts."""
    journal = Journal(store)
    writer = asyncio.create_task(journal.write_forever(), name="journal writer")
    try:
        yield journal
    finally:
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)


def _conflict(append: _Append, error: Exception) -> Exception:
    """What an append's own failure is to who asked for it."""
    if not isinstance(error, IntegrityError):
        return error
    conflict = ConflictError(f"room {append.room} was appended to by another process")
    conflict.__cause__ = error
    return conflict


def _settle(group: Sequence[_Append], error: Exception | None) -> None:
    for append in group:
        if append.done.done():
            continue
        if error is None:
            append.done.set_result(None)
        else:
            append.done.set_exception(error)


def _rows(room: str, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    return [
        {
            "room": room,
            "seq": entry.seq,
            "at": entry.at,
            "by": entry.by,
            "kind": kind_of(entry.event),
            "body": encode_event(entry.event).decode(),
        }
        for entry in entries
    ]


def _entry(room: str, row: Any) -> Entry:
    try:
        event = decode_event(row.body)
    except msgspec.DecodeError as error:
        raise DamagedJournalError(
            f"room {room}, entry {row.seq} cannot be read: {error}"
        ) from error
    return Entry(seq=row.seq, at=row.at, by=row.by, event=event)
