"""What comes in below the protocol: foreign pages, wrong tokens, frames that no client makes."""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from server.access import SESSION_DAYS
from server.core.messages import MAX_FRAME_BYTES
from server.settings import Settings
from tests.process import ServerProcess
from tests.server.attacks.test_attack_frames import closed_with
from tests.serving import Client, Running, kind_is

DAY_MS = 24 * 3600 * 1000
MIB = 1024 * 1024


async def answer_to(url: str, headers: dict[str, str]) -> tuple[int, bytes]:
    """What comes in place of an upgrade: status and body."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, additional_headers=headers):
            pass
    return refused.value.response.status_code, bytes(refused.value.response.body or b"")


async def test_every_wrong_way_in_gets_the_same_403(server: Running, settings: Settings) -> None:
    """A foreign page with a valid cookie, no token, one expired, one of another room: all 403."""
    room, links = await server.create("double")
    elsewhere, others = await server.create("double")
    mine = (await server.join(links["candidate"], "Camille"))["session"]
    theirs = (await server.join(others["tutor"], "Ada"))["session"]
    sockets = f"{server.url.replace('http', 'ws')}/rooms"
    own = server.url
    cookie = {"Cookie": f"viva-{room}={mine}"}
    async with connect(f"{sockets}/{room}/ws", additional_headers={**cookie, "Origin": own}):
        pass  # the way in that is right
    host = own.removeprefix("http://")
    foreign = ["https://evil.example", "null", f"{own}.evil.example", f"http://x@{host}", "://"]
    wrong: list[tuple[str, dict[str, str]]] = [
        (room, {}),
        (room, {"Origin": own}),
        (room, {"Cookie": f"viva-{room}={theirs}"}),
        (room, {"Authorization": f"Bearer {theirs}"}),
        (room, {"Authorization": f"Bearer {links['candidate'].rsplit('/', 1)[1]}"}),
        (room, {"Cookie": f"viva-{elsewhere}={theirs}"}),
        (elsewhere, cookie),
        ("no-such-room", cookie),
        (f"{room}'--", cookie),
    ]
    for origin in foreign:
        status, _ = await answer_to(f"{sockets}/{room}/ws", {**cookie, "Origin": origin})
        assert (origin, status) == (origin, 403)
    answers = [await answer_to(f"{sockets}/{path}/ws", headers) for path, headers in wrong]
    expire_all(settings.data / "viva.db")
    answers.append(await answer_to(f"{sockets}/{room}/ws", {**cookie, "Origin": own}))
    assert answers[0][0] == 403
    assert answers == [answers[0]] * len(answers)


def expire_all(database: Path) -> None:
    """Make every session a little older than sessions may be."""
    old = time.time_ns() // 1_000_000 - SESSION_DAYS * DAY_MS - 1
    with sqlite3.connect(database) as connection:
        changed = connection.execute("UPDATE sessions SET created_at = ?", (old,))
        assert changed.rowcount > 0
    connection.close()


async def test_compression_is_not_negotiated_and_a_compressed_frame_is_closed(
    server: Running,
) -> None:
    """So no frame can grow when it is read: a bomb is one that asks to be inflated."""
    _, links = await server.create("double")
    async with server.enter(links["candidate"], "Camille") as camille:
        asked, told = camille.socket.request, camille.socket.response
        assert asked is not None
        assert told is not None
        assert "permessage-deflate" in asked.headers["Sec-WebSocket-Extensions"]
        assert "Sec-WebSocket-Extensions" not in told.headers
        bomb = bytearray(Frame(Opcode.TEXT, zlib.compress(b" " * 50 * MIB)).serialize(mask=True))
        assert len(bomb) < MAX_FRAME_BYTES
        bomb[0] |= 0x40  # the reserved bit that says: compressed
        camille.socket.transport.write(bytes(bomb))
        assert await closed_with(camille) == 1002


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server in a process of its own, whose memory can be read."""
    started = await ServerProcess(tmp_path, sandbox=False).start()
    yield started
    await started.stop()


async def test_frames_that_are_too_large_leave_no_memory_behind(process: ServerProcess) -> None:
    """65 KiB, 10 MiB, and one that is announced in pieces: 1009 each, and less than 5 MiB more."""
    async with process.admin() as http:
        body = {"title": "An interview", "candidate": "Camille", "problems": []}
        links = (await http.post("/api/interviews", json=body)).json()["links"]
        running = Running(None, process.url, http)  # type: ignore[arg-type]  # no parts: another process
        joined = await running.join(links["candidate"], "Camille")
        for _ in range(5):  # what any work needs is there before it is measured
            await send_too_much(running, joined)
        before = memory_bytes(process)
        for _ in range(20):
            await send_too_much(running, joined)
        assert memory_bytes(process) - before < 5 * MIB
        async with running.connect(joined, client="another") as camille:
            await camille.settled()


async def send_too_much(running: Running, joined: dict[str, str]) -> None:
    """One frame of each kind, each on a connection of its own."""
    piece = "x" * (MAX_FRAME_BYTES // 4)
    frames: list[str | list[str]] = ["x" * 65 * 1024, "x" * 10 * MIB, [piece] * 5]
    for frame in frames:
        async with running.connect(joined, client="c") as camille:
            with pytest.raises(ConnectionClosed) as closed:
                await send_and_wait(camille, frame)
            # Of a close in the middle of 10 MiB, a client may only see that it happened.
            told = closed.value.rcvd
            assert told.code == 1009 if told else len(frame) == 10 * MIB


async def send_and_wait(client: Client, frame: str | list[str]) -> None:
    """Send a frame, or one in pieces, and receive until the connection is closed."""
    await client.socket.send(frame)
    await client.until(kind_is("never"))


def memory_bytes(process: ServerProcess) -> int:
    """The resident memory of a server."""
    assert process.process is not None
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    kib = next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]
    return int(kib) * 1024
