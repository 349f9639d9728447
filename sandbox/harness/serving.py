"""PID 1 of a container: boot, say so, take one job, run its tests one after another, be killed.

Everything comes over standard input and leaves over standard output, as frames (see `wire`). When
the host is gone, its stream ends; then this process ends, and the kernel kills all the others.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal

from sandbox import wire
from sandbox.harness import kernel
from sandbox.harness.child import Order, read_exactly
from sandbox.harness.spare import Spare, fork
from sandbox.harness.together import Together
from sandbox.harness.watching import Watch, send

COMMON = (
    "collections.abc",
    "typing",
    "dataclasses",
    "random",
    "datetime",
    "heapq",
    "bisect",
    "string",
    "copy",
    "decimal",
    "fractions",
    "statistics",
    "queue",
    "time",
    "textwrap",
    "pprint",
    "calendar",
    "itertools",
    "math",
    "operator",
    "contextlib",
    "pathlib",
)
"""What programs commonly import, in the order of how likely that is."""


def main() -> None:
    """Serve one container's life."""
    kernel.set_dumpable(False)
    wakeup = _watch_children()
    send(wire.READY)
    _import_ahead()
    gc.collect()
    gc.freeze()  # what is loaded by now stays shared with every child, untouched by its collector
    try:
        spare = fork()
        job = _body_of(wire.JOB)
        mode = json.loads(job)["mode"]
        while True:
            _serve_test(job, mode, spare, wakeup)
            spare = fork()
    except (EOFError, BrokenPipeError):
        os._exit(0)  # the host is gone; nobody is left to be told


def _watch_children() -> int:
    """Make a child's end readable on a descriptor; let no signal from inside end this process."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return readable


def _import_ahead() -> None:
    """Import what is common for as long as nobody waits."""
    for name in COMMON:
        if select.select([0], [], [], 0)[0]:
            return
        __import__(name)


def _header(*kinds: int) -> tuple[int, int]:
    kind, length = wire.HEADER.unpack(read_exactly(0, wire.HEADER.size))
    if kind not in kinds or length > wire.MAX_TO_HARNESS:
        raise wire.WireError(f"a frame of kind {kind} with {length} bytes")
    return kind, length


def _body_of(kind: int) -> bytes:
    return read_exactly(0, _header(kind)[1])


def _serve_test(job: bytes, mode: str, spare: Spare, wakeup: int) -> None:
    """The next test, to the word that nothing of it is left."""
    kind, length = _header(*_BETWEEN_TESTS)
    while kind not in (wire.TEST, wire.BATCH):
        read_exactly(0, length)  # what was typed, or Stop, for a test that is over by now
        kind, length = _header(*_BETWEEN_TESTS)
    record = wire.TestRecord.unpack(read_exactly(0, wire.TEST_SIZE))
    is_batch = kind == wire.BATCH
    spare.give(Order(job, record, length - wire.TEST_SIZE, is_batch))
    watch = Together(record, wakeup) if is_batch else Watch(mode, record, wakeup)
    watch.run(spare)
    kernel.wipe()
    send(wire.CLEAN)


_BETWEEN_TESTS = (wire.TEST, wire.BATCH, wire.STDIN, wire.EOF, wire.STOP)
