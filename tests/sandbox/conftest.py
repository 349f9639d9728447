"""One pool for the tests of a module, and a way to run programs in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.pool import Pool
from tests.sandbox.running import Runs
from tests.shared_pool import pool, run_in_its_loop

__all__ = ["pool"]


@pytest.fixture
def runs(pool: Pool) -> Runs:  # that is how a fixture asks for another
    return Runs(pool)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    run_in_its_loop(items, Path(__file__).parent)
