"""The seam to the sandbox: performs one run and tells the room, in events, what came of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from sandbox.contract import (
    ImageMissingError,
    InputWanted,
    Outcome,
    Output,
    Run,
    RunEvent,
    Sandbox,
    SandboxError,
    SandboxUnavailableError,
    Submission,
)
from server.author_runs import settled_by_checker
from server.batches import batches_of, joined
from server.core.calls import shown_calls
from server.core.class_signature import ClassSignature
from server.core.events import (
    AnyEvent,
    GroupResult,
    InputAwaited,
    OutputWritten,
    RunFinished,
    RunStarted,
    StdinWritten,
    StopRequested,
    TestJudged,
)
from server.core.judge import (
    Judgement,
    Verdict,
    judge,
    judge_program,
    overall,
    program_submission,
    submission_for,
)
from server.core.problem import Part, TestCase
from server.core.values import shortened, shown
from server.waiting import PlaceInLine, RecordEvents

ATTEMPTS = 2
"""A run that the platform failed before anything came of it is tried once more."""

SANDBOX_AWAY = (
    "The sandbox went away before this run had its result. The code is not to blame: "
    "run it again in a moment."
)
IMAGE_MISSING = (
    "The packages that this problem asks for are not on the server yet. The code is not to blame: "
    "whoever runs the server finds the cure in its log."
)
SANDBOX_FAILED = (
    "The sandbox failed in the middle of this run. The code is not to blame: run it again."
)
"""What people read then; what is wrong with the engine, and its cure, are for the log."""


log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Job:
    """A run to perform: what was asked, of which source, and for tests, of which part."""

    started: RunStarted
    source: str
    part: Part | None

    @property
    def is_program(self) -> bool:
        """Whether it is a free run, of which nothing is expected."""
        return self.started.what == "program" or self.part is None

    @property
    def submission(self) -> Submission:
        """What goes into the sandbox."""
        if self.started.what == "program" or self.part is None:
            # A free run may import what the tests' runs may.
            image = self.part.image if self.part else ""
            return program_submission(self.source, self.started.stdin, image)
        return submission_for(self.part, self.source, self.started.what)


@dataclass(slots=True)
class _Tally:
    """What a run has come to so far."""

    job: Job
    submission: Submission
    judged: list[TestJudged] = field(default_factory=list)
    unsettled: dict[str, tuple[Outcome, Judgement]] = field(default_factory=dict)
    """What only the author's checker can judge, by test."""
    program: Outcome | None = None
    printed: Counter[str] = field(default_factory=Counter)
    """Bytes of output, by test."""
    begun: bool = False
    stop_requested: bool = False

    def events(self, message: RunEvent) -> list[AnyEvent]:
        self.begun = True
        part = self.job.part
        if isinstance(message, InputWanted):
            return [InputAwaited(run=self.job.started.run)]
        if isinstance(message, Output):
            return [self._written(message)]
        if part is None or self.job.is_program:
            return self._program_ended(message)
        judgement = judge(part, part.case(message.test), message)
        if judgement.question is not None:
            self.unsettled[message.test] = (message, judgement)
            return []
        return self._told([self._judged(part, message, judgement)])

    def _told(self, events: Sequence[TestJudged]) -> list[AnyEvent]:
        """Keep these verdicts; those on visible tests are told at once."""
        self.judged += events
        return [event for event in events if event.visible]

    @property
    def waits_for_checker(self) -> bool:
        """Whether there is anything to ask the author's checker, and still somebody to be told."""
        return bool(self.unsettled) and not self.stop_requested

    def settle(self, part: Part, settled: Mapping[str, Judgement]) -> list[AnyEvent]:
        """The verdicts that waited for the checker, now that it has spoken."""
        events = [
            msgspec.structs.replace(self._judged(part, outcome, settled[test]), checked=True)
            for test, (outcome, _) in self.unsettled.items()
        ]
        self.unsettled.clear()
        return self._told(events)

    def _written(self, output: Output) -> OutputWritten:
        part = self.job.part
        self.printed[output.test] += len(output.text.encode("utf-8", "replace"))
        written = OutputWritten(
            run=self.job.started.run,
            stream=output.stream,
            text=output.text,
            cut=self.printed[output.test] >= self.submission.limits.output_bytes,
        )
        if part is None or self.job.is_program:
            return written
        visible = part.group_of(output.test).visible
        return msgspec.structs.replace(written, test=output.test, visible=visible)

    def _program_ended(self, outcome: Outcome) -> list[AnyEvent]:
        self.program = outcome
        if outcome.error is None:
            return []
        text = outcome.error.traceback.rstrip("\n") + "\n"
        return [OutputWritten(run=self.job.started.run, stream="stderr", text=text)]

    @property
    def accepts(self) -> Callable[[Outcome], bool] | None:
        """Whether a test that shared its process with others passed; else it is run alone.

        None where nobody can tell yet, because a checker is asked afterwards: then no test
        shares its process.
        """
        part = self.job.part
        if part is None or part.compare.kind == "checker":
            return None
        return lambda outcome: (
            judge(part, part.case(outcome.test), outcome).verdict is Verdict.ACCEPTED
        )

    def _judged(self, part: Part, outcome: Outcome, judgement: Judgement) -> TestJudged:
        case, group = part.case(outcome.test), part.group_of(outcome.test)
        return TestJudged(
            run=self.job.started.run,
            test=case.id,
            group=group.name,
            visible=group.visible,
            verdict=judgement.verdict,
            time_ms=round(outcome.time_ms, 1),
            memory_bytes=outcome.memory_bytes,
            name=case.name,
            input=_input(part, case),
            expected=judgement.expected,
            got=judgement.got,
            detail=judgement.detail,
            line=outcome.error.line if outcome.error else None,
        )

    def hidden(self) -> list[AnyEvent]:
        """The judgements on hidden tests, told together at the end of the run.

        One by one their times of arrival would tell how long each took, and with that, by a
        program that sleeps as long as its input says, the inputs themselves.
        """
        return [event for event in self.judged if not event.visible]

    def finished(self) -> RunFinished:
        """The end of a run that the sandbox saw through, as far as it was let."""
        if self.program is not None:
            return self._program_finished(self.program)
        wanted = len(self.submission.tests)
        if self.job.is_program or len(self.judged) < wanted:
            return self.cut_short()
        return self._tests_finished(overall(Verdict(event.verdict) for event in self.judged))

    def cut_short(self) -> RunFinished:
        """The end of a run whose tests were not all run."""
        if self.stop_requested:
            return self._tests_finished(Verdict.STOPPED)
        return self.failed(Verdict.JUDGE_ERROR, "The sandbox ended before all tests had run.")

    def failed(self, verdict: Verdict, message: str) -> RunFinished:
        """The end of a run that the platform could not perform."""
        return msgspec.structs.replace(self._tests_finished(verdict), message=message)

    def _program_finished(self, outcome: Outcome) -> RunFinished:
        judgement = judge_program(outcome)
        time_ms = round(outcome.time_ms, 1)
        return RunFinished(
            run=self.job.started.run,
            verdict=judgement.verdict,
            time_ms=time_ms,
            memory_bytes=outcome.memory_bytes,
            visible_time_ms=time_ms,
            visible_memory_bytes=outcome.memory_bytes,
            passed=0,
            total=0,
            message="" if outcome.error else judgement.detail,
            exit_code=outcome.exit_code,
            line=outcome.error.line if outcome.error else None,
        )

    def _tests_finished(self, verdict: Verdict) -> RunFinished:
        groups = self._groups()
        visible = [event for event in self.judged if event.visible]
        return RunFinished(
            run=self.job.started.run,
            verdict=verdict,
            time_ms=_total_time_ms(self.judged),
            memory_bytes=_peak_memory_bytes(self.judged),
            visible_time_ms=_total_time_ms(visible),
            visible_memory_bytes=_peak_memory_bytes(visible),
            passed=sum(group.passed for group in groups),
            total=sum(group.total for group in groups),
            groups=groups,
        )

    def _groups(self) -> list[GroupResult]:
        if self.job.part is None or self.job.is_program:
            return []
        passed = [event.group for event in self.judged if event.verdict == Verdict.ACCEPTED]
        return [
            GroupResult(
                group=group.name,
                visible=group.visible,
                passed=passed.count(group.name),
                total=len(group.cases),
            )
            for group in self.job.part.groups
            if group.visible or self.job.started.what == "tests"
        ]


def _total_time_ms(judged: Sequence[TestJudged]) -> float:
    return round(sum(event.time_ms for event in judged), 1)


def _peak_memory_bytes(judged: Sequence[TestJudged]) -> int:
    return max((event.memory_bytes for event in judged), default=0)


def _input(part: Part, case: TestCase) -> str:
    """What a test gives the program, to be read by people."""
    if part.signature is None:
        return shortened(case.stdin)
    if isinstance(part.signature, ClassSignature):
        return shortened(shown_calls(part.signature, case.calls))
    arguments = ", ".join(shown(value) for value in case.args)
    return shortened(f"{part.signature.name}({arguments})")


class Performance:
    """A run under way. `perform` sees it to its end; the others reach into it."""

    def __init__(self, sandbox: Sandbox, job: Job, record: RecordEvents, owner: str = "") -> None:
        """`owner` is whose run it is, the room's name, for a line that is fair between rooms."""
        self._sandbox = sandbox
        self._owner = owner
        self._job = job
        self._record = record
        self._tally = _Tally(job, job.submission)
        self._asked: asyncio.Queue[StdinWritten | StopRequested] = asyncio.Queue()
        self._waiting: asyncio.Task[None] | None = None
        self._in_sandbox = False
        self._has_ended = False

    def ask(self, event: StdinWritten | StopRequested) -> None:
        """Hand the program what somebody typed, or stop it; also while it waits for a sandbox."""
        if self._has_ended:
            return
        if isinstance(event, StopRequested):
            self._tally.stop_requested = True
        if isinstance(event, StopRequested) and not self._in_sandbox and self._waiting:
            self._waiting.cancel()
        else:
            self._asked.put_nowait(event)

    async def perform(self) -> None:
        """Run the job and record its events, the last of which is `RunFinished`.

        Cancelling it destroys the container and records nothing more.
        """
        self._waiting = asyncio.create_task(self._see_through(), name=self._job.started.run)
        try:
            await self._waiting
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            await self._end(self._tally.cut_short())

    async def _see_through(self) -> None:
        """Attempt the run; what the platform fails is told as its own fault."""
        failure = ""
        for _ in range(ATTEMPTS):
            if self._tally.stop_requested:
                await self._end(self._tally.cut_short())
                return
            try:
                await self._attempt()
            except SandboxUnavailableError as error:
                log.warning("a run lost its sandbox", room=self._owner, error=str(error))
                failure = IMAGE_MISSING if isinstance(error, ImageMissingError) else SANDBOX_AWAY
                break
            except SandboxError as error:
                log.warning("a run failed in its sandbox", room=self._owner, error=str(error))
                failure = SANDBOX_FAILED
                if self._tally.begun:
                    break
            else:
                return
        await self._end(self._tally.failed(Verdict.JUDGE_ERROR, failure))

    async def _attempt(self) -> None:
        place = PlaceInLine(self._job.started.run, self._record)
        asked = self._sandbox.run(
            self._tally.submission,
            owner=self._owner,
            on_waiting=place.moved,
            accepts=self._tally.accepts,
        )
        async with place, asked as run:
            await place.reached()
            self._in_sandbox = True
            control = asyncio.create_task(self._control(run))
            try:
                async for batch in batches_of(run):
                    events = joined(e for message in batch for e in self._tally.events(message))
                    await self._record(events)
                if not self._tally.waits_for_checker:
                    # Nobody has to wait until the container is gone.
                    await self._end(self._tally.finished())
            finally:
                self._in_sandbox = False
                control.cancel()
                await asyncio.gather(control, return_exceptions=True)
        await self._ask_checker()

    async def _ask_checker(self) -> None:
        """Let the author's checker judge what waits for it, now that its turn is free again.

        Stop, meanwhile, cancels this as it does a run that waits for a container.
        """
        part, tally = self._job.part, self._tally
        if part is not None and tally.waits_for_checker:
            waiting = {test: judgement for test, (_, judgement) in tally.unsettled.items()}
            settled = await settled_by_checker(self._sandbox, part, waiting, self._owner)
            await self._record(tally.settle(part, settled))
        await self._end(self._tally.finished())

    async def _end(self, finished: RunFinished) -> None:
        if not self._has_ended:
            self._has_ended = True
            await self._record([*self._tally.hidden(), finished])

    async def _control(self, run: Run) -> None:
        while True:
            event = await self._asked.get()
            if isinstance(event, StopRequested):
                await run.stop()
                continue
            if event.text:
                await run.write_stdin(event.text)
            if event.eof:
                await run.close_stdin()
