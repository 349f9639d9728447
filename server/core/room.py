"""The state of a room, and `evolve`: how each journal entry changes it.

`evolve` is pure and total: replaying a journal from its first entry rebuilds the room exactly.
State is immutable, so a room that could not journal an event simply keeps its old state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import singledispatch

from msgspec import Struct, field
from msgspec.structs import replace

from server.core.document import ClientLog, Document, Edit
from server.core.errors import RefusedError
from server.core.events import (
    AccessRevoked,
    AnyEvent,
    ClockExtended,
    ClockPaused,
    ClockResumed,
    CriterionScored,
    DocumentOpened,
    Edited,
    EditorLocked,
    Entry,
    HintOpened,
    InputAwaited,
    InterviewCreated,
    InterviewEnded,
    JournalDamaged,
    NoteTaken,
    OutputWritten,
    ParticipantJoined,
    PhaseStarted,
    ProblemOpened,
    Role,
    RunFinished,
    RunQueued,
    RunStarted,
    StdinWritten,
    StopRequested,
    TestJudged,
)
from server.core.interview import FORMATS, Clock, Format
from server.core.problem import Part, Problem
from server.core.text import ChangeSet

SCRATCH = "scratch"
"""The document that belongs to no problem."""

RUNS_A_MINUTE = 30
"""How many runs a room may start within any minute."""


@dataclass(frozen=True, slots=True)
class Participant:
    """A person who came through the lobby."""

    id: str
    name: str
    role: Role


class RunState(Struct, frozen=True):
    """A run and what it has brought so far."""

    started: RunStarted
    by: str
    at: int
    log: tuple[AnyEvent, ...] = ()
    finished: bool = False
    place: int = 0
    """Its place in line for a sandbox, 1 for the next; 0 where it does not wait."""


class Room(Struct, frozen=True):
    """Everything that a room's journal says, as of `seq`."""

    problems: Mapping[str, Problem]
    """The interview's problems by slug, in order, as they were frozen at its creation."""
    seq: int = 0
    interview: InterviewCreated | None = None
    opened: ProblemOpened | None = None
    documents: Mapping[str, Document] = field(default_factory=dict)
    participants: Mapping[str, Participant] = field(default_factory=dict)
    clients: Mapping[str, ClientLog] = field(default_factory=dict)
    """What came under each client id; the id belongs to whoever first edited under it."""
    clock: Clock = field(default_factory=Clock)
    runs: Mapping[str, RunState] = field(default_factory=dict)
    """The latest run of each document."""
    run_starts: tuple[int, ...] = ()
    """When the latest runs started, `RUNS_A_MINUTE` of them at most: how fast they may follow."""
    locked: bool = False
    ended_at: int | None = None
    revoked: Mapping[Role, int] = field(default_factory=dict)
    """When a role's links and sessions were last ended."""
    shut_out: frozenset[str] = frozenset()
    """The participants who had come in by a link that was revoked."""
    hints: tuple[HintOpened, ...] = ()
    notes: tuple[Entry, ...] = ()
    scores: Mapping[tuple[str, str], CriterionScored] = field(default_factory=dict)

    @property
    def format(self) -> Format:
        """The interview's phases."""
        return FORMATS[self.interview.format if self.interview else "technical-45"]

    @property
    def language(self) -> str:
        """`en` or `fr`."""
        return self.interview.language if self.interview else "en"

    @property
    def run_under_way(self) -> RunState | None:
        """The run that has not finished, if any: a room has one at a time."""
        return next((run for run in self.runs.values() if not run.finished), None)

    def document(self, name: str) -> Document:
        """The document called `name`; raises `RefusedError` where it is not open."""
        if name not in self.documents:
            known = ", ".join(sorted(self.documents))
            raise RefusedError(
                "unknown_document", f'There is no document "{name}" here. Open ones: {known}.'
            )
        return self.documents[name]

    def part_of(self, doc: str) -> Part | None:
        """The part of a problem that a document belongs to; None for the scratch pad."""
        slug, _, part = doc.partition("/")
        problem = self.problems.get(slug)
        return problem.part(part) if problem and doc in self.documents else None


def evolve(room: Room, entry: Entry) -> Room:
    """The room after `entry`, which must be the one that follows `room.seq`."""
    return replace(_apply(entry.event, room, entry), seq=entry.seq)


def replay(problems: Mapping[str, Problem], entries: Iterable[Entry]) -> Room:
    """The room that a journal describes."""
    return evolved(Room(problems=problems), entries)


def evolved(room: Room, entries: Iterable[Entry]) -> Room:
    """The room after all of `entries`."""
    for entry in entries:
        room = evolve(room, entry)
    return room


@singledispatch
def _apply(event: object, room: Room, entry: Entry) -> Room:
    raise TypeError(f"no rule for {type(event).__name__} at seq {entry.seq} of {room.seq}")


@_apply.register
def _(event: InterviewCreated, room: Room, _entry: Entry) -> Room:
    return replace(room, interview=event)


@_apply.register
def _(event: ParticipantJoined, room: Room, _entry: Entry) -> Room:
    person = Participant(event.participant, event.name, event.role)
    return replace(room, participants={**room.participants, person.id: person})


@_apply.register
def _(event: DocumentOpened, room: Room, _entry: Entry) -> Room:
    document = Document.open(event.text, event.title)
    return replace(room, documents={**room.documents, event.doc: document})


@_apply.register
def _(event: ProblemOpened, room: Room, _entry: Entry) -> Room:
    return replace(room, opened=event)


@_apply.register
def _(event: Edited, room: Room, entry: Entry) -> Room:
    document = room.documents[event.doc]
    changes = ChangeSet.from_json(event.changes)
    logged = room.clients.get(event.client, ClientLog(entry.by)).with_edit(event.ref)
    edit = Edit(changes, document.last)
    return replace(
        room,
        documents={**room.documents, event.doc: document.edited(edit)},
        clients={**room.clients, event.client: logged},
    )


@_apply.register
def _(event: RunStarted, room: Room, entry: Entry) -> Room:
    run = RunState(started=event, by=entry.by, at=entry.at)
    starts = (*room.run_starts, entry.at)[-RUNS_A_MINUTE:]
    return replace(room, runs={**room.runs, event.doc: run}, run_starts=starts)


@_apply.register
def _(event: RunQueued, room: Room, _entry: Entry) -> Room:
    return _with_run(room, event.run, lambda run: replace(run, place=event.place))


@_apply.register(StdinWritten)
@_apply.register(StopRequested)
@_apply.register(OutputWritten)
@_apply.register(InputAwaited)
@_apply.register(TestJudged)
@_apply.register(RunFinished)
def _(
    event: StdinWritten | StopRequested | OutputWritten | InputAwaited | TestJudged | RunFinished,
    room: Room,
    _entry: Entry,
) -> Room:
    def logged(run: RunState) -> RunState:
        ends = isinstance(event, RunFinished)
        return replace(
            run,
            log=(*run.log, event),
            finished=run.finished or ends,
            place=0 if ends else run.place,
        )

    return _with_run(room, event.run, logged)


def _with_run(room: Room, name: str, change: Callable[[RunState], RunState]) -> Room:
    """The room with one of its runs changed; as it was, where that run is not its latest."""
    runs = {doc: change(run) if run.started.run == name else run for doc, run in room.runs.items()}
    return replace(room, runs=runs)


@_apply.register
def _(_event: PhaseStarted, room: Room, entry: Entry) -> Room:
    if room.clock.phase is None:
        return replace(room, clock=room.clock.start(room.format, entry.at))
    return replace(room, clock=room.clock.next(room.format, entry.at))


@_apply.register
def _(_event: ClockPaused, room: Room, entry: Entry) -> Room:
    return replace(room, clock=room.clock.pause(entry.at))


@_apply.register
def _(_event: ClockResumed, room: Room, entry: Entry) -> Room:
    return replace(room, clock=room.clock.resume(entry.at))


@_apply.register
def _(event: ClockExtended, room: Room, _entry: Entry) -> Room:
    return replace(room, clock=room.clock.extend(event.minutes))


@_apply.register
def _(event: EditorLocked, room: Room, _entry: Entry) -> Room:
    return replace(room, locked=event.locked)


@_apply.register
def _(event: HintOpened, room: Room, _entry: Entry) -> Room:
    return replace(room, hints=(*room.hints, event))


@_apply.register
def _(_event: NoteTaken, room: Room, entry: Entry) -> Room:
    return replace(room, notes=(*room.notes, entry))


@_apply.register
def _(event: CriterionScored, room: Room, _entry: Entry) -> Room:
    return replace(room, scores={**room.scores, (event.problem, event.criterion): event})


@_apply.register
def _(_event: JournalDamaged, room: Room, _entry: Entry) -> Room:
    return room


@_apply.register
def _(event: AccessRevoked, room: Room, entry: Entry) -> Room:
    alike = {person.id for person in room.participants.values() if person.role is event.role}
    return replace(
        room,
        revoked={**room.revoked, event.role: entry.at},
        shut_out=room.shut_out | alike,
    )


@_apply.register
def _(_event: InterviewEnded, room: Room, entry: Entry) -> Room:
    return replace(room, ended_at=entry.at)
