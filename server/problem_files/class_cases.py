"""The calls of a case in class mode, and what they return, checked against the signatures."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from server.core.class_signature import NEW, ClassSignature
from server.core.signature import Signature, mismatch
from server.problem_files.models import CaseFile
from server.problem_files.nodes import Path

_A_CALL = "A call is a list: the method, then one item per parameter, such as [allow, shop1, 0]."
_RESULTS = "expect is a list with one item per call: null for new, or where nothing is returned."


class CaseComplaint(NamedTuple):
    """What is wrong in a case, to follow its label."""

    path: Path
    """Where in the case it stands, e.g. `("calls", 1)`."""
    message: str
    mend: str = ""


def class_complaints(case: CaseFile, signature: ClassSignature | None) -> Iterator[CaseComplaint]:
    """What is wrong with a case in class mode; without a signature, with its keys alone."""
    for key in ("args", "stdin"):
        if getattr(case, key) is not None:
            yield CaseComplaint((), f" has {key}, but a class takes calls", _write_calls(signature))
    if not case.calls and case.args is None:
        yield CaseComplaint((), " has no calls", _write_calls(signature))
    if signature is None or not case.calls:
        return
    found = list(_calls_complaints(case.calls, signature))
    yield from found
    if "expect" in case.model_fields_set and not found:
        yield from _results_complaints(case.expect, case.calls, signature)


def _write_calls(signature: ClassSignature | None) -> str:
    method = signature.methods[0].name if signature else "method"
    return f"Write  calls: [[{NEW}, ...], [{method}, ...]]"


def _calls_complaints(calls: Sequence[Any], signature: ClassSignature) -> Iterator[CaseComplaint]:
    if isinstance(calls[0], list) and calls[0][:1] != [NEW]:
        mend = f"Begin with  [{NEW}, ...]  and the arguments of {signature.call}."
        yield CaseComplaint(("calls", 0), f": call 1 should be {NEW}, which makes the object", mend)
        return
    for index, call in enumerate(calls):
        label = f"call {index + 1}"
        for message, mend in _call_problems(call, signature):
            yield CaseComplaint(("calls", index), f": {label}{message}", mend)


def _call_problems(call: Any, signature: ClassSignature) -> Iterator[tuple[str, str]]:
    if not isinstance(call, list) or not call or not isinstance(call[0], str):
        yield " should be a list that begins with a method's name", _A_CALL
        return
    name, *arguments = call
    called = signature.called(name)
    if called is None:
        yield f': "{name}" is no method of {signature.name}', _did_you_mean(name, signature)
    elif len(arguments) != len(called.parameters):
        count = "1 argument" if len(arguments) == 1 else f"{len(arguments)} arguments"
        yield f": {count}, but {called.call} takes {len(called.parameters)}", _A_CALL
    else:
        yield from _argument_problems(called, arguments)


def _did_you_mean(name: str, signature: ClassSignature) -> str:
    known = [NEW, *(method.name for method in signature.methods)]
    near = difflib.get_close_matches(name, known, 1)
    return (f'Did you mean "{near[0]}"? ' if near else "") + f"Allowed: {', '.join(known)}"


def _argument_problems(called: Signature, arguments: list[Any]) -> Iterator[tuple[str, str]]:
    for parameter, value in zip(called.parameters, arguments, strict=True):
        found = mismatch(value, parameter.type)
        if found:
            yield f', argument "{parameter.name}"{found}', found.mend


def _results_complaints(
    expect: Any, calls: Sequence[Any], signature: ClassSignature
) -> Iterator[CaseComplaint]:
    if not isinstance(expect, list):
        yield CaseComplaint(("expect",), ": expect should be a list", _RESULTS)
        return
    if len(expect) != len(calls):
        message = f": {_count(calls, 'call')}, but expect has {_count(expect, 'item')}"
        yield CaseComplaint(("expect",), message, _RESULTS)
        return
    for index, (call, value) in enumerate(zip(calls, expect, strict=True)):
        called = signature.called(call[0])
        found = mismatch(value, called.returns) if called else None
        if found:
            message = f": call {index + 1}, {call[0]}, expect{found}"
            yield CaseComplaint(("expect", index), message, found.mend or _RESULTS)


def _count(items: Sequence[Any], what: str) -> str:
    return f"1 {what}" if len(items) == 1 else f"{len(items)} {what}s"
