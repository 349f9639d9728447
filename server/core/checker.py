"""Answers that the author's own Python judges: what goes into its sandbox, what its word means.

A checker runs after the candidate's program, in a container of its own, on JSON alone. It is
never run here. One that fails is the platform's fault: nobody's answer is wrong by it, or right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sandbox.contract import Ended, Limits, Mode, Outcome, Submission, TestInput
from server.core.judge import Judgement, Verdict, reason_of
from server.core.problem import Part
from server.core.values import ValueRefusedError, decode, shortened, shown

CHECKER_FUNCTION = "check"
CHECKER_FILE = "checker.py"
CHECKER_LIMITS = Limits(time_s=10.0)
"""Generous: no candidate can mend a checker that ran out of it."""


def checker_submission(part: Part, questions: Mapping[str, list[Any]]) -> Submission:
    """Ask a part's checker these questions (see `Judgement.question`), by test.

    Each is a process of its own, so that no answer meets what another one left behind.
    """
    return Submission(
        source=part.compare.checker,
        mode=Mode.FUNCTION,
        tests=tuple(TestInput(test, question) for test, question in questions.items()),
        limits=CHECKER_LIMITS,
        entry=CHECKER_FUNCTION,
        signature="check(args, expect, got)",
        filename=CHECKER_FILE,
        image=part.image,
    )


def settled(judgement: Judgement, said: Outcome | None) -> Judgement:
    """A judgement that waited for the checker, by what came of asking it."""
    verdict, detail = _word(said)
    return replace(judgement, verdict=verdict, detail=detail)


def _word(said: Outcome | None) -> tuple[Verdict, str]:
    if said is None:
        return Verdict.JUDGE_ERROR, "the checker gave no outcome"
    if said.ended is not Ended.RETURNED or said.value is None:
        return Verdict.JUDGE_ERROR, f"the checker failed: {reason_of(said)}"
    try:
        word = decode(said.value)
    except ValueRefusedError as error:
        return Verdict.JUDGE_ERROR, f"what the checker returned {error}"
    if word is True:
        return Verdict.ACCEPTED, ""
    if isinstance(word, str) and word.strip():
        return Verdict.WRONG_ANSWER, shortened(word)
    return Verdict.JUDGE_ERROR, f"the checker returned {shown(word)}, not True or a reason"
