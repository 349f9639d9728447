"""`viva serve` as a process of its own: what it said, its rooms, and its journal on the disk."""

from __future__ import annotations

import json
import os
import re
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from websockets.asyncio.client import connect

from server.archive import Archive
from server.core import messages
from server.core.events import Entry, InterviewCreated
from server.core.room import replay
from server.journal import open_journal
from server.settings import ROOT
from server.store import open_store
from tests.hosting import PROBLEMS
from tests.serving import ADMIN_TOKEN
from tests.typing_client import DOC


@dataclass(slots=True)
class Served:
    """A server that said where it serves."""

    process: Process
    url: str
    said: str

    async def kill(self) -> None:
        """As the kernel would when memory runs out: no last word."""
        self.process.kill()
        await self.process.wait()


async def start(data: Path, problems: Path = PROBLEMS, port: int = 0) -> Process:
    """`viva serve`, without a sandbox."""
    ours = {"VIVA_ADMIN_TOKEN": ADMIN_TOKEN, "VIVA_SANDBOX": "off"}
    others = {name: value for name, value in os.environ.items() if not name.startswith("VIVA_")}
    command = ["-m", "server", "serve", f"--port={port}", f"--data={data}"]
    return await create_subprocess_exec(
        *(sys.executable, *command, f"--problems={problems}"),
        cwd=ROOT,
        env={**others, **ours},
        stdout=PIPE,
        stderr=PIPE,
    )


@asynccontextmanager
async def served(data: Path, problems: Path = PROBLEMS, port: int = 0) -> AsyncIterator[Served]:
    """A server that serves, gone with the block whatever happened."""
    process = await start(data, problems, port)
    try:
        yield await announced(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def announced(process: Process) -> Served:
    """Until it serves."""
    assert process.stdout is not None
    said = ""
    while "Ctrl-C" not in said:
        line = (await process.stdout.readline()).decode()
        assert line, f"the server ended: {said}"
        said += line
    found = re.search(r"serves on (http://\S+)", said)
    assert found, said
    return Served(process, found[1], said)


def api(url: str) -> httpx.AsyncClient:
    """An HTTP client of the admin's."""
    return httpx.AsyncClient(
        base_url=url, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}, timeout=20
    )


async def created(url: str) -> tuple[str, dict[str, str]]:
    """An interview: its id, and a session for each role."""
    async with api(url) as http:
        body = {"title": "An interview", "candidate": "Camille", "problems": ["double"]}
        interview = (await http.post("/api/interviews", json=body)).json()
        sessions = {}
        for role, link in interview["links"].items():
            answer = await http.post(
                link, json={"name": role}, headers={"Accept": "application/json"}
            )
            sessions[role] = answer.json()["session"]
    return interview["id"], sessions


def socket_url(url: str, room: str) -> str:
    """Where a room's WebSockets go."""
    return f"{url.replace('http', 'ws', 1)}/rooms/{room}/ws"


async def journal_of(data: Path, room: str) -> tuple[list[Entry], str]:
    """A room's journal as it lies on the disk, and the scratch pad that it describes."""
    async with open_store(f"sqlite:///{data / 'viva.db'}") as store, open_journal(store) as journal:
        entries = await journal.read(room)
        first = entries[0].event
        assert isinstance(first, InterviewCreated)
        problems = await Archive(store).thaw([problem.hash for problem in first.problems])
    state = replay({problem.id: problem for problem in problems}, entries)
    return entries, state.documents[DOC].text


async def welcomed_text(url: str, session: str) -> str:
    """The scratch pad as somebody sees it who comes in now."""
    headers = {"Authorization": f"Bearer {session}"}
    async with connect(url, additional_headers=headers, max_size=None) as fresh:
        await fresh.send(messages.encode({"type": "hello", "after": 0, "client": "fresh"}))
        text: str = json.loads(await fresh.recv())["state"]["documents"][DOC]["text"]
    return text
