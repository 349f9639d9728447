"""What a problem's file leaves to its own code: generated inputs, and the reference's answers.

Everything is run in a sandbox. What comes of it is part of the problem from then on: nothing is
made anew in mid-interview.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from sandbox.contract import Outcome, Sandbox
from server.author_runs import outcomes_of
from server.core.class_signature import ClassSignature
from server.core.generating import NotMadeError, generator_submission, made_by, parse_call
from server.core.judge import answer_in, submission_for
from server.core.problem import Group, Part, Problem, TestCase
from server.core.signature import Signature, mismatch
from server.core.validity import objection, valid_submission
from server.problem_files.cases import argument_complaints
from server.problem_files.class_cases import calls_complaints, results_complaints
from server.problem_files.findings import Finding
from server.problem_files.nodes import Path


async def completed(problem: Problem, sandbox: Sandbox) -> tuple[Problem, list[Finding]]:
    """The problem with all that it lacked, and what is wrong with how that was made.

    With an error among the findings, it lacks something still. Raises `SandboxError` where
    nothing can be run.
    """
    parts: list[Part] = []
    findings: list[Finding] = []
    for part in problem.parts:
        done, found = await _completed_part(part, sandbox)
        parts.append(done)
        findings += found
    return problem.model_copy(update={"parts": tuple(parts)}), findings


async def _completed_part(part: Part, sandbox: Sandbox) -> tuple[Part, list[Finding]]:
    for step in (_with_inputs, _with_valid_cases, _with_answers):
        if part.is_complete:
            break
        part, findings = await step(part, sandbox)
        if findings:
            return part, findings
    return part, []


_Step = tuple[Part, list[Finding]]


async def _with_inputs(part: Part, sandbox: Sandbox) -> _Step:
    calls = {case.id: parse_call(case.gen) for case in part.cases if "input" in case.needs}
    outcomes = await outcomes_of(sandbox, generator_submission(part, calls))
    findings: list[Finding] = []
    inputs: dict[str, dict[str, Any]] = {}
    for case_id in calls:
        try:
            inputs[case_id] = _input_of(part, made_by(outcomes.get(case_id)))
        except NotMadeError as error:
            findings.append(_not_made(part, part.case(case_id), error))
    return _updated(part, inputs, "input"), findings


def _input_of(part: Part, made: Any) -> dict[str, Any]:
    """What a case gets of what a generator made. Raises `NotMadeError` where it does not fit."""
    if part.mode == "program":
        if not isinstance(made, str):
            raise NotMadeError(f"it made a {type(made).__name__}, not the text on stdin")
        return {"stdin": made}
    if not isinstance(made, list):
        what, mend = _WANTED[part.mode]
        raise NotMadeError(f"it made a {type(made).__name__}, not a list of {what}", mend)
    for message, mend in _misfits(part, made):
        raise NotMadeError(f"what it made does not fit{message}", mend)
    return {"args": tuple(made)}


_CALLS_MEND = "A generator returns the list of calls, new first."
_WANTED = {
    "function": (
        "arguments",
        "A generator returns the list of arguments, one item per parameter.",
    ),
    "class": ("calls", _CALLS_MEND),
}


def _misfits(part: Part, made: list[Any]) -> Iterator[tuple[str, str]]:
    if isinstance(part.signature, Signature):
        yield from argument_complaints(made, part.signature)
    elif isinstance(part.signature, ClassSignature):
        if not made:
            yield ": there is no call", _CALLS_MEND
        for found in calls_complaints(made, part.signature) if made else ():
            yield found.message, found.mend


def _not_made(part: Part, case: TestCase, error: NotMadeError) -> Finding:
    path: Path = ("generators",) if error.line else (*_place(part, case), "gen")
    message = f'case "{case.name}": the generator made nothing: {error}'
    return Finding("error", part.id, path, message, error.mend, error.line)


def _place(part: Part, case: TestCase) -> Path:
    group = part.group_of(case.id)
    return ("tests", group.name, "cases", group.cases.index(case))


async def _with_valid_cases(part: Part, sandbox: Sandbox) -> _Step:
    return part, await validity_findings(part, sandbox)


async def validity_findings(part: Part, sandbox: Sandbox) -> list[Finding]:
    """What a part's `valid` has against its cases, which have their inputs.

    Raises `SandboxError` where it cannot be run.
    """
    if not part.valid:
        return []
    outcomes = await outcomes_of(sandbox, valid_submission(part))
    return list(_objections(part, outcomes))


def _objections(part: Part, outcomes: Mapping[str, Outcome]) -> Iterator[Finding]:
    for case in part.cases:
        found = objection(outcomes.get(case.id))
        if found is None:
            continue
        if found.is_about_case:
            message = f'case "{case.name}" is not valid: {found.message}'
            mend = "Mend the case, or what valid asks of it."
            yield Finding("error", part.id, _place(part, case), message, mend)
        else:
            message = f'on the case "{case.name}" valid failed: {found.message}'
            yield Finding("error", part.id, ("valid",), message, _VALID_MEND, found.line)


_VALID_MEND = 'It asserts what must hold: assert n > 0, "n is above 0"'


async def _with_answers(part: Part, sandbox: Sandbox) -> _Step:
    reference = next(one for one in part.solutions if one.expect == "pass")
    asked = submission_for(part, reference.code, "tests")
    wanted = {case.id for case in part.cases if "answer" in case.needs}
    tests = tuple(replace(test, batch="") for test in asked.tests if test.id in wanted)
    outcomes = await outcomes_of(sandbox, replace(asked, tests=tests))
    findings: list[Finding] = []
    answers: dict[str, dict[str, Any]] = {}
    for case in part.cases:
        if case.id not in wanted:
            continue
        answer, why_not = answer_in(part, case, outcomes.get(case.id))
        said = why_not or _answer_misfit(part, case, answer)
        if said:
            message = (
                f'the reference "{reference.name}" does not answer the case "{case.name}": {said}'
            )
            path = ("solutions", reference.name)
            findings.append(Finding("error", part.id, path, message, _REFERENCE_MEND))
        answers[case.id] = {"expect": answer}
    return _updated(part, answers, "answer") if not findings else part, findings


def _answer_misfit(part: Part, case: TestCase, answer: Any) -> str:
    """Why an answer is not of the type that the signature gives; empty where it is."""
    if isinstance(part.signature, ClassSignature):
        complaints = results_complaints(answer, case.calls, part.signature)
        return next((f"its answer{found.message}" for found in complaints), "")
    found = mismatch(answer, part.signature.returns) if part.signature else None
    return f"its answer{found}" if found else ""


_REFERENCE_MEND = "Mend it, the generator, or write what the case expects."


def _updated(part: Part, updates: Mapping[str, Mapping[str, Any]], what: str) -> Part:
    """`part` with these fields of its cases, which then no longer need `what`."""

    def update(case: TestCase) -> TestCase:
        if case.id not in updates:
            return case
        needs = tuple(need for need in case.needs if need != what)
        return case.model_copy(update={**updates[case.id], "needs": needs})

    return _mapped(part, lambda group: tuple(map(update, group.cases)))


def _mapped(part: Part, cases_of: Callable[[Group], tuple[TestCase, ...]]) -> Part:
    groups = (group.model_copy(update={"cases": cases_of(group)}) for group in part.groups)
    return part.with_groups(tuple(groups))
