"""What two clients do to a room: steps that a fuzzer can draw, and `play`, which takes them.

After the steps everything comes to rest, and these must agree: the server's text, that of the
replayed journal, and what each client makes of the frames that it received.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TypeAlias

from tests.fuzz.editor import DivergenceError, Editor
from tests.fuzz.rooms import Played, Rooms

LATEST_RUN = "the latest run"


@dataclass(frozen=True, slots=True)
class Connect:
    """A client comes (back); `fresh` asks for the whole state, `says` is sent instead of hello."""

    who: int
    fresh: bool = False
    says: str | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """A client is cut off."""

    who: int


@dataclass(frozen=True, slots=True)
class Type:
    """An edit that fits a version which the client knows; `garble` spoils its frame."""

    who: int
    doc: int
    back: int
    start: int
    deleted: int
    text: str
    garble: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Any frame; LATEST_RUN in it stands for the run that the client heard of last."""

    who: int
    frame: str | bytes


@dataclass(frozen=True, slots=True)
class Rest:
    """All that was sent is answered before anything else is."""


@dataclass(frozen=True, slots=True)
class Breathe:
    """The server has a moment."""

    turns: int


Step: TypeAlias = Connect | Leave | Type | Send | Rest | Breathe


async def play(rooms: Rooms, steps: list[Step]) -> Played:
    """Take the steps in a fresh room, and check all that must hold at the end of them."""
    room = await rooms.new()
    try:
        for number, step in enumerate(steps):
            await _take(room, step, number)
        await _check(room)
    finally:
        await room.close()
    rooms.check_unharmed()
    return room


async def _take(room: Played, step: Step, number: int) -> None:
    match step:
        case Connect(who, fresh, says):
            room.connect(who, fresh=fresh, says=says)
        case Leave(who):
            await room.leave(who)
        case Rest():
            await room.rest()
        case Breathe(turns):
            for _ in range(turns):
                await asyncio.sleep(0)
        case Send(who, frame):
            latest = room.editors[who].run
            named = frame.replace(LATEST_RUN, latest) if isinstance(frame, str) else frame
            room.send(who, named)
        case Type():
            _type(room, step, f"e{number}")


def _type(room: Played, step: Type, ref: str) -> None:
    editor = room.editors[step.who]
    if not editor.documents:
        return
    edit = editor.change(step.doc, step.back, step.start, step.deleted, step.text)
    frame = json.dumps({**edit, "ref": ref})
    if step.garble:
        place, text = step.garble
        place %= len(frame)
        room.send(step.who, frame[:place] + text + frame[place + 1 :])
    else:
        room.send(step.who, frame, expects=ref if room.said_own_hello[step.who] else None)


async def _check(room: Played) -> None:
    await room.rest()
    for who, editor in enumerate(room.editors):
        _check_answers(room, who, editor)
    for who in range(len(room.editors)):
        room.connect(who)
    await room.rest()
    server = await room.server_texts()
    if (replayed := await room.replayed_texts()) != server:
        raise DivergenceError(f"the server holds {server}, its journal says {replayed}")
    for who, editor in enumerate(room.editors):
        if editor.texts != server and not await room.is_sent_away(who):
            raise DivergenceError(f"{editor.client} holds {editor.texts}, the server {server}")


def _check_answers(room: Played, who: int, editor: Editor) -> None:
    """Where the connection stands, each fitting edit of it was accepted, or refused in words."""
    missing = [ref for ref in room.expected[who] if editor.answer(ref) is None]
    if room.is_open(who) and missing:
        raise DivergenceError(f"{editor.client} never had an answer to {missing}")
