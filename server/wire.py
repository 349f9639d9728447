"""uvicorn's WebSocket protocol, held to what a room needs: fewer system calls, and who is silent.

Handshake, parsing, pings and closing are all uvicorn's. Here, reading is paused when frames pile up
and not after each one; what is sent in one turn of the event loop leaves in one write; it is known
how long ago anything at all was heard from a peer; and who is to go is gone soon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

PING_S = 1.5
"""How often a peer that says nothing is asked whether it is there."""

PING_TIMEOUT_S = 10.0
"""A peer that does not answer within this time is cut off; long before that it counts as away."""

LINGER_S = 0.5
"""How long the last bytes of a connection may take to be read."""

MAX_UNREAD = 16
"""Frames that may wait for the application before reading is paused."""

SILENT_S = "viva.silent_s"
"""In the scope's `state`: a function that says for how many seconds a peer has been silent."""


class Wire(WebSocketsSansIOProtocol):
    """One WebSocket; made by uvicorn (`uvicorn.Config(ws=Wire)`)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._heard_at = self.loop.time()
        self._writes_soon = False
        # By itself uvicorn waits 10 s for the other side's close.
        self.close_timeout = LINGER_S

    async def run_asgi(self) -> None:
        """Serve the application, then cut a client off that reads not even the last words."""
        try:
            await super().run_asgi()
        finally:
            self.loop.call_later(LINGER_S, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        """Whatever comes, a pong too, says that the peer is there."""
        self._heard_at = self.loop.time()
        super().data_received(data)

    def handle_connect(self, event: Request) -> None:
        """Let the application see how long the peer has been silent."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            silent_s: Callable[[], float] = self._silent_s
            self.scope["state"][SILENT_S] = silent_s

    def send_keepalive_ping(self) -> None:
        """Ask only who has said nothing of late."""
        if self._silent_s() < PING_S:
            self.ping_timer = None
            self.schedule_ping()
        else:
            super().send_keepalive_ping()

    def _silent_s(self) -> float:
        return self.loop.time() - self._heard_at

    def send_receive_event_to_app(self) -> None:
        """Hand a message over; read on until some wait."""
        was_paused = self.read_paused
        self.read_paused = True  # so that uvicorn does not pause after each one
        super().send_receive_event_to_app()
        self.read_paused = was_paused
        if not was_paused and self.queue.qsize() >= MAX_UNREAD:
            self.read_paused = True
            self.transport.pause_reading()

    async def send(self, message: Any) -> None:
        """A text goes out at the end of this turn, with whatever else is sent until then."""
        is_plain = (
            message["type"] == "websocket.send"
            and message.get("text") is not None
            and self.handshake_complete
            and self.writable.is_set()
            and not (self.close_sent or self.disconnected or self.transport.is_closing())
        )
        if not is_plain:
            await super().send(message)
            if message["type"] == "websocket.http.response.body" and self.close_sent:
                # A refusal with a body completes the handshake, which uvicorn would call a fault.
                self.handshake_complete = True
            return
        self.conn.send_text(message["text"].encode())
        if not self._writes_soon:
            self._writes_soon = True
            self.loop.call_soon(self._write)

    def _write(self) -> None:
        """Write what uvicorn has not taken along with something of its own meanwhile."""
        self._writes_soon = False
        if not self.transport.is_closing():
            self.transport.write(b"".join(self.conn.data_to_send()))
