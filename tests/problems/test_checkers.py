"""The author's checker: what its word means, what it is told of, and how it is tested itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.contract import Ended, Outcome
from server.author_runs import settled_by_checker
from server.checking import check
from server.core.checker import checker_submission, settled
from server.core.judge import Judgement, Verdict, judge
from server.core.problem import Compare, Part
from tests.problems.in_process import InProcessSandbox, SilentSandbox
from tests.problems.making import changed, complaints, ended, function_part, raised, read, returned

CHECK = "def check(args, expect, got): return got > args[0] or 'not above it'\n"


def checked_part(checker: str = CHECK, raises: str | None = None) -> Part:
    part = function_part(expect=5, raises=raises)
    return part.model_copy(update={"compare": Compare(kind="checker", checker=checker)})


def said(value: Any) -> Outcome:
    return ended(Ended.RETURNED, value=json.dumps(value))


def waiting() -> Judgement:
    part = checked_part()
    return judge(part, part.case("g/1"), returned(7))


def test_a_value_waits_for_the_checker() -> None:
    assert waiting() == Judgement(
        Verdict.JUDGE_ERROR, "5", "7", "the checker was not asked", [[1], 5, 7]
    )


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (raised("ValueError"), Verdict.RUNTIME_ERROR),
        (ended(Ended.TIME_LIMIT), Verdict.TIME_LIMIT),
        (ended(Ended.RETURNED, value="[" * 200), Verdict.WRONG_ANSWER),
        (ended(Ended.RETURNED), Verdict.JUDGE_ERROR),
    ],
)
def test_what_is_no_value_is_judged_without_it(outcome: Outcome, verdict: Verdict) -> None:
    part = checked_part()
    judgement = judge(part, part.case("g/1"), outcome)
    assert (judgement.verdict, judgement.question) == (verdict, None)


def test_an_exception_that_must_come_is_judged_without_it() -> None:
    part = checked_part(raises="ValueError")
    judgement = judge(part, part.case("g/1"), raised("ValueError"))
    assert (judgement.verdict, judgement.question) == (Verdict.ACCEPTED, None)


@pytest.mark.parametrize(
    ("outcome", "verdict", "detail"),
    [
        (said(True), Verdict.ACCEPTED, ""),
        (said("a wrong sum"), Verdict.WRONG_ANSWER, "a wrong sum"),
        (said(False), Verdict.JUDGE_ERROR,
         "the checker returned False, not True or a reason"),
        (said(1), Verdict.JUDGE_ERROR, "the checker returned 1, not True or a reason"),
        (said(None), Verdict.JUDGE_ERROR, "the checker returned None, not True or a reason"),
        (said(" "), Verdict.JUDGE_ERROR, "the checker returned ' ', not True or a reason"),
        (raised("KeyError", "'d9'"), Verdict.JUDGE_ERROR,
         "the checker failed: Traceback …\nKeyError: 'd9'"),
        (ended(Ended.TIME_LIMIT, time_ms=10_000.0), Verdict.JUDGE_ERROR,
         "the checker failed: still running after 10.0 s"),
        (ended(Ended.RETURNED, value="tru"), Verdict.JUDGE_ERROR,
         "what the checker returned is not JSON"),
        (ended(Ended.EXITED), Verdict.JUDGE_ERROR,
         "the checker failed: the program exited with status 0"),
        (None, Verdict.JUDGE_ERROR, "the checker gave no outcome"),
    ],
)  # fmt: skip
def test_the_word_of_a_checker(outcome: Outcome | None, verdict: Verdict, detail: str) -> None:
    judgement = settled(waiting(), outcome)
    assert (judgement.verdict, judgement.detail) == (verdict, detail)
    assert (judgement.expected, judgement.got) == ("5", "7")


def test_each_answer_is_checked_in_a_process_of_its_own() -> None:
    submission = checker_submission(checked_part(), {"g/1": [[1], 5, 7], "g/2": [[1], 5, 8]})
    assert [(test.id, test.args, test.batch) for test in submission.tests] == [
        ("g/1", [[1], 5, 7], ""),
        ("g/2", [[1], 5, 8], ""),
    ]
    assert (submission.source, submission.entry) == (CHECK, "check")


async def test_what_needs_no_checker_is_not_asked_about() -> None:
    wrong = Judgement(Verdict.RUNTIME_ERROR)
    part = checked_part()
    got = await settled_by_checker(InProcessSandbox(), part, {"a": wrong, "b": waiting()})
    assert got["a"] is wrong
    assert got["b"].verdict is Verdict.ACCEPTED


async def test_a_sandbox_that_loses_its_outcome_accepts_nothing() -> None:
    got = await settled_by_checker(SilentSandbox(), checked_part(), {"b": waiting()})
    assert got["b"].verdict is Verdict.JUDGE_ERROR


# In a file.

GOOD = """\
compare:
  checker: |
    def check(args, expect, got):
        return sorted(got) == sorted(expect) or "other prices"
  accepts: [{case: one item, got: [4]}]
  rejects: [{case: one item, got: [5]}]
types:"""


def with_checker(*changes: tuple[str, str]) -> str:
    text = GOOD
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return changed(("types:", text))


def test_a_checker_and_its_tests_are_read() -> None:
    compare = read(with_checker()).problem.parts[0].compare
    assert compare.kind == "checker"
    assert compare.checker.startswith("def check(args, expect, got):\n")
    assert [(test.case, test.got) for test in compare.accepts] == [("examples/1", [4])]
    assert [(test.case, test.got) for test in compare.rejects] == [("examples/1", [5])]


def test_a_checker_may_stand_in_a_file_beside_the_problem() -> None:
    text = changed(("types:", "compare: {checker: {file: c.py}}\ntypes:"))
    part = read(text, files={"c.py": CHECK}).problem.parts[0]
    assert part.compare.checker == CHECK


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("def check(", "def chek(",
         ['11:12: "checker" defines no function "check"'
          " | It begins  def check(args, expect, got):"]),
        ("(args, expect, got)", "(args, got)",
         ['11:12: "check" takes 2 arguments, and is given 3'
          " | It begins  def check(args, expect, got):"]),
        ("(args, expect, got)", "(args, expect, got",
         ["12:1: not Python: '(' was never closed"]),
        ("accepts: [{case: one item", "accepts: [{case: one itm",
         ['14:20: no case here is named "one itm"'
          ' | Did you mean "one item"? Allowed: none, one item']),
        ("accepts: [{case: one item, got: [4]}]", "accepts: [{case: one item}]",
         ['14:13: "got" is missing in a test of the checker | Add  got: [1, 2]']),
        ("accepts:", "acepts:",
         ['14:3: unknown key "acepts" in a checker'
          ' | Did you mean "accepts"? Allowed: checker, accepts, rejects']),
    ],
)  # fmt: skip
def test_a_broken_checker_is_told_where_it_stands(
    before: str, after: str, expected: list[str]
) -> None:
    assert complaints(with_checker((before, after))) == expected


FOLLOWUP = """\
followups:
  - id: more
    title: {en: More, fr: Plus}
    statement: {en: More., fr: Plus.}
    tests: [{group: more, cases: [{name: new, args: [[]], expect: []}]}]
"""


def test_a_follow_up_has_the_checker_of_part_1_but_not_its_tests() -> None:
    main, followup = read(with_checker() + FOLLOWUP).problem.parts
    assert followup.compare.checker == main.compare.checker
    assert (followup.compare.accepts, followup.compare.rejects) == ((), ())


def test_a_follow_up_with_an_entry_of_its_own_does_not() -> None:
    own = FOLLOWUP + (
        '    entry: "again(items: list[Item]) -> list[int]"\n'
        '    solutions: [{name: x, expect: pass, code: "def again(items): return []"}]\n'
    )
    _, followup = read(with_checker() + own).problem.parts
    assert followup.compare.kind == "exact"


# What `check` says.


async def told(text: str) -> list[str]:
    source = read(text)
    return [one.message for one in await check(source.problem, InProcessSandbox())]


async def test_a_checker_that_does_as_foretold_gives_no_findings() -> None:
    assert await told(with_checker()) == []


async def test_a_checker_that_does_otherwise_than_foretold_is_an_error() -> None:
    lax = ("sorted(got) == sorted(expect) or", "True or")
    assert await told(with_checker(lax)) == [
        'the checker should reject [5] in the case "one item", but accepts it'
    ]
    strict = ("accepts: [{case: one item, got: [4]}]", "accepts: [{case: one item, got: [6]}]")
    assert await told(with_checker(strict)) == [
        'the checker should accept [6] in the case "one item", but says: other prices'
    ]


async def test_a_checker_that_fails_is_an_error_where_it_stands() -> None:
    none = ("rejects: [{case: one item, got: [5]}]", "rejects: [{case: one item, got: null}]")
    source = read(with_checker(none))
    (finding,) = await check(source.problem, InProcessSandbox())
    assert finding.message.startswith(
        'on the answer None in the case "one item" the checker failed: Traceback'
    )
    assert source.place(finding.part, finding.path) == (15, 13)


async def test_a_checker_that_fails_on_a_solution_is_not_the_solutions_fault() -> None:
    fails = ('return sorted(got) == sorted(expect) or "other prices"', "return len(got) == 9")
    text = with_checker(fails).replace("  accepts: [{case: one item, got: [4]}]\n", "")
    text = text.replace("  rejects: [{case: one item, got: [5]}]\n", "")
    source = read(text)
    (finding,) = await check(source.problem, InProcessSandbox())
    assert finding.message == (
        'on the answer of "a list" in the case "one item" '
        "the checker returned False, not True or a reason"
    )
    assert source.place(finding.part, finding.path) == (11, 12)
