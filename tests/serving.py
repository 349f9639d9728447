"""A real server for tests: real sockets, real database, a sandbox of the test's choosing."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from server.parts import Parts
from server.serving import build_server, listen
from server.settings import Settings

ADMIN_TOKEN = "test-admin-token-0123456789"

Frame = dict[str, Any]
Match = Callable[[Frame], bool]


@dataclass(slots=True)
class Running:
    """A server that serves, and an HTTP client of the admin's."""

    parts: Parts
    url: str
    http: httpx.AsyncClient

    async def create(self, *problems: str, language: str = "en") -> tuple[str, dict[str, str]]:
        """Make an interview: its id and its links."""
        body = {
            "title": "An interview",
            "candidate": "Camille",
            "format": "technical-45",
            "problems": list(problems),
            "language": language,
        }
        answer = await self.http.post("/api/interviews", json=body)
        assert answer.status_code == 201, answer.text
        created = answer.json()
        return created["id"], created["links"]

    async def join(self, link: str, name: str) -> Frame:
        """Come through the lobby as a program: `room`, `role`, `session`."""
        answer = await self.http.post(
            link, json={"name": name}, headers={"Accept": "application/json"}
        )
        assert answer.status_code == 200, answer.text
        joined: Frame = answer.json()
        return joined

    @asynccontextmanager
    async def enter(
        self, link: str, name: str, *, after: int = 0, client: str = ""
    ) -> AsyncIterator[Client]:
        """Join by a link and say hello."""
        joined = await self.join(link, name)
        async with self.connect(joined, after=after, client=client or name) as entered:
            yield entered

    @asynccontextmanager
    async def connect(self, joined: Frame, *, after: int = 0, client: str) -> AsyncIterator[Client]:
        """A WebSocket of a session, that has said hello and been welcomed."""
        url = f"{self.url.replace('http', 'ws')}/rooms/{joined['room']}/ws"
        headers = {"Authorization": f"Bearer {joined['session']}"}
        async with connect(url, additional_headers=headers, max_size=None) as socket:
            entered = Client(socket)
            await entered.send(type="hello", after=after, client=client)
            entered.welcome = await entered.until(kind_is("welcome"))
            yield entered


@dataclass(slots=True)
class Client:
    """A program in a room, which keeps every frame that it received."""

    socket: ClientConnection
    welcome: Frame = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)

    @property
    def state(self) -> Frame:
        """The state of the welcome."""
        state: Frame = self.welcome["state"]
        return state

    async def send(self, **frame: Any) -> None:
        """Send one frame."""
        await self.socket.send(json.dumps(frame))

    async def until(self, matches: Match) -> Frame:
        """Receive until a frame fits; that one."""
        async with asyncio.timeout(20):
            while True:
                frame: Frame = json.loads(await self.socket.recv())
                self.frames.append(frame)
                if matches(frame):
                    return frame

    async def event(self, kind: str, **fields: Any) -> Frame:
        """Receive until an event of this kind, with these fields."""
        return await self.until(
            lambda frame: frame.get("kind") == kind and fields.items() <= frame.items()
        )

    async def error(self, code: str) -> Frame:
        """Receive until an `error` frame with this code."""
        return await self.until(kind_is("error", code=code))

    async def edit(self, doc: str, version: int, changes: list[Any], ref: str) -> None:
        """Send an edit."""
        await self.send(type="edit", ref=ref, doc=doc, version=version, changes=changes)

    async def type_text(self, doc: str, text: str, ref: str) -> Frame:
        """Put `text` at the end of a document that nobody else edits; the `edited` event."""
        document = self.state["documents"][doc]
        units = len(document["text"].encode("utf-16-le")) // 2
        changes: list[Any] = [units, [0, *text.split("\n")]] if units else [[0, *text.split("\n")]]
        await self.edit(doc, document["version"], changes, ref)
        edited = await self.event("edited", ref=ref)
        self.state["documents"][doc] = {
            "version": edited["version"],
            "text": document["text"] + text,
        }
        return edited

    async def replace(self, doc: str, text: str, ref: str) -> Frame:
        """Put `text` in place of all of a document that nobody else edits."""
        document = self.state["documents"][doc]
        units = len(document["text"].encode("utf-16-le")) // 2
        await self.edit(doc, document["version"], [[units, *text.split("\n")]], ref)
        edited = await self.event("edited", ref=ref)
        self.state["documents"][doc] = {"version": edited["version"], "text": text}
        return edited

    async def closed(self) -> int:
        """Receive until the server closes the connection; its close code."""
        try:
            await self.until(lambda _: False)
        except ConnectionClosed as error:
            return error.rcvd.code if error.rcvd else 1006
        raise AssertionError("unreachable: nothing but the end stops the receiving")

    async def settled(self) -> Self:
        """Receive until the server has answered everything that was sent so far."""
        stamp = len(self.frames)
        await self.send(type="ping", t=stamp)
        await self.until(kind_is("pong", t=stamp))
        return self


def kind_is(kind: str, **fields: Any) -> Match:
    """Whether a frame is of this `type`, with these fields."""
    return lambda frame: frame["type"] == kind and fields.items() <= frame.items()


@asynccontextmanager
async def serving(
    settings: Settings, opened: Callable[[Settings], Any], *, send_buffer: int | None = None
) -> AsyncIterator[Running]:
    """Serve on a free port for as long as the block lasts.

    With `send_buffer` the system takes so many bytes at most from each connection, so that a client
    that does not read is felt early.
    """
    listener = listen(settings)
    if send_buffer:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    bound = replace(settings, port=listener.getsockname()[1])
    async with opened(bound) as parts:
        server = build_server(parts)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers) as http:
            try:
                yield Running(parts, url, http)
            finally:
                server.should_exit = True
                await task
