"""What hypothesis draws for two clients to do: valid, stale, garbled and malformed frames."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import strategies as st

from tests.core.test_messages import client_messages, json_values
from tests.fuzz.steps import LATEST_RUN, Breathe, Connect, Leave, Rest, Send, Step, Type

who = st.integers(0, 1)
small = st.integers(0, 12)
docs = st.sampled_from(["scratch", "double/main", "double/texts", "nope"])
written = st.text(st.sampled_from("ab\n é漢😀"), max_size=6)

edits = st.builds(
    Type,
    who=who,
    doc=st.integers(0, 2),
    back=st.integers(0, 4),
    start=small | st.integers(0, 400),
    deleted=small,
    text=written,
)
garbled = st.builds(
    Type,
    who=who,
    doc=st.integers(0, 2),
    back=st.integers(0, 4),
    start=small,
    deleted=small,
    text=written,
    garble=st.tuples(
        st.integers(0, 200),
        st.sampled_from(["", "9", "-", "[", "]", ",", '"', "\\ud83d", "\0", "1e9", "null", "{}"]),
    ),
)

_numbers = st.sampled_from([-1, 0, 1, 5, 199_999, 200_001, 2**31, 2**53, 2**53 + 1, 2**64, 10**40])
_odd: st.SearchStrategy[Any] = st.sampled_from([1.5, 1e308, True, None, "", "😀", "\n", {}, []])
_parts = st.recursive(_numbers | _odd, lambda inner: st.lists(inner, max_size=4), max_leaves=6)
wild = st.fixed_dictionaries(
    {
        "type": st.just("edit"),
        "doc": docs,
        "version": st.integers(0, 6) | _numbers,
        "changes": st.lists(_parts, max_size=4) | _parts,
    },
    optional={"ref": st.sampled_from(["e1", "e2", 3, "😀" * 64])},
)
cursors = st.fixed_dictionaries(
    {"type": st.just("cursor"), "doc": docs, "version": small, "anchor": _numbers, "head": small}
)
tutors = st.sampled_from(
    [
        {"type": "open", "problem": "double", "part": "texts"},
        {"type": "open", "problem": "double"},
        {"type": "lock", "locked": True},
        {"type": "lock", "locked": False},
        {"type": "phase", "action": "start"},
        {"type": "note", "text": "a note"},
        {"type": "hint", "hint": 0},
        {"type": "score", "criterion": "clarity", "level": 4},
    ]
)
runs = st.fixed_dictionaries(
    {
        "type": st.just("run"),
        "doc": docs.filter("nope".__ne__),
        "what": st.sampled_from(["program", "tests"]),
    },
    optional={"stdin": st.sampled_from(["", "a line\n", "😀"])},
)
typed = st.builds(
    lambda text, eof: {"type": "stdin", "run": LATEST_RUN, "text": text, "eof": eof},
    written,
    st.booleans(),
)
stops = st.just({"type": "stop", "run": LATEST_RUN})
sensible: st.SearchStrategy[Any] = st.one_of(tutors, runs, runs, typed, stops, cursors)


def _mutilate(frame: bytes, start: int, end: int, junk: bytes) -> bytes:
    return frame[:start] + junk + frame[end:]


_decoded = client_messages.map(lambda message: msgspec.json.encode(message))
frames: st.SearchStrategy[str | bytes] = st.one_of(
    _decoded,
    _decoded.map(bytes.decode),
    st.builds(_mutilate, _decoded, small, st.integers(0, 60), st.binary(max_size=6)),
    json_values.map(json.dumps),
    st.binary(max_size=40),
    st.text(max_size=20),
    st.sampled_from(["[" * 900, '{"type":' * 120, '{"type":"end"}', '{"type":"ping","t":1e999}']),
)
connects = st.builds(
    Connect,
    who=who,
    fresh=st.booleans(),
    says=st.sampled_from(
        [
            *[None] * 8,
            "",
            "{",
            '{"type":"ping","t":1}',
            '{"type":"hello","after":9007199254740992,"client":"candidate"}',
            '{"type":"hello","after":-1,"client":"tutor"}',
        ]
    ),
)

_often: list[st.SearchStrategy[Step]] = [
    *[edits] * 6,
    garbled,
    *[st.builds(Send, who=who, frame=wild.map(json.dumps))] * 2,
    *[st.builds(Send, who=who, frame=sensible.map(json.dumps))] * 2,
    *[st.builds(Send, who=who, frame=frames)] * 2,
    connects,
    st.builds(Leave, who=who),
    st.just(Rest()),
    st.builds(Breathe, turns=st.integers(1, 8)),
]
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.integers(0, len(_often) - 1).flatmap(_often.__getitem__), min_size=15, max_size=40
).map(lambda drawn: [Connect(0), Connect(1), *drawn])
