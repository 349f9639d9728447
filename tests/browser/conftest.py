"""A real browser over a real server with real containers."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from tests.process import ServerProcess

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def chromium_program() -> str:
    """Chromium, as the distribution has it."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "no chromium on the PATH; make test installs it"
    return program


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server process of the test's own."""
    process = await ServerProcess(tmp_path).start()
    yield process
    await process.stop()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium, as Debian has it."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=chromium_program(), args=CHROMIUM_ARGUMENTS
        )
        yield chromium
        await chromium.close()
