"""The journal on a real SQLite file, which is made to fail for real."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from server.core.events import EditorLocked, Entry, InterviewEnded, NoteTaken
from server.journal import ConflictError, DamagedJournalError, Journal, Kept, open_journal
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
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program writes to the database while the block lasts, or until it rolls back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


async def appended(journal: Journal, *appends: tuple[str, list[Entry]]) -> list[object]:
    """Ask for all of them at once; what each came to."""
    return await asyncio.gather(
        *(journal.append(room, entries) for room, entries in appends), return_exceptions=True
    )


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
    """Fifty rooms, one transaction."""
    with counting_commits(store) as commits:
        appends = [(f"room{number}", [note(1), note(2)]) for number in range(50)]
        assert await appended(journal, *appends) == [None] * 50
    assert len(commits) == 1
    for number in range(50):
        assert [e.seq for e in await journal.read(f"room{number}")] == [1, 2]


async def test_a_rooms_entries_keep_their_order_over_many_appends(journal: Journal) -> None:
    texts = [f"note {number}" for number in range(1, 60)]
    appends = [("a", [note(seq, text)]) for seq, text in enumerate(texts, 1)]
    assert await appended(journal, *appends) == [None] * 59
    read = await journal.read("a")
    assert [e.event for e in read] == [NoteTaken(text=text) for text in texts]


async def test_a_conflict_is_for_the_late_one_alone(journal: Journal) -> None:
    """The other appends of the group go through, and the winner's entries stand."""
    taken, late, other, after = await appended(
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


async def test_an_append_that_cannot_be_stored_does_not_stop_the_writer(journal: Journal) -> None:
    """Whoever asked learns of the fault; the rest of the group and what follows are written."""
    impossible, other = await appended(journal, ("a", [note(2**70)]), ("b", [note(1)]))
    assert isinstance(impossible, OverflowError)
    assert other is None
    await journal.append("a", [note(1)])


async def test_a_cancelled_append_is_not_written_later(path: Path, journal: Journal) -> None:
    """Its room was closed, perhaps to be erased: nothing of it may come after that."""
    with locked(path) as other:
        first = asyncio.create_task(journal.append("a", [note(1)]))
        await turns()
        late = asyncio.create_task(journal.append("b", [note(1)]))
        await turns()
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)
        other.execute("ROLLBACK")
    await first
    await journal.append("c", [note(1)])
    assert stored(path) == [("a", 1), ("c", 1)]


async def turns() -> None:
    """Every task made so far has come to where it waits, and the journal has had its turn."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_appends_wait_while_another_program_writes_and_stay_in_order(
    path: Path, journal: Journal
) -> None:
    """The event loop goes on meanwhile; what is asked for then comes behind."""
    with locked(path) as other:
        first = asyncio.create_task(journal.append("a", [note(1)]))
        second = asyncio.create_task(journal.append("a", [note(2)]))
        await turns()
        third = asyncio.create_task(journal.append("a", [note(3)]))
        await turns()
        assert not any(task.done() for task in (first, second, third))
        other.execute("ROLLBACK")
        await asyncio.gather(first, second, third)
    assert stored(path) == [("a", 1), ("a", 2), ("a", 3)]


class Ears:
    """Keeps what the journal tells."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[object] = asyncio.Queue()

    def saved(self, room: str, seq: int) -> None:
        """Keep it."""
        self.told.put_nowait((room, seq))

    def saving(self, ok: bool) -> None:
        """Keep it."""
        self.told.put_nowait(ok)


@pytest.fixture
def ears(journal: Journal) -> Ears:
    """Who listens to the journal."""
    listener = Ears()
    journal.listen(listener)
    return listener


async def test_what_was_flushed_is_told_and_nothing_before_it_was(
    store: Store, journal: Journal, ears: Ears
) -> None:
    """While the disk is still busy an append is done, but nobody hears that it is saved."""
    gate = threading.Event()
    holding = store._threads.flusher.submit(gate.wait)
    await journal.append("a", [note(1), note(2)])
    await journal.append("b", [note(1)])
    assert ears.told.empty()
    gate.set()
    holding.result()
    told = {await ears.told.get(), await ears.told.get()}
    assert told == {("a", 2), ("b", 1)}


async def test_a_disk_that_fails_to_flush_is_told_and_nothing_counts_as_saved_until_it_works(
    path: Path, store: Store, journal: Journal, ears: Ears
) -> None:
    """The write-ahead log cannot be synced; when it can, what waited is told as saved."""
    await journal.append("a", [note(1)])
    assert await ears.told.get() == ("a", 1)
    log, hidden = path.with_name("viva.db-wal"), path.with_name("hidden")
    with refusing_checkpoints(store):
        log.rename(hidden)
        log.mkdir()  # to be opened for writing, and synced, as no folder can
        await journal.append("a", [note(2)])
        assert await ears.told.get() is False
        assert not journal.ok
        log.rmdir()
        hidden.rename(log)
    assert {await ears.told.get(), await ears.told.get()} == {True, ("a", 2)}
    assert journal.ok


async def test_a_disk_that_takes_nothing_is_told_once_and_so_is_its_end(
    store: Store, journal: Journal, ears: Ears
) -> None:
    with refusing(store):
        for _ in range(3):
            await waiting_for_refusal(journal, [note(1)])
        assert await ears.told.get() is False
    assert await ears.told.get() is True
    await journal.append("a", [note(1)])
    assert await ears.told.get() == ("a", 1)


@contextmanager
def refusing_checkpoints(store: Store) -> Iterator[None]:
    """Nothing is copied into the database while the block lasts."""
    with closing(sqlite3.connect(str(store._engine.url.database), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchall()
        with refusing(store, NO_WAITING):
            yield


async def test_checkpoints_are_kept_the_latest_of_each_room(journal: Journal) -> None:
    await journal.append("a", [note(1), note(2)])
    await journal.keep_checkpoint("a", Kept(1, "one"))
    await journal.keep_checkpoint("a", Kept(2, "two"))
    assert await journal.checkpoint("a") == Kept(2, "two")
    assert await journal.checkpoint("b") is None


async def test_a_checkpoint_ahead_of_its_journal_is_not_given(journal: Journal) -> None:
    """What it says never happened, as far as the journal knows."""
    await journal.append("a", [note(1)])
    await journal.keep_checkpoint("a", Kept(2, "two"))
    assert await journal.checkpoint("a") is None


async def test_what_cannot_be_read_is_set_aside_and_the_journal_goes_on(
    path: Path, journal: Journal
) -> None:
    await journal.append("a", [note(1), note(2), note(3)])
    await journal.keep_checkpoint("a", Kept(3, "three"))
    assert await journal.set_aside("a", 2) == 2
    assert [entry.seq for entry in await journal.read("a")] == [1]
    assert await journal.checkpoint("a") is None
    await journal.append("a", [note(2, "again")])
    with closing(sqlite3.connect(path)) as connection:
        kept = connection.execute("SELECT room, seq FROM damaged_events ORDER BY seq").fetchall()
    assert kept == [("a", 2), ("a", 3)]


async def test_a_missing_entry_is_named(path: Path, journal: Journal) -> None:
    await journal.append("a", [note(1), note(2), note(3)])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM events WHERE seq = 2")
    with pytest.raises(DamagedJournalError, match="room a, entry 2"):
        await journal.read("a")


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


async def test_every_connection_writes_ahead(store: Store) -> None:
    """synchronous=1 is NORMAL: what is acknowledged as saved is synced by the store itself."""

    def pragmas(connection: sa.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "busy_timeout")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    found = await asyncio.gather(store.write(pragmas), store.read(pragmas), store.read(pragmas))
    assert list(found) == [["wal", 1, 5000]] * 3


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


# The power goes.


@contextmanager
def as_left_by_a_power_cut(path: Path, to: Path, length: int | None = None) -> Iterator[Path]:
    """The database's files as they are at this moment, the log cut to `length` bytes."""
    to.mkdir()
    copy = to / path.name
    shutil.copy(path, copy)
    log = shutil.copy(path.with_name("viva.db-wal"), to / "viva.db-wal")
    if length is not None:
        os.truncate(log, length)
    yield copy
    shutil.rmtree(to)


async def test_a_log_cut_off_at_any_byte_opens_with_the_entries_before_the_cut(
    path: Path, tmp_path: Path, journal: Journal
) -> None:
    """And with none of those after it: each room is a prefix of what it was."""
    texts = random.Random(5)  # noqa: S311 -- entries of many sizes, no secret
    entries = {
        room: [note(seq, "x" * texts.randint(1, 9_000)) for seq in range(1, 9)] for room in "ab"
    }
    for number in range(8):
        for room, its in entries.items():
            await journal.append(room, [its[number]])
    size = path.with_name("viva.db-wal").stat().st_size
    found = set()
    for length in sorted({0, 31, 32, 33, size - 1, size, *texts.sample(range(size), 40)}):
        with as_left_by_a_power_cut(path, tmp_path / "after", length) as copy:
            async with open_store(f"sqlite:///{copy}") as store, open_journal(store) as again:
                for room, its in entries.items():
                    read = await again.read(room)
                    assert read == its[: len(read)]
                    found.add(len(read))
                await again.append("c", [note(1)])
    assert {0, 8} <= found
    assert len(found) > 4


async def test_a_log_that_was_cut_off_is_told(
    path: Path, tmp_path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    """How much of it was dropped; a log that ends with a whole write is passed over in silence."""
    await journal.append("a", [note(1)])
    size = path.with_name("viva.db-wal").stat().st_size
    for length, said in ((size, ""), (size - 10, "bytes_dropped=4110")):
        with as_left_by_a_power_cut(path, tmp_path / "after", length) as copy:
            async with open_store(f"sqlite:///{copy}"):
                out = capsys.readouterr().out
        assert ("middle of a write" in out, said in out) == (bool(said), True)


async def test_what_is_told_as_saved_is_in_the_file_that_the_disk_was_told_to_keep(
    path: Path, tmp_path: Path, journal: Journal, ears: Ears
) -> None:
    """At that moment, with no word from the process since: a copy of the files has it."""
    for seq in range(1, 6):
        await journal.append("a", [note(seq)])
        told = await ears.told.get()
        with as_left_by_a_power_cut(path, tmp_path / "after") as copy:
            assert told == ("a", seq)
            assert stored(copy) == [("a", number) for number in range(1, seq + 1)]
