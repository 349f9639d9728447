"""The database: its tables, and the threads that talk to it.

SQLAlchemy Core, so that SQLite (the default) and PostgreSQL serve alike. All writing goes through
one thread, which is what SQLite wants anyway and what lets the journal group its appends.

On SQLite there is a quicker way for the journal: `append_now` commits on the caller's thread, into
the write-ahead log as the operating system keeps it, which takes some 50 microseconds and outlives
this process however it ends. `flush` has the disk keep it, which takes milliseconds and outlives a
power cut as well.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError

from server.core.errors import VivaError

T = TypeVar("T")

log = structlog.get_logger()

tables = sa.MetaData()

events = sa.Table(
    "events",
    tables,
    sa.Column("room", sa.String(32), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("by", sa.String(32), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Index("events_kind_at", "kind", "at"),
)

checkpoints = sa.Table(
    "checkpoints",
    tables,
    sa.Column("room", sa.String(32), primary_key=True),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

damaged_events = sa.Table(
    "damaged_events",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    *(sa.Column(column.name, column.type, nullable=False) for column in events.c),
)
"""What was found to be unreadable, moved out of its room's way and kept as it is."""

probes = sa.Table(
    "probes",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)

frozen_problems = sa.Table(
    "frozen_problems",
    tables,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)

made_problems = sa.Table(
    "made_problems",
    tables,
    sa.Column("problem", sa.String(64), primary_key=True),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

links = sa.Table(
    "links",
    tables,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("room", sa.String(32), nullable=False, index=True),
    sa.Column("role", sa.String(16), nullable=False),
)

sessions = sa.Table(
    "sessions",
    tables,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("room", sa.String(32), nullable=False, index=True),
    sa.Column("participant", sa.String(32), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

admins = sa.Table(
    "admins",
    tables,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)


LOG_HEADER_BYTES = 32
LOG_FRAME_HEADER_BYTES = 24

EventRow = tuple[str, int, int, str, str, str]
"""A row of `events`, column by column."""

_INSERT_EVENT = 'INSERT INTO events (room, seq, at, "by", kind, body) VALUES (?, ?, ?, ?, ?, ?)'

PAGE_BYTES = 4096
LOG_KEPT_BYTES = LOG_HEADER_BYTES + 2_000 * (LOG_FRAME_HEADER_BYTES + PAGE_BYTES)
"""What a copied log is cut to: whole frames, so that it does not look cut off."""

PROBE = "x" * 16_384
"""What is written to see whether the disk takes anything: some pages."""

CHECKPOINT_BYTES = 8 * 1024 * 1024
"""From which size on the write-ahead log is copied into the database, in the background."""

SCRUB_ATTEMPTS = 3
"""How often emptying the log is tried; each waits 5 s for those who read."""

STALL_BYTES = 128 * 1024 * 1024
"""From which size on writing waits for that: under unbroken load it would never catch up."""


class StoreUnavailableError(VivaError):
    """The database cannot be read or written just now; nothing was changed."""


class StoreBusyError(VivaError):
    """Somebody else is writing to the database at this moment: to be tried by waiting for them."""


class Store:
    """A connection pool with a thread that writes, two that read, and one that flushes.

    Use through `open_store`.
    """

    def __init__(self, engine: sa.Engine, appender: sa.Engine | None, threads: _Threads) -> None:
        self._engine = engine
        self._appender = appender
        self._threads = threads
        self._syncing = threading.Lock()
        self._suspect = False  # a sync failed, and nothing has shown since that all is on the disk

    @property
    def appends_now(self) -> bool:
        """Whether `append_now` is to be had: on SQLite."""
        return self._appender is not None

    async def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in one transaction on the writing thread; it is on disk when this returns.

        Raises `StoreUnavailableError` where the database refuses (disk full, read-only, away).
        """

        def durably() -> T:
            done = self._transact(work)
            self._sync()
            return done

        return await self._run(self._threads.writer, durably)

    async def append_slowly(self, work: Callable[[sa.Connection], T]) -> T:
        """As `append_now`, on the writing thread and waiting for others; `flush` is yet to come."""
        return await self._run(self._threads.writer, lambda: self._transact(work))

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` on a reading thread. Raises as `write` does."""
        return await self._run(self._threads.readers, lambda: self._transact(work))

    def append_now(self, rows: Sequence[EventRow]) -> None:
        """Insert rows of `events`, all or none, at once and on this thread; `flush` is yet to come.

        Raises `StoreBusyError` where another program holds the database, `sqlite3.IntegrityError`
        where a row is there already, `StoreUnavailableError` as `write` does.
        """
        if self._appender is None:
            raise TypeError("only SQLite appends at once")
        connection = self._appender.raw_connection()
        driver: Any = connection.driver_connection
        try:
            with driver:  # a transaction of its own: committed, or rolled back
                driver.executemany(_INSERT_EVENT, rows)
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            if "locked" in str(error):
                raise StoreBusyError("Another program is writing to the database.") from error
            raise StoreUnavailableError(f"The database answered: {error}.") from error
        finally:
            connection.close()  # back into the pool

    async def flush(self) -> None:
        """Until all that was committed before this call is on the disk.

        Raises `StoreUnavailableError` where the disk refuses.
        """
        await self._run(self._threads.flusher, self._flush)

    def _flush(self) -> None:
        self._sync()
        if self._log_bytes() > CHECKPOINT_BYTES:
            self._checkpoint("PASSIVE")
        if self._log_bytes() > STALL_BYTES:
            self._checkpoint("TRUNCATE")

    async def probe(self) -> None:
        """Write something, to see whether that is possible. Raises `StoreUnavailableError`."""

        def write(connection: sa.Connection) -> None:
            connection.execute(sa.delete(probes))
            connection.execute(sa.insert(probes), [{"id": 1, "body": PROBE}])

        await self.write(write)

    async def scrub(self) -> None:
        """After an erasure: leave none of what was deleted in the write-ahead log either.

        Raises `StoreUnavailableError` where it cannot be emptied.
        """
        for _ in range(SCRUB_ATTEMPTS):
            if await self._run(self._threads.flusher, lambda: self._checkpoint("TRUNCATE")):
                return
        raise StoreUnavailableError(
            "The database is being read all the time, so that what was deleted still stands in its "
            "log; it goes at the next erasure, or when the server stops."
        )

    # What the threads do.

    def _sync(self) -> None:
        """Have the disk keep the write-ahead log, if there is one.

        SQLite itself syncs it only before copying it into the database (`synchronous=NORMAL`). The
        file carries none of SQLite's locks, so that opening and closing it here disturbs nothing.

        A kernel tells of a failed sync once, and calls the pages clean. After one, therefore, no
        sync counts until all of the log was copied into the database, which SQLite syncs itself.
        """
        with self._syncing:
            if not self._suspect:
                try:
                    self._sync_log()
                except OSError as error:
                    self._suspect = True
                    log.error("the disk failed to keep the log", error=error.strerror)
            if self._suspect:
                if not self._checkpoint("TRUNCATE"):
                    raise StoreUnavailableError("The disk failed, and the log cannot be copied.")
                self._suspect = False

    def _sync_log(self) -> None:
        path = self._log_path()
        if path is None or not path.exists():
            return
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def _log_path(self) -> Path | None:
        database = self._engine.url.database
        return Path(f"{database}-wal") if self._appender is not None and database else None

    def _log_bytes(self) -> int:
        path = self._log_path()
        return path.stat().st_size if path and path.exists() else 0

    def _checkpoint(self, how: str) -> bool:
        """Copy the write-ahead log into the database; whether all of it was.

        Raises `StoreUnavailableError` where the database refuses.
        """
        if self._appender is None:
            return True
        try:
            with self._engine.connect() as connection:
                autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
                busy, *_ = autocommit.execute(sa.text(f"PRAGMA wal_checkpoint({how})")).one()
        except DBAPIError as error:
            self._suspect = True
            raise StoreUnavailableError(f"The database answered: {error.orig}.") from error
        return not busy

    async def _run(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, work)

    def _transact(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except sa.exc.IntegrityError:
            raise
        except DBAPIError as error:
            raise StoreUnavailableError(f"The database answered: {error.orig}.") from error


class _Threads:
    """Who does what, so that nobody waits for a disk that another one waits for."""

    def __init__(self) -> None:
        self.writer = ThreadPoolExecutor(1, "writer")
        self.readers = ThreadPoolExecutor(2, "reader")
        self.flusher = ThreadPoolExecutor(1, "flusher")

    def close(self) -> None:
        """Wait for what is under way, and end."""
        for threads in (self.writer, self.readers, self.flusher):
            threads.shutdown()


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[Store]:
    """The database at `url`, its tables made where they are missing.

    Raises `StoreUnavailableError` with one clear line where it cannot be opened.
    """
    try:
        engine = _engine(url)
    except (sa.exc.ArgumentError, ImportError) as error:
        raise StoreUnavailableError(
            f"VIVA_DATABASE_URL cannot be used: {error}. Leave it out to use SQLite, or give an "
            "SQLAlchemy URL whose driver is installed."
        ) from error
    cut = await asyncio.to_thread(bytes_cut_off, engine.url)
    if cut:
        log.error(
            "the log ends in the middle of a write: what was not told as saved may be gone",
            bytes_dropped=cut,
        )
    try:
        await asyncio.to_thread(_make_tables, engine)
    except DBAPIError as error:
        engine.dispose()
        raise StoreUnavailableError(
            f"The database {engine.url.render_as_string()} cannot be opened: {error.orig}. "
            "Check that its folder exists and can be written, or set VIVA_DATABASE_URL."
        ) from error
    threads = _Threads()
    appender = _appender(url)
    try:
        yield Store(engine, appender, threads)
    finally:
        threads.close()
        if appender:
            appender.dispose()
        engine.dispose()


def bytes_cut_off(url: sa.URL) -> int:
    """How many bytes the write-ahead log holds beyond its last whole frame; 0 where all is well.

    Left by a write that a power cut, or a full disk, ended in its middle: SQLite drops them. The
    log's format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
    """
    if url.get_backend_name() != "sqlite" or not url.database:
        return 0
    try:
        with Path(f"{url.database}-wal").open("rb") as file:
            header = file.read(LOG_HEADER_BYTES)
            size = file.seek(0, os.SEEK_END)
    except OSError:
        return 0  # there is none, or what is wrong will be told where the database is opened
    if len(header) < LOG_HEADER_BYTES:
        return size
    page = int.from_bytes(header[8:12], "big")
    return (size - LOG_HEADER_BYTES) % (LOG_FRAME_HEADER_BYTES + page)


def _make_tables(engine: sa.Engine) -> None:
    """What is missing; and see to it that a power cut leaves the files' names in their folder."""
    tables.create_all(engine)
    if engine.dialect.name == "sqlite" and engine.url.database:
        folder = os.open(Path(engine.url.database).parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _engine(url: str) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed, pool_pre_ping=True, hide_parameters=True)
    if parsed.database:
        _make_folder(Path(parsed.database).parent)
    engine = sa.create_engine(parsed, hide_parameters=True)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _appender(url: str) -> sa.Engine | None:
    """One connection for `append_now`, which waits for nobody; None for other databases."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    engine = sa.create_engine(parsed, pool_size=1, max_overflow=0, hide_parameters=True)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "connect", _wait_for_nobody)
    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailableError(
            f"The data folder {folder} cannot be made: {error.strerror}. "
            "Set VIVA_DATA to a folder that this user can write."
        ) from error


PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",  # `Store._sync` syncs, where it keeps nobody waiting who need not wait
    "wal_autocheckpoint=0",  # as `Store.flush` does for copying
    f"journal_size_limit={LOG_KEPT_BYTES}",
    "busy_timeout=5000",
    "secure_delete=ON",
)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """A write-ahead log, which this process syncs and copies by itself."""
    _set(connection, *PRAGMAS)


def _wait_for_nobody(connection: Any, _record: Any) -> None:
    _set(connection, "busy_timeout=0")


def _set(connection: Any, *pragmas: str) -> None:
    cursor = connection.cursor()
    for pragma in pragmas:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
