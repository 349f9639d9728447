"""A sandbox without walls for trusted test code: it runs functions in this very process.

A program says itself how long it would take, by a global `COST_S`, so that no test depends on how
fast this machine is.
"""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from sandbox.contract import Ended, ImageMissingError, Outcome, ProgramError, Submission, TestInput


class InProcessRun:
    """One submission, run while it is iterated over."""

    def __init__(self, submission: Submission) -> None:
        self._submission = submission

    async def __aiter__(self) -> AsyncIterator[Outcome]:
        for test in self._submission.tests:
            yield _outcome(self._submission, test)

    async def write_stdin(self, text: str) -> None:
        """Nothing here reads."""

    async def close_stdin(self) -> None:
        """Nothing here reads."""

    async def stop(self) -> None:
        """Everything has ended by itself."""


class InProcessSandbox:
    """See `sandbox.contract.Sandbox`."""

    available = True
    why_unavailable: str | None = None

    @asynccontextmanager
    async def run(
        self,
        submission: Submission,
        *,
        owner: str = "",  # noqa: ARG002  # there is no line and no batch here
        on_waiting: Callable[[int], None] | None = None,  # noqa: ARG002
        accepts: Callable[[Outcome], bool] | None = None,  # noqa: ARG002
    ) -> AsyncIterator[InProcessRun]:
        """Run a submission in function mode."""
        yield InProcessRun(submission)


class WithoutDataSandbox(InProcessSandbox):
    """Has the usual image alone."""

    @asynccontextmanager
    async def run(self, submission: Submission, **options: Any) -> AsyncIterator[InProcessRun]:
        """Refuse what asks for another image."""
        if submission.image:
            raise ImageMissingError("The image is not there; build it.")
        async with super().run(submission, **options) as run:
            yield run


class SilentSandbox(InProcessSandbox):
    """Loses every outcome."""

    @asynccontextmanager
    async def run(
        self,
        submission: Submission,
        *,
        owner: str = "",  # noqa: ARG002  # there is no line and no batch here
        on_waiting: Callable[[int], None] | None = None,  # noqa: ARG002
        accepts: Callable[[Outcome], bool] | None = None,  # noqa: ARG002
    ) -> AsyncIterator[InProcessRun]:
        """Run nothing."""
        yield InProcessRun(Submission(submission.source, submission.mode, ()))


def _outcome(submission: Submission, test: TestInput) -> Outcome:
    names: dict[str, Any] = {}
    exec(submission.source, names)  # noqa: S102 - the tests' own code
    cost_s = names.get("COST_S", lambda *_: 0.0)(*test.args)
    limits = test.limits or submission.limits
    common = {
        "test": test.id,
        "time_ms": cost_s * 1000,
        "cpu_ms": cost_s * 1000,
        "memory_bytes": 1_000_000,
    }
    if cost_s > limits.time_s:
        return Outcome(ended=Ended.TIME_LIMIT, **common)
    try:
        value = names[submission.entry](*copy.deepcopy(test.args))
    except (LookupError, TypeError, ValueError) as error:
        told = ProgramError(type(error).__name__, str(error), f"Traceback …\n{error!r}")
        return Outcome(ended=Ended.RAISED, error=told, **common)
    return Outcome(ended=Ended.RETURNED, value=json.dumps(value), **common)
