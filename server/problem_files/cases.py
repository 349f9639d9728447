"""Groups and cases of a part: limits inherited, arguments checked against the signature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sandbox.contract import Limits
from server.core.class_signature import ClassSignature
from server.core.problem import Group, PartMode, TestCase
from server.core.signature import Mismatch, Signature, TypeExpression, mismatch
from server.problem_files.class_cases import class_complaints
from server.problem_files.models import CaseFile, GroupFile, LimitsFile, seconds, size_bytes
from server.problem_files.nodes import Key, Node, Path
from server.problem_files.notes import Notes


@dataclass(frozen=True, slots=True)
class Frame:
    """What the cases of a part are checked against."""

    mode: PartMode
    signature: Signature | ClassSignature | None
    """None in program mode, and where the signature itself is broken."""
    limits: Limits


def narrowed(limits: Limits, said: LimitsFile | None) -> Limits:
    """`limits`, with what an inner level says in their place."""
    if said is None:
        return limits
    return replace(
        limits,
        time_s=seconds(said.time) if said.time else limits.time_s,
        memory_bytes=size_bytes(said.memory) if said.memory else limits.memory_bytes,
        output_bytes=size_bytes(said.output) if said.output else limits.output_bytes,
    )


def build_groups(
    groups: list[GroupFile], frame: Frame, path: Path, notes: Notes
) -> tuple[Group, ...]:
    """The groups of the part at `path`."""
    path = (*path, "tests")
    if not groups:
        notes.at(path, '"tests" holds no group')
    notes.twins(path, "group", "the group", [group.group for group in groups])
    return tuple(
        _build_group(group, frame, (*path, index), notes) for index, group in enumerate(groups)
    )


def _build_group(group: GroupFile, frame: Frame, path: Path, notes: Notes) -> Group:
    if not group.cases:
        notes.at(path, f'the group "{group.group}" has no cases')
    notes.twins((*path, "cases"), "name", "the case", [case.name for case in group.cases])
    limits = narrowed(frame.limits, group.limits)
    frame = replace(frame, limits=limits)
    cases = tuple(
        _build_case(case, f"{group.group}/{index + 1}", frame, (*path, "cases", index), notes)
        for index, case in enumerate(group.cases)
    )
    return Group(
        name=group.group,
        visible=group.visible,
        points=group.points,
        score=group.score,
        limits=limits,
        cases=cases,
    )


def _build_case(case: CaseFile, case_id: str, frame: Frame, path: Path, notes: Notes) -> TestCase:
    label = f'case "{case.name or case_id}"'
    for message, mend in _case_complaints(case, frame):
        notes.at(path, f"{label}{message}", mend)
    if frame.mode == "class":
        signature = frame.signature if isinstance(frame.signature, ClassSignature) else None
        for where, message, mend in class_complaints(case, signature):
            notes.at((*path, *where), f"{label}{message}", mend)
    for key in ("args", "calls", "expect"):
        for mark in _number_keys(notes.root.get(*path, key)):
            message = f"{label}: a key in {key} is not text"
            notes.at_mark(mark.mark, message, "The keys of JSON are text: put them in quotes.")
    return TestCase(
        id=case_id,
        name=case.name or case_id,
        args=tuple((case.calls if frame.mode == "class" else case.args) or ()),
        stdin=case.stdin or "",
        expect=case.expect,
        raises=case.raises,
        limits=narrowed(frame.limits, case.limits),
    )


def _case_complaints(case: CaseFile, frame: Frame) -> Iterator[tuple[str, str]]:
    """What is wrong with a case, to follow its label, and how to mend it."""
    expects = "expect" in case.model_fields_set
    if expects == (case.raises is not None):
        which = "both expect and raises" if expects else "neither expect nor raises"
        yield f" has {which}", "One of them says what must come of the case."
    if frame.mode == "program":
        yield from _program_complaints(case, expects)
    elif frame.mode == "function":
        signature = frame.signature if isinstance(frame.signature, Signature) else None
        yield from _function_complaints(case, expects, signature)


def _program_complaints(case: CaseFile, expects: bool) -> Iterator[tuple[str, str]]:
    for key in ("args", "calls"):
        if getattr(case, key) is not None:
            mend = "Write  stdin: |  and the text below it."
            yield f" has {key}, but a program reads stdin", mend
    if expects and not isinstance(case.expect, str):
        yield ": expect should be the text to print", "Write  expect: |  and the text below it."


def _function_complaints(
    case: CaseFile, expects: bool, signature: Signature | None
) -> Iterator[tuple[str, str]]:
    if case.stdin is not None:
        yield " has stdin, but a function takes args", "Write  args: [...]  or  mode: program"
    if case.calls is not None:
        yield " has calls, but a function takes args", "Write  args: [...]  or  mode: class"
    if signature is None:
        return
    wanted, given = len(signature.parameters), len(case.args or ())
    if wanted != given:
        mend = "args is a list with one item per parameter."
        yield f": {_count(given)}, but {signature.call} takes {wanted}", mend
        return
    for parameter, value in zip(signature.parameters, case.args or (), strict=True):
        yield from _checked(f'argument "{parameter.name}"', value, parameter.type)
    if expects:
        yield from _checked("expect", case.expect, signature.returns)


def _checked(label: str, value: Any, wanted: TypeExpression) -> Iterator[tuple[str, str]]:
    found: Mismatch | None = mismatch(value, wanted)
    if found:
        yield f": {label}{found}", found.mend


def _count(arguments: int) -> str:
    return "1 argument" if arguments == 1 else f"{arguments} arguments"


def _number_keys(node: Node | None) -> Iterator[Key]:
    """The keys in a case's data that Python would not take for text."""
    if node is None:
        return
    yield from (key for key in node.keys.values() if not key.is_text)
    for child in node.children():
        yield from _number_keys(child)
