"""What holds in a room whatever its people and the platform ask for, in whatever order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from server.core import messages
from server.core.decide import Abandon, EndByAdmin, Record, Sender, decide
from server.core.document import Document
from server.core.errors import RefusedError
from server.core.events import (
    DocumentOpened,
    Edited,
    Entry,
    OutputWritten,
    Role,
    RunFinished,
    RunQueued,
    StdinWritten,
    decode_event,
    encode_event,
)
from server.core.report import report
from server.core.roles import view
from server.core.room import Room, replay
from server.core.snapshot import snapshot
from server.core.text import to_units
from tests.core.playing import PEOPLE, SECRETS, Kept, fitting_edits, played, problem


def written_and_read(entries: list[Entry]) -> list[Entry]:
    """The entries as the journal gives them back."""
    return [
        msgspec.structs.replace(entry, event=decode_event(encode_event(entry.event)))
        for entry in entries
    ]


def described(room: Room) -> dict[str, Any]:
    """Every field of a room in a form that can be compared, documents with all their history."""
    whole = {f.name: getattr(room, f.name) for f in fields(room)}
    return {
        **whole,
        "documents": {name: history(doc) for name, doc in room.documents.items()},
        "clients": {client: (log.by, log.refs) for client, log in room.clients.items()},
    }


def history(document: Document) -> tuple[Any, ...]:
    return document.text, document.version, [edit.changes for edit in document.since(0)]


def seen_by(role: Role, kept: Kept) -> Iterator[str]:
    """Each thing that a role is told, without the times of day, whose digits are chance."""
    told = [snapshot(kept.room, role, ()), *(view(entry, role) for entry in kept.entries)]
    yield from (re.sub(r"\b17\d{11}\b", "", repr(one)) for one in told)


thorough = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])


@thorough
@given(played())
def test_the_journal_alone_rebuilds_the_room(kept: Kept) -> None:
    """Every field, every document's history, and every role's view of it."""
    again = replay(kept.room.problems, written_and_read(kept.entries))
    assert described(again) == described(kept.room)
    for role in Role:
        present = [PEOPLE[0].id]
        assert snapshot(again, role, present) == snapshot(kept.room, role, present)


@thorough
@given(played())
def test_any_prefix_of_a_journal_is_a_room(kept: Kept) -> None:
    """A journal that was cut off still opens; its end is where it was cut."""
    for end in range(len(kept.entries) + 1):
        room = replay(kept.room.problems, kept.entries[:end])
        assert room.seq == end
        assert msgspec.json.encode(snapshot(room, Role.TUTOR, ()))


@thorough
@given(played())
def test_seqs_have_no_gap_and_versions_count_edits(kept: Kept) -> None:
    assert [entry.seq for entry in kept.entries] == list(range(1, len(kept.entries) + 1))
    texts: dict[str, Document] = {}
    for entry in kept.entries:
        match entry.event:
            case DocumentOpened(doc=doc, text=text):
                assert doc not in texts
                texts[doc] = Document.open(text)
            case Edited(doc=doc, version=version):
                assert version == texts[doc].version + 1
                texts[doc] = replay(kept.room.problems, kept.entries[: entry.seq]).documents[doc]
    assert {name: doc.text for name, doc in texts.items()} == {
        name: doc.text for name, doc in kept.room.documents.items()
    }


@thorough
@given(played())
def test_nobody_but_a_tutor_ever_sees_a_secret(kept: Kept) -> None:
    """Hidden tests' names, inputs and answers, hints, notes, rubric, talk and solutions."""
    for role in (Role.CANDIDATE, Role.OBSERVER):
        for seen in seen_by(role, kept):
            assert not [secret for secret in SECRETS if secret in seen]


@thorough
@given(played(), st.data())
def test_an_edit_that_fits_its_version_is_never_bounced(kept: Kept, data: st.DataObject) -> None:
    """However old its version is; only one that cuts a character in two is refused."""
    if kept.room.ended_at is not None:
        return
    edit = msgspec.structs.replace(data.draw(fitting_edits(kept.room)), ref=None)
    try:
        decide(kept.room, edit, Sender(PEOPLE[0], "fresh"), kept.now)
    except RefusedError as error:
        refusal = error.code
    else:
        refusal = ""
    assert refusal in {"", "split_surrogate"}


@thorough
@given(played())
def test_all_that_is_told_can_be_sent(kept: Kept) -> None:
    """Snapshots, views and reports are JSON, whatever was typed."""
    for role in Role:
        assert messages.encode(snapshot(kept.room, role, ()))
        for entry in kept.entries:
            assert messages.encode(view(entry, role) or {})
    assert messages.encode(report("room", kept.room, kept.entries))


@thorough
@given(played())
def test_at_most_one_run_is_under_way_and_each_ends_once(kept: Kept) -> None:
    under_way = [run for run in kept.room.runs.values() if not run.finished]
    assert len(under_way) <= 1
    ended = [e.event.run for e in kept.entries if isinstance(e.event, RunFinished)]
    assert len(ended) == len(set(ended))
    assert all(run.place == 0 for run in kept.room.runs.values() if run.finished)


@thorough
@given(played())
def test_after_the_end_the_interview_stays_as_it_was(kept: Kept) -> None:
    """Who comes in, how a run under way ends and what tutors made of it are still recorded."""
    if kept.room.ended_at is None:
        kept.put(EndByAdmin(), None)
    end = next(e.seq for e in kept.entries if type(e.event).__name__ == "InterviewEnded")
    late = {"ParticipantJoined", "RunQueued", "OutputWritten", "TestJudged", "RunFinished"}
    late |= {"NoteTaken", "CriterionScored", "AccessRevoked"}
    assert {type(entry.event).__name__ for entry in kept.entries[end:]} <= late
    texts = {name: document.text for name, document in kept.room.documents.items()}
    for person in PEOPLE:
        edit = messages.Edit(doc="scratch", version=0, changes=[[0, "x"]])
        assert not kept.put(edit, Sender(person, "late"))
    assert {name: document.text for name, document in kept.room.documents.items()} == texts


def test_a_tutor_does_see_the_secrets() -> None:
    """Else the test above would pass on an empty room."""
    kept = Kept.created("en", [problem()])
    kept.put(messages.Note(text="SECRET note"), Sender(PEOPLE[0], "c1"))
    assert PEOPLE[0].role is Role.TUTOR
    seen = "".join(seen_by(Role.TUTOR, kept))
    for word in ("SECRET note", "SECRET hint", "clarity", "overflow", "SECRET question"):
        assert word in seen


def test_a_program_that_prints_a_lot_can_still_be_typed_into() -> None:
    """The limit on what is typed counts what was typed."""
    kept = Kept.created("en", [])
    ada = Sender(PEOPLE[0], "c1")
    kept.put(messages.Run(doc="scratch", what="program"), ada)
    run = kept.entries[-1].seq
    line = OutputWritten(run=f"r{run}", stream="stdout", text="line\n")
    kept.put(Record(f"r{run}", [line] * 2_100), None)
    assert kept.put(messages.Stdin(run=f"r{run}", text="y\n"), ada)
    assert isinstance(kept.entries[-1].event, StdinWritten)


def test_whoever_comes_while_a_run_waits_sees_its_place() -> None:
    """In every role; the places that are over are of no use to anybody."""
    kept = Kept.created("en", [])
    kept.put(messages.Run(doc="scratch", what="program"), Sender(PEOPLE[0], "c1"))
    run = f"r{kept.entries[-1].seq}"
    for place in (3, 1, 0):
        kept.put(Record(run, [RunQueued(run=run, place=place)]), None)
        for role in Role:
            seen = snapshot(kept.room, role, ())["runs"]["scratch"]
            assert (seen["place"], seen["events"]) == (place, [])


def test_a_run_that_ended_is_in_no_line() -> None:
    """Nor one that was abandoned there; a place that comes too late changes nothing."""
    kept = Kept.created("en", [])
    kept.put(messages.Run(doc="scratch", what="program"), Sender(PEOPLE[0], "c1"))
    run = f"r{kept.entries[-1].seq}"
    queued = Record(run, [RunQueued(run=run, place=2)])
    kept.put(queued, None)
    kept.put(Abandon(), None)
    journaled = len(kept.entries)
    kept.put(queued, None)
    assert len(kept.entries) == journaled
    assert kept.room.runs["scratch"].place == 0


@pytest.mark.parametrize("ref", ["e1", 7])
def test_an_edit_with_the_same_ref_is_taken_once_from_one_client(ref: messages.Ref) -> None:
    """Sent again after a cut-off; from another client it is another edit."""
    kept = Kept.created("en", [])
    edit = messages.Edit(doc="scratch", version=0, changes=[[0, "x"]], ref=ref)
    assert kept.put(edit, Sender(PEOPLE[0], "c1"))
    assert not kept.put(edit, Sender(PEOPLE[0], "c1"))
    assert kept.put(edit, Sender(PEOPLE[0], "c2"))
    assert kept.room.documents["scratch"].text == "xx"


def test_a_second_run_waits_for_the_end_of_the_first() -> None:
    """Also of another document: a room runs one program at a time."""
    kept = Kept.created("en", [problem()])
    ada = Sender(PEOPLE[0], "c1")
    other = messages.Run(doc="double/main", what="tests")
    assert kept.put(messages.Run(doc="scratch", what="program"), ada)
    assert not kept.put(other, ada)
    assert kept.put(Abandon(), None)
    assert kept.put(other, ada)


def test_units_and_characters_are_kept_apart() -> None:
    """An emoji is one character and two code units; versions hold both ways of counting."""
    kept = Kept.created("en", [])
    ada = Sender(PEOPLE[0], "c1")
    kept.put(messages.Edit(doc="scratch", version=0, changes=[[0, "😀"]]), ada)
    assert kept.room.documents["scratch"].units == to_units("😀")
    assert not kept.put(messages.Edit(doc="scratch", version=1, changes=[1, [0, "x"], 1]), ada)
    assert kept.put(messages.Edit(doc="scratch", version=1, changes=[2, [0, "x"]]), ada)
    assert kept.room.documents["scratch"].text == "😀x"
