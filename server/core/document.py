"""A document: its text at the latest version, and the change sets that led to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from server.core.errors import RefusedError
from server.core.messages import Ref
from server.core.text import ChangeSet, from_units, rebase, to_units


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """One accepted change set, and the one before it.

    A linked list: a new version costs no copy of the history, and walking back from the newest is
    all that a rebase ever needs.
    """

    changes: ChangeSet
    by: str
    client: str
    ref: Ref
    previous: Edit | None


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
                f"The edit was made against version {version}, but the document is at version "
                f"{self.version}. Take in the missing events, then send it again.",
            )
        newest_first = list(islice(self._back(), self.version - version))
        return newest_first[::-1]

    def rebased(self, changes: ChangeSet, version: int) -> ChangeSet:
        """`changes`, made against `version`, as they apply to the latest version."""
        return rebase(changes, (edit.changes for edit in self.since(version)))

    def edited(self, edit: Edit) -> Document:
        """The next version. Raises `EditError` where the change set does not fit."""
        units = edit.changes.apply(self.units)
        return replace(self, units=units, version=self.version + 1, last=edit)

    def map_position(self, position: int, version: int) -> int:
        """Where a position at `version` stands now, held inside the text."""
        for edit in self.since(version):
            position = edit.changes.map_position(min(position, edit.changes.length_before))
        return min(position, len(self.units))

    def _back(self) -> Iterator[Edit]:
        edit = self.last
        while edit is not None:
            yield edit
            edit = edit.previous
