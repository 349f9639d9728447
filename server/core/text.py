"""Change sets: how a document is edited, and how edits made at the same time are reconciled.

The JSON form and every tie-break are those of ``ChangeSet`` in ``@codemirror/state`` 6, so that
the browsers and this authority arrive at the same text (tests/core/differential proves it against
the library itself). A change set is a list of parts that walks over the whole old document:

    5                   keep five code units
    [3]                 delete three
    [3, "ab", "c"]      put the lines "ab" and "c", joined by a newline, in place of three

**Positions and lengths are UTF-16 code units**, as in the browser. A document is therefore held as
*units*: a ``str`` in which an astral character stands as its two surrogates, which makes indexing,
slicing and ``len`` native. ``to_units`` and ``from_units`` convert.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from msgspec import Struct

from server.core.errors import EditError
from server.core.sections import (
    Section,
    SectionBuilder,
    Sections,
    compose_sections,
    is_canonical,
    map_sections,
)

Units: TypeAlias = str
"""A text with one ``str`` character for each UTF-16 code unit."""

MAX_LENGTH = 200_000
"""Code units that a document may hold."""

MAX_PARTS = 25_000
"""Parts that one change set may have; more than fit in one frame of the wire."""

_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_HALF = re.compile("[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]")


def to_units(text: str) -> Units:
    """Write each astral character of ``text`` as its two surrogates."""
    if text.isascii():
        return text
    return _ASTRAL.sub(_surrogate_pair, text)


def _surrogate_pair(match: re.Match[str]) -> Units:
    offset = ord(match[0]) - 0x10000
    return chr(0xD800 + (offset >> 10)) + chr(0xDC00 + (offset & 0x3FF))


def from_units(units: Units) -> str:
    """Give the ordinary text back, ready to be encoded as UTF-8.

    Raises EditError("split_surrogate") where a surrogate has lost its other half.
    """
    if units.isascii() or not _SURROGATE.search(units):
        return units
    try:
        return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError as error:
        raise _split_surrogate(error.start // 2) from error


def is_well_formed(units: Units) -> bool:
    """Tell whether every surrogate in ``units`` stands in a pair."""
    return units.isascii() or not _HALF.search(units)


class ChangeSet(Struct, frozen=True):
    """An edit of a document of one exact length; made by ``from_json``, never changed.

    ``sections`` is canonical: no part that does nothing, neighbours of one kind joined.
    """

    sections: Sections

    @classmethod
    def from_json(cls, data: object) -> ChangeSet:
        """Read CodeMirror's JSON form; anything else raises EditError("bad_changes")."""
        if (written := _latest.read(data)) is not None:
            return written
        if not isinstance(data, list):
            raise _bad(f"found {_kind(data)} as changes, wanted a list of parts")
        if len(data) > MAX_PARTS:
            raise _bad(f"found {len(data)} parts, wanted at most {MAX_PARTS}")
        sections = tuple([_read_part(part) for part in data])
        if is_canonical(sections):
            return cls(sections)
        builder = SectionBuilder()
        for section in sections:
            builder.add(*section)
        return cls(builder.build())

    def to_json(self) -> list[int | list[int | str]]:
        """Write CodeMirror's JSON form, with ordinary text in it."""
        parts: list[int | list[int | str]] = []
        for section in self.sections:
            if section.length > MAX_LENGTH:
                parts.extend(_written(section))
            elif section.text is None:
                parts.append(section.length)
            else:
                parts.append(_write_replacement(section))
        _latest.written(self, parts)
        return parts

    @property
    def length_before(self) -> int:
        """Code units of the documents that this fits."""
        return sum([length for length, _ in self.sections])

    @property
    def length_after(self) -> int:
        """Code units of the document that this produces."""
        return sum([length if text is None else len(text) for length, text in self.sections])

    @property
    def inserted_length(self) -> int:
        """Code units that this writes."""
        return sum(len(section.text or "") for section in self.sections)

    @property
    def is_empty(self) -> bool:
        """Whether this leaves the document as it is."""
        return all(section.text is None for section in self.sections)

    def apply(self, units: Units) -> Units:
        """Make the edited document.

        Raises EditError: "wrong_length", "document_too_long" when the edit grows the document
        past MAX_LENGTH, "split_surrogate" when it keeps one half of a surrogate pair only.
        """
        may_split = not units.isascii()
        pieces = []
        start = grown = 0
        for length, text in self.sections:
            end = start + length
            if text is None:
                if may_split:
                    _check_boundary(units, start)
                    _check_boundary(units, end)
                text = units[start:end]
            pieces.append(text)
            grown += len(text) - length
            start = end
        if start != len(units) or (grown > 0 and start + grown > MAX_LENGTH):
            self._check_length(len(units), "the document")
            self._check_growth()
        return "".join(pieces)

    def applied(self, units: Units) -> Units:
        """As `apply`, at no cost where the answer before this one was to the same question.

        A room that decides an edit sees whether it fits, and right afterwards makes it.
        """
        return _latest.answer(self, units)

    def invert(self, units: Units) -> ChangeSet:
        """Make the change set that undoes this one; ``units`` is the document before it."""
        self._check_length(len(units), "the document")
        return ChangeSet(
            tuple(
                Section(end - start, None) if text is None else Section(len(text), units[start:end])
                for start, end, text in self._ranges()
            )
        )

    def compose(self, other: ChangeSet) -> ChangeSet:
        """Join this and ``other``, which starts from this one's result, into one change set."""
        other._check_length(self.length_after, "the result of the change set before it")
        if self.is_empty:
            return other
        if other.is_empty:
            return self
        return ChangeSet(compose_sections(self.sections, other.sections))

    def map(self, other: ChangeSet, before: bool = False) -> ChangeSet:
        """Move this over ``other``, made on the same document, to be applied after it.

        Where both insert at one place, the text of ``other`` comes first, or this one's when
        ``before``. ``a.compose(b.map(a))`` and ``b.compose(a.map(b, before=True))`` give one text.
        """
        other._check_length(self.length_before, "the change set that is mapped")
        if other.is_empty:
            return self
        return ChangeSet(map_sections(self.sections, other.sections, before))

    def map_position(self, position: int, assoc: int = -1) -> int:
        """Say where ``position`` of the old document lies in the new one.

        At an insertion a negative ``assoc`` stays in front of the inserted text and any other
        goes behind it. Raises EditError("wrong_length") for a position outside the document.
        """
        if not 0 <= position <= self.length_before:
            raise EditError(
                "wrong_length",
                f"found position {position}, wanted 0 to {self.length_before}; "
                "send positions of the version that the frame names",
            )
        shift = 0
        for start, end, text in self._ranges():
            if text is None and end > position:
                break
            if text is None:
                continue
            if end > position or (start == end == position and assoc < 0):
                in_front = start == position or assoc < 0
                return start + shift + (0 if in_front else len(text))
            shift += len(text) - (end - start)
        return position + shift

    def _ranges(self) -> Iterator[tuple[int, int, Units | None]]:
        start = 0
        for length, text in self.sections:
            yield start, start + length, text
            start += length

    def _check_length(self, found: int, what: str) -> None:
        if self.length_before != found:
            raise EditError(
                "wrong_length",
                f"found changes for {self.length_before} code units, wanted {found}, the length "
                f"of {what}; make the changes from the version that the frame names",
            )

    def _check_growth(self) -> None:
        before, after = self.length_before, self.length_after
        if after > MAX_LENGTH and after > before:
            raise EditError(
                "document_too_long",
                f"found an edit that makes the document {after} code units long, wanted at most "
                f"{MAX_LENGTH}; delete something or insert less",
            )


class _Latest:
    """The latest answers of `ChangeSet`; what is asked again is known as the very same objects.

    A room decides an edit, which reads it, sees whether it fits and writes it down; and right
    afterwards evolves by it, which reads and applies it once more.
    """

    def __init__(self) -> None:
        self._asked: tuple[ChangeSet, Units] | None = None
        self._answer: Units = ""
        self._written: tuple[ChangeSet, object] | None = None

    def answer(self, changes: ChangeSet, units: Units) -> Units:
        asked = self._asked
        if asked is None or asked[0] is not changes or asked[1] is not units:
            self._answer = changes.apply(units)
            self._asked = (changes, units)
        return self._answer

    def written(self, changes: ChangeSet, data: object) -> None:
        self._written = (changes, data)

    def read(self, data: object) -> ChangeSet | None:
        """What was written as `data` last; None for any other data."""
        if self._written is None or self._written[1] is not data:
            return None
        return self._written[0]


_latest = _Latest()


def rebase(changes: ChangeSet, over: Iterable[ChangeSet]) -> ChangeSet:
    """Move a late edit over the edits accepted since its version, in their order.

    One at a time, never over their composition: the two can differ (text inserted into a stretch
    that is deleted and then written anew falls on the other side of the new text), and the
    browsers, which learn of the edits one at a time, would no longer hold the same document.
    Raises EditError("bad_changes") where the edit falls into more than MAX_PARTS.
    """
    for accepted in over:
        changes = changes.map(accepted)
    if len(changes.sections) > MAX_PARTS:
        raise EditError(
            "bad_changes",
            f"found an edit that falls into {len(changes.sections)} parts among the edits made "
            f"meanwhile, wanted at most {MAX_PARTS}; take those in, then make it again",
        )
    return changes


def _read_part(part: object) -> Section:
    if type(part) is int and 0 <= part <= MAX_LENGTH:
        return Section(part, None)
    if isinstance(part, list) and part:
        return Section(_read_length(part[0]), to_units("\n".join(map(_read_line, part[1:]))))
    return Section(_read_length(part), None)


def _read_length(value: object) -> int:
    if type(value) is not int:
        raise _bad(f"found {_kind(value)} in a part, wanted its length, a whole number")
    if not 0 <= value <= MAX_LENGTH:
        found = value if abs(value) < 10**12 else "a huge number"
        raise _bad(f"found {found} as a length, wanted 0 to {MAX_LENGTH}")
    return value


def _read_line(value: object) -> str:
    if not isinstance(value, str):
        raise _bad(f"found {_kind(value)} in a part, wanted a line of text")
    if "\n" in value or "\r" in value:
        raise _bad("found a line break inside a line, wanted one string for each line")
    if not is_well_formed(value):
        raise _bad("found half of a surrogate pair in a line, wanted whole characters")
    return value


def _written(section: Section) -> Iterator[int | list[int | str]]:
    """The section's parts: more than one where it is longer than a part that is read may be."""
    left = section.length
    while left > MAX_LENGTH:
        yield MAX_LENGTH if section.text is None else [MAX_LENGTH]
        left -= MAX_LENGTH
    rest = section._replace(length=left)
    yield left if section.text is None else _write_replacement(rest)


def _write_replacement(section: Section) -> list[int | str]:
    if not section.text:
        return [section.length]
    return [section.length, *from_units(section.text).split("\n")]


def _check_boundary(units: Units, position: int) -> None:
    if position < len(units) and "\udc00" <= units[position] <= "\udfff":
        raise _split_surrogate(position)


def _split_surrogate(position: int) -> EditError:
    return EditError(
        "split_surrogate",
        f"found an edit that cuts the character at code unit {position} in two, wanted whole "
        "characters; widen the edit to both halves of the surrogate pair",
    )


def _bad(found_and_wanted: str) -> EditError:
    mend = "send the changes as ChangeSet.toJSON() of @codemirror/state writes them"
    return EditError("bad_changes", f"{found_and_wanted}; {mend}")


def _kind(value: object) -> str:
    return "an empty list" if value == [] else f"a {type(value).__name__}"
