"""The results as a table for people."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.table import Table

from tests.faults.verdict import Result, quantile

WIDTH = 120


def table(results: Iterable[Result]) -> Table:
    """One line for each fault."""
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, width=WIDTH)
    drawn.add_column("fault", ratio=1)
    for heading, width in (("times", 6), ("edits", 7), ("lost", 5), ("heal, median / p95", 20)):
        drawn.add_column(heading, justify="right", width=width, no_wrap=True)
    drawn.add_column("verdict", width=10)
    for result in results:
        colour = "green" if result.good else "bold red"
        drawn.add_row(
            result.fault,
            *(str(result.times), str(result.edits), str(len(result.lost)), _heal(result)),
            f"[{colour}]{result.verdict}[/]",
        )
    return drawn


def details(result: Result) -> list[str]:
    """What is told of this fault alone, and what is wrong."""
    told = [f"{what}: {figure}" for what, figure in result.told.items()]
    return [*told, *(f"BAD: {complaint}" for complaint in result.complaints)]


def status(results: Iterable[Result]) -> int:
    """The exit status: 0 where every verdict is good."""
    return 0 if all(result.good for result in results) else 1


def _heal(result: Result) -> str:
    if not result.heal_ms:
        return ""
    return f"{_shown(quantile(result.heal_ms, 0.5))} / {_shown(quantile(result.heal_ms, 0.95))}"


def _shown(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.2f} s"
