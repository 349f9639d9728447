"""A client that keeps the protocol's promise: what it typed survives its server."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage

from server.core.text import ChangeSet, Units, from_units, to_units
from tests.serving import Frame

DOC = "scratch"
AHEAD = 3
"""Lines that may be typed beyond the one that is on its way."""


@dataclass(slots=True)
class Typist:
    """Types whole lines, each once in its life, wherever a line begins; a browser in small.

    The text at `version` is what the server confirmed; `pending` are the edits after it, in order,
    of which the first may be on its way. Only what the server sent back counts as saved.
    """

    name: str
    url: str
    session: str
    chance: random.Random
    seq: int = 0
    version: int = 0
    confirmed: Units = ""
    pending: list[tuple[str, ChangeSet]] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    came_at: int = 0
    """How many edits the document had when this client first came in."""
    on_its_way: bool = False
    stopping: bool = False
    closes: list[int] = field(default_factory=list)
    on_edit: Callable[[], None] = lambda: None

    @property
    def text(self) -> str:
        """What stands in this client's editor."""
        units = self.confirmed
        for _, changes in self.pending:
            units = changes.apply(units)
        return from_units(units)

    async def live(self, up: Callable[[], Awaitable[None]]) -> None:
        """Type until `stopping`, then listen, through any number of lost connections.

        `up` waits for a server to be there. Never returns: cancel it.
        """
        while True:
            await up()
            try:
                async with self._connected() as socket:
                    await self._talk(socket)
            except (ConnectionClosed, InvalidMessage, OSError) as lost:
                if isinstance(lost, ConnectionClosed) and lost.rcvd:
                    self.closes.append(lost.rcvd.code)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[ClientConnection]:
        headers = {"Authorization": f"Bearer {self.session}"}
        async with connect(self.url, additional_headers=headers, max_size=None) as socket:
            hello = {"type": "hello", "after": self.seq, "client": self.name}
            await socket.send(json.dumps(hello))
            yield socket

    async def _talk(self, socket: ClientConnection) -> None:
        self.on_its_way = False
        welcome = json.loads(await socket.recv())
        assert welcome["type"] == "welcome", welcome
        self._welcomed(welcome)
        while True:
            if self.seq >= welcome["seq"]:  # what was missed has been taken in
                await self._type(socket)
            self._take(json.loads(await socket.recv()))

    def _welcomed(self, welcome: Frame) -> None:
        if "state" not in welcome:
            return
        assert not self.typed, "the room forgot what came after this client's last entry"
        document = welcome["state"]["documents"][DOC]
        self.confirmed, self.version = to_units(document["text"]), document["version"]
        self.came_at = self.version
        self.seq = welcome["seq"]

    async def _type(self, socket: ClientConnection) -> None:
        while not self.stopping and len(self.pending) <= AHEAD:
            self._type_line()
        if self.pending and not self.on_its_way:
            ref, changes = self.pending[0]
            self.on_its_way = True
            edit = {"doc": DOC, "version": self.version, "changes": changes.to_json(), "ref": ref}
            await socket.send(json.dumps({"type": "edit", **edit}))

    def _type_line(self) -> None:
        line = f"{self.name}-{len(self.typed)}"
        text = self.text
        starts = [0, *(place + 1 for place, char in enumerate(text) if char == "\n")]
        place = self.chance.choice(starts)
        rest = [len(text) - place] if place < len(text) else []
        before = [place] if place else []
        changes = ChangeSet.from_json([*before, [0, line, ""], *rest])
        self.pending.append((line, changes))
        self.typed.append(line)

    def _take(self, frame: Frame) -> None:
        assert frame["type"] != "error" or frame["code"] == "already_applied", frame
        if frame["type"] != "event":
            return
        assert frame["seq"] > self.seq
        self.seq = frame["seq"]
        if frame["kind"] == "edited":
            self._edited(frame)

    def _edited(self, frame: Frame) -> None:
        accepted = ChangeSet.from_json(frame["changes"])
        assert frame["version"] == self.version + 1
        self.version += 1
        if frame["client"] == self.name:
            ref, mine = self.pending.pop(0)
            assert (frame["ref"], accepted) == (ref, mine)
            self.on_its_way = False
        else:
            self._rebase(accepted)
        self.confirmed = accepted.apply(self.confirmed)
        self.seen.append(frame["ref"])
        self.on_edit()

    def _rebase(self, theirs: ChangeSet) -> None:
        """Move what is not confirmed over what the other typed, which came first."""
        moved = []
        for ref, mine in self.pending:
            moved.append((ref, mine.map(theirs)))
            theirs = theirs.map(mine, before=True)
        self.pending = moved


@dataclass(slots=True)
class Up:
    """Whether a server is there: clients wait for it instead of knocking."""

    _event: asyncio.Event = field(default_factory=asyncio.Event)

    def set(self) -> None:
        """It serves."""
        self._event.set()

    def clear(self) -> None:
        """It is about to be gone."""
        self._event.clear()

    async def wait(self) -> None:
        """Until it serves."""
        await self._event.wait()
