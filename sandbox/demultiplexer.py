"""The engine's attach stream, cut into the harness's frames. Pure: bytes in, frames out.

The engine multiplexes a container's two streams: eight bytes of header, then a piece. On stdout
come the harness's frames, on stderr its own last words.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from sandbox import wire
from sandbox.contract import KIB

LAST_WORDS_BYTES = 4 * KIB

_CHUNK = struct.Struct(">BxxxI")
_STDOUT, _STDERR = 1, 2
_FROM_HARNESS = frozenset(
    {wire.READY, wire.STDOUT, wire.STDERR, wire.OUTCOME, wire.WAITING, wire.CLEAN}
)


class Demultiplexer:
    """One container's stream. After a `wire.WireError` nothing more of it is to be believed."""

    def __init__(self) -> None:
        self._decoder = wire.Decoder(_FROM_HARNESS, wire.MAX_TO_HOST)
        self._header = bytearray()
        self._stream = 0
        self._left = 0
        self.last_words = bytearray()
        """What the harness wrote to its stderr: a traceback, if it died of a fault of its own."""

    def feed(self, data: bytes) -> Iterator[wire.Frame]:
        """The frames completed by `data`. Raises `wire.WireError` at the first wrong byte."""
        while data:
            if self._left == 0:
                data = self._take_header(data)
                continue
            piece, data = data[: self._left], data[self._left :]
            self._left -= len(piece)
            if self._stream == _STDOUT:
                yield from self._decoder.feed(piece)
            else:
                self.last_words += piece[: LAST_WORDS_BYTES - len(self.last_words)]

    def _take_header(self, data: bytes) -> bytes:
        missing = _CHUNK.size - len(self._header)
        self._header += data[:missing]
        if len(self._header) == _CHUNK.size:
            self._stream, self._left = _CHUNK.unpack(self._header)
            self._header.clear()
            if self._stream not in (_STDOUT, _STDERR):
                raise wire.WireError(f"a piece of stream {self._stream} from the engine")
        return data[missing:]
