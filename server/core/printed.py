"""What a program printed, compared with what it should have printed."""

from __future__ import annotations

import math
from collections import Counter
from itertools import zip_longest
from typing import NamedTuple

from server.core.problem import Compare
from server.core.values import shortened

_MAX_NUMBER_CHARACTERS = 400


def text_detail(compare: Compare, expected: str, got: str) -> str:
    """Why a printed text is not the expected one; empty where it is.

    `tokens` compares word by word, however they are spaced; `float` does so too and forgives
    numbers that are off by the tolerance; `unordered` forgives the order of the lines; `exact`
    forgives nothing but a newline at the very end.
    """
    if compare.kind == "exact":
        wanted, given = _numbered(expected.removesuffix("\n")), _numbered(got.removesuffix("\n"))
        return _lines_detail(wanted, given)
    if compare.kind == "unordered":
        return _unordered_detail(_filled_lines(expected), _filled_lines(got))
    tolerance = compare.tolerance if compare.kind == "float" else None
    if _same_tokens(expected, got, tolerance):
        return ""
    return _lines_detail(_filled_lines(expected), _filled_lines(got), tolerance)


class _Line(NamedTuple):
    number: int
    text: str


def _numbered(text: str) -> list[_Line]:
    return [_Line(number, line) for number, line in enumerate(text.split("\n"), start=1)]


def _filled_lines(text: str) -> list[_Line]:
    """The lines that hold anything, with single spaces between their words."""
    lines = [_Line(number, " ".join(line.split())) for number, line in _numbered(text)]
    return [line for line in lines if line.text]


def _lines_detail(expected: list[_Line], got: list[_Line], tolerance: float | None = None) -> str:
    """The first difference, told by the line's number in what was printed."""
    for left, right in zip_longest(expected, got):
        if right is None:
            return f"line {left.number} is missing: expected {_brief(left.text)}"
        if left is None:
            return f"line {right.number} is one too many: {_brief(right.text)}"
        forgiven = tolerance is not None and _same_tokens(left.text, right.text, tolerance)
        if left.text != right.text and not forgiven:
            return (
                f"line {right.number} differs: "
                f"expected {_brief(left.text)}, got {_brief(right.text)}"
            )
    return ""


def _same_tokens(expected: str, got: str, tolerance: float | None) -> bool:
    wanted, given = expected.split(), got.split()
    if wanted == given or tolerance is None:
        return wanted == given
    if len(wanted) != len(given):
        return False
    pairs = zip(wanted, given, strict=True)
    return all(one == other or _close(one, other, tolerance) for one, other in pairs)


def _close(expected: str, got: str, tolerance: float) -> bool:
    one, other = _number(expected), _number(got)
    if one is None or other is None:
        return False
    return abs(other - one) <= tolerance * max(1.0, abs(one))


def _number(text: str) -> float | None:
    if len(text) > _MAX_NUMBER_CHARACTERS:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _unordered_detail(expected: list[_Line], got: list[_Line]) -> str:
    wanted = Counter(line.text for line in expected)
    given = Counter(line.text for line in got)
    missing = next(iter(wanted - given), None)
    if missing is not None:
        return f"a line is missing: expected {_brief(missing)}"
    extra = next(iter(given - wanted), None)
    return "" if extra is None else f"a line is one too many: {_brief(extra)}"


def _brief(line: str) -> str:
    return shortened(repr(line), 120)
