"""Runs of the problems' own code, in the same pool: nobody watches them, only outcomes count."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.contract import Outcome, Sandbox, SandboxError, SandboxUnavailableError, Submission
from server.core.checker import checker_submission, settled
from server.core.judge import Judgement
from server.core.problem import Part

ATTEMPTS = 2
"""What the platform failed is tried once more, in a fresh container."""


async def outcomes_of(
    sandbox: Sandbox, submission: Submission, owner: str = ""
) -> dict[str, Outcome]:
    """The outcomes of a submission by test; one of which there is none is left out.

    `owner` as for `Sandbox.run`. Raises `SandboxError` where it cannot be run.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return await _outcomes(sandbox, submission, owner)
        except SandboxUnavailableError:
            raise
        except SandboxError:
            continue  # the last attempt, below, tells what is wrong
    return await _outcomes(sandbox, submission, owner)


async def _outcomes(sandbox: Sandbox, submission: Submission, owner: str) -> dict[str, Outcome]:
    if not submission.tests:
        return {}
    async with sandbox.run(submission, owner=owner) as run:
        return {event.test: event async for event in run if isinstance(event, Outcome)}


async def settled_by_checker(
    sandbox: Sandbox, part: Part, judgements: Mapping[str, Judgement], owner: str = ""
) -> dict[str, Judgement]:
    """These judgements on a part's tests, with the checker's word for those that wait for it.

    Raises `SandboxError` where it cannot be run.
    """
    questions = {
        test: judgement.question
        for test, judgement in judgements.items()
        if judgement.question is not None
    }
    said = await outcomes_of(sandbox, checker_submission(part, questions), owner)
    return {
        test: settled(judgement, said.get(test)) if test in questions else judgement
        for test, judgement in judgements.items()
    }
