"""The database: its tables, and the threads that talk to it.

SQLAlchemy Core, so that SQLite (the default) and PostgreSQL serve alike. All writing goes through
one thread, which is what SQLite wants anyway and what lets the journal group its appends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from server.core.errors import VivaError

T = TypeVar("T")

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


class StoreUnavailableError(VivaError):
    """The database cannot be read or written just now; nothing was changed."""


class Store:
    """A connection pool with a thread that writes and two that read."""

    def __init__(
        self, engine: sa.Engine, writer: ThreadPoolExecutor, readers: ThreadPoolExecutor
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._readers = readers

    async def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in one transaction on the writing thread; it is on disk when this returns.

        Raises `StoreUnavailableError` where the database refuses (disk full, read-only, away).
        """
        return await self._run(self._writer, work)

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` on a reading thread. Raises as `write` does."""
        return await self._run(self._readers, work)

    async def scrub(self) -> None:
        """After an erasure: leave none of what was deleted in the write-ahead log either."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._checkpoint)

    def _checkpoint(self) -> None:
        if self._engine.dialect.name != "sqlite":
            return
        with self._engine.connect() as connection:
            autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
            autocommit.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))

    async def _run(self, threads: ThreadPoolExecutor, work: Callable[[sa.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, self._transact, work)

    def _transact(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except sa.exc.IntegrityError:
            raise
        except DBAPIError as error:
            raise StoreUnavailableError(f"The database answered: {error.orig}.") from error


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
    try:
        await asyncio.to_thread(tables.create_all, engine)
    except DBAPIError as error:
        engine.dispose()
        raise StoreUnavailableError(
            f"The database {engine.url.render_as_string()} cannot be opened: {error.orig}. "
            "Check that its folder exists and can be written, or set VIVA_DATABASE_URL."
        ) from error
    try:
        with ThreadPoolExecutor(1, "writer") as writer, ThreadPoolExecutor(2, "reader") as readers:
            yield Store(engine, writer, readers)
    finally:
        engine.dispose()


def _engine(url: str) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed, pool_pre_ping=True)
    if parsed.database:
        _make_folder(Path(parsed.database).parent)
    engine = sa.create_engine(parsed)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailableError(
            f"The data folder {folder} cannot be made: {error.strerror}. "
            "Set VIVA_DATA to a folder that this user can write."
        ) from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Write-ahead log, synced at every commit: what was acknowledged survives a power cut."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
