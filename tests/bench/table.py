"""The figures as a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich import box
from rich.table import Table

from tests.bench.measure import Comparison, Side, Unit
from tests.bench.process import Share

TITLE_WIDTH = 40
FIGURES = {
    "n": 6,
    "median": 6,
    "p95": 6,
    "p99": 6,
    "quartiles": 13,
    "min": 6,
    "max": 6,
    "ratio": 6,
    "at p95": 6,
    "at p99": 6,
}
"""The columns of figures, by their widths: what a narrow terminal breaks is lines, not figures."""

WIDTH = TITLE_WIDTH + sum(FIGURES.values()) + 3 * len(FIGURES) + 2


def table(comparisons: Iterable[Comparison]) -> Table:
    """One line for the product and one for each of its bare limits."""
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    drawn.add_column("", width=TITLE_WIDTH, no_wrap=True)
    for heading, width in FIGURES.items():
        drawn.add_column(heading, width=width, justify="right", no_wrap=True)
    for comparison in comparisons:
        drawn.add_row(f"[bold]{comparison.title}, {comparison.unit}[/]")
        drawn.add_row(*_figures(comparison.product, comparison.unit))
        for bare in comparison.bare:
            ratios = comparison.ratios(bare).values()
            told = ("" if ratio is None else f"{ratio:.2f}" for ratio in ratios)
            drawn.add_row(*_figures(bare, comparison.unit), *told)
        drawn.add_section()
    return drawn


def _figures(side: Side, unit: Unit) -> Iterator[str]:
    def shown(value: float) -> str:
        return f"{value:.0f}" if unit == "/s" or value >= 100 else f"{value:.2f}"

    yield f"  {side.name}"
    yield str(len(side.samples))
    yield shown(side.median)
    yield shown(side.quantile(0.95))
    yield "" if side.p99 is None else shown(side.p99)
    yield f"{shown(side.quantile(0.25))}-{shown(side.quantile(0.75))}"
    yield shown(min(side.samples))
    yield shown(max(side.samples))


def profile_table(shares: Iterable[Share]) -> Table:
    """The functions that a server was in most, by the share of the samples."""
    drawn = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, title="Where the server is", title_justify="left"
    )
    drawn.add_column("self", justify="right")
    drawn.add_column("function")
    for share in shares:
        drawn.add_row(f"{share.share:.1%}", share.function)
    return drawn
