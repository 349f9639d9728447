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
    engine = store._engine

    def restrict(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.execute(f"PRAGMA {pragma}")

    sa.event.listen(engine, "checkout", restrict)
    try:
        yield
    finally:
        sa.event.remove(engine, "checkout", restrict)
        engine.dispose()


@contextmanager
def counting_commits(store: Store) -> Iterator[list[None]]:
    """A list that grows by one with each commit."""
    commits: list[None] = []

    def count(_connection: Any) -> None:
        commits.append(None)

    sa.event.listen(store._engine, "commit", count)
    try:
        yield commits
    finally:
        sa.event.remove(store._engine, "commit", count)
