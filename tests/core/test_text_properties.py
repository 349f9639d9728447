"""What holds for all change sets."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import EditError
from server.core.text import ChangeSet, Units, from_units, is_well_formed, rebase, to_units

texts = st.text(st.sampled_from("ab\n\té漢😀😁"), max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=12,
)


@st.composite
def edits(draw: st.DrawFn, units: Units) -> ChangeSet:
    """An edit of ``units`` that keeps characters whole."""
    parts: list[Any] = []
    for character in from_units(units):
        length = len(to_units(character))
        parts += draw(
            st.sampled_from([[length], [[length]], [[0, "x"], length], [[length, "", "y"]]])
        )
    parts.append([0, *draw(texts).split("\n")])
    return ChangeSet.from_json(parts)


@st.composite
def edited(draw: st.DrawFn, sets: int, follow: bool = False) -> tuple[Units, list[ChangeSet]]:
    """A document and edits of it; each of the one before's result if they ``follow``."""
    units = current = to_units(draw(texts))
    made = []
    for _ in range(sets):
        made.append(draw(edits(current)))
        current = made[-1].apply(current) if follow else current
    return units, made


def parse(data: object) -> ChangeSet | EditError:
    try:
        return ChangeSet.from_json(data)
    except EditError as error:
        return error


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_survives_the_way_to_units_and_back(text: str) -> None:
    units = to_units(text)
    assert from_units(units) == text
    assert len(units) == len(text.encode("utf-16-le")) // 2
    assert is_well_formed(units)


@given(json_values | st.lists(json_values | st.lists(st.integers(0, 9) | st.text(max_size=3))))
def test_any_json_gives_a_change_set_or_an_edit_error(data: object) -> None:
    parsed = parse(data)
    if isinstance(parsed, EditError):
        assert parsed.code == "bad_changes"
    else:
        assert ChangeSet.from_json(parsed.to_json()) == parsed


@given(edited(1))
def test_what_is_written_as_json_is_read_back(case: tuple[Units, list[ChangeSet]]) -> None:
    units, [edit] = case
    again = ChangeSet.from_json(edit.to_json())
    assert again == edit
    assert again.to_json() == edit.to_json()
    assert edit.length_after == len(edit.apply(units))


@given(edited(1))
def test_the_inverse_undoes_an_edit(case: tuple[Units, list[ChangeSet]]) -> None:
    units, [edit] = case
    inverse = edit.invert(units)
    assert inverse.apply(edit.apply(units)) == units
    assert inverse.invert(edit.apply(units)) == edit


@given(edited(3, follow=True))
def test_a_composition_does_what_its_parts_do(case: tuple[Units, list[ChangeSet]]) -> None:
    units, [a, b, c] = case
    expected = c.apply(b.apply(a.apply(units)))
    assert a.compose(b).compose(c).apply(units) == expected
    assert a.compose(b.compose(c)).apply(units) == expected


@given(edited(2))
def test_two_edits_converge_in_either_order(case: tuple[Units, list[ChangeSet]]) -> None:
    units, [a, b] = case
    one = a.compose(b.map(a)).apply(units)
    other = b.compose(a.map(b, before=True)).apply(units)
    assert one == other
    assert is_well_formed(one)


@given(edited(2), st.data())
def test_a_late_edit_fits_after_all_that_came_before(
    case: tuple[Units, list[ChangeSet]], data: st.DataObject
) -> None:
    units, [late, first] = case
    latest = first.apply(units)
    second = data.draw(edits(latest))
    latest = second.apply(latest)
    result = rebase(late, [first, second]).apply(latest)
    assert is_well_formed(result)
    for written in (text for _, text in late.sections if text):
        assert written in result


@given(edited(1), st.data())
def test_a_kept_place_stays_before_the_same_character(
    case: tuple[Units, list[ChangeSet]], data: st.DataObject
) -> None:
    units, [edit] = case
    place = data.draw(st.integers(0, len(units)))
    moved = edit.map_position(place, 1)
    assert edit.map_position(place, -1) <= moved <= edit.length_after
    starts = [sum(s.length for s in edit.sections[:i]) for i in range(len(edit.sections))]
    for start, section in zip(starts, edit.sections, strict=True):
        if section.text is None and start <= place < start + section.length:
            assert edit.apply(units)[moved] == units[place]
