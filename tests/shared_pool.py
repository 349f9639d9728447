"""A pool over the real engine, which its tests take for granted, as does the product."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.pool import Pool


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[Pool]:
    """One for a module's tests: its containers are used once, so nothing else is shared."""
    async with Pool(warm=2) as pool:
        assert pool.available, pool.why_unavailable
        yield pool


def run_in_its_loop(items: Iterable[pytest.Item], folder: Path) -> None:
    """Have the tests of a folder that use the pool run in its event loop."""
    for item in items:
        if item.path.parent == folder and "pool" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)
