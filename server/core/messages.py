"""Every frame of the wire as a typed struct: what a client may send, and how it is decoded.

The frames are those of the protocol (v1). A frame is decoded once, here, with its caps; past this
module there are only structs of known types and bounded sizes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from server.core.errors import MalformedFrameError

MAX_FRAME_BYTES = 64 * 1024
MAX_STDIN_UNITS = 32 * 1024

Label: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
Ref: TypeAlias = Label | Annotated[int, Meta(ge=0, le=2**53)] | None
DocumentName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Minutes: TypeAlias = Annotated[int, Meta(ge=1, le=120)]
What: TypeAlias = Literal["program", "examples", "tests"]
Revokable: TypeAlias = Literal["candidate", "observer"]


def snake_case(name: str) -> str:
    """`RunStarted` -> `run_started`: how a struct's name reads on the wire."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class Command(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag=snake_case,
):
    """Something a client asks for."""


class Hello(Command, frozen=True, kw_only=True):
    """The first frame: the last seq seen (0 for a fresh start) and the client's lasting id."""

    after: Count
    client: Label


class Edit(Command, frozen=True, kw_only=True):
    """A change set made against `version` of a document, in CodeMirror's JSON form."""

    doc: DocumentName
    version: Count
    changes: Any
    ref: Ref = None


class Cursor(Command, frozen=True, kw_only=True):
    """Where the sender's selection stands; never journaled."""

    doc: DocumentName
    version: Count
    anchor: Count
    head: Count


class Run(Command, frozen=True, kw_only=True):
    """Run a document: as a program, against the visible examples, or against all tests.

    With `stdin` the program reads just that and then end of file; without it, what is typed
    while it runs.
    """

    doc: DocumentName
    what: What
    ref: Ref = None
    stdin: Annotated[str, Meta(max_length=MAX_STDIN_UNITS)] | None = None


class Stdin(Command, frozen=True, kw_only=True):
    """Something typed into the program under way, or the end of its input."""

    run: Label
    text: Annotated[str, Meta(max_length=MAX_STDIN_UNITS)] = ""
    eof: bool = False
    ref: Ref = None


class Stop(Command, frozen=True, kw_only=True):
    """End the run under way."""

    run: Label
    ref: Ref = None


class Ping(Command, frozen=True, kw_only=True):
    """A question for the server's time; `t` comes back as it was."""

    t: int | float = 0


class Open(Command, frozen=True, kw_only=True):
    """Tutor: put a problem, or one of its follow-ups, before the candidate."""

    problem: Label
    part: Label = "main"
    ref: Ref = None


class Phase(Command, frozen=True, kw_only=True):
    """Tutor: run the interview's clock."""

    action: Literal["start", "pause", "resume", "extend", "next"]
    minutes: Minutes | None = None
    ref: Ref = None


class Hint(Command, frozen=True, kw_only=True):
    """Tutor: note that hint number `hint` (from 0) of the open problem was given."""

    hint: Annotated[int, Meta(ge=0, le=99)]
    ref: Ref = None


class Note(Command, frozen=True, kw_only=True):
    """Tutor: a private note."""

    text: Annotated[str, Meta(min_length=1, max_length=4000)]
    ref: Ref = None


class Score(Command, frozen=True, kw_only=True):
    """Tutor: the level seen for a criterion of the open problem's rubric."""

    criterion: Label
    level: Annotated[int, Meta(ge=1, le=4)]
    comment: Annotated[str, Meta(max_length=2000)] = ""
    ref: Ref = None


class Lock(Command, frozen=True, kw_only=True):
    """Tutor: keep the candidate from editing, or let them again."""

    locked: bool
    ref: Ref = None


class End(Command, frozen=True, kw_only=True):
    """Tutor: end the interview."""

    ref: Ref = None


class Revoke(Command, frozen=True, kw_only=True):
    """Tutor: end the links and sessions of everybody in a role."""

    role: Revokable
    ref: Ref = None


ClientMessage: TypeAlias = (
    Hello
    | Edit
    | Cursor
    | Run
    | Stdin
    | Stop
    | Ping
    | Open
    | Phase
    | Hint
    | Note
    | Score
    | Lock
    | End
    | Revoke
)


class _Labelled(Struct):
    """What is looked for in a frame that cannot be read: the label to answer under."""

    ref: Ref = None


_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_label_decoder = msgspec.json.Decoder(_Labelled)
_encoder = msgspec.json.Encoder()


def decode(frame: str | bytes) -> ClientMessage:
    """One frame as a struct.

    Raises `MalformedFrameError` for anything that is not one JSON object of a known `type` with
    fields of the right types and sizes.
    """
    try:
        return _decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MalformedFrameError(f"This frame cannot be read: {error}.") from error


def label_of(frame: str | bytes) -> Ref:
    """The `ref` of a frame that cannot be read, where at least that can."""
    try:
        return _label_decoder.decode(frame).ref
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def encode(message: dict[str, Any]) -> str:
    """A server frame as JSON text."""
    return _encoder.encode(message).decode()


def error_frame(code: str, message: str, ref: Ref = None) -> dict[str, Any]:
    """The `error` frame: what was found, what was wanted and how to mend it."""
    frame: dict[str, Any] = {"type": "error", "code": code, "message": message}
    return frame if ref is None else {**frame, "ref": ref}
