"""Two clients do anything at all to a room: nothing breaks, and nobody ends with another text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from server.core.messages import encode
from tests.fuzz.editor import DivergenceError
from tests.fuzz.planted import Around, breaks_on_a_late_edit, loses_an_edit, tells_another_text
from tests.fuzz.rooms import Rooms, UncaughtError, open_rooms
from tests.fuzz.steps import Connect, Leave, Rest, Step, Type, play
from tests.fuzz.strategies import steps

Player = Callable[[list[Step]], None]


@pytest.fixture
def player(tmp_path: Path) -> Iterator[Player]:
    """Plays steps in a server that stays up over all of a test's examples."""
    with asyncio.Runner() as runner:
        opening = open_rooms(tmp_path)
        rooms = runner.run(opening.__aenter__())
        yield lambda chosen: runner.run(_played(rooms, chosen))
        runner.run(opening.__aexit__(None, None, None))


async def _played(rooms: Rooms, chosen: list[Step]) -> None:
    await play(rooms, chosen)


@settings(
    max_examples=60,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # `make fuzz` makes findings smaller
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(chosen=steps)
def test_whatever_two_clients_send_nothing_breaks_and_all_texts_agree(
    player: Player, chosen: list[Step]
) -> None:
    """No exception, no word to another room, one text: server, journal and both clients."""
    player(chosen)


EDITS: list[Step] = [
    Connect(0),
    Connect(1),
    Rest(),
    *(Type(who, doc, 0, 1, 0, "aé") for who in (0, 1) for doc in (0, 1)),
    Rest(),
    Type(0, 1, 2, 3, 1, "b"),
    Type(1, 1, 2, 0, 2, "c"),
    Leave(1),
    Type(0, 0, 1, 3, 0, "d"),
    Connect(1),
    Type(1, 0, 0, 3, 0, "é"),
    Rest(),
    Type(1, 0, 0, 3, 0, "f"),
]


async def test_a_conversation_without_a_fault_gives_none(tmp_path: Path) -> None:
    """Its edits cross each other, and one client was away for some of them."""
    async with open_rooms(tmp_path) as rooms:
        played = await play(rooms, EDITS)
        versions = {name: version for name, (version, _) in played.editors[1].texts.items()}
        assert versions == {"double/main": 5, "scratch": 4}
        assert all("state" in f for f in played.editors[0].frames if f["type"] == "welcome")


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (loses_an_edit, DivergenceError),
        (tells_another_text, DivergenceError),
        (breaks_on_a_late_edit, UncaughtError),
    ],
)
async def test_a_planted_fault_is_found(
    tmp_path: Path, fault: Around, found: type[AssertionError]
) -> None:
    """A lost event, an altered one, and an exception in a connection each fail the check."""
    async with open_rooms(tmp_path, fault) as rooms:
        with pytest.raises(found):
            await play(rooms, EDITS)


async def test_a_word_to_the_bystander_is_found(tmp_path: Path) -> None:
    """What reaches a room that nobody did anything in is a fault."""
    async with open_rooms(tmp_path) as rooms:
        await play(rooms, EDITS)
        live = await rooms.parts.host.open(rooms.bystanders_room)
        live.listeners.send(encode({"type": "presence", "participants": []}))
        with pytest.raises(UncaughtError, match="the bystander heard"):
            await play(rooms, EDITS)


async def test_the_wire_speaks_as_the_server_does(tmp_path: Path) -> None:
    """A frame too many that is malformed closes it, as it does over a network."""
    async with open_rooms(tmp_path) as rooms:
        room = await rooms.new()
        room.connect(1)
        for _ in range(5):
            room.send(1, b"\xff")
        await room.rest()
        wire = room.wires[1]
        assert wire is not None
        assert wire.closed == 1008
        await room.close()
