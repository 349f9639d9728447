"""What goes into a container, as frames' bodies. Pure: a submission in, bytes out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice

from sandbox import wire
from sandbox.contract import KIB, MIB, Limits, Mode, Submission, TestInput

TYPED_BYTES = 64 * KIB
MOST_TOGETHER = 2_000
"""How many tests may share a process; the next ones get another."""
BATCH_BYTES = MIB


def job(submission: Submission) -> bytes:
    """What every test of a submission shares."""
    shared = {
        "source": submission.source,
        "mode": submission.mode.value,
        "entry": submission.entry,
        "signature": submission.signature,
        "filename": submission.filename,
    }
    return json.dumps(shared).encode()


def test(submission: Submission, one: TestInput) -> bytes:
    """A test's limits, then what its process reads before any of the candidate's code runs."""
    return _record(submission.limits_of(one)) + _input(one, submission)


def batch(submission: Submission, tests: Sequence[TestInput]) -> tuple[bytes, int]:
    """As many of `tests`, from the first, as fit into one frame; its body, and how many they are.

    They are neighbours of one batch with the same limits.
    """
    arguments: list[str] = []
    size = 0
    for one in tests:
        arguments.append(json.dumps(one.args))
        size += len(arguments[-1])
        if size > BATCH_BYTES:
            arguments.pop()
            break
    body = _record(submission.limits_of(tests[0])) + f"[{','.join(arguments)}]".encode()
    return body, len(arguments)


def neighbours(submission: Submission, tests: Sequence[TestInput]) -> list[TestInput]:
    """Those at the beginning of `tests` that may share a process; none where the first may not."""
    if not submission.mode.is_called or not tests or not tests[0].batch:
        return []
    first = tests[0]
    found: list[TestInput] = []
    for one in islice(tests, MOST_TOGETHER):
        if (one.batch, one.limits) != (first.batch, first.limits):
            break
        found.append(one)
    return found


def typed(text: str) -> Iterator[tuple[int, bytes]]:
    """Typed text as frames' kinds and bodies."""
    data = text.encode("utf-8", "replace")
    for start in range(0, len(data), TYPED_BYTES):
        yield wire.STDIN, data[start : start + TYPED_BYTES]


def _record(limits: Limits) -> bytes:
    return wire.TestRecord(
        time_ms=round(limits.time_s * 1000),
        memory_bytes=limits.memory_bytes,
        output_bytes=limits.output_bytes,
    ).pack()


def _input(one: TestInput, submission: Submission) -> bytes:
    if submission.mode.is_called:
        return json.dumps(one.args).encode()
    return one.stdin.encode("utf-8", "replace") if submission.mode is Mode.PROGRAM else b""
