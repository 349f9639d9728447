"""Checkpoints: a room packed and unpacked goes on as if nothing had been."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import fields

from server.core import messages
from server.core.checkpoint import FORMAT, HASH_LENGTH, UnusableCheckpointError, pack, unpack
from server.core.decide import Sender, decide
from server.core.errors import RefusedError
from server.core.room import Room, evolve
from tests.core.playing import NOON, PEOPLE, Kept, played

thorough = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def described(room: Room) -> dict[str, Any]:
    """Every field of a room, so that one which a checkpoint forgets is missed; no history."""
    whole = {f.name: getattr(room, f.name) for f in fields(room)}
    return {
        **whole,
        "documents": {
            name: (doc.text, doc.version, doc.title) for name, doc in room.documents.items()
        },
        "clients": {client: (log.by, log.refs) for client, log in room.clients.items()},
    }


@thorough
@given(played())
def test_a_room_is_unpacked_as_it_was(kept: Kept) -> None:
    """Each field of it, whatever was done in it."""
    assert described(unpack(pack(kept.room), kept.room.problems)) == described(kept.room)


@thorough
@given(played())
def test_a_checkpoint_and_the_rest_of_the_journal_are_the_room(kept: Kept) -> None:
    """Wherever in the journal it was taken."""
    room = Room(problems=kept.room.problems)
    for entry in kept.entries:
        room = evolve(room, entry)
        again = unpack(pack(room), room.problems)
        for later in kept.entries[entry.seq :]:
            again = evolve(again, later)
        assert described(again) == described(kept.room)


def edited(room: Room, version: int, ref: str) -> Room:
    """The room after somebody put an x before the scratch pad's text, as of `version`."""
    kept = Kept(room)
    rest = [version] if version else []
    edit = messages.Edit(doc="scratch", version=version, changes=[[0, "x"], *rest], ref=ref)
    assert kept.put(edit, Sender(PEOPLE[0], PEOPLE[0].id))
    return kept.room


@pytest.fixture
def room() -> Room:
    """A room whose scratch pad was edited three times."""
    opened = Kept.created("en", []).room
    for version in range(3):
        opened = edited(opened, version, f"e{version}")
    return opened


def test_an_edit_from_before_the_checkpoint_is_told_to_begin_anew(room: Room) -> None:
    """Its history is gone; what was made since then is rebased as ever."""
    again = edited(unpack(pack(room), room.problems), 3, "e3")
    late = messages.Edit(doc="scratch", version=2, changes=[[0, "y"], 2], ref="late")
    with pytest.raises(RefusedError) as refused:
        decide(again, late, Sender(PEOPLE[1], "other"), NOON)
    assert refused.value.code == "too_far_behind"
    fitting = messages.Edit(doc="scratch", version=3, changes=[[0, "y"], 3], ref="fitting")
    assert decide(again, fitting, Sender(PEOPLE[1], "other"), NOON)


def test_an_edit_that_had_come_is_known_again(room: Room) -> None:
    """By its client and its ref, though it came before the checkpoint."""
    again = unpack(pack(room), room.problems)
    twice = messages.Edit(doc="scratch", version=3, changes=[[0, "x"], 3], ref="e1")
    sender = Sender(PEOPLE[0], PEOPLE[0].id)
    with pytest.raises(RefusedError) as refused:
        decide(again, twice, sender, NOON)
    assert refused.value.code == "already_applied"


@pytest.mark.parametrize("how", ["cut", "another format", "nothing", "a letter"])
def test_what_is_no_checkpoint_is_told(room: Room, how: str) -> None:
    packed = pack(room)
    json = packed[HASH_LENGTH:].replace(b'"format":%d' % FORMAT, b'"format":99')
    other = hashlib.sha256(json).hexdigest().encode() + json
    letter = packed.replace(b"xxx", b"xyx")
    data = {"cut": packed[:-9], "another format": other, "nothing": b"", "a letter": letter}[how]
    with pytest.raises(UnusableCheckpointError):
        unpack(data, room.problems)
