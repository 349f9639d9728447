"""The load generator, a process of its own: many rooms of two, typing at a set rate.

`python -m tests.bench.load` reads orders from its input and answers each on its output, one JSON
object a line. It shares the machine with the server under measure, so a key costs it little: frames
are made and cut by hand, and of what comes in it looks for the `ref` alone.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import uvloop

from tests.bench.orders import (
    DRAIN_S,
    Answer,
    Close,
    Done,
    Failed,
    Open,
    Opened,
    Order,
    Place,
    Type,
    Typed,
    Write,
)
from tests.bench.wire import CLOSE, PING, PONG, TEXT, Frames, Mask, handshake, is_accepted

DOCUMENT = "scratch"
LINES = ["    total += price[item] * 2  # so far"] * 100
"""What stands in the document already, so that an edit is one in the middle of real code."""

UNITS = len("\n".join(LINES))
TICK_S = 0.001
OPEN_S = 60.0
MOST = 2
"""How many times as long as ordered the typing may take before it is broken off."""

LINE_BYTES = 64 * 1024 * 1024


class LoadError(Exception):
    """An order cannot be carried out; the message says why."""


@dataclass(slots=True)
class Block:
    """What became of the keys of one order to type. Times by `perf_counter`, in seconds."""

    first: int = 0
    """The number of its first edit; they are numbered through over all blocks."""
    arrived: set[int] = field(default_factory=set)
    other: array[float] = field(default_factory=lambda: array("d"))
    own: array[float] = field(default_factory=lambda: array("d"))
    late: array[float] = field(default_factory=lambda: array("d"))


class Client(asyncio.Protocol):
    """One of the two in a room."""

    def __init__(self, load: Load, side: int) -> None:
        self.load = load
        self.side = side
        self.ready: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self.waiting: list[float] = []
        """When the keys were pressed that have not been sent."""
        self.under_way = False
        """Whether an edit has been sent that is not back yet."""
        self.version = 0
        self.seq = 0
        self._length = UNITS
        self._echoes = False
        self._greeting = b""
        self._mask = Mask(os.urandom(4))
        self._head: bytes | None = b""
        self._frames = Frames()
        self._own = b"%d" % side

    async def connect(self, place: Place) -> float:
        """Open the WebSocket and, in the product, be welcomed; when, by `perf_counter`."""
        loop = asyncio.get_running_loop()
        self.ready = loop.create_future()
        self._head, self._frames = b"", Frames()
        self._echoes = place.greets
        if place.greets:
            hello = {"type": "hello", "after": self.seq, "client": f"client-{self.side}"}
            self._greeting = msgspec.json.encode(hello)
        transport, _ = await loop.create_connection(lambda: self, place.host, place.port)
        self.transport = transport
        transport.write(handshake(f"{place.host}:{place.port}", place.path, place.headers))
        return await self.ready

    def drop(self) -> None:
        """Hang up."""
        if self.transport is not None:
            self.transport.abort()
            self.transport = None

    def send(self, payload: bytes) -> None:
        """Send one text."""
        if self.transport is not None:
            self.transport.write(self._mask.frame(payload))

    def press(self, at: float) -> None:
        """Type one character; it goes out at once, or with others once the edit under way is back.

        That is how the product's own client has it. Where nothing comes back all go out at once.
        """
        self.waiting.append(at)
        if not self.under_way:
            self._send_edit()

    def _send_edit(self) -> None:
        number = self.load.number(self.waiting)
        place = UNITS // 3 if self.side else 2 * UNITS // 3
        self.send(
            b'{"type":"edit","ref":"%d%d","doc":"scratch","version":%d,"changes":[%d,[0,"%b"],%d]}'
            % (
                *(self.side, number, self.version, place),
                *(b"x" * len(self.waiting), self._length - place),
            )
        )
        self.waiting = []
        self.under_way = self._echoes

    def data_received(self, data: bytes) -> None:
        """Note the frames that came."""
        at = time.perf_counter()
        if self._head is not None:
            data = self._take_head(data, at)
        for opcode, payload in self._frames.feed(data):
            if opcode == TEXT:
                self._take_text(payload, at)
            elif opcode == PING and self.transport is not None:
                self.transport.write(self._mask.frame(payload, PONG))
            elif opcode == CLOSE:
                self._end(f"closed by the server: {payload[:2].hex()} {payload[2:].decode()}")

    def _take_head(self, data: bytes, at: float) -> bytes:
        assert self._head is not None
        head, found, rest = (self._head + data).partition(b"\r\n\r\n")
        if not found:
            self._head = head
            return b""
        self._head = None
        if not is_accepted(head):
            self._end(f"not let in: {head.split(maxsplit=2)[1:2]}")
        elif self._greeting:
            self.send(self._greeting)
        elif not self.ready.done():
            self.ready.set_result(at)
        return rest

    def _take_text(self, text: bytes, at: float) -> None:
        place = text.find(b'"ref":"') + 7
        if place > 6 and not text.startswith(b'{"type":"error"'):
            self.version += 1
            self.seq += 1
            number = int(text[place + 1 : text.index(b'"', place)])
            own = text[place : place + 1] == self._own
            self._length += self.load.note(number, at, own=own)
            if own:
                self._go_on()
        elif not text.startswith(b'{"type":"saved"'):  # told all the time, and of no use here
            self._take_rare(text, at)

    def _go_on(self) -> None:
        self.under_way = False
        if self.waiting:
            self._send_edit()

    def _take_rare(self, text: bytes, at: float) -> None:
        frame = msgspec.json.decode(text)
        if frame["type"] == "welcome":
            self.seq = frame["seq"]
            if "state" in frame:
                self.version = frame["state"]["documents"][DOCUMENT]["version"]
            if not self.ready.done():
                self.ready.set_result(at)
        elif frame["type"] == "event":
            self.seq += 1
            self.version += frame["kind"] == "edited"
        elif frame["type"] == "error":
            self.load.complain(f"refused: {frame['message']}")
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, which was nobody's wish unless `drop` was called."""
        if self.transport is not None:
            self._end(f"connection lost: {exc}")

    def _end(self, why: str) -> None:
        self.drop()
        if self.ready.done():
            self.load.complain(why)
        else:
            self.ready.set_exception(LoadError(why))


class Load:
    """All the clients, and the block that is under way."""

    def __init__(self) -> None:
        self._groups: dict[str, list[Client]] = {}
        self._edits: list[Sequence[float]] = []
        self._block = Block()
        self._trouble: dict[str, int] = {}

    def number(self, pressed: Sequence[float]) -> int:
        """The number of a new edit, whose keys were pressed at these times."""
        self._edits.append(pressed)
        return len(self._edits) - 1

    def note(self, number: int, at: float, *, own: bool) -> int:
        """An edit has come to its own client, or to the other; how many keys it holds."""
        pressed = self._edits[number]
        block = self._block
        if number >= block.first:
            times = block.own if own else block.other
            times.extend([at - key for key in pressed])
            if not own:
                block.arrived.add(number)
        return len(pressed)

    def complain(self, what: str) -> None:
        """Something went wrong that the report should tell."""
        self._trouble[what] = self._trouble.get(what, 0) + 1

    async def carry_out(self, order: Order) -> Answer:
        """Do what is asked. Raises `LoadError`."""
        match order:
            case Open():
                return await self._open(order)
            case Write():
                return await self._write(self._groups[order.group])
            case Type():
                return await self._type(order)
            case Close():
                for client in self._groups.get(order.group, ()):
                    client.drop()
                return Done()

    async def _open(self, order: Open) -> Opened:
        clients = self._groups.setdefault(
            order.group, [Client(self, number % 2) for number in range(len(order.places))]
        )
        began = time.perf_counter()
        # The handshakes are all under way at once; those still out after so long have failed.
        tasks = [
            asyncio.create_task(client.connect(place))
            for client, place in zip(clients, order.places, strict=True)
        ]
        _, out = await asyncio.wait(tasks, timeout=OPEN_S)
        for task in out:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        came = sorted((r - began) * 1000 for r in results if isinstance(r, float))
        failed = [f"{type(r).__name__}: {r}" for r in results if isinstance(r, BaseException)]
        return Opened(came, failed)

    async def _write(self, clients: Sequence[Client]) -> Done:
        self._block = Block(len(self._edits))
        for client in clients[::2]:
            frame = {"type": "edit", "ref": f"0{self.number(())}", "doc": DOCUMENT, "version": 0}
            client.send(msgspec.json.encode({**frame, "changes": [[0, *LINES]]}))
        await self._drain((), DRAIN_S)
        if len(self._block.arrived) < len(clients) // 2:
            raise LoadError(f"The rooms' documents could not be written. {self._trouble}")
        return Done()

    async def _type(self, order: Type) -> Typed:
        self._block = block = Block(len(self._edits))
        self._trouble = {}
        clients = self._groups[order.group][: 2 * order.rooms]
        # Everybody's keys lie evenly over the interval, the two of a room half of it apart.
        typists = clients[::2] + clients[1::2]
        rate = order.keys_per_s * len(typists)
        wanted = int(rate * order.seconds)
        cpu = time.process_time()
        began = time.perf_counter()
        keys = 0
        while keys < wanted and time.perf_counter() < began + MOST * order.seconds:
            due = min(wanted, int((time.perf_counter() - began) * rate) + 1)
            while keys < due:
                now = time.perf_counter()
                block.late.append(now - began - keys / rate)
                typists[keys % len(typists)].press(now)
                keys += 1
            await asyncio.sleep(TICK_S)
        took_s = time.perf_counter() - began
        edits, carried = len(self._edits) - block.first, len(block.arrived)
        await self._drain(typists, order.drain_s)
        cpu_s = time.process_time() - cpu
        return self._result(block, typists, Totals(keys, edits, carried, took_s, cpu_s))

    async def _drain(self, typists: Sequence[Client], patience_s: float) -> None:
        patience = time.perf_counter() + patience_s
        while time.perf_counter() < patience:
            waiting = any(client.waiting for client in typists)
            if not waiting and len(self._block.arrived) == len(self._edits) - self._block.first:
                return
            await asyncio.sleep(0.01)

    def _result(self, block: Block, typists: Sequence[Client], totals: Totals) -> Typed:
        now = time.perf_counter()
        numbers = range(block.first, len(self._edits))
        out = [key for n in numbers if n not in block.arrived for key in self._edits[n]]
        out += [key for client in typists for key in client.waiting]
        for client in typists:
            client.waiting, client.under_way = [], False
        return Typed(
            keys=totals.keys,
            edits=totals.edits,
            carried=totals.carried,
            lost=len(out),
            other_us=[_us(taken) for taken in (*block.other, *(now - key for key in out))],
            own_us=[_us(taken) for taken in block.own],
            late_us=[_us(late) for late in block.late],
            took_s=totals.took_s,
            cpu_s=totals.cpu_s,
            trouble=[f"{count} x {what}" for what, count in self._trouble.items()],
        )


class Totals(NamedTuple):
    """See `Typed`."""

    keys: int
    edits: int
    carried: int
    took_s: float
    cpu_s: float


def _us(seconds: float) -> int:
    return int(seconds * 1_000_000)


async def serve() -> None:
    """Carry out orders until the input ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    decoder = msgspec.json.Decoder(Order)
    load = Load()
    while line := await reader.readline():
        try:
            answer = await load.carry_out(decoder.decode(line))
        except LoadError as error:
            answer = Failed(str(error))
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(serve())
