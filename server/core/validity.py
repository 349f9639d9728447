"""What an author's `valid` says of the cases: what goes into its sandbox, what its word means."""

from __future__ import annotations

from typing import NamedTuple

from sandbox.contract import Ended, Limits, Mode, Outcome, Submission, TestInput
from server.core.judge import reason_of
from server.core.problem import Part, TestCase
from server.core.values import ValueRefusedError, decode, shown

VALID_FUNCTION = "valid"
VALID_FILE = "valid.py"
VALID_LIMITS = Limits(time_s=10.0)


class Objection(NamedTuple):
    """Why a case does not stand."""

    message: str
    is_about_case: bool
    """Else `valid` itself failed."""
    line: int | None = None
    """The line of its source, from 1, where it failed."""


def given_to(part: Part, case: TestCase) -> list[object]:
    """What `valid` is called with: the arguments, a class's calls as one, or a program's stdin."""
    if part.mode == "program":
        return [case.stdin]
    return [list(case.calls)] if part.mode == "class" else list(case.args)


def valid_submission(part: Part) -> Submission:
    """Ask a part's `valid` about each of its cases, in a process of its own."""
    return Submission(
        source=part.valid,
        mode=Mode.FUNCTION,
        tests=tuple(TestInput(case.id, given_to(part, case)) for case in part.cases),
        limits=VALID_LIMITS,
        entry=VALID_FUNCTION,
        filename=VALID_FILE,
        image=part.image,
    )


def objection(outcome: Outcome | None) -> Objection | None:
    """What `valid` has against a case; None where it holds: it returned nothing, or True."""
    if outcome is None:
        return Objection("the sandbox gave no outcome", is_about_case=False)
    error = outcome.error
    if outcome.ended is Ended.RAISED and error is not None and error.type == "AssertionError":
        said = error.message or "an assertion without a message"
        return Objection(said, is_about_case=True, line=error.line)
    if outcome.ended is not Ended.RETURNED or outcome.value is None:
        line = error.line if error else None
        return Objection(reason_of(outcome), is_about_case=False, line=line)
    try:
        word = decode(outcome.value)
    except ValueRefusedError as refused:
        return Objection(f"what it returned {refused}", is_about_case=False)
    if word is None or word is True:
        return None
    if isinstance(word, str):
        return Objection(word, is_about_case=True)
    if word is False:
        return Objection("it returned False", is_about_case=True)
    return Objection(f"it returned {shown(word)}, not True or False", is_about_case=False)
