"""A program run in the sandbox as if it ran on this terminal: what it prints comes as it is
printed, what is typed or piped goes to it, Ctrl-C stops it, and its exit status is ours.

Standard input that is a terminal or a pipe is passed on as it comes; all else, a file say, is
given whole, so that it can be of any size that a container takes.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from sandbox.contract import (
    KIB,
    MIB,
    Ended,
    Limits,
    Mode,
    Outcome,
    Output,
    Run,
    Sandbox,
    SandboxError,
    Stream,
    Submission,
)

READ_BYTES = 64 * KIB
WHOLE_INPUT_BYTES = 8 * MIB
KEPT_TYPED_BYTES = MIB
"""So much of what was passed on waits for a program that does not read it; the rest is dropped."""

INTERRUPTED = 128 + signal.SIGINT
TIMED_OUT = 124  # as coreutils' `timeout` has it
OUT_OF_MEMORY = 128 + signal.SIGKILL  # as after the kernel's own killing
TOO_MUCH_OUTPUT = 128 + signal.SIGXFSZ
NOBODY_READS = 128 + signal.SIGPIPE

_DESCRIPTORS: dict[Stream, int] = {"stdout": 1, "stderr": 2}
_SHOWN_CONTROLS = {
    **{code: f"^{chr(code ^ 64)}" for code in (*range(32), 127) if chr(code) not in "\t\n\r\b"},
    **{code: f"\\x{code:02x}" for code in range(128, 160)},
}
"""How control characters look on a terminal, which they would command otherwise."""


def input_comes_as_it_is_typed() -> bool:
    """Whether standard input is a terminal or a pipe, of which there may be more later."""
    if sys.stdin is None:  # closed by whoever started us; its number may be another file's by now
        return False
    mode = os.fstat(0).st_mode
    return os.isatty(0) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def whole_input() -> str:
    """All of a standard input that is a file. Raises `SandboxError` where it is too long."""
    if sys.stdin is None:
        return ""
    data = sys.stdin.buffer.read(WHOLE_INPUT_BYTES + 1)
    if len(data) > WHOLE_INPUT_BYTES:
        raise SandboxError(f"Standard input is longer than {WHOLE_INPUT_BYTES // MIB} MiB.")
    return data.decode("utf-8", "replace")


async def run_here(sandbox: Sandbox, submission: Submission) -> int:
    """Run a submission of one test; the exit status that this process should have.

    Raises `SandboxError` where the platform fails.
    """
    async with sandbox.run(submission) as run:
        interrupted = asyncio.Event()
        # It stays to the end: the little that is left to do then is not to be interrupted.
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
        async with _beside(_stop_when(interrupted, run), _pass_on_input(run, submission.mode)):
            try:
                outcome = await _show(run)
            except BrokenPipeError:
                return NOBODY_READS
    _write("stderr", _account(outcome, submission.limits))
    return exit_status(outcome)


async def _show(run: Run) -> Outcome:
    """Write what comes, in a thread: a terminal that is held must not hold the run as well."""
    async for event in run:
        if isinstance(event, Outcome):
            return event
        if isinstance(event, Output):
            await asyncio.to_thread(_write, event.stream, event.text)
    return Outcome("", Ended.STOPPED, 0.0, 0.0, 0)  # before it began


async def _stop_when(interrupted: asyncio.Event, run: Run) -> None:
    await interrupted.wait()
    await run.stop()


async def _pass_on_input(run: Run, mode: Mode) -> None:
    if mode is not Mode.INTERACTIVE:
        return
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    passed_on = 0
    async for data in _standard_input():
        passed_on += len(data)
        await run.write_stdin(decoder.decode(data))
    await run.write_stdin(decoder.decode(b"", final=True))
    await run.close_stdin()
    if passed_on > KEPT_TYPED_BYTES:
        _tell(
            "of more than 1 MiB from a pipe, what a program is slow to read is lost; "
            "give it as a file instead: < FILE"
        )


async def _standard_input() -> AsyncIterator[bytes]:
    """Pieces of standard input as they come, until its end or that of its terminal.

    Neither does a read block, nor is the descriptor set to be non-blocking: its other owners, the
    shell for one, would find it so.
    """
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    while True:
        readable.clear()
        loop.add_reader(0, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(0)
        try:
            data = os.read(0, READ_BYTES)
        except OSError:  # the terminal is gone, or this is in its background
            return
        if not data:
            return
        yield data


@asynccontextmanager
async def _beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do `work` while the block lasts."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)  # what one of them may have raised, asyncio tells


def _write(stream: Stream, text: str) -> None:
    """Write to this process's own stream, past all buffers."""
    descriptor = _DESCRIPTORS[stream]
    left = memoryview((harmless(text) if os.isatty(descriptor) else text).encode())
    while left:
        left = left[os.write(descriptor, left) :]


def harmless(text: str) -> str:
    """`text` without the control characters by which a program could command a terminal."""
    return text.translate(_SHOWN_CONTROLS)


def exit_status(outcome: Outcome) -> int:
    """What a shell is told: the program's own status, or 128 and more as shells have it."""
    match outcome.ended:
        case Ended.EXITED:
            return outcome.exit_code or 0
        case Ended.SIGNALLED:
            return 128 + (outcome.signal or 0)
        case Ended.TIME_LIMIT:
            return TIMED_OUT
        case Ended.MEMORY_LIMIT:
            return OUT_OF_MEMORY
        case Ended.OUTPUT_LIMIT:
            return TOO_MUCH_OUTPUT
        case Ended.STOPPED:
            return INTERRUPTED
        case _:
            return 1


def _account(outcome: Outcome, limits: Limits) -> str:
    """What is to be said of a program's end beyond what it printed; often nothing."""
    said = outcome.error.traceback.rstrip("\n") + "\n" if outcome.error else ""
    reason = _reason(outcome, limits)
    return said + (f"viva: {reason}\n" if reason else "")


def _reason(outcome: Outcome, limits: Limits) -> str:
    match outcome.ended:
        case Ended.TIME_LIMIT:
            waited = "; it was waiting for input" if outcome.waited_for_input else ""
            return f"stopped after {limits.time_s:g} s (time limit){waited}"
        case Ended.MEMORY_LIMIT:
            return f"it needed more than {limits.memory_bytes // MIB} MiB (memory limit)"
        case Ended.OUTPUT_LIMIT:
            dropped = f"{outcome.output_dropped_bytes:,} bytes more were dropped"
            return (
                f"it printed more than {limits.output_bytes // KIB} KiB (output limit); {dropped}"
            )
        case Ended.SIGNALLED:
            return f"ended by {_signal_name(outcome.signal or 0)}"
        case Ended.STOPPED:
            return "stopped"
        case _:
            return ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tell(message: str) -> None:
    _write("stderr", f"viva: {message}\n")
