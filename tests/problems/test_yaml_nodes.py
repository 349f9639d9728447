"""YAML read into nodes: YAML 1.2's values, and every error at its place."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest

from server.problem_files.nodes import BrokenYamlError, Complaint, Mark, read_nodes


def complaints(text: str) -> list[str]:
    with pytest.raises(BrokenYamlError) as caught:
        read_nodes(text)
    return [f"{mark.line}:{mark.column}: {message}" for mark, message, _ in caught.value.complaints]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("12:30:45", "12:30:45"),
        ("2026-01-03", "2026-01-03"),
        ("2026-03-02T08:15:04Z", "2026-03-02T08:15:04Z"),
        ("1_000", "1_000"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("0", 0),
        ("-3", -3),
        ("+4", 4),
        ("0x1F", 31),
        ("0o17", 15),
        ("017a", "017a"),
        ("1e-6", 1e-6),
        (".5", 0.5),
        ("9223372036854775807", 2**63 - 1),
        ("'250'", "250"),
        ('"null"', "null"),
        ("=", "="),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("[a, [b, {c: 1}]]", ["a", ["b", {"c": 1}]]),
        ("{1: a, true: b}", {"1": "a", "true": "b"}),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    plain = read_nodes(f"key: {text}").plain["key"]
    assert plain == value
    assert type(plain) is type(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &x 1\nb: *x\n", ["1:4: anchors and aliases are not read",
          "2:4: anchors and aliases are not read"]),
        ("*x : 2", ["1:1: anchors and aliases are not read"]),
        ("a: !!str 3", ["1:4: the tag !!str is not read"]),
        ("a: !!python/object/apply:os.system [id]",
         ["1:4: the tag !!python/object/apply:os.system is not read"]),
        ("- !x", ["1:3: the tag !x is not read"]),
        ("a: 1\n<<: {a: 2}", ["2:1: merge keys are not read"]),
        ("a: 1\nb: {c: 1, c: 2}\na: [3]\n",
         ['2:11: the key "c" stands twice', '3:1: the key "a" stands twice']),
        ("? [a]\n: 2", ["1:3: a key should be text, got a list or a mapping"]),
        ("a: 1\n---\nb: 1", ["2:1: a second document in the file"]),
        ("%YAML 1.1\n---\na: no", ["2:1: YAML directives are not read"]),
        ("a: 9223372036854775808", ["1:4: a whole number of more than 64 bits"]),
        ("a: " + "9" * 9_900, ["1:4: a whole number of more than 64 bits"]),
        ("a: 0x" + "f" * 9_900, ["1:4: a whole number of more than 64 bits"]),
        ("a: 007\nb: .nan\nc: -.inf\nd: 1e999",
         ["1:4: 007 is a number that begins with 0",
          "2:4: .nan is not a number that JSON has",
          "3:4: -.inf is not a number that JSON has",
          "4:4: a number too large for a float"]),
        ("a: " + "[" * 1_000, ["1:36: nested deeper than 32 levels"]),
        ("a: " + "[x, " * 1_000, ["1:132: nested deeper than 32 levels"]),
        ("a:\n  " + "{b: " * 500, ["2:131: nested deeper than 32 levels"]),
        ("\n".join(" " * n + "a:" for n in range(500)), ["33:33: nested deeper than 32 levels"]),
        ("a: b: c", ["1:5: not YAML: mapping values are not allowed here"]),
        ("a:\n\t- x", ["2:1: not YAML: found character '\\t' that cannot start any token"]),
        ("a: 'x\nb: 1", ["1:4: not YAML: found unexpected end of stream"]),
        ("a: @x", ["1:4: not YAML: found character '@' that cannot start any token"]),
        ("a: é\nb: \x01", ["2:4: not YAML: the character U+0001"]),
        ("a: {x, y z: 'q' r}", ["1:17: not YAML: expected ',' or '}', but got '<scalar>'"]),
        ("a:\n  - b\n c: 2",
         ["3:2: not YAML: expected <block end>, but found '<block mapping start>'"]),
        ("x\n" * 150_000, ["1:1: larger than 256 KiB"]),
        ("a: 1\nb: " + "x" * 11_000, ["2:1: a line of more than 10,000 characters"]),
    ],
)  # fmt: skip
def test_what_is_not_read_is_told_with_its_place(text: str, expected: list[str]) -> None:
    assert complaints(text) == expected


def test_the_mend_of_the_commonest_mistake_says_what_to_write() -> None:
    with pytest.raises(BrokenYamlError) as caught:
        read_nodes("en: Two words: here")
    assert caught.value.complaints == (
        Complaint(
            Mark(1, 14),
            "not YAML: mapping values are not allowed here",
            'Text holding ": " needs quotes, or a block: '
            'write "en: |" and the text below it, indented.',
        ),
    )


def test_a_bomb_of_aliases_is_told_about_and_never_expanded() -> None:
    """Expanded, it would be 2**2000 values."""
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 2_000)]
    assert len(complaints("\n".join(lines))) == 25


class Work:
    """Counts the Python functions that are called while it is watched."""

    def __init__(self) -> None:
        self.calls = 0

    def __enter__(self) -> Work:
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_error: object) -> None:
        sys.setprofile(None)

    def _count(self, _frame: FrameType, event: str, _argument: object) -> None:
        self.calls += event == "call"


@pytest.mark.parametrize(
    "line",
    ["[" * 9_000, "[x, " * 2_400, "{b: " * 2_400, "[{a: " * 1_900, '["x", ' * 1_500, "? [" * 3_000],
)
def test_what_is_nested_deep_in_one_line_is_not_read_to_its_end(line: str) -> None:
    """As much work as for what may be nested so, and no more: that of a few hundred tokens."""
    with Work() as work:
        assert len(complaints(f"a: {line}")) == 1
    assert work.calls < 20_000


def test_too_many_values_are_refused_while_reading() -> None:
    assert complaints("- 1\n" * 21_000)[-1] == "20000:3: more than 20,000 values"


def test_nodes_know_where_they_stand() -> None:
    root = read_nodes("a:\n  b: [1, two]\n  c: |\n    text\n")
    assert root.mark_of(("a", "b", 1)) == Mark(2, 10)
    assert root.key_mark_of(("a", "c")) == Mark(3, 3)
    assert root.mark_of(("a", "nowhere", 7)) == Mark(2, 3)
    assert root.key_mark_of(("x", "y")) == Mark(1, 1)


def test_an_empty_file_is_nothing() -> None:
    assert read_nodes("").plain is None
