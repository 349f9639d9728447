"""Change sets by themselves: what they read, refuse and do."""

from typing import Any

import pytest

from server.core.errors import EditError, VivaError
from server.core.text import (
    MAX_LENGTH,
    MAX_PARTS,
    ChangeSet,
    from_units,
    is_well_formed,
    rebase,
    to_units,
)

HIGH, LOW = "\ud83d", "\ude00"  # the halves of 😀


def changes(*parts: object) -> ChangeSet:
    return ChangeSet.from_json(list(parts))


def code_of(error: pytest.ExceptionInfo[EditError]) -> str:
    assert isinstance(error.value, VivaError)
    assert "found" in str(error.value)
    assert "wanted" in str(error.value)
    return error.value.code


def test_units_count_as_the_browser_does() -> None:
    assert to_units("a😀é") == "a" + HIGH + LOW + "é"
    assert [len(to_units(text)) for text in ("", "é", "漢", "😀", "🇫🇷")] == [0, 1, 1, 2, 4]


def test_units_become_ordinary_text_again() -> None:
    assert from_units(HIGH + LOW + "漢") == "😀漢"
    assert from_units("漢") == "漢"


def test_half_a_character_is_not_ordinary_text() -> None:
    with pytest.raises(EditError) as error:
        from_units("ab" + HIGH)
    assert code_of(error) == "split_surrogate"
    assert "code unit 2" in str(error.value)


@pytest.mark.parametrize(
    ("units", "well_formed"),
    [("", True), ("é", True), (HIGH + LOW, True), (HIGH, False), (LOW, False), (LOW + HIGH, False)],
)
def test_well_formed_units_hold_whole_characters(units: str, well_formed: bool) -> None:
    assert is_well_formed(units) is well_formed


def test_an_edit_keeps_deletes_and_replaces() -> None:
    edit = changes(1, [1], 1, [2, "x", "y"], [0, "😀"])
    assert from_units(edit.apply("abcde")) == "acx\ny😀"
    assert (edit.length_before, edit.length_after, edit.inserted_length) == (5, 7, 5)
    assert not edit.is_empty


@pytest.mark.parametrize(
    ("parts", "canonical"),
    [
        ([], []),
        ([0, [0], [0, ""]], []),
        ([1, 2], [3]),
        ([[1], [2]], [[3]]),
        ([[1, ""]], [[1]]),
        ([[0, "a"], [0, "b", ""]], [[0, "ab", ""]]),
        ([[1], [0, "a"]], [[1], [0, "a"]]),
        ([[1, "a"], [1, "b"]], [[1, "a"], [1, "b"]]),
    ],
)
def test_parts_are_joined_as_codemirror_joins_them(parts: list[Any], canonical: list[Any]) -> None:
    assert ChangeSet.from_json(parts).to_json() == canonical


def test_an_edit_that_keeps_everything_is_empty() -> None:
    assert changes(3).is_empty
    assert changes().is_empty


@pytest.mark.parametrize(
    "data",
    [
        None,
        "5",
        5,
        {"0": 5},
        (5,),
        [None],
        [True],
        [1.0],
        ["a"],
        [-1],
        [MAX_LENGTH + 1],
        [10**4000],
        [[]],
        [[[1]]],
        [[False]],
        [["a"]],
        [[-1]],
        [[1.5, "a"]],
        [[1, 2]],
        [[1, None]],
        [[1, ["a"]]],
        [[0, "a\nb"]],
        [[0, "a\r"]],
        [[0, HIGH]],
        [[0, "a", LOW]],
        [[0, HIGH], [0, LOW]],
        [1] * (MAX_PARTS + 1),
    ],
    ids=lambda data: f"{data!r:.20}",
)
def test_malformed_changes_are_refused(data: object) -> None:
    with pytest.raises(EditError) as error:
        ChangeSet.from_json(data)
    assert code_of(error) == "bad_changes"
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("parts", [[4], [6], [[6]], [], [5, 1, [0, "a"]]])
def test_an_edit_for_another_length_is_refused(parts: list[Any]) -> None:
    edit = ChangeSet.from_json(parts)
    fits = changes(5)
    for use in (edit.apply, edit.invert):
        with pytest.raises(EditError) as error:
            use("abcde")
        assert code_of(error) == "wrong_length"
    for combine in (fits.compose, fits.map):
        with pytest.raises(EditError) as error:
            combine(edit)
        assert code_of(error) == "wrong_length"


@pytest.mark.parametrize(
    "parts", [[2, [0, "x"], 2], [2, [2]], [2, [1], 1], [[2], 2], [[2, "x"], 2], [[2, "x"], 1, [1]]]
)
def test_an_edit_that_cuts_a_character_in_two_is_refused(parts: list[Any]) -> None:
    with pytest.raises(EditError) as error:
        ChangeSet.from_json(parts).apply("a" + HIGH + LOW + "b")
    assert code_of(error) == "split_surrogate"
    assert "code unit 2" in str(error.value)


def test_an_edit_may_delete_both_halves_separately() -> None:
    assert changes(1, [1], [1, "x"], 1).apply("a" + HIGH + LOW + "b") == "axb"


def test_a_document_may_be_exactly_as_long_as_the_limit() -> None:
    assert len(changes(1, [0, "x" * (MAX_LENGTH - 1)]).apply("a")) == MAX_LENGTH


def test_an_edit_that_makes_the_document_too_long_is_refused() -> None:
    full = "a" * MAX_LENGTH
    with pytest.raises(EditError) as error:
        changes(MAX_LENGTH, [0, "x"]).apply(full)
    assert code_of(error) == "document_too_long"
    assert changes(MAX_LENGTH - 1, [1, "x"]).apply(full)[-1] == "x"


def test_a_document_that_is_too_long_may_be_shortened() -> None:
    too_long = "a" * (MAX_LENGTH + 2)
    assert len(changes(MAX_LENGTH, 1, [1]).apply(too_long)) == MAX_LENGTH + 1


def test_the_text_of_the_accepted_edit_comes_first() -> None:
    mine, accepted = changes(1, [0, "mine"], 1), changes(1, [0, "accepted"], 1)
    assert rebase(mine, [accepted]).apply("aacceptedb") == "aacceptedmineb"
    assert mine.map(accepted, before=True).apply("aacceptedb") == "amineacceptedb"


def test_text_typed_into_a_deleted_stretch_survives() -> None:
    mine, accepted = changes(2, [0, "mine"], 2), changes([4])
    assert rebase(mine, [accepted]).apply("") == "mine"


def test_what_both_delete_is_deleted_once() -> None:
    assert rebase(changes(1, [3], 1), [changes(2, [3])]).apply("ab") == "a"


def test_an_edit_over_nothing_stays_as_it_is() -> None:
    edit = changes(1, [0, "x"])
    assert rebase(edit, []) is edit
    assert rebase(edit, [changes(1)]) is edit


def test_a_late_edit_that_would_fall_into_too_many_parts_is_refused() -> None:
    delete_all = changes([24_000])
    inserts = changes(*[2, [0, "x"]] * 12_000)
    more_inserts = changes(*[1, [0, "y"], 2] * 8_000, 12_000)
    with pytest.raises(EditError) as error:
        rebase(delete_all, [inserts, more_inserts])
    assert code_of(error) == "bad_changes"


@pytest.mark.parametrize(
    ("position", "assoc", "expected"),
    [(0, -1, 0), (1, -1, 1), (1, 1, 3), (2, -1, 4), (3, -1, 4), (4, -1, 4), (4, 1, 4), (5, 1, 5)],
)
def test_positions_move_with_the_text(position: int, assoc: int, expected: int) -> None:
    edit = changes(1, [0, "xy"], 1, [2], 1)
    assert edit.map_position(position, assoc) == expected


@pytest.mark.parametrize("position", [-1, 4])
def test_a_position_outside_the_document_is_refused(position: int) -> None:
    with pytest.raises(EditError) as error:
        changes(3).map_position(position)
    assert code_of(error) == "wrong_length"
