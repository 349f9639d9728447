"""One WebSocket: a reader that decodes and submits, and a bounded outbox that writes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from server.core.decide import Sender
from server.core.errors import MalformedFrameError, RefusedError, VivaError
from server.core.events import Entry
from server.core.messages import (
    ClientMessage,
    Cursor,
    Hello,
    Ping,
    Ref,
    Revoke,
    Run,
    decode,
    encode,
    error_frame,
    label_of,
)
from server.core.roles import check_allowed
from server.core.room import Participant
from server.host import Host
from server.live import LiveRoom, RoomClosedError
from server.store import StoreUnavailableError
from server.wire import SILENT_S

MAX_OUTBOX_BYTES = 1024 * 1024
FRAMES_PER_S = 100
"""How many frames a client may send a second over time; more are read more slowly."""

MAX_CONNECTIONS = 8
"""How many tabs and programs one participant may have in a room."""

LINGER_S = 0.5
"""How long a client may take to be told why its connection ends, before that is just cut."""

MAX_MALFORMED = 5
MAX_IN_FLIGHT = 64
"""How many commands of one connection may wait for the journal."""

NORMAL = 1000
BAD_FRAMES = 1008
OVERLOADED = 1013

log = structlog.get_logger()


class Outbox:
    """Frames on their way to one client: a client that reads too slowly is cut off, alone."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._frames: deque[str] = deque()
        self._bytes = 0
        self._allowed = MAX_OUTBOX_BYTES
        self._wake = asyncio.Event()
        self._closing: tuple[int, str] | None = None
        self.silent_s: Callable[[], float] = websocket.scope["state"][SILENT_S]
        self._has_to_close = asyncio.Event()

    def catch_up(self, frames: Sequence[str]) -> None:
        """Queue what a newcomer has to know, however much that is: only what follows counts."""
        self._allowed = MAX_OUTBOX_BYTES + sum(map(_size, frames))
        for frame in frames:
            self.send(frame)

    def send(self, frame: str) -> None:
        """Queue a frame; with more than is allowed unread, the connection is closed instead."""
        if self._closing:
            return
        self._bytes += _size(frame)
        self._frames.append(frame)
        if self._bytes > self._allowed:
            self._frames.clear()
            self.close(OVERLOADED, "This connection reads too slowly; reconnect to catch up.")
        self._wake.set()

    def close(self, code: int, reason: str) -> None:
        """Close once what is queued has been written."""
        self._closing = self._closing or (code, reason)
        self._has_to_close.set()
        self._wake.set()

    async def overdue(self) -> None:
        """Until a close was asked for and has had its time, whether or not the client reads."""
        await self._has_to_close.wait()
        await asyncio.sleep(LINGER_S)

    async def write_all(self) -> None:
        """Write what is queued, as it comes, until `close`."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._frames:
                frame = self._frames.popleft()
                await self._websocket.send_text(frame)
                self._bytes -= _size(frame)
            self._allowed = MAX_OUTBOX_BYTES
            if self._closing:
                await self._websocket.close(*self._closing)
                return


def _size(frame: str) -> int:
    return len(frame) if frame.isascii() else len(frame.encode())


class Throttle:
    """A token bucket: short bursts pass, a flood is slowed down to `FRAMES_PER_S`.

    A frame costs one token, and one more for every KiB: large change sets are work for everybody.
    """

    def __init__(self) -> None:
        self._tokens = float(FRAMES_PER_S)
        self._at = time.monotonic()

    async def pass_one(self, frame: str | bytes) -> None:
        """Wait until one more frame may be taken."""
        now = time.monotonic()
        self._tokens = min(FRAMES_PER_S, self._tokens + (now - self._at) * FRAMES_PER_S)
        self._at = now
        self._tokens -= 1 + len(frame) // 1024
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / FRAMES_PER_S)


class Connection:
    """A participant's end of a WebSocket that has said hello."""

    def __init__(
        self, outbox: Outbox, room: LiveRoom, host: Host, participant: Participant, client: str
    ) -> None:
        self.participant = participant
        self.sender = Sender(participant, client)
        self._outbox = outbox
        self._room = room
        self._host = host
        self._in_flight = asyncio.Semaphore(MAX_IN_FLIGHT)

    @property
    def silent_s(self) -> float:
        """How long nothing was heard from this client, pongs included."""
        return self._outbox.silent_s()

    def send(self, frame: str) -> None:
        """Queue a frame for this client."""
        self._outbox.send(frame)

    def catch_up(self, frames: Sequence[str]) -> None:
        """Queue what this client has to know before anything else."""
        self._outbox.catch_up(frames)

    def close(self, code: int, reason: str) -> None:
        """End this connection."""
        self._outbox.close(code, reason)

    def refuse(self, error: VivaError, ref: Ref = None) -> None:
        """Tell the client why something was not done."""
        code, text = _told(error)
        self.send(encode(error_frame(code, text, ref)))

    async def take(self, message: ClientMessage) -> None:
        """Act on one message. Refusals become `error` frames; nothing is raised for them."""
        ref: Ref = getattr(message, "ref", None)
        try:
            await self._take(message)
        except VivaError as error:
            self.refuse(error, ref)

    async def _take(self, message: ClientMessage) -> None:
        match message:
            case Ping():
                self.send(encode({"type": "pong", "t": message.t, "now": self._room.clock.now()}))
            case Hello():
                raise RefusedError("unexpected_hello", "Hello was said already; go on from there.")
            case Cursor():
                self._room.move_cursor(message, self)
            case Run() if self._host.sandbox_status == "unavailable":
                check_allowed(self.participant.role, message)
                raise RefusedError(
                    "sandbox_unavailable",
                    "Running is not possible just now: no sandbox. Editing goes on; "
                    "try again in a moment.",
                )
            case Revoke():
                await self._host.revoke(self._room.name, message, self.sender)
            case _:
                await self._submit(message)

    async def _submit(self, message: ClientMessage) -> None:
        """Put a command to the room without waiting for its answer, so that frames flow."""
        await self._in_flight.acquire()
        ref: Ref = getattr(message, "ref", None)

        def answered(answer: asyncio.Future[list[Entry]]) -> None:
            self._in_flight.release()
            if answer.cancelled():
                return
            error = answer.exception()
            if isinstance(error, VivaError):
                self.refuse(error, ref)
            elif error:
                log.error("a command broke", exc_info=error)

        self._room.submit(message, self.sender).add_done_callback(answered)


def _told(error: VivaError) -> tuple[str, str]:
    """The code and the words of an `error` frame."""
    match error:
        case RefusedError():
            return error.code, str(error)
        case StoreUnavailableError() | RoomClosedError():
            return "not_saved", "This could not be saved just now; nothing was changed. Try again."
        case _:
            return "internal", str(error)


async def serve_connection(
    websocket: WebSocket, host: Host, room: LiveRoom, participant: Participant, hello_s: float
) -> None:
    """Talk to one accepted WebSocket until either side closes it; hello is due in `hello_s`."""
    outbox = Outbox(websocket)
    writer = asyncio.create_task(outbox.write_all())
    reader = asyncio.create_task(_read(websocket, outbox, host, room, participant, hello_s))
    overdue = asyncio.create_task(outbox.overdue())
    try:
        tasks = {writer, reader, overdue}
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if reader in done and not writer.done() and not reader.exception():
            # The reader asked for a close: let the writer say the last words.
            await asyncio.wait({writer, overdue}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (reader, writer, overdue):
            task.cancel()
        results = await asyncio.gather(reader, writer, overdue, return_exceptions=True)
    for error in results:
        if isinstance(error, Exception) and not isinstance(error, WebSocketDisconnect):
            raise error


async def _read(
    websocket: WebSocket,
    outbox: Outbox,
    host: Host,
    room: LiveRoom,
    participant: Participant,
    hello_s: float,
) -> None:
    hello = await _hello(websocket, outbox, hello_s)
    if hello is None:
        return
    connection = Connection(outbox, room, host, participant, hello.client)
    recalled = await room.recall(hello.after)
    if room.listeners.of(participant.id) >= MAX_CONNECTIONS:
        outbox.close(BAD_FRAMES, "Too many connections of one participant; close some.")
        return
    room.attach(connection, hello.after, host.sandbox_status, recalled)
    try:
        await _read_commands(websocket, connection)
    except WebSocketDisconnect:
        outbox.close(NORMAL, "")
    finally:
        room.detach(connection)


async def _hello(websocket: WebSocket, outbox: Outbox, hello_s: float) -> Hello | None:
    try:
        async with asyncio.timeout(hello_s):
            message = decode(await _frame(websocket))
    except TimeoutError:
        outbox.close(BAD_FRAMES, "No hello came.")
        return None
    except MalformedFrameError as error:
        outbox.send(encode(error_frame(error.code, str(error))))
        outbox.close(BAD_FRAMES, "The first frame must be a hello.")
        return None
    if not isinstance(message, Hello):
        outbox.send(encode(error_frame("no_hello", "The first frame must be a hello.")))
        outbox.close(BAD_FRAMES, "The first frame must be a hello.")
        return None
    return message


async def _read_commands(websocket: WebSocket, connection: Connection) -> None:
    throttle = Throttle()
    malformed = 0
    while malformed < MAX_MALFORMED:
        frame = await _frame(websocket)
        await throttle.pass_one(frame)
        try:
            message = decode(frame)
        except MalformedFrameError as error:
            malformed += 1
            connection.refuse(error, label_of(frame))
            continue
        await connection.take(message)
    connection.close(BAD_FRAMES, "Too many malformed frames.")


async def _frame(websocket: WebSocket) -> str | bytes:
    """The next frame; a binary one is read like text. Raises `WebSocketDisconnect` at the end."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", NORMAL))
    frame: str | bytes = message.get("text") or message.get("bytes") or ""
    return frame
