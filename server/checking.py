"""Does a problem hold what its file promises? Every solution is run in a sandbox to see.

Right solutions must be accepted, in under half of the time limit; slow ones must run past one and
a half times of it, in exactly the groups that their `fails` names; wrong ones must fail exactly
those groups. What is in between, and what a candidate or a tutor would miss, is a warning.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sandbox.contract import ImageMissingError, Limits, Outcome, Sandbox, Submission
from server.core.judge import Judgement, Verdict, judge, submission_for
from server.core.problem import MAIN, Group, Localized, Part, Problem, Solution, TestCase
from server.core.values import shortened
from server.library import Library
from server.problem_files.read import ProblemFileError, ReadProblem

SLOW_FACTOR = 1.5
"""A slow solution must still be running at this many times of the limit."""
COMFORT_FACTOR = 0.5
"""A right solution should need no more than this share of the limit."""
_MAX_BRIEF_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the author should know."""

    severity: Literal["error", "warning"]
    part: str
    path: tuple[str, ...]
    """What of the part it is about, e.g. `("solutions", "heaps")`."""
    message: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """A solution is about to be run: the `number`th of `total` of its problem."""

    problem: str
    part: str
    solution: str
    number: int
    total: int


@dataclass(frozen=True, slots=True)
class _Result:
    """What became of one case."""

    group: Group
    case: TestCase
    outcome: Outcome | None
    judgement: Judgement

    @property
    def accepted(self) -> bool:
        return self.judgement.verdict is Verdict.ACCEPTED

    @property
    def share_of_limit(self) -> float:
        """Processor time over the case's time limit: a busy machine does not inflate it."""
        return self.outcome.cpu_ms / 1000 / self.case.limits.time_s if self.outcome else 0.0


async def check(problem: Problem, sandbox: Sandbox) -> list[Finding]:
    """Everything to say about a problem; raises `SandboxError` where nothing can be run."""
    return [step async for step in check_steps(problem, sandbox) if isinstance(step, Finding)]


async def check_library(
    library: Library, slugs: Sequence[str], sandbox: Sandbox
) -> AsyncIterator[Progress | ProblemFileError]:
    """What is wrong with the named problems (all of them, where none is named), as it is found.

    Raises `KeyError` for a slug that is neither a problem nor a broken file.
    """
    for error in library.errors:
        if not slugs or _slug_of(error) in slugs:
            yield error
    broken = {_slug_of(error) for error in library.errors}
    wanted = [slug for slug in slugs or library.sources if slug not in broken]
    for source in [library.sources[slug] for slug in wanted]:
        async for step in check_steps(source.problem, sandbox):
            yield _placed(step, source) if isinstance(step, Finding) else step


def _slug_of(error: ProblemFileError) -> str:
    """`problems/x.yaml` and `problems/x/problem.yaml` are both `x`."""
    return error.file.removesuffix("/problem.yaml").removesuffix(".yaml").rpartition("/")[2]


def _placed(finding: Finding, source: ReadProblem) -> ProblemFileError:
    line, column = source.place(finding.part, finding.path)
    return ProblemFileError(
        source.file, line, column, finding.message, finding.mend, finding.severity
    )


async def check_steps(problem: Problem, sandbox: Sandbox) -> AsyncIterator[Finding | Progress]:
    """As `check`, with word of each solution before it is run."""
    for finding in _unrun_findings(problem):
        yield finding
    work = [(part, solution) for part in problem.parts for solution in part.solutions]
    for number, (part, solution) in enumerate(work, start=1):
        yield Progress(problem.id, part.id, solution.name, number, len(work))
        try:
            results = await _run(part, solution, sandbox)
        except ImageMissingError as error:
            # One missing image says nothing about the problems that do without it.
            yield Finding("error", MAIN, ("image",), f"nothing can be run: {error}")
            return
        for finding in _solution_findings(part, solution, results):
            yield finding


def _unrun_findings(problem: Problem) -> Iterator[Finding]:
    for number, part in enumerate(problem.parts, start=1):
        if all(group.visible for group in part.groups):
            message = f"part {number} {_VISIBLE_IN_FULL}"
            yield Finding("warning", part.id, ("tests",), message, "Add a hidden group.")
        yield from _missing_languages(part.id, ("title",), part.title)
        yield from _missing_languages(part.id, ("statement",), part.statement)
    for hint in problem.hints:
        yield from _missing_languages(MAIN, ("hints",), hint.text)
    for question in problem.talk:
        yield from _missing_languages(MAIN, ("talk",), question.ask)


_VISIBLE_IN_FULL = "is visible in full: no hidden group would catch a hard-coded answer"


def _missing_languages(part: str, path: tuple[str, ...], text: Localized) -> Iterator[Finding]:
    for code, name in (("en", "English"), ("fr", "French")):
        if not getattr(text, code):
            message = f"{path[0]}: the {name} text is missing; the other one stands in for it"
            yield Finding("warning", part, path, message, f"Add  {code}: ...")


async def _run(part: Part, solution: Solution, sandbox: Sandbox) -> list[_Result]:
    submission = submission_for(part, solution.code, "tests")
    if solution.expect == "slow":
        submission = _with_more_time(submission, SLOW_FACTOR)
    outcomes: dict[str, Outcome] = {}
    async with sandbox.run(submission) as run:
        async for event in run:
            if isinstance(event, Outcome):
                outcomes[event.test] = event
    return [
        _result(part, group, case, outcomes.get(case.id))
        for group in part.groups
        for case in group.cases
    ]


def _with_more_time(submission: Submission, factor: float) -> Submission:
    def longer(limits: Limits) -> Limits:
        return replace(limits, time_s=limits.time_s * factor)

    tests = tuple(
        replace(test, limits=longer(test.limits or submission.limits)) for test in submission.tests
    )
    return replace(submission, tests=tests, limits=longer(submission.limits))


def _result(part: Part, group: Group, case: TestCase, outcome: Outcome | None) -> _Result:
    if outcome is None:
        missing = Judgement(Verdict.JUDGE_ERROR, detail="the sandbox gave no outcome")
        return _Result(group, case, outcome, missing)
    return _Result(group, case, outcome, judge(part, case, outcome))


def _solution_findings(
    part: Part, solution: Solution, results: Sequence[_Result]
) -> Iterator[Finding]:
    path = ("solutions", solution.name)
    broken = next((r for r in results if r.judgement.verdict is Verdict.JUDGE_ERROR), None)
    if broken:
        message = f'"{solution.name}" could not be judged: {broken.judgement.detail}'
        mend = "The platform's fault; see the server's log."
        yield Finding("error", part.id, path, message, mend)
        return
    check = {"pass": _pass_findings, "slow": _slow_findings, "wrong": _wrong_findings}
    for severity, message, mend in check[solution.expect](solution, results):
        yield Finding(severity, part.id, path, message, mend)


_Words = tuple[Literal["error", "warning"], str, str]


def _pass_findings(solution: Solution, results: Sequence[_Result]) -> Iterator[_Words]:
    failed = [result for result in results if not result.accepted]
    for result in failed:
        message = f'"{solution.name}" should pass, but fails {_told(result)}'
        yield "error", message, "Mend the solution or what the case expects."
    tight = [result for result in results if result.share_of_limit > COMFORT_FACTOR]
    if tight and not failed:
        worst = max(tight, key=lambda result: result.share_of_limit)
        message = (
            f'"{solution.name}" needs {worst.share_of_limit:.0%} of the time limit '
            f'in the case "{worst.case.name}"'
        )
        yield "warning", message, "Right solutions should stay under half: raise the limit."


def _wrong_findings(solution: Solution, results: Sequence[_Result]) -> Iterator[_Words]:
    if all(result.accepted for result in results):
        yield (
            "error",
            f'"{solution.name}" should be caught (wrong), but passes {_all_cases(results)}',
            "Add a case on which it differs from the reference.",
        )
        return
    yield from _group_findings(solution, results, [r for r in results if not r.accepted])


def _slow_findings(solution: Solution, results: Sequence[_Result]) -> Iterator[_Words]:
    """The results are those with more time: within the limit itself is judged here."""
    for result in results:
        if not result.accepted and result.judgement.verdict is not Verdict.TIME_LIMIT:
            message = f'"{solution.name}" should be slow, but is wrong: it fails {_told(result)}'
            yield "error", message, "Mend it, or say  expect: wrong"
    over = [r for r in results if not r.accepted or r.share_of_limit > 1]
    yield from _group_findings(solution, results, over)
    for group in sorted({result.group.name for result in over}):
        if not any(not r.accepted for r in over if r.group.name == group):
            message = (
                f'"{solution.name}" is over the time limit in the group "{group}", '
                f"but under {SLOW_FACTOR} times of it"
            )
            yield "warning", message, "A faster machine would let it pass: make the case larger."


def _group_findings(
    solution: Solution, results: Sequence[_Result], failed: Sequence[_Result]
) -> Iterator[_Words]:
    """Whether the groups that failed are exactly those that `fails` names."""
    first_failed = {result.group.name: result for result in reversed(failed)}
    for name in solution.fails:
        if name not in first_failed:
            passed = [result for result in results if result.group.name == name]
            yield (
                "error",
                f'"{solution.name}" should fail the group "{name}", '
                f"but passes {_all_cases(passed)}",
                "Add a case on which it differs from the reference, or mend its fails.",
            )
    for name, result in first_failed.items():
        if name not in solution.fails:
            yield (
                "error",
                f'"{solution.name}" should pass the group "{name}", but fails {_told(result)}',
                f'Add "{name}" to its fails, or move the case to a group that is named there.',
            )


def _all_cases(results: Sequence[_Result]) -> str:
    return "its one case" if len(results) == 1 else f"all {len(results)} cases"


def _told(result: _Result) -> str:
    """`the case "x": wrong_answer: at [0]: expected 1, got 2`."""
    detail = _brief(result)
    verdict = result.judgement.verdict
    return f'the case "{result.case.name}": {verdict}' + (f": {detail}" if detail else "")


def _brief(result: _Result) -> str:
    """Why a case failed, in a line: an exception's own one, or else the detail's last."""
    error = result.outcome.error if result.outcome else None
    if error is None or result.judgement.verdict is not Verdict.RUNTIME_ERROR:
        return result.judgement.detail.strip().rpartition("\n")[2]
    # A class's call stands below the exception, and belongs to it.
    return shortened(" ".join(f"{error.type}: {error.message}".split()), _MAX_BRIEF_CHARACTERS)
