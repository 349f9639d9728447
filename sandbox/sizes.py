"""How many containers there are: as told, or else what the engine's machine has room for. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.container import ROOM_BYTES
from sandbox.contract import MIB, Limits

LEAST = 4
MOST_READY = 8
"""Making more takes an engine seconds at each start; a setting asks for more."""
IDLE_BYTES = 10 * MIB
RUN_BYTES = Limits().memory_bytes + ROOM_BYTES
"""What the container of a run may use at most, with the usual limits."""
SHARE_OF_READY = 100
"""One hundredth of the machine's memory is for containers that stand ready."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many runs may be under way at once, and how many containers stand ready."""

    runs: int
    warm: int


def sizes(runs: int | None, warm: int | None, memory_bytes: int, processors: int) -> Sizes:
    """What was told, with None for what was not, made up for by what the machine has.

    As many runs as processors, as far as half of the memory goes for them, but four at least; as
    many ready as may run, and where nothing was told more, as far as their share of memory goes.
    """
    fitting = max(LEAST, min(processors, memory_bytes // 2 // RUN_BYTES))
    spare = min(MOST_READY, memory_bytes // SHARE_OF_READY // IDLE_BYTES)
    usual_warm = max(fitting, spare) if runs is None else runs
    return Sizes(
        fitting if runs is None else runs,
        usual_warm if warm is None else warm,
    )
