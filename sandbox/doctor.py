"""Whether this machine's sandbox holds what it promises: looked at from inside a real container.

Nothing is taken on trust: each limit is read, or tried, by `probe` in a container that is made as
those for programs are, and what it found is judged by `checks`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from sandbox.checks import (
    Answers,
    Check,
    State,
    container_checks,
    engine_checks,
    image_check,
    inside_checks,
    room_check,
)
from sandbox.container import USER_IDS, Container, EngineSettings
from sandbox.contract import (
    ImageMissingError,
    ImageName,
    Limits,
    Mode,
    Outcome,
    Output,
    RunEvent,
    SandboxError,
    SandboxUnavailableError,
    Submission,
    TestInput,
)
from sandbox.engine import Engine
from sandbox.run import PoolRun

LIMITS = Limits(time_s=10.0)
HELLO = Submission("print('hi')", Mode.PROGRAM, (TestInput("hello"),), LIMITS)
TIMED_RUNS = 5


@dataclass(frozen=True, slots=True)
class Times:
    """How long things took, in milliseconds; each the median of `TIMED_RUNS`."""

    first_output_ms: float
    """From handing a program to a ready container to what it prints."""
    run_ms: float
    """To its outcome."""
    making_ms: float
    """Making a container, until it stands ready. Nobody waits for it where one does."""


@dataclass(slots=True)
class Report:
    """Everything that was looked at, in order."""

    checks: list[Check] = field(default_factory=list)
    times: Times | None = None

    @property
    def is_ok(self) -> bool:
        """Whether a run was possible and all that protects it is in force."""
        return self.times is not None and all(c.state is not State.BAD for c in self.checks)


async def examine(
    settings: EngineSettings, runs: int | None = None, warm: int | None = None
) -> Report:
    """Look at everything that can be looked at; what fails is a check that says so.

    `runs` and `warm` are the pool's sizes, where they are set; see `sizes`.
    """
    report = Report()
    async with Engine(settings) as engine:
        try:
            async for check in _checks(engine, runs, warm):
                report.checks.append(check)
            report.times = await _times(engine)
        except SandboxUnavailableError as error:
            report.checks.append(Check("sandbox", State.BAD, "it cannot run", str(error)))
        except SandboxError as error:
            report.checks.append(Check("container", State.BAD, str(error), _mend(error)))
    return report


def _mend(error: SandboxError) -> str:
    if "unmapped user" in str(error):  # runc's words
        return (
            "This engine remaps users: give it subordinate ids up to "
            f"{USER_IDS.stop:,} in /etc/subuid and /etc/subgid, then start it again."
        )
    return "If this goes on, the engine's own log says more."


async def _checks(engine: Engine, runs: int | None, warm: int | None) -> AsyncIterator[Check]:
    settings, memory_bytes = engine.settings, LIMITS.memory_bytes
    facts = await engine.facts()
    for check in engine_checks(facts, settings):
        yield check
    yield room_check(facts, runs, warm)
    image = await engine.image()
    removed = await engine.remove_leftovers()
    left = f"{removed} removed just now" if removed else "none"
    yield Check("left over from earlier", State.OK, left)
    async with engine.container(memory_bytes) as container:
        made = await engine.inspect(container)
        answers = await look_inside(container)
    yield image_check(image, settings.image, answers)
    yield await larger_image(engine)
    for check in (
        *container_checks(made),
        *inside_checks(answers, memory_bytes, settings, os.getuid()),
    ):
        yield check


async def larger_image(engine: Engine) -> Check:
    """Whether the image is there that only some problems ask for."""
    try:
        image = await engine.image("data")
    except ImageMissingError as error:
        return Check("larger image", State.ADVICE, "none", f"For problems that want it: {error}.")
    tags = ", ".join(image.tags) or engine.settings.data_image
    return Check("larger image", State.OK, f"{tags}, built {image.built}")


async def look_inside(container: Container) -> Answers:
    """What the probe finds in a ready container. Raises `SandboxError` where it cannot look."""
    source = Path(__file__).with_name("probe.py").read_text()
    probe = Submission(source, Mode.FUNCTION, (TestInput("probe"),), LIMITS, entry="look")
    outcome = (await _run(container, probe))[-1][1]
    if not isinstance(outcome, Outcome) or outcome.value is None:
        raise SandboxError(f"The program that looks around failed: {outcome}")
    answers: Answers = json.loads(outcome.value)
    return answers


async def _times(engine: Engine) -> Times:
    taken: list[tuple[float, float, float]] = []
    for _ in range(TIMED_RUNS):
        began = time.perf_counter()
        async with engine.container(LIMITS.memory_bytes) as container:
            making_ms = (time.perf_counter() - began) * 1000
            events = await _run(container, HELLO)
            first_ms = next((ms for ms, event in events if isinstance(event, Output)), None)
            if first_ms is None:
                raise SandboxError(f"A program that prints was not heard: {events[-1][1]}")
            taken.append((first_ms, events[-1][0], making_ms))
    first, whole, making = zip(*taken, strict=True)
    return Times(median(first), median(whole), median(making))


async def _run(container: Container, submission: Submission) -> list[tuple[float, RunEvent]]:
    """What comes of running `submission` in a ready container, each with its milliseconds."""
    began = time.perf_counter()
    run = PoolRun(_NoSupply(), submission, None)
    run.use(container)
    return [((time.perf_counter() - began) * 1000, event) async for event in run]


class _NoSupply:
    """For a run that has one container and no other, whose end is not its own business."""

    async def another(self, memory_bytes: int, image: ImageName) -> Container:  # noqa: ARG002
        """Raise `SandboxError`."""
        raise SandboxError("The container died.")

    async def check(self) -> None:
        """Raise `SandboxError`: what runs here ends at once, so a lapse of time is no program's."""
        raise SandboxError("A container did not answer in time.")

    async def ran_out_of_memory(self, container: Container, since: float) -> bool:  # noqa: ARG002
        """No: what runs here uses next to none."""
        return False

    def bury(self, container: Container) -> None:
        """Cut its stream, which ends it."""
        container.hang_up()
