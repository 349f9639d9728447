"""The result channel, fuzzed: whatever comes on it gives outcomes or the platform's own error.

Never another exception, never a test told twice or out of its turn, and never *accepted* for
another value than the expected one. The real host code reads bytes made here; each stream ends, as
a container does whose host has lost its patience.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from sandbox import wire
from sandbox.container import Container
from sandbox.contract import (
    Ended,
    ImageName,
    Limits,
    Mode,
    Outcome,
    RunEvent,
    SandboxError,
    Submission,
    TestInput,
)
from sandbox.run import PoolRun
from server.core.events import AnyEvent, RunFinished, RunStarted, TestJudged
from server.core.judge import Verdict, overall
from server.core.problem import Compare, Group, Localized, Part, TestCase
from server.runner import Job, Performance

KINDS = [wire.READY, wire.STDOUT, wire.STDERR, wire.OUTCOME, wire.WAITING, wire.CLEAN]
COUNT = 4
TESTS = [str(n) for n in range(COUNT)]

VALUES = st.sampled_from([b"0", b"1", b"2", b"3", b"true", b"1.0", b'"1"', b"[", b"NaN", b"\xff"])
REPORTS = st.one_of(
    st.just(b""),
    VALUES.map(lambda value: wire.encode(wire.VALUE, value)),
    st.sampled_from([wire.RAISED, wire.OUT_OF_MEMORY]).map(
        lambda kind: wire.encode(kind, wire.ErrorReport("KeyError", "1", "…", 1).pack())
    ),
    st.binary(max_size=30),
)
RECORDS = st.builds(
    wire.OutcomeRecord,
    st.sampled_from(wire.ENDINGS[:3] * 3 + wire.ENDINGS),
    st.booleans(),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.sampled_from([None, 0, 0, 1, 255]),
    st.none() | st.integers(0, 64),
    st.sampled_from([0, 0, 1, 2**64 - 1]),
)
OUTCOMES = st.builds(lambda record, report: record.pack() + report, RECORDS, REPORTS)
RETURNED = wire.OutcomeRecord("returned", False, 1, 1, 1, None, None, 0).pack()
EXITED = wire.OutcomeRecord("exited", False, 1, 1, 1, 0, None, 0).pack()
FORGED = st.one_of(
    OUTCOMES.map(lambda body: wire.encode(wire.OUTCOME, body)),
    st.builds(wire.encode, st.sampled_from(KINDS), st.binary(max_size=80)),
    st.just(wire.encode(wire.CLEAN)),
)
LIKELY = st.one_of(
    VALUES.map(lambda value: wire.encode(wire.OUTCOME, RETURNED + wire.encode(wire.VALUE, value))),
    VALUES.map(lambda text: wire.encode(wire.STDOUT, text)),
    st.just(wire.encode(wire.OUTCOME, EXITED)),
    st.just(wire.encode(wire.CLEAN)),
)
"""What a harness sends that has been taken over: well-formed, in any order."""


def _in_chunks(frames: bytes, size: int) -> bytes:
    pieces = (frames[start : start + size] for start in range(0, len(frames), size))
    return b"".join(struct.pack(">BxxxI", 1, len(piece)) + piece for piece in pieces)


@st.composite
def _spoilt(draw: st.DrawFn, stream: bytes) -> bytes:
    """The stream with bytes put in, left out and exchanged, and cut off."""
    data = bytearray(stream)
    for place, put_in, length in draw(
        st.lists(
            st.tuples(st.integers(0, 300), st.binary(max_size=6), st.integers(0, 6)), max_size=2
        )
    ):
        data[place : place + length] = put_in
    return bytes(data[: draw(st.sampled_from([len(data)] * 3 + [*range(0, len(data), 7)]))])


STREAMS = st.one_of(
    st.binary(max_size=200),
    st.lists(LIKELY | FORGED, max_size=14).map(b"".join).flatmap(_spoilt),
    st.builds(_in_chunks, st.lists(LIKELY, max_size=14).map(b"".join), st.integers(1, 60)),
    st.builds(_in_chunks, st.lists(LIKELY | FORGED, max_size=14).map(b"".join), st.integers(1, 60)),
    st.builds(_in_chunks, st.lists(LIKELY, max_size=14).map(b"".join), st.integers(1, 60)).flatmap(
        _spoilt
    ),
)
PIECES = st.lists(STREAMS, min_size=1, max_size=5)
SCRIPTS = st.lists(PIECES, min_size=1, max_size=4)
"""For each container one after another: what each read brings before its stream ends."""


class _Nowhere:
    """Takes what is written, as a container does that is never seen to read it."""

    @property
    def transport(self) -> _Nowhere:
        return self

    def write(self, data: bytes) -> None:
        pass

    async def drain(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        pass


@dataclass
class _Pieces:
    """One piece for each read, and then the end."""

    pieces: deque[bytes]

    async def read(self, _most: int) -> bytes:
        return self.pieces.popleft() if self.pieces else b""

    def at_eof(self) -> bool:
        return not self.pieces


@dataclass
class _Scripted:
    """A supply of containers that say what is written for them, and end."""

    streams: deque[list[bytes]]
    blames_memory: bool = False

    async def another(
        self,
        memory_bytes: int,
        image: ImageName = "",  # noqa: ARG002  # as `Supply` has it
    ) -> Container:
        if not self.streams:
            raise SandboxError("No more containers.")
        reader = cast(asyncio.StreamReader, _Pieces(deque(self.streams.popleft())))
        return Container("scripted", memory_bytes, reader, cast(asyncio.StreamWriter, _Nowhere()))

    async def check(self) -> None:
        pass

    async def ran_out_of_memory(
        self,
        container: Container,  # noqa: ARG002  # as `Supply` has it
        since: float,  # noqa: ARG002
    ) -> bool:
        return self.blames_memory

    def bury(self, container: Container) -> None:
        pass


def _submission(mode: Mode, batch: str) -> Submission:
    tests = tuple(
        TestInput(
            test, [["new"], ["get", n]] if mode is Mode.CLASS else [n], stdin=test, batch=batch
        )
        for n, test in enumerate(TESTS)
    )
    return Submission("source", mode, tests, Limits(output_bytes=300), entry="f")


@given(
    st.sampled_from(list(Mode)),
    st.sampled_from(["", "hidden"]),
    st.booleans(),
    st.booleans(),
    SCRIPTS,
)
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_each_test_one_outcome_or_a_typed_error(
    mode: Mode, batch: str, compares: bool, blames_memory: bool, streams: list[list[bytes]]
) -> None:
    asked: list[Outcome] = []

    def accepts(outcome: Outcome) -> bool:
        asked.append(outcome)
        return outcome.value == outcome.test

    async def run_it() -> list[RunEvent]:
        supply = _Scripted(deque(streams), blames_memory)
        submission = _submission(mode, batch)
        run = PoolRun(supply, submission, accepts if compares else None)
        run.use(await supply.another(submission.memory_bytes))
        try:
            return [event async for event in run]
        except SandboxError:
            failed.append(True)
            return []
        finally:
            run.leave()

    failed: list[bool] = []
    events = asyncio.run(run_it())
    outcomes = [event for event in events if isinstance(event, Outcome)]
    assert failed or [one.test for one in outcomes] == TESTS
    for outcome in outcomes:
        assert (outcome.value is not None) == (outcome.ended is Ended.RETURNED)
        assert mode.is_called or outcome.ended is not Ended.RETURNED or outcome.value is not None


def _ended_well(value: bytes) -> bytes:
    record = wire.OutcomeRecord("returned", False, 1, 1, 1, 0, None, 0).pack()
    report = wire.encode(wire.VALUE, value)
    frames = wire.encode(wire.OUTCOME, record + report) + wire.encode(wire.CLEAN)
    return struct.pack(">BxxxI", 1, len(frames)) + frames


@pytest.mark.parametrize("batch", ["", "hidden"])
async def test_one_container_that_dies_of_itself_is_replaced_and_a_second_is_our_error(
    batch: str,
) -> None:
    tests = tuple(TestInput(test, [test], batch=batch) for test in "01")
    submission = Submission("source", Mode.FUNCTION, tests, entry="f")
    good = [_ended_well(b"0"), _ended_well(b"1")]
    for streams, ends_well in (([[], good], True), ([[], [], good], False)):
        supply = _Scripted(deque(streams))
        run = PoolRun(supply, submission, lambda _: True)
        run.use(await supply.another(submission.memory_bytes))
        if ends_well:
            outcomes = [event async for event in run if isinstance(event, Outcome)]
            assert [(one.test, one.value) for one in outcomes] == [("0", "0"), ("1", "1")]
        else:
            with pytest.raises(SandboxError, match="died"):
                [event async for event in run]


@pytest.mark.parametrize("batch", ["", "hidden"])
async def test_a_harness_that_says_nothing_is_ended_by_the_host(batch: str) -> None:
    """Its own clock is the host's second line; what is left runs in another container."""

    class Silent(_Pieces):
        async def read(self, _most: int) -> bytes:
            await asyncio.Event().wait()
            return b""

    class Supply(_Scripted):
        async def another(
            self,
            memory_bytes: int,
            image: ImageName = "",  # noqa: ARG002  # as `Supply` has it
        ) -> Container:
            made.append(memory_bytes)
            reader = cast(asyncio.StreamReader, Silent(deque()))
            return Container("silent", memory_bytes, reader, cast(asyncio.StreamWriter, _Nowhere()))

    made: list[int] = []
    supply = Supply(deque())
    tests = tuple(TestInput(test, [test], batch=batch) for test in "01")
    submission = Submission("source", Mode.FUNCTION, tests, Limits(time_s=0.01), entry="f")
    run = PoolRun(supply, submission, lambda _: True)
    run.use(await supply.another(submission.memory_bytes))
    outcomes = [event async for event in run if isinstance(event, Outcome)]
    assert [one.ended for one in outcomes] == [Ended.TIME_LIMIT] * 2
    assert len(made) == (3 if batch else 2)


@dataclass
class _FuzzedSandbox:
    """A sandbox whose containers are scripted; each attempt goes on where the last one stopped."""

    supply: _Scripted
    available: bool = True
    why_unavailable: str | None = None
    attempts: int = field(default=0)

    @asynccontextmanager
    async def run(
        self,
        submission: Submission,
        *,
        owner: str = "",  # noqa: ARG002
        on_waiting: Callable[[int], None] | None = None,  # noqa: ARG002
        accepts: Callable[[Outcome], bool] | None = None,
    ) -> AsyncIterator[PoolRun]:
        self.attempts += 1
        run = PoolRun(self.supply, submission, accepts)
        run.use(await self.supply.another(submission.memory_bytes))
        try:
            yield run
        finally:
            run.leave()


def _part(mode: str) -> Part:
    text = Localized(en="text")
    answers: list[JsonValue] = [0, 1] if mode == "function" else ["0", "1"]
    cases = [
        TestCase(id=f"{name}/{n}", name="", args=(n,), stdin=str(n), expect=expect)
        for name in ("visible", "hidden")
        for n, expect in enumerate(answers)
    ]
    return Part(
        id="main",
        title=text,
        minutes=1,
        mode="function" if mode == "function" else "program",
        entry="f(n: int) -> int" if mode == "function" else "",
        starter="",
        statement=text,
        compare=Compare(kind="exact" if mode == "function" else "tokens"),
        groups=(
            Group(name="visible", visible=True, cases=tuple(cases[:2])),
            Group(name="hidden", cases=tuple(cases[2:])),
        ),
    )


@given(st.sampled_from(["function", "program"]), st.booleans(), SCRIPTS)
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_a_run_its_verdict_and_never_a_wrong_accepted(
    mode: str, blames_memory: bool, streams: list[list[bytes]]
) -> None:
    events: list[AnyEvent] = []

    async def record(written: Sequence[AnyEvent]) -> None:
        events.extend(written)

    part = _part(mode)
    started = RunStarted(run="r", what="tests", doc="d", version=1)
    sandbox = _FuzzedSandbox(_Scripted(deque(streams), blames_memory))
    asyncio.run(Performance(sandbox, Job(started, "source", part), record).perform())
    finished = events[-1]
    judged = [event for event in events if isinstance(event, TestJudged)]
    assert isinstance(finished, RunFinished)
    assert len({event.test for event in judged}) == len(judged)
    for event in judged:
        if event.verdict == Verdict.ACCEPTED:
            assert event.got.split() == event.expected.split()
    if len(judged) < len(part.cases):
        assert finished.verdict == Verdict.JUDGE_ERROR
    else:
        assert finished.verdict == overall(Verdict(event.verdict) for event in judged)


def _returned(*values: str) -> bytes:
    reports = (wire.encode(wire.VALUE, value.encode()) for value in values)
    frames = [wire.encode(wire.OUTCOME, RETURNED + report) for report in reports]
    return _in_chunks(b"".join(frames) + wire.encode(wire.CLEAN), 50)


@pytest.mark.parametrize(
    ("streams", "values"),
    [
        ([[_returned(*"0123")]], "0123"),
        ([[_returned(*"012345")]], "0123"),
        ([[_returned("0"), _returned("1"), _returned("2", "3")]], "0123"),
        ([[_returned(*"0777"), _returned("8"), _returned("8"), _returned("8")]], "0888"),
        (
            [
                [_returned(*"0770"), _returned("1")],
                [_returned("6"), _returned("5"), _returned("4")],
            ],
            "0654",
        ),
    ],
    ids=["all pass", "more values than tests", "cut after one", "never right", "two guesses"],
)
def test_what_is_written_for_a_batch_is_read_as_meant(
    streams: list[list[bytes]], values: str
) -> None:
    """So that the fuzzed ones above are known to reach what they are about."""

    async def run_it() -> list[str | None]:
        supply = _Scripted(deque(streams))
        submission = _submission(Mode.FUNCTION, "hidden")
        run = PoolRun(supply, submission, lambda outcome: outcome.value == outcome.test)
        run.use(await supply.another(submission.memory_bytes))
        return [event.value async for event in run if isinstance(event, Outcome)]

    assert asyncio.run(run_it()) == list(values)
