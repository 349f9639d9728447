"""What durability costs by itself: the journal, beside the database's driver and the disk."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from server.core.events import Edited, Entry, encode_event
from server.journal import Journal, open_journal
from server.store import open_store
from tests.bench.measure import Comparison, Side, by_turns, ms_since

EVENT = Edited(doc="scratch", version=1, changes=[2000, [0, "x"], 2000], client="c", ref="k1")
BODY = encode_event(EVENT).decode()
TABLE = (
    "CREATE TABLE events (room TEXT, seq INTEGER, at INTEGER, by TEXT, kind TEXT, body TEXT, "
    "PRIMARY KEY (room, seq))"
)
INSERT = "INSERT INTO events VALUES ('room', ?, 0, 'person', 'edited', ?)"
AT_ONCE = 50


class _Journaled:
    """Appends to the journal, alone or many at once."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._seq = 0

    async def one(self) -> float:
        """One entry, awaited; milliseconds."""
        self._seq += 1
        began = time.perf_counter()
        await self._append("alone", self._seq)
        return ms_since(began)

    async def together(self) -> float:
        """One entry in each of many rooms; appends a second."""
        self._seq += 1
        began = time.perf_counter()
        await asyncio.gather(*(self._append(f"room {n}", self._seq) for n in range(AT_ONCE)))
        return AT_ONCE * 1000 / ms_since(began)

    async def _append(self, room: str, seq: int) -> None:
        await self._journal.append(room, [Entry(seq=seq, at=0, by="person", event=EVENT)])


class _Bare:
    """The same row through Python's own driver, in this thread; and the disk alone."""

    def __init__(self, connection: sqlite3.Connection, descriptor: int) -> None:
        self._connection = connection
        self._descriptor = descriptor
        self._seq = 0

    def commit(self) -> float:
        """One row, one commit; milliseconds."""
        self._seq += 1
        began = time.perf_counter()
        self._connection.execute(INSERT, (self._seq, BODY))
        self._connection.commit()
        return ms_since(began)

    def sync(self) -> float:
        """A page written to the end of a file, and synced; milliseconds."""
        began = time.perf_counter()
        os.write(self._descriptor, bytes(4096))
        os.fsync(self._descriptor)
        return ms_since(began)

    async def both(self) -> tuple[float, float]:
        """A commit, then a sync."""
        return self.commit(), self.sync()

    async def rate(self) -> float:
        """As many rows as the journal gets together, a commit each; commits a second."""
        began = time.perf_counter()
        for _ in range(AT_ONCE):
            self.commit()
        return AT_ONCE * 1000 / ms_since(began)


async def journal(folder: Path, appends: int, groups: int) -> list[Comparison]:
    """One append at a time, and many at once, which share their commits."""
    async with _journaled(folder / "journal.db") as ours:
        with _bare(folder / "bare.db", folder / "bare.bin") as bare:
            alone = [pair async for pair in by_turns(ours.one, bare.both, appends)]
            together = [pair async for pair in by_turns(ours.together, bare.rate, groups)]
    driver = Side("sqlite3", tuple(commit for _, (commit, _) in alone))
    disk = Side("write, fsync", tuple(sync for _, (_, sync) in alone))
    return [
        Comparison(
            "journal: one append",
            Side("Viva", tuple(append for append, _ in alone)),
            (driver, disk),
        ),
        Comparison(
            f"journal: appends, {AT_ONCE} rooms",
            Side("Viva", tuple(rate for rate, _ in together)),
            (Side("sqlite3", tuple(rate for _, rate in together)),),
            "/s",
        ),
    ]


@asynccontextmanager
async def _journaled(path: Path) -> AsyncIterator[_Journaled]:
    async with open_store(f"sqlite:///{path}") as store, open_journal(store) as opened:
        yield _Journaled(opened)


@contextmanager
def _bare(database: Path, file: Path) -> Iterator[_Bare]:
    connection = sqlite3.connect(database)
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(TABLE)
        yield _Bare(connection, descriptor)
    finally:
        connection.close()
        os.close(descriptor)
