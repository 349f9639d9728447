"""What `check` says of solutions that do not do what their file promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.checking import Finding, Progress, check, check_library, check_steps
from server.library import Library
from tests.problems.in_process import InProcessSandbox, SilentSandbox, WithoutDataSandbox
from tests.problems.making import read

BASE = """\
format: 1
id: sums
version: 1
status: ready
title: {en: Sums, fr: Sommes}
difficulty: 1
minutes: 10
mode: function
entry: "total(items: list[int]) -> int"
statement: {en: Add them up., fr: Additionnez-les.}
limits: {time: 1s}
tests:
  - group: examples
    visible: true
    cases:
      - {name: two, args: [[1, 2]], expect: 3}
  - group: signs
    cases:
      - {name: minus, args: [[-1, 2]], expect: 1}
      - {name: none, args: [[]], expect: 0}
  - group: long
    cases:
      - {name: long, args: [[1, 1, 1, 1, 1, 1, 1, 1]], expect: 8}
solutions:
  - {name: sum, expect: pass, code: "def total(items): return sum(items)"}
"""


SUM = "def total(items): return sum(items)"


def solution(name: str, expect: str, code: str, fails: str = "") -> str:
    head = f'  - name: "{name}"\n    expect: {expect}\n'
    lines = "".join(f"      {line}\n" for line in code.splitlines())
    return head + (f"    fails: [{fails}]\n" if fails else "") + f"    code: |\n{lines}"


async def findings(*more: str, base: str = BASE) -> list[str]:
    problem = read(base + "".join(more), "sums").problem
    found = await check(problem, InProcessSandbox())
    return [f"{one.severity}: {one.message}" for one in found]


async def test_a_good_problem_gives_no_findings() -> None:
    absolute = "def total(items): return sum(map(abs, items))"
    slow = (
        "def COST_S(items): return 1.6 if len(items) > 5 else 0\n"
        "def total(items): return sum(items)"
    )
    assert (
        await findings(
            solution("forgets signs", "wrong", absolute, "signs"),
            solution("adds slowly", "slow", slow, "long"),
        )
        == []
    )


async def test_a_right_solution_that_fails_is_an_error_for_each_case() -> None:
    code = "def total(items): return max(items)"
    assert await findings(solution("max", "pass", code)) == [
        'error: "max" should pass, but fails the case "two": wrong_answer: expected 3, got 2',
        'error: "max" should pass, but fails the case "minus": wrong_answer: expected 1, got 2',
        'error: "max" should pass, but fails the case "none": runtime_error: '
        "ValueError: max() arg is an empty sequence",
        'error: "max" should pass, but fails the case "long": wrong_answer: expected 8, got 1',
    ]


@pytest.mark.parametrize(("cost", "count"), [("0.49", 0), ("0.51", 1)])
async def test_a_right_solution_over_half_of_the_limit_is_a_warning(cost: str, count: int) -> None:
    code = f"def COST_S(items): return {cost}\ndef total(items): return sum(items)"
    found = await findings(solution("close", "pass", code))
    warning = 'warning: "close" needs 51% of the time limit in the case "two"'
    assert found == [warning] * count


async def test_a_wrong_solution_that_passes_everything_is_not_caught() -> None:
    code = "def total(items): return sum(list(items))"
    assert await findings(solution("copy", "wrong", code, "signs")) == [
        'error: "copy" should be caught (wrong), but passes all 4 cases'
    ]


async def test_fails_names_exactly_the_groups_that_fail() -> None:
    code = "def total(items): return sum(map(abs, items))"
    assert await findings(solution("abs", "wrong", code, "examples, long")) == [
        'error: "abs" should fail the group "examples", but passes its one case',
        'error: "abs" should fail the group "long", but passes its one case',
        'error: "abs" should pass the group "signs", but fails the case "minus": '
        "wrong_answer: expected 1, got 3",
    ]


async def test_a_slow_solution_with_wrong_answers_is_an_error() -> None:
    code = (
        "def COST_S(items): return 2 if len(items) > 5 else 0\n"
        "def total(items): return sum(map(abs, items))"
    )
    assert await findings(solution("slow abs", "slow", code, "long")) == [
        'error: "slow abs" should be slow, but is wrong: it fails the case "minus": '
        "wrong_answer: expected 1, got 3",
        'error: "slow abs" should pass the group "signs", but fails the case "minus": '
        "wrong_answer: expected 1, got 3",
    ]


async def test_a_slow_solution_that_is_fast_is_an_error() -> None:
    code = "def COST_S(items): return 0.9\ndef total(items): return sum(items)"
    assert await findings(solution("not slow", "slow", code, "long")) == [
        'error: "not slow" should fail the group "long", but passes its one case'
    ]


async def test_a_slow_solution_that_is_hardly_slow_is_a_warning() -> None:
    code = (
        "def COST_S(items): return 1.2 if len(items) > 5 else 0\n"
        "def total(items): return sum(items)"
    )
    assert await findings(solution("hardly", "slow", code, "long")) == [
        'warning: "hardly" is over the time limit in the group "long", but under 1.5 times of it'
    ]


async def test_a_part_that_is_visible_in_full_and_missing_languages_are_warnings() -> None:
    base = BASE[: BASE.index("  - group: signs")] + BASE[BASE.index("solutions:") :]
    base = base.replace(", fr: Additionnez-les.", "").replace("en: Sums, ", "")
    more = "hints: [{after: 5m, en: Think.}]\ntalk: [{ask: {fr: Pourquoi.}}]\n"
    assert await findings(more, base=base) == [
        "warning: part 1 is visible in full: no hidden group would catch a hard-coded answer",
        "warning: title: the English text is missing; the other one stands in for it",
        "warning: statement: the French text is missing; the other one stands in for it",
        "warning: hints: the French text is missing; the other one stands in for it",
        "warning: talk: the English text is missing; the other one stands in for it",
    ]


async def test_what_the_sandbox_loses_is_the_platforms_fault() -> None:
    problem = read(BASE, "sums").problem
    (found,) = await check(problem, SilentSandbox())
    assert found.message == '"sum" could not be judged: the sandbox gave no outcome'


async def test_progress_names_each_solution_before_it_runs() -> None:
    text = BASE + solution("wrong", "wrong", "def total(items): return 0", "examples")
    steps = [step async for step in check_steps(read(text, "sums").problem, InProcessSandbox())]
    assert steps[:2] == [
        Progress("sums", "main", "sum", 1, 2),
        Progress("sums", "main", "wrong", 2, 2),
    ]
    assert all(isinstance(step, Finding) for step in steps[2:])


FOLLOWUP = """\
followups:
  - id: more
    title: {en: More, fr: Plus}
    statement: {en: x, fr: x}
    tests: [{group: m, cases: [{args: [[1]], expect: 2}]}]
"""


async def test_a_followup_without_a_reference_needs_that_of_part_1() -> None:
    assert await findings(FOLLOWUP) == [
        'error: "sum" should pass, but fails the case "m/1": wrong_answer: expected 2, got 1'
    ]


def write(root: Path, name: str, text: str) -> None:
    root.mkdir(exist_ok=True)
    (root / name).write_text(text, "utf-8")


async def test_findings_of_a_library_stand_at_their_lines(tmp_path: Path) -> None:
    root = tmp_path / "problems"
    wrong = solution("copy", "wrong", SUM, "signs")
    write(root, "sums.yaml", BASE + wrong + FOLLOWUP)
    write(root, "bad.yaml", "a: b: c")
    steps = [step async for step in check_library(Library(root), [], InProcessSandbox())]
    told = [str(step).partition("\n")[0] for step in steps if not isinstance(step, Progress)]
    assert told == [
        "problems/bad.yaml:1:5: error: not YAML: mapping values are not allowed here",
        'problems/sums.yaml:26:5: error: "copy" should be caught (wrong), but passes all 4 cases',
        'problems/sums.yaml:32:5: error: "sum" should pass, but fails the case "m/1": '
        "wrong_answer: expected 2, got 1",
    ]


async def test_a_missing_image_is_told_at_its_line_and_the_others_are_checked(
    tmp_path: Path,
) -> None:
    root = tmp_path / "problems"
    larger = BASE.replace("mode: function", "mode: function\nimage: data")
    write(root, "another.yaml", larger.replace("id: sums", "id: another"))
    write(root, "sums.yaml", BASE + solution("sum again", "wrong", SUM, "signs"))
    steps = [step async for step in check_library(Library(root), [], WithoutDataSandbox())]
    assert [str(step).partition("\n")[0] for step in steps if not isinstance(step, Progress)] == [
        "problems/another.yaml:9:8: error: nothing can be run: The image is not there; build it.",
        'problems/sums.yaml:26:5: error: "sum again" should be caught (wrong), '
        "but passes all 4 cases",
    ]


async def test_only_the_named_problems_are_checked(tmp_path: Path) -> None:
    write(tmp_path, "sums.yaml", BASE)
    write(tmp_path, "bad.yaml", "a: b: c")
    write(tmp_path, "other.yaml", BASE.replace("id: sums", "id: other"))
    library = Library(tmp_path)

    async def checked(*slugs: str) -> list[str]:
        steps = [step async for step in check_library(library, slugs, InProcessSandbox())]
        return [step.problem if isinstance(step, Progress) else step.file for step in steps]

    assert await checked("other") == ["other"]
    assert await checked("bad") == [f"{tmp_path.name}/bad.yaml"]
    with pytest.raises(KeyError, match="nobody"):
        await checked("nobody")
