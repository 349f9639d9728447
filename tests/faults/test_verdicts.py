"""That a loss is found, and never told as good."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from tests.faults.table import WIDTH, details, status, table
from tests.faults.verdict import Evidence, Result, Witness, quantile, reasons

ADA = Witness("ada", "a-1\nc-1\n", 0, ("a-1", "c-1"), ("a-1",), saved=4)
CAMILLE = Witness("camille", "a-1\nc-1\n", 0, ("a-1", "c-1"), ("c-1",), saved=5)
WHOLE = Evidence("a-1\nc-1\n", "a-1\nc-1\n", ("a-1", "c-1"), 5, (10, 10, 11), (ADA, CAMILLE))


def judged(evidence: Evidence) -> Result:
    """A fault that happened once and left this."""
    result = Result("a fault", times=1)
    result.take(evidence)
    return result


def test_where_all_have_the_same_and_the_journal_has_it_all_is_good() -> None:
    result = judged(WHOLE)
    assert (result.verdict, result.edits, result.lost) == ("good", 2, [])
    assert status([result]) == 0


def test_an_edit_that_somebody_saw_and_the_journal_has_not_is_lost() -> None:
    result = judged(replace(WHOLE, replayed="a-1\n", server="a-1\n", refs=("a-1",)))
    assert result.lost == ["c-1"]
    assert result.verdict == "BAD"
    assert status([judged(WHOLE), result]) == 1


def test_a_line_that_was_typed_and_never_came_is_lost() -> None:
    typed = replace(CAMILLE, typed=("c-1", "c-2"))
    assert judged(replace(WHOLE, witnesses=(ADA, typed))).lost == ["c-2"]


@pytest.mark.parametrize(
    ("evidence", "complaint"),
    [
        (replace(WHOLE, server="a-1\nc-1\n\n"), "the texts differ"),
        (replace(WHOLE, replayed="c-1\na-1\n"), "the texts differ"),
        (replace(WHOLE, witnesses=(ADA, replace(CAMILLE, text="a-1\n"))), "the texts differ"),
        (replace(WHOLE, refs=("c-1", "a-1")), "ada saw other edits"),
        (replace(WHOLE, refs=("a-1", "c-1", "c-1")), "camille saw other edits"),
        (replace(WHOLE, times=(10, 11, 10)), "run backwards"),
        (replace(WHOLE, last_seq=4), "camille was told that 5 is saved"),
        (replace(WHOLE, replayed="a-1\na-1\nc-1\n"), "there twice: a-1"),
    ],
)
def test_whatever_does_not_agree_is_told(evidence: Evidence, complaint: str) -> None:
    result = judged(evidence)
    assert not result.good
    assert any(complaint in told for told in result.complaints), result.complaints


def test_a_late_comer_need_not_have_seen_what_came_before() -> None:
    late = replace(CAMILLE, came_at=1, seen=("c-1",))
    assert judged(replace(WHOLE, witnesses=(ADA, late))).good


def test_a_fault_that_never_happened_is_not_good() -> None:
    assert not Result("a fault").good


def test_an_expectation_that_does_not_hold_makes_it_bad() -> None:
    result = judged(WHOLE)
    result.expect(True, "never told")
    assert result.good
    result.expect(False, "the server had to be started again")
    assert not result.good
    assert details(result) == ["BAD: the server had to be started again"]


def test_the_table_tells_times_losses_healing_and_verdict() -> None:
    good = Result("one", times=2, heal_ms=[10.0, 2500.0], edits=7)
    bad = Result("other", times=1, lost=["x"])
    loud = Console(width=WIDTH, color_system=None)
    with loud.capture() as captured:
        loud.print(table([good, bad]))
    lines = [line.split() for line in captured.get().splitlines() if line.strip()]
    assert lines[2] == ["one", "2", "7", "0", "10", "ms", "/", "2.50", "s", "good"]
    assert lines[3] == ["other", "1", "0", "1", "BAD"]


def test_what_broke_off_is_told_without_the_groups_around_it() -> None:
    inner = ExceptionGroup("tasks", [AssertionError("the room forgot"), OSError("gone")])
    assert reasons(ExceptionGroup("tasks", [inner])) == [
        "broke off: AssertionError: the room forgot",
        "broke off: OSError: gone",
    ]


def test_a_quantile_is_one_of_the_samples() -> None:
    samples = [float(n) for n in range(1, 101)]
    assert quantile(samples, 0.5) == 50.0
    assert quantile(samples, 0.95) == 95.0
    assert quantile(samples, 1.0) == 100.0
    assert quantile([], 0.5) == 0.0
