"""The load generator: its frames, its counting, and that it never waits for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tests.bench.load import Load, LoadError
from tests.bench.orders import Open, Opened, Place, Type, Typed, Write
from tests.bench.process import Share, busiest, cpu_ticks
from tests.bench.scale import Cost, notes_on
from tests.bench.search import most
from tests.bench.servers import Served, relay
from tests.bench.wire import PONG, TEXT, Frames, Mask, WireError, handshake, is_accepted

PAYLOADS = st.one_of(st.binary(max_size=300), st.binary(min_size=1020, max_size=1030))


def server_protocol() -> ServerProtocol:
    """The websockets library's server, right after a handshake of ours."""
    protocol = ServerProtocol()
    protocol.receive_data(handshake("127.0.0.1:80", "/rooms/one/ws", {"Authorization": "Bearer x"}))
    request = protocol.events_received()[0]
    assert isinstance(request, Request)
    protocol.send_response(protocol.accept(request))
    assert is_accepted(b"".join(protocol.data_to_send()))
    return protocol


@given(payload=PAYLOADS, key=st.binary(min_size=4, max_size=4))
def test_the_websockets_library_reads_the_frames_made_by_hand(payload: bytes, key: bytes) -> None:
    protocol = server_protocol()

    protocol.receive_data(Mask(key).frame(payload) + Mask(key).frame(b"", PONG))

    assert protocol.events_received() == [
        Frame(Opcode.TEXT, payload),
        Frame(Opcode.PONG, b""),
    ]


@given(payloads=st.lists(PAYLOADS, max_size=4), pieces=st.integers(min_value=1, max_value=500))
def test_frames_of_the_websockets_library_are_cut_out_of_any_pieces(
    payloads: list[bytes], pieces: int
) -> None:
    sent = b"".join(Frame(Opcode.TEXT, payload).serialize(mask=False) for payload in payloads)
    frames = Frames()

    found = [
        frame
        for start in range(0, len(sent), pieces)
        for frame in frames.feed(sent[start : start + pieces])
    ]

    assert found == [(TEXT, payload) for payload in payloads]


def test_a_frame_of_eight_length_bytes_is_read() -> None:
    payload = bytes(70_000)

    sent = Frame(Opcode.BINARY, payload).serialize(mask=False)

    assert list(Frames().feed(sent)) == [(Opcode.BINARY, payload)]


@pytest.mark.parametrize("data", [b"\x81\x80", b"\x01\x00", b"\xc1\x00"])
def test_what_a_server_may_not_send_here_is_an_error(data: bytes) -> None:
    with pytest.raises(WireError, match="found a"):
        list(Frames().feed(data))


def test_an_http_answer_that_opens_nothing_is_not_accepted() -> None:
    assert not is_accepted(b"HTTP/1.1 403 Forbidden\r\n")
    assert not is_accepted(b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: other\r\n")


# The search for the most.


def limited_to(limit: float, tried: list[float]) -> Callable[[float], Awaitable[bool]]:
    async def carries(load: float) -> bool:
        tried.append(load)
        return load <= limit

    return carries


async def test_the_most_is_found_by_doubling_and_halving() -> None:
    assert await most(limited_to(6_100, []), 1_000, 32_000, halvings=3) == 6_000


async def test_the_ceiling_ends_the_search() -> None:
    tried: list[float] = []

    assert await most(limited_to(1e9, tried), 1_000, 3_000, halvings=3) == 3_000
    assert tried == [1_000, 2_000, 3_000]


async def test_the_search_goes_below_its_first_load() -> None:
    assert await most(limited_to(300, []), 1_000, 32_000, halvings=2) == 250


async def test_where_nothing_is_carried_the_most_is_nothing() -> None:
    assert await most(limited_to(-1, []), 1_000, 32_000, halvings=2) == 0


async def test_one_accident_does_not_lower_the_most() -> None:
    answers = iter([False, True, True])

    async def carries(_load: float) -> bool:
        return next(answers)

    assert await most(carries, 1_000, 2_000, halvings=2) == 2_000


# What a process costs.


def test_the_ticks_are_those_after_a_name_of_any_kind() -> None:
    stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 900 0 0 0 321 45 6 7 20 0 3 0 100 1 1"

    assert cpu_ticks(stat) == 366


def test_the_innermost_function_is_the_one_at_work() -> None:
    stacks = ["main (a.py);work (b.py) 3", "main (a.py) 1", "main (a.py);other;work (b.py) 4"]

    assert busiest(stacks, top=1) == [Share("work (b.py)", 7 / 8)]


# What a block of typing came to.


def typed(**changes: object) -> Typed:
    """A block of a thousand keys that all came after 10 ms, in the one second that was ordered."""
    block = Typed(
        keys=1_000,
        edits=1_000,
        carried=990,
        lost=0,
        other_us=[10_000] * 1_000,
        own_us=[],
        late_us=[400] * 1_000,
        took_s=1.0,
        cpu_s=0.1,
        trouble=[],
    )
    return msgspec.structs.replace(block, **changes)


def test_a_load_that_came_in_time_is_carried_and_needs_no_note() -> None:
    cost = Cost(typed(), cpu_s=0.5)

    assert cost.is_carried
    assert (cost.carried, cost.per_10_000) == (990, 5.0)
    assert notes_on("50 rooms", [cost]) == []


@pytest.mark.parametrize(
    "changes",
    [{"lost": 1}, {"carried": 949}, {"other_us": [10_000] * 980 + [50_000] * 20}],
    ids=["a key is lost", "too few in time", "too slow"],
)
def test_a_load_that_is_not_carried_is_told_with_what_was_really_typed(
    changes: dict[str, object],
) -> None:
    cost = Cost(typed(took_s=2.0, **changes), cpu_s=0.5)

    assert not cost.is_carried
    [note] = notes_on("50 rooms", [cost])
    assert note.startswith("50 rooms: more than it carries. 500 keys a second were typed")
    assert "the generator lagged by 0 ms" in note


def test_trouble_is_told_even_where_the_load_is_carried() -> None:
    cost = Cost(typed(trouble=["1 x refused: too fast"]), cpu_s=0.5)

    assert notes_on("Viva", [cost]) == ["Viva: 1 x refused: too fast"]


# The generator itself.


def places(url: str, clients: int) -> list[Place]:
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    return [
        Place(address.hostname, address.port, f"/rooms/{number // 2}/ws", {}, greets=False)
        for number in range(clients)
    ]


async def type_over(url: str, clients: int, order: Type) -> Typed:
    load = Load()
    opened = await load.carry_out(Open("typists", places(url, clients)))
    assert isinstance(opened, Opened)
    assert (len(opened.came_ms), opened.failed) == (clients, [])
    typed = await load.carry_out(order)
    assert isinstance(typed, Typed)
    return typed


async def test_every_key_comes_to_the_other_over_the_relay() -> None:
    async with relay() as bare:
        typed = await type_over(bare.url, 4, Type("typists", 2, keys_per_s=50, seconds=0.5))

    assert (typed.keys, typed.edits, typed.lost, typed.trouble) == (100, 100, 0, [])
    assert len(typed.other_us) == 100
    assert typed.own_us == []


@asynccontextmanager
async def server(answer: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[Served]:
    async with serve(answer, "127.0.0.1", 0) as opened:
        port = opened.sockets[0].getsockname()[1]
        yield Served(f"http://127.0.0.1:{port}", 0)


async def swallow(socket: ServerConnection) -> None:
    async for _ in socket:
        pass


async def test_keys_that_nobody_answers_are_lost_and_not_waited_for() -> None:
    order = Type("typists", 1, keys_per_s=20, seconds=0.2, drain_s=0)

    async with server(swallow) as silent:
        typed = await type_over(silent.url, 2, order)

    assert (typed.keys, typed.lost, typed.carried) == (8, 8, 0)
    assert len(typed.other_us) == 8


async def hang_up(socket: ServerConnection) -> None:
    await socket.recv()
    await socket.close(1013, "too slow")


async def test_a_connection_that_the_server_closes_is_told() -> None:
    order = Type("typists", 1, keys_per_s=20, seconds=0.2, drain_s=0)

    async with server(hang_up) as rude:
        typed = await type_over(rude.url, 2, order)

    assert any("too slow" in what for what in typed.trouble)


async def test_a_room_whose_document_cannot_be_written_is_an_error() -> None:
    async with server(swallow) as silent:
        load = Load()
        await load.carry_out(Open("typists", places(silent.url, 2)))
        with pytest.raises(LoadError, match="could not be written"):
            await load.carry_out(Write("typists"))
