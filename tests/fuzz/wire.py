"""A WebSocket without a network: the server's own application, given its ASGI messages by hand.

What a server does between a socket and the application (frames, caps, pings) is left out; all of
ours is run, from the origin and the session onwards. So thousands of connections a minute can be
played, in one process, whose every exception is seen.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message

Frame = dict[str, Any]

WAIT_S = 60
"""How long anything may take before it counts as hanging."""


class GoneError(OSError):
    """What a server gives an application that writes to somebody who has left; no fault of it."""


class Wire:
    """One client's end. `heard` is given every frame that the server sends, as it is sent."""

    def __init__(
        self, app: ASGIApp, room: str, headers: dict[str, str], heard: Callable[[Frame], None]
    ) -> None:
        self.closed: int | None = None
        """The code that the server closed with."""
        self.accepted = False
        self._heard = heard
        self._sent: asyncio.Queue[Message] = asyncio.Queue()
        self._gone = False
        self._changed = asyncio.Event()
        self._pongs = 0
        self._sent.put_nowait({"type": "websocket.connect"})
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "scheme": "ws",
            "path": f"/rooms/{room}/ws",
            "raw_path": f"/rooms/{room}/ws".encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "subprotocols": [],
            # What our WebSocket transport tells of its client: since when nothing has been heard.
            "state": {"viva.silent_s": lambda: 0.0},
            "extensions": {"websocket.http.response": {}},
        }
        self.task = asyncio.create_task(self._run(app, scope))

    async def _run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._sent.get, self._take)
        except GoneError:
            pass  # nobody is there any more; servers pass over it, too
        finally:
            self._changed.set()

    async def _take(self, message: Message) -> None:
        if self._gone:
            raise GoneError("the client is gone")
        if self.closed is not None:
            raise RuntimeError(f"{message['type']} after the close")
        match message["type"]:
            case "websocket.accept":
                self.accepted = True
            case "websocket.close":
                self.closed = message["code"]
                self._sent.put_nowait({"type": "websocket.disconnect", "code": message["code"]})
            case "websocket.send":
                frame = json.loads(message["text"])
                self._pongs += frame["type"] == "pong"
                self._heard(frame)
        self._changed.set()

    @property
    def is_open(self) -> bool:
        """Whether anything that is sent may still be read."""
        return not self._gone and self.closed is None and not self.task.done()

    def send(self, frame: str | bytes) -> None:
        """One frame, text or binary."""
        kind = "text" if isinstance(frame, str) else "bytes"
        if self.is_open:
            self._sent.put_nowait({"type": "websocket.receive", kind: frame})

    def leave(self, code: int = 1001) -> None:
        """Go away, as a closed tab or a cut network does."""
        if self.is_open:
            self._gone = True
            self._sent.put_nowait({"type": "websocket.disconnect", "code": code})

    async def answered(self) -> None:
        """Wait until the server has read all that was sent, or has closed."""
        pongs = self._pongs
        self.send('{"type":"ping","t":0}')
        async with asyncio.timeout(WAIT_S):
            while self._pongs == pongs and self.is_open:
                self._changed.clear()
                await self._changed.wait()

    async def ended(self) -> None:
        """Leave, and wait for the server's end of it. Raises what went uncaught there."""
        self.leave()
        async with asyncio.timeout(WAIT_S):
            await self.task
