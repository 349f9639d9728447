"""Generators, `valid` and the reference's answers: what is read, made, refused, and said."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from sandbox.contract import Ended, Outcome
from sandbox.pool import Pool
from server.checking import check
from server.core.generating import CallRefusedError, NotMadeError, made_by, parse_call
from server.core.validity import Objection, objection
from server.library import Library
from server.making import completed
from tests.problems import author_code
from tests.problems.in_process import InProcessSandbox, SilentSandbox
from tests.problems.making import changed, complaints, ended, raised, read, returned

# The call.


def test_a_call_holds_plain_data() -> None:
    call = parse_call(" shop(3, [-1, 'x'], models={'a': None}, seed=-7) ")
    assert (call.name, call.args) == ("shop", [3, [-1, "x"]])
    assert (call.options, call.seed) == ({"models": {"a": None}}, -7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shop", "is not a call"),
        ("shop(", "is not a call"),
        ("a.b(seed=1)", "is not a call"),
        ("(" * 5000, "is not a call"),
        ("shop(seed=1)(2)", "is not a call"),
        ("shop(n=60)", "has no seed"),
        ("shop(**{'seed': 1})", "unpacks a dict"),
        ("shop(seed='x')", "should have a whole number as its seed, got 'x'"),
        ("shop(seed=True)", "should have a whole number as its seed, got True"),
        ("shop(n=__import__('os'), seed=1)", "holds __import__('os'), which is not plain data"),
        ("shop(2 ** 9, seed=1)", "holds 2 ** 9, which is not plain data"),
        ("shop(*[1], seed=1)", "holds *[1], which is not plain data"),
        ("shop({1, 2}, seed=1)", "holds {1, 2}, which JSON does not have"),
        ("shop({1: 2}, seed=1)", "holds {1: 2}, which JSON does not have"),
        ("shop(b'x', seed=1)", "holds b'x', which JSON does not have"),
    ],
)
def test_a_call_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(CallRefusedError) as caught:
        parse_call(text)
    assert str(caught.value) == message


# In a file.

GENERATORS = """\
generators: |
  def items(rng, n):
      return [[{"price": rng.randrange(100)} for _ in range(n)]]
valid: |
  def valid(items):
      assert all(item["price"] >= 0 for item in items), "prices are from 0"
types:"""
HIDDEN = "      - name: none\n"
GENERATED = "      - gen: items(n=3, seed=1)\n      - name: none\n"


def generated(*changes: tuple[str, str]) -> str:
    text = changed(("types:", GENERATORS), (HIDDEN, GENERATED))
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


def test_a_generated_case_needs_its_input_and_its_answer() -> None:
    problem = read(generated()).problem
    case = problem.parts[0].case("hidden/1")
    assert (case.name, case.gen) == ("items(n=3, seed=1)", "items(n=3, seed=1)")
    assert (case.needs, problem.is_complete) == (("input", "answer"), False)


@pytest.mark.parametrize("more", ["expect: []", "raises: ValueError"])
def test_a_generated_case_may_say_what_must_come(more: str) -> None:
    text = generated(("- gen: items(n=3, seed=1)", f"- gen: items(n=3, seed=1)\n        {more}"))
    assert read(text).problem.parts[0].case("hidden/1").needs == ("input",)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("gen: items(n=3, seed=1)", "gen: items(n=3)",
         ['30:14: case "items(n=3)": gen "items(n=3)" has no seed'
          " | Add  seed=1: one seed always makes the same case, another one another."]),
        ("gen: items(n=3, seed=1)", "gen: itms(n=3, seed=1)",
         ['30:14: case "itms(n=3, seed=1)": gen "itms(n=3, seed=1)" calls "itms",'
          ' which "generators" does not define | Did you mean "items"? Allowed: items']),
        ("gen: items(n=3, seed=1)", "gen: items(n=3, seed=1)\n        args: [[]]",
         ['30:9: case "items(n=3, seed=1)" has both gen and args | gen makes the whole input.']),
        ("gen: items(n=3, seed=1)", "gen: items(n=3, seed=1)\n        stdin: x",
         ['30:9: case "items(n=3, seed=1)" has both gen and stdin | gen makes the whole input.']),
        ("gen: items(n=3, seed=1)", "gen: items(n=3, seed=1)\n        expect: x",
         ['30:9: case "items(n=3, seed=1)": expect: should be list[int], got str "x"']),
        ("gen: items(n=3, seed=1)",
         "gen: items(n=3, seed=1)\n        expect: []\n        raises: KeyError",
         ['30:9: case "items(n=3, seed=1)" has both expect and raises'
          " | One of them says what must come of the case."]),
        ("def items(rng, n):", "def items(rng, n:",
         ["11:1: not Python: '(' was never closed"]),
        ("def valid(items):", "def valid(items, more):",
         ['13:8: "valid" takes 2 arguments, and is given 1 | It begins  def valid(items):']),
        ("def valid(items):", "def validate(items):",
         ['13:8: "valid" defines no function "valid" | It begins  def valid(items):']),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_where_it_stands(
    before: str, after: str, expected: list[str]
) -> None:
    assert complaints(generated((before, after))) == expected


def test_without_generators_gen_is_refused() -> None:
    assert complaints(changed((HIDDEN, GENERATED))) == [
        '24:14: case "items(n=3, seed=1)": gen "items(n=3, seed=1)" calls "items", '
        'which "generators" does not define | Add  generators: |'
    ]


def test_code_may_stand_in_files() -> None:
    text = changed(
        ("types:", "generators: {file: g.py}\nvalid: {file: v.py}\ntypes:"), (HIDDEN, GENERATED)
    )
    files = {"g.py": "def items(rng, n): return []\n", "v.py": "def valid(*args): pass\n"}
    part = read(text, files=files).problem.parts[0]
    assert (part.generators, part.valid) == (files["g.py"], files["v.py"])


FOLLOWUP = """\
followups:
  - id: more
    title: {en: More, fr: Plus}
    statement: {en: More., fr: Plus.}
    tests: [{group: more, cases: [{gen: "items(n=2, seed=2)"}]}]
"""


def test_a_follow_up_has_the_generators_of_part_1() -> None:
    main, followup = read(generated() + FOLLOWUP).problem.parts
    assert (followup.generators, followup.valid) == (main.generators, main.valid)


def test_valid_is_not_for_a_follow_up_with_an_entry_of_its_own() -> None:
    own = FOLLOWUP + (
        '    entry: "again(items: list[Item]) -> list[int]"\n'
        '    solutions: [{name: x, expect: pass, code: "def again(items): return []"}]\n'
    )
    main, followup = read(generated() + own).problem.parts
    assert (followup.generators, followup.valid) == (main.generators, "")


# What is made.


async def made(text: str, sandbox: InProcessSandbox | None = None) -> Any:
    """The hidden case that was made, or what was found instead, at its places."""
    source = read(text)
    problem, findings = await completed(source.problem, sandbox or InProcessSandbox())
    if findings:
        assert not problem.is_complete
        return [
            (tuple(source.place(one.part, one.path, one.line)), one.message) for one in findings
        ]
    assert problem.is_complete
    return problem.parts[0].case("hidden/1")


async def test_the_generator_makes_the_arguments_and_the_reference_answers() -> None:
    case = await made(generated())
    (items,) = case.args
    assert [2 * item["price"] for item in items] == case.expect
    assert (len(items), case.needs) == (3, ())


async def test_the_same_seed_makes_the_same_and_another_one_another() -> None:
    one, again = await made(generated()), await made(generated())
    other = await made(generated(("seed=1)", "seed=2)")))
    assert one == again
    assert one.args != other.args


@pytest.mark.parametrize(
    ("code", "place", "message"),
    [
        ('return [[{"price": len(x)} for x in list({"a", "bb", "ccc"})]]', (30, 14),
         "it does not make the same each time: "
         "[0][0]['price'] is "),
        ('return [[dict.fromkeys({"price", "note", "x"}, 1)]]', (30, 14),
         "it does not make the same each time: "
         "the keys of a dict come in another order in another run"),
        ("import random; return [[{'price': random.getrandbits(60)}]]", (30, 14),
         "it does not make the same each time: [0][0]['price'] is "),
        ("return [[{'price': n // 0}]]", (12, 1), "ZeroDivisionError: "),
        ("return [[{'price': {1}}]]", (30, 14),
         "TypeError: Object of type set is not JSON serializable"),
        ("return [[{'price': float('nan')}]]", (30, 14), "ValueError: "),
        ("import os; os._exit(3)", (30, 14), "it ended with status 3 and made nothing"),
        ("raise SystemExit(0)", (12, 1), "SystemExit: 0"),
        ("return {'price': 1}", (30, 14), "it made a dict, not a list of arguments"),
        ("return [[], 1]", (30, 14),
         "what it made does not fit: 2 arguments, but double(items) takes 1"),
        ("return [[{'price': 'x'}]]", (30, 14),
         'what it made does not fit: argument "items", item 1: "price" should be int, got str "x"'),
    ],
)  # fmt: skip
async def test_a_generator_that_makes_nothing_of_use_is_told_where(
    code: str, place: tuple[int, int], message: str
) -> None:
    line = 'return [[{"price": rng.randrange(100)} for _ in range(n)]]'
    ((found_place, found),) = await made(generated((line, code)))
    head = 'case "items(n=3, seed=1)": the generator made nothing: '
    assert found.startswith(head + message), found
    assert found_place == place


async def test_what_a_generator_prints_is_nobodys() -> None:
    line = 'return [[{"price": rng.randrange(100)} for _ in range(n)]]'
    case = await made(generated((line, f"print('{{'); {line}")))
    assert len(case.args[0]) == 3


async def test_valid_must_hold_for_what_is_made() -> None:
    found = await made(generated(("rng.randrange(100)", "-1")))
    assert found == [
        ((30, 9), 'case "items(n=3, seed=1)" is not valid: prices are from 0'),
    ]


async def test_the_reference_must_answer() -> None:
    code = 'return [2 * item["price"] for item in items]'
    (found,) = await made(generated((code, "return items[5]")))
    assert found[0] == (35, 5)
    assert found[1].startswith(
        'the reference "a list" does not answer the case "items(n=3, seed=1)": runtime_error: '
    )
    (found,) = await made(generated((code, 'return ["x"]')))
    assert found[1] == (
        'the reference "a list" does not answer the case "items(n=3, seed=1)": '
        'its answer, item 1: should be int, got str "x"'
    )


async def test_a_sandbox_that_loses_outcomes_makes_nothing() -> None:
    ((_, found),) = await made(generated(), SilentSandbox())
    assert found.endswith("the generator made nothing: the sandbox gave no outcome")


def packed(*texts: str) -> Outcome:
    data = [base64.b64encode(zlib.compress(text.encode())).decode() for text in texts]
    return ended(Ended.RETURNED, value=json.dumps(data))


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (packed(" " * (4 * 1024 * 1024 + 1)), "is larger than 4194304 characters"),
        (packed("[" * 101), "is nested deeper than 100 levels"),
        (packed('{"error": 1}'), "is {'error': 1}"),
        (returned(["%%"]), "is not what the harness makes"),
        (returned([1]), "is not what the harness makes"),
        (returned([]), "is not what the harness makes"),
        (returned("x"), "is not what the harness makes"),
        (returned([base64.b64encode(b"no").decode()]), "is not what the harness makes"),
        (packed(*["{}"] * 3), "is not what the harness makes"),
    ],
)
def test_what_comes_back_is_believed_within_bounds(outcome: Outcome, message: str) -> None:
    with pytest.raises(NotMadeError) as caught:
        made_by(outcome)
    assert str(caught.value) == f"what it made {message}"


@pytest.mark.parametrize("line", [0, -1, True, "7", None])
def test_a_line_that_is_none_is_no_line(line: Any) -> None:
    with pytest.raises(NotMadeError) as caught:
        made_by(packed(json.dumps({"error": "x", "line": line})))
    assert caught.value.line is None


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (returned(None), None),
        (returned(True), None),
        (returned(False), Objection("it returned False", is_about_case=True)),
        (returned("n is 0"), Objection("n is 0", is_about_case=True)),
        (returned(1), Objection("it returned 1, not True or False", is_about_case=False)),
        (raised("AssertionError", "n is 0"), Objection("n is 0", is_about_case=True, line=1)),
        (raised("AssertionError"),
         Objection("an assertion without a message", is_about_case=True, line=1)),
        (raised("KeyError", "'id'"),
         Objection("Traceback …\nKeyError: 'id'", is_about_case=False, line=1)),
        (ended(Ended.TIME_LIMIT, time_ms=10_000.0),
         Objection("still running after 10.0 s", is_about_case=False)),
        (ended(Ended.RETURNED, value="tru"),
         Objection("what it returned is not JSON", is_about_case=False)),
        (None, Objection("the sandbox gave no outcome", is_about_case=False)),
    ],
)  # fmt: skip
def test_what_valid_says(outcome: Outcome | None, expected: Objection | None) -> None:
    assert objection(outcome) == expected


# What `check` says.


async def told(text: str) -> list[str]:
    source = read(text)
    return [
        f"{':'.join(map(str, source.place(one.part, one.path, one.line)))}: {one.message}"
        for one in await check(source.problem, InProcessSandbox())
    ]


async def test_a_good_generated_problem_gives_no_findings() -> None:
    assert await told(generated()) == []


async def test_every_other_right_solution_must_agree_with_the_reference() -> None:
    other = (
        "  - name: rounds down\n    expect: pass\n"
        "    code: \"def double(items): return [i['price'] * 2 // 4 * 4 for i in items]\"\n"
    )
    (found,) = await told(generated() + other)
    assert found.startswith(
        '40:5: "rounds down" should pass, but fails the case "items(n=3, seed=1)": wrong_answer: at'
    )


async def test_valid_must_hold_for_written_cases_too() -> None:
    text = changed(("types:", GENERATORS), ("args: [[{price: 2}]]", "args: [[{price: -2}]]"))
    found = await told(text.replace("expect: [4]", "expect: [-4]"))
    assert found == ['25:9: case "one item" is not valid: prices are from 0']


async def test_a_valid_that_fails_itself_is_told_at_its_line() -> None:
    (found, *_) = await told(generated(('item["price"] >= 0', 'item["prize"] >= 0')))
    assert found.startswith('13:8: on the case "one item" valid failed: Traceback')


# In real containers, on the problem that uses all of it.


async def test_the_whole_problem_holds_in_real_containers(pool: Pool) -> None:
    source = Library(Path(author_code.__file__).parent).sources["two-for-a-voucher"]
    assert await check(source.problem, pool) == []


async def test_another_hash_seed_makes_another_order_in_a_container(pool: Pool) -> None:
    line = 'return [[{"price": rng.randrange(100)} for _ in range(n)]]'
    code = 'return [[{"price": len(x)} for x in list({"a", "bb", "ccc"})]]'
    _, findings = await completed(read(generated((line, code))).problem, pool)
    (finding,) = findings
    assert "it does not make the same each time" in finding.message
    assert finding.mend.startswith("Draw from rng alone")


async def test_a_generator_that_breaks_has_its_line_in_a_container(pool: Pool) -> None:
    source = read(generated(("rng.randrange(100)", "rng.no_such()")))
    _, (finding,) = await completed(source.problem, pool)
    assert finding.message.endswith("AttributeError: 'Random' object has no attribute 'no_such'")
    assert source.place(finding.part, finding.path, finding.line) == (12, 1)


PROGRAM = """\
format: 1
id: lines
version: 1
status: ready
title: {en: Lines, fr: Lignes}
difficulty: 1
minutes: 5
mode: program
statement: {en: Count the lines., fr: Comptez les lignes.}
generators: |
  def lines(rng, n):
      return "".join(f"{rng.randrange(9)}\\n" for _ in range(n))
valid: |
  def valid(stdin):
      assert stdin.endswith("\\n"), "every line ends"
tests:
  - group: hidden
    cases:
      - gen: lines(n=7, seed=1)
solutions:
  - {name: count, expect: pass, code: "import sys; print(len(list(sys.stdin)))"}
"""


async def test_the_standard_input_of_a_program_may_be_generated(pool: Pool) -> None:
    problem, findings = await completed(read(PROGRAM, "lines").problem, pool)
    assert findings == []
    case = problem.parts[0].cases[0]
    assert (case.stdin.count("\n"), case.expect) == (7, "7\n")
    wrong = PROGRAM.replace('return "".join', "return list")
    _, (finding,) = await completed(read(wrong, "lines").problem, pool)
    assert finding.message.endswith("it made a list, not the text on stdin")
