"""`viva sandbox run` and `viva sandbox doctor`: the sandbox from the command line, as it is."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sandbox.checks import Check, State
from sandbox.contract import KIB, MIB, Limits, Mode, SandboxError, Submission, TestInput
from sandbox.doctor import Report, examine
from server import terminal
from server.core.errors import VivaError
from server.sandboxes import engine_settings, open_sandbox
from server.settings import Settings

commands = typer.Typer(help="The sandbox by itself.", no_args_is_help=True)

SOURCE_BYTES = MIB
NO_SANDBOX = 3
"""The exit status where it is the platform that failed, not the program."""
TYPED_TIME_S = 60.0
TIME_S = 10.0
MEMORY_MB = Limits().memory_bytes // MIB
STYLES = {State.OK: "green", State.ADVICE: "yellow", State.BAD: "bold red"}

out = Console(highlight=False)
err = Console(highlight=False, soft_wrap=True, stderr=True)


@commands.command("run")
def run(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A Python program; - for stdin.")],
    time: Annotated[
        float | None,
        typer.Option(
            help="Seconds it may take; 10 by default, 60 where input is typed.", min=0.1, max=3600
        ),
    ] = None,
    memory: Annotated[
        int, typer.Option(help="Memory that it may use, in MiB.", min=16, max=65_536)
    ] = MEMORY_MB,
) -> None:
    """Run FILE in a container made for it alone; its input, output and exit status are its own.

    Exit status: the program's; 1 after an exception, 124 time limit, 137 memory limit, 153 output
    limit, 130 stopped by Ctrl-C, 128 + n ended by signal n; 3 where there is no sandbox.
    """
    source = _source(file)
    typed = file != "-" and terminal.input_comes_as_it_is_typed()
    usual_s = TYPED_TIME_S if typed and os.isatty(0) else TIME_S
    limits = Limits(time or usual_s, memory * MIB)

    async def work(settings: Settings) -> int:
        stdin = "" if typed or file == "-" else terminal.whole_input()
        mode = Mode.INTERACTIVE if typed else Mode.PROGRAM
        name = "stdin" if file == "-" else Path(file).name
        test = TestInput("program", stdin=stdin)
        submission = Submission(source, mode, (test,), limits, filename=name)
        async with open_sandbox(replace(settings, sandbox_runs=1, sandbox_warm=1)) as sandbox:
            return await terminal.run_here(sandbox, submission)

    raise typer.Exit(_status_of(work))


@commands.command("doctor")
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Look whether programs can run here and whether every limit is really in force.

    Exit status 0 only where all of it is.
    """

    async def work(settings: Settings) -> int:
        report = await examine(
            engine_settings(settings), settings.sandbox_runs, settings.sandbox_warm
        )
        switch = Check("VIVA_SANDBOX", State.BAD, "off", "Unset it: running is switched off.")
        if not settings.sandbox:
            report.checks.insert(0, switch)
        tell = _tell_json if as_json else _tell_table
        tell(report)
        return 0 if report.is_ok else 1

    raise typer.Exit(_status_of(work))


def _tell_json(report: Report) -> None:
    times = asdict(report.times) if report.times else None
    checks = [asdict(check) for check in report.checks]
    told = {"ok": report.is_ok, "checks": checks, "times": times}
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


def _tell_table(report: Report) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for check in report.checks:
        found = Text(check.found)
        if check.mend:
            found.append(f"\n{check.mend}", style="italic")
        table.add_row(Text(check.state, style=STYLES[check.state]), Text(check.name), found)
    if times := report.times:
        told = (
            f"{times.first_output_ms:.1f} ms to the first output, {times.run_ms:.1f} ms in all, "
            f"in a ready container; {times.making_ms:.0f} ms to make one"
        )
        table.add_row("", "time of one run", Text(told))
    out.print(table)
    bad = sum(check.state is State.BAD for check in report.checks)
    verdict = f"Not everything is in force: {bad} of {len(report.checks)} are bad."
    out.print("Programs run here, and every limit is in force." if report.is_ok else verdict)


def _status_of(work: Callable[[Settings], Coroutine[Any, Any, int]]) -> int:
    """The exit status that `work` comes to; what fails is one clear line."""
    try:
        return uvloop.run(work(Settings.from_environment(os.environ)))
    except (VivaError, SandboxError) as error:
        err.print(f"viva: {error}", markup=False)
        return NO_SANDBOX
    except KeyboardInterrupt:
        return terminal.INTERRUPTED


def _source(file: str) -> str:
    """The text of FILE; what is wrong with it is told as the command line's other mistakes are."""
    try:
        if file == "-":
            data = sys.stdin.buffer.read(SOURCE_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(SOURCE_BYTES + 1)
    except IsADirectoryError:
        raise typer.BadParameter(f"{file} is a folder; name a Python file in it.") from None
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}.") from None
    if len(data) > SOURCE_BYTES:
        raise typer.BadParameter(f"{file} is longer than {SOURCE_BYTES // KIB} KiB.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise typer.BadParameter(f"{file} is not UTF-8 text; see its line {line}.") from None
