"""A sandbox whose programs are over soon: what runs bring is not what is fuzzed, only when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sandbox.contract import Ended, Mode, Outcome, Output, Submission
from tests.scripted import outcome


class ShortPrograms:
    """Each program prints a line; an interactive one first waits to be typed into, or stopped."""

    available = True
    why_unavailable = None

    @asynccontextmanager
    async def run(
        self,
        submission: Submission,
        *,
        owner: str = "",  # noqa: ARG002
        on_waiting: Callable[[int], None] | None = None,  # noqa: ARG002
        accepts: Callable[[Outcome], bool] | None = None,  # noqa: ARG002
    ) -> AsyncIterator[ShortRun]:
        """Start one; there is always room."""
        yield ShortRun(submission)


class ShortRun:
    """One such program."""

    def __init__(self, submission: Submission) -> None:
        self._submission = submission
        self._over = asyncio.Event()
        self._ended = Ended.EXITED
        if submission.mode is not Mode.INTERACTIVE:
            self._over.set()

    async def __aiter__(self) -> AsyncIterator[Output | Outcome]:
        for test in self._submission.tests:
            yield Output(test.id, "stdout", "a line\n")
            await self._over.wait()
            yield outcome(test, self._ended)
            if self._ended is Ended.STOPPED:
                return

    async def write_stdin(self, text: str) -> None:  # noqa: ARG002
        """That is what it waited for."""
        self._over.set()

    async def close_stdin(self) -> None:
        """So is that."""
        self._over.set()

    async def stop(self) -> None:
        """Over at once."""
        self._ended = Ended.STOPPED
        self._over.set()
