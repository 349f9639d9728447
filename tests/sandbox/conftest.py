"""A pool over the real engine, which these tests take for granted, as does the product."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sandbox.pool import Pool
from tests.sandbox.running import Runs


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with Pool(warm=1) as pool:  # what a test needs, so that the engine is not busy with more
        assert pool.available, pool.why_unavailable
        yield pool


@pytest.fixture
def runs(pool: Pool) -> Runs:
    return Runs(pool)
