"""Class mode from the file to the verdict: signatures, calls, what is shown, what is said."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sandbox.contract import Ended, Mode, Outcome
from sandbox.pool import Pool
from server.checking import check
from server.core.calls import brief_call, shown_calls
from server.core.class_signature import ClassSignature, class_starter, parse_class
from server.core.events import AnyEvent, Role, RunStarted, TestJudged
from server.core.judge import Judgement, Verdict, judge, submission_for
from server.core.problem import Part, Problem
from server.core.roles import view_event
from server.core.statement import render_statement, shown_input
from server.runner import Job, Performance
from tests.problems.making import complaints, ended, raised, read, returned
from tests.problems.test_judge_properties import JSON

FILE = Path(__file__).parent / "data" / "bench-limiter.yaml"
TWO_IN_TEN = (
    "rate_limiter = RateLimiter(2, 10)\n"
    "rate_limiter.allow('shop1', 0)  # True\n"
    "rate_limiter.allow('shop1', 5)  # True\n"
    "rate_limiter.allow('shop1', 9)  # False\n"
    "rate_limiter.allow('shop1', 10)  # True"
)


@cache
def limiter() -> Problem:
    return read(FILE.read_text("utf-8"), "bench-limiter").problem


async def test_every_solution_of_a_class_earns_what_its_file_says(pool: Pool) -> None:
    assert await check(limiter(), pool) == []


async def test_a_solution_that_earns_something_else_is_told_by_the_call(pool: Pool) -> None:
    text = FILE.read_text("utf-8").replace("fails: [examples, window]", "fails: [window]")
    found = await check(read(text, "bench-limiter").problem, pool)
    assert [one.message for one in found] == [
        '"a refusal counts too" should pass the group "examples", but fails the case '
        '"two in ten seconds": wrong_answer: '
        "call 5, `allow('shop1', 10)`: expected True, got False"
    ]


async def test_a_method_that_is_not_there_is_told_in_plain_words(pool: Pool) -> None:
    part = limiter().parts[0]
    source = "class RateLimiter:\n def __init__(self, most, window): self.most = most / window"
    async with pool.run(submission_for(part, source, "examples")) as run:
        outcomes = [event async for event in run if isinstance(event, Outcome)]
    first, second = (judge(part, part.case(one.test), one) for one in outcomes)
    assert (first.verdict, second.verdict) == (Verdict.RUNTIME_ERROR, Verdict.WRONG_ANSWER)
    assert "`RateLimiter.allow` is not defined; the tests call `allow` with 2" in first.detail
    assert second.detail == "ValueError was expected, and nothing was raised"


async def test_an_exception_is_told_by_its_call(pool: Pool) -> None:
    """To the author in a line, and in a test's detail below the traceback."""
    broken = "begun.append(now / 0 if now == 9 else now)"
    text = FILE.read_text("utf-8").replace("begun.append(now)", broken)
    found = await check(read(text, "bench-limiter").problem, pool)
    assert [one.message for one in found] == [
        '"a queue per shop" should pass, but fails the case "the window slides": runtime_error: '
        "ZeroDivisionError: division by zero in call 3, `allow`"
    ]


def test_an_interview_can_freeze_a_class() -> None:
    problem = limiter()
    again = Problem.model_validate_json(problem.model_dump_json())
    assert again == problem
    assert again.content_hash() == problem.content_hash()
    assert isinstance(again.parts[0].signature, ClassSignature)


def test_the_starter_of_a_class_comes_from_its_signatures() -> None:
    assert limiter().parts[0].starter == (
        "class RateLimiter:\n"
        "    def __init__(self, most: int, window: int) -> None:\n"
        "        ...\n"
        "\n"
        "    def allow(self, shop: str, now: int) -> bool:\n"
        "        ...\n"
    )


def test_the_starter_of_a_class_declares_the_types_that_it_names() -> None:
    types = {"Item": {"id": "str", "note?": "str"}}
    signature = parse_class(["Cart()", "add(item: Item, more: dict[str, Any]) -> None"], types)
    starter = class_starter(signature, types)
    ast.parse(starter)
    assert starter.startswith("from typing import Any, NotRequired, TypedDict\n\n\nclass Item(Ty")
    assert (
        "\n\n\nclass Cart:\n    def __init__(self) -> None:\n        ...\n\n    def add(" in starter
    )


def test_a_followup_without_words_has_the_mode_and_the_class_of_part_1() -> None:
    text = FILE.read_text("utf-8")
    start, end = (
        text.index("    entry:      "),
        text.index("    statement:\n      en: |\n        `next"),
    )
    text = text[:start] + text[end:]
    main, more = read(text.replace("next_time, a", "allow, a").replace("13]", "false]"
        ).replace("5, true, 6]", "true, false, true]").replace("10, 12]", "false, true]"
        ), "bench-limiter").problem.parts  # fmt: skip
    assert (more.mode, more.entry, more.starter) == (main.mode, main.entry, main.starter)
    assert more.same_code_as_main


def test_a_followup_with_more_methods_goes_on_with_the_candidates_class() -> None:
    more = limiter().parts[1]
    assert more.same_code_as_main
    assert "def next_time(self, shop: str, now: int) -> int:" in more.starter
    text = FILE.read_text("utf-8")
    before, _, after = text.rpartition('"RateLimiter(most: int, window: int)"')
    other = read(f'{before}"RateLimiter(most: int, window: float)"{after}', "bench-limiter")
    assert not other.problem.parts[1].same_code_as_main
    assert not other.problem.parts[0].same_code_as_main


def test_a_submission_of_a_class_carries_calls_and_never_an_answer() -> None:
    part = limiter().parts[0]
    submission = submission_for(part, "code", "tests")
    assert (submission.mode, submission.entry) == (Mode.CLASS, "RateLimiter")
    assert submission.signature == "RateLimiter(most, window)"
    assert submission.tests[1].args == [["new", 0, 10]]
    assert {test.batch for test in submission.tests} == {"visible", "hidden"}
    for secret in ("ValueError", "True", "a refusal does not count"):
        assert secret not in repr(submission)


def test_the_examples_of_a_class_read_as_code() -> None:
    html = render_statement(limiter().parts[0], "en")
    code = TWO_IN_TEN
    assert f'<dt>Calls</dt><dd><pre><code class="language-python">{code}</code>' in html
    assert "RateLimiter(0, 10)  # raises ValueError</code>" in html
    french = render_statement(limiter().parts[0], "fr")
    assert "<dt>Appels</dt>" in french
    assert "RateLimiter(0, 10)  # lève ValueError</code>" in french
    assert "hour" not in html + french


def test_a_cases_input_is_its_calls() -> None:
    part = limiter().parts[0]
    assert shown_input(part, part.case("examples/1")) == "\n".join(
        line.partition("  #")[0] for line in TWO_IN_TEN.split("\n")
    )


SIGNATURE = parse_class(
    ["Cart(of: str)", "add(items: list[dict]) -> None", "find(name: str) -> Any"], {}
)


def test_what_returns_nothing_ever_is_not_said_to() -> None:
    calls = [["new", "Zoë"], ["add", []], ["find", "x"]]
    assert shown_calls(SIGNATURE, calls, [None, None, None]) == (
        "cart = Cart('Zoë')\ncart.add([])\ncart.find('x')  # None"
    )
    assert shown_calls(SIGNATURE, calls, [3, 4, None]).startswith("cart = Cart('Zoë')  # 3\n")


def test_long_calls_and_long_results_take_lines_of_their_own() -> None:
    items = [{"name": "a" * 30}, {"name": "b" * 30}]
    text = shown_calls(SIGNATURE, [["add", items], ["find", "x" * 40]], [None, items])
    assert text == (
        "cart.add(\n"
        "    [\n"
        f"        {items[0]},\n"
        f"        {items[1]},\n"
        "    ],\n"
        ")\n"
        f"cart.find('{'x' * 40}')\n"
        "# [\n"
        f"#     {items[0]},\n"
        f"#     {items[1]},\n"
        "# ]"
    )
    ast.parse(text)


def test_a_result_that_a_program_made_huge_is_cut() -> None:
    text = shown_calls(SIGNATURE, [["find", "x"]], [["y" * 50_000]])
    assert len(text) < 2_100
    assert text.endswith("more characters)")


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("Limiter", "limiter"),
        ("RateLimiter", "rate_limiter"),
        ("TTLCache", "ttl_cache"),
        ("LRU", "lru"),
        ("Class", "a_class"),
        ("bench", "a_bench"),
    ],
)
def test_an_object_is_called_after_its_class(name: str, variable: str) -> None:
    signature = parse_class([f"{name}()", "f() -> int"], {})
    assert shown_calls(signature, [["new"]]) == f"{variable} = {name}()"


def test_a_call_in_a_reason_is_never_long() -> None:
    assert brief_call(SIGNATURE, ["new", "a"]) == "Cart('a')"
    assert len(brief_call(SIGNATURE, ["find", "x" * 5_000])) < 160


def judged(results: Any, kind: str = "exact", **case: Any) -> Judgement:
    """The judgement on the case `g/1`, of which the program returned `results`."""
    task = class_part(kind, **case)
    return judge(task, task.case("g/1"), returned(results))


def class_part(kind: str = "exact", expect: Any = None, raises: str | None = None) -> Part:
    main = limiter().parts[0]
    group = main.groups[0]
    calls = (["new", "Zoë"], ["find", "a"], ["find", "b"])
    only = group.cases[0].model_copy(
        update={"id": "g/1", "args": calls, "expect": expect, "raises": raises}
    )
    entry = ("Cart(of: str)", "add(items: list[dict]) -> None", "find(name: str) -> Any")
    return Part(
        **{
            **{name: getattr(main, name) for name in Part.model_fields},
            "entry": entry,
            "compare": main.compare.model_copy(update={"kind": kind, "tolerance": 1e-6}),
            "groups": (group.model_copy(update={"name": "g", "cases": (only,)}),),
        }
    )


def test_the_expected_results_are_accepted_and_shown_behind_their_calls() -> None:
    shown = "cart = Cart('Zoë')\ncart.find('a')  # 1\ncart.find('b')  # [2]"
    assert judged([None, 1, [2]], expect=[None, 1, [2]]) == Judgement(
        Verdict.ACCEPTED, shown, shown, ""
    )


@pytest.mark.parametrize(
    ("kind", "expect", "got", "detail"),
    [
        ("exact", [None, 1, 2], [None, 1, 3], "call 3, `find('b')`: expected 2, got 3"),
        ("exact", [None, 1, 2], [None, None, 3], "call 2, `find('a')`: expected 1, got None"),
        ("exact", [None, 1, 2], [0, 1, 2], "call 1, `Cart('Zoë')`: expected None, got 0"),
        ("exact", [None, [1, 2], 0], [None, [1, 5], 0],
         "call 2, `find('a')`: at [1]: expected 2, got 5"),
        ("exact", [None, True, 0], [None, 1, 0], "call 2, `find('a')`: expected True, got 1"),
        ("unordered", [None, [1, 2], [3]], [None, [2, 1], [3]], ""),
        ("unordered", [None, 1, 2], [None, 2, 1], "call 2, `find('a')`: expected 1, got 2"),
        ("float", [None, 0.3, 1], [None, 0.1 + 0.2, 1.0], ""),
        ("float", [None, 0.3, 1], [None, 0.31, 1], "call 2, `find('a')`: expected 0.3, got 0.31"),
        # What only a program that forges its report can hand back.
        ("exact", [None, 1, 2], [None, 1], "expected 3 items, got 2 items"),
        ("exact", [None, 1, 2], [None, 1, 2, 3], "expected 3 items, got 4 items"),
        ("unordered", [None, 1, 2], [], "expected 3 items, got 0 items"),
        ("exact", [None, 1, 2], {"a": 1}, "expected [None, 1, 2], got {'a': 1}"),
        ("exact", [None, 1, 2], None, "expected [None, 1, 2], got None"),
    ],
)  # fmt: skip
def test_a_wrong_result_is_told_by_its_call(kind: str, expect: Any, got: Any, detail: str) -> None:
    judgement = judged(got, kind, expect=expect)
    verdict = Verdict.WRONG_ANSWER if detail else Verdict.ACCEPTED
    assert (judgement.verdict, judgement.detail) == (verdict, detail)


@given(text=JSON.map(json.dumps) | st.lists(JSON, min_size=3, max_size=3).map(json.dumps))
@example(text="[null, NaN, 1e999]")
def test_any_results_get_a_verdict_and_can_be_shown(text: str) -> None:
    task = class_part("float", expect=[None, 1, [2.5]])
    judgement = judge(task, task.case("g/1"), ended(Ended.RETURNED, value=text))
    assert (judgement.verdict is Verdict.ACCEPTED) == (judgement.detail == "")
    judgement.got.encode()
    judgement.detail.encode()


def test_a_value_that_is_no_json_is_refused() -> None:
    task = class_part(expect=[None, 1, 2])
    judgement = judge(task, task.case("g/1"), ended(Ended.RETURNED, value="[1,"))
    assert (judgement.verdict, judgement.got) == (Verdict.WRONG_ANSWER, "[1,")
    assert judgement.detail == "the result is not JSON"


def test_a_class_that_must_raise() -> None:
    task = class_part(raises="KeyError")
    case = task.case("g/1")
    assert judge(task, case, raised("KeyError")).verdict is Verdict.ACCEPTED
    assert judge(task, case, raised("ValueError")).verdict is Verdict.RUNTIME_ERROR
    nothing = judge(task, case, returned([None, 1, 2]))
    assert (nothing.verdict, nothing.expected) == (Verdict.WRONG_ANSWER, "raises KeyError")
    assert nothing.got == "cart = Cart('Zoë')\ncart.find('a')  # 1\ncart.find('b')  # 2"


def test_a_class_that_exits_or_times_out_has_not_answered() -> None:
    task = class_part(expect=[None, 1, 2])
    case = task.case("g/1")
    assert judge(task, case, ended(Ended.EXITED, exit_code=0)).verdict is Verdict.RUNTIME_ERROR
    assert judge(task, case, ended(Ended.TIME_LIMIT)).verdict is Verdict.TIME_LIMIT
    assert judge(task, case, ended(Ended.RETURNED)).verdict is Verdict.JUDGE_ERROR


MINIMAL = """\
format: 1
id: carts
version: 1
status: ready
title: {en: Carts, fr: Paniers}
difficulty: 1
minutes: 10
mode: class
entry: ["Cart(most: int)", "add(item: Item) -> None", "names() -> list[str]"]
types:
  Item: {name: str, "note?": str}
statement: {en: Write it., fr: Écrivez-la.}
tests:
  - group: examples
    visible: true
    cases:
      - name: one item
        calls: [[new, 2], [add, {name: a}], [names]]
        expect: [null, null, [a]]
solutions:
  - name: a list
    expect: pass
    code: "class Cart: pass"
"""
ENTRY = 'entry: ["Cart(most: int)", "add(item: Item) -> None", "names() -> list[str]"]'
CALLS = "calls: [[new, 2], [add, {name: a}], [names]]"
EXPECT = "expect: [null, null, [a]]"
A_CALL = "A call is a list: the method, then one item per parameter, such as [allow, shop1, 0]."
RESULTS = "expect is a list with one item per call: null for new, or where nothing is returned."
CLASS_SUCH_AS = 'Such as  ["Limiter(most: int)", "allow(shop: str) -> bool"]'
METHOD_SUCH_AS = "Such as  allow(shop: str) -> bool"
NEW_SUCH_AS = "Such as  Limiter(most: int)"
NUMBER = 'In YAML 250 is a number and "250" is text.'


def test_the_class_that_these_tests_break_is_whole() -> None:
    assert complaints(MINIMAL, "carts") == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (ENTRY, "", ['8:7: "entry" is missing: a class needs its signatures'
                     ' | Add  entry: ["Limiter(most: int)", "allow(shop: str) -> bool"]']),
        (ENTRY, 'entry: "Cart(most: int)"',
         ['9:8: "entry" should be a list: the constructor\'s signature, then each method\'s'
          f" | {CLASS_SUCH_AS}"]),
        (ENTRY, 'entry: ["Cart(most: int)"]', [f'9:8: "entry" names no method | {CLASS_SUCH_AS}']),
        (ENTRY, "entry: []",
         ['9:8: "entry" should be a signature, or for a class a list of signatures'
          ' | Such as  "double(n: int) -> int"'
          '  or  ["Limiter(most: int)", "allow(shop: str) -> bool"]']),
        (ENTRY, "entry: {new: x}",
         ['9:8: "entry" should be a signature, or for a class a list of signatures'
          ' | Such as  "double(n: int) -> int"'
          '  or  ["Limiter(most: int)", "allow(shop: str) -> bool"]']),
        ('"Cart(most: int)"', '"Cart(most: int) -> None"',
         ['9:9: item 1 of "entry": making an object returns nothing; leave the return type out'
          f" | {NEW_SUCH_AS}"]),
        ('"Cart(most: int)"', '"Item(most: int)"',
         [f'9:9: item 1 of "entry": "Item" is the name of a type already | {NEW_SUCH_AS}']),
        ('"Cart(most: int)"', '"Cart"',
         [f'9:9: item 1 of "entry": not a Python signature | {NEW_SUCH_AS}']),
        ('"Cart(most: int)"', '"Cart(self, most: int)"',
         ['9:9: item 1 of "entry": leave "self" out: parameters are what the tests give'
          f" | {NEW_SUCH_AS}"]),
        ('"add(item: Item) -> None"', '"add(self, item: Item) -> None"',
         ['9:28: item 2 of "entry": leave "self" out: parameters are what the tests give'
          f" | {METHOD_SUCH_AS}"]),
        ('"add(item: Item) -> None"', '"add(item: Itm)"',
         [f'9:28: item 2 of "entry": unknown type "Itm"; did you mean "Item"? | {METHOD_SUCH_AS}']),
        ('"add(item: Item) -> None"', '"add(item: Item)"',
         ['9:28: item 2 of "entry": no return type; end it with e.g. "-> list[str]"'
          f" | {METHOD_SUCH_AS}"]),
        ('"add(item: Item) -> None"', '"new(item: Item) -> None"',
         ['9:28: item 2 of "entry": "new" is the call that makes an object; '
          f"name the method otherwise | {METHOD_SUCH_AS}"]),
        ('"add(item: Item) -> None"', '"__init__(most: int) -> None"',
         ['9:28: item 2 of "entry": the constructor comes first, under the class\'s name'
          f" | {METHOD_SUCH_AS}"]),
        ('"names() -> list[str]"', '"names() -> list[str]", "add(item: Item) -> None"',
         ['9:79: the signature of "add" stands twice']),
        ("types:", "compare: tokens\ntypes:",
         ["10:10: tokens are compared in what a program prints"
          " | For a class: exact, unordered, {float: 1e-6} or {checker: ...}."]),
        (CALLS, "args: [1]",
         ['17:9: case "one item" has args, but a class takes calls'
          " | Write  calls: [[new, ...], [add, ...]]"]),
        (CALLS, f"stdin: x\n        {CALLS}",
         ['17:9: case "one item" has stdin, but a class takes calls'
          " | Write  calls: [[new, ...], [add, ...]]"]),
        (CALLS, "calls: []",
         ['17:9: case "one item" has no calls | Write  calls: [[new, ...], [add, ...]]']),
        (f"        {CALLS}\n", "",
         ['17:9: case "one item" has no calls | Write  calls: [[new, ...], [add, ...]]']),
        (CALLS, "calls: add", ['18:16: "calls" should be a list, got "add"'
                               " | A list reads  [a, b]  or one  - item  a line."]),
        (CALLS, "calls: [[add, {name: a}], [new, 2], [names]]",
         ['18:17: case "one item": call 1 should be new, which makes the object'
          " | Begin with  [new, ...]  and the arguments of Cart(most)."]),
        (CALLS, "calls: [[new, 2], [add, {name: a}], names]",
         ['18:45: case "one item": call 3 should be a list that begins with a method\'s name'
          f" | {A_CALL}"]),
        (CALLS, "calls: [[new, 2], [], [3]]",
         ['18:27: case "one item": call 2 should be a list that begins with a method\'s name'
          f" | {A_CALL}",
          '18:31: case "one item": call 3 should be a list that begins with a method\'s name'
          f" | {A_CALL}"]),
        (CALLS, "calls: [new, [add, {name: a}], [names]]",
         ['18:17: case "one item": call 1 should be a list that begins with a method\'s name'
          f" | {A_CALL}"]),
        (CALLS, "calls: [[new, 2], [ad, {name: a}], [names]]",
         ['18:27: case "one item": call 2: "ad" is no method of Cart'
          ' | Did you mean "add"? Allowed: new, add, names']),
        (CALLS, "calls: [[new], [add, {name: a}], [names]]",
         [f'18:17: case "one item": call 1: 0 arguments, but Cart(most) takes 1 | {A_CALL}']),
        (CALLS, "calls: [[new, 2], [add, {name: a}], [names, 1]]",
         [f'18:45: case "one item": call 3: 1 argument, but names() takes 0 | {A_CALL}']),
        (CALLS, 'calls: [[new, "2"], [add, {name: a}], [names]]',
         ['18:17: case "one item": call 1, argument "most": should be int, got str "2"'
          f" | {NUMBER}"]),
        (CALLS, "calls: [[new, 2], [add, {nam: a}], [names]]",
         ['18:27: case "one item": call 2, argument "item": unknown key "nam"'
          ' | Did you mean "name"? Allowed: name, note']),
        (CALLS, "calls: [[new, 2], [add, {name: a, 3: b}], [names]]",
         ['18:27: case "one item": call 2, argument "item": unknown key "3" | Allowed: name, note',
          '18:43: case "one item": a key in calls is not text'
          " | The keys of JSON are text: put them in quotes."]),
        (EXPECT, "expect: true", [f'19:17: case "one item": expect should be a list | {RESULTS}']),
        (EXPECT, "expect: [[a]]",
         [f'19:17: case "one item": 3 calls, but expect has 1 item | {RESULTS}']),
        (EXPECT, "expect: [true, null, [a]]",
         ['19:18: case "one item": call 1, new, expect: should be None, got bool true'
          f" | {RESULTS}"]),
        (EXPECT, "expect: [null, null, [1]]",
         ['19:30: case "one item": call 3, names, expect, item 1: should be str, got int 1'
          f" | {NUMBER}"]),
        (EXPECT, f"{EXPECT}\n        raises: KeyError",
         ['17:9: case "one item" has both expect and raises'
          " | One of them says what must come of the case."]),
        ("mode: class", "mode: function",
         ['9:8: "entry" is a list of signatures, but a function has one'
          ' | Write  entry: "grade(sheet: list[str]) -> str"  or  mode: class',
          '17:9: case "one item" has calls, but a function takes args'
          " | Write  args: [...]  or  mode: class"]),
        ("mode: class", "mode: program",
         ['9:1: "entry" is for functions and classes; a program has none',
          '17:9: case "one item" has calls, but a program reads stdin'
          " | Write  stdin: |  and the text below it.",
          '17:9: case "one item": expect should be the text to print'
          " | Write  expect: |  and the text below it."]),
    ],
)  # fmt: skip
def test_a_broken_class_is_told_what_and_where_and_how_to_mend_it(
    before: str, after: str, expected: list[str]
) -> None:
    assert MINIMAL.count(before) == 1
    assert complaints(MINIMAL.replace(before, after), "carts") == expected


def test_calls_and_results_may_stand_in_files() -> None:
    calls, expect = [["new", 2], ["add", {"name": "a"}], ["names"]], [None, None, ["a"]]
    text = MINIMAL.replace(CALLS, "calls: {file: calls.json}").replace(
        EXPECT, "expect: {file: expect.json}"
    )
    files = {"calls.json": json.dumps(calls), "expect.json": json.dumps(expect)}
    case = read(text, "carts", files).problem.parts[0].case("examples/1")
    assert (list(case.calls), case.expect) == (calls, expect)
    files["calls.json"] = "[[1]]"
    assert complaints(text, "carts", files) == [
        '18:16: case "one item": call 1 should be new, which makes the object'
        " | Begin with  [new, ...]  and the arguments of Cart(most)."
    ]


async def test_a_run_tells_the_call_to_a_candidate_only_of_a_visible_test(pool: Pool) -> None:
    part = limiter().parts[0]
    wrong = next(one.code for one in part.solutions if one.name == "a refusal counts too")
    recorded: list[AnyEvent] = []

    async def record(events: Sequence[AnyEvent]) -> None:
        recorded.extend(events)

    started = RunStarted(run="r", doc="d", version=0, what="tests")
    await Performance(pool, Job(started, wrong, part), record).perform()
    failed = [e for e in recorded if isinstance(e, TestJudged) and e.verdict == "wrong_answer"]
    visible, hidden, _ = failed
    assert (visible.test, hidden.test) == ("examples/1", "window/1")
    assert visible.input == TWO_IN_TEN.replace("  # True", "").replace("  # False", "")
    assert visible.expected == TWO_IN_TEN
    assert visible.got == TWO_IN_TEN.removesuffix("True") + "False"
    assert visible.detail == "call 5, `allow('shop1', 10)`: expected True, got False"
    assert hidden.detail == "call 4, `allow('a', 5)`: expected True, got False"
    seen = json.dumps([view_event(event, Role.CANDIDATE) for event in recorded])
    assert visible.detail in seen
    assert "allow('a'" not in seen
