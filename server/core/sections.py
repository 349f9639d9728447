"""The sections of a change set, and how two walks over them are composed or mapped.

`text` wraps this into ``ChangeSet``. The order of the branches and the tie-breaks are those of
``@codemirror/state``; both functions take time linear in the number of sections.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Section(NamedTuple):
    """One stretch of the old document and what becomes of it."""

    length: int
    """Code units of the old document; 0 for a pure insertion."""
    text: str | None
    """None where the stretch is kept; else what replaces it ("" deletes it)."""


Sections = tuple[Section, ...]


def compose_sections(first: Sections, second: Sections) -> Sections:
    """Join two edits, the second made on the result of the first; the lengths must agree."""
    return _compose(_Cursor(first), _Cursor(second))


def map_sections(mapped: Sections, other: Sections, before: bool) -> Sections:
    """Move ``mapped`` over ``other``, made on the same document; the lengths must agree."""
    return _map_apart(mapped, other) or _map(_Cursor(mapped), _Cursor(other), before)


def is_canonical(sections: Sequence[Section]) -> bool:
    """Whether no section does nothing, and no two neighbours could be one."""
    previous: Section | None = None
    for section in sections:
        length, text = section
        if not length and not text:
            return False
        if previous is not None and _could_be_one(previous, section):
            return False
        previous = section
    return True


def _could_be_one(one: Section, other: Section) -> bool:
    if one.text is None or other.text is None:
        return one.text is None and other.text is None
    both_delete = not one.text and not other.text
    return both_delete or (one.length == 0 and other.length == 0)


def _map_apart(mapped: Sections, other: Sections) -> Sections | None:
    """As `map_sections` where each side changes one place and the two do not touch; else None.

    This is what two people who type do nearly always, and costs a fraction of the general walk.
    """
    one, two = _only_change(mapped), _only_change(other)
    if one < 0 or two < 0:
        return None
    start = mapped[0][0] if one else 0
    other_start = other[0][0] if two else 0
    length, text = other[two]
    growth = len(text or "") - length
    if start + mapped[one][0] < other_start:  # then both keep something behind it
        return (*mapped[: one + 1], Section(mapped[-1][0] + growth, None))
    if other_start + length < start:
        return (Section(start + growth, None), *mapped[one:])
    return None


def _only_change(sections: Sections) -> int:
    """Which section is the only one that changes anything; -1 where there is not just one."""
    count = len(sections)
    if count == 1:
        return 0 if sections[0][1] is not None else -1
    if count == 2:
        first, second = sections
        if first[1] is None:
            return 1
        return 0 if second[1] is None else -1
    return 1 if count == 3 and sections[0][1] is None and sections[2][1] is None else -1


class SectionBuilder:
    """Collects sections into canonical form, as CodeMirror joins them."""

    __slots__ = ("_length", "_pieces", "_sections")

    def __init__(self) -> None:
        self._sections: list[Section] = []
        self._length = 0
        # The replacement of the open section, in pieces: joining once keeps this linear.
        self._pieces: list[str] | None = None

    def add(self, length: int, text: str | None, join: bool = False) -> bool:
        """Append a section, into the one before it if they match or if ``join``; True if apart."""
        if length == 0 and not text:
            return False
        if self._is_open() and (join or self._matches(length, text)):
            self._length += length
            if text and self._pieces is not None:
                self._pieces.append(text)
            return False
        self._close()
        self._length = length
        self._pieces = None if text is None else [text] if text else []
        return True

    def build(self) -> Sections:
        """The sections collected so far."""
        self._close()
        return tuple(self._sections)

    def _is_open(self) -> bool:
        return self._length > 0 or bool(self._pieces)

    def _matches(self, length: int, text: str | None) -> bool:
        if text is None or self._pieces is None:
            return text is None and self._pieces is None
        both_delete = not text and not self._pieces
        both_insert = length == 0 and self._length == 0
        return both_delete or both_insert

    def _close(self) -> None:
        if self._is_open():
            text = None if self._pieces is None else "".join(self._pieces)
            self._sections.append(Section(self._length, text))
        self._length, self._pieces = 0, None


class _Cursor:
    """Walks over a change set's sections, piece by piece."""

    __slots__ = ("_sections", "done", "length", "offset", "text", "written")

    def __init__(self, sections: Sections) -> None:
        self._sections = iter(sections)
        self.next()

    def next(self) -> None:
        section = next(self._sections, None)
        self.done = section is None
        self.length, self.text = section or Section(0, None)
        self.offset = 0  # how much of the section has been passed
        self.written = False  # whether ``map`` has already put the section's text somewhere

    @property
    def is_change(self) -> bool:
        return self.text is not None

    @property
    def left_after(self) -> int:
        """What is left of the section, measured in the document after the change set."""
        return self.length if self.text is None else len(self.text) - self.offset

    @property
    def own_text(self) -> str | None:
        """The section's text on its first piece, nothing on those that follow."""
        return "" if self.is_change and self.offset else self.text

    @property
    def own_length(self) -> int:
        return 0 if self.offset else self.length

    def skip(self, count: int) -> None:
        """Pass ``count`` code units of the document before the change set."""
        if count == self.length:
            self.next()
        else:
            self.length -= count
            self.offset += count

    def skip_after(self, count: int) -> None:
        """Pass ``count`` code units of the document after the change set."""
        if self.text is None:
            self.skip(count)
        elif count == self.left_after:
            self.next()
        else:
            self.offset += count


def _compose(first: _Cursor, second: _Cursor) -> Sections:
    result = SectionBuilder()
    # A replacement that meets several sections of the other side must come out as one section.
    join = False
    while not (first.done and second.done):
        if first.text == "":
            result.add(first.length, "", join)
            first.next()
        elif second.length == 0 and not second.done:
            result.add(0, second.text, join)
            second.next()
        else:
            join = _compose_overlap(first, second, result, join)
    return result.build()


def _compose_overlap(first: _Cursor, second: _Cursor, result: SectionBuilder, join: bool) -> bool:
    """Compose as far as both sections reach; True if the rest belongs to the same section."""
    count = min(first.left_after, second.length)
    if first.text is None:
        apart = result.add(count, second.own_text, join)
    elif second.text is None:
        text = first.text[first.offset : first.offset + count]
        apart = result.add(first.own_length, text, join)
    else:
        apart = result.add(first.own_length, second.own_text, join)
    goes_on = (first.is_change and first.left_after > count) or (
        second.is_change and second.length > count
    )
    first.skip_after(count)
    second.skip(count)
    return goes_on and (join or apart)


def _map(mapped: _Cursor, other: _Cursor, before: bool) -> Sections:
    result = SectionBuilder()
    while not (mapped.done and other.done):
        if other.is_change and _other_comes_first(mapped, other, before):
            _pass_change(mapped, other, result)
        elif mapped.is_change:
            _map_change(mapped, other, result)
        else:
            count = min(mapped.length, other.length)
            result.add(count, None)
            mapped.skip(count)
            other.skip(count)
    return result.build()


def _other_comes_first(mapped: _Cursor, other: _Cursor, before: bool) -> bool:
    """Order two changes by where they start, then the shorter first, then by ``before``."""
    if not mapped.is_change or mapped.written:
        return True
    if mapped.offset:
        return False
    return other.length < mapped.length or (other.length == mapped.length and not before)


def _pass_change(mapped: _Cursor, other: _Cursor, result: SectionBuilder) -> None:
    """Keep what ``other`` wrote; of the changes it swallows whole only the text remains."""
    result.add(len(other.text or ""), None)
    left = other.length
    while left:
        piece = min(mapped.length, left)
        if mapped.is_change and not mapped.written and mapped.length <= piece:
            result.add(0, mapped.text)
            mapped.written = True
        mapped.skip(piece)
        left -= piece
    other.next()


def _map_change(mapped: _Cursor, other: _Cursor, result: SectionBuilder) -> None:
    """Emit the change up to the next text that ``other`` writes within it."""
    deleted, left = 0, mapped.length
    while left and not other.done:
        if not other.is_change:
            piece = min(left, other.length)
            deleted += piece
            left -= piece
            other.skip(piece)
        elif other.text == "" and other.length < left:
            left -= other.length
            other.next()
        else:
            break
    result.add(deleted, "" if mapped.written else mapped.text)
    mapped.written = True
    mapped.skip(mapped.length - left)
