"""An author's own Python in a problem file: it is parsed here for its mistakes, and never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from server.core.checker import CHECKER_FUNCTION
from server.core.class_signature import ClassSignature
from server.core.generating import CallRefusedError, parse_call
from server.core.problem import CheckerTest, Compare, Group
from server.core.signature import Signature
from server.core.validity import VALID_FUNCTION
from server.problem_files.explain import did_you_mean
from server.problem_files.models import CheckerFile, CheckerTestFile
from server.problem_files.nodes import Path
from server.problem_files.notes import Notes
from server.problem_files.solutions import check_python


def functions_in(code: str, path: Path, notes: Notes) -> Mapping[str, ast.FunctionDef] | None:
    """The functions that `code` defines at its top, by name.

    None, and a complaint, where it is no Python.
    """
    tree = check_python(code, path, notes)
    if tree is None:
        return None
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def generator_names(code: str, path: Path, notes: Notes) -> Sequence[str] | None:
    """The functions that may make cases; None, and a complaint, where the code is broken."""
    found = functions_in(code, path, notes)
    return None if found is None else list(found)


def call_complaints(gen: str, generators: Sequence[str] | None) -> Iterator[tuple[str, str]]:
    """What is wrong with a case's `gen`, to follow its text, and how to mend it."""
    try:
        call = parse_call(gen)
    except CallRefusedError as error:
        yield str(error), error.mend
        return
    if generators is not None and call.name not in generators:
        mend = did_you_mean(call.name, generators) if generators else "Add  generators: |"
        yield f'calls "{call.name}", which "generators" does not define', mend


def given_names(signature: Signature | ClassSignature | None) -> list[str]:
    """What `valid` is given: the arguments, a class's calls as one list, or a program's stdin."""
    if isinstance(signature, ClassSignature):
        return ["calls"]
    return [one.name for one in signature.parameters] if signature else ["stdin"]


def check_valid(code: str, parameters: Sequence[str], path: Path, notes: Notes) -> None:
    """Complain of a `valid` that cannot be called with these parameters."""
    _check_takes(functions_in(code, path, notes), VALID_FUNCTION, parameters, path, notes)


def checker_compare(file: CheckerFile, path: Path, notes: Notes) -> Compare:
    """Comparing by the checker at `path`; what it is tested by comes with `with_checker_tests`."""
    found = functions_in(file.checker, (*path, "checker"), notes)
    _check_takes(found, CHECKER_FUNCTION, ("args", "expect", "got"), (*path, "checker"), notes)
    return Compare(kind="checker", checker=file.checker)


def _check_takes(
    found: Mapping[str, ast.FunctionDef] | None,
    name: str,
    parameters: Sequence[str],
    path: Path,
    notes: Notes,
) -> None:
    mend = f"It begins  def {name}({', '.join(parameters)}):"
    if found is None:
        return
    if name not in found:
        notes.at(path, f'"{path[-1]}" defines no function "{name}"', mend)
        return
    given = found[name].args
    positional = len(given.posonlyargs) + len(given.args)
    needed = positional - len(given.defaults)
    wanted = len(parameters)
    if needed > wanted or (positional < wanted and given.vararg is None):
        count = f"{positional} argument" + ("" if positional == 1 else "s")
        notes.at(path, f'"{name}" takes {count}, and is given {wanted}', mend)


def with_checker_tests(
    compare: Compare, file: CheckerFile, groups: Sequence[Group], path: Path, notes: Notes
) -> Compare:
    """`compare` with the tests of the checker, whose cases stand in `groups`."""
    ids = {case.name: case.id for group in reversed(groups) for case in group.cases}
    tests = {
        key: tuple(
            CheckerTest(case=_case_id(test, ids, (*path, key, index), notes), got=test.got)
            for index, test in enumerate(said)
        )
        for key, said in (("accepts", file.accepts), ("rejects", file.rejects))
    }
    return compare.model_copy(update=tests)


def _case_id(test: CheckerTestFile, ids: Mapping[str, str], path: Path, notes: Notes) -> str:
    if test.case not in ids:
        mend = did_you_mean(test.case, list(ids))
        notes.at((*path, "case"), f'no case here is named "{test.case}"', mend)
    return ids.get(test.case, "")
