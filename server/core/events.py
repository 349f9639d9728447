"""Every kind of journal entry as a typed struct, with its audience.

An event is a fact in the past tense. A room is nothing but its events in order: whatever a person
sees is made from them, filtered by audience in `roles`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from server.core.messages import Ref, What, snake_case

SYSTEM = "system"
"""`by` of an entry that no participant asked for."""


class Role(StrEnum):
    """What a person is in a room; the invitation link decides it."""

    TUTOR = "tutor"
    CANDIDATE = "candidate"
    OBSERVER = "observer"


class Audience(StrEnum):
    """Who may learn of an event at all; `roles.view` also cuts fields out."""

    EVERYONE = "everyone"
    TUTORS = "tutors"


class Event(Struct, frozen=True, kw_only=True, tag_field="kind", tag=snake_case):
    """Something that happened in a room."""

    audience: ClassVar[Audience] = Audience.EVERYONE


class FrozenProblem(Struct, frozen=True, kw_only=True):
    """Which state of a problem an interview froze at its creation."""

    id: str
    version: int
    hash: str


class InterviewCreated(Event, frozen=True, kw_only=True):
    """The first event of every room."""

    title: str
    candidate: str
    format: str
    language: Literal["en", "fr"]
    problems: list[FrozenProblem]


class ParticipantJoined(Event, frozen=True, kw_only=True):
    """Somebody came through the lobby, or came again under another name."""

    participant: str
    name: str
    role: Role


class DocumentOpened(Event, frozen=True, kw_only=True):
    """A document exists from here on, with `text` as its version 0."""

    doc: str
    text: str
    title: str = ""


class ProblemOpened(Event, frozen=True, kw_only=True):
    """The tutor put a part of a problem before the candidate."""

    problem: str
    part: str
    doc: str
    title: str
    statement: str
    """Safe HTML, in the interview's language."""
    mode: str


class Edited(Event, frozen=True, kw_only=True):
    """A change set, rebased over all before it; `version` is the one that it produced."""

    doc: str
    version: int
    changes: list[Any]
    client: str
    ref: Ref = None


class RunStarted(Event, frozen=True, kw_only=True):
    """A run of `doc` as it was at `version`."""

    run: str
    what: What
    doc: str
    version: int
    stdin: str | None = None
    ref: Ref = None


class RunQueued(Event, frozen=True, kw_only=True):
    """A run that has to wait moved to another place in line, or left it for its sandbox."""

    run: str
    place: Annotated[int, Meta(ge=0)]
    """1 for the next; 0 once the run has its sandbox."""


class StdinWritten(Event, frozen=True, kw_only=True):
    """Somebody typed into the running program."""

    run: str
    text: str
    eof: bool = False


class StopRequested(Event, frozen=True, kw_only=True):
    """Somebody pressed Stop."""

    run: str


class InputAwaited(Event, frozen=True, kw_only=True):
    """The program reads its standard input, and nothing typed is left there: it waits."""

    run: str


class OutputWritten(Event, frozen=True, kw_only=True, tag="output"):
    """What a program printed, coalesced and capped."""

    run: str
    stream: Literal["stdout", "stderr"]
    text: str
    test: str | None = None
    visible: bool = True
    cut: bool = False
    """What this test prints from here on is counted and dropped."""


class TestJudged(Event, frozen=True, kw_only=True):
    """The verdict on one test. Of a hidden one, a candidate learns `test` and `verdict` alone."""

    __test__ = False  # pytest collects classes named Test...; this is not one

    run: str
    test: str
    group: str
    visible: bool
    verdict: str
    time_ms: float
    memory_bytes: int
    name: str = ""
    input: str = ""
    expected: str = ""
    got: str = ""
    detail: str = ""
    line: int | None = None
    checked: bool = False
    """The author's checker was asked; its words stand in `detail`, for tutors alone."""


class GroupResult(Struct, frozen=True, kw_only=True):
    """How many tests of a group passed."""

    group: str
    visible: bool
    passed: int
    total: int


class RunFinished(Event, frozen=True, kw_only=True):
    """The end of a run. The `visible_` figures leave hidden tests out."""

    run: str
    verdict: str
    time_ms: float
    memory_bytes: int
    passed: int
    total: int
    visible_time_ms: float = 0
    visible_memory_bytes: int = 0
    groups: list[GroupResult] = []
    message: str = ""
    exit_code: int | None = None
    line: int | None = None
    """Of a free run: the line of the source that it broke on, from 1."""


class PhaseStarted(Event, frozen=True, kw_only=True):
    """The clock entered a phase; the first one starts the interview."""

    phase: str


class ClockPaused(Event, frozen=True, kw_only=True):
    """Time stands still."""


class ClockResumed(Event, frozen=True, kw_only=True):
    """Time goes on."""


class ClockExtended(Event, frozen=True, kw_only=True):
    """More minutes for the phase under way."""

    minutes: int


class EditorLocked(Event, frozen=True, kw_only=True):
    """The candidate's editor became read-only, or writable again."""

    locked: bool


class HintOpened(Event, frozen=True, kw_only=True):
    """The tutor gave a hint, in their own words on the call."""

    audience: ClassVar[Audience] = Audience.TUTORS

    problem: str
    hint: int


class NoteTaken(Event, frozen=True, kw_only=True):
    """A tutor's private note."""

    audience: ClassVar[Audience] = Audience.TUTORS

    text: str


class CriterionScored(Event, frozen=True, kw_only=True):
    """The level a tutor saw for a criterion; a later one replaces it."""

    audience: ClassVar[Audience] = Audience.TUTORS

    problem: str
    criterion: str
    level: Annotated[int, Meta(ge=1, le=4)]
    comment: str = ""


class JournalDamaged(Event, frozen=True, kw_only=True):
    """Entries that had been here could not be read any more, and were set aside."""

    lost: int
    """How many there were."""


class AccessRevoked(Event, frozen=True, kw_only=True):
    """The links and sessions of a role ended: whoever had come in by them is shut out."""

    audience: ClassVar[Audience] = Audience.TUTORS

    role: Role


class InterviewEnded(Event, frozen=True, kw_only=True):
    """Nothing but notes and scores can be changed in the room any more."""


AnyEvent: TypeAlias = (
    InterviewCreated
    | ParticipantJoined
    | DocumentOpened
    | ProblemOpened
    | Edited
    | RunStarted
    | RunQueued
    | StdinWritten
    | StopRequested
    | OutputWritten
    | InputAwaited
    | TestJudged
    | RunFinished
    | PhaseStarted
    | ClockPaused
    | ClockResumed
    | ClockExtended
    | EditorLocked
    | HintOpened
    | NoteTaken
    | CriterionScored
    | JournalDamaged
    | AccessRevoked
    | InterviewEnded
)


class Entry(Struct, frozen=True, kw_only=True):
    """An event in its place in the journal."""

    seq: int
    at: int
    """Milliseconds since the epoch, by the server's clock."""
    by: str
    """A participant's id, or `SYSTEM`."""
    event: AnyEvent


_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_encoder = msgspec.json.Encoder()


def encode_event(event: AnyEvent) -> bytes:
    """An event as the JSON that the journal keeps."""
    return _encoder.encode(event)


def decode_event(data: bytes | str) -> AnyEvent:
    """The event in a journal's row; raises `msgspec.DecodeError` where the row is damaged."""
    return _decoder.decode(data)


def kind_of(event: AnyEvent) -> str:
    """The event's `kind` on the wire and in the journal."""
    return str(type(event).__struct_config__.tag)
