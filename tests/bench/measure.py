"""Samples, what is said of them, and how two sides are measured by turns."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

T = TypeVar("T")
U = TypeVar("U")

Unit = Literal["ms", "/s", "MB", "kB", "s"]

FEWEST_FOR_P99 = 500
"""Of fewer samples the 99th percentile would be a handful of accidents."""


class BenchError(Exception):
    """The benchmark cannot go on; the message says what is missing or what went wrong."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one side of a comparison came to: the product, or a bare limit."""

    name: str
    samples: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.samples:
            raise BenchError(f"{self.name}: there are no samples.")

    @property
    def median(self) -> float:
        """Half of the samples lie below."""
        return self.quantile(0.5)

    def quantile(self, share: float) -> float:
        """The value below which `share` (0 to 1) of the samples lie, between samples by line."""
        ordered = sorted(self.samples)
        place = share * (len(ordered) - 1)
        low = math.floor(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (place - low)

    @property
    def p99(self) -> float | None:
        """The 99th percentile, where there are samples enough for one."""
        return self.quantile(0.99) if len(self.samples) >= FEWEST_FOR_P99 else None

    def as_json(self) -> dict[str, Any]:
        """The figures and the samples behind them, in the order in which they were taken."""
        return {
            "name": self.name,
            "n": len(self.samples),
            "median": self.median,
            "p95": self.quantile(0.95),
            "p99": self.p99,
            "q1": self.quantile(0.25),
            "q3": self.quantile(0.75),
            "min": min(self.samples),
            "max": max(self.samples),
            "samples": [round(sample, 4) for sample in self.samples],
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure of the product beside its bare limits."""

    title: str
    product: Side
    bare: tuple[Side, ...]
    unit: Unit = "ms"

    def ratio(self, bare: Side, share: float = 0.5) -> float:
        """The product's quantile, the median unless told, over that of one of its limits.

        Infinite where the limit is 0: it carried nothing.
        """
        limit = bare.quantile(share)
        return self.product.quantile(share) / limit if limit else math.inf

    @property
    def tells_p99(self) -> bool:
        """Whether all sides have samples enough for a 99th percentile."""
        return all(side.p99 is not None for side in (self.product, *self.bare))

    def ratios(self, bare: Side) -> dict[str, float | None]:
        """The ratios that are told, by the names of their quantiles."""
        return {
            "ratio": self.ratio(bare),
            "ratio_p95": self.ratio(bare, 0.95),
            "ratio_p99": self.ratio(bare, 0.99) if self.tells_p99 else None,
        }

    def as_json(self) -> dict[str, Any]:
        """All of it, for `--json`."""
        return {
            "title": self.title,
            "unit": self.unit,
            "product": self.product.as_json(),
            "bare": [{**bare.as_json(), **self.ratios(bare)} for bare in self.bare],
        }


def ms_since(began: float) -> float:
    """Milliseconds since a `time.perf_counter()`."""
    return (time.perf_counter() - began) * 1000


async def by_turns(
    one: Callable[[], Awaitable[T]],
    other: Callable[[], Awaitable[U]],
    pairs: int,
    pause_s: float = 0,
) -> AsyncIterator[tuple[T, U]]:
    """Measure two sides in turn, so that what else the machine does meets both alike.

    After each measurement there is a rest of `pause_s`.
    """
    for _ in range(pairs):
        first = await one()
        await asyncio.sleep(pause_s)
        second = await other()
        await asyncio.sleep(pause_s)
        yield first, second


def columns(pairs: Sequence[tuple[T, U]]) -> tuple[tuple[T, ...], tuple[U, ...]]:
    """The first of each pair, and the second of each."""
    return tuple(first for first, _ in pairs), tuple(second for _, second in pairs)
