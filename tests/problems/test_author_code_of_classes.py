"""A class whose author brings Python of their own: generated calls, `valid`, and a checker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.contract import ImageMissingError
from sandbox.pool import Pool
from server.author_runs import settled_by_checker
from server.checking import check
from server.core.judge import Judgement, Verdict, judge
from server.core.problem import Part
from server.core.validity import given_to
from server.making import completed
from tests.problems.in_process import InProcessSandbox, WithoutDataSandbox
from tests.problems.making import complaints, read, returned

SLUG = "bench-limiter"
LIMITER = (Path(__file__).parent / "data" / f"{SLUG}.yaml").read_text("utf-8")
CODE = """\
generators: |
  def calls(rng, n):
      now = sorted(rng.randrange(50) for _ in range(n))
      return [["new", 2, 10]] + [["allow", rng.choice("ab"), one] for one in now]
valid: |
  def valid(calls):
      assert calls[0][0] == "new", "an object is made first"
compare:
  checker: |
    def check(args, expect, got):
        calls = zip(args, expect, got, strict=True)
        wrong = [call[0] for call, wanted, given in calls if wanted != given]
        return not wrong or "wrong: " + ", ".join(wrong)
  accepts: [{case: two in ten seconds, got: [null, true, true, false, true]}]
  rejects: [{case: two in ten seconds, got: [null, true, false, false, true]}]
tests:
"""
WINDOW = "  - group: window\n    points: 40\n    cases:\n"
GENERATED = WINDOW + "      - gen: calls(n=30, seed=1)\n"


def limiter(*changes: tuple[str, str]) -> str:
    text = LIMITER.replace("tests:\n", CODE, 1).replace(WINDOW, GENERATED, 1)
    text = text.replace("fails: [apart]", "fails: [window, apart]")  # it has two shops there
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


def part(*changes: tuple[str, str]) -> Part:
    return read(limiter(*changes), SLUG).problem.parts[0]


# The generator.


async def test_the_calls_of_a_class_may_be_generated(pool: Pool) -> None:
    source = read(limiter(), SLUG)
    problem, findings = await completed(source.problem, pool)
    assert findings == []
    case = problem.parts[0].case("window/1")
    assert isinstance(case.expect, list)
    assert (len(case.calls), len(case.expect), case.expect[0]) == (31, 31, None)
    wrong = limiter(('[["new", 2, 10]] + [["allow"', '[["new", 2, 10]] + [["alow"'))
    _, (finding,) = await completed(read(wrong, SLUG).problem, pool)
    assert finding.message == (
        'case "calls(n=30, seed=1)": the generator made nothing: what it made does not fit: '
        'call 2: "alow" is no method of RateLimiter'
    )


async def test_a_generator_that_makes_no_calls_is_told_what_to_make() -> None:
    text = limiter(('return [["new", 2, 10]] +', "return {} and"))
    _, (finding,) = await completed(read(text, SLUG).problem, InProcessSandbox())
    assert finding.message.endswith("it made a dict, not a list of calls")
    assert finding.mend == "A generator returns the list of calls, new first."


def test_a_generated_case_of_a_class_writes_no_calls() -> None:
    both = "- gen: calls(n=30, seed=1)\n        calls: [[new, 2, 10]]"
    (said,) = complaints(limiter(("- gen: calls(n=30, seed=1)", both)), SLUG)
    assert said.endswith(" has both gen and calls | gen makes the whole input.")


# `valid`.


def test_valid_is_given_the_calls_as_one_argument() -> None:
    case = part().case("examples/2")
    assert given_to(part(), case) == [[["new", 0, 10]]]


def test_a_valid_of_a_class_takes_one_argument() -> None:
    (said,) = complaints(limiter(("def valid(calls)", "def valid(most, window)")), SLUG)
    assert said == (
        '32:8: "valid" takes 2 arguments, and is given 1 | It begins  def valid(calls):'
    )


# The checker.


async def judged(results: Any, task: Part) -> tuple[Judgement, Judgement]:
    """The judgement on the first example before the checker is asked, and after it."""
    outcome = replace(returned(results), test="examples/1")
    waiting = judge(task, task.case("examples/1"), outcome)
    settled = await settled_by_checker(InProcessSandbox(), task, {"examples/1": waiting})
    return waiting, settled["examples/1"]


async def test_a_checker_is_asked_about_the_calls_and_both_lists_of_results() -> None:
    task = part()
    case = task.case("examples/1")
    right, wrong = [None, True, True, False, True], [None, True, True, False, False]
    waiting, settled = await judged(right, task)
    assert waiting.question == [list(case.calls), case.expect, right]
    assert settled.verdict is Verdict.ACCEPTED
    waiting, settled = await judged(wrong, task)
    assert waiting.question == [list(case.calls), case.expect, wrong]
    assert (settled.verdict, settled.detail) == (Verdict.WRONG_ANSWER, "wrong: allow")
    assert settled.got.endswith("rate_limiter.allow('shop1', 10)  # False")


@pytest.mark.parametrize("forged", [[None, True], [], None, {"a": 1}, "12345", [None] * 6])
async def test_results_that_are_not_one_for_each_call_are_wrong_without_the_checker(
    forged: Any,
) -> None:
    """Else whoever forges a report could make the checker fail, and that would be our fault."""
    waiting, settled = await judged(forged, part())
    assert waiting.question is None
    assert waiting == settled
    assert settled.verdict is Verdict.WRONG_ANSWER
    assert "expected " in settled.detail


def test_a_follow_up_with_more_methods_is_compared_as_it_says_itself() -> None:
    main, followup = read(limiter(), SLUG).problem.parts
    assert (main.compare.kind, followup.compare.kind) == ("checker", "exact")
    assert (followup.valid, followup.generators) == ("", main.generators)


# All of it, and with the image that the problem asks for.

IMPORTS = (
    ("mode: class\n", "mode: class\nimage: data\n"),
    ("  def calls(rng, n):\n", "  import networkx\n  def calls(rng, n):\n"),
    ("  def valid(calls):\n", "  import networkx\n  def valid(calls):\n"),
    ("    def check(args", "    import networkx\n    def check(args"),
)


async def test_a_class_with_all_of_it_holds_in_real_containers(pool: Pool) -> None:
    assert await check(read(limiter(), SLUG).problem, pool) == []


async def test_an_authors_code_imports_what_the_problems_image_has(pool: Pool) -> None:
    """One solution is enough for it, and one that is wrong."""
    problem = read(limiter(*IMPORTS), SLUG).problem
    main = problem.parts[0]
    right, wrong = (next(s for s in main.solutions if s.expect == how) for how in ("pass", "wrong"))
    few = main.model_copy(update={"solutions": (right, wrong)})
    assert await check(problem.model_copy(update={"parts": (few,)}), pool) == []


async def test_an_authors_code_is_not_run_in_another_image() -> None:
    source = read(limiter(*IMPORTS), SLUG)
    with pytest.raises(ImageMissingError):
        await completed(source.problem, WithoutDataSandbox())
