"""`viva serve` as a process of its own, to be killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

import httpx

from tests.serving import ADMIN_TOKEN


@dataclass(slots=True)
class ServerProcess:
    """One server with its data folder; the port stays the same over restarts."""

    data: Path
    port: int = 0
    sandbox: bool = True
    runs: int = 4
    """How many programs may run at once."""
    stderr: IO[bytes] | None = None
    """Where its log goes; by default to the test's own."""
    host: str = "127.0.0.1"
    problems: Path | None = None
    """The folder of its problems; by default the shipped ones."""
    around: Sequence[str] = ()
    """A command that the server is started by, e.g. to be in a network of its own."""
    environment: Mapping[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{self.host}:{self.port}"

    def settings(self) -> dict[str, str]:
        """The variables that make it this server."""
        problems = {"VIVA_PROBLEMS": str(self.problems)} if self.problems else {}
        return {
            "VIVA_ADMIN_TOKEN": ADMIN_TOKEN,
            "VIVA_DATA": str(self.data),
            "VIVA_HOST": self.host,
            "VIVA_PORT": str(self.port),
            "VIVA_SANDBOX": "on" if self.sandbox else "off",
            "VIVA_SANDBOX_RUNS": str(self.runs),
            **problems,
            **self.environment,
        }

    async def start(self) -> Self:
        """Start it, and wait until it serves."""
        self.process = await asyncio.create_subprocess_exec(
            *(*self.around, sys.executable, "-m", "server", "serve"),
            env={**os.environ, **self.settings()},
            stdout=asyncio.subprocess.PIPE,
            stderr=self.stderr,
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            line = (await self.process.stdout.readline()).decode()
            assert "serves on" in line, line
            self.port = int(line.rsplit(":", 1)[1])
            await self.process.stdout.readuntil(b"Ctrl-C")
        return self

    async def kill(self) -> None:
        """End it without a word, as a power cut would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(number)
        await self.process.wait()
        self.process = None

    def admin(self) -> httpx.AsyncClient:
        """An HTTP client of the admin's."""
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers)
