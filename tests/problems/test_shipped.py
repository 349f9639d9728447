"""The problems that come with the product: complete, and their solutions earn what is said."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from sandbox.pool import Pool
from server.checking import check
from server.core.problem import Localized, Part, Problem
from server.core.statement import render_statement
from server.library import Library
from server.problem_files.models import schema_text

ROOT = Path(__file__).parents[2] / "problems"
LIBRARY = Library(ROOT)
SLUGS = ("grade-sheet", "slow-wiping-stations", "test-benches")

every_problem = pytest.mark.parametrize(
    "problem", [pytest.param(problem, id=slug) for slug, problem in LIBRARY.problems.items()]
)


def test_all_of_them_load() -> None:
    assert LIBRARY.errors == ()
    assert tuple(LIBRARY.problems) == SLUGS


@every_problem
async def test_every_solution_earns_what_its_file_says(problem: Problem, pool: Pool) -> None:
    assert await check(problem, pool) == []


@every_problem
def test_each_has_what_an_interviewer_needs(problem: Problem) -> None:
    assert problem.status == "ready"
    assert len(problem.hints) == 3
    assert [hint.after_s for hint in problem.hints] == sorted(h.after_s for h in problem.hints)
    assert 2 <= len(problem.rubric) <= 4
    assert all(set(criterion.scale) == {1, 2, 3, 4} for criterion in problem.rubric)
    assert all(len(question.listen_for) >= 2 for question in problem.talk)
    assert len(problem.talk) >= 3
    assert len(problem.parts) >= 2


@every_problem
def test_each_part_has_right_and_wrong_solutions_and_hidden_tests(problem: Problem) -> None:
    for part in problem.parts:
        expected = [solution.expect for solution in part.solutions]
        assert expected.count("pass") >= 2
        assert expected.count("wrong") >= 3
        assert part.visible_cases
        assert len(part.visible_cases) < len(part.cases)
        assert sum(group.points for group in part.groups) == 100
        ast.parse(part.starter)


@every_problem
def test_all_texts_are_in_both_languages(problem: Problem) -> None:
    texts: list[Localized] = [problem.title]
    texts += [text for part in problem.parts for text in (part.title, part.statement)]
    texts += [hint.text for hint in problem.hints]
    texts += [question.ask for question in problem.talk]
    for text in texts:
        assert text.en
        assert text.fr
        assert text.en != text.fr


@every_problem
def test_a_candidate_sees_the_examples_and_no_hidden_name(problem: Problem) -> None:
    for part in problem.parts:
        for language in ("en", "fr"):
            html = render_statement(part, language)
            assert "{examples}" not in html
            assert html.count("<figure") == len(part.visible_cases)
            assert not [name for name in hidden_names(part) if name in html]


def hidden_names(part: Part) -> list[str]:
    hidden = [case for case in part.cases if case not in part.visible_cases]
    return [f": {case.name}</figcaption>" for case in hidden]


@every_problem
def test_an_interview_can_freeze_it(problem: Problem) -> None:
    again = Problem.model_validate_json(problem.model_dump_json())
    assert again == problem
    assert again.content_hash() == problem.content_hash()


def test_the_schema_for_editors_is_that_of_the_models() -> None:
    kept = (ROOT / "schema" / "problem-1.json").read_text("utf-8")
    assert kept == schema_text(), "write server.problem_files.models.schema_text() to the file"


@every_problem
def test_the_first_line_points_editors_to_the_schema(problem: Problem) -> None:
    file = ROOT.parent / LIBRARY.sources[problem.id].file
    prefix = "# yaml-language-server: $schema="
    first = file.read_text("utf-8").splitlines()[0]
    assert first.startswith(prefix)
    assert (file.parent / first.removeprefix(prefix)).resolve().is_file()
