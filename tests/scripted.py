"""A sandbox whose programs are scripts of the test: a shipped seam, no container."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sandbox.contract import Ended, Outcome, Output, SandboxError, Submission, TestInput


class ScriptedRun:
    """Plays what `ScriptedSandbox.say` was given; what is typed and Stop can be awaited."""

    def __init__(self, submission: Submission, script: asyncio.Queue[object]) -> None:
        self.submission = submission
        self.typed: asyncio.Queue[str | None] = asyncio.Queue()
        self._script = script
        self._stopped = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[Output | Outcome]:
        while True:
            said = await self._next()
            if said is None:
                return
            if isinstance(said, SandboxError):
                raise said
            if isinstance(said, Output | Outcome):
                yield said
            if self._stopped.is_set():
                return

    async def _next(self) -> object:
        said = asyncio.create_task(self._script.get())
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait({said, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if said.done():
                return said.result()
            return outcome(self.submission.tests[0], Ended.STOPPED)
        finally:
            said.cancel()
            stopped.cancel()

    async def write_stdin(self, text: str) -> None:
        """Keep what was typed."""
        self.typed.put_nowait(text)

    async def close_stdin(self) -> None:
        """Keep that the input ended."""
        self.typed.put_nowait(None)

    async def stop(self) -> None:
        """End the run."""
        self._stopped.set()


@dataclass(frozen=True, slots=True)
class ScriptedWait:
    """A run in line: the test tells it its place, and lets it in or fails it."""

    owner: str
    tell: Callable[[int], None]
    let_in: asyncio.Future[None]


class ScriptedSandbox:
    """Runs what it is told; see `sandbox.contract.Sandbox`."""

    def __init__(self) -> None:
        self.available = True
        self.why_unavailable: str | None = None
        self.runs: asyncio.Queue[ScriptedRun] = asyncio.Queue()
        self.is_full = False
        """Whether runs have to wait in line, where the test finds them in `waiting`."""
        self.waiting: asyncio.Queue[ScriptedWait] = asyncio.Queue()
        self._script: asyncio.Queue[object] = asyncio.Queue()

    @asynccontextmanager
    async def run(
        self,
        submission: Submission,
        *,
        owner: str = "",
        on_waiting: Callable[[int], None] | None = None,
        accepts: Callable[[Outcome], bool] | None = None,  # noqa: ARG002
    ) -> AsyncIterator[ScriptedRun]:
        """Start a run, which the test can take from `runs`."""
        if self.is_full and on_waiting:
            wait = ScriptedWait(owner, on_waiting, asyncio.get_running_loop().create_future())
            self.waiting.put_nowait(wait)
            await wait.let_in
        run = ScriptedRun(submission, self._script)
        self.runs.put_nowait(run)
        yield run

    def say(self, *messages: Output | Outcome | SandboxError | None) -> None:
        """What the run under way, or the next one, brings; None ends it."""
        for message in messages:
            self._script.put_nowait(message)


def outcome(test: TestInput, ended: Ended, value: str | None = None) -> Outcome:
    """A plausible outcome of a test."""
    return Outcome(
        test=test.id,
        ended=ended,
        time_ms=1.5,
        cpu_ms=1.0,
        memory_bytes=9_000_000,
        value=value,
        exit_code=0 if ended is Ended.EXITED else None,
    )
