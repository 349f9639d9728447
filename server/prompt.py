"""uvicorn's protocols, for clients that dawdle: who begins to ask has to finish, or is cut off."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LINGER_S = 0.5
"""How long the last bytes of a connection may take to be read, before it is just cut."""

TOO_SLOW = b"This request took too long to arrive. Try again.\n"
_ANSWER = (
    b"HTTP/1.1 408 Request Timeout\r\n"
    b"content-type: text/plain; charset=utf-8\r\n"
    b"content-length: %d\r\n"
    b"cache-control: no-store\r\n"
    b"x-content-type-options: nosniff\r\n"
    b"connection: close\r\n"
    b"\r\n"
    b"%b"
) % (len(TOO_SLOW), TOO_SLOW)


def prompt_http(patience_s: float) -> type[HttpToolsProtocol]:
    """HTTP whose requests have to be there, body and all, `patience_s` after they were due.

    A request is due when its connection is made, and any later one with its first byte; the time
    between them is uvicorn's own `timeout_keep_alive`.
    """

    class PromptHttp(HttpToolsProtocol):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self._due: asyncio.TimerHandle | None = None
            self._has_head = False

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._expect_request()

        def connection_lost(self, exc: Exception | None) -> None:
            self._has_come()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            # Not only where a request begins: a line's end before it begins none.
            self._expect_request()
            super().data_received(data)

        def on_headers_complete(self) -> None:
            super().on_headers_complete()
            self._has_head = True

        def on_message_complete(self) -> None:
            self._has_come()
            super().on_message_complete()

        def handle_websocket_upgrade(self) -> None:
            self._has_come()
            super().handle_websocket_upgrade()

        def _expect_request(self) -> None:
            if self._due is None:
                self._due = self.loop.call_later(patience_s, self._give_up)

        def _has_come(self) -> None:
            self._has_head = False
            if self._due is not None:
                self._due.cancel()
                self._due = None

        def _give_up(self) -> None:
            if not self._is_answering():
                self.transport.write(_ANSWER)
            self.transport.close()
            self.loop.call_later(LINGER_S, self.transport.abort)

        def _is_answering(self) -> bool:
            """Whether other words are on their way, or this request has had its answer."""
            cycle: RequestResponseCycle | None = self.cycle
            if cycle is None:
                return False
            return cycle.response_started if self._has_head else not cycle.response_complete

    return PromptHttp


class PromptWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket that is gone soon after the application is done with it.

    By itself uvicorn waits 10 s for the other side's close, and for a client that reads nothing
    until its connection breaks.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.close_timeout = LINGER_S

    async def send(self, message: ASGISendEvent) -> None:
        """Send; a refusal with a body completes the handshake, which uvicorn would call a fault."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True

    async def run_asgi(self) -> None:
        """Serve the application, then see the connection off."""
        try:
            await super().run_asgi()
        finally:
            self.loop.call_later(LINGER_S, self.transport.abort)
