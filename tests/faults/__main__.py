"""`python -m tests.faults [NAMES]`: the faults brought about, as a table; exit 1 if one is bad."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from server.settings import ROOT
from tests.faults import away, clock, disk, engine, kills, stalled, storm
from tests.faults.table import WIDTH, details, status, table
from tests.faults.verdict import Result, reasons

out = Console(highlight=False, width=WIDTH)
err = Console(highlight=False, soft_wrap=True, stderr=True)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done."""

    kills: int = 200
    storms: int = 3
    storm_rooms: int = 50
    stalled_edits: int = 150
    away_s: float = 60.0
    partitions: int = 2
    slow_edits: int = 20
    disks: int = 10
    engine_edits: int = 100


QUICK = Plan(
    kills=20,
    storms=1,
    storm_rooms=10,
    stalled_edits=40,
    away_s=6.0,
    partitions=1,
    slow_edits=5,
    disks=4,
    engine_edits=30,
)

FAULTS: dict[str, Callable[[Path, Plan], Awaitable[Result]]] = {
    "kill": lambda folder, plan: kills.kills(folder, plan.kills),
    "restart": lambda folder, plan: storm.storm(folder, plan.storms, plan.storm_rooms),
    "stalled": lambda folder, plan: stalled.stalled(folder, plan.stalled_edits),
    "partition": lambda folder, plan: away.partition(folder, plan.away_s, plan.partitions),
    "slow": lambda folder, plan: away.slow(folder, plan.slow_edits),
    "clock": lambda folder, _: clock.clock(folder),
    "full": lambda folder, plan: disk.full(folder, plan.disks),
    "read-only": lambda folder, plan: disk.refusing(folder, plan.disks),
    "docker": lambda folder, plan: engine.engine(folder, plan.engine_edits),
}

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.command()
def main(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"Which: {', '.join(FAULTS)}; all by default.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer of each, and shorter.")] = False,
    times: Annotated[
        int | None, typer.Option("--kills", help="How often the server is killed.", min=1)
    ] = None,
) -> None:
    """Bring faults about and tell what each lost, and how long it took to heal."""
    unknown = [name for name in names or [] if name not in FAULTS]
    if unknown:
        err.print(f"faults: there is no {', '.join(unknown)}. There are: {', '.join(FAULTS)}.")
        raise typer.Exit(2)
    plan = QUICK if quick else Plan()
    if times:
        plan = replace(plan, kills=times)
    raise typer.Exit(uvloop.run(_faults(names or list(FAULTS), plan)))


async def _faults(names: list[str], plan: Plan) -> int:
    results = []
    # On the disk, not in memory as /tmp may be: syncs count.
    (ROOT / "data").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="faults-", dir=ROOT / "data") as folder:
        for name in names:
            with err.status(f"{name} …"):
                results.append(await _judged(name, FAULTS[name](Path(folder), plan)))
            _tell(results[-1])
    out.print(table(results))
    out.print(f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, ", end="")
    out.print(f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the end")
    return status(results)


async def _judged(name: str, fault: Awaitable[Result]) -> Result:
    """What a fault came to; one that breaks off is a bad one, and the others are still tried.

    A client breaks off where it hears what cannot be, e.g. that a room forgot what it had said.
    """
    try:
        return await fault
    except Exception as error:  # this is the command's edge
        err.print_exception()
        return Result(name, complaints=reasons(error))


def _tell(result: Result) -> None:
    out.print(f"[bold]{result.fault}[/]: {result.verdict}")
    for line in details(result):
        out.print(f"  {line}", markup=False)


if __name__ == "__main__":
    cli()
