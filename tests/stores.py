"""Databases that fail for real, for as long as a test wants: SQLite itself is told to refuse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from server.store import Store

READ_ONLY = "query_only = 1"
DISK_FULL = "max_page_count = 1"  # SQLite takes this for "not a page more than there are"
NO_WAITING = "busy_timeout = 0"


@contextmanager
def refusing(store: Store, pragma: str = READ_ONLY) -> Iterator[None]:
    """Every connection of `store` is under `pragma` while the block lasts, and none after it."""

    def restrict(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.execute(f"PRAGMA {pragma}")

    engines = engines_of(store)
    for engine in engines:
        sa.event.listen(engine, "checkout", restrict)
    try:
        yield
    finally:
        for engine in engines:
            sa.event.remove(engine, "checkout", restrict)
            engine.dispose()


@contextmanager
def counting_commits(store: Store) -> Iterator[list[str]]:
    """A list that grows by one with each commit."""
    commits: list[str] = []

    def count(statement: str) -> None:
        if statement == "COMMIT":
            commits.append(statement)

    def trace(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.set_trace_callback(count)

    engines = engines_of(store)
    for engine in engines:
        sa.event.listen(engine, "checkout", trace)
    try:
        yield commits
    finally:
        for engine in engines:
            sa.event.remove(engine, "checkout", trace)
            engine.dispose()


def engines_of(store: Store) -> list[sa.Engine]:
    """All that has connections to the database."""
    return [engine for engine in (store._engine, store._appender) if engine]
