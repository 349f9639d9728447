"""A submission under way: its tests go into its container, what comes of them is read back.

Tests are handed in only after the harness has acknowledged that nothing of those before is left. A
container that does not acknowledge, or that had to be ended from here because its harness let the
time pass, is replaced for the tests that remain.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any, Protocol, TypeVar

from sandbox import bodies, wire
from sandbox.container import Container, ContainerDiedError
from sandbox.contract import (
    MIB,
    Ended,
    ImageName,
    InputWanted,
    Mode,
    Outcome,
    RunEvent,
    Submission,
    TestInput,
)
from sandbox.outcomes import Transcript, shared_outcome

GRACE_S = 1.0
"""How long after a test's own limit the host waits for its harness before it ends both."""
STOP_GRACE_S = 0.5
RUN_OUTPUT_BYTES = MIB
"""How much of a run is streamed; past it, a test's own `stdout` still counts in full."""
TYPED_EARLY_BYTES = MIB
CLEAN_WITHIN_S = 2.0
ENOUGH_FAILED_BATCHES = 3
"""After so many batches that a test cut short, the rest of the run's tests go alone."""

T = TypeVar("T")
Accepts = Callable[[Outcome], bool]

_log = logging.getLogger(__name__)


class Supply(Protocol):
    """Where a run gets another container, and leaves one that it is done with."""

    async def another(self, memory_bytes: int, image: ImageName) -> Container:
        """A container that was never used, for programs of up to `memory_bytes`."""
        ...

    async def check(self) -> None:
        """Raise `SandboxUnavailableError` where containers cannot be reached just now."""
        ...

    async def ran_out_of_memory(self, container: Container, since: float) -> bool:
        """Whether a container that died did so for want of memory, not before the time `since`."""
        ...

    def bury(self, container: Container) -> None:
        """End a container; its removal goes on in the background."""
        ...


class PoolRun:
    """A submission under way in its container; see `contract.Run`."""

    def __init__(self, supply: Supply, submission: Submission, accepts: Accepts | None) -> None:
        self._supply = supply
        self._submission = submission
        self._accepts = accepts
        self._container: Container | None = None
        self._first: list[tuple[int, bytes]] = []
        self._is_clean = False
        self._stopped = False
        self._ended = False
        self._may_retry = submission.mode is not Mode.INTERACTIVE
        self._until = 0.0
        self._waiting: asyncio.Timeout | None = None
        self._typed_early: list[tuple[int, bytes]] | None = []
        self._streamed_bytes = 0
        self._unseen_bytes = 0
        self._failed_batches = 0

    @property
    def container_name(self) -> str | None:
        """What the engine calls its container at the moment, for whoever looks into a fault."""
        return self._container.name if self._container else None

    def use(self, container: Container) -> None:
        """Run in `container` what comes; it is this run's own from now on."""
        self._container = container
        self._first = [(wire.JOB, bodies.job(self._submission))]
        self._is_clean = True

    def leave(self) -> None:
        """Have done with the container, whatever goes on in it."""
        if self._container is not None:
            self._supply.bury(self._container)
        self._container = None

    def end(self) -> None:
        """Leave, and take no other container."""
        self._ended = True
        self.leave()

    async def __aiter__(self) -> AsyncIterator[RunEvent]:
        rest = deque(self._submission.tests)
        while rest and not self._stopped:
            batch = self._next_batch(rest)
            held: list[tuple[TestInput, Outcome | None]] = []
            async for outcome in self._run_batch(batch):
                test, counted = rest.popleft(), self._passed(outcome)
                if counted and not held:
                    yield counted
                else:
                    held.append((test, counted))
            stopped_together = bool(batch) and self._stopped
            events = await self._settled(held)
            if events is None:
                rest.extendleft(test for test, _ in reversed(held))
                continue
            for event in events:
                yield event
            if stopped_together and rest:
                yield self._transcript(rest[0]).cut_short(Ended.STOPPED, 0.0)
                return
            if rest and (not batch or rest[0] in batch):
                async for event in self._run_test(rest.popleft()):
                    yield event

    async def write_stdin(self, text: str) -> None:
        """Type `text` into the program; what comes before it has begun is kept for it.

        Past 1 MiB that it does not read, the rest is dropped.
        """
        for kind, body in bodies.typed(text):
            await self._type(kind, body)

    async def close_stdin(self) -> None:
        """End of file on standard input, after what was typed."""
        await self._type(wire.EOF, b"")

    async def stop(self) -> None:
        """Kill the program: its test ends as `STOPPED`, or none does where none is under way."""
        self._stopped = True
        self._until = asyncio.get_running_loop().time() + STOP_GRACE_S
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(self._until)
        await self._tell(wire.STOP)

    async def _type(self, kind: int, body: bytes) -> None:
        if self._typed_early is None:
            await self._tell(kind, body)
        elif len(self._typed_early) * bodies.TYPED_BYTES < TYPED_EARLY_BYTES:
            self._typed_early.append((kind, body))

    async def _tell(self, kind: int, body: bytes = b"") -> None:
        # Before the first test the harness has not even a job; a container that died is reported
        # where its events are read.
        if self._container is not None and not self._first:
            with suppress(ContainerDiedError):
                await self._container.send((kind, body))

    async def _clean_container(self) -> Container:
        """The container, once it has acknowledged that nothing is left in it; else a new one."""
        if self._container is not None and not self._is_clean:
            self._allow(CLEAN_WITHIN_S)
            try:
                self._is_clean = (await self._within(self._container.receive())).kind == wire.CLEAN
            except (TimeoutError, ContainerDiedError) as error:
                _log.info("a container that was not clean after a test is replaced: %r", error)
                if isinstance(error, TimeoutError):
                    await self._rule_out_the_engine()
            if not self._is_clean:
                self.leave()
        if self._container is None:
            wanted = self._submission
            self.use(await self._supply.another(wanted.memory_bytes, wanted.image))
        assert self._container is not None  # noqa: S101  # use() has just set it
        return self._container

    async def _hand_in(self, container: Container, *frames: tuple[int, bytes]) -> None:
        """Send a test; the job goes before the first one, in the same piece."""
        self._is_clean = False
        first, self._first = self._first, []
        await self._within(container.send(*first, *frames))

    def _next_batch(self, rest: deque[TestInput]) -> list[TestInput]:
        """The next tests, if they may share a process; else none."""
        if self._accepts is None or self._failed_batches >= ENOUGH_FAILED_BATCHES:
            return []
        tests = bodies.neighbours(self._submission, rest)
        return tests if len(tests) > 1 else []

    async def _run_batch(self, batch: list[TestInput]) -> AsyncIterator[Outcome]:
        """The outcomes of those tests of `batch`, from the first, that returned in silence.

        They have one test's time for all of them together, so that none can use another's.
        """
        if not batch:
            return
        container = await self._clean_container()
        if self._stopped:
            return
        body, count = bodies.batch(self._submission, batch)
        since = time.time()
        waiting = deque(islice(batch, count))
        try:
            self._allow(self._submission.limits_of(batch[0]).time_s + GRACE_S)
            await self._hand_in(container, (wire.BATCH, body))
            while not self._is_clean:
                for frame in await self._within(container.receive_all()):
                    if frame.kind == wire.CLEAN:
                        self._is_clean = True
                        break
                    if not waiting:
                        # Values are claimed for tests that nobody asked about, maybe without end.
                        self.leave()
                        return
                    yield shared_outcome(waiting.popleft(), frame)
        except wire.WireError as error:
            raise ContainerDiedError(f"The container died: it sent {error}.") from error
        except ContainerDiedError as error:
            if await self._supply.ran_out_of_memory(container, since):
                self.leave()
            elif self._may_retry:
                self._retry_after(error)
            else:
                raise
        except TimeoutError:
            self.leave()
            await self._rule_out_the_engine()
        self._failed_batches += bool(waiting)

    def _passed(self, outcome: Outcome) -> Outcome | None:
        """An outcome of a batch, if it counts; nothing of one that does not is kept."""
        return outcome if self._accepts is not None and self._accepts(outcome) else None

    async def _settled(self, held: list[tuple[TestInput, Outcome | None]]) -> list[RunEvent] | None:
        """The events of a batch's tests from the first that did not pass: such are run again alone.

        None where one passes alone: a program that answers otherwise when it is alone would have
        two guesses at each test. Then nothing of this counts, no more tests share a process, and
        all of these are to be run in another container, where nothing tells what passed here.
        """
        events: list[RunEvent] = []
        streamed_bytes = self._streamed_bytes
        for test, outcome in held:
            if outcome is not None:
                events.append(outcome)
            if outcome is not None or self._stopped:
                continue
            async for event in self._run_test(test):
                events.append(event)
                if isinstance(event, Outcome) and self._passed(event):
                    self._streamed_bytes = streamed_bytes
                    self._failed_batches = ENOUGH_FAILED_BATCHES
                    self.leave()
                    return None
        return events

    async def _run_test(self, test: TestInput) -> AsyncIterator[RunEvent]:
        """Everything that comes of one test in a process of its own.

        A container that dies of itself is our fault: once in a run, another takes its place, if
        nothing has been told of the test yet.
        """
        is_told = False
        try:
            async for event in self._attempt(test):
                is_told = True
                yield event
        except ContainerDiedError as error:
            if is_told or not self._may_retry:
                raise
            self._retry_after(error)
            async for event in self._attempt(test):
                yield event

    def _retry_after(self, error: ContainerDiedError) -> None:
        _log.warning("what a run had handed in goes to another container: %s", error)
        self._may_retry = False
        self.leave()

    async def _attempt(self, test: TestInput) -> AsyncIterator[RunEvent]:
        container = await self._clean_container()
        if self._stopped:
            return
        transcript = self._transcript(test)
        began, since = time.monotonic(), time.time()
        self._allow(transcript.limits.time_s + GRACE_S)
        try:
            await self._start(container, test)
            while not transcript.ended:
                frame = await self._within(container.receive())
                for event in transcript.read(frame):
                    for shown in self._shown(event):
                        yield shown
        except wire.WireError as error:
            raise ContainerDiedError(f"The container died: it sent {error}.") from error
        except ContainerDiedError:
            if not await self._supply.ran_out_of_memory(container, since):
                raise
            self.leave()
            elapsed_ms = (time.monotonic() - began) * 1000
            outcome = transcript.cut_short(Ended.MEMORY_LIMIT, elapsed_ms)
            yield replace(outcome, memory_bytes=container.memory_bytes)
        except TimeoutError:
            self.leave()
            time_ms = (time.monotonic() - began) * 1000
            await self._rule_out_the_engine()
            yield transcript.cut_short(self._why_ended(), time_ms)

    async def _start(self, container: Container, test: TestInput) -> None:
        frames = [(wire.TEST, bodies.test(self._submission, test))]
        if self._submission.mode is Mode.INTERACTIVE:
            frames += [*bodies.typed(test.stdin), *(self._typed_early or [])]
            self._typed_early = None
        await self._hand_in(container, *frames)

    def _transcript(self, test: TestInput) -> Transcript:
        return Transcript(test, self._submission.mode, self._submission.limits_of(test))

    def _why_ended(self) -> Ended:
        return Ended.STOPPED if self._stopped else Ended.TIME_LIMIT

    async def _rule_out_the_engine(self) -> None:
        """The harness let the time pass: its program's doing, unless the engine is not there.

        An engine that went away or hangs passes nothing on. Raises `SandboxUnavailableError` then.
        """
        if not self._stopped:
            await self._supply.check()

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

    def _shown(self, event: RunEvent) -> Iterator[RunEvent]:
        """The event as far as the run's own cap on streamed output lets it through."""
        if isinstance(event, Outcome):
            dropped = event.output_dropped_bytes + self._unseen_bytes
            self._unseen_bytes = 0
            yield replace(event, output_dropped_bytes=dropped)
            return
        if isinstance(event, InputWanted):
            yield event
            return
        data = event.text.encode("utf-8", "replace")
        kept = data[: RUN_OUTPUT_BYTES - self._streamed_bytes]
        self._streamed_bytes += len(kept)
        self._unseen_bytes += len(data) - len(kept)
        if kept:
            yield replace(event, text=kept.decode("utf-8", "ignore"))
