"""What the loader makes of a good problem file."""

from __future__ import annotations

import pytest

from sandbox.contract import MIB, Limits
from server.core.problem import Compare, Localized, Problem
from tests.problems.making import MINIMAL, changed, complaints, read

NUMBER = 'In YAML 250 is a number and "250" is text.'
CODE = MINIMAL[MINIMAL.index("code: |") :].rstrip()
REFERENCE = "no solution should pass; the first one that does is the reference"


def test_a_good_file_becomes_a_problem() -> None:
    problem = read(MINIMAL).problem
    part = problem.part("main")
    assert (problem.id, problem.version, problem.status) == ("doubles", 1, "ready")
    assert part.title == Localized(en="Doubles", fr="Doubles")
    assert [case.id for case in part.cases] == ["examples/1", "hidden/1"]
    assert [case.id for case in part.visible_cases] == ["examples/1"]
    assert part.case("hidden/1").args == ([],)
    assert part.group_of("hidden/1").name == "hidden"
    assert part.signature is not None
    assert part.signature.call == "double(items)"
    assert part.limits == Limits()
    assert part.compare == Compare(kind="exact")


def test_the_starter_is_made_from_the_signature_and_the_types() -> None:
    assert read(MINIMAL).problem.part("main").starter == (
        "from typing import NotRequired, TypedDict\n\n\n"
        "class Item(TypedDict):\n    price: int\n    note: NotRequired[str]\n\n\n"
        "def double(items: list[Item]) -> list[int]:\n    ...\n"
    )


def test_a_problem_survives_its_json() -> None:
    problem = read(MINIMAL).problem
    again = Problem.model_validate_json(problem.model_dump_json())
    assert again == problem
    assert again.content_hash() == problem.content_hash()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("expect: [4]", "expect: [5]"),
        ("difficulty: 1", "difficulty: 2"),
        ("Doublez chaque prix", "Doublez les prix"),
    ],
)
def test_the_content_hash_changes_with_the_content(before: str, after: str) -> None:
    other = read(changed((before, after))).problem
    assert other.content_hash() != read(MINIMAL).problem.content_hash()


def test_the_content_hash_does_not_see_the_layout() -> None:
    other = read("# a comment\n" + MINIMAL.replace("[4]", "\n          - 4")).problem
    assert other.content_hash() == read(MINIMAL).problem.content_hash()


def test_limits_are_inherited_key_by_key() -> None:
    text = changed(
        ("mode: function", "mode: function\nlimits: {time: 3s, memory: 64MB}"),
        ("  - group: hidden", "  - group: hidden\n    limits: {time: 500ms}"),
        ("        args: [[]]", "        args: [[]]\n        limits: {output: 8KB}"),
    )
    part = read(text).problem.part("main")
    assert part.case("examples/1").limits == Limits(time_s=3, memory_bytes=64 * MIB)
    assert part.groups[1].limits == Limits(time_s=0.5, memory_bytes=64 * MIB)
    assert part.case("hidden/1").limits == Limits(0.5, 64 * MIB, 8 * 1024)


def test_the_other_language_stands_in_for_a_missing_one() -> None:
    text = changed(("title: {en: Doubles, fr: Doubles}", "title: {fr: Le double}"))
    title = read(text).problem.title
    assert title.in_language("en") == title.in_language("fr") == "Le double"


FOLLOWUP = """\
followups:
  - id: more
    title: {en: More}
    statement: {en: Now more.}
    tests: [{group: all, cases: [{args: [[]], expect: []}]}]
"""


def with_followup(*lines: str) -> str:
    return MINIMAL + FOLLOWUP + "".join(f"    {line}\n" for line in lines)


def test_a_followup_takes_from_part_1_what_it_does_not_say() -> None:
    main, more = read(with_followup()).problem.parts
    assert (more.mode, more.entry, more.types) == (main.mode, main.entry, main.types)
    assert (more.starter, more.limits, more.minutes) == (main.starter, main.limits, main.minutes)
    assert more.same_code_as_main
    assert not main.same_code_as_main
    assert [solution.name for solution in more.solutions] == ["a list"]


def test_an_image_is_that_of_all_parts() -> None:
    assert {part.image for part in read(with_followup()).problem.parts} == {""}
    larger = with_followup().replace("mode: function", "mode: function\nimage: data")
    assert [part.image for part in read(larger).problem.parts] == ["data", "data"]


def test_a_followup_with_its_own_signature_starts_with_its_own_code() -> None:
    text = with_followup(
        'entry: "triple(items: list[Item]) -> list[int]"',
        "solutions: [{name: ok, expect: pass, code: 'def triple(items): return []'}]",
    )
    more = read(text).problem.part("more")
    assert not more.same_code_as_main
    assert "def triple(items: list[Item])" in more.starter


def test_a_followup_may_widen_a_type_and_keep_the_code() -> None:
    text = with_followup('types: {Item: {price: int, "undo?": bool}}').replace(
        "args: [[]], expect: []}]}]", "args: [[{price: 1, undo: true}]], expect: []}]}]"
    )
    assert read(text).problem.part("more").same_code_as_main


def test_a_followup_with_another_signature_needs_its_own_reference() -> None:
    text = with_followup('entry: "triple(items: list[Item]) -> list[int]"')
    assert complaints(text) == [f"34:5: {REFERENCE} | Add one with  expect: pass"]


def test_same_as_takes_the_code_of_a_solution_above() -> None:
    text = with_followup("solutions: [{name: old, expect: wrong, same_as: a list}]")
    solutions = read(text).problem.part("more").solutions
    assert [(s.name, s.expect, s.fails) for s in solutions] == [
        ("a list", "pass", ()),
        ("old", "wrong", ("all",)),
    ]
    assert solutions[0].code == solutions[1].code


PROGRAM = """\
format: 1
id: echo
version: 1
status: draft
title: {en: Echo}
difficulty: 1
minutes: 5
mode: program
statement: {en: Print what you read.}
tests:
  - group: examples
    visible: true
    score: each
    cases:
      - {stdin: a, expect: a}
      - {stdin: "", raises: EOFError}
solutions:
  - {name: one line, expect: pass, code: "print(input())"}
hints:
  - {after: 90s, en: Use input.}
rubric:
  - id: speed
    look_for: How fast.
    scale: {1: slow, 2: so so, 3: fast, 4: faster}
talk:
  - ask: {en: "What is stdin?"}
    listen_for: [a file]
"""


def test_a_program_has_no_signature_and_is_compared_by_tokens() -> None:
    problem = read(PROGRAM, "echo").problem
    part = problem.part("main")
    assert (part.signature, part.compare.kind, part.groups[0].score) == (None, "tokens", "each")
    assert part.starter.startswith("import sys\n")
    assert part.case("examples/2").raises == "EOFError"
    assert part.case("examples/1").name == "examples/1"
    assert (problem.hints[0].after_s, problem.hints[0].text.in_language("fr")) == (90, "Use input.")
    assert problem.rubric[0].scale == {1: "slow", 2: "so so", 3: "fast", 4: "faster"}
    assert problem.talk[0].listen_for == ("a file",)
    assert Problem.model_validate_json(problem.model_dump_json()) == problem


def test_the_folder_form_keeps_code_and_data_in_files() -> None:
    text = changed(
        ("        args: [[{price: 2}]]\n        expect: [4]",
         "        args: {file: args.json}\n        expect: {file: data/expect.json}"),
        (CODE,
         "code: {file: a.py}"),
        ("  en: Double each price.", "  en: {file: en.md}"),
    )  # fmt: skip
    files = {
        "args.json": '[[{"price": 7}]]',
        "data/expect.json": "[14]",
        "a.py": "def double(items):\n    return items\n",
        "en.md": "Double them.",
    }
    part = read(text, files=files).problem.part("main")
    assert part.case("examples/1").args == ([{"price": 7}],)
    assert part.case("examples/1").expect == [14]
    assert part.solutions[0].code == files["a.py"]
    assert part.statement.en == "Double them."


def test_values_in_files_are_checked_as_if_they_stood_in_the_text() -> None:
    text = changed(("args: [[{price: 2}]]", "args: {file: args.json}"))
    assert complaints(text, files={"args.json": '[[{"price": "7"}]]'}) == [
        '19:9: case "one item": argument "items", item 1: "price" should be int, got str "7"'
        f" | {NUMBER}"
    ]
    assert complaints(text, files={"args.json": "[["}) == ['20:22: file "args.json" is not JSON']
    assert complaints(text) == ['20:22: file "args.json" is not there']
