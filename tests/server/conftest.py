"""A server with a scripted sandbox: what a program does is the test's to say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from server.app import open_parts
from server.parts import Parts
from server.settings import Settings
from tests.hosting import Hosting, hosting
from tests.scripted import ScriptedSandbox
from tests.serving import ADMIN_TOKEN, Running, serving

PROBLEMS = Path(__file__).parent / "problems"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A free port, and a data folder of the test's own."""
    return Settings(
        port=0, data=tmp_path, admin_token=ADMIN_TOKEN, problems=PROBLEMS, sandbox_runs=4
    )


@pytest.fixture
def sandbox() -> ScriptedSandbox:
    """A sandbox that does what the test tells it."""
    return ScriptedSandbox()


@pytest.fixture
async def server(settings: Settings, sandbox: ScriptedSandbox) -> AsyncIterator[Running]:
    """A server over the scripted sandbox."""

    @asynccontextmanager
    async def opened(chosen: Settings) -> AsyncIterator[Parts]:
        async with open_parts(chosen, sandbox) as parts:
            yield parts

    async with serving(settings, opened) as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "viva.db"


@pytest.fixture
async def here(path: Path, sandbox: ScriptedSandbox) -> AsyncIterator[Hosting]:
    """This process."""
    async with hosting(path, sandbox) as opened:
        yield opened
