"""A hostile client in a room: each of its frames is refused, and nobody else notices."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from server.connection import FRAMES_PER_S, MAX_MALFORMED
from server.core.events import Role
from server.core.messages import Command, Hello, snake_case
from server.core.roles import ALLOWED
from tests.serving import Client, Running, kind_is

MAIN = "double/main"
EMOJI = "a😀b"
"""The scratch pad before each attack: four code units, a surrogate pair in the middle."""


def heard_since(client: Client, count: int) -> list[str]:
    """The types of the frames after the first `count`, but for the word that all is saved."""
    return [f["type"] for f in client.frames[count:] if f["type"] != "saved"]


async def closed_with(client: Client) -> int:
    """Receive to the end; the code that the server closed with."""
    with pytest.raises(ConnectionClosed) as closed:
        await client.until(kind_is("never"))
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def edit(changes: str, version: str = "1", doc: str = '"scratch"') -> str:
    """An edit's frame, as text: it may hold what no encoder would write."""
    return f'{{"type":"edit","ref":"bad","doc":{doc},"version":{version},"changes":{changes}}}'


BAD_EDITS: dict[str, dict[str, str]] = {
    "wrong_length": {
        "shorter than the document": edit('[[0,"x"],3]'),
        "longer than the document": edit('[[0,"x"],5]'),
        "deletes past the end": edit("[4,[1]]"),
        "the longest document": edit("[200000]"),
    },
    "bad_changes": {
        "a negative length": edit("[-4]"),
        "a negative deletion": edit("[[-1],5]"),
        "a fraction": edit("[4.0]"),
        "a number past 64 bits": edit("[18446744073709551616]"),
        "past any document": edit("[200001]"),
        "a truth value": edit("[true,3]"),
        "an array for a line": edit('[[0,["x"]],4]'),
        "an array for a length": edit('[[[0],"x"],4]'),
        "400 arrays deep": edit("[" * 400 + "]" * 400),
        "an empty part": edit("[[]]"),
        "an object": edit("{}"),
        "nothing": edit("null"),
        "a line break in a line": edit('[[0,"a\\nb"],4]'),
        "30,000 parts": edit("[" + "0," * 30_000 + "4]"),
    },
    "split_surrogate": {
        "deletes half a character": edit("[2,[1],1]"),
        "types into a character": edit('[2,[0,"x"],2]'),
    },
    "future_version": {
        "the next version": edit('[[0,"x"],4]', "2"),
        "a far version": edit('[[0,"x"],4]', "9007199254740992"),
    },
    "unknown_document": {
        "no such document": edit('[[0,"x"],4]', doc='"nope"'),
        "a part that is not opened yet": edit('[[0,"x"]]', "0", '"double/texts"'),
        "a path": edit('[[0,"x"]]', "0", '"../scratch"'),
    },
    "malformed": {
        "a number out of range": edit("[1e400]"),
        "5,000 digits": edit("[" + "9" * 5_000 + "]"),
        "not a number": edit("[NaN]"),
        "30,000 arrays deep": edit("[" * 30_000),
        "inserts half a character": edit('[[0,"\\ud83d"],4]'),
        "a negative version": edit('[[0,"x"],4]', "-1"),
        "a fraction of a version": edit('[[0,"x"],4]', "1.5"),
        "a long name": edit('[[0,"x"],4]', doc=f'"{"d" * 129}"'),
        "a number for a name": edit('[[0,"x"],4]', doc="7"),
    },
}
"""By the code that they are refused with; all made for the scratch pad at version 1."""


@pytest.mark.parametrize("code", BAD_EDITS)
async def test_a_bad_edit_is_refused_and_changes_nothing(server: Running, code: str) -> None:
    """Its sender is told why; nobody else hears of it, and no entry is journaled."""
    room, links = await server.create("double")
    async with server.enter(links["tutor"], "Ada") as ada:
        await ada.type_text("scratch", EMOJI, "e1")
        for what, frame in BAD_EDITS[code].items():
            async with server.enter(links["candidate"], "Camille") as camille:
                await ada.settled()
                journaled, heard = len(await server.parts.host.entries(room)), len(ada.frames)
                await camille.socket.send(frame)
                told = await camille.until(kind_is("error"))
                assert (what, told["code"]) == (what, code)
                assert told["message"]
                assert code == "malformed" or told["ref"] == "bad"
                await camille.settled()
                await ada.settled()
                assert heard_since(ada, heard) == ["pong"]
                assert len(await server.parts.host.entries(room)) == journaled
        live = await server.parts.host.open(room)
        assert live.state.documents["scratch"].text == EMOJI


async def test_frames_of_any_bytes_end_their_connection_and_nothing_else(server: Running) -> None:
    """A few are told, then it is 1008; another room neither hears of it nor stops."""
    chosen = random.Random(5)  # noqa: S311 – these are no secrets
    _, links = await server.create("double")
    _, elsewhere = await server.create("double")
    async with server.enter(elsewhere["candidate"], "Olu") as olu:
        await olu.settled()
        heard = len(olu.frames)
        for number in range(10):
            async with server.enter(links["candidate"], f"Camille {number}") as camille:
                for _ in range(MAX_MALFORMED):
                    await camille.socket.send(chosen.randbytes(chosen.randrange(1, 2_000)))
                assert await closed_with(camille) == 1008
                told = [f["code"] for f in camille.frames if f["type"] == "error"]
                assert told == ["malformed"] * MAX_MALFORMED
        await olu.settled()
        assert heard_since(olu, heard) == ["pong"]
        await olu.type_text("scratch", "still here", "e1")


WRITERS_ONLY: dict[str, dict[str, Any]] = {
    "edit": {"doc": "scratch", "version": 0, "changes": [[0, "x"]]},
    "run": {"doc": "scratch", "what": "program"},
    "stdin": {"run": "r1", "text": "x"},
    "stop": {"run": "r1"},
}
TUTORS_ONLY: dict[str, dict[str, Any]] = {
    "open": {"problem": "double", "part": "texts"},
    "phase": {"action": "start"},
    "hint": {"hint": 0},
    "note": {"text": "x"},
    "score": {"criterion": "clarity", "level": 4},
    "lock": {"locked": True},
    "end": {},
    "revoke": {"role": "candidate"},
}


@pytest.mark.parametrize(
    ("role", "forbidden"),
    [(Role.OBSERVER, {**WRITERS_ONLY, **TUTORS_ONLY}), (Role.CANDIDATE, TUTORS_ONLY)],
)
async def test_what_is_not_for_a_role_is_refused(
    server: Running, role: Role, forbidden: dict[str, dict[str, Any]]
) -> None:
    """Each command there is that the table of roles does not give this one; none is journaled."""
    of_others = {name(kind) for kind, roles in ALLOWED.items() if role not in roles}
    assert of_others <= set(forbidden), "a command without an example here"
    room, links = await server.create("double")
    async with server.enter(links[role], "Somebody") as somebody:
        journaled = len(await server.parts.host.entries(room))
        for kind in sorted(of_others):
            await somebody.send(type=kind, ref=kind, **forbidden[kind])
            assert (await somebody.error("forbidden"))["ref"] == kind
        assert len(await server.parts.host.entries(room)) == journaled


def name(kind: type[Command]) -> str:
    """What a command is called on the wire."""
    return snake_case(kind.__name__)


async def test_an_edit_in_anothers_name_is_refused(server: Running) -> None:
    """Neither by a field of the frame, nor by the other's client id, nor by saying hello anew."""
    _, links = await server.create("double")
    async with (
        server.enter(links["tutor"], "Ada", client="adas-tab") as ada,
        server.enter(links["candidate"], "Camille", client="adas-tab") as camille,
    ):
        await ada.type_text("scratch", "mine", "e1")
        await camille.event("edited")
        frame = {"type": "edit", "doc": "scratch", "version": 1, "changes": [4, [0, "x"]]}
        await camille.send(**frame, ref="e2")
        assert (await camille.error("client_taken"))["ref"] == "e2"
        for field in ({"client": "adas-tab"}, {"by": ada.welcome["you"]["id"]}):
            await camille.send(**frame, ref="e3", **field)
            assert (await camille.error("malformed"))["ref"] == "e3"
        await camille.send(type=name(Hello), after=0, client="another")
        await camille.error("unexpected_hello")
        await ada.settled()
        assert [f for f in ada.frames if f.get("kind") == "edited" and f["ref"] != "e1"] == []


CURSOR = {"type": "cursor", "doc": "scratch", "version": 0, "anchor": 0, "head": 0}


FORGED: list[tuple[dict[str, Any], str]] = [
    ({**CURSOR, "by": "somebody"}, "malformed"),
    ({**CURSOR, "name": "Ada"}, "malformed"),
    ({**CURSOR, "palette": "red;background:url(//evil.example)"}, "malformed"),
    ({**CURSOR, "head": float("nan")}, "malformed"),
    ({**CURSOR, "head": float("inf")}, "malformed"),
    ({**CURSOR, "head": -1}, "malformed"),
    ({**CURSOR, "head": 2**53 + 1}, "malformed"),
    ({**CURSOR, "head": [0]}, "malformed"),
    ({**CURSOR, "version": 7}, "future_version"),
    ({**CURSOR, "doc": "double/texts"}, "unknown_document"),
    ({"type": "presence", "participants": []}, "malformed"),
]


async def test_a_forged_cursor_is_refused(server: Running) -> None:
    """Its sender is told, and nobody is shown it."""
    _, links = await server.create("double")
    async with server.enter(links["tutor"], "Ada") as ada:
        for frame, code in FORGED:
            async with server.enter(links["candidate"], "Camille") as camille:
                await camille.socket.send(json.dumps(frame))
                told = await camille.until(kind_is("error"))
                assert (frame, told["code"]) == (frame, code)
        await ada.settled()
        assert not [f for f in ada.frames if f["type"] == "cursor"]


async def test_a_flood_of_cursors_is_one_cursor(server: Running) -> None:
    """Each is under the same name and colour and inside the text; nothing of it is kept."""
    room, links = await server.create("double")
    async with (
        server.enter(links["tutor"], "Ada") as ada,
        server.enter(links["candidate"], "Camille") as camille,
    ):
        journaled = len(await server.parts.host.entries(room))
        for number in range(250):
            await camille.send(**{**CURSOR, "anchor": number, "head": 2**53 - number})
        await camille.settled()
        await ada.settled()
        cursors = [f for f in ada.frames if f["type"] == "cursor"]
        assert len(cursors) == 250
        told = [{k: f[k] for k in ("by", "name", "palette", "anchor", "head")} for f in cursors]
        mine = camille.welcome["you"]["id"]
        here = {"by": mine, "name": "Camille", "palette": 1, "anchor": 0, "head": 0}
        assert told == [here] * 250
        assert not [f for f in camille.frames if f["type"] == "cursor"]
        assert len(await server.parts.host.entries(room)) == journaled


async def test_a_flood_of_frames_is_read_slowly_and_others_are_not_kept_waiting(
    server: Running,
) -> None:
    """By the server's own clock: past the burst, no more than the rate; others in between."""
    count = 3 * FRAMES_PER_S
    _, links = await server.create("double")
    async with (
        server.enter(links["tutor"], "Ada") as ada,
        server.enter(links["candidate"], "Camille") as camille,
    ):
        for number in range(count):
            await camille.send(type="ping", t=number)
        await ada.send(type="ping", t=0)
        between = await ada.until(kind_is("pong"))
        pongs = [await camille.until(kind_is("pong", t=number)) for number in range(count)]
        took_s = (pongs[-1]["now"] - pongs[0]["now"]) / 1000
        assert took_s >= (count - FRAMES_PER_S) / FRAMES_PER_S - 0.1
        assert between["now"] < pongs[-1]["now"]
