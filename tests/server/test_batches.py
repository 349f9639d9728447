"""Output is gathered into few events, and nobody sees the gathering: by a clock that runs ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from sandbox.contract import Output
from sandbox.harness.watching import GATHER_S
from server.batches import batches_of
from tests.hurried import hurried
from tests.scripted import ScriptedRun

STREAMED_WITHIN_S = 0.02


class Printing(ScriptedRun):
    """A run that says, piece by piece, when it was said; a pause before each."""

    def __init__(self, pauses_s: Sequence[float]) -> None:
        self._pauses_s = pauses_s

    async def __aiter__(self) -> AsyncIterator[Output]:
        for pause_s in self._pauses_s:
            await asyncio.sleep(pause_s)
            yield Output("only", "stdout", str(asyncio.get_running_loop().time()))


async def _delays_s(run: Printing) -> list[list[float]]:
    """Of each batch, how long each of its pieces had waited when it went out."""
    now = asyncio.get_running_loop().time
    return [
        [now() - float(piece.text) for piece in batch if isinstance(piece, Output)]
        async for batch in batches_of(run)
    ]


@pytest.mark.parametrize("pause_s", [0.0005, 0.003, 0.011, 0.013, 0.5])
@hurried
async def test_no_piece_waits_longer_than_nobody_sees(pause_s: float) -> None:
    """What the harness gathers before is counted in."""
    delays_s = await _delays_s(Printing([pause_s] * 200))
    assert sum(map(len, delays_s)) == 200
    assert max(max(batch) for batch in delays_s) + GATHER_S < STREAMED_WITHIN_S
    assert delays_s[0] == [0]


@hurried
async def test_a_flood_is_few_batches() -> None:
    assert len(await _delays_s(Printing([0.0001] * 2_000))) < 40
