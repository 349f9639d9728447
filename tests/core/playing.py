"""Rooms in which anybody asked for anything: the strategies behind the properties of rooms."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st

from server.core import messages
from server.core.decide import Abandon, Command, Create, EndByAdmin, Join, Record, Sender, decide
from server.core.errors import RefusedError
from server.core.events import (
    SYSTEM,
    AnyEvent,
    Entry,
    GroupResult,
    OutputWritten,
    Role,
    RunFinished,
    RunQueued,
    TestJudged,
)
from server.core.problem import Problem
from server.core.room import Participant, Room, evolve
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
docs = st.sampled_from([*DOCS, *DOCS, "double/nope", "nope"])
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
    "revoke": st.builds(messages.Revoke, role=st.sampled_from(["candidate", "observer"])),
}
PLATFORM = ("join", "record", "abandon", "end by admin")
HOW_OFTEN = {"edit": 12, "run": 10, "record": 12, "phase": 4, "wild edit": 1, "end": 1}
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
    waited: list[AnyEvent] = [RunQueued(run=run, place=draw(st.integers(0, 3)))] * draw(
        st.integers(0, 1)
    )
    some = draw(st.sampled_from([[], brought[:1], brought[1:2], brought[:2], brought, brought]))
    return [*waited, *some]


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


@st.composite
def played(draw: st.DrawFn) -> Kept:
    """A room in which a lot was asked for. Each refusal is checked to have changed nothing."""
    frozen = draw(st.sampled_from([[problem()], [problem()], []]))
    kept = Kept.created(draw(st.sampled_from(["en", "fr"])), frozen)
    for _ in range(draw(st.integers(12, 40))):
        kept.now += draw(st.integers(-1_000, 60_000))
        before, journaled = kept.room, len(kept.entries)
        command, who = draw(asked(kept.room))
        if not kept.put(command, who):
            assert kept.room is before
            assert len(kept.entries) == journaled
    return kept
