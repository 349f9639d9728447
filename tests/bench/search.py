"""The most that something carries, found by steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


async def most(
    carries: Callable[[float], Awaitable[bool]], first: float, ceiling: float, halvings: int
) -> float:
    """The highest load found that `carries` is true of; 0 where there is none.

    Doubles from `first` until it fails or the `ceiling` is reached, then halves the gap `halvings`
    times. One try in between may fail by accident: each load that fails is tried once more.
    """
    good, bad = 0.0, 0.0
    load = first
    while not bad and good < ceiling:
        if await _carries(carries, load):
            good = load
            load = min(ceiling, load * 2)
        else:
            bad = load
    for _ in range(halvings if bad else 0):
        middle = (good + bad) / 2
        if await _carries(carries, middle):
            good = middle
        else:
            bad = middle
    return good


async def _carries(carries: Callable[[float], Awaitable[bool]], load: float) -> bool:
    return await carries(load) or await carries(load)
