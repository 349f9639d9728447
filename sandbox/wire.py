"""The frames between a container's harness and its host, without any I/O.

A frame is one byte of kind, four of length (big-endian) and so many bytes of body. Both ends use
this module: the host imports it, the image carries a copy. The host feeds whatever arrives to a
`Decoder` and gets frames or a `WireError`; an error means that this container is dead, because
after one wrong byte nothing that follows can be believed. Every length is bounded.

The end of a test is a fixed record, an `OutcomeRecord`, followed by what the program's own process
claims about itself (its *report*: a value or an error), which is bounded and never trusted.

Standard library only, and little of it: the harness pays for every import before its first run.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

JOB = 1
"""Host to harness: what every test of this container shares, as JSON. The first frame."""
TEST = 2
"""One test: a `TestRecord`, then its input, which the test's own process reads past the harness."""
STDIN = 3
EOF = 4
STOP = 5
BATCH = 6
"""Tests of a function that may share a process: a `TestRecord` for each, then a JSON array of their
arguments. As many `OUTCOME`s follow as returned in silence, in their order, and then `CLEAN`."""

READY = 16
"""Harness to host: booted, waiting for a job."""
STDOUT = 17
STDERR = 18
OUTCOME = 19
"""An `OutcomeRecord`, then the report's kind and body, if there was a well-formed one."""
WAITING = 21
"""The program is blocked reading its standard input, and nothing typed is on its way to it."""
CLEAN = 20
"""Nothing of that test is left: no process, no file. Without it no further test goes in."""

VALUE = 33
"""A report: the return value as JSON text."""
RAISED = 34
"""A report: an `ErrorReport`."""
OUT_OF_MEMORY = 35
"""A report: an `ErrorReport` of a `MemoryError` that nobody caught."""

MAX_TO_HARNESS = 16 * 1024 * 1024
MAX_VALUE = 1024 * 1024
MAX_TYPE = 256
MAX_MESSAGE = 4 * 1024
MAX_TRACEBACK = 32 * 1024
MAX_TO_HOST = MAX_VALUE + 1024
"""A value is the longest thing that a harness may send; its record needs a few bytes more."""

HEADER = struct.Struct(">BI")
_TEST = struct.Struct(">IQI")
_OUTCOME = struct.Struct(">BBQQQiiQ")
_ERROR = struct.Struct(">iIII")


class WireError(Exception):
    """Bytes that are not what this protocol says; whoever sent them is not to be believed."""


class Frame(NamedTuple):
    """One decoded frame."""

    kind: int
    body: bytes


def encode(kind: int, body: bytes = b"") -> bytes:
    """A whole frame, ready to be written."""
    return HEADER.pack(kind, len(body)) + body


class Decoder:
    """Cuts a stream into frames. `kinds` are those that may come, `longest` bounds a body."""

    def __init__(self, kinds: frozenset[int], longest: int) -> None:
        self._kinds = kinds
        self._longest = longest
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes. Raises `WireError` at the first wrong header."""
        self._buffer += data
        while (frame := self._cut()) is not None:
            yield frame

    def _cut(self) -> Frame | None:
        if len(self._buffer) < HEADER.size:
            return None
        kind, length = HEADER.unpack_from(self._buffer)
        if kind not in self._kinds or length > self._longest:
            raise WireError(f"a frame of kind {kind} with {length} bytes")
        end = HEADER.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[HEADER.size : end])
        del self._buffer[:end]
        return Frame(kind, body)


class TestRecord(NamedTuple):
    """What a test may use: the fixed beginning of a `TEST` frame's body."""

    time_ms: int
    memory_bytes: int
    output_bytes: int

    def pack(self) -> bytes:
        """The record's bytes."""
        return _TEST.pack(*self)

    @classmethod
    def unpack(cls, data: bytes) -> TestRecord:
        """The record in exactly `TEST_SIZE` bytes."""
        return cls(*_TEST.unpack(data))


TestRecord.__test__ = False  # type: ignore[attr-defined]  # pytest collects Test...; this is not one
TEST_SIZE = _TEST.size

ENDINGS = (
    "returned",
    "exited",
    "raised",
    "signalled",
    "time_limit",
    "memory_limit",
    "output_limit",
    "stopped",
)
"""The values of `contract.Ended`; an `OutcomeRecord` holds a place in this list."""

_NOTHING = -1


class OutcomeRecord(NamedTuple):
    """How a test ended, as measured by the harness."""

    ended: str
    waited_for_input: bool
    time_us: int
    cpu_us: int
    memory_bytes: int
    exit_code: int | None
    signal: int | None
    dropped_bytes: int

    def pack(self) -> bytes:
        """The record's bytes."""
        return _OUTCOME.pack(
            ENDINGS.index(self.ended),
            self.waited_for_input,
            self.time_us,
            self.cpu_us,
            self.memory_bytes,
            _NOTHING if self.exit_code is None else self.exit_code,
            _NOTHING if self.signal is None else self.signal,
            self.dropped_bytes,
        )

    @classmethod
    def unpack(cls, data: bytes) -> OutcomeRecord:
        """The record in exactly `OUTCOME_SIZE` bytes. Raises `WireError` where it is none."""
        ended, waited, time_us, cpu_us, memory, code, signal, dropped = _OUTCOME.unpack(data)
        if ended >= len(ENDINGS) or waited > 1 or not -1 <= code <= 255 or not -1 <= signal <= 64:
            raise WireError(f"an outcome that cannot be: {data.hex()}")
        return cls(
            ENDINGS[ended],
            bool(waited),
            time_us,
            cpu_us,
            memory,
            None if code == _NOTHING else code,
            None if signal == _NOTHING else signal,
            dropped,
        )


OUTCOME_SIZE = _OUTCOME.size


class ErrorReport(NamedTuple):
    """An exception as the program's own process tells it. `line` is 0 where there is none."""

    type: str
    message: str
    traceback: str
    line: int

    def pack(self) -> bytes:
        """The report's bytes, each text cut to its bound."""
        texts = (
            _cut(self.type, MAX_TYPE),
            _cut(self.message, MAX_MESSAGE),
            _cut(self.traceback, MAX_TRACEBACK),
        )
        line = self.line if 0 < self.line < 2**31 else 0
        return _ERROR.pack(line, *map(len, texts)) + b"".join(texts)

    @classmethod
    def unpack(cls, data: bytes) -> ErrorReport:
        """Exactly one report. Raises `WireError` where it is none; forged ones are expected."""
        if len(data) < _ERROR.size:
            raise WireError("an error report that is too short")
        line, *lengths = _ERROR.unpack_from(data)
        bounds = (MAX_TYPE, MAX_MESSAGE, MAX_TRACEBACK)
        fits = all(length <= bound for length, bound in zip(lengths, bounds, strict=True))
        if not fits or _ERROR.size + sum(lengths) != len(data) or line < 0:
            raise WireError("an error report whose lengths do not add up")
        texts, start = [], _ERROR.size
        for length in lengths:
            texts.append(data[start : start + length].decode("utf-8", "replace"))
            start += length
        return cls(texts[0], texts[1], texts[2], line)


MAX_REPORT = HEADER.size + max(MAX_VALUE, _ERROR.size + MAX_TYPE + MAX_MESSAGE + MAX_TRACEBACK)
REPORTS = frozenset({VALUE, RAISED, OUT_OF_MEMORY})


def is_report(data: bytes) -> bool:
    """Whether `data` is exactly one report of a known kind; its body is not looked into."""
    if not HEADER.size <= len(data) <= MAX_REPORT:
        return False
    kind, length = HEADER.unpack_from(data)
    return kind in REPORTS and length == len(data) - HEADER.size


def _cut(text: str, bound: int) -> bytes:
    """`text` in at most `bound` bytes, its middle left out where it is longer."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= bound:
        return data
    gap = b"\n[...]\n"
    half = (bound - len(gap)) // 2
    cut = data[:half] + gap + data[-half:]
    return cut.decode("utf-8", "ignore").encode()
