"""`viva serve` as a process of its own: killed, stopped, or unable to begin."""

from __future__ import annotations

import json
import signal
import socket
from asyncio.subprocess import Process
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from server.core import messages
from server.core.events import Entry, RunStarted
from server.journal import open_journal
from server.store import open_store
from tests.hosting import PROBLEMS
from tests.served import api, created, journal_of, served, socket_url, start
from tests.typing_client import DOC


async def refused(process: Process) -> str:
    """What a server says that cannot begin: one line, exit status 1, no traceback."""
    out, err = await process.communicate()
    text = err.decode()
    assert process.returncode == 1, (out, err)
    assert len(text.strip().splitlines()) == 1, text
    assert "Traceback" not in text
    assert text.startswith("viva: ")
    return text


# Killed.


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
