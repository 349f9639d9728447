"""Two passes over the nodes before the models see them: refuse by name what is not supported yet,
and read the files that the folder form refers to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from server.core.values import ValueRefusedError, decode
from server.problem_files.nodes import Complaint, Node

ReadFile: TypeAlias = Callable[[str], str]
"""The text of a file named beside problem.yaml; raises `FileRefusedError`."""

_SUPPORTED_MODES = "For now: function, class or program."
_WRITE_CASES = "For now write the cases out, with args and expect."
_COMPARISONS = "For now: exact, unordered, tokens or {float: 1e-6}."

_UNSUPPORTED_MODES = ("sql",)
_UNSUPPORTED_IN_PART = {
    "databases": _SUPPORTED_MODES,
    "generators": _WRITE_CASES,
    "valid": "For now check the cases by eye.",
}
_UNSUPPORTED_IN_GROUP = {"growth": "For now measure by hand, and give the group a time limit."}
_UNSUPPORTED_IN_CASE = {
    "gen": _WRITE_CASES,
    "db": _SUPPORTED_MODES,
    "schema_of": _SUPPORTED_MODES,
}


class FileRefusedError(Exception):
    """A file that cannot be read from a problem's folder; the message says why."""


def refuse_unsupported(root: Node) -> Iterator[Complaint]:
    """Yield a complaint for each thing that is not supported yet, and take it out of the nodes."""
    for part in (root, *_list(root, "followups")):
        yield from _refuse_mode(part)
        yield from _refuse_keys(part, _UNSUPPORTED_IN_PART)
        yield from _refuse_compare(part)
        for group in _list(part, "tests"):
            yield from _refuse_keys(group, _UNSUPPORTED_IN_GROUP)
            yield from _refuse_cases(group)


def _refuse_mode(part: Node) -> Iterator[Complaint]:
    mode = part.get("mode")
    if mode and mode.scalar in _UNSUPPORTED_MODES:
        message = f'mode "{mode.scalar}" is not supported yet'
        yield Complaint(mode.mark, message, _SUPPORTED_MODES)
        mode.scalar = "function"  # stands in, so that the shape of the rest is still checked


def _refuse_cases(group: Node) -> Iterator[Complaint]:
    cases = group.get("cases")
    if cases is None or cases.kind != "sequence":
        return
    kept: list[Node] = []
    for case in cases.children():
        complaints = list(_refuse_keys(case, _UNSUPPORTED_IN_CASE))
        yield from complaints
        if not complaints:
            kept.append(case)
    cases.items = dict(enumerate(kept))


def _refuse_keys(node: Node, unsupported: dict[str, str]) -> Iterator[Complaint]:
    for key, mend in unsupported.items():
        if key in node.items:
            yield Complaint(node.keys[key].mark, f'"{key}" is not supported yet', mend)
            node.remove(key)


def _refuse_compare(part: Node) -> Iterator[Complaint]:
    compare = part.get("compare")
    if compare is None:
        return
    places = (
        {str(compare.scalar): compare.mark}
        if compare.kind == "scalar"
        else {key: found.mark for key, found in compare.keys.items()}
    )
    for kind, mark in places.items():
        if kind in ("rows", "checker"):
            yield Complaint(mark, f'comparing by "{kind}" is not supported yet', _COMPARISONS)
            part.remove("compare")
            return


def read_references(root: Node, read_file: ReadFile) -> Iterator[Complaint]:
    """Put the texts of the files in place of `{file: name}`; yield what cannot be read."""
    for key, node in _references(root):
        name = node.items["file"]
        try:
            if not isinstance(name.scalar, str):
                raise FileRefusedError("should be the name of a file beside problem.yaml")
            text = read_file(name.scalar)
            is_json = key in _ARE_DATA and name.scalar.endswith(".json")
            node.scalar = _json(text) if is_json else text
        except FileRefusedError as error:
            yield Complaint(name.mark, f'file "{name.scalar}" {error}')
        node.kind, node.items = "scalar", {}


def _references(node: Node) -> Iterator[tuple[str, Node]]:
    for key, child in node.items.items():
        is_reference = child.kind == "mapping" and list(child.items) == ["file"]
        if key in _MAY_BE_FILES and is_reference:
            yield str(key), child
        elif key not in _ARE_DATA:
            yield from _references(child)


_ARE_DATA = ("args", "calls", "expect")
"""Holds any JSON: a reference must stand right there, and a `.json` file is its value."""
_MAY_BE_FILES = (*_ARE_DATA, "starter", "code", "stdin", "en", "fr")


def _json(text: str) -> Any:
    try:
        return decode(text)
    except ValueRefusedError as error:
        raise FileRefusedError(str(error)) from error


def _list(node: Node, key: str) -> list[Node]:
    found = node.get(key)
    return list(found.children()) if found and found.kind == "sequence" else []
