"""What a server asks of a sandbox, and what it hears back.

Standard library only: the server, a worker on another machine and the tests all speak this, and
nothing here knows of Docker. A `Submission` goes in; `Output` and one `Outcome` per test come
out, in the order in which they happened. No expected answer is ever part of a submission.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol, TypeAlias

KIB = 1024
MIB = 1024 * KIB

Stream = Literal["stdout", "stderr"]
ImageName: TypeAlias = Literal["", "data"]
"""The usual image, or a larger one, which holds more packages; see docs/sandbox.md."""


class SandboxError(Exception):
    """The platform, not the program, failed: no engine, no image, a container that died."""


class SandboxUnavailableError(SandboxError):
    """There is no sandbox to run in: the engine is away, or running is switched off."""


class ImageMissingError(SandboxUnavailableError):
    """The image that a submission asks for is not there; those of other images may run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one test may use. A run as a whole has its own caps on top."""

    time_s: float = 2.0
    memory_bytes: int = 256 * MIB
    output_bytes: int = 64 * KIB


class Mode(StrEnum):
    """How a test's input reaches the program."""

    FUNCTION = "function"
    """`source` is imported, then `entry` is called with `args`; its return value is the result."""
    CLASS = "class"
    """`source` is imported, an object of its class `entry` is made and its methods are called, as
    the list `args` says: `[["new", 2, 10], ["allow", "shop1", 0]]`. The result is the list of what
    they returned, with null for `new`."""
    PROGRAM = "program"
    """`source` runs as `__main__` with `stdin` given whole; what it prints is the result."""
    INTERACTIVE = "interactive"
    """As `PROGRAM`, but stdin stays open for what is typed while the program runs."""

    @property
    def is_called(self) -> bool:
        """Whether the tests call something in the program, and what it returns counts."""
        return self in (Mode.FUNCTION, Mode.CLASS)


@dataclass(frozen=True, slots=True)
class TestInput:
    """One test as the program sees it: its input, and nothing of what is expected."""

    __test__ = False  # pytest collects classes named Test...; this is not one

    id: str
    args: list[Any] = field(default_factory=list)
    """JSON values: one per parameter of `entry` (function mode), or one per call (class mode)."""
    stdin: str = ""
    """What stands on standard input (program and interactive mode)."""
    limits: Limits | None = None
    """In place of the submission's, where this test has its own."""
    batch: str = ""
    """Tests of one batch may meet each other's inputs: neighbours may share a process (function
    mode, and only where the caller can tell a right outcome; see `Sandbox.run`). Hidden and visible
    tests are never of one batch. The empty text stands for a process of its own, always."""


@dataclass(frozen=True, slots=True)
class Submission:
    """Source, inputs and limits at one version of a document."""

    source: str
    mode: Mode
    tests: tuple[TestInput, ...]
    """In the order in which they run, one after another in one container. A program can tell later
    tests about those before, so those whose output is shown come before those that are hidden."""
    limits: Limits = Limits()
    entry: str = ""
    """The function to call, or the class to make an object of."""
    signature: str = ""
    """How the tests call it, for a message: `allocate(stock, orders)`."""
    filename: str = "main.py"
    """What tracebacks call the source."""
    image: ImageName = ""

    def limits_of(self, test: TestInput) -> Limits:
        """The limits in force for one of its tests."""
        return test.limits or self.limits

    @property
    def memory_bytes(self) -> int:
        """The most that any of its tests may use."""
        return max(
            self.limits.memory_bytes, *(self.limits_of(t).memory_bytes for t in self.tests), 0
        )


class Ended(StrEnum):
    """How a test's process came to its end; what to make of it is the judge's business."""

    RETURNED = "returned"
    """Function and class mode: a value came back."""
    EXITED = "exited"
    """Program modes: the process exited by itself; see `exit_code`."""
    RAISED = "raised"
    """An exception nobody caught, a syntax error or a missing function; see `error`."""
    SIGNALLED = "signalled"
    """A signal ended it (a segmentation fault, say); see `signal`."""
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    STOPPED = "stopped"
    """The person pressed Stop."""


@dataclass(frozen=True, slots=True)
class ProgramError:
    """An exception of the candidate's program, told without the platform's own frames."""

    type: str
    """The exception's class name, e.g. `ZeroDivisionError`."""
    message: str
    traceback: str
    """The candidate's own frames only, as Python prints them, the last line included."""
    line: int | None = None
    """The line of the source to mark, counted from 1."""


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of what a test printed, as it came; undecodable bytes are U+FFFD."""

    test: str
    stream: Stream
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The raw result of one test. The verdict is the judge's, in the server."""

    test: str
    ended: Ended
    time_ms: float
    """Wall-clock time of the test."""
    cpu_ms: float
    memory_bytes: int
    """Peak resident memory of the test's process."""
    value: str | None = None
    """Function and class mode: what was returned, as JSON text; to be decoded with caps, and never
    trusted.

    At most 1 MiB. It comes from the program's own process: a forged one may be no JSON at all.
    """
    stdout: str = ""
    """Program modes: what was printed, up to `output_bytes`."""
    error: ProgramError | None = None
    exit_code: int | None = None
    signal: int | None = None
    output_dropped_bytes: int = 0
    """How much was printed past the test's cap, or past the whole run's and so not streamed."""
    waited_for_input: bool = False
    """At its end the program was blocked reading standard input."""


@dataclass(frozen=True, slots=True)
class InputWanted:
    """Interactive mode: the program waits for something to be typed. Told once for each wait."""

    test: str


RunEvent = Output | InputWanted | Outcome
"""What a run says, in the order in which it happens."""


class Run(Protocol):
    """A submission under way. Iterate it to the end; leaving its block destroys the container."""

    def __aiter__(self) -> AsyncIterator[RunEvent]:
        """Yield output and outcomes as they happen; raise `SandboxError` if the platform fails."""
        ...

    async def write_stdin(self, text: str) -> None:
        """Type `text` into the program (interactive mode); ignored once the program has ended."""
        ...

    async def close_stdin(self) -> None:
        """End of file on standard input."""
        ...

    async def stop(self) -> None:
        """Kill the program: the test under way ends as `STOPPED` and no further one starts.

        Between two tests, or before the first, none is under way and no outcome says `STOPPED`.
        """
        ...


class Sandbox(Protocol):
    """Somewhere that submissions run: the pool in this process, or a queue to other machines."""

    def run(
        self,
        submission: Submission,
        *,
        owner: str = "",
        on_waiting: Callable[[int], None] | None = None,
        accepts: Callable[[Outcome], bool] | None = None,
    ) -> AbstractAsyncContextManager[Run]:
        """Start `submission` in a container of its own, as soon as there is one.

        Whoever has the fewest runs under way is next; `owner` says whose this one is, a room's id.
        While it has to wait, `on_waiting` is told its place in line, 1 for the next, once for each
        change; nothing is told to one that need not wait.

        With `accepts`, tests of one batch may share a process. It is asked about each of their
        outcomes, and one that it does not accept counts for nothing: that test is run again alone,
        so that no verdict depends on what another test left behind. Where it accepts what comes of
        that, the whole batch counts for nothing and is run again, each test alone, in another
        container: a program has one guess at each test, whatever it knows of where it runs.

        Raises `SandboxUnavailableError` on entry where there is nothing to run in, and of its
        kind `ImageMissingError` where only the image that `submission` asks for is missing.
        """
        ...

    @property
    def available(self) -> bool:
        """Whether a run started now has a chance; what `/healthz` and Run's button say."""
        ...

    @property
    def why_unavailable(self) -> str | None:
        """What is wrong and how to mend it, for people; None while runs work."""
        ...
