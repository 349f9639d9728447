"""Where programs run, as the settings say; it loads nothing of the rest of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sandbox.container import EngineSettings
from sandbox.contract import Sandbox
from sandbox.pool import Pool
from server.no_sandbox import NoSandbox
from server.settings import Settings


@asynccontextmanager
async def open_sandbox(settings: Settings) -> AsyncIterator[Sandbox]:
    """Where programs run: containers of the engine on this machine, or nowhere."""
    if not settings.sandbox:
        yield NoSandbox("Running is switched off by VIVA_SANDBOX=off.")
        return
    async with Pool(
        engine_settings(settings), settings.sandbox_runs, settings.sandbox_warm
    ) as pool:
        yield pool


def engine_settings(settings: Settings) -> EngineSettings:
    """Which containers programs run in."""
    return EngineSettings(image=settings.sandbox_image, runtime=settings.sandbox_runtime or None)
