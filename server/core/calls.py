"""What a test calls, as Python code for people to read."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from typing import Any

from server.core.class_signature import NEW, ClassSignature
from server.core.problem import Part, TestCase
from server.core.values import MAX_SHOWN_CHARACTERS, shortened

_LINE_WIDTH = 72
_MAX_BRIEF_CHARACTERS = 120
_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def shown_call(part: Part, case: TestCase) -> str:
    """The call that a case makes, as Python: on one line where it fits."""
    return _call(part.signature.name if part.signature else "main", case.args)


def shown_calls(
    signature: ClassSignature,
    calls: Sequence[Any],
    results: Sequence[Any] | None = None,
    ending: str = "",
) -> str:
    """The calls of a case in class mode as a piece of Python code.

    Behind each stands, as a comment, what it returns, where `results` are given and it is one that
    returns anything; behind the last stands `ending`.
    """
    name = _variable(signature.name)
    lines = [_statement(signature, name, call) for call in calls]
    if results is not None:
        notes = map(_result, [signature] * len(calls), calls, results)
        lines = [_with_comment(line, note) for line, note in zip(lines, notes, strict=True)]
    if ending:
        lines[-1] = _with_comment(lines[-1], ending)
    return "\n".join(lines)


def brief_call(signature: ClassSignature, call: Sequence[Any]) -> str:
    """One call, on a line that is never long: `allow('shop1', 5)`."""
    method, *arguments = call
    name = signature.name if method == NEW else method
    return shortened(_on_one_line(name, arguments), _MAX_BRIEF_CHARACTERS)


def _statement(signature: ClassSignature, name: str, call: Sequence[Any]) -> str:
    method, *arguments = call
    if method == NEW:
        return f"{name} = {_call(signature.name, arguments)}"
    return _call(f"{name}.{method}", arguments)


def _variable(class_name: str) -> str:
    """What an object of the class is called: `RateLimiter` gives `rate_limiter`."""
    name = _WORD_STARTS.sub("_", class_name).lower()
    return f"a_{name}" if name == class_name or keyword.iskeyword(name) else name


def _result(signature: ClassSignature, call: Sequence[Any], result: Any) -> str:
    """What to say of a call's result; nothing where None is all that it ever returns."""
    called = signature.called(call[0])
    if result is None and called and called.returns.name == "None":
        return ""
    line = repr(result)
    # Laying out goes over a value once for each of its levels: not over what a program made huge.
    return laid_out(result) if len(line) <= MAX_SHOWN_CHARACTERS else shortened(line)


def _with_comment(line: str, note: str) -> str:
    if not note:
        return line
    last = line.rpartition("\n")[2]
    if "\n" not in note and len(last) + len(note) + 4 <= _LINE_WIDTH:
        return f"{line}  # {note}"
    return "\n".join([line, *(f"# {part}" for part in note.split("\n"))])


def _on_one_line(name: str, arguments: Sequence[Any]) -> str:
    return f"{name}({', '.join(repr(value) for value in arguments)})"


def _call(name: str, arguments: Sequence[Any]) -> str:
    line = _on_one_line(name, arguments)
    if len(line) <= _LINE_WIDTH:
        return line
    inner = "".join(f"    {laid_out(value, 4)},\n" for value in arguments)
    return f"{name}(\n{inner})"


def laid_out(value: Any, indent: int = 0) -> str:
    """A JSON value as a Python literal, over several lines where one would be too long."""
    line = repr(value)
    if indent + len(line) <= _LINE_WIDTH or not isinstance(value, list | dict) or not value:
        return line
    inner = " " * (indent + 4)
    if isinstance(value, list):
        items = [laid_out(item, indent + 4) for item in value]
    else:
        items = [f"{key!r}: {laid_out(item, indent + 4)}" for key, item in value.items()]
    opening, closing = "[]" if isinstance(value, list) else "{}"
    body = "".join(f"{inner}{item},\n" for item in items)
    return f"{opening}\n{body}{' ' * indent}{closing}"
