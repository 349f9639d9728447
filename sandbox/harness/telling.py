"""What a test's own process says about itself: its value as JSON, or its exception in plain words.

Runs in the same process as the candidate's code, after it. Tracebacks show the candidate's frames
only: those whose code was compiled under the source's file name.
"""

from __future__ import annotations

import json
import linecache
import traceback
from itertools import groupby
from types import TracebackType
from typing import Any, NamedTuple

from sandbox.wire import MAX_VALUE, ErrorReport

FRAMES_AT_EACH_END = 12
"""How many frames of a deep traceback are shown from its beginning, and from its end."""


class PlainError(Exception):
    """What is wrong with a program, in the harness's own words: no frame of the program's tells it.

    `kind` is what Python would raise for it.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def value_as_json(value: object, entry: str) -> bytes:
    """`value` as JSON text; tuples become arrays. Raises `PlainError`, saying why not."""

    def refuse(part: object) -> Any:
        name = type(part).__name__
        what = _a(name) if part is value else f"{_a(type(value).__name__)} with {_a(name)} in it"
        advice = "; return a list" if _is_listable(part) else ""
        raise PlainError(
            "TypeError", f"`{entry}` returned {what}, which the tests cannot compare{advice}"
        )

    try:
        text = json.JSONEncoder(allow_nan=False, default=refuse).encode(value)
    except RecursionError:
        raise PlainError(
            "ValueError", f"`{entry}` returned a value nested too deeply to compare"
        ) from None
    except (TypeError, ValueError) as error:
        raise PlainError(
            type(error).__name__,
            f"`{entry}` returned a value that the tests cannot compare: {error}",
        ) from None
    if len(text) > MAX_VALUE:
        raise PlainError(
            "ValueError",
            f"`{entry}` returned {len(text):,} characters of JSON; the tests take {MAX_VALUE:,}",
        )
    return text.encode()


def _a(name: str) -> str:
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def _is_listable(part: object) -> bool:
    return hasattr(part, "__iter__") and not isinstance(part, bytes | bytearray | memoryview)


def remember_source(source: str, filename: str) -> None:
    """Let tracebacks quote `source`, which stands in no file."""
    # Without a time stamp, linecache never looks for the file and never forgets the entry.
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)


def plain_error(kind: str, message: str) -> ErrorReport:
    """An error that the harness found, not the program: no frames, no line."""
    return ErrorReport(kind, message, f"{kind}: {message}", 0)


def error_report(error: BaseException, filename: str) -> ErrorReport:
    """`error` as Python would print it, without any frame but the candidate's."""
    name = type(error).__name__
    told = "".join(traceback.format_exception_only(error)).rstrip("\n")
    if isinstance(error, SyntaxError) and error.filename == filename:
        where = f" (line {error.lineno})" if error.lineno else ""
        return ErrorReport(name, f"{error.msg}{where}", told, error.lineno or 0)
    # Python's last line is `module.Class: message`, or the class alone.
    message = told.partition(name)[2].removeprefix(": ")
    frames = _own_frames(error.__traceback__, filename)
    text = "".join(_chain(error, filename, seen=set()))
    return ErrorReport(name, message, text.rstrip("\n"), frames[-1].tb_lineno if frames else 0)


def _chain(error: BaseException, filename: str, seen: set[int]) -> list[str]:
    """The exception's causes first, each told like the exception itself."""
    seen.add(id(error))
    cause = error.__cause__
    link = "\nThe above exception was the direct cause of the following exception:\n\n"
    if cause is None and not error.__suppress_context__:
        cause = error.__context__
        link = "\nDuring handling of the above exception, another exception occurred:\n\n"
    before: list[str] = []
    if cause is not None and id(cause) not in seen and len(seen) < FRAMES_AT_EACH_END:
        before = [*_chain(cause, filename, seen), link]
    return before + _one(error, filename)


def _one(error: BaseException, filename: str) -> list[str]:
    frames = _own_frames(error.__traceback__, filename)
    head = ["Traceback (most recent call last):\n"] if frames else []
    return head + _shown(frames) + traceback.format_exception_only(error)


def _own_frames(tb: TracebackType | None, filename: str) -> list[TracebackType]:
    frames = []
    while tb is not None:
        if tb.tb_frame.f_code.co_filename == filename:
            frames.append(tb)
        tb = tb.tb_next
    return frames


class _Repeated(NamedTuple):
    """A frame, and how many more like it follow."""

    frame: TracebackType
    more: int


def _shown(frames: list[TracebackType]) -> list[str]:
    """The frames as text: repeated ones counted, the middle of a long list left out."""
    groups = []
    for _, same in groupby(frames, key=lambda tb: (id(tb.tb_frame.f_code), tb.tb_lineno)):
        members = list(same)
        groups.append(_Repeated(members[0], len(members) - 1))
    if len(groups) <= 2 * FRAMES_AT_EACH_END:
        return [_line(group) for group in groups]
    hidden = groups[FRAMES_AT_EACH_END:-FRAMES_AT_EACH_END]
    count = sum(group.more + 1 for group in hidden)
    return [
        *map(_line, groups[:FRAMES_AT_EACH_END]),
        f"  [{count} more frames]\n",
        *map(_line, groups[-FRAMES_AT_EACH_END:]),
    ]


def _line(group: _Repeated) -> str:
    text = "".join(traceback.extract_tb(group.frame, limit=1).format())
    if group.more:
        times = "1 more time" if group.more == 1 else f"{group.more} more times"
        text += f"  [Previous line repeated {times}]\n"
    return text
