"""The judge: what goes into a sandbox, and what verdict comes of what came out.

Expected answers stay on this side. Whatever a program hands back is text to be doubted: it is
decoded with caps, compared, and shown; it is never evaluated and never raises an exception here.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from sandbox.contract import MIB, Ended, ImageName, Limits, Mode, Outcome, Submission, TestInput
from server.core.calls import brief_call, shown_calls
from server.core.class_signature import ClassSignature
from server.core.printed import text_detail
from server.core.problem import Compare, Part, PartMode, TestCase
from server.core.values import (
    ValueRefusedError,
    decode,
    difference,
    shortened,
    shown,
    unordered_difference,
)

PROGRAM_TEST = "program"
"""The id of the one test of a free run."""

TYPED_RUN_LIMITS = Limits(time_s=60.0, memory_bytes=256 * MIB)
"""A free run reads what a person types: waiting for them must not end it too early."""

FREE_RUN_LIMITS = Limits(time_s=10.0, memory_bytes=256 * MIB)
"""A free run whose standard input is given whole waits for nobody."""


class Verdict(StrEnum):
    """What the judge makes of a test, or of a run as a whole."""

    ACCEPTED = "accepted"
    WRONG_ANSWER = "wrong_answer"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    RUNTIME_ERROR = "runtime_error"
    JUDGE_ERROR = "judge_error"
    """The platform's fault, never the program's."""
    STOPPED = "stopped"


_ORDER = (
    Verdict.JUDGE_ERROR,
    Verdict.STOPPED,
    Verdict.TIME_LIMIT,
    Verdict.MEMORY_LIMIT,
    Verdict.OUTPUT_LIMIT,
    Verdict.RUNTIME_ERROR,
    Verdict.WRONG_ANSWER,
    Verdict.ACCEPTED,
)
"""Which verdict a run gets when its tests have several: the first of these."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one test, and what a tutor may read about it."""

    verdict: Verdict
    expected: str = ""
    """As a Python literal, or the text to print; shortened."""
    got: str = ""
    detail: str = ""
    """The traceback, or the reason."""
    question: list[Any] | None = None
    """What the checker is to be asked (see `checker`), where its word decides."""


def submission_for(part: Part, source: str, what: Literal["examples", "tests"]) -> Submission:
    """`source` against the visible cases of a part, or against all of them.

    The visible ones come first: tests of one container can tell those after them things, by process
    numbers if by nothing else, and what a visible test prints is shown.
    """
    hidden = [case for case in part.cases if not part.group_of(case.id).visible]
    cases = part.visible_cases if what == "examples" else (*part.visible_cases, *hidden)
    signature = part.signature
    return Submission(
        source=source,
        mode=Mode(part.mode),
        tests=tuple(_test_input(part, case) for case in cases),
        limits=part.limits,
        entry=signature.name if signature else "",
        signature=signature.call if signature else "",
        image=part.image,
    )


def _test_input(part: Part, case: TestCase) -> TestInput:
    # What a visible test prints is shown: it must never have met a hidden one's input.
    batch = "visible" if part.group_of(case.id).visible else "hidden"
    return TestInput(case.id, list(case.args), case.stdin, case.limits, batch)


def program_submission(source: str, stdin: str | None, image: ImageName = "") -> Submission:
    """`source` run freely: with `stdin` and then end of file, or with what is typed (None)."""
    return Submission(
        source=source,
        mode=Mode.INTERACTIVE if stdin is None else Mode.PROGRAM,
        tests=(TestInput(id=PROGRAM_TEST, stdin=stdin or ""),),
        limits=TYPED_RUN_LIMITS if stdin is None else FREE_RUN_LIMITS,
        image=image,
    )


def judge_program(outcome: Outcome) -> Judgement:
    """The verdict on a free run: nothing is expected of it but to end well."""
    failure = _failure("program", outcome)
    if failure:
        return Judgement(failure, detail=reason_of(outcome))
    return Judgement(Verdict.ACCEPTED)


def judge(part: Part, case: TestCase, outcome: Outcome) -> Judgement:
    """The verdict on one test case of a part."""
    answer = _answer(part, case, outcome)
    expected = _expected(part, case)
    standing = _standing_verdict(part, case, outcome, answer)
    if standing is None and _is_for_checker(part, case, answer):
        question = question_of(part, case.id, answer.value)
        return Judgement(Verdict.JUDGE_ERROR, expected, answer.shown, _NOT_ASKED, question)
    verdict, detail = standing or _compared(part, case, answer)
    return Judgement(verdict, expected, answer.shown, detail)


def answer_in(part: Part, case: TestCase, outcome: Outcome | None) -> tuple[Any, str]:
    """What a program answered to a case, or else (None and) why that is no answer."""
    if outcome is None:
        return None, "the sandbox gave no outcome"
    answer = _answer(part, case, outcome)
    standing = _standing_verdict(part, case, outcome, answer)
    return (None, ": ".join(standing)) if standing else (answer.value, "")


def question_of(part: Part, case_id: str, got: Any) -> list[Any]:
    """What a checker is asked about an answer: the case's input, what is expected, what came."""
    case = part.case(case_id)
    given = case.stdin if part.mode == "program" else list(case.args)
    return [given, case.expect, got]


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on a run, whatever the order of its tests; without any, our error."""
    found = set(verdicts)
    return next((verdict for verdict in _ORDER if verdict in found), Verdict.JUDGE_ERROR)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a program answered: a decoded value or a printed text."""

    value: Any = None
    shown: str = ""
    refused: str = ""
    """Why there is no value that could be compared."""


def _answer(part: Part, case: TestCase, outcome: Outcome) -> _Answer:
    if part.mode == "program":
        return _Answer(outcome.stdout, shortened(outcome.stdout))
    if outcome.value is None:
        return _Answer()
    try:
        value = decode(outcome.value)
    except ValueRefusedError as error:
        return _Answer(shown=shortened(outcome.value), refused=f"the result {error}")
    return _Answer(value, _shown_results(part, case, value))


def _expected(part: Part, case: TestCase) -> str:
    if case.raises is not None:
        return f"raises {case.raises}"
    if part.mode == "program":
        return shortened(str(case.expect))
    return _shown_results(part, case, case.expect)


def _shown_results(part: Part, case: TestCase, value: Any) -> str:
    """What was returned, or should be: in class mode behind each call, where there is one each."""
    signature = part.signature
    if isinstance(signature, ClassSignature) and _is_one_each(case, value):
        return shortened(shown_calls(signature, case.calls, value))
    return shown(value)


def _is_one_each(case: TestCase, results: Any) -> bool:
    return isinstance(results, list) and len(results) == len(case.calls)


_NOT_ASKED = "the checker was not asked"


def _standing_verdict(
    part: Part, case: TestCase, outcome: Outcome, answer: _Answer
) -> tuple[Verdict, str] | None:
    """The verdict that stands whatever the answer is compared with; None where that decides."""
    if outcome.test != case.id:
        return Verdict.JUDGE_ERROR, f"the sandbox answered for the test {outcome.test!r}"
    failure = _failure(part.mode, outcome)
    if case.raises is not None and failure in (None, Verdict.RUNTIME_ERROR):
        return _raises_verdict(case.raises, outcome)
    if failure:
        return failure, reason_of(outcome)
    if answer.refused:
        return Verdict.WRONG_ANSWER, answer.refused
    return None


def _is_for_checker(part: Part, case: TestCase, answer: _Answer) -> bool:
    """Whether the author's checker decides.

    In class mode it gets one result per call: a report that was forged to hold anything else is
    wrong without it, or it could be made to fail, and that would be our fault.
    """
    if part.compare.kind != "checker":
        return False
    return not isinstance(part.signature, ClassSignature) or _is_one_each(case, answer.value)


def _compared(part: Part, case: TestCase, answer: _Answer) -> tuple[Verdict, str]:
    if isinstance(part.signature, ClassSignature):
        detail = _calls_detail(part.compare, part.signature, case, answer.value)
    else:
        detail = _COMPARATORS[part.mode](part.compare, case.expect, answer.value)
    return (Verdict.WRONG_ANSWER, detail) if detail else (Verdict.ACCEPTED, "")


def _failure(mode: PartMode, outcome: Outcome) -> Verdict | None:
    """The verdict that stands whatever was answered; None where the answer decides."""
    good_end = Ended.EXITED if mode == "program" else Ended.RETURNED
    by_end = _BY_END.get(outcome.ended)
    if by_end in _LIMITS_AND_STOP:
        return by_end
    if outcome.ended is Ended.RETURNED and (mode == "program" or outcome.value is None):
        return Verdict.JUDGE_ERROR
    if outcome.output_dropped_bytes > 0:
        return Verdict.OUTPUT_LIMIT
    if outcome.ended is not good_end or outcome.exit_code:
        return Verdict.RUNTIME_ERROR
    return None


_LIMITS_AND_STOP = frozenset(
    {Verdict.STOPPED, Verdict.TIME_LIMIT, Verdict.MEMORY_LIMIT, Verdict.OUTPUT_LIMIT}
)
_BY_END = {
    Ended.STOPPED: Verdict.STOPPED,
    Ended.TIME_LIMIT: Verdict.TIME_LIMIT,
    Ended.MEMORY_LIMIT: Verdict.MEMORY_LIMIT,
    Ended.OUTPUT_LIMIT: Verdict.OUTPUT_LIMIT,
}


def _raises_verdict(wanted: str, outcome: Outcome) -> tuple[Verdict, str]:
    if outcome.ended is not Ended.RAISED:
        if outcome.ended in (Ended.RETURNED, Ended.EXITED) and not outcome.exit_code:
            return Verdict.WRONG_ANSWER, f"{wanted} was expected, and nothing was raised"
        return Verdict.RUNTIME_ERROR, reason_of(outcome)
    if outcome.error is not None and outcome.error.type == wanted:
        return Verdict.ACCEPTED, ""
    return Verdict.RUNTIME_ERROR, reason_of(outcome)


def reason_of(outcome: Outcome) -> str:
    """Why a program came to its end, for the tutor."""
    match outcome.ended:
        case Ended.RAISED:
            return _traceback(outcome)
        case Ended.SIGNALLED:
            return f"killed by {_signal_name(outcome.signal)}"
        case Ended.TIME_LIMIT if outcome.waited_for_input:
            return "the program was waiting for input"
        case Ended.TIME_LIMIT:
            return f"still running after {outcome.time_ms / 1000:.1f} s"
        case Ended.MEMORY_LIMIT:
            return f"used {outcome.memory_bytes // MIB} MB of memory"
        case Ended.STOPPED:
            return "stopped"
        case Ended.RETURNED if outcome.output_dropped_bytes == 0:
            return "the sandbox reported a return without a value"
        case Ended.EXITED if outcome.output_dropped_bytes == 0:
            return f"the program exited with status {outcome.exit_code or 0}"
    return f"printed too much: {outcome.output_dropped_bytes:,} bytes past the limit"


def _traceback(outcome: Outcome) -> str:
    if outcome.error is None:
        return "an exception"
    error = outcome.error
    return error.traceback or f"{error.type}: {error.message}"


def _signal_name(number: int | None) -> str:
    known = {member.value: member.name for member in signal.Signals}
    return known.get(number or 0, f"signal {number}")


def _value_detail(compare: Compare, expected: Any, got: Any) -> str:
    """Why a returned value is not the expected one; empty where it is."""
    if compare.kind == "unordered":
        found = unordered_difference(expected, got)
    else:
        tolerance = compare.tolerance if compare.kind == "float" else None
        found = difference(expected, got, tolerance)
    return str(found or "")


_COMPARATORS: dict[PartMode, Callable[[Compare, Any, Any], str]] = {
    "function": _value_detail,
    "program": text_detail,
}


def _calls_detail(compare: Compare, signature: ClassSignature, case: TestCase, got: Any) -> str:
    """The first call whose result is not the expected one, and why; empty where there is none."""
    if not _is_one_each(case, got):
        return str(difference(case.expect, got))
    results: Any = case.expect
    for number, (call, wanted, given) in enumerate(zip(case.calls, results, got, strict=True), 1):
        found = _value_detail(compare, wanted, given)
        if found:
            return f"call {number}, `{brief_call(signature, call)}`: {found}"
    return ""
