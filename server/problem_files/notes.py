"""Where the builders put what is wrong, each at its place in the text."""

from __future__ import annotations

from collections.abc import Iterable

from server.problem_files.nodes import Complaint, Mark, Node, Path


class Notes:
    """Complaints about one file, collected while building goes on."""

    def __init__(self, root: Node) -> None:
        self.complaints: list[Complaint] = []
        self.root = root

    def at(self, path: Path, message: str, mend: str = "") -> None:
        """A complaint about the value at a path."""
        self.complaints.append(Complaint(self.root.mark_of(path), message, mend))

    def at_key(self, path: Path, message: str, mend: str = "") -> None:
        """A complaint about the very key that ends a path."""
        self.complaints.append(Complaint(self.root.key_mark_of(path), message, mend))

    def at_mark(self, mark: Mark, message: str, mend: str = "") -> None:
        """A complaint about a place."""
        self.complaints.append(Complaint(mark, message, mend))

    def twins(self, path: Path, key: str, what: str, names: Iterable[str | None]) -> None:
        """Complain of each name in a list that stood there before."""
        seen: set[str] = set()
        for index, name in enumerate(names):
            if name in seen:
                self.at((*path, index, key), f'{what} "{name}" stands twice')
            if name is not None:
                seen.add(name)
