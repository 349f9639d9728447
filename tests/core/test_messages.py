"""What holds for every frame that a client may send."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core import messages
from server.core.errors import MalformedFrameError

BIG = 2**53

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
labels = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)
counts = st.integers(0, BIG)
refs = st.none() | labels | counts
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-BIG, BIG) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)

FIELDS: dict[type[messages.Command], dict[str, st.SearchStrategy[Any]]] = {
    messages.Hello: {"after": counts, "client": labels},
    messages.Edit: {
        "doc": st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128),
        "version": counts,
        "changes": json_values,
        "ref": refs,
    },
    messages.Cursor: {"doc": labels, "version": counts, "anchor": counts, "head": counts},
    messages.Run: {
        "doc": labels,
        "what": st.sampled_from(["program", "examples", "tests"]),
        "ref": refs,
        "stdin": st.none() | texts,
    },
    messages.Stdin: {"run": labels, "text": texts, "eof": st.booleans(), "ref": refs},
    messages.Stop: {"run": labels, "ref": refs},
    messages.Ping: {"t": st.integers(-BIG, BIG) | st.floats(allow_nan=False, allow_infinity=False)},
    messages.Open: {"problem": labels, "part": labels, "ref": refs},
    messages.Phase: {
        "action": st.sampled_from(["start", "pause", "resume", "extend", "next"]),
        "minutes": st.none() | st.integers(1, 120),
        "ref": refs,
    },
    messages.Hint: {"hint": st.integers(0, 99), "ref": refs},
    messages.Note: {"text": texts.filter(bool), "ref": refs},
    messages.Score: {
        "criterion": labels,
        "level": st.integers(1, 4),
        "comment": texts,
        "ref": refs,
    },
    messages.Lock: {"locked": st.booleans(), "ref": refs},
    messages.End: {"ref": refs},
    messages.Revoke: {"role": st.sampled_from(["candidate", "observer"]), "ref": refs},
}

client_messages: st.SearchStrategy[messages.ClientMessage] = st.one_of(
    *(st.builds(kind, **fields) for kind, fields in FIELDS.items())
)


def decoded(frame: str | bytes) -> messages.ClientMessage | MalformedFrameError:
    try:
        return messages.decode(frame)
    except MalformedFrameError as error:
        return error


def test_there_is_a_strategy_for_every_message_and_field() -> None:
    """The properties below leave nothing out."""
    assert set(FIELDS) == set(get_args(messages.ClientMessage))
    for kind, fields in FIELDS.items():
        assert set(fields) == set(kind.__struct_fields__)


@given(client_messages)
def test_what_is_encoded_is_decoded_to_the_same(message: messages.ClientMessage) -> None:
    assert messages.decode(msgspec.json.encode(message)) == message


@given(st.binary(max_size=200))
def test_any_bytes_give_a_message_or_a_malformed_frame(frame: bytes) -> None:
    found = decoded(frame)
    assert isinstance(found, messages.Command) or found.code == "malformed"


@given(st.text(st.characters(), max_size=100))
def test_any_text_gives_a_message_or_a_malformed_frame(frame: str) -> None:
    """Lone surrogates among it, which no WebSocket would let through."""
    found = decoded(frame)
    assert isinstance(found, messages.Command) or found.code == "malformed"


@given(
    json_values
    | st.fixed_dictionaries(
        {"type": st.sampled_from([messages.snake_case(kind.__name__) for kind in FIELDS])},
        optional={name: json_values for fields in FIELDS.values() for name in fields},
    )
)
def test_any_json_gives_a_message_or_a_malformed_frame(value: object) -> None:
    found = decoded(msgspec.json.encode(value))
    assert isinstance(found, messages.Command) or found.code == "malformed"


@given(client_messages, st.data())
def test_a_mutilated_frame_gives_a_message_or_a_malformed_frame(
    message: messages.ClientMessage, data: st.DataObject
) -> None:
    frame = bytearray(msgspec.json.encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(frame) - 1))
        frame[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        if not frame:
            return
    found = decoded(bytes(frame))
    assert isinstance(found, messages.Command) or found.code == "malformed"


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_pong_can_carry_back_whatever_a_ping_brought(t: float) -> None:
    message = messages.decode(messages.encode({"type": "ping", "t": t}))
    assert isinstance(message, messages.Ping)
    assert msgspec.json.decode(messages.encode({"type": "pong", "t": message.t}))["t"] == t


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "hello", "after": -1, "client": "c"},
        {"type": "hello", "after": BIG + 1, "client": "c"},
        {"type": "hello", "after": 0, "client": ""},
        {"type": "hello", "after": 0, "client": "c" * 65},
        {"type": "hello", "after": True, "client": "c"},
        {"type": "edit", "doc": "d" * 129, "version": 0, "changes": []},
        {"type": "edit", "doc": "", "version": 0, "changes": []},
        {"type": "edit", "doc": "d", "version": 0.5, "changes": []},
        {"type": "edit", "doc": "d", "version": 0, "changes": [], "ref": "r" * 65},
        {"type": "edit", "doc": "d", "version": 0, "changes": [], "ref": -1},
        {"type": "edit", "doc": "d", "version": 0, "changes": [], "by": "somebody"},
        {"type": "cursor", "doc": "d", "version": 0, "anchor": -1, "head": 0},
        {"type": "run", "doc": "d", "what": "everything"},
        {"type": "run", "doc": "d", "what": "program", "stdin": "x" * 32_769},
        {"type": "stdin", "run": "r1", "text": "x" * 32_769},
        {"type": "phase", "action": "extend", "minutes": 121},
        {"type": "phase", "action": "extend", "minutes": 0},
        {"type": "hint", "hint": 100},
        {"type": "note", "text": ""},
        {"type": "note", "text": "x" * 4001},
        {"type": "score", "criterion": "c", "level": 5},
        {"type": "score", "criterion": "c", "level": 1, "comment": "x" * 2001},
        {"type": "lock", "locked": 1},
        {"type": "join", "participant": "p"},
        {"type": "record", "run": "r1", "events": []},
        {"type": "Edit"},
        {"type": None},
        {},
        [],
        None,
    ],
)
def test_what_is_too_long_out_of_range_or_unknown_is_malformed(frame: object) -> None:
    """The platform's own commands are among the unknown."""
    with pytest.raises(MalformedFrameError):
        messages.decode(msgspec.json.encode(frame))


@pytest.mark.parametrize("frame", ["[" * 30_000, '{"type":"edit","changes":' + "[" * 30_000])
def test_a_deep_nest_is_malformed(frame: str) -> None:
    with pytest.raises(MalformedFrameError):
        messages.decode(frame)


def test_an_error_frame_has_a_ref_only_where_the_command_had_one() -> None:
    assert messages.error_frame("code", "text") == {
        "type": "error",
        "code": "code",
        "message": "text",
    }
    assert messages.error_frame("code", "text", 0)["ref"] == 0
