"""`viva serve` as a process of its own: killed, stopped, or unable to begin."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from server.archive import Archive
from server.core import messages
from server.core.events import Edited, Entry, InterviewCreated, RunStarted
from server.core.room import replay
from server.journal import open_journal
from server.settings import ROOT
from server.store import open_store
from tests.hosting import PROBLEMS
from tests.serving import ADMIN_TOKEN
from tests.typing_client import DOC, Typist, Up

KILLS = 8


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
    return await asyncio.create_subprocess_exec(
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
    assert process.stdout is not None
    said = ""
    while "Ctrl-C" not in said:
        line = (await process.stdout.readline()).decode()
        assert line, f"the server ended: {said}"
        said += line
    found = re.search(r"serves on (http://\S+)", said)
    assert found, said
    return Served(process, found[1], said)


async def refused(process: Process) -> str:
    """What a server says that cannot begin: one line, exit status 1, no traceback."""
    out, err = await process.communicate()
    text = err.decode()
    assert process.returncode == 1, (out, err)
    assert len(text.strip().splitlines()) == 1, text
    assert "Traceback" not in text
    assert text.startswith("viva: ")
    return text


def api(url: str) -> httpx.AsyncClient:
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


# Killed.


@pytest.mark.timeout(300)  # it starts the server many times, on a machine that may be busy
async def test_a_server_killed_again_and_again_loses_nothing_that_anybody_saw(
    tmp_path: Path,
) -> None:
    """Two people type all the while; after many kills there is one text, everywhere the same."""
    chance = random.Random(20)  # noqa: S311 -- where to type and when to kill, no secret
    up = Up()
    async with served(tmp_path) as first:
        room, sessions = await created(first.url)
        port = int(first.url.rpartition(":")[2])
        url = socket_url(first.url, room)
        typists = [
            Typist(role, url, sessions[role], random.Random(role))  # noqa: S311
            for role in ("tutor", "candidate")
        ]
        async with typing(typists, up):
            await kill_after_some_typing(first, typists, up, chance)
            for _ in range(KILLS - 1):
                async with served(tmp_path, port=port) as again:
                    await kill_after_some_typing(again, typists, up, chance)
            async with served(tmp_path, port=port):
                await all_is_saved(typists, up)
                shown = await welcomed_text(url, sessions["observer"])
    await nothing_was_lost(tmp_path, room, typists, shown)


@asynccontextmanager
async def typing(typists: list[Typist], up: Up) -> AsyncIterator[None]:
    """They type while the block lasts; what goes wrong in them ends it."""
    async with asyncio.TaskGroup() as tasks:
        lives = [tasks.create_task(typist.live(up.wait)) for typist in typists]
        yield
        for life in lives:
            life.cancel()


async def until(typists: list[Typist], holds: Callable[[], bool]) -> None:
    """Until something holds that edits bring about."""
    heard = asyncio.Event()
    for typist in typists:
        typist.on_edit = heard.set
    while not holds():
        heard.clear()
        await heard.wait()


async def kill_after_some_typing(
    server: Served, typists: list[Typist], up: Up, chance: random.Random
) -> None:
    """Kill once a random number of edits have come back, to either of the two."""
    wanted = sum(len(typist.seen) for typist in typists) + chance.randint(1, 40)
    up.set()
    await until(typists, lambda: sum(len(typist.seen) for typist in typists) >= wanted)
    up.clear()
    await server.kill()


async def all_is_saved(typists: list[Typist], up: Up) -> None:
    """Nobody types any more, and both have heard of all that was typed."""
    for typist in typists:
        typist.stopping = True
    up.set()
    one, other = typists
    await until(
        typists, lambda: not (one.pending or other.pending) and one.version == other.version
    )


async def welcomed_text(url: str, session: str) -> str:
    """The scratch pad as somebody sees it who comes in now."""
    headers = {"Authorization": f"Bearer {session}"}
    async with connect(url, additional_headers=headers, max_size=None) as fresh:
        await fresh.send(messages.encode({"type": "hello", "after": 0, "client": "fresh"}))
        text: str = json.loads(await fresh.recv())["state"]["documents"][DOC]["text"]
    return text


async def nothing_was_lost(data: Path, room: str, typists: list[Typist], shown: str) -> None:
    entries, replayed = await journal_of(data, room)
    refs = [entry.event.ref for entry in entries if isinstance(entry.event, Edited)]
    for typist in typists:
        assert typist.text == replayed == shown
        assert typist.seen == refs[typist.came_at :]  # in the journal's order, each once
    typed = [line for typist in typists for line in typist.typed]
    assert sorted(replayed.splitlines()) == sorted(typed)
    assert len(typed) > KILLS


async def test_a_run_under_way_at_the_kill_ends_as_our_error(tmp_path: Path) -> None:
    """Whoever comes back is told that the code is not to blame, and can run again."""
    async with served(tmp_path) as before:
        room, sessions = await created(before.url)
        await before.kill()
    entries, _ = await journal_of(tmp_path, room)
    last = entries[-1].seq
    run = RunStarted(run=f"r{last + 1}", what="program", doc=DOC, version=0)
    database = f"sqlite:///{tmp_path / 'viva.db'}"
    async with open_store(database) as store, open_journal(store) as journal:
        await journal.append(room, [Entry(seq=last + 1, at=1, by="somebody", event=run)])
    async with served(tmp_path) as after:
        url = socket_url(after.url, room)
        headers = {"Authorization": f"Bearer {sessions['candidate']}"}
        async with connect(url, additional_headers=headers) as back:
            await back.send(messages.encode({"type": "hello", "after": last, "client": "c"}))
            frames = [json.loads(await back.recv()) for _ in range(3)]
    assert [frame.get("kind") for frame in frames] == [None, "run_started", "run_finished"]
    assert frames[2]["verdict"] == "judge_error"
    assert "run it again" in frames[2]["message"]


# Stopped.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_server_that_is_told_to_stop_says_goodbye(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Clients get a close code that makes them come back; the process ends with status 0."""
    async with served(tmp_path) as server:
        room, sessions = await created(server.url)
        headers = {"Authorization": f"Bearer {sessions['candidate']}"}
        url = socket_url(server.url, room)
        async with connect(url, additional_headers=headers) as camille:
            await camille.send(messages.encode({"type": "hello", "after": 0, "client": "c"}))
            await camille.send(
                messages.encode(
                    {"type": "edit", "doc": DOC, "version": 0, "changes": [[0, "saved"]]}
                )
            )
            while json.loads(await camille.recv()).get("kind") != "edited":
                pass
            server.process.send_signal(number)
            with pytest.raises(ConnectionClosed) as closed:
                await all_frames(camille)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code in {1001, 1012}
        _, err = await server.process.communicate()
        assert server.process.returncode == 0
        assert b"Traceback" not in err
    assert (await journal_of(tmp_path, room))[1] == "saved"


async def all_frames(client: ClientConnection) -> None:
    while True:
        await client.recv()


# Unable to begin.


async def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = await refused(await start(tmp_path, port=port))
    assert str(port) in text
    assert f"--port {port + 1}" in text


async def test_a_data_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    wrong = tmp_path / "data"
    wrong.touch()
    text = await refused(await start(wrong))
    assert str(wrong) in text
    assert "VIVA_DATA" in text


async def test_a_database_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "viva.db").write_text("something else altogether, and quite long at that " * 10)
    text = await refused(await start(tmp_path))
    assert "viva.db" in text


async def test_a_broken_problem_is_named_and_the_others_are_served(tmp_path: Path) -> None:
    """The server starts; it says file, line and mend, and counts the error for who watches."""
    problems = tmp_path / "problems"
    problems.mkdir()
    good = (PROBLEMS / "double.yaml").read_text()
    (problems / "double.yaml").write_text(good)
    broken = good.replace("id: double", "id: broken").replace("mode: function", "moed: function")
    (problems / "broken.yaml").write_text(broken)
    line = 1 + broken[: broken.index("moed:")].count("\n")
    async with served(tmp_path / "data", problems) as server:
        assert f"broken.yaml:{line}" in server.said
        async with api(server.url) as http:
            health = (await http.get("/healthz")).json()
            listed = (await http.get("/api/problems")).json()
    assert (health["problems"], health["problem_errors"]) == (1, 1)
    (error,) = listed["errors"]
    assert (error["line"], error["file"].rpartition("/")[2]) == (line, "broken.yaml")
    assert 'Did you mean "mode"?' in error["mend"]
    assert error["mend"] in server.said
