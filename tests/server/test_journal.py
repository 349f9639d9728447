"""The journal on a real SQLite file, which is made to fail for real."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from server.core.events import EditorLocked, Entry, InterviewEnded, NoteTaken
from server.journal import ConflictError, DamagedJournalError, Journal, open_journal
from server.store import Store, StoreUnavailableError, open_store
from tests.stores import DISK_FULL, NO_WAITING, READ_ONLY, counting_commits, refusing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "folder" / "viva.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    """A database with its tables."""
    async with open_store(f"sqlite:///{path}") as opened:
        yield opened


@pytest.fixture
async def journal(store: Store) -> AsyncIterator[Journal]:
    """A journal that writes."""
    async with open_journal(store) as opened:
        yield opened


def note(seq: int, text: str = "text", at: int = 1_000) -> Entry:
    return Entry(seq=seq, at=at, by="p1", event=NoteTaken(text=text))


def stored(path: Path) -> list[tuple[str, int]]:
    """What is on the disk, as another program sees it."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT room, seq FROM events ORDER BY room, seq").fetchall()


@contextmanager
def held(store: Store) -> Iterator[None]:
    """The writing thread is busy while the block lasts."""
    gate = threading.Event()
    holding = store._writer.submit(gate.wait)
    try:
        yield
    finally:
        gate.set()
        holding.result()


async def appended(journal: Journal, *appends: tuple[str, list[Entry]]) -> list[object]:
    """Ask for all of them at once; what each came to."""
    return await asyncio.gather(
        *(journal.append(room, entries) for room, entries in appends), return_exceptions=True
    )


async def started() -> None:
    """Every task made so far has come to where it waits."""
    for _ in range(3):
        await asyncio.sleep(0)


async def waiting(
    store: Store, journal: Journal, *appends: tuple[str, list[Entry]]
) -> list[object]:
    """As `appended`, while the disk is busy with something else: they wait together."""
    with held(store):
        first = asyncio.create_task(journal.append("first", [note(1)]))
        together = asyncio.create_task(appended(journal, *appends))
        await started()
    await first
    return await together


async def test_what_was_appended_is_on_the_disk_and_read_back(path: Path, journal: Journal) -> None:
    entries = [note(1, "one"), Entry(seq=2, at=5, by="p2", event=EditorLocked(locked=True))]
    await journal.append("a", entries)
    assert stored(path) == [("a", 1), ("a", 2)]
    assert await journal.read("a") == entries
    assert await journal.read("a", after=1) == entries[1:]
    assert await journal.read("b") == []
    assert await journal.has("a")
    assert not await journal.has("b")


async def test_appends_that_wait_together_share_one_commit(store: Store, journal: Journal) -> None:
    """Fifty rooms, one sync of the disk; one more for the append that they waited for."""
    with counting_commits(store) as commits:
        appends = [(f"room{number}", [note(1), note(2)]) for number in range(50)]
        assert await waiting(store, journal, *appends) == [None] * 50
    assert len(commits) <= 2
    for number in range(50):
        assert [e.seq for e in await journal.read(f"room{number}")] == [1, 2]


async def test_a_rooms_entries_keep_their_order_over_many_appends(
    store: Store, journal: Journal
) -> None:
    texts = [f"note {number}" for number in range(1, 60)]
    appends = [("a", [note(seq, text)]) for seq, text in enumerate(texts, 1)]
    assert await waiting(store, journal, *appends) == [None] * 59
    read = await journal.read("a")
    assert [e.event for e in read] == [NoteTaken(text=text) for text in texts]


async def test_a_conflict_is_for_the_late_one_alone(store: Store, journal: Journal) -> None:
    """The other appends of the group go through, and the winner's entries stand."""
    taken, late, other, after = await waiting(
        store,
        journal,
        ("a", [note(1, "mine")]),
        ("a", [note(1, "late")]),
        ("b", [note(1)]),
        ("c", [note(1)]),
    )
    assert isinstance(late, ConflictError)
    assert (taken, other, after) == (None, None, None)
    assert [e.event for e in await journal.read("a")] == [NoteTaken(text="mine")]
    assert await journal.has("b")
    assert await journal.has("c")


async def test_an_append_is_all_or_nothing(path: Path, journal: Journal) -> None:
    await journal.append("a", [note(3)])
    with pytest.raises(ConflictError, match="a"):
        await journal.append("a", [note(2), note(3), note(4)])
    assert stored(path) == [("a", 3)]


async def test_an_append_that_cannot_be_stored_does_not_stop_the_writer(
    store: Store, journal: Journal
) -> None:
    """Whoever asked learns of the fault; the rest of the group and what follows are written."""
    impossible, other = await waiting(store, journal, ("a", [note(2**70)]), ("b", [note(1)]))
    assert isinstance(impossible, OverflowError)
    assert other is None
    await journal.append("a", [note(1)])


async def test_a_cancelled_append_is_not_written_later(
    path: Path, store: Store, journal: Journal
) -> None:
    """Its room was closed, perhaps to be erased: nothing of it may come after that."""
    with held(store):
        first = asyncio.create_task(journal.append("a", [note(1)]))
        await started()
        late = asyncio.create_task(journal.append("b", [note(1)]))
        await started()
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)
    await first
    await journal.append("c", [note(1)])
    assert stored(path) == [("a", 1), ("c", 1)]


@pytest.mark.parametrize("pragma", [READ_ONLY, DISK_FULL])
async def test_a_full_or_read_only_disk_is_told_and_recovers_by_itself(
    path: Path, store: Store, journal: Journal, pragma: str
) -> None:
    """Nothing of the refused entries is there; after it the same journal writes again."""
    await journal.append("a", [note(1)])
    with refusing(store, pragma):
        large = "x" * 20_000
        failed = await waiting_for_refusal(journal, [note(2, large), note(3, large)])
        assert "database" in str(failed)
        assert [e.seq for e in await journal.read("a")] == [1]
    await journal.append("a", [note(2)])
    assert stored(path) == [("a", 1), ("a", 2)]


async def waiting_for_refusal(journal: Journal, entries: list[Entry]) -> StoreUnavailableError:
    with pytest.raises(StoreUnavailableError) as refused:
        await journal.append("a", entries)
    return refused.value


async def test_a_group_that_cannot_be_written_is_refused_as_a_whole(
    store: Store, journal: Journal
) -> None:
    with refusing(store):
        results = await appended(journal, *((f"r{n}", [note(1)]) for n in range(5)))
    assert [type(result) for result in results] == [StoreUnavailableError] * 5
    assert await appended(journal, *((f"r{n}", [note(1)]) for n in range(5))) == [None] * 5


async def test_a_database_locked_by_another_program_is_told_and_recovers(
    path: Path, store: Store, journal: Journal
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other, refusing(store, NO_WAITING):
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailableError, match="locked"):
            await journal.append("a", [note(1)])
        other.execute("ROLLBACK")
        await journal.append("a", [note(1)])
    assert stored(path) == [("a", 1)]


@pytest.mark.parametrize(
    "body", ['{"kind":"note_taken"', '{"kind":"no_such"}', '{"kind":"note_taken"}']
)
async def test_a_damaged_row_is_named(path: Path, journal: Journal, body: str) -> None:
    """Cut off, of an unknown kind, or lacking a field: the room and the number are told."""
    await journal.append("a", [note(1), note(2), note(3)])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE events SET body = ? WHERE seq = 2", (body,))
    with pytest.raises(DamagedJournalError, match="room a, entry 2"):
        await journal.read("a")
    assert [e.seq for e in await journal.read("a", after=2)] == [3]


async def test_every_connection_writes_ahead_and_syncs(store: Store) -> None:
    """synchronous=2 is FULL: a commit that was acknowledged survives a power cut."""

    def pragmas(connection: sa.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "busy_timeout")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    found = await asyncio.gather(store.write(pragmas), store.read(pragmas), store.read(pragmas))
    assert list(found) == [["wal", 2, 5000]] * 3


async def test_rooms_are_found_by_kind_newest_first_and_their_ends(journal: Journal) -> None:
    for number, room in enumerate(("a", "b", "c")):
        await journal.append(room, [note(1, room, at=1_000 + number)])
    ended = Entry(seq=2, at=2_000, by="system", event=InterviewEnded())
    await journal.append("b", [ended])
    found = await journal.with_kinds(["note_taken"])
    assert [room for room, _ in found] == ["c", "b", "a"]
    assert [room for room, _ in await journal.with_kinds(["note_taken"], 1, 1)] == ["b"]
    assert await journal.ended_among(["a", "b"]) == {"b": 2_000}


async def test_erasing_leaves_nothing_of_a_room_and_all_of_the_others(
    path: Path, journal: Journal
) -> None:
    await journal.append("a", [note(1), note(2)])
    await journal.append("b", [note(1)])
    await journal.erase("a")
    assert stored(path) == [("b", 1)]


async def test_a_database_that_cannot_be_opened_is_one_clear_line(tmp_path: Path) -> None:
    """A file in the folder's place, a file that is no database, a URL that is none."""
    wrong = tmp_path / "file"
    wrong.write_text("this is no database, and longer than its header would be " * 5)
    for url in (
        f"sqlite:///{wrong}/viva.db",
        f"sqlite:///{wrong}",
        "no url at all",
        "nosuchdatabase://host/name",
    ):
        with pytest.raises(StoreUnavailableError, match=r"VIVA_D\w+") as refused:
            async with open_store(url):
                pass
        assert "\n" not in str(refused.value)
