"""Who may do what, and who may see which event: two tables and the functions that read them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from server.core import messages
from server.core.errors import RefusedError
from server.core.events import (
    AnyEvent,
    Audience,
    Entry,
    InterviewCreated,
    OutputWritten,
    Role,
    RunFinished,
    TestJudged,
    kind_of,
)

_ALL = frozenset(Role)
_WRITERS = frozenset({Role.TUTOR, Role.CANDIDATE})
_TUTORS = frozenset({Role.TUTOR})

ALLOWED: Mapping[type[messages.Command], frozenset[Role]] = MappingProxyType(
    {
        messages.Hello: _ALL,
        messages.Cursor: _ALL,
        messages.Ping: _ALL,
        messages.Edit: _WRITERS,
        messages.Run: _WRITERS,
        messages.Stdin: _WRITERS,
        messages.Stop: _WRITERS,
        messages.Open: _TUTORS,
        messages.Phase: _TUTORS,
        messages.Hint: _TUTORS,
        messages.Note: _TUTORS,
        messages.Score: _TUTORS,
        messages.Lock: _TUTORS,
        messages.End: _TUTORS,
        messages.Revoke: _TUTORS,
    }
)


def check_allowed(role: Role, command: messages.Command) -> None:
    """Raise `RefusedError` where `role` may not send `command`."""
    allowed = ALLOWED[type(command)]
    if role not in allowed:
        wanted = " or ".join(sorted(allowed))
        name = messages.snake_case(type(command).__name__)
        raise RefusedError("forbidden", f'"{name}" is for a {wanted}; you are a {role}.')


_CUT = (TestJudged, OutputWritten, RunFinished, InterviewCreated)
"""Of these, some roles see less than others."""


def is_same_for_all(event: AnyEvent) -> bool:
    """Whether every role sees all of an event."""
    return event.audience is Audience.EVERYONE and not isinstance(event, _CUT)


def view(entry: Entry, role: Role) -> dict[str, Any] | None:
    """What `role` may see of an entry: the fields of its `event` frame, or None for nothing."""
    seen = view_event(entry.event, role)
    return seen and {"seq": entry.seq, "at": entry.at, "by": entry.by, **seen}


def view_event(event: AnyEvent, role: Role) -> dict[str, Any] | None:
    """What `role` may see of an event, `kind` first."""
    if role is Role.TUTOR:
        return _fields(event)
    if event.audience is Audience.TUTORS:
        return None
    match event:
        case TestJudged(visible=False):
            return _pick(event, "run", "test", "group", "visible", "verdict")
        case TestJudged(checked=True):
            return {**_fields(event), "detail": _NEUTRAL.get(event.verdict, "")}
        case OutputWritten(visible=False):
            return None
        case RunFinished():
            return _visible_figures(event)
        case InterviewCreated():
            return _pick(event, "title", "candidate", "format", "language")
        case _:
            return _fields(event)


_NEUTRAL = {
    "wrong_answer": "This is not an answer that the problem accepts.",
    "judge_error": "The platform could not judge this answer.",
}
"""What stands in place of a checker's words, by verdict."""


def _visible_figures(event: RunFinished) -> dict[str, Any]:
    """The end of a run without the time and memory of hidden tests, which tell of their inputs."""
    names = ("run", "verdict", "passed", "total", "groups", "message", "exit_code", "line")
    seen = _pick(event, *names)
    return {
        **seen,
        "time_ms": event.visible_time_ms,
        "memory_bytes": event.visible_memory_bytes,
    }


def _fields(event: AnyEvent) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(event)
    return fields


def _pick(event: AnyEvent, *names: str) -> dict[str, Any]:
    fields = _fields(event)
    return {"kind": kind_of(event), **{name: fields[name] for name in names}}
