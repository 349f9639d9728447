"""One pool for the tests of a module."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shared_pool import pool, run_in_its_loop

__all__ = ["pool"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    run_in_its_loop(items, Path(__file__).parent)
