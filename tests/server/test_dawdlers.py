"""Clients that begin and do not go on: cut off after a while, and in nobody's way until then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from server.app import open_parts
from server.parts import PATIENCE_S, Parts
from server.settings import Settings
from tests.process import ServerProcess
from tests.scripted import ScriptedSandbox
from tests.serving import Running, serving

SHORT_S = 0.3

HALF_SENT = (
    b"",
    b"\r\n",
    b"G",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\ntoken=",
    b"GET /rooms/x/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
)


@pytest.fixture
async def hasty(settings: Settings, sandbox: ScriptedSandbox) -> AsyncIterator[Running]:
    """A server of little patience."""

    @asynccontextmanager
    async def opened(chosen: Settings) -> AsyncIterator[Parts]:
        async with open_parts(chosen, sandbox) as parts:
            yield replace(parts, patience_s=SHORT_S)

    async with serving(settings, opened) as running:
        yield running


async def received_until_closed(port: int, sent: bytes) -> bytes:
    """What a server answers to these bytes and nothing more, until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("sent", HALF_SENT)
async def test_half_a_request_is_cut_off(hasty: Running, sent: bytes) -> None:
    """Wherever it stops; where nothing else is on its way, with words."""
    answer = await received_until_closed(hasty.parts.settings.port, sent)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"took too long" in answer


async def test_half_a_request_after_a_whole_one_is_cut_off_too(hasty: Running) -> None:
    """The whole one is answered, and no answer comes twice."""
    whole = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    unread = b"POST /nothing-here HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx"
    for sent, status in ((whole + b"GET /heal", b"200"), (unread, b"404")):
        answer = await received_until_closed(hasty.parts.settings.port, sent)
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert answer.count(b"HTTP/1.1 ") == 1


async def test_dripping_headers_buys_no_time(hasty: Running) -> None:
    """The time is the whole request's, not that since the last byte."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty.parts.settings.port)
    writer.write(b"GET /healthz HTTP/1.1\r\n")

    async def drip() -> None:
        while not writer.is_closing():
            writer.write(b"X-Slow: 1\r\n")
            await asyncio.sleep(SHORT_S / 10)

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(20):
        assert b"408" in await reader.readline()
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)
    writer.close()


async def test_a_websocket_that_says_nothing_is_closed(hasty: Running) -> None:
    """The hello has its time too."""
    _, links = await hasty.create("double")
    joined = await hasty.join(links["candidate"], "Camille")
    upgrade = (
        f"GET /rooms/{joined['room']}/ws HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {joined['session']}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    answer = await received_until_closed(hasty.parts.settings.port, upgrade.encode())
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"No hello came" in answer


async def test_a_connection_that_is_used_again_and_a_room_are_left_alone(hasty: Running) -> None:
    """The time is for beginning; what has begun may last."""
    _, links = await hasty.create("double")
    async with hasty.enter(links["candidate"], "Camille") as camille:
        for _ in range(4):
            assert (await hasty.http.get("/healthz")).status_code == 200
            await asyncio.sleep(SHORT_S / 2)  # what is tested is the passing of this time
        await camille.settled()


def test_it_all_fits_into_ten_seconds() -> None:
    """A request and its close; and a hello and its close."""
    assert PATIENCE_S + 1 < 10


async def test_a_thousand_slow_handshakes_keep_nobody_out(tmp_path: Path) -> None:
    """New people come in while they hang, and all of them are gone in the end."""
    server = await ServerProcess(tmp_path, sandbox=False).start()
    try:
        async with AsyncExitStack() as held, server.admin() as http:
            hanging = [
                await held.enter_async_context(
                    half_sent(server.port, HALF_SENT[n % len(HALF_SENT)])
                )
                for n in range(1_000)
            ]
            body = {"title": "x", "candidate": "y", "problems": ["grade-sheet"]}
            created = (await http.post("/api/interviews", json=body)).json()
            running = Running(None, server.url, http)  # type: ignore[arg-type]
            async with running.enter(created["links"]["candidate"], "Camille") as camille:
                await camille.settled()
            async with asyncio.timeout(30):
                answers = await asyncio.gather(*(reader.read() for reader in hanging))
        assert all(b"408" in answer for answer in answers)
    finally:
        await server.stop()


@asynccontextmanager
async def half_sent(port: int, sent: bytes) -> AsyncIterator[asyncio.StreamReader]:
    """A connection on which only so much was said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    yield reader
    writer.close()
