"""The command line: `viva serve`, `viva interview new`, `viva problems check`, `viva sandbox`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import uvloop
from pydantic import ValidationError
from rich.console import Console

from sandbox.contract import SandboxError
from sandbox.sizes import LEAST
from server import sandbox_cli
from server.core.errors import VivaError
from server.logs import configure_logs
from server.sandboxes import open_sandbox
from server.settings import Settings

if TYPE_CHECKING:
    from server.api import InterviewRequest
    from server.library import Library
    from server.problem_files.read import ProblemFileError

# What only one command needs is imported there: a program in the sandbox is over long before the
# web's packages are loaded.

cli = typer.Typer(
    help="Viva: live-coding interviews, self-hosted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
interview_commands = typer.Typer(help="Interviews.", no_args_is_help=True)
problem_commands = typer.Typer(help="Problem files.", no_args_is_help=True)
cli.add_typer(interview_commands, name="interview")
cli.add_typer(problem_commands, name="problems")
cli.add_typer(sandbox_cli.commands, name="sandbox")

out = Console(highlight=False, soft_wrap=True)
err = Console(highlight=False, soft_wrap=True, stderr=True)


class Language(StrEnum):
    """The languages that an interview can be held in."""

    EN = "en"
    FR = "fr"


class Format(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


@cli.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="The address to listen on; 127.0.0.1 by default.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="The port; 8000 by default, 0 for a free one.", min=0, max=65535),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The folder of the database; ./data by default.")
    ] = None,
    problems: Annotated[
        Path | None, typer.Option(help="The folder of the problems; the shipped ones by default.")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Keep a demo interview at hand, and print its links.")
    ] = False,
) -> None:
    """Serve interviews until Ctrl-C. Settings not given here come from VIVA_* variables."""
    from server import serving

    given: dict[str, Any] = {"host": host, "port": port, "data": data, "problems": problems}
    chosen = {name: value for name, value in given.items() if value is not None}
    _run(lambda settings: serving.serve(replace(settings, **chosen), out, demo))


@cli.command("sign-in")
def sign_in() -> None:
    """Print a new sign-in link; the old one, and everybody's sign-ins, end."""
    _run(_new_sign_in)


async def _new_sign_in(settings: Settings) -> None:
    if settings.admin_token:
        raise VivaError("VIVA_ADMIN_TOKEN is set: sign in with it, at /sign-in.")
    from server.app import open_parts

    async with open_parts(replace(settings, sandbox=False)) as parts:
        token = await parts.access.new_admin_token(end_sign_ins=True)
    out.print(f"{settings.url}/sign-in/{token}")


@interview_commands.command("new")
def interview_new(
    problems: Annotated[list[str], typer.Argument(help="The problems, in order, by their ids.")],
    title: Annotated[str, typer.Option(help="What both see at the top.")] = "Technical interview",
    candidate: Annotated[str, typer.Option(help="The candidate's name.")] = "",
    format: Annotated[str, typer.Option(help="The phases and their minutes.")] = "technical-45",
    language: Annotated[Language, typer.Option(help="Of statements and pages.")] = Language.EN,
    url: Annotated[
        str, typer.Option(help="Where browsers reach the server; http://127.0.0.1:8000 by default.")
    ] = "",
    data: Annotated[
        Path | None, typer.Option(help="The server's data folder; ./data by default.")
    ] = None,
) -> None:
    """Make an interview and print its links, this once."""
    from server.api import InterviewRequest, detail_of

    given = {"public_url": url or None, "data": data}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    try:
        request = InterviewRequest(
            title=title,
            candidate=candidate,
            format=format,
            problems=problems,
            language=language.value,
        )
    except ValidationError as error:
        raise typer.BadParameter(detail_of(error)) from error
    _run(lambda settings: _new_interview(replace(settings, **chosen), request))


async def _new_interview(settings: Settings, request: InterviewRequest) -> None:
    from server.api import create_interview
    from server.app import open_parts

    async with open_parts(replace(settings, sandbox=False)) as parts:
        _, links = await create_interview(parts, request)
    for role, link in links.items():
        out.print(f"{role:<10} {link}")


@problem_commands.command("check")
def problems_check(
    slugs: Annotated[
        list[str] | None, typer.Argument(help="Which; all of them by default.")
    ] = None,
    problems: Annotated[Path | None, typer.Option(help="The folder of the problems.")] = None,
    format: Annotated[Format, typer.Option(help="How findings are written.")] = Format.TEXT,
) -> None:
    """Run every solution of every problem, and say where a file promises something else.

    Exit status 0 only where there is no error.
    """
    _run(lambda settings: _check(settings, problems or settings.problems, slugs or [], format))


async def _check(settings: Settings, folder: Path, slugs: list[str], form: Format) -> None:
    from server.library import Library

    library = await asyncio.to_thread(Library, folder)
    try:
        found = await _findings(library, slugs, settings)
    except KeyError as error:
        known = ", ".join(sorted(library.sources)) or "none"
        raise VivaError(f"There is no problem {error} in {folder}. There are: {known}.") from error
    _tell(found, form)
    errors = sum(finding.severity == "error" for finding in found)
    if form is Format.TEXT:
        checked = len(slugs or library.sources)
        warnings = len(found) - errors
        counts = ((checked, "problem"), (errors, "error"), (warnings, "warning"))
        err.print(", ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts))
    if errors:
        raise typer.Exit(1)


async def _findings(
    library: Library, slugs: list[str], settings: Settings
) -> list[ProblemFileError]:
    from server.checking import check_library
    from server.problem_files.read import ProblemFileError

    found: list[ProblemFileError] = []
    # One solution is tried after the other: no more containers than the least are of use.
    sized = replace(settings, sandbox_runs=settings.sandbox_runs or LEAST)
    async with open_sandbox(sized) as sandbox:
        with err.status("Reading problems …") as status:
            async for step in check_library(library, slugs, sandbox):
                if isinstance(step, ProblemFileError):
                    found.append(step)
                else:
                    status.update(
                        f"{step.problem} {step.number}/{step.total}: {step.part}, {step.solution}"
                    )
    return found


def _tell(found: list[ProblemFileError], form: Format) -> None:
    if form is Format.JSON:
        sys.stdout.write(json.dumps([asdict(finding) for finding in found], indent=2) + "\n")
        return
    for finding in found:
        text = _for_github(finding) if form is Format.GITHUB else str(finding)
        sys.stdout.write(text + "\n")


def _for_github(finding: ProblemFileError) -> str:
    """A finding as GitHub's workflow commands have it: an annotation beside the line."""
    message = f"{finding.message} {finding.mend}".strip().replace("%", "%25").replace("\n", "%0A")
    place = f"file={finding.file},line={finding.line},col={finding.column}"
    return f"::{finding.severity} {place}::{message}"


def _run(work: Callable[[Settings], Coroutine[Any, Any, None]]) -> None:
    """Run a command; what the product itself refuses is one clear line and exit status 1."""
    configure_logs()
    try:
        uvloop.run(work(Settings.from_environment(os.environ)))
    except (VivaError, SandboxError) as error:
        err.print(f"viva: {error}", markup=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def main() -> None:
    """The `viva` command."""
    cli(prog_name="viva")


if __name__ == "__main__":
    main()
