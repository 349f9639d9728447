"""The two servers, each a process of its own: the product, and the relay beside it."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from server.settings import ROOT
from tests.bench.measure import BenchError

START_S = 30.0
PROBLEMS = Path(__file__).parent / "problems"
PROBLEM = "middle-price"


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs: its URL and its process."""

    url: str
    pid: int


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody in a room of the product, and how to come in as them."""

    socket_url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Product:
    """The server under measure, and an HTTP client of the admin's."""

    url: str
    http: httpx.AsyncClient
    pid: int

    async def interview(self) -> dict[str, str]:
        """Make an interview on the benchmark's problem; its links by role."""
        body = {"title": "Benchmark", "candidate": "", "problems": [PROBLEM]}
        answer = await self.http.post("/api/interviews", json=body)
        answer.raise_for_status()
        links: dict[str, str] = answer.json()["links"]
        return links

    async def join(self, link: str, name: str) -> Session:
        """Come through the lobby as a program."""
        answer = await self.http.post(
            link, json={"name": name}, headers={"Accept": "application/json"}
        )
        answer.raise_for_status()
        joined = answer.json()
        return Session(
            f"{self.url.replace('http', 'ws', 1)}/rooms/{joined['room']}/ws",
            {"Authorization": f"Bearer {joined['session']}"},
        )


@contextmanager
def folder_on_disk() -> Iterator[Path]:
    """A folder where the product keeps its data, not in memory as /tmp may be: syncs count."""
    (ROOT / "data").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "data") as folder:
        yield Path(folder)


@asynccontextmanager
async def product(folder: Path, *, sandbox: bool = True) -> AsyncIterator[Product]:
    """The product's own `serve`, as in production, on a free port; `folder` is its data folder."""
    token = secrets.token_hex(16)
    settings = {
        "VIVA_ADMIN_TOKEN": token,
        "VIVA_DATA": str(folder),
        "VIVA_PROBLEMS": str(PROBLEMS),
        "VIVA_SANDBOX": "on" if sandbox else "off",
    }
    async with (
        _process("server", "serve", "--port", "0", settings=settings) as served,
        httpx.AsyncClient(
            base_url=served.url, headers={"Authorization": f"Bearer {token}"}
        ) as http,
    ):
        yield Product(served.url, http, served.pid)


@asynccontextmanager
async def relay() -> AsyncIterator[Served]:
    """The relay."""
    async with _process("tests.bench.relay", settings={}) as served:
        yield served


@asynccontextmanager
async def _process(module: str, *arguments: str, settings: dict[str, str]) -> AsyncIterator[Served]:
    """A Python module that serves; its first line ends with its URL."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("VIVA_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        cwd=ROOT,
        env={**inherited, **settings},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_S):
            line = (await process.stdout.readline()).decode()
        _, found, url = line.strip().rpartition(" serves on ")
        if not found:
            raise BenchError(f"python -m {module} did not start; it said: {line.strip() or '-'}")
        yield Served(url, process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
