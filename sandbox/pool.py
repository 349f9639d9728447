"""The sandbox in this process: every run gets a container of its own, used once.

`Pool` is an async context manager that owns its background work; a run is one inside it, and owns
its container. At most `size` runs are under way; others wait in the order in which they came and
may be cancelled while they wait.

A run hands its tests to the container one at a time, each only after the harness has acknowledged
that nothing of the one before is left. A container that does not acknowledge, or that had to be
ended from here because its harness let the time pass, is replaced for the tests that remain.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Self, TypeVar

from sandbox import wire
from sandbox.container import Container, ContainerDiedError, Engine, EngineSettings
from sandbox.contract import (
    KIB,
    MIB,
    Ended,
    Limits,
    Mode,
    Outcome,
    Output,
    SandboxError,
    SandboxUnavailableError,
    Submission,
    TestInput,
)
from sandbox.outcomes import Transcript

PING_EVERY_S = 2.0
SWEEP_EVERY_S = 60.0
GRACE_S = 1.0
"""How long after a test's own limit the host waits for its harness before it ends both."""
STOP_GRACE_S = 0.5
RUN_OUTPUT_BYTES = MIB
"""How much of a run is streamed; past it, a test's own `stdout` still counts in full."""
TYPED_BYTES = 64 * KIB
TYPED_EARLY_BYTES = MIB
CLEAN_WITHIN_S = 2.0

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Pool:
    """Throwaway containers on this machine's engine; see `contract.Sandbox`."""

    def __init__(self, settings: EngineSettings | None = None, size: int = 4) -> None:
        """`size` bounds how many runs are under way at once, each in its own container."""
        self._engine = Engine(settings)
        self._slots = asyncio.Semaphore(size)
        self._why_unavailable: str | None = "The Docker engine has not answered yet."
        self._background = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._engine)
            await self._look()
            group = await stack.enter_async_context(asyncio.TaskGroup())
            tasks = [group.create_task(self._keep_looking()), group.create_task(self._sweep())]
            for task in tasks:
                stack.callback(task.cancel)
            self._background = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._background.aclose()

    @property
    def available(self) -> bool:
        """Whether the engine answered within the last few seconds and has the image."""
        return self._why_unavailable is None

    @property
    def why_unavailable(self) -> str | None:
        """What is wrong and how to mend it, in one sentence or two; None while runs work."""
        return self._why_unavailable

    @asynccontextmanager
    async def run(self, submission: Submission) -> AsyncIterator[PoolRun]:
        """Start `submission` in a container of its own, once one of the pool's places is free.

        Raises `SandboxUnavailableError` without an engine or image, `SandboxError` where the
        container does not come up.
        """
        async with self._slots, AsyncExitStack() as stack:
            run = PoolRun(self._engine, submission, stack)
            try:
                await run.begin()
            except SandboxUnavailableError as error:
                self._why_unavailable = str(error)
                raise
            yield run

    async def _look(self) -> None:
        self._why_unavailable = await self._engine.why_unavailable()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY_S)
            await self._look()

    async def _sweep(self) -> None:
        while True:
            try:
                removed = await self._engine.remove_leftovers()
            except SandboxError as error:
                _log.info("left-over containers wait for the next sweep: %s", error)
            else:
                _log.info("left-over containers removed: %d", removed)
            await asyncio.sleep(SWEEP_EVERY_S)


class PoolRun:
    """A submission under way in its container; see `contract.Run`."""

    def __init__(self, engine: Engine, submission: Submission, stack: AsyncExitStack) -> None:
        self._engine = engine
        self._submission = submission
        self._stack = stack
        self._container: Container | None = None
        self._is_clean = False
        self._stopped = False
        self._until = 0.0
        self._waiting: asyncio.Timeout | None = None
        self._typed_early: list[tuple[int, bytes]] | None = []
        self._streamed_bytes = 0
        self._unseen_bytes = 0

    async def begin(self) -> None:
        """Get a container, and give it what all tests share."""
        limits = [self._submission.limits, *(self._limits(t) for t in self._submission.tests)]
        memory_bytes = max(limit.memory_bytes for limit in limits)
        container = self._engine.container(memory_bytes)
        self._container = await self._stack.enter_async_context(container)
        await self._container.send(wire.JOB, _job(self._submission))
        self._is_clean = True

    async def __aiter__(self) -> AsyncIterator[Output | Outcome]:
        for test in self._submission.tests:
            container = await self._clean_container()
            if self._stopped:
                return
            async for event in self._run_test(container, test):
                yield event

    async def write_stdin(self, text: str) -> None:
        """Type `text` into the program; what comes before it has begun is kept for it.

        Past 1 MiB that it does not read, the rest is dropped.
        """
        for kind, body in _typed(text):
            await self._type(kind, body)

    async def close_stdin(self) -> None:
        """End of file on standard input, after what was typed."""
        await self._type(wire.EOF, b"")

    async def stop(self) -> None:
        """Kill the program: its test ends as `STOPPED`, or none does where none is under way."""
        self._stopped = True
        self._until = asyncio.get_running_loop().time() + STOP_GRACE_S
        if self._waiting is not None:
            self._waiting.reschedule(self._until)
        await self._tell(wire.STOP)

    async def _type(self, kind: int, body: bytes) -> None:
        if self._typed_early is None:
            await self._tell(kind, body)
        elif len(self._typed_early) * TYPED_BYTES < TYPED_EARLY_BYTES:
            self._typed_early.append((kind, body))

    async def _tell(self, kind: int, body: bytes = b"") -> None:
        # A container that died is reported where its events are read.
        if self._container is not None:
            with suppress(ContainerDiedError):
                await self._container.send(kind, body)

    def _limits(self, test: TestInput) -> Limits:
        return test.limits or self._submission.limits

    async def _clean_container(self) -> Container:
        """The container, once it has acknowledged that nothing is left in it; else a new one."""
        if self._container is not None and not self._is_clean:
            self._allow(CLEAN_WITHIN_S)
            try:
                self._is_clean = (await self._within(self._container.receive())).kind == wire.CLEAN
            except (TimeoutError, ContainerDiedError) as error:
                _log.info("a container that was not clean after a test is replaced: %r", error)
            if not self._is_clean:
                await self._discard_container()
        if self._container is None:
            await self.begin()
        assert self._container is not None  # noqa: S101  # begin() has raised, or made one
        return self._container

    async def _discard_container(self) -> None:
        self._container = None
        await self._stack.aclose()

    async def _run_test(
        self, container: Container, test: TestInput
    ) -> AsyncIterator[Output | Outcome]:
        transcript = Transcript(test, self._submission.mode, self._limits(test))
        began = time.monotonic()
        self._is_clean = False
        self._allow(transcript.limits.time_s + GRACE_S)
        try:
            await self._within(self._start(container, test))
            while not transcript.ended:
                frame = await self._within(container.receive())
                for event in transcript.read(frame):
                    for shown in self._shown(event):
                        yield shown
        except wire.WireError as error:
            raise ContainerDiedError(f"The container died: it sent {error}.") from error
        except TimeoutError:
            await self._discard_container()
            ended = Ended.STOPPED if self._stopped else Ended.TIME_LIMIT
            yield transcript.cut_short(ended, (time.monotonic() - began) * 1000)

    async def _start(self, container: Container, test: TestInput) -> None:
        limits = self._limits(test)
        record = wire.TestRecord(
            time_ms=round(limits.time_s * 1000),
            memory_bytes=limits.memory_bytes,
            output_bytes=limits.output_bytes,
        )
        given = _input(test, self._submission.mode)
        await container.send(wire.TEST, record.pack() + given)
        if self._submission.mode is Mode.INTERACTIVE:
            for kind, body in [*_typed(test.stdin), *(self._typed_early or [])]:
                await container.send(kind, body)
            self._typed_early = None

    def _allow(self, seconds: float) -> None:
        """Let what follows take so long; once Stop was pressed, its own grace is all there is."""
        if not self._stopped:
            self._until = asyncio.get_running_loop().time() + seconds

    async def _within(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work` for as long as was allowed, or less if Stop is pressed meanwhile."""
        try:
            async with asyncio.timeout_at(self._until) as self._waiting:
                return await work
        finally:
            self._waiting = None

    def _shown(self, event: Output | Outcome) -> Iterator[Output | Outcome]:
        """The event as far as the run's own cap on streamed output lets it through."""
        if isinstance(event, Outcome):
            dropped = event.output_dropped_bytes + self._unseen_bytes
            self._unseen_bytes = 0
            yield replace(event, output_dropped_bytes=dropped)
            return
        data = event.text.encode("utf-8", "replace")
        kept = data[: RUN_OUTPUT_BYTES - self._streamed_bytes]
        self._streamed_bytes += len(kept)
        self._unseen_bytes += len(data) - len(kept)
        if kept:
            yield replace(event, text=kept.decode("utf-8", "ignore"))


def _job(submission: Submission) -> bytes:
    job = {
        "source": submission.source,
        "mode": submission.mode.value,
        "entry": submission.entry,
        "signature": submission.signature,
        "filename": submission.filename,
    }
    return json.dumps(job).encode()


def _typed(text: str) -> Iterator[tuple[int, bytes]]:
    """Typed text as frames' kinds and bodies."""
    data = text.encode("utf-8", "replace")
    for start in range(0, len(data), TYPED_BYTES):
        yield wire.STDIN, data[start : start + TYPED_BYTES]


def _input(test: TestInput, mode: Mode) -> bytes:
    """What the test's own process reads before anything of the candidate's runs in it."""
    if mode is Mode.FUNCTION:
        return json.dumps(test.args).encode()
    return test.stdin.encode("utf-8", "replace") if mode is Mode.PROGRAM else b""
