"""The corners of web/src/sync.ts that chance does not reach."""

import json
from typing import Any

import pytest

from server.core.text import ChangeSet, from_units, to_units
from tests.core.differential.peer import Peer

FRAME_BYTES = 64 * 1024


def open_editor(peer: Peer, text: str, version: int = 0) -> None:
    peer.tell("open", text=text, version=version, ids=["me"], stock=[False])


def write(peer: Peer, start: int, end: int, insert: str) -> None:
    peer.tell("write", editor=0, changes={"from": start, "to": end, "insert": insert})


def receive(peer: Peer, *updates: dict[str, Any]) -> None:
    peer.tell("receive", editor=0, updates=updates)


def update(version: int, changes: object, client: str = "other", ref: int = 0) -> dict[str, Any]:
    return {"version": version, "changes": changes, "client": client, "ref": ref}


def look(peer: Peer) -> dict[str, Any]:
    answer: dict[str, Any] = peer.ask("look", editor=0)
    return answer


def test_only_one_edit_is_in_flight_and_the_rest_is_sent_as_one(peer: Peer) -> None:
    open_editor(peer, "", version=4)
    write(peer, 0, 0, "a")
    first = peer.ask("send", editor=0)
    write(peer, 1, 1, "b")
    write(peer, 2, 2, "c")
    assert peer.ask("send", editor=0) is None
    assert look(peer)["unsaved"] == 3
    receive(peer, update(5, first["changes"], "me", first["ref"]))
    assert peer.ask("send", editor=0) == {"ref": 1, "version": 5, "changes": [1, [0, "bc"]]}


def test_an_accepted_edit_among_the_missed_events_is_not_sent_again(peer: Peer) -> None:
    open_editor(peer, "x")
    write(peer, 1, 1, "mine")
    frame = peer.ask("send", editor=0)
    missed = [update(1, [[0, "theirs "], 1]), update(2, [8, [0, "mine"]], "me", frame["ref"])]
    receive(peer, *missed)
    assert peer.ask("resend", editor=0) is None
    assert look(peer) == {"text": "theirs xmine", "version": 2, "unsaved": 0}


def test_an_edit_that_got_lost_is_sent_again_for_the_new_version(peer: Peer) -> None:
    open_editor(peer, "x")
    write(peer, 1, 1, "mine")
    frame = peer.ask("send", editor=0)
    receive(peer, update(1, [[0, "theirs "], 1]))
    again = {"ref": frame["ref"], "version": 1, "changes": [8, [0, "mine"]]}
    assert peer.ask("resend", editor=0) == again


def test_an_event_received_twice_counts_once(peer: Peer) -> None:
    open_editor(peer, "")
    event = update(1, [[0, "once"]])
    receive(peer, event)
    receive(peer, event)
    assert look(peer)["text"] == "once"


def test_a_missing_event_is_an_error(peer: Peer) -> None:
    open_editor(peer, "")
    with pytest.raises(AssertionError, match="Found edit 2, wanted 1"):
        peer.ask("receive", editor=0, updates=[update(2, [[0, "late"]])])


def test_a_refused_edit_is_taken_back_and_later_typing_stays(peer: Peer) -> None:
    open_editor(peer, "ab")
    write(peer, 1, 1, "REFUSED")
    frame = peer.ask("send", editor=0)
    write(peer, 9, 9, "kept")
    receive(peer, update(1, [[0, "> "], 2]))
    peer.tell("refused", editor=0, ref=frame["ref"])
    assert look(peer) == {"text": "> abkept", "version": 1, "unsaved": 1}
    assert peer.ask("send", editor=0) == {"ref": 1, "version": 1, "changes": [4, [0, "kept"]]}


def test_what_was_typed_and_taken_back_counts_as_saved(peer: Peer) -> None:
    open_editor(peer, "")
    write(peer, 0, 0, "a")
    write(peer, 0, 1, "")
    assert look(peer)["unsaved"] == 0
    assert peer.ask("send", editor=0) is None


def test_undo_takes_back_ones_own_typing_only(peer: Peer) -> None:
    open_editor(peer, "")
    write(peer, 0, 0, "mine")
    receive(peer, update(1, [[0, "theirs "]]))
    peer.tell("undo", editor=0, again=False)
    assert look(peer)["text"] == "theirs "


@pytest.mark.parametrize("piece", ["a", "\x01", "漢", "😀", '"\n'])
def test_a_large_paste_is_sent_in_frames_that_fit(peer: Peer, piece: str) -> None:
    pasted = "x" + piece * 50_000
    open_editor(peer, "12")
    write(peer, 0, 1, pasted)
    units, version = to_units("12"), 0
    while look(peer)["unsaved"]:
        frame = peer.ask("send", editor=0)
        assert len(json.dumps(frame, ensure_ascii=False).encode()) < FRAME_BYTES
        units = ChangeSet.from_json(frame["changes"]).apply(units)
        version += 1
        receive(peer, update(version, frame["changes"], "me", frame["ref"]))
    assert from_units(units) == pasted + "2" == look(peer)["text"]
    assert version > 1


def test_many_small_changes_are_sent_in_frames_that_fit(peer: Peer) -> None:
    text = "ab" * 10_000
    open_editor(peer, text)
    places = range(0, len(text), 2)
    changes = [{"from": i, "to": i + 1, "insert": "ccc"} for i in places]
    peer.tell("write", editor=0, changes=changes)
    units, version = text, 0
    while look(peer)["unsaved"]:
        frame = peer.ask("send", editor=0)
        assert len(json.dumps(frame, ensure_ascii=False).encode()) < FRAME_BYTES
        units = ChangeSet.from_json(frame["changes"]).apply(units)
        version += 1
        receive(peer, update(version, frame["changes"], "me", frame["ref"]))
    assert units == text.replace("a", "ccc") == look(peer)["text"]


@pytest.mark.parametrize(
    ("text", "edit", "sent"),
    [
        ("😀", (1, 2, "\ude01"), [[2, "😁"]]),
        ("👽", (1, 1, "\udc8e\ud83d"), [[2, "💎👽"]]),
        ("a😀b", (2, 3, ""), [1, [2, "\ufffd"], 1]),
        ("ab", (1, 1, "\ud83d"), [1, [0, "\ufffd"], 1]),
        ("😀", (0, 2, "😁"), [[2, "😁"]]),
    ],
)
def test_no_half_of_a_character_is_ever_sent(
    peer: Peer, text: str, edit: tuple[int, int, str], sent: object
) -> None:
    open_editor(peer, text)
    write(peer, *edit)
    assert peer.ask("send", editor=0)["changes"] == sent
