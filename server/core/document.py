"""A document: its text at the latest version, and the change sets that led to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from msgspec import Struct

from server.core.errors import EditError, RefusedError
from server.core.messages import Ref
from server.core.text import ChangeSet, from_units, rebase, to_units

MAX_REBASE_SECTIONS = 50_000
"""How many sections of accepted edits one late edit or cursor may be mapped over."""


class Edit(Struct, frozen=True, eq=False):
    """One accepted change set, and the document's edit before it.

    A linked list: a new version costs no copy of the history, and walking back from the newest is
    all that a rebase ever needs.
    """

    changes: ChangeSet
    previous: Edit | None


@dataclass(frozen=True, slots=True)
class ClientLog:
    """Which edits came under one client id, and whose that id is.

    States that follow each other share one `numbers`; `count` says how far it goes for this one.
    """

    by: str
    numbers: dict[Ref, int] = field(default_factory=dict)
    """Each ref, and as the how manieth of this client's it came."""
    count: int = 0

    @property
    def refs(self) -> list[Ref]:
        """The labels of this client's edits, in order."""
        return [ref for ref, number in self.numbers.items() if number <= self.count]

    def has_come(self, ref: Ref) -> bool:
        """Whether an edit of this client was labelled `ref`."""
        return self.numbers.get(ref, self.count + 1) <= self.count

    def with_edit(self, ref: Ref) -> ClientLog:
        """The log after one more edit; those without a label are not remembered."""
        if ref is None or self.has_come(ref):
            return self
        numbers = self.numbers
        if len(numbers) > self.count:  # of a state that came to nothing: not ours to write on
            numbers = {label: at for label, at in numbers.items() if at <= self.count}
        numbers[ref] = self.count + 1
        return ClientLog(self.by, numbers, self.count + 1)


class Document(Struct, frozen=True):
    """The text in UTF-16 code units (see `text`), and how many edits made it."""

    units: str
    version: int = 0
    last: Edit | None = None
    title: str = ""
    """What people call it; empty for the scratch pad."""

    @classmethod
    def open(cls, text: str, title: str = "") -> Document:
        """A document at version 0."""
        return cls(units=to_units(text), title=title)

    @property
    def text(self) -> str:
        """The text as an ordinary string."""
        return from_units(self.units)

    def since(self, version: int) -> list[Edit]:
        """The edits after `version`, oldest first.

        Raises `RefusedError` where this document has not come as far as `version`, or has left it
        so far behind that its edits since then are not at hand.
        """
        if not 0 <= version <= self.version:
            raise RefusedError(
                "future_version",
                f"Found version {version}, but the document is at version {self.version}. "
                "Take in the missing events, then send this again.",
            )
        if version == self.version:
            return []
        newest_first = list(islice(self._back(), self.version - version))
        if len(newest_first) < self.version - version:
            raise _too_far_behind()
        return newest_first[::-1]

    def rebased(self, changes: ChangeSet, version: int) -> ChangeSet:
        """`changes`, made against `version`, as they apply to the latest version."""
        since = self.since(version)
        length = since[0].changes.length_before if since else len(self.units)
        if changes.length_before != length:
            raise EditError(
                "wrong_length",
                f"found changes for {changes.length_before} code units, but at version {version} "
                f"the document has {length}; send changes that cover all of it",
            )
        self._check_work(since)
        return rebase(changes, (edit.changes for edit in since))

    def check_fits(self, changes: ChangeSet) -> None:
        """Raise `EditError` where the latest version cannot be changed so."""
        changes.applied(self.units)

    def edited(self, edit: Edit) -> Document:
        """The next version. Raises `EditError` where the change set does not fit."""
        units = edit.changes.applied(self.units)
        return Document(units, self.version + 1, edit, self.title)

    def map_position(self, position: int, version: int) -> int:
        """Where a position at `version` stands now, held inside the text."""
        since = self.since(version)
        self._check_work(since)
        for edit in since:
            position = edit.changes.map_position(min(position, edit.changes.length_before))
        return min(position, len(self.units))

    def _check_work(self, since: Sequence[Edit]) -> None:
        """Bound what one message from far behind can cost; honest ones stay far below."""
        if sum(len(edit.changes.sections) for edit in since) > MAX_REBASE_SECTIONS:
            raise _too_far_behind()

    def _back(self) -> Iterator[Edit]:
        edit = self.last
        while edit is not None:
            yield edit
            edit = edit.previous


def _too_far_behind() -> RefusedError:
    return RefusedError(
        "too_far_behind",
        "Too much was changed since that version. Say hello anew with after: 0, and make "
        "the change again in the text as it is now.",
    )
