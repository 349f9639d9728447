"""The checkers' own tests: what each must accept, and what it must reject."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from sandbox.contract import Sandbox
from server.author_runs import settled_by_checker
from server.core.judge import Judgement, Verdict, question_of
from server.core.problem import CheckerTest, Part
from server.core.values import shown
from server.problem_files.findings import Finding

CHECKER_MEND = "A checker returns True, or in a few words why the answer is not right."


async def checker_findings(part: Part, sandbox: Sandbox) -> list[Finding]:
    """Where a part's checker does not say what its author foretold.

    Raises `SandboxError` where it cannot be run.
    """
    tests = dict(_tests(part))
    asked = {
        name: Judgement(Verdict.JUDGE_ERROR, question=question_of(part, test.case, test.got))
        for name, (_, _, test) in tests.items()
    }
    said = await settled_by_checker(sandbox, part, asked)
    found = (_finding(part, *tests[name], said[name]) for name in tests)
    return [finding for finding in found if finding]


_Key = Literal["accepts", "rejects"]


def _tests(part: Part) -> Iterator[tuple[str, tuple[_Key, int, CheckerTest]]]:
    for index, test in enumerate(part.compare.accepts):
        yield f"accepts/{index + 1}", ("accepts", index, test)
    for index, test in enumerate(part.compare.rejects):
        yield f"rejects/{index + 1}", ("rejects", index, test)


def _finding(
    part: Part, key: _Key, index: int, test: CheckerTest, said: Judgement
) -> Finding | None:
    wanted = Verdict.ACCEPTED if key == "accepts" else Verdict.WRONG_ANSWER
    if said.verdict is wanted:
        return None
    path = ("compare", key, index)
    answer = f'{shown(test.got)} in the case "{part.case(test.case).name}"'
    if said.verdict is Verdict.JUDGE_ERROR:
        message = f"on the answer {answer} {said.detail}"
        return Finding("error", part.id, path, message, CHECKER_MEND)
    if key == "accepts":
        message = f"the checker should accept {answer}, but says: {said.detail}"
    else:
        message = f"the checker should reject {answer}, but accepts it"
    return Finding("error", part.id, path, message, "Mend the checker, or this test of it.")
