"""What a command comes to in a room: events, or a refusal. Pure; time is passed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Literal

from server.core import messages
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
    FrozenProblem,
    HintOpened,
    InterviewCreated,
    InterviewEnded,
    JournalDamaged,
    NoteTaken,
    ParticipantJoined,
    PhaseStarted,
    ProblemOpened,
    Role,
    RunFinished,
    RunStarted,
    StdinWritten,
    StopRequested,
)
from server.core.interview import MINUTE_MS, following_phase
from server.core.problem import MAIN, Part, Problem
from server.core.roles import check_allowed
from server.core.room import RUNS_A_MINUTE, SCRATCH, Participant, Room, RunState
from server.core.statement import render_statement
from server.core.text import ChangeSet

MAX_PARTICIPANTS = 40
"""How many may come in by one link: a flood by one does not keep the others out."""
AFTER_THE_END = (messages.Note, messages.Score, messages.Revoke)
"""What tutors may still do once an interview has ended: write down what they made of it, and keep
others from reading on."""

MAX_STDIN_EVENTS = 2_000
MAX_NOTES = 2_000


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a command comes from, and the id of the browser tab or program that sent it."""

    participant: Participant
    client: str


@dataclass(frozen=True, slots=True)
class Create:
    """Make a room of an interview; its first command, by the platform."""

    title: str
    candidate: str
    format: str
    language: Literal["en", "fr"]


@dataclass(frozen=True, slots=True)
class Join:
    """Somebody gave their name in the lobby; by the platform."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class Record:
    """What a run brought: output, judgements, its end; by the platform."""

    run: str
    events: Sequence[AnyEvent]


@dataclass(frozen=True, slots=True)
class Abandon:
    """A run that nobody performs any more, after a restart of the server; by the platform."""


@dataclass(frozen=True, slots=True)
class TellDamage:
    """So many entries could not be read and were set aside; by the platform."""

    lost: int


@dataclass(frozen=True, slots=True)
class EndByAdmin:
    """End the interview from outside the room; by the platform."""


Command = messages.Command | Create | Join | Record | Abandon | TellDamage | EndByAdmin


def decide(room: Room, command: Command, who: Sender | None, now: int) -> list[AnyEvent]:
    """The events that `command` comes to; `who` is None for the platform's own commands.

    Raises `RefusedError` (or its kin `EditError`) where it may not be or does not fit; then nothing
    has changed.
    """
    if isinstance(command, messages.Command):
        if who is None:
            raise TypeError("a client's command needs a sender")
        check_allowed(who.participant.role, command)
        _check_admitted(room, who.participant)
        if not isinstance(command, AFTER_THE_END):
            _check_open(room)
        return _decide_client(command, room, who, now)
    return _decide_platform(command, room)


def _check_admitted(room: Room, person: Participant) -> None:
    if person.id in room.shut_out:
        raise RefusedError(
            "revoked", "Your access to this room was ended. Ask whoever invited you for a new link."
        )


def _check_open(room: Room) -> None:
    if room.ended_at is not None:
        raise RefusedError("ended", "This interview has ended; nothing in it can be changed.")


# The platform's own commands.


@singledispatch
def _decide_platform(command: object, _room: Room) -> list[AnyEvent]:
    raise TypeError(f"not a command: {type(command).__name__}")


@_decide_platform.register
def _(command: Create, room: Room) -> list[AnyEvent]:
    frozen = [
        FrozenProblem(id=slug, version=problem.version, hash=problem.content_hash())
        for slug, problem in room.problems.items()
    ]
    created = InterviewCreated(
        title=command.title,
        candidate=command.candidate,
        format=command.format,
        language=command.language,
        problems=frozen,
    )
    first = next(iter(room.problems.values()), None)
    opened = open_part(room, first, first.part(MAIN), command.language) if first else []
    return [created, DocumentOpened(doc=SCRATCH, text=""), *opened]


@_decide_platform.register
def _(command: Join, room: Room) -> list[AnyEvent]:
    person = command.participant
    _check_admitted(room, person)
    if room.participants.get(person.id) == person:
        return []
    _check_open(room)
    alike = [
        known
        for known in room.participants.values()
        if known.role is person.role and known.id not in room.shut_out
    ]
    if person.id not in room.participants and len(alike) >= MAX_PARTICIPANTS:
        raise RefusedError(
            "room_full", f"{MAX_PARTICIPANTS} people have come in by this link; ask for a new room."
        )
    return [ParticipantJoined(participant=person.id, name=person.name, role=person.role)]


@_decide_platform.register
def _(command: Record, room: Room) -> list[AnyEvent]:
    run = room.run_under_way
    return list(command.events) if run and run.started.run == command.run else []


@_decide_platform.register
def _(_command: Abandon, room: Room) -> list[AnyEvent]:
    run = room.run_under_way
    return [_abandoned(run.started.run)] if run else []


@_decide_platform.register
def _(command: TellDamage, _room: Room) -> list[AnyEvent]:
    return [JournalDamaged(lost=command.lost)]


@_decide_platform.register
def _(_command: EndByAdmin, room: Room) -> list[AnyEvent]:
    return [] if room.ended_at is not None else [InterviewEnded()]


def _abandoned(run: str) -> RunFinished:
    return RunFinished(
        run=run,
        verdict="judge_error",
        time_ms=0,
        memory_bytes=0,
        passed=0,
        total=0,
        message="The platform broke off while this ran. The code is not to blame: run it again.",
    )


# What clients ask for.


@singledispatch
def _decide_client(
    command: messages.Command, _room: Room, _who: Sender, _now: int
) -> list[AnyEvent]:
    raise TypeError(f"decided elsewhere: {type(command).__name__}")


@_decide_client.register
def _(command: messages.Edit, room: Room, who: Sender, _now: int) -> list[AnyEvent]:
    document = room.document(command.doc)
    if room.locked and who.participant.role is Role.CANDIDATE:
        raise RefusedError("locked", "The tutor has locked the editor for a moment.")
    _check_client(room, command, who)
    changes = document.rebased(ChangeSet.from_json(command.changes), command.version)
    document.check_fits(changes)
    return [
        Edited(
            doc=command.doc,
            version=document.version + 1,
            changes=changes.to_json(),
            client=who.client,
            ref=command.ref,
        )
    ]


def _check_client(room: Room, command: messages.Edit, who: Sender) -> None:
    """A client id is one person's, and a ref names one of its edits for good.

    An edit that is sent again after a cut-off may have come through the first time.
    """
    last = room.clients.get(who.client)
    if last is None:
        return
    if last.by != who.participant.id:
        raise RefusedError(
            "client_taken",
            "This client id belongs to somebody else; say hello with one of your own.",
        )
    if command.ref is not None and last.has_come(command.ref):
        raise RefusedError(
            "already_applied",
            f'The edit "{command.ref}" of this client is already in the document; '
            "it comes back as an event. A new edit needs a ref of its own.",
        )


@_decide_client.register
def _(command: messages.Run, room: Room, _who: Sender, now: int) -> list[AnyEvent]:
    document = room.document(command.doc)
    if room.run_under_way:
        raise RefusedError("run_under_way", "A program is running. Stop it first, or wait.")
    _check_rate(room, now)
    part = room.part_of(command.doc)
    if command.what != "program" and part is None:
        raise RefusedError(
            "no_tests",
            f'"{command.doc}" belongs to no problem, so it has no tests; run it instead.',
        )
    return [
        RunStarted(
            run=f"r{room.seq + 1}",
            what=command.what,
            doc=command.doc,
            version=document.version,
            stdin=command.stdin if command.what == "program" else None,
            ref=command.ref,
        )
    ]


def _check_rate(room: Room, now: int) -> None:
    """A clock that was set back frees the room rather than keep it waiting for an hour."""
    recent = [at for at in room.run_starts if 0 <= now - at < MINUTE_MS]
    if len(recent) >= RUNS_A_MINUTE:
        wait_s = -(-(min(recent) + MINUTE_MS - now) // 1000)
        raise RefusedError(
            "too_many_runs",
            f"This room has started {RUNS_A_MINUTE} runs within a minute. Try again in {wait_s} s.",
        )


@_decide_client.register
def _(command: messages.Stdin, room: Room, _who: Sender, _now: int) -> list[AnyEvent]:
    run = _running(room, command.run)
    if sum(isinstance(event, StdinWritten) for event in run.log) >= MAX_STDIN_EVENTS:
        raise RefusedError(
            "too_much_input", "This run has had too much input; stop it and start again."
        )
    return [StdinWritten(run=command.run, text=command.text, eof=command.eof)]


@_decide_client.register
def _(command: messages.Stop, room: Room, _who: Sender, _now: int) -> list[AnyEvent]:
    run = _running(room, command.run)
    asked = StopRequested(run=command.run)
    return [] if asked in run.log else [asked]


def _running(room: Room, name: str) -> RunState:
    run = room.run_under_way
    if run is None or run.started.run != name:
        raise RefusedError("not_running", f'The run "{name}" is not under way (any more).')
    return run


@_decide_client.register
def _(command: messages.Open, room: Room, _who: Sender, _now: int) -> list[AnyEvent]:
    problem = room.problems.get(command.problem)
    if problem is None:
        known = ", ".join(room.problems) or "none"
        raise RefusedError(
            "unknown_problem",
            f'"{command.problem}" is not a problem of this interview. Its problems: {known}.',
        )
    part = next((part for part in problem.parts if part.id == command.part), None)
    if part is None:
        known = ", ".join(part.id for part in problem.parts)
        raise RefusedError(
            "unknown_part", f'"{problem.id}" has no part "{command.part}". Its parts: {known}.'
        )
    return open_part(room, problem, part, room.language)


def open_part(room: Room, problem: Problem, part: Part, language: str) -> list[AnyEvent]:
    """A part is put before the candidate; its document is made the first time."""
    doc = f"{problem.id}/{part.id}"
    title = part.title.in_language(language)
    opened = ProblemOpened(
        problem=problem.id,
        part=part.id,
        doc=doc,
        title=title,
        statement=render_statement(part, language),
        mode=part.mode,
    )
    if doc in room.documents:
        return [opened]
    text = _first_text(room, problem, part)
    return [DocumentOpened(doc=doc, text=text, title=title), opened]


def _first_text(room: Room, problem: Problem, part: Part) -> str:
    """A follow-up that asks for the same function goes on from the candidate's own code."""
    main = room.documents.get(f"{problem.id}/{MAIN}")
    goes_on = part.id != MAIN and part.same_code_as_main and main is not None
    return main.text if goes_on and main else part.starter


@_decide_client.register
def _(command: messages.Phase, room: Room, _who: Sender, _now: int) -> list[AnyEvent]:
    clock = room.clock
    if command.action != "start" and clock.phase is None:
        raise RefusedError("clock_not_started", "The clock has not been started yet.")
    match command.action:
        case "start":
            return _start(room)
        case "pause":
            return [] if clock.paused else [ClockPaused()]
        case "resume":
            return [ClockResumed()] if clock.paused else []
        case "extend":
            return [ClockExtended(minutes=command.minutes or 5)]
        case "next":
            return _next_phase(room)


def _start(room: Room) -> list[AnyEvent]:
    if room.clock.phase is not None:
        raise RefusedError("clock_started", "The clock is already running.")
    return [PhaseStarted(phase=room.format.phases[0].name)]


def _next_phase(room: Room) -> list[AnyEvent]:
    phase = following_phase(room.format, room.clock.phase)
    if phase is None:
        raise RefusedError("last_phase", "This is the last phase; extend it, or end the interview.")
    resumed: list[AnyEvent] = [ClockResumed()] if room.clock.paused else []
    return [*resumed, PhaseStarted(phase=phase.name)]


@_decide_client.register
def _(command: messages.Hint, room: Room, _who: Sender, _now: int) -> list[AnyEvent]:
    problem = _open_problem(room)
    if command.hint >= len(problem.hints):
        raise RefusedError(
            "unknown_hint", f"This problem has {len(problem.hints)} hints, counted from 0."
        )
    given = HintOpened(problem=problem.id, hint=command.hint)
    return [] if given in room.hints else [given]


@_decide_client.register
def _(command: messages.Note, room: Room, _who: Sender, _now: int) -> list[AnyEvent]:
    if len(room.notes) >= MAX_NOTES:
        raise RefusedError("too_many_notes", f"A room keeps up to {MAX_NOTES} notes.")
    return [NoteTaken(text=command.text)]


@_decide_client.register
def _(command: messages.Score, room: Room, _who: Sender, _now: int) -> list[AnyEvent]:
    problem = _open_problem(room)
    known = [criterion.id for criterion in problem.rubric]
    if command.criterion not in known:
        raise RefusedError(
            "unknown_criterion",
            f'"{command.criterion}" is not in the rubric. Its criteria: {", ".join(known)}.',
        )
    return [
        CriterionScored(
            problem=problem.id,
            criterion=command.criterion,
            level=command.level,
            comment=command.comment,
        )
    ]


def _open_problem(room: Room) -> Problem:
    if room.opened is None:
        raise RefusedError("no_problem", "No problem is open.")
    return room.problems[room.opened.problem]


@_decide_client.register
def _(command: messages.Lock, room: Room, _who: Sender, _now: int) -> list[AnyEvent]:
    return [] if command.locked == room.locked else [EditorLocked(locked=command.locked)]


@_decide_client.register
def _(_command: messages.End, _room: Room, _who: Sender, _now: int) -> list[AnyEvent]:
    return [InterviewEnded()]


@_decide_client.register
def _(command: messages.Revoke, _room: Room, _who: Sender, _now: int) -> list[AnyEvent]:
    return [AccessRevoked(role=Role(command.role))]
