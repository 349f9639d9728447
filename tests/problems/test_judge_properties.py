"""Whatever comes out of a sandbox, the judge gives a verdict, and always the same one."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from sandbox.contract import Ended, ProgramError
from server.core.judge import Verdict, judge, overall
from tests.problems.making import ended, function_part, printed, program_part, returned

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(alphabet=st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
FINITE_JSON = JSON.filter(lambda value: json.loads(json.dumps(value)) == value)
KINDS = st.sampled_from(["exact", "unordered", "float"])


@given(expect=FINITE_JSON, text=JSON.map(json.dumps) | st.text(), kind=KINDS)
@example(expect=1, text="1" * 5_000, kind="float")
@example(expect=[], text="[" * 5_000, kind="exact")
@example(expect=[1.0], text="[1e999, -1e999]", kind="unordered")
def test_any_text_as_a_value_gets_a_verdict(expect: Any, text: str, kind: str) -> None:
    task = function_part(expect, kind, 1e-6)
    judgement = judge(task, task.case("g/1"), ended(Ended.RETURNED, value=text))
    assert judgement.verdict in (Verdict.ACCEPTED, Verdict.WRONG_ANSWER)
    judgement.got.encode()
    judgement.detail.encode()


@given(value=FINITE_JSON, kind=KINDS)
def test_the_expected_value_itself_is_always_accepted(value: Any, kind: str) -> None:
    task = function_part(value, kind, 1e-6)
    assert judge(task, task.case("g/1"), returned(value)).verdict is Verdict.ACCEPTED


@given(items=st.lists(FINITE_JSON), seed=st.integers())
def test_unordered_accepts_every_order(items: list[Any], seed: int) -> None:
    task = function_part(items, "unordered")
    shuffled = random.Random(seed).sample(items, len(items))  # noqa: S311 - no secret
    assert judge(task, task.case("g/1"), returned(shuffled)).verdict is Verdict.ACCEPTED


@given(
    expect=st.text(),
    got=st.text(),
    kind=st.sampled_from(["exact", "unordered", "float", "tokens"]),
)
def test_any_printed_text_gets_a_verdict_and_a_reason(expect: str, got: str, kind: str) -> None:
    task = program_part(expect, kind, 1e-6)
    judgement = judge(task, task.case("g/1"), printed(got))
    assert (judgement.verdict is Verdict.ACCEPTED) == (judgement.detail == "")


@given(
    how=st.sampled_from(Ended),
    exit_code=st.none() | st.integers(),
    signal=st.none() | st.integers(),
    dropped=st.integers(),
    value=st.none() | st.text(),
    error=st.none() | st.builds(ProgramError, st.text(), st.text(), st.text()),
    raises=st.none() | st.just("ValueError"),
)
def test_any_outcome_gets_a_verdict(
    how: Ended,
    exit_code: int | None,
    signal: int | None,
    dropped: int,
    value: str | None,
    error: ProgramError | None,
    raises: str | None,
) -> None:
    task = function_part(1, raises=raises)
    outcome = ended(
        how,
        exit_code=exit_code,
        signal=signal,
        output_dropped_bytes=dropped,
        value=value,
        error=error,
    )
    assert judge(task, task.case("g/1"), outcome).verdict in Verdict


@given(st.lists(st.sampled_from(Verdict)), st.randoms(use_true_random=False))
def test_a_runs_verdict_does_not_depend_on_the_order(
    verdicts: list[Verdict], rng: random.Random
) -> None:
    shuffled = rng.sample(verdicts, len(verdicts))
    assert overall(shuffled) is overall(verdicts)
