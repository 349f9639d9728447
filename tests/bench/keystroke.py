"""From a key press to the other client: one room, then many at once."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from server.settings import ROOT
from tests.bench.measure import BenchError, Comparison, Side, by_turns, columns
from tests.bench.rooms import Press, Room, product_room, relay_room
from tests.bench.runs import running_all_the_time
from tests.bench.servers import Product

PRESS_EVERY_S = 0.125
"""Eight keys a second: somebody who types fast."""

BURST = 80
"""Presses in a row before a rest: fewer than the server lets a client send without slowing it."""

BURST_REST_S = 1.0
BLOCK_REST_S = 0.5
WARM_UP = 10
REFILLED_S = 2.0
"""After so long the pool is full again, and what it used is gone."""

RELAY = "relay"
VIVA = "Viva"


async def one_room(product: Product, relay_url: str, presses: int) -> list[Comparison]:
    """At typing speed: to the other client, and back to the own one."""
    async with _two_rooms(product, relay_url) as (ours, bare):
        taken = [pair async for pair in by_turns(ours.press, bare.press, presses, _half_pause())]
    return [
        _compared("key press to the other client", *columns(taken)),
        _compared("key press acknowledged", *columns(taken), own=True),
    ]


def _half_pause() -> float:
    """Each of the two sides is to see the pace of one typist."""
    return PRESS_EVERY_S / 2


async def back_to_back(product: Product, relay_url: str, bursts: int) -> Comparison:
    """Each key as soon as the one before has arrived, in bursts."""
    taken: list[tuple[Press, Press]] = []
    async with _two_rooms(product, relay_url) as (ours, bare):
        for _ in range(bursts):
            await asyncio.sleep(BURST_REST_S)
            taken += [pair async for pair in by_turns(ours.press, bare.press, BURST)]
    return _compared("key press, key after key", *columns(taken))


@asynccontextmanager
async def _two_rooms(product: Product, relay_url: str) -> AsyncIterator[tuple[Room, Room]]:
    async with product_room(product) as ours, relay_room(relay_url, "one") as bare:
        async for _ in by_turns(ours.press, bare.press, WARM_UP, _half_pause()):
            pass
        yield ours, bare


def _compared(
    title: str, ours: Sequence[Press], bare: Sequence[Press], *, own: bool = False
) -> Comparison:
    product = tuple(press.own_ms if own else press.other_ms for press in ours)
    limit = Side(RELAY, tuple(press.other_ms for press in bare))
    return Comparison(title, Side(VIVA, product), (limit,))


async def many_rooms(
    product: Product, relay_url: str, rooms: int, blocks: int, block_s: float
) -> list[Comparison]:
    """Everybody types at once: at typing speed, then as fast as it goes; the sides take turns."""
    async with AsyncExitStack() as stack:
        ours = [await stack.enter_async_context(product_room(product)) for _ in range(rooms)]
        bare = [
            await stack.enter_async_context(relay_room(relay_url, f"many-{number}"))
            for number in range(rooms)
        ]
        steady = await _in_blocks(ours, bare, blocks, block_s, PRESS_EVERY_S)
        flat_out = await _in_blocks(ours, bare, blocks, block_s, 0)
    presses = [[press for block in side for press in block] for side in columns(steady)]
    rates = [
        Side(name, tuple(len(block) / block_s for block in side))
        for name, side in zip((VIVA, RELAY), columns(flat_out), strict=True)
    ]
    return [
        _compared(f"key press, {rooms} rooms typing", *presses),
        Comparison(f"edits, {rooms} rooms, key after key", rates[0], (rates[1],), "/s"),
    ]


async def beside_runs(product: Product, rooms: int, blocks: int, block_s: float) -> Comparison:
    """Key presses while the pool refills as fast as it can, beside those at rest."""
    async with AsyncExitStack() as stack:
        ours = [await stack.enter_async_context(product_room(product)) for _ in range(rooms)]

        async def busy() -> Block:
            async with running_all_the_time(product):
                return await _all_type(ours, block_s, PRESS_EVERY_S)

        async def limits() -> tuple[Block, Block]:
            rest = await _all_type(ours, block_s, PRESS_EVERY_S)
            async with _engine_busy(block_s):
                return rest, await _all_type(ours, block_s, PRESS_EVERY_S)

        taken = [pair async for pair in by_turns(busy, limits, blocks, REFILLED_S)]
    refilling, bare = columns(taken)
    sides = [
        Side(name, tuple(press.other_ms for block in blocks_of for press in block))
        for name, blocks_of in (
            ("while the pool refills", refilling),
            ("at rest", [rest for rest, _ in bare]),
            ("engine busy, nothing of Viva's", [beside for _, beside in bare]),
        )
    ]
    return Comparison(f"key press, {rooms} rooms typing", sides[0], tuple(sides[1:]))


@asynccontextmanager
async def _engine_busy(seconds: float) -> AsyncIterator[None]:
    """Another process has the engine make containers, as fast as the pool would."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.raw_engine", str(seconds)), cwd=ROOT
    )
    yield
    if await process.wait():
        raise BenchError("tests.bench.raw_engine failed.")


Block = list[Press]


async def _in_blocks(
    ours: Sequence[Room], bare: Sequence[Room], blocks: int, block_s: float, every_s: float
) -> list[tuple[Block, Block]]:
    """The presses of the product's and the relay's blocks, in pairs."""

    async def first() -> Block:
        return await _all_type(ours, block_s, every_s)

    async def second() -> Block:
        return await _all_type(bare, block_s, every_s)

    return [pair async for pair in by_turns(first, second, blocks, BLOCK_REST_S)]


async def _all_type(rooms: Sequence[Room], block_s: float, every_s: float) -> Block:
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                _type(room, began + every_s * place / len(rooms), began + block_s, every_s)
            )
            for place, room in enumerate(rooms)
        ]
    return [press for task in tasks for press in task.result()]


async def _type(room: Room, starts: float, ends: float, every_s: float) -> Block:
    presses: Block = []
    due = starts
    while due < ends and time.perf_counter() < ends:
        await asyncio.sleep(max(0, due - time.perf_counter()))
        presses.append(await room.press())
        due += every_s
    return presses
