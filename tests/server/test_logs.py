"""What the server logs: enough to find a fault, and nothing that is anybody's."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from server.logs import Discreet, without_messages
from tests.process import ServerProcess
from tests.serving import ADMIN_TOKEN, Frame, Running

CODE = "quixotic_marmalade"
NAMES = ("Zephyrine", "Quillfeather")
TITLE = "Thornbury"
GUESS = "guessed-token-of-thirty-two-chars"
PROBLEM = "grade-sheet"


async def test_a_whole_interview_leaves_no_token_name_or_code_in_the_log(tmp_path: Path) -> None:
    """Nor do wrong tokens, malformed frames, refusals, and faults that quote what they met."""
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        server = await ServerProcess(tmp_path, sandbox=False, stderr=stderr).start()
        first, secrets, sessions = await hold_an_interview(server)
        damage(tmp_path / "viva.db")
        await server.start()
        second = await meet_the_damage(server, sessions)
    told = log.read_text() + first + second
    assert "handshake" not in told  # a refused socket is no fault of ours, and fills no log
    assert "builtins.KeyError, by way of:" in told  # the fault, which quotes what it met, is there
    assert [secret for secret in (*secrets, CODE, *NAMES, TITLE, GUESS) if secret in told] == []


async def hold_an_interview(server: ServerProcess) -> tuple[str, list[str], list[Frame]]:
    """What it printed after its greeting, the tokens that there were, and the sessions."""
    async with server.admin() as http:
        running = Running(None, server.url, http)  # type: ignore[arg-type]
        body = {"title": TITLE, "candidate": NAMES[1], "problems": [PROBLEM]}
        created = (await http.post("/api/interviews", json=body)).json()
        links = created["links"]
        joined = [
            await running.join(links[role], name)
            for role, name in zip(("tutor", "candidate"), NAMES, strict=True)
        ]
        async with (
            running.connect(joined[0], client="a") as ada,
            running.connect(joined[1], client="c") as camille,
        ):
            await camille.type_text("scratch", CODE, "e1")
            await ada.send(type="note", text=CODE)
            await camille.edit("scratch", 1, [[99, CODE]], "e2")
            await camille.until(lambda frame: frame.get("ref") == "e2")
            await camille.send(type="run", doc="scratch", what="program", stdin=CODE, ref="r")
            await camille.error("sandbox_unavailable")
            for frame in (CODE, f'{{"type":"{CODE}"}}', f'{{"type":"edit","doc":["{CODE}"]}}'):
                await camille.socket.send(frame)
                await camille.error("malformed")
        await guess(running, joined[1])
        async with running.connect(joined[0], client="a") as ada:
            await ada.send(type="revoke", role="candidate")
            await ada.event("access_revoked")
            await ada.send(type="end")
            await ada.event("interview_ended")
        tokens = [link.rsplit("/", 1)[1] for link in links.values()]
    secrets = [ADMIN_TOKEN, *tokens, *(one["session"] for one in joined)]
    return await printed_until_stopped(server), secrets, joined


async def guess(running: Running, joined: Frame) -> None:
    """Wrong tokens by every door, a frame that is too long, a request that is none."""
    for _ in range(30):
        await running.http.get(f"/join/{GUESS}")
    await running.http.post(f"/sign-in/{GUESS}")
    await running.http.get("/api/problems", headers={"Authorization": f"Bearer {GUESS}"})
    await running.http.get(f"/static/{GUESS}")
    with pytest.raises(InvalidStatus):
        async with running.connect({**joined, "session": GUESS}, client="g"):
            pass
    async with running.connect(joined, client="c") as camille:
        await camille.socket.send(CODE * 10_000)
        assert await camille.closed() == 1009
    port = int(running.url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /join/{GUESS}\r\nthis is no HTTP\r\n\r\n".encode())
    assert b"400" in await reader.read()
    writer.close()


def damage(database: Path) -> None:
    """Let an edit be of a document that never was: the fault that it makes quotes its name."""
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT seq, body FROM events WHERE kind = 'edited'"
        seq, body = connection.execute(query).fetchone()
        broken = json.dumps({**json.loads(body), "doc": CODE})
        connection.execute("UPDATE events SET body = ? WHERE seq = ?", (broken, seq))
        connection.commit()


async def meet_the_damage(server: ServerProcess, sessions: list[Frame]) -> str:
    """The room cannot be opened any more: what was printed."""
    room, session = sessions[0]["room"], sessions[0]["session"]
    url = f"{server.url.replace('http', 'ws')}/rooms/{room}/ws"
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, additional_headers={"Authorization": f"Bearer {session}"}):
            pass
    assert refused.value.response.status_code == 500
    assert CODE.encode() not in (refused.value.response.body or b"")
    return await printed_until_stopped(server)


async def printed_until_stopped(server: ServerProcess) -> str:
    assert server.process is not None
    assert server.process.stdout is not None
    stdout = server.process.stdout
    await server.stop()
    return (await stdout.read()).decode()


def failing(secret: str) -> None:
    """A fault whose cause quotes something too."""
    try:
        int(secret)
    except ValueError as error:
        raise RuntimeError(f"cannot count {secret}") from error


def test_a_fault_is_told_by_its_places_and_names_alone() -> None:
    """Those of its causes and of a group's members too."""
    with pytest.raises(RuntimeError) as raised:
        failing(CODE)
    group = ExceptionGroup(CODE, [raised.value])
    told = without_messages(group)
    for word in ("ExceptionGroup", "builtins.RuntimeError", "builtins.ValueError", "in failing"):
        assert word in told
    assert CODE not in told


@pytest.fixture
def library_log() -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Discreet())
    logger = logging.Logger("asyncio")
    logger.addHandler(handler)
    return logger, stream


def test_a_task_that_nobody_awaited_is_logged_without_its_words(
    library_log: tuple[logging.Logger, io.StringIO],
) -> None:
    """asyncio would print the task, and with it the exception that it holds."""
    logger, stream = library_log
    error = ValueError(CODE)
    logger.error("Task exception was never retrieved\nfuture: <Task %r>", error, exc_info=error)
    assert "Task exception was never retrieved" in stream.getvalue()
    assert "builtins.ValueError" in stream.getvalue()
    assert CODE not in stream.getvalue()
