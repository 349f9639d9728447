"""How fast a long room opens from its journal, beside reading the same rows and no more."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

from server.access import Access
from server.archive import Archive
from server.core.decide import Create
from server.core.events import Edited, Entry
from server.host import Host, open_host
from server.journal import Journal, open_journal
from server.no_sandbox import NoSandbox
from server.store import Store, open_store
from tests.bench.measure import Comparison, Side, columns, ms_since

EVENTS = 50_000
BATCH = 1_000
OPENINGS = 3
ROWS = "SELECT seq, at, by, body FROM events WHERE room = ? AND seq > 0 ORDER BY seq"
CLIENTS = ("one", "other")


async def opening(folder: Path, events: int = EVENTS, openings: int = OPENINGS) -> list[Comparison]:
    """A room of so many events, opened in a host that does not have it yet.

    The first time there is nothing but the journal; after that there may be what the host that
    had it open left behind.
    """
    database = folder / "long.db"
    async with open_store(f"sqlite:///{database}") as store, open_journal(store) as journal:
        room = await _long_room(store, journal, events)
        first = [(await _open(store, journal, room), _read(database, room))]
        again = [
            (await _open(store, journal, room), _read(database, room)) for _ in range(openings)
        ]
    title = f"a room of {events:,} events opens"
    return [_compared(title, first), _compared(f"{title} again", again)]


def _compared(title: str, pairs: Sequence[tuple[float, float]]) -> Comparison:
    ours, bare = columns(pairs)
    return Comparison(title, Side("Viva", ours), (Side("sqlite3, the rows", bare),))


async def _open(store: Store, journal: Journal, room: str) -> float:
    async with _host(store, journal) as host:
        began = time.perf_counter()
        await host.open(room)
        return ms_since(began)


def _host(store: Store, journal: Journal) -> AbstractAsyncContextManager[Host]:
    sandbox = NoSandbox("There is none in this measurement.")
    return open_host(journal, Access(store, ""), Archive(store), sandbox)


async def _long_room(store: Store, journal: Journal, events: int) -> str:
    create = Create(title="Long", candidate="", format="technical-45", language="en")
    async with _host(store, journal) as host:
        room = await host.create(create, [])
        first = len(await journal.read(room))
    entries = list(_edits(first, events - first))
    for start in range(0, len(entries), BATCH):
        await journal.append(room, entries[start : start + BATCH])
    return room


def _edits(after: int, number: int) -> Iterator[Entry]:
    """Two people who write one character after the other, each at a place of their own."""
    for version in range(number):
        half = version // 2
        changes = [half, [0, "x"], version - half] if version else [[0, "x"]]
        edited = Edited(
            doc="scratch",
            version=version + 1,
            changes=changes,
            client=CLIENTS[version % 2],
            ref=f"k{version}",
        )
        by = CLIENTS[version % 2]
        yield Entry(seq=after + 1 + version, at=version, by=by, event=edited)


def _read(database: Path, room: str) -> float:
    with closing(sqlite3.connect(database)) as connection:
        began = time.perf_counter()
        connection.execute(ROWS, (room,)).fetchall()
        return ms_since(began)
