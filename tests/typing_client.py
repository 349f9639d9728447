"""A client that keeps the protocol's promise: what it typed survives its server."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import reduce

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from server.core.text import ChangeSet, Units, from_units, to_units
from tests.serving import Frame

DOC = "scratch"
AHEAD = 3
"""Lines that may be typed beyond the one that is on its way."""

FIRST_PAUSE_S = 0.2
PAUSE_GROWTH = 1.7
MOST_PAUSE_S = 1.0
"""Before an attempt to connect there is a random time of up to so much; as the browser has it."""

SILENCE_S = 4.0
"""How long a server may be silent before it counts as away."""

OPENING_S = 5.0
MOST_OPENING_S = 15.0
"""How long it may take to let somebody in: more with each failure, for it may be much asked."""


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
    pace_s: float | None = None
    """The time between two lines, connected or not; None: as fast as they come back."""
    silence_s: float = SILENCE_S
    on_its_way: bool = False
    stopping: bool = False
    closes: list[int] = field(default_factory=list)
    refused: int = 0
    """How often this client was told that an edit could not be saved."""
    saving: list[bool] = field(default_factory=list)
    """What this client was told of the room as a whole: whether it can be saved."""
    saved: int = 0
    """The last entry that this client was told is on the disk."""
    arrivals: int = 0
    """How often this client came in and had taken in all that it had missed."""
    arrived_at: float = 0.0
    """When it last did, in seconds of `time.perf_counter`."""
    trips_ms: list[float] = field(default_factory=list)
    """How long each own edit took to come back."""
    on_change: Callable[[], None] = lambda: None
    _socket: ClientConnection | None = None
    _goal: int = 0
    _sent: tuple[str, float] = ("", 0.0)
    _held: bool = False

    @property
    def text(self) -> str:
        """What stands in this client's editor."""
        units = self.confirmed
        for _, changes in self.pending:
            units = changes.apply(units)
        return from_units(units)

    @property
    def is_live(self) -> bool:
        """Connected, with all that was missed taken in."""
        return self._socket is not None and self.seq >= self._goal

    async def live(self, up: Callable[[], Awaitable[None]]) -> None:
        """Type until `stopping`, then listen, through any number of lost connections.

        `up` waits for a server to be there. Never returns: cancel it.
        """
        async with asyncio.TaskGroup() as tasks:
            if self.pace_s is not None:
                tasks.create_task(self._type_by_the_clock(self.pace_s))
            await self._stay(up)

    async def _stay(self, up: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        while True:
            await up()
            arrivals = self.arrivals
            try:
                opening_s = min(max(OPENING_S, self.silence_s) * 2**failures, MOST_OPENING_S)
                async with self._connected(opening_s) as socket:
                    await self._talk(socket, opening_s)
            except (ConnectionClosed, InvalidMessage, InvalidStatus, OSError) as lost:
                self._lost(lost)
            finally:
                self._socket = None
            failures = 0 if self.arrivals > arrivals else min(failures + 1, 10)
            most_s = min(FIRST_PAUSE_S * PAUSE_GROWTH**failures, MOST_PAUSE_S)
            await asyncio.sleep(self.chance.uniform(0, most_s))

    def _lost(self, lost: Exception) -> None:
        """Raises what is no fault of the network or of a server that is away."""
        if isinstance(lost, ConnectionClosed) and lost.rcvd:
            self.closes.append(lost.rcvd.code)
        if isinstance(lost, InvalidStatus) and lost.response.status_code < 500:
            raise lost

    @asynccontextmanager
    async def _connected(self, opening_s: float) -> AsyncIterator[ClientConnection]:
        async with connect(
            self.url,
            additional_headers={"Authorization": f"Bearer {self.session}"},
            max_size=None,
            compression=None,
            proxy=None,
            open_timeout=opening_s,
            ping_interval=self.silence_s / 3,
            ping_timeout=self.silence_s,
            close_timeout=0.2,
        ) as socket:
            hello = {"type": "hello", "after": self.seq, "client": self.name}
            await socket.send(json.dumps(hello))
            yield socket

    async def _talk(self, socket: ClientConnection, opening_s: float) -> None:
        self.on_its_way = self._held = False
        async with asyncio.timeout(opening_s):
            welcome = json.loads(await socket.recv())
        assert welcome["type"] == "welcome", welcome
        self.take_welcome(welcome)
        self._goal, self._socket = welcome["seq"], socket
        self._arrived_at(self.seq)
        while True:
            await self._type()
            before = self.seq
            self._take(json.loads(await socket.recv()))
            if before < self._goal:
                self._arrived_at(self.seq)

    def _arrived_at(self, seq: int) -> None:
        if seq >= self._goal:
            self.arrivals += 1
            self.arrived_at = time.perf_counter()
            self.on_change()

    def take_welcome(self, welcome: Frame) -> None:
        """Start from the state that a welcome brings, if it brings one."""
        if "state" not in welcome:
            return
        assert not self.typed, "the room forgot what came after this client's last entry"
        document = welcome["state"]["documents"][DOC]
        self.confirmed, self.version = to_units(document["text"]), document["version"]
        self.came_at = self.version
        self.seq = welcome["seq"]

    async def _type(self) -> None:
        if not self.is_live:
            return  # what was missed comes first
        while self.pace_s is None and not self.stopping and len(self.pending) <= AHEAD:
            self._type_line()
        await self._send()

    async def _type_by_the_clock(self, pace_s: float) -> None:
        while True:
            await asyncio.sleep(pace_s * self.chance.uniform(0.5, 1.5))
            if not self.stopping:
                self._type_line()
            self._held = False
            # A connection that ended in this moment is for the one who reads it.
            with suppress(ConnectionClosed):
                await self._send()

    async def _send(self) -> None:
        if not self.pending or self.on_its_way or self._held or not self.is_live:
            return
        assert self._socket is not None
        if self.pace_s is not None and self.pending[0][0] != self._sent[0]:
            self._merge()
        ref, changes = self.pending[0]
        self.on_its_way, self._sent = True, (ref, time.perf_counter())
        edit = {"doc": DOC, "version": self.version, "changes": changes.to_json(), "ref": ref}
        await self._socket.send(json.dumps({"type": "edit", **edit}))

    def _merge(self) -> None:
        """What waits goes as one edit, as it does from a browser."""
        changes = reduce(ChangeSet.compose, (changes for _, changes in self.pending))
        self.pending = [(self.pending[-1][0], changes)]

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
        match frame["type"]:
            case "error":
                self._refused(frame)
            case "saving":
                self.saving.append(frame["ok"])
            case "saved":
                self.saved = frame["seq"]
        if frame["type"] != "event":
            return
        assert frame["seq"] > self.seq
        self.seq = frame["seq"]
        if frame["kind"] == "edited":
            self._edited(frame)

    def _refused(self, frame: Frame) -> None:
        assert frame["code"] in {"already_applied", "not_saved"}, frame
        if frame["code"] == "not_saved":
            self.refused += 1
            self.on_its_way, self._held = False, True
            self.on_change()

    def _edited(self, frame: Frame) -> None:
        accepted = ChangeSet.from_json(frame["changes"])
        assert frame["version"] == self.version + 1
        self.version += 1
        if frame["client"] == self.name:
            ref, mine = self.pending.pop(0)
            assert (frame["ref"], accepted) == (ref, mine)
            self.on_its_way = False
            self.trips_ms.append((time.perf_counter() - self._sent[1]) * 1000)
        else:
            self._rebase(accepted)
        self.confirmed = accepted.apply(self.confirmed)
        self.seen.append(frame["ref"])
        self.on_change()

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


@asynccontextmanager
async def typing(typists: Sequence[Typist], up: Up | None = None) -> AsyncIterator[None]:
    """They type while the block lasts; what goes wrong in them ends it.

    Where `up` is not given, they find out for themselves when a server is there.
    """
    here = Up()
    here.set()
    async with asyncio.TaskGroup() as tasks:
        lives = [tasks.create_task(typist.live((up or here).wait)) for typist in typists]
        yield
        for life in lives:
            life.cancel()


async def until(typists: Sequence[Typist], holds: Callable[[], bool]) -> None:
    """Until something holds that what a typist hears of brings about."""
    heard = asyncio.Event()
    for typist in typists:
        typist.on_change = heard.set
    while not holds():
        heard.clear()
        await heard.wait()


async def all_is_saved(typists: Sequence[Typist]) -> None:
    """Nobody types any more, and all have heard of all that was typed."""
    for typist in typists:
        typist.stopping = True
    await until(
        typists,
        lambda: (
            all(typist.is_live and not typist.pending for typist in typists)
            and len({typist.version for typist in typists}) == 1
        ),
    )
