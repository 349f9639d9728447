"""A room's whole state as one piece of JSON: a long room need not be replayed from its start.

A checkpoint is a shortcut and never the truth: whatever is wrong with one, the journal alone
rebuilds the room. What it leaves out is the history of the documents: an edit that was made before
it cannot be rebased any more. It is therefore taken some way behind the room's last entry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from server.core.document import ClientLog, Document
from server.core.errors import VivaError
from server.core.events import (
    AnyEvent,
    CriterionScored,
    Entry,
    HintOpened,
    InterviewCreated,
    ProblemOpened,
    Role,
    RunStarted,
)
from server.core.interview import Clock
from server.core.messages import Ref
from server.core.problem import Problem
from server.core.room import Participant, Room, RunState
from server.core.text import to_units

FORMAT = 1
"""Goes up when a room's state gets another shape: checkpoints of another format are passed over."""


HASH_LENGTH = 64


class UnusableCheckpointError(VivaError):
    """This checkpoint cannot be read; the journal has all that it said."""


class _Document(Struct, frozen=True):
    text: str
    version: int
    title: str


class _Client(Struct, frozen=True):
    by: str
    refs: list[Ref]


class _Run(Struct, frozen=True):
    started: RunStarted
    by: str
    at: int
    log: list[AnyEvent]
    finished: bool
    place: int


class _Checkpoint(Struct, frozen=True):
    format: int
    seq: int
    interview: InterviewCreated | None
    opened: ProblemOpened | None
    documents: dict[str, _Document]
    participants: list[Participant]
    clients: dict[str, _Client]
    clock: Clock
    runs: dict[str, _Run]
    run_starts: list[int]
    locked: bool
    ended_at: int | None
    revoked: dict[Role, int]
    shut_out: list[str]
    hints: list[HintOpened]
    notes: list[Entry]
    scores: list[CriterionScored]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Checkpoint)


def pack(room: Room) -> bytes:
    """The room's state, but for its problems and its documents' history: a hash, then JSON."""
    packed = _encoder.encode(
        _Checkpoint(
            format=FORMAT,
            seq=room.seq,
            interview=room.interview,
            opened=room.opened,
            documents={
                name: _Document(document.text, document.version, document.title)
                for name, document in room.documents.items()
            },
            participants=list(room.participants.values()),
            clients={client: _Client(log.by, log.refs) for client, log in room.clients.items()},
            clock=room.clock,
            runs={doc: _packed_run(run) for doc, run in room.runs.items()},
            run_starts=list(room.run_starts),
            locked=room.locked,
            ended_at=room.ended_at,
            revoked=dict(room.revoked),
            shut_out=sorted(room.shut_out),
            hints=list(room.hints),
            notes=list(room.notes),
            scores=list(room.scores.values()),
        )
    )
    return _hash(packed) + packed


def unpack(data: bytes, problems: Mapping[str, Problem]) -> Room:
    """The room that `pack` was given, with `problems` in it.

    Raises `UnusableCheckpointError` for anything but a whole checkpoint of this format.
    """
    digest, packed = data[:HASH_LENGTH], data[HASH_LENGTH:]
    if digest != _hash(packed):
        raise UnusableCheckpointError("This checkpoint is not what was kept.")
    try:
        kept = _decoder.decode(packed)
    except msgspec.DecodeError as error:
        raise UnusableCheckpointError(f"This checkpoint cannot be read: {error}.") from error
    if kept.format != FORMAT:
        raise UnusableCheckpointError(f"Found format {kept.format}, wanted {FORMAT}.")
    return Room(
        problems=problems,
        seq=kept.seq,
        interview=kept.interview,
        opened=kept.opened,
        documents={
            name: Document(to_units(document.text), document.version, None, document.title)
            for name, document in kept.documents.items()
        },
        participants={person.id: person for person in kept.participants},
        clients={client: _client_log(log) for client, log in kept.clients.items()},
        clock=kept.clock,
        runs={doc: _unpacked_run(run) for doc, run in kept.runs.items()},
        run_starts=tuple(kept.run_starts),
        locked=kept.locked,
        ended_at=kept.ended_at,
        revoked=kept.revoked,
        shut_out=frozenset(kept.shut_out),
        hints=tuple(kept.hints),
        notes=tuple(kept.notes),
        scores={(score.problem, score.criterion): score for score in kept.scores},
    )


def _hash(packed: bytes) -> bytes:
    """A changed letter would be a room with another text, and nobody would notice."""
    return hashlib.sha256(packed).hexdigest().encode()


def _packed_run(run: RunState) -> _Run:
    return _Run(run.started, run.by, run.at, list(run.log), run.finished, run.place)


def _unpacked_run(run: _Run) -> RunState:
    return RunState(run.started, run.by, run.at, tuple(run.log), run.finished, run.place)


def _client_log(log: _Client) -> ClientLog:
    numbers = {ref: number for number, ref in enumerate(log.refs, 1)}
    return ClientLog(log.by, numbers, len(numbers))
