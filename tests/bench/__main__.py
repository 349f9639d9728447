"""`python -m tests.bench`: measure, print the table, exit 0; or say in one line what is missing."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console

from sandbox.engine import Engine
from tests.bench.browser import browser_program, browsers, click_to_text
from tests.bench.commits import journal
from tests.bench.keystroke import back_to_back, beside_runs, many_rooms, one_room
from tests.bench.measure import BenchError, Comparison
from tests.bench.neighbours import neighbours
from tests.bench.opening import opening
from tests.bench.runs import interpreter, runs
from tests.bench.sandboxes import sandboxes
from tests.bench.scale import QUICK as QUICK_SCALE
from tests.bench.scale import Found, ScalePlan, scale
from tests.bench.servers import folder_on_disk, product, relay
from tests.bench.table import WIDTH, profile_table, table

out = Console(highlight=False, width=WIDTH)
err = Console(highlight=False, soft_wrap=True, stderr=True)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    presses: int = 150
    bursts: int = 3
    rooms: int = 50
    blocks: int = 3
    block_s: float = 2.5
    appends: int = 300
    groups: int = 20
    runs: int = 25
    browser_presses: int = 60
    busy_rooms: int = 10
    busy_blocks: int = 3
    busy_block_s: float = 5.0
    sandbox_blocks: int = 3
    neighbours: int = 15
    sandbox_block_s: float = 5.0
    scale: ScalePlan = field(default_factory=ScalePlan)


QUICK = Plan(
    presses=30,
    bursts=1,
    blocks=1,
    block_s=2.0,
    appends=50,
    groups=5,
    runs=5,
    browser_presses=15,
    busy_blocks=1,
    sandbox_blocks=1,
    neighbours=4,
    scale=QUICK_SCALE,
)


cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Part(StrEnum):
    """What can be measured alone. The first needs an engine, the image and Chromium."""

    PRODUCT = "product"
    ROOMS = "rooms"
    JOURNAL = "journal"


@cli.command()
def main(
    parts: Annotated[
        list[Part] | None, typer.Argument(help="Only these parts; without any, all.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write every figure and sample to this file.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer samples: a few minutes.")] = False,
) -> None:
    """Measure the product, each figure beside its bare limit in the same run."""
    try:
        report = uvloop.run(_measure(QUICK if quick else Plan(), parts or list(Part)))
    except BenchError as error:
        err.print(f"bench: {error}", markup=False)
        raise typer.Exit(1) from error
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=1) + "\n")


async def _measure(plan: Plan, parts: Collection[Part]) -> dict[str, Any]:
    """The parts, in order; what `--json` writes."""
    if Part.PRODUCT in parts:
        browser_program()
        await _check_engine()
    machine = _machine()
    found = Found()
    with folder_on_disk() as folder:
        if Part.PRODUCT in parts:
            found.comparisons += await _product(folder, plan)
        if Part.ROOMS in parts:
            _tell("Many rooms")
            found.add(await scale(folder / "scale", plan.scale))
        if Part.JOURNAL in parts:
            _tell("The journal")
            found.comparisons += await journal(folder, plan.appends, plan.groups)
            found.comparisons += await opening(folder)
    machine["load_at_end"] = os.getloadavg()[0]
    _show(machine, found)
    return {
        "machine": machine,
        "comparisons": [comparison.as_json() for comparison in found.comparisons],
        "notes": found.notes,
        "profile": [share._asdict() for share in found.profile],
    }


async def _product(folder: Path, plan: Plan) -> list[Comparison]:
    """Key presses, pages and runs through the whole product, and the sandbox beneath."""
    found: list[Comparison] = []
    async with product(folder / "product") as ours, relay() as bare:
        _tell("Key presses")
        found += await one_room(ours, bare.url, plan.presses)
        found.append(await back_to_back(ours, bare.url, plan.bursts))
        _tell("Key presses in a browser")
        found.append(await browsers(ours, bare.url, plan.browser_presses))
        _tell(f"Key presses in {plan.rooms} rooms")
        found += await many_rooms(ours, bare.url, plan.rooms, plan.blocks, plan.block_s)
        _tell("Runs")
        found += await runs(ours, folder, plan.runs)
        found.append(await click_to_text(ours, folder, plan.runs))
        _tell("Key presses while the pool refills")
        found.append(await beside_runs(ours, plan.busy_rooms, plan.busy_blocks, plan.busy_block_s))
    _tell("The pool by itself")
    found += await sandboxes(folder, plan.runs, plan.sandbox_blocks, plan.sandbox_block_s)
    _tell("Neighbours")
    found += await neighbours(plan.neighbours)
    return found


async def _check_engine() -> None:
    async with Engine() as engine:
        if why := await engine.why_unavailable():
            raise BenchError(why)


def _machine() -> dict[str, Any]:
    command = [str(interpreter()), "--version"]
    bare = subprocess.run(command, check=True, capture_output=True, text=True)
    return {
        "cores": os.cpu_count(),
        "server_python": platform.python_version(),
        "bare_python": bare.stdout.strip().removeprefix("Python "),
        "load_at_start": os.getloadavg()[0],
    }


def _tell(step: str) -> None:
    err.print(f"{step} ...")


def _show(machine: dict[str, Any], found: Found) -> None:
    out.print(
        "{cores} cores, load {load_at_start:.1f} at the start and {load_at_end:.1f} at the end; "
        "Python {server_python}, bare python3 {bare_python}".format(**machine)
    )
    out.print("ratio: Viva's median over the bare limit's", end="\n\n")
    out.print(table(found.comparisons))
    if found.profile:
        out.print(profile_table(found.profile))
    for note in found.notes:
        out.print(note, markup=False)


if __name__ == "__main__":
    cli()
