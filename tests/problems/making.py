"""Parts, outcomes and files for these tests, made with as few words as possible."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sandbox.contract import Ended, Outcome, ProgramError
from server.core.problem import Compare, Group, Localized, Part, TestCase
from server.problem_files.prepare import FileRefusedError
from server.problem_files.read import BrokenProblemError, ReadProblem, read_problem

MINIMAL = """\
format: 1
id: doubles
version: 1
status: ready
title: {en: Doubles, fr: Doubles}
difficulty: 1
minutes: 10
mode: function
entry: "double(items: list[Item]) -> list[int]"
types:
  Item: {price: int, "note?": str}
statement:
  en: Double each price.
  fr: Doublez chaque prix.
tests:
  - group: examples
    visible: true
    cases:
      - name: one item
        args: [[{price: 2}]]
        expect: [4]
  - group: hidden
    cases:
      - name: none
        args: [[]]
        expect: []
solutions:
  - name: a list
    expect: pass
    code: |
      def double(items):
          return [2 * item["price"] for item in items]
"""


def read(text: str, slug: str = "doubles", files: dict[str, str] | None = None) -> ReadProblem:
    """The problem in a text, with `files` standing in its folder."""

    def read_file(name: str) -> str:
        if name not in (files or {}):
            raise FileRefusedError("is not there")
        return (files or {})[name]

    return read_problem(text, "x.yaml", slug, read_file)


def complaints(text: str, slug: str = "doubles", files: dict[str, str] | None = None) -> list[str]:
    """What is said about a text, as `line:column: message | mend`; empty where it is good."""
    try:
        read(text, slug, files)
    except BrokenProblemError as error:
        return [
            f"{one.line}:{one.column}: {one.message}" + (f" | {one.mend}" if one.mend else "")
            for one in error.errors
        ]
    return []


def changed(*changes: tuple[str, str]) -> str:
    """`MINIMAL` with each first text, which must be there once, replaced by the second."""
    text = MINIMAL
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


def function_part(
    expect: Any = None, kind: str = "exact", tolerance: float = 0.0, raises: str | None = None
) -> Part:
    """A part with the one visible case `g/1`, whose argument is 1."""
    case = TestCase(id="g/1", name="one", args=(1,), expect=expect, raises=raises)
    return part([case], "function", kind, tolerance)


def program_part(expect: str, kind: str = "tokens", tolerance: float = 0.0) -> Part:
    """A part with the one visible case `g/1`, whose stdin is `in`."""
    case = TestCase(id="g/1", name="one", stdin="in", expect=expect)
    return part([case], "program", kind, tolerance)


def part(cases: Sequence[TestCase], mode: Any, kind: Any = "exact", tolerance: float = 0.0) -> Part:
    """A part with one visible group of these cases."""
    return Part(
        id="main",
        title=Localized(en="T"),
        minutes=10,
        mode=mode,
        entry="f(x: Any) -> Any" if mode == "function" else "",
        starter="",
        statement=Localized(en="S"),
        compare=Compare(kind=kind, tolerance=tolerance),
        groups=(Group(name="g", visible=True, cases=tuple(cases)),),
    )


def ended(how: Ended, **more: Any) -> Outcome:
    """An outcome of the case `g/1`."""
    given = {"test": "g/1", "time_ms": 1.0, "cpu_ms": 1.0, "memory_bytes": 1_000_000}
    return Outcome(ended=how, **{**given, **more})


def returned(value: Any) -> Outcome:
    """The outcome of a function that returned a value."""
    return ended(Ended.RETURNED, value=json.dumps(value))


def printed(text: str, exit_code: int = 0) -> Outcome:
    """The outcome of a program that printed a text."""
    return ended(Ended.EXITED, stdout=text, exit_code=exit_code)


def raised(kind: str, message: str = "") -> Outcome:
    """The outcome of a program that an exception ended."""
    error = ProgramError(kind, message, f"Traceback …\n{kind}: {message}", 1)
    return ended(Ended.RAISED, error=error)
