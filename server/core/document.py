"""A document: its text at the latest version, and the change sets that led to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from server.core.errors import EditError, RefusedError
from server.core.messages import Ref
from server.core.text import ChangeSet, from_units, rebase, to_units

MAX_REBASE_SECTIONS = 50_000
"""How many sections of accepted edits one late edit or cursor may be mapped over."""


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """One accepted change set, and the one before it.

    Linked lists: a new version costs no copy of the history, and walking back from the newest is
    all that a rebase ever needs.
    """

    changes: ChangeSet
    by: str
    client: str
    ref: Ref
    previous: Edit | None
    """The document's edit before it."""
    earlier: Edit | None
    """The same client's edit before it, in whichever document."""

    def has_come(self, ref: Ref) -> bool:
        """Whether this client's edit `ref` is this one or an earlier one."""
        edit: Edit | None = self
        while edit is not None:
            if edit.ref == ref:
                return True
            edit = edit.earlier
        return False


@dataclass(frozen=True, slots=True)
class Document:
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

        Raises `RefusedError` where this document has not come as far as `version`.
        """
        if not 0 <= version <= self.version:
            raise RefusedError(
                "future_version",
                f"Found version {version}, but the document is at version {self.version}. "
                "Take in the missing events, then send this again.",
            )
        newest_first = list(islice(self._back(), self.version - version))
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
        changes.apply(self.units)

    def edited(self, edit: Edit) -> Document:
        """The next version. Raises `EditError` where the change set does not fit."""
        units = edit.changes.apply(self.units)
        return replace(self, units=units, version=self.version + 1, last=edit)

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
            raise RefusedError(
                "too_far_behind",
                "Too much was changed since that version. Say hello anew with after: 0, and make "
                "the change again in the text as it is now.",
            )

    def _back(self) -> Iterator[Edit]:
        edit = self.last
        while edit is not None:
            yield edit
            edit = edit.previous
