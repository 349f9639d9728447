"""Signatures: parsed, shown as a call, and checked against values."""

from __future__ import annotations

from typing import Any

import pytest

from server.core.signature import (
    SignatureError,
    mismatch,
    parse_signature,
    parse_type,
    starter_for,
)

TYPES = {"Device": {"id": "str", "price?": "int"}, "Lot": {"devices": "list[Device]"}}


def told(value: Any, kind: str) -> str:
    found = mismatch(value, parse_type(kind, TYPES))
    return f"x{found}" if found else ""


def test_a_signature_is_taken_apart() -> None:
    signature = parse_signature("f(a: list[Device], b: int) -> str | None", TYPES)
    assert signature.call == "f(a, b)"
    assert [parameter.type.text for parameter in signature.parameters] == ["list[Device]", "int"]
    assert signature.returns.text == "str | None"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", -3),
        ("float", 1),
        ("float", 1.5),
        ("str", ""),
        ("bool", False),
        ("None", None),
        ("Any", {"a": [1]}),
        ("str | None", None),
        ("list[int] | dict[str, int]", {"a": 1}),
        ("list", [1, "x"]),
        ("list[list[int]]", [[], [1]]),
        ("tuple[int, str]", [1, "x"]),
        ("tuple[int, ...]", [1, 2, 3]),
        ("dict[str, float]", {"a": 1}),
        ("dict", {"a": None}),
        ("Device", {"id": "d", "price": 3}),
        ("Device", {"id": "d"}),
        ("Lot", {"devices": [{"id": "d"}]}),
    ],
)
def test_a_value_of_the_type_is_fine(kind: str, value: Any) -> None:
    assert told(value, kind) == ""


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("int", True, "x: should be int, got bool true"),
        ("int", 1.0, "x: should be int, got float 1.0"),
        ("float", True, "x: should be float, got bool true"),
        ("bool", 0, "x: should be bool, got int 0"),
        ("str", None, "x: should be str, got null"),
        ("str | None", 3, "x: should be str | None, got int 3"),
        ("list[int]", {}, "x: should be list[int], got a mapping"),
        ("list[int]", [1, "2"], 'x, item 2: should be int, got str "2"'),
        ("list[int] | None", [1, "2"], 'x, item 2: should be int, got str "2"'),
        ("list[list[int]]", [[], [None]], "x, item 2, item 1: should be int, got null"),
        ("tuple[int, str]", [1], "x: should have 2 items, got 1"),
        ("tuple[int, str]", [1, 2], "x, item 2: should be str, got int 2"),
        ("dict[str, int]", {"a": "b"}, 'x: "a" should be int, got str "b"'),
        ("Device", [], "x: should be Device, got a list"),
        ("Device", {}, 'x: "id" is missing'),
        ("Device", {"id": "d", "prize": 3}, 'x: unknown key "prize"'),
        ("Lot", {"devices": [{"id": 3}]}, 'x, "devices", item 1: "id" should be str, got int 3'),
        ("str", 10**60, "x: should be str, got int 10000000000000000000000000000000000000…"),
    ],
)
def test_the_first_place_that_does_not_fit_is_told(kind: str, value: Any, expected: str) -> None:
    assert told(value, kind) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "f",
        "f()",
        "f(a) -> int",
        "f(a: int, *rest: int) -> int",
        "f(**more: int) -> int",
        "f(a: int = 1) -> int",
        "f(a: int, /) -> int",
        "f(a: 'int') -> int",
        "f(a: __import__('os').system('id')) -> int",
        "f(a: list[int, str]) -> int",
        "f(a: dict[int, str]) -> int",
        "f(a: Nobody) -> int",
        "f() -> int: ...\ndef g()",
        "f(a: " + "list[" * 300 + "int" + "]" * 300 + ") -> int",
        "f(\0) -> int",
    ],
)
def test_what_is_no_signature_is_refused(text: str) -> None:
    with pytest.raises(SignatureError):
        parse_signature(text, TYPES)


def test_a_type_cannot_hold_itself() -> None:
    with pytest.raises(SignatureError, match='"Node" contains itself'):
        parse_type("Node", {"Node": {"next": "Node | None"}})


def test_a_starter_without_types_imports_nothing() -> None:
    assert starter_for("f(a: int) -> int", {}) == "def f(a: int) -> int:\n    ...\n"


def test_a_starter_imports_what_it_names() -> None:
    starter = starter_for("f(a: list[Any]) -> Lot", TYPES)
    assert starter.startswith("from typing import Any, NotRequired, TypedDict\n\n\nclass Device(")
    compile(starter, "starter", "exec")
