"""What holds in a room whatever its people and the platform ask for, in whatever order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.core import messages
from server.core.decide import Abandon, Command, Create, EndByAdmin, Join, Record, Sender, decide
from server.core.document import Document
from server.core.errors import RefusedError
from server.core.events import (
    SYSTEM,
    AnyEvent,
    DocumentOpened,
    Edited,
    Entry,
    GroupResult,
    OutputWritten,
    ParticipantJoined,
    Role,
    RunFinished,
    StdinWritten,
    TestJudged,
    decode_event,
    encode_event,
)
from server.core.problem import Problem
from server.core.report import report
from server.core.roles import view
from server.core.room import Participant, Room, evolve, replay
from server.core.snapshot import snapshot
from server.core.text import to_units
from server.library import Library

PROBLEMS = Path(__file__).parent.parent / "server" / "problems"
DOCS = ("scratch", "double/main", "double/texts")
NOON = 1_700_000_000_000

SECRETS = ("SECRET", "3141", "6282", "clarity", "overflow", "n * 2", "n + n", "n * n")
"""Stand in the problem, in what hidden tests bring, and in what tutors write; nowhere else."""

PEOPLE = tuple(
    Participant(f"{role}{number}", f"{role} {number}", role) for role in Role for number in (1, 2)
)

SENDERS = tuple(p for p in PEOPLE for _ in range({Role.TUTOR: 5, Role.CANDIDATE: 2}.get(p.role, 1)))


@cache
def problem() -> Problem:
    return Library(PROBLEMS).problems["double"]


# What may be asked for. Some of it makes sense, some does not.

names = st.sampled_from(["a", "b", "scratch", "double", "main", "texts", "nope"])
docs = st.sampled_from([*DOCS, "double/nope", "nope"])
refs: st.SearchStrategy[messages.Ref] = st.sampled_from([None, "e1", "e2", 3])
written = st.text(st.sampled_from("ab\n é漢😀"), max_size=6)
tutors_words = written.map(lambda text: f"SECRET {text}")


lengths = st.integers(0, 12)

COMMANDS: dict[str, st.SearchStrategy[messages.Command]] = {
    "wild edit": st.builds(
        messages.Edit,
        doc=docs,
        version=st.integers(0, 9),
        changes=st.lists(
            st.integers(-1, 9)
            | st.lists(st.integers(0, 9) | written, max_size=3)
            | st.sampled_from(["\ud83d", None, [1, "\ud83d"], 10**30, 1.5])
        )
        | st.none(),
        ref=refs,
    ),
    "run": st.builds(
        messages.Run,
        doc=docs,
        what=st.sampled_from(["program", "examples", "tests"]),
        ref=refs,
        stdin=st.none() | written,
    ),
    "stdin": st.builds(messages.Stdin, run=st.just("r0"), text=written, eof=st.booleans()),
    "stop": st.builds(messages.Stop, run=st.just("r0")),
    "open": st.builds(
        messages.Open,
        problem=st.sampled_from(["double", "double", "nope"]),
        part=st.sampled_from(["main", "texts", "nope"]),
    ),
    "phase": st.builds(
        messages.Phase,
        action=st.sampled_from(["start", "pause", "resume", "extend", "next"]),
        minutes=st.none() | st.integers(1, 120),
    ),
    "hint": st.builds(messages.Hint, hint=st.integers(0, 2)),
    "note": st.builds(messages.Note, text=tutors_words),
    "score": st.builds(
        messages.Score,
        criterion=st.sampled_from(["clarity", "clarity", "nope"]),
        level=st.integers(1, 4),
        comment=tutors_words,
    ),
    "lock": st.builds(messages.Lock, locked=st.booleans()),
    "end": st.builds(messages.End),
}
PLATFORM = ("join", "record", "abandon", "end by admin")
HOW_OFTEN = {"edit": 12, "run": 4, "record": 5, "phase": 4}
KINDS = [k for k in ("edit", *COMMANDS, *PLATFORM) for _ in range(HOW_OFTEN.get(k, 2))]
LAST_WORDS = {"end", "end by admin"}


@st.composite
def fitting_edits(draw: st.DrawFn, room: Room) -> messages.Edit:
    """An edit that fits some version of some document, as the text was at that version."""
    name = draw(st.sampled_from(sorted(room.documents)))
    document = room.documents[name]
    version = max(0, document.version - draw(st.integers(0, 4)))
    since = document.since(version)
    length = since[0].changes.length_before if since else len(document.units)
    start = min(length, draw(lengths))
    deleted = min(length - start, draw(lengths))
    rest = length - start - deleted
    parts: list[Any] = [[deleted, *draw(written).split("\n")]]
    parts = [start, *parts] if start else parts
    return messages.Edit(
        doc=name, version=version, changes=[*parts, rest] if rest else parts, ref=draw(refs)
    )


@st.composite
def run_events(draw: st.DrawFn, run: str) -> list[AnyEvent]:
    """What a run may bring, hidden tests' secrets among it."""
    visible = draw(st.booleans())
    test = "examples/1" if visible else "signs/1"
    told = draw(written) if visible else "SECRET 3141"
    brought: list[AnyEvent] = [
        OutputWritten(run=run, stream="stdout", text=told, test=test, visible=visible),
        TestJudged(
            run=run,
            test=test,
            group=test.split("/")[0],
            visible=visible,
            verdict="wrong_answer",
            time_ms=1.5 if visible else 3141.5,
            memory_bytes=1 if visible else 6282,
            name=told,
            input=told,
            expected=told,
            got=told,
            detail=told,
        ),
        RunFinished(
            run=run,
            verdict="wrong_answer",
            time_ms=3141.5,
            memory_bytes=6282,
            passed=0,
            total=2,
            groups=[GroupResult(group="signs", visible=False, passed=0, total=2)],
        ),
    ]
    return draw(st.sampled_from([brought[:1], brought[1:2], brought[:2], brought]))


@st.composite
def asked(draw: st.DrawFn, room: Room) -> tuple[Command, Sender | None]:
    """A command and who it is from; edits most often, the end seldom."""
    kind = draw(st.sampled_from(KINDS))
    if kind in LAST_WORDS and draw(st.integers(0, 9)):
        kind = "edit"
    if kind in PLATFORM:
        return draw(platforms_commands(room, kind)), None
    command = draw(fitting_edits(room) if kind == "edit" else COMMANDS[kind])
    if isinstance(command, messages.Stdin | messages.Stop) and room.run_under_way:
        command = msgspec.structs.replace(command, run=room.run_under_way.started.run)
    sender = Sender(draw(st.sampled_from(SENDERS)), draw(st.sampled_from(["c1", "c2", "c3"])))
    return command, sender


@st.composite
def platforms_commands(draw: st.DrawFn, room: Room, kind: str) -> Command:
    match kind:
        case "join":
            person = draw(st.sampled_from(PEOPLE))
            return Join(Participant(person.id, draw(names), person.role))
        case "record":
            under_way = room.run_under_way
            run = under_way.started.run if under_way and draw(st.integers(0, 4)) else "r0"
            return Record(run, draw(run_events(run)))
        case "end by admin":
            return EndByAdmin()
        case _:
            return Abandon()


# A room that keeps its journal.


@dataclass
class Kept:
    room: Room
    entries: list[Entry] = field(default_factory=list)
    now: int = NOON

    @classmethod
    def created(cls, language: Any, problems: list[Problem]) -> Kept:
        kept = cls(Room(problems={problem.id: problem for problem in problems}))
        kept.put(Create("An interview", "Camille", "technical-45", language), None)
        return kept

    def put(self, command: Command, who: Sender | None) -> bool:
        """Whether it was allowed. Anything raised but a refusal is the test's failure."""
        try:
            events = decide(self.room, command, who, self.now)
        except RefusedError:
            return False
        for event in events:
            by = who.participant.id if who else SYSTEM
            entry = Entry(seq=self.room.seq + 1, at=self.now, by=by, event=event)
            self.room = evolve(self.room, entry)
            self.entries.append(entry)
        return True


def written_and_read(entries: list[Entry]) -> list[Entry]:
    """The entries as the journal gives them back."""
    return [
        msgspec.structs.replace(entry, event=decode_event(encode_event(entry.event)))
        for entry in entries
    ]


def described(room: Room) -> dict[str, Any]:
    """Every field of a room in a form that can be compared, documents with all their history."""
    whole = {f.name: getattr(room, f.name) for f in fields(room)}
    return {**whole, "documents": {name: history(doc) for name, doc in room.documents.items()}}


def history(document: Document) -> tuple[Any, ...]:
    edits = [(e.changes, e.by, e.client, e.ref) for e in document.since(0)]
    return document.text, document.version, edits


def seen_by(role: Role, kept: Kept) -> Iterator[str]:
    """Each thing that a role is told, without the times of day, whose digits are chance."""
    told = [snapshot(kept.room, role, ()), *(view(entry, role) for entry in kept.entries)]
    yield from (re.sub(r"\b17\d{11}\b", "", repr(one)) for one in told)


@st.composite
def played(draw: st.DrawFn) -> Kept:
    """A room in which a lot was asked for. Each refusal is checked to have changed nothing."""
    frozen = draw(st.sampled_from([[problem()], [problem()], []]))
    kept = Kept.created(draw(st.sampled_from(["en", "fr"])), frozen)
    for _ in range(draw(st.integers(5, 40))):
        kept.now += draw(st.integers(-1_000, 60_000))
        before, journaled = kept.room, len(kept.entries)
        command, who = draw(asked(kept.room))
        if not kept.put(command, who):
            assert kept.room is before
            assert len(kept.entries) == journaled
    return kept


thorough = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])


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


@thorough
@given(played())
def test_after_the_end_nothing_is_changed_by_anybody_in_the_room(kept: Kept) -> None:
    """Only somebody's coming in and the end of a run under way are still recorded."""
    if kept.room.ended_at is None:
        kept.put(EndByAdmin(), None)
    end = next(e.seq for e in kept.entries if type(e.event).__name__ == "InterviewEnded")
    late = (ParticipantJoined, OutputWritten, TestJudged, RunFinished)
    assert all(isinstance(entry.event, late) for entry in kept.entries[end:])
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


def test_units_and_characters_are_kept_apart() -> None:
    """An emoji is one character and two code units; versions hold both ways of counting."""
    kept = Kept.created("en", [])
    ada = Sender(PEOPLE[0], "c1")
    kept.put(messages.Edit(doc="scratch", version=0, changes=[[0, "😀"]]), ada)
    assert kept.room.documents["scratch"].units == to_units("😀")
    assert not kept.put(messages.Edit(doc="scratch", version=1, changes=[1, [0, "x"], 1]), ada)
    assert kept.put(messages.Edit(doc="scratch", version=1, changes=[2, [0, "x"]]), ada)
    assert kept.room.documents["scratch"].text == "😀x"
