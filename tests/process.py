"""`viva serve` as a process of its own, to be killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
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
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> Self:
        """Start it, and wait until it serves."""
        environment = {
            **os.environ,
            "VIVA_ADMIN_TOKEN": ADMIN_TOKEN,
            "VIVA_DATA": str(self.data),
            "VIVA_PORT": str(self.port),
            "VIVA_SANDBOX": "on" if self.sandbox else "off",
            "VIVA_SANDBOX_RUNS": str(self.runs),
        }
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server", "serve"),
            env=environment,
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
