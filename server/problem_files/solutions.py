"""Solutions of a part: their code, and the groups that each must fail."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence

from server.core.problem import Group, Part, Solution
from server.problem_files.explain import did_you_mean
from server.problem_files.models import SolutionFile
from server.problem_files.nodes import Mark, Path
from server.problem_files.notes import Notes


def build_solutions(
    files: list[SolutionFile],
    groups: Sequence[Group],
    main: Part | None,
    path: Path,
    notes: Notes,
) -> tuple[Solution, ...]:
    """The solutions of the part at `path`; `main` is part 1, where this is a follow-up of it."""
    path = (*path, "solutions")
    notes.twins(path, "name", "the solution", [file.name for file in files])
    known = {solution.name: solution.code for solution in main.solutions} if main else {}
    names = [group.name for group in groups]
    built: list[Solution] = []
    for index, file in enumerate(files):
        here = (*path, index)
        code = _code(file, known, here, notes)
        known[file.name] = code
        fails = _fails(file, names, here, notes)
        built.append(Solution(name=file.name, expect=file.expect, fails=fails, code=code))
    return tuple(built)


def _code(file: SolutionFile, known: dict[str, str], path: Path, notes: Notes) -> str:
    if (file.code is None) == (file.same_as is None):
        which = "neither code nor same_as" if file.code is None else "both code and same_as"
        notes.at(path, f'the solution "{file.name}" has {which}')
        return file.code or ""
    if file.code is not None:
        check_python(file.code, (*path, "code"), notes)
        return file.code
    if file.same_as not in known:
        message = f'no solution above is named "{file.same_as}"'
        notes.at((*path, "same_as"), message, did_you_mean(str(file.same_as), list(known)))
    return known.get(str(file.same_as), "")


def _fails(file: SolutionFile, names: Sequence[str], path: Path, notes: Notes) -> tuple[str, ...]:
    groups = f"The groups here: {', '.join(names)}"
    for index, name in enumerate(file.fails):
        if name not in names:
            mend = did_you_mean(name, names)
            notes.at((*path, "fails", index), f'no group is named "{name}"', mend)
    if file.expect == "pass" and file.fails:
        notes.at_key((*path, "fails"), f'"{file.name}" should pass, so it fails nothing')
    if file.expect != "pass" and not file.fails:
        if len(names) == 1:
            return tuple(names)
        message = f'the solution "{file.name}" does not say which groups it fails'
        notes.at(path, message, f"Add  fails: [...].  {groups}")
    return tuple(file.fails)


def check_python(code: str, path: Path, notes: Notes) -> ast.Module | None:
    """The parsed code; complains of what does not parse, at its line where the YAML shows it."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(code)
    except SyntaxError as error:
        notes.at_mark(_line_in(path, error, notes), f"not Python: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        notes.at(path, f"not Python: {error}")
    return None


def _line_in(path: Path, error: SyntaxError, notes: Notes) -> Mark:
    node = notes.root.get(*path)
    mark = notes.root.mark_of(path)
    if node is None or not node.is_block or error.lineno is None:
        return mark
    return Mark(mark.line + error.lineno, 1)
