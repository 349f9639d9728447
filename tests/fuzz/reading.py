"""Bytes read as steps: what a coverage-guided fuzzer mutates, and what a finding is kept as."""

from __future__ import annotations

import json
from typing import Any, Protocol

from tests.fuzz.steps import LATEST_RUN, Breathe, Connect, Leave, Rest, Send, Step, Type

MAX_STEPS = 40
DOCS = ("scratch", "double/main", "double/texts", "nope")
TEXTS = ("", "a", "b\n", "é漢😀", "\n\n", " ")
GARBLE = ("", "9", "-", "[", "]", ",", '"', "\\ud83d", "\0", "1e9", "null", "{}")
COMMANDS: tuple[dict[str, Any], ...] = (
    {"type": "run", "doc": "scratch", "what": "program"},
    {"type": "run", "doc": "double/main", "what": "tests"},
    {"type": "stdin", "run": LATEST_RUN, "text": "a line\n"},
    {"type": "stdin", "run": LATEST_RUN, "eof": True},
    {"type": "stop", "run": LATEST_RUN},
    {"type": "open", "problem": "double", "part": "texts"},
    {"type": "lock", "locked": True},
    {"type": "lock", "locked": False},
    {"type": "phase", "action": "start"},
    {"type": "note", "text": "a note"},
    {"type": "hint", "hint": 0},
    {"type": "score", "criterion": "clarity", "level": 4},
    {"type": "hello", "after": 0, "client": "tutor"},
    {"type": "end"},
)


class Drawn(Protocol):
    """Where the choices come from: the fuzzer's bytes."""

    def ConsumeIntInRange(self, low: int, high: int) -> int:  # noqa: N802 – the fuzzer's own name
        """A number from `low` to `high`; `low` once the bytes are used up."""
        ...

    def ConsumeBytes(self, count: int) -> bytes:  # noqa: N802
        """At most so many bytes."""
        ...

    def remaining_bytes(self) -> int:
        """How many bytes are left."""
        ...


def steps_of(drawn: Drawn) -> list[Step]:
    """As many steps as the bytes hold, both clients being there from the start."""
    steps: list[Step] = [Connect(0), Connect(1), Rest()]
    while drawn.remaining_bytes() and len(steps) < MAX_STEPS:
        steps.append(_step(drawn))
    return steps


def _step(drawn: Drawn) -> Step:
    who = drawn.ConsumeIntInRange(0, 1)
    match drawn.ConsumeIntInRange(0, 12):
        case 0:
            return Connect(who, fresh=bool(drawn.ConsumeIntInRange(0, 1)))
        case 1:
            return Leave(who)
        case 2:
            return Rest()
        case 3:
            return Breathe(drawn.ConsumeIntInRange(1, 8))
        case 4:
            return Send(who, drawn.ConsumeBytes(drawn.ConsumeIntInRange(0, 64)))
        case 5:
            return Send(who, json.dumps(_wild(drawn)))
        case 6:
            command = COMMANDS[drawn.ConsumeIntInRange(0, len(COMMANDS) - 1)]
            return Send(who, json.dumps(command))
        case 7:
            place, text = drawn.ConsumeIntInRange(0, 255), _one_of(drawn, GARBLE)
            return _typed(drawn, who, (place, text))
        case _:
            return _typed(drawn, who, None)


def _typed(drawn: Drawn, who: int, garble: tuple[int, str] | None) -> Type:
    doc, back, start, deleted = (drawn.ConsumeIntInRange(0, most) for most in (2, 4, 255, 15))
    return Type(who, doc, back, start, deleted, _one_of(drawn, TEXTS), garble)


def _wild(drawn: Drawn) -> dict[str, Any]:
    """An edit or a cursor with any numbers in it."""
    if drawn.ConsumeIntInRange(0, 2) == 0:
        places = {name: _number(drawn) for name in ("version", "anchor", "head")}
        return {"type": "cursor", "doc": _one_of(drawn, DOCS), **places}
    return {
        "type": "edit",
        "doc": _one_of(drawn, DOCS),
        "version": _number(drawn),
        "changes": changes_of(drawn),
        "ref": "wild",
    }


def changes_of(drawn: Drawn, depth: int = 2) -> Any:
    """What may stand where a change set should, in JSON's types."""
    match drawn.ConsumeIntInRange(0, 5):
        case 0 if depth:
            return [changes_of(drawn, depth - 1) for _ in range(drawn.ConsumeIntInRange(0, 4))]
        case 1 | 2 if depth:
            lines = _one_of(drawn, TEXTS).split("\n")
            return [drawn.ConsumeIntInRange(0, 16), *lines, _number(drawn)][: len(lines) + 1]
        case 3:
            return _one_of(drawn, TEXTS)
        case 4:
            return None
        case _:
            return _number(drawn)


def _number(drawn: Drawn) -> int | float:
    match drawn.ConsumeIntInRange(0, 7):
        case 0:
            return -1
        case 1:
            return 1 << drawn.ConsumeIntInRange(0, 70)
        case 2:
            return 0.5
        case _:
            return drawn.ConsumeIntInRange(0, 40)


def _one_of(drawn: Drawn, texts: tuple[str, ...]) -> str:
    return texts[drawn.ConsumeIntInRange(0, len(texts) - 1)]
