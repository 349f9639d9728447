"""Runs submissions in a real pool and keeps what came of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from sandbox.contract import Limits, Mode, Outcome, Output, RunEvent, Submission, TestInput
from sandbox.pool import Pool

QUICK = Limits(time_s=5.0)


@dataclass
class Record:
    """All events of one run."""

    events: list[RunEvent] = field(default_factory=list)

    @property
    def outcomes(self) -> list[Outcome]:
        return [event for event in self.events if isinstance(event, Outcome)]

    @property
    def outcome(self) -> Outcome:
        (only,) = self.outcomes
        return only

    @property
    def value(self) -> Any:
        outcome = self.outcome
        assert outcome.value is not None, outcome
        return json.loads(outcome.value)

    def text(self, stream: str = "stdout") -> str:
        return "".join(
            event.text
            for event in self.events
            if isinstance(event, Output) and event.stream == stream
        )


@dataclass
class Runs:
    """Starts runs in a pool and collects them to their ends."""

    pool: Pool

    async def submit(self, submission: Submission) -> Record:
        record = Record()
        async with self.pool.run(submission) as run:
            async for event in run:
                record.events.append(event)
        return record

    async def program(
        self, source: str, *stdin: str, limits: Limits = QUICK, mode: Mode = Mode.PROGRAM
    ) -> Record:
        """One test per text of standard input; without any, one with nothing on it."""
        tests = tuple(TestInput(str(i), stdin=text) for i, text in enumerate(stdin or ("",)))
        return await self.submit(Submission(source, mode, tests, limits))

    async def call(
        self, source: str, *calls: list[Any], entry: str = "f", limits: Limits = QUICK
    ) -> Record:
        """One test per list of arguments; without any, one without arguments."""
        tests = tuple(TestInput(str(i), args=args) for i, args in enumerate(calls or ([],)))
        signature = f"{entry}(…)"
        return await self.submit(Submission(source, Mode.FUNCTION, tests, limits, entry, signature))

    async def answer(self, expression: str, setup: str = "") -> Any:
        """What `expression` comes to inside a container, after the statements of `setup`."""
        body = "\n".join(f"    {line}" for line in [*setup.splitlines(), f"return {expression}"])
        return (await self.call(f"def f():\n{body}\n")).value
