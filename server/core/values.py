"""JSON values that came out of a sandbox: decoded with caps, compared, and shown."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

MAX_VALUE_CHARACTERS = 4 * 1024 * 1024
MAX_DEPTH = 100
MAX_DIGITS = 1_000
MAX_SHOWN_CHARACTERS = 2_000

_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*\\?(?:"|\Z)|[\[\]{}]', re.DOTALL)
"""A string that never ends is taken to the end of the text: no quote in it is tried again."""


class ValueRefusedError(ValueError):
    """A value that is too large, too deep or not JSON; the message says which."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where two values differ."""

    path: str
    """As Python would index it, e.g. `[2]['price']`; empty for the whole value."""
    expected: str
    got: str

    def __str__(self) -> str:
        where = f"at {self.path}: " if self.path else ""
        return f"{where}expected {self.expected}, got {self.got}"


def decode(text: str) -> Any:
    """The value of a JSON text from a sandbox; raises `ValueRefusedError`."""
    if len(text) > MAX_VALUE_CHARACTERS:
        raise ValueRefusedError(f"is larger than {MAX_VALUE_CHARACTERS} characters")
    _check_depth(text)
    try:
        return json.loads(text, parse_int=_parse_int)
    except ValueRefusedError:
        raise
    except ValueError as error:
        raise ValueRefusedError("is not JSON") from error


def _check_depth(text: str) -> None:
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        character = text[token.start()]
        depth += (character in "[{") - (character in "]}")
        if depth > MAX_DEPTH:
            raise ValueRefusedError(f"is nested deeper than {MAX_DEPTH} levels")


def _parse_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueRefusedError(f"has a number of more than {MAX_DIGITS} digits")
    return int(digits)


def shown(value: Any) -> str:
    """A value as a Python literal, shortened to `MAX_SHOWN_CHARACTERS`."""
    return shortened(repr(value))


def shortened(text: str, limit: int = MAX_SHOWN_CHARACTERS) -> str:
    """`text`, or its beginning with the number of characters left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def difference(expected: Any, got: Any, tolerance: float | None = None) -> Difference | None:
    """The first place where `got` is not what was expected; None where they agree.

    An int may stand where a float is expected, as in Python's typing, but not a float for an int
    nor a bool for either. With a `tolerance`, numbers may be off by it, and int and float are one.
    """
    if isinstance(expected, list) and isinstance(got, list):
        return _list_difference(expected, got, tolerance)
    if isinstance(expected, dict) and isinstance(got, dict):
        return _dict_difference(expected, got, tolerance)
    if _same_scalar(expected, got, tolerance):
        return None
    return Difference("", _brief(expected), _brief(got))


def unordered_difference(expected: Any, got: Any) -> Difference | None:
    """As `difference`, but two lists may hold the same items in any order."""
    if not (isinstance(expected, list) and isinstance(got, list)):
        return difference(expected, got)
    if len(expected) != len(got):
        return _length_difference(expected, got)
    wanted, given = sorted(expected, key=_sort_key), sorted(got, key=_sort_key)
    for left, right in zip(wanted, given, strict=True):
        if difference(left, right):
            return Difference("", f"{_brief(left)} among the items", f"{_brief(right)} instead")
    return None


def _list_difference(
    expected: list[Any], got: list[Any], tolerance: float | None
) -> Difference | None:
    for index, (left, right) in enumerate(zip(expected, got, strict=False)):
        inner = difference(left, right, tolerance)
        if inner:
            return Difference(f"[{index}]{inner.path}", inner.expected, inner.got)
    return None if len(expected) == len(got) else _length_difference(expected, got)


def _length_difference(expected: list[Any], got: list[Any]) -> Difference:
    return Difference("", _count(expected), _count(got))


def _count(items: list[Any]) -> str:
    return "1 item" if len(items) == 1 else f"{len(items)} items"


def _dict_difference(
    expected: dict[str, Any], got: dict[str, Any], tolerance: float | None
) -> Difference | None:
    for key, left in expected.items():
        if key not in got:
            return Difference("", f"key {_brief(key)}", "a dict without it")
        inner = difference(left, got[key], tolerance)
        if inner:
            return Difference(f"[{_brief(key)}]{inner.path}", inner.expected, inner.got)
    extra = next((key for key in got if key not in expected), None)
    return None if extra is None else Difference("", "no other key", f"key {_brief(extra)}")


def _same_scalar(expected: Any, got: Any, tolerance: float | None) -> bool:
    if _is_number(expected) and _is_number(got):
        if tolerance is not None:
            return _is_close(expected, got, tolerance)
        return isinstance(expected, float) >= isinstance(got, float) and bool(expected == got)
    return type(expected) is type(got) and bool(expected == got)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_close(expected: float, got: float, tolerance: float) -> bool:
    """Within `tolerance`, or within that share of a larger number; infinities only as such."""
    try:
        return abs(got - expected) <= tolerance * max(1.0, abs(expected)) or expected == got
    except OverflowError:  # an int beyond every float
        return expected == got


def _sort_key(value: Any) -> tuple[Any, ...]:
    """A total order over JSON in which equal numbers stand side by side."""
    if value is None or isinstance(value, bool):
        return (0, str(value))
    if isinstance(value, float) and math.isnan(value):
        return (1,)
    if isinstance(value, int | float):
        return (2, value, isinstance(value, float))
    if isinstance(value, str):
        return (3, value)
    if isinstance(value, list):
        return (4, [_sort_key(item) for item in value])
    return (5, [(key, _sort_key(value[key])) for key in sorted(value)])


def _brief(value: Any) -> str:
    return shortened(repr(value), 120)
