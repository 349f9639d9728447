"""What verdict comes of which outcome."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from sandbox.contract import Ended, Limits, Mode
from server.core.events import RunStarted
from server.core.judge import (
    FREE_RUN_LIMITS,
    TYPED_RUN_LIMITS,
    Judgement,
    Verdict,
    judge,
    judge_program,
    overall,
    program_submission,
    submission_for,
)
from server.core.messages import What
from server.core.problem import Group, Part, TestCase
from server.runner import Job
from tests.problems.making import (
    ended,
    function_part,
    part,
    printed,
    program_part,
    raised,
    returned,
)

TOO_DEEP = "the result is nested deeper than 100 levels"
TOO_LARGE = "the result is larger than 4194304 characters"


def verdict_on(task: Part, outcome: Any) -> Judgement:
    return judge(task, task.case("g/1"), outcome)


def test_the_expected_value_is_accepted() -> None:
    judgement = verdict_on(function_part([1, None, "x"]), returned([1, None, "x"]))
    assert judgement == Judgement(Verdict.ACCEPTED, "[1, None, 'x']", "[1, None, 'x']", "")


@pytest.mark.parametrize(
    ("expect", "got", "detail"),
    [
        (1, True, "expected 1, got True"),
        (True, 1, "expected True, got 1"),
        (0, False, "expected 0, got False"),
        (3, 3.0, "expected 3, got 3.0"),
        (None, 0, "expected None, got 0"),
        ("1", 1, "expected '1', got 1"),
        (1.5, float("nan"), "expected 1.5, got nan"),
        ([1, 2, 3], [1, 9, 3], "at [1]: expected 2, got 9"),
        ([1, 2], [1, 2, 3], "expected 2 items, got 3 items"),
        ([1], [], "expected 1 item, got 0 items"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "at ['a'][0]['b']: expected 1, got 2"),
        ({"a": 1}, {}, "expected key 'a', got a dict without it"),
        ({"a": 1}, {"a": 1, "b": 2}, "expected no other key, got key 'b'"),
        ([], {}, "expected [], got {}"),
    ],
)
def test_another_value_is_wrong_and_the_first_difference_is_told(
    expect: Any, got: Any, detail: str
) -> None:
    judgement = verdict_on(function_part(expect), returned(got))
    assert (judgement.verdict, judgement.detail) == (Verdict.WRONG_ANSWER, detail)


def test_an_int_may_stand_for_a_float() -> None:
    assert verdict_on(function_part(3.0), returned(3)).verdict is Verdict.ACCEPTED


def test_keys_of_a_dict_may_come_in_any_order() -> None:
    task = function_part({"a": 1, "b": 2})
    assert verdict_on(task, returned({"b": 2, "a": 1})).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("got", [[3.0, 1, "x", [2, 1]], [[2, 1], "x", 1, 3]])
def test_unordered_lists_may_come_in_any_order(got: Any) -> None:
    task = function_part([1, 3.0, [2, 1], "x"], "unordered")
    assert verdict_on(task, returned(got)).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("got", "detail"),
    [
        ([1, 1, 2], "expected 2 among the items, got 1 instead"),
        ([1, 2], "expected 3 items, got 2 items"),
        ([True, 2, 2], "expected 1 among the items, got True instead"),
        (None, "expected [1, 2, 2], got None"),
    ],
)
def test_unordered_still_counts_and_still_tells_types_apart(got: Any, detail: str) -> None:
    judgement = verdict_on(function_part([1, 2, 2], "unordered"), returned(got))
    assert (judgement.verdict, judgement.detail) == (Verdict.WRONG_ANSWER, detail)


@pytest.mark.parametrize(
    ("expect", "got", "verdict"),
    [
        ([0.1, 2], [0.1000001, 2.0], Verdict.ACCEPTED),
        (1e9, 1e9 + 100, Verdict.ACCEPTED),
        (0.0, 0.01, Verdict.WRONG_ANSWER),
        (1.0, float("nan"), Verdict.WRONG_ANSWER),
        (1.0, float("inf"), Verdict.WRONG_ANSWER),
        (1.0, 10**400, Verdict.WRONG_ANSWER),
        (1, True, Verdict.WRONG_ANSWER),
    ],
)
def test_floats_may_be_off_by_the_tolerance(expect: Any, got: Any, verdict: Verdict) -> None:
    assert verdict_on(function_part(expect, "float", 1e-6), returned(got)).verdict is verdict


@pytest.mark.parametrize(
    ("value", "verdict", "detail"),
    [
        (None, Verdict.JUDGE_ERROR, "the sandbox reported a return without a value"),
        ("", Verdict.WRONG_ANSWER, "the result is not JSON"),
        ("[1,", Verdict.WRONG_ANSWER, "the result is not JSON"),
        ("[" * 101 + "]" * 101, Verdict.WRONG_ANSWER, TOO_DEEP),
        ("[" * 99_999, Verdict.WRONG_ANSWER, TOO_DEEP),
        ("9" * 1_001, Verdict.WRONG_ANSWER, "the result has a number of more than 1000 digits"),
        ('"' + "x" * 5_000_000, Verdict.WRONG_ANSWER, TOO_LARGE),
        ('"\\ud800"', Verdict.WRONG_ANSWER, "expected 1, got '\\ud800'"),
        ("cos\nsystem\n(S'true'\ntR.", Verdict.WRONG_ANSWER, "the result is not JSON"),
    ],
)  # fmt: skip
def test_a_forged_value_gets_a_verdict(value: str | None, verdict: Verdict, detail: str) -> None:
    judgement = verdict_on(function_part(1), ended(Ended.RETURNED, value=value))
    assert (judgement.verdict, judgement.detail) == (verdict, detail)


def test_brackets_inside_text_are_no_depth() -> None:
    deep = "[" * 500
    assert verdict_on(function_part(deep), returned(deep)).verdict is Verdict.ACCEPTED


def test_what_is_shown_is_shortened() -> None:
    judgement = verdict_on(function_part("a" * 9_000), returned("b" * 9_000))
    assert judgement.got.endswith("… (7,002 more characters)")
    assert len(judgement.expected) < 2_050
    assert len(judgement.detail) < 400


@pytest.mark.parametrize(
    ("outcome", "verdict", "detail"),
    [
        (ended(Ended.TIME_LIMIT, time_ms=2004.0), "time_limit", "still running after 2.0 s"),
        (
            ended(Ended.TIME_LIMIT, waited_for_input=True),
            "time_limit",
            "the program was waiting for input",
        ),
        (ended(Ended.MEMORY_LIMIT, memory_bytes=2**28), "memory_limit", "used 256 MB of memory"),
        (
            ended(Ended.OUTPUT_LIMIT, output_dropped_bytes=70_000),
            "output_limit",
            "printed too much: 70,000 bytes past the limit",
        ),
        (ended(Ended.STOPPED), "stopped", "stopped"),
        (raised("KeyError", "'x'"), "runtime_error", "Traceback …\nKeyError: 'x'"),
        (ended(Ended.RAISED), "runtime_error", "an exception"),
        (ended(Ended.SIGNALLED, signal=11), "runtime_error", "killed by SIGSEGV"),
        (ended(Ended.SIGNALLED, signal=999), "runtime_error", "killed by signal 999"),
        (printed("", 0), "runtime_error", "the program exited with status 0"),
        (
            ended(Ended.RETURNED, value="1", output_dropped_bytes=5),
            "output_limit",
            "printed too much: 5 bytes past the limit",
        ),
        (
            ended(Ended.TIME_LIMIT, output_dropped_bytes=5, time_ms=1000),
            "time_limit",
            "still running after 1.0 s",
        ),
        (
            ended(Ended.RETURNED, value="1", test="g/2"),
            "judge_error",
            "the sandbox answered for the test 'g/2'",
        ),
    ],
)
def test_an_end_without_an_answer_has_its_verdict(outcome: Any, verdict: str, detail: str) -> None:
    judgement = verdict_on(function_part(1), outcome)
    assert (judgement.verdict, judgement.detail) == (verdict, detail)


@pytest.mark.parametrize(
    ("outcome", "verdict", "detail"),
    [
        (raised("ValueError"), "accepted", ""),
        (raised("KeyError", "'x'"), "runtime_error", "Traceback …\nKeyError: 'x'"),
        (returned(3), "wrong_answer", "ValueError was expected, and nothing was raised"),
        (ended(Ended.SIGNALLED, signal=9), "runtime_error", "killed by SIGKILL"),
        (ended(Ended.TIME_LIMIT, time_ms=2000), "time_limit", "still running after 2.0 s"),
    ],
)
def test_an_exception_may_be_what_is_expected(outcome: Any, verdict: str, detail: str) -> None:
    judgement = verdict_on(function_part(raises="ValueError"), outcome)
    assert (judgement.verdict, judgement.detail) == (verdict, detail)
    assert judgement.expected == "raises ValueError"


@pytest.mark.parametrize(
    ("kind", "expect", "got", "detail"),
    [
        ("tokens", "1 2\n3\n", "1   2 \r\n\n3", ""),
        ("tokens", "1 2\n3\n", "1 2 3", ""),
        ("tokens", "1\n2\n3\n", "1\n2\n4\n", "line 3 differs: expected '3', got '4'"),
        ("tokens", "1\n2\n", "1\n", "line 2 is missing: expected '2'"),
        ("tokens", "1\n", "1\n\n\n2\n", "line 4 is one too many: '2'"),
        ("tokens", "1\n", "", "line 1 is missing: expected '1'"),
        ("tokens", "1.0", "1.00", "line 1 differs: expected '1.0', got '1.00'"),
        ("exact", "a b\n", "a b", ""),
        ("exact", "a b\n", "a  b\n", "line 1 differs: expected 'a b', got 'a  b'"),
        ("exact", "a\n", "a\n\n", "line 2 is one too many: ''"),
        ("unordered", "a\nb\nb\n", "b\na\n b\n", ""),
        ("unordered", "a\nb\nb\n", "b\na\na\n", "a line is missing: expected 'b'"),
        ("unordered", "a\n", "a\nc\n", "a line is one too many: 'c'"),
        ("float", "x 0.5\n", "x 0.5000001\n", ""),
        ("float", "x 0.5\n", "x 0.6\n", "line 1 differs: expected 'x 0.5', got 'x 0.6'"),
        ("float", "0.5\n", "nan\n", "line 1 differs: expected '0.5', got 'nan'"),
        ("float", "0.5\n", "0.5 1\n", "line 1 differs: expected '0.5', got '0.5 1'"),
    ],
)
def test_what_is_printed_is_compared(kind: str, expect: str, got: str, detail: str) -> None:
    judgement = verdict_on(program_part(expect, kind, 1e-6), printed(got))
    assert judgement.detail == detail
    assert judgement.verdict is (Verdict.WRONG_ANSWER if detail else Verdict.ACCEPTED)
    assert (judgement.expected, judgement.got) == (expect, got)


def test_a_program_must_exit_well_even_with_the_right_output() -> None:
    judgement = verdict_on(program_part("1"), printed("1", exit_code=3))
    assert judgement.verdict is Verdict.RUNTIME_ERROR
    assert judgement.detail == "the program exited with status 3"


def test_a_program_cannot_return() -> None:
    assert verdict_on(program_part("1"), returned(1)).verdict is Verdict.JUDGE_ERROR


def test_a_free_run_is_accepted_when_it_ends_well() -> None:
    assert judge_program(ended(Ended.EXITED, exit_code=0)).verdict is Verdict.ACCEPTED
    assert judge_program(ended(Ended.EXITED, exit_code=2)).verdict is Verdict.RUNTIME_ERROR
    assert judge_program(ended(Ended.STOPPED)).verdict is Verdict.STOPPED
    assert judge_program(raised("ValueError")).verdict is Verdict.RUNTIME_ERROR


def test_the_gravest_verdict_is_the_runs_whatever_the_order() -> None:
    order = ["judge_error", "stopped", "time_limit", "memory_limit", "output_limit",
             "runtime_error", "wrong_answer", "accepted"]  # fmt: skip
    for grave, light in itertools.combinations(map(Verdict, order), 2):
        assert overall([light, grave]) is overall([grave, light]) is grave
    assert overall([Verdict.ACCEPTED]) is Verdict.ACCEPTED
    assert overall([]) is Verdict.JUDGE_ERROR


def test_a_submission_carries_inputs_and_never_an_answer() -> None:
    cases = [
        TestCase(id="g/1", name="secret name", args=([1], "a"), expect="answer"),
        TestCase(id="g/2", name="n", args=([], ""), raises="ZebraError", limits=Limits(time_s=9)),
    ]
    task = part(cases, "function").model_copy(update={"entry": "f(x: list[int], y: str) -> str"})
    submission = submission_for(task, "code", "tests")
    assert [(test.id, test.args) for test in submission.tests] == [
        ("g/1", [[1], "a"]),
        ("g/2", [[], ""]),
    ]
    assert submission.tests[1].limits == Limits(time_s=9)
    assert (submission.mode, submission.entry, submission.signature) == ("function", "f", "f(x, y)")
    for secret in ("answer", "ZebraError", "secret name"):
        assert secret not in repr(submission)


def test_examples_are_the_visible_cases_alone() -> None:
    shown = Group(name="g", visible=True, cases=(TestCase(id="g/1", name="a", stdin="in"),))
    hidden = Group(name="h", cases=(TestCase(id="h/1", name="b"),))
    task = part([], "program").model_copy(update={"groups": (shown, hidden)})
    submission = submission_for(task, "code", "examples")
    assert [(test.id, test.stdin) for test in submission.tests] == [("g/1", "in")]
    assert submission.mode is Mode.PROGRAM
    assert len(submission_for(task, "code", "tests").tests) == 2


def test_hidden_tests_come_after_the_visible_ones() -> None:
    """In one container a test can tell the next one things, and a visible one's prints are seen."""
    groups = tuple(
        Group(name=name, visible=name in "bd", cases=(TestCase(id=f"{name}/1", name=name),))
        for name in "abcd"
    )
    task = part([], "program").model_copy(update={"groups": groups})
    submission = submission_for(task, "code", "tests")
    assert [test.id for test in submission.tests] == ["b/1", "d/1", "a/1", "c/1"]


def test_a_free_run_waits_for_a_person_only_where_one_types() -> None:
    typed, given = program_submission("code", None), program_submission("code", "7\n")
    assert (typed.mode, typed.limits) == (Mode.INTERACTIVE, TYPED_RUN_LIMITS)
    assert (given.mode, given.limits) == (Mode.PROGRAM, FREE_RUN_LIMITS)
    assert given.tests[0].stdin == "7\n"


def test_every_run_of_a_part_is_in_the_image_of_its_problem() -> None:
    task = part([], "program")
    larger = task.model_copy(update={"image": "data"})

    def image(what: What, of: Part | None) -> str:
        started = RunStarted(run="r1", doc="d", version=0, what=what, stdin="")
        return Job(started, "code", of).submission.image

    kinds: tuple[What, ...] = ("program", "examples", "tests")
    assert [image(what, larger) for what in kinds] == ["data"] * 3
    assert [image(what, task) for what in kinds] == [""] * 3
    assert image("program", None) == ""
