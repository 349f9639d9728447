"""Many rooms, all typing: how fast a key is, how many there may be, and what each costs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from websockets.asyncio.client import connect

from tests.bench.generator import Generator, generator
from tests.bench.measure import BenchError, Comparison, Side, by_turns
from tests.bench.orders import Place, Typed
from tests.bench.process import Share, cpu_s, memory_bytes, profile
from tests.bench.search import most
from tests.bench.servers import Product, Served, Session, product, relay

VIVA = "Viva"
RELAY = "relay"
KEYS_PER_S = 10
REST_S = 0.5
P99_MS = 50
MAX_EDITS_PER_S = 32_000
AT_ONCE = 10
"""Interviews that are made at the same time."""

CONNECTIONS = 8
"""The most connections of one person in a room."""

CARRIED = 0.95
"""The share of the keys that must be there when the last is pressed, for a load to be carried."""


@dataclass(frozen=True, slots=True)
class ScalePlan:
    """How much is measured."""

    rooms: Sequence[int] = (1, 50, 200, 500)
    seconds: float = 5
    blocks: int = 2
    search_rooms: int = 500
    search_s: float = 4
    halvings: int = 3
    memory_rooms: int = 10
    keys_each: int = 5_000
    returning: int = 2_000
    profile_rooms: int = 200
    profile_s: int = 6


QUICK = ScalePlan(
    seconds=2,
    blocks=1,
    search_s=2,
    halvings=1,
    memory_rooms=5,
    keys_each=500,
    profile_s=3,
)


@dataclass(slots=True)
class Found:
    """Comparisons for the table, and sentences to go under it."""

    comparisons: list[Comparison] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    profile: list[Share] = field(default_factory=list)

    def add(self, more: Found) -> None:
        """Take in what another part found."""
        self.comparisons += more.comparisons
        self.notes += more.notes
        self.profile += more.profile


@dataclass(frozen=True, slots=True)
class _Load:
    """A generator with its rooms on both sides, and the two servers' processes."""

    generator: Generator
    pids: dict[str, int]

    async def type(self, side: str, rooms: int, rate: float, seconds: float) -> Cost:
        """Have `rooms` of one side type; what came of it, and what it cost its server."""
        before = cpu_s(self.pids[side])
        typed = await self.generator.keys(side, rooms, rate, seconds)
        return Cost(typed, cpu_s(self.pids[side]) - before)


@dataclass(frozen=True, slots=True)
class Cost:
    """A block of typing, and the seconds of a core that its server took."""

    typed: Typed
    cpu_s: float

    @property
    def ms(self) -> list[float]:
        return [taken / 1000 for taken in self.typed.other_us]

    @property
    def carried(self) -> float:
        """Edits a second that had come to the other when the last key was pressed."""
        return self.typed.carried / self.typed.took_s

    @property
    def per_10_000(self) -> float:
        return self.cpu_s / max(1, self.typed.edits) * 10_000

    @property
    def is_carried(self) -> bool:
        """Whether the load is one that the server keeps up with."""
        enough = self.typed.carried >= CARRIED * self.typed.keys and not self.typed.lost
        return enough and Side("", tuple(self.ms)).quantile(0.99) < P99_MS


async def scale(folder: Path, plan: ScalePlan) -> Found:
    """Everything about many rooms."""
    found = Found()
    rooms = max(*plan.rooms, plan.search_rooms, plan.profile_rooms)
    async with generator() as load, relay() as bare:
        async with product(folder, sandbox=False) as ours:
            sessions = await _people(ours, rooms)
            await load.open(VIVA, [_place(ours.url, session) for session in sessions])
            await load.open(RELAY, _relay_places(bare, len(sessions)))
            await load.write(VIVA)
            both = _Load(load, {VIVA: ours.pid, RELAY: bare.pid})
            found.notes.append(await _check_generator(load, sessions[0]))
            for number in plan.rooms:
                await _typing(both, number, plan, found)
            found.comparisons.append(await _most(both, plan, found))
            await _profiled(both, plan, found)
        async with product(folder, sandbox=False) as again:
            found.comparisons.append(await _return(load, again, bare, sessions, plan.returning))
    await _memory(folder / "memory", plan, found)
    return found


async def _people(ours: Product, rooms: int) -> list[Session]:
    """A candidate and a tutor for each of `rooms` new interviews, in twos."""

    async def two() -> list[Session]:
        links = await ours.interview()
        return [await ours.join(links[role], role) for role in ("candidate", "tutor")]

    people: list[Session] = []
    for made in range(0, rooms, AT_ONCE):
        groups = await asyncio.gather(*(two() for _ in range(min(AT_ONCE, rooms - made))))
        people += [session for group in groups for session in group]
    return people


def _place(url: str, session: Session) -> Place:
    """The session's socket, at the server's present address."""
    address, path = urlsplit(url), urlsplit(session.socket_url).path
    assert address.hostname is not None
    assert address.port is not None
    return Place(address.hostname, address.port, path, dict(session.headers))


def _relay_places(bare: Served, clients: int) -> list[Place]:
    address = urlsplit(bare.url)
    assert address.hostname is not None
    assert address.port is not None
    return [
        Place(address.hostname, address.port, f"/rooms/{number // 2}/ws", {}, greets=False)
        for number in range(clients)
    ]


async def _check_generator(load: Generator, session: Session) -> str:
    """Have the `websockets` library listen in on one room: it must hear of every edit."""
    heard = 0
    url = session.socket_url
    async with connect(url, additional_headers=session.headers, compression=None) as socket:
        await socket.send('{"type":"hello","after":0,"client":"witness"}')
        while '"welcome"' not in str(await socket.recv()):
            pass
        typed = await load.keys(VIVA, 1, KEYS_PER_S, 1)
        try:
            async with asyncio.timeout(REST_S):
                while True:
                    heard += '"kind":"edited"' in str(await socket.recv())
        except TimeoutError:
            pass
    if heard != typed.edits or typed.lost or typed.trouble:
        raise BenchError(
            f"The load generator sent {typed.edits} edits of which {typed.lost} were lost, but the "
            f"websockets library heard of {heard}. {typed.trouble}"
        )
    return f"The generator's {heard} edits were heard by a client of the websockets library too."


async def _typing(load: _Load, rooms: int, plan: ScalePlan, found: Found) -> None:
    """At typing speed in `rooms` rooms: latency, load carried, and what an edit costs."""

    async def side(name: str) -> Cost:
        return await load.type(name, rooms, KEYS_PER_S, plan.seconds)

    turns = by_turns(lambda: side(VIVA), lambda: side(RELAY), plan.blocks, REST_S)
    sides: dict[str, list[Cost]] = {VIVA: [], RELAY: []}
    async for ours, bare in turns:
        sides[VIVA].append(ours)
        sides[RELAY].append(bare)
    title = f"{rooms} rooms" if rooms > 1 else "1 room"
    latency = [
        Side(name, tuple(ms for cost in costs for ms in cost.ms)) for name, costs in sides.items()
    ]
    carried = [Side(name, tuple(c.carried for c in costs)) for name, costs in sides.items()]
    cpu = [Side(name, tuple(c.per_10_000 for c in costs)) for name, costs in sides.items()]
    found.comparisons += [
        Comparison(f"key press, {title}", latency[0], (latency[1],)),
        Comparison(f"edits carried, {title}", carried[0], (carried[1],), "/s"),
        Comparison(f"CPU per 10,000 edits, {title}", cpu[0], (cpu[1],), "s"),
    ]
    for name, costs in sides.items():
        found.notes += notes_on(f"{name}, {title}", costs)


def notes_on(title: str, costs: Sequence[Cost]) -> list[str]:
    """What the reader must know of a load that was not carried, and whose lag it was."""
    keys = sum(cost.typed.keys for cost in costs)
    lost = sum(cost.typed.lost for cost in costs)
    seconds = sum(cost.typed.took_s for cost in costs)
    late = Side("", tuple(us / 1000 for cost in costs for us in cost.typed.late_us))
    p99 = Side("", tuple(ms for cost in costs for ms in cost.ms)).quantile(0.99)
    notes = [f"{title}: {what}" for cost in costs for what in cost.typed.trouble]
    if not all(cost.is_carried for cost in costs):
        edits = sum(cost.typed.edits for cost in costs)
        notes.append(
            f"{title}: more than it carries. {keys / seconds:.0f} keys a second were typed, in "
            f"{edits / seconds:.0f} edits; p99 {p99:.0f} ms, {lost} keys lost or very late; "
            f"the generator lagged by {late.quantile(0.99):.0f} ms (p99)."
        )
    return notes


async def _most(load: _Load, plan: ScalePlan, found: Found) -> Comparison:
    """The most edits a second of which 99 in 100 come within `P99_MS`."""

    async def highest(side: str) -> Side:
        best = 0.0

        async def carries(edits_per_s: float) -> bool:
            nonlocal best
            rate = edits_per_s / (2 * plan.search_rooms)
            cost = await load.type(side, plan.search_rooms, rate, plan.search_s)
            if cost.is_carried:
                best = max(best, cost.carried)
            return cost.is_carried

        asked = await most(carries, 1_000, MAX_EDITS_PER_S, plan.halvings)
        found.notes.append(
            f"{side}: of {asked:.0f} keys/s, the most carried, {best:.0f} came in time."
        )
        return Side(side, (best,))

    title = f"edits, {plan.search_rooms} rooms, p99 < {P99_MS} ms"
    return Comparison(title, await highest(VIVA), (await highest(RELAY),), "/s")


async def _profiled(load: _Load, plan: ScalePlan, found: Found) -> None:
    """What the server's process does under load."""
    typing = asyncio.create_task(
        load.type(VIVA, plan.profile_rooms, KEYS_PER_S, plan.profile_s + 2)
    )
    shares = await profile(load.pids[VIVA], plan.profile_s, top=10)
    await typing
    if isinstance(shares, str):
        found.notes.append(f"No profile: {shares}")
    else:
        found.profile = shares


async def _return(
    load: Generator, again: Product, bare: Served, sessions: Sequence[Session], clients: int
) -> Comparison:
    """After a restart of the server everybody comes back at once; ms until each is in."""
    tabs = -(-clients // len(sessions))
    if tabs > CONNECTIONS:
        raise BenchError(f"{clients} clients are too many for {len(sessions)} people.")
    places = [_place(again.url, session) for session in sessions for _ in range(tabs)][:clients]
    back = await load.open("back", places)
    crowd = await load.open("crowd", _relay_places(bare, clients))
    title = f"{clients:,} clients come back at once"
    return Comparison(title, Side(VIVA, tuple(back.came_ms)), (Side(RELAY, tuple(crowd.came_ms)),))


async def _memory(folder: Path, plan: ScalePlan, found: Found) -> None:
    """What a room takes with two people in it; and once they have typed for a while."""
    rooms = plan.memory_rooms
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(product(folder, sandbox=False))
        load = await stack.enter_async_context(generator())
        warm = await _people(ours, 1)
        await load.open("warm", [_place(ours.url, session) for session in warm])
        await load.write("warm")
        await load.keys("warm", 1, 50, 2)
        sessions = await _people(ours, rooms)
        empty = memory_bytes(ours.pid)
        await load.open(VIVA, [_place(ours.url, session) for session in sessions])
        await load.write(VIVA)
        idle = memory_bytes(ours.pid)
        rate = 40.0
        typed = await load.keys(VIVA, rooms, rate, plan.keys_each / (2 * rate))
        used = memory_bytes(ours.pid)
    each, edits = typed.keys // rooms, typed.edits / typed.keys
    found.comparisons += [
        Comparison("memory of an idle room", _kb((idle - empty) / rooms), (), "kB"),
        Comparison(f"memory of a room, {each:,} keys on", _kb((used - empty) / rooms), (), "kB"),
    ]
    found.notes.append(f"Memory: the keys were typed in {edits:.0%} as many edits.")


def _kb(size_bytes: float) -> Side:
    return Side(VIVA, (size_bytes / 1000,))
