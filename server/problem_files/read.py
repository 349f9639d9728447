"""One problem file's text into a problem, or into everything that is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from server.core.problem import MAIN, Problem
from server.problem_files.build import build_problem
from server.problem_files.explain import explain
from server.problem_files.models import ProblemFile
from server.problem_files.nodes import BrokenYamlError, Complaint, Mark, Node, Path, read_nodes
from server.problem_files.notes import Notes
from server.problem_files.prepare import ReadFile, read_references, refuse_unsupported


@dataclass(frozen=True, slots=True)
class ProblemFileError:
    """Something to say about a problem file, at its place."""

    file: str
    line: int
    column: int
    message: str
    mend: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        """`file:line:column: error: message`, and the mend indented below it."""
        head = f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message}"
        return f"{head}\n    {self.mend}" if self.mend else head


@dataclass(frozen=True, slots=True)
class ReadProblem:
    """A problem with the nodes that it was read from, so that a place in it can be named."""

    problem: Problem
    file: str
    root: Node

    def place(self, part_id: str, path: Path, line: int | None = None) -> Mark:
        """Where something of a part stands; a step names a key, or an item by name or position.

        For example `("solutions", "heaps")`, and there the `line` of the code. What a follow-up
        has from part 1 stands at the follow-up, but the author's own code where it is.
        """
        node = self.root
        followup = node.get("followups")
        stage = _named(followup, part_id) if part_id != MAIN and followup else None
        if stage is not None and not (path and path[0] in _CODE and path[0] not in stage.items):
            node = stage
        for step in path:
            found = node.get(step) or _named(node, step)
            if found is None:
                break
            node = found
        if line is None or not node.is_block:
            return node.mark
        return Mark(node.mark.line + line, 1)


_CODE = ("compare", "generators", "valid")
_NAMING_KEYS = ("name", "id", "group")


def _named(node: Node, name: str | int) -> Node | None:
    for item in node.children():
        names = (item.get(key) for key in _NAMING_KEYS)
        if any(found is not None and found.scalar == name for found in names):
            return item
    return None


class BrokenProblemError(Exception):
    """A file that gives no problem; says everything that is wrong with it."""

    def __init__(self, errors: tuple[ProblemFileError, ...]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors


def read_problem(text: str, file: str, slug: str, read_file: ReadFile) -> ReadProblem:
    """The problem in a YAML text.

    `file` is what messages call it, `slug` the file's or folder's name; `read_file` reads what
    the folder form refers to. Raises `BrokenProblemError`.
    """
    try:
        root = read_nodes(text)
    except BrokenYamlError as error:
        raise _broken(file, error.complaints) from error
    complaints = [*refuse_unsupported(root), *read_references(root, read_file)]
    try:
        model = ProblemFile.model_validate(root.plain)
    except ValidationError as error:
        raise _broken(file, [*complaints, *explain(error, root)]) from error
    if complaints:
        raise _broken(file, complaints)
    notes = Notes(root)
    problem = build_problem(model, slug, notes)
    if problem is None:
        raise _broken(file, notes.complaints)
    return ReadProblem(problem, file, root)


def _broken(file: str, complaints: list[Complaint] | tuple[Complaint, ...]) -> BrokenProblemError:
    return BrokenProblemError(
        tuple(
            ProblemFileError(file, mark.line, mark.column, message, mend)
            for mark, message, mend in sorted(complaints)
        )
    )
