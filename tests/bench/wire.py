"""WebSocket frames by hand: as cheap as Python can have them, for the load generator.

What RFC 6455 asks of a client that sends short texts and reads whole frames, and no more.
"""

from __future__ import annotations

from collections.abc import Iterator

CONTINUATION = 0x0
TEXT = 0x1
CLOSE = 0x8
PING = 0x9
PONG = 0xA

_FINAL = 0x80
_MASKED = 0x80
_SHORT = 126
"""Payloads below have their length in the header's second byte; this value says: in two more."""
_LONG = 127
"""As `_SHORT`: in eight more."""


class WireError(Exception):
    """The server sent what this client does not read; the message says what."""


class Mask:
    """A client's mask: four bytes, by which its payloads are changed (RFC 6455, 5.3)."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._whole = int.from_bytes(key * 256, "little")

    def frame(self, payload: bytes, opcode: int = TEXT) -> bytes:
        """One whole frame of up to 65,535 bytes."""
        size = len(payload)
        if size < _SHORT:
            header = bytes((_FINAL | opcode, _MASKED | size))
        else:
            header = bytes((_FINAL | opcode, _MASKED | _SHORT)) + size.to_bytes(2, "big")
        return header + self._key + self._masked(payload, size)

    def _masked(self, payload: bytes, size: int) -> bytes:
        """XOR as one large number: many times as fast as byte by byte."""
        if size > 1024:
            whole = int.from_bytes(self._key * (size // 4 + 1), "little")
        else:
            whole = self._whole
        mask = whole & ((1 << 8 * size) - 1)
        return (int.from_bytes(payload, "little") ^ mask).to_bytes(size, "little")


class Frames:
    """The server's frames, cut out of a stream of bytes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames that `data` completes: opcode and payload. Raises `WireError`."""
        if self._rest:
            data = self._rest + data
        place, end = 0, len(data)
        while end - place >= 2:
            first, size = data[place], data[place + 1]
            start = place + 2
            if size >= _SHORT:
                if size > _LONG:
                    raise WireError("found a masked frame from a server, wanted a plain one")
                start += 2 if size == _SHORT else 8
                if end < start:
                    break
                size = int.from_bytes(data[place + 2 : start], "big")
            if end < start + size:
                break
            if not first & _FINAL or first & 0x70:
                raise WireError(f"found a frame that begins with {first:#x}, wanted whole frames")
            yield first & 0x0F, data[start : start + size]
            place = start + size
        self._rest = data[place:]


def handshake(host: str, path: str, headers: dict[str, str]) -> bytes:
    """The request that opens a WebSocket; its key is the example in the RFC."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join((*lines, "", "")).encode()


ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""What a server must answer to that key (RFC 6455, 1.3)."""


def is_accepted(answer: bytes) -> bool:
    """Whether the head of an HTTP answer opens the WebSocket."""
    return answer.startswith(b"HTTP/1.1 101 ") and ACCEPT in answer
