"""The fuzzer's own process: `python -m tests.fuzz.harness TARGET FAULT DATA [arguments]`.

The arguments are libFuzzer's. It ends with exit code 77 at the first finding, and with 0 when its
time is over. What it reaches in `server` guides it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["server", "tests.fuzz.planted"]):
    from server.core.errors import EditError
    from server.core.text import ChangeSet, rebase
    from tests.fuzz.planted import FAULTS
    from tests.fuzz.reading import changes_of, steps_of
    from tests.fuzz.rooms import open_rooms
    from tests.fuzz.steps import play

Target = Callable[[bytes], None]


class Connections:
    """Two clients in a room, through the whole application; the server stays up over all inputs."""

    def __init__(self, fault: str, data: Path) -> None:
        self._runner = asyncio.Runner()
        self._opening = open_rooms(data, FAULTS[fault])  # kept, or it would close with the garbage
        self._rooms = self._runner.run(self._opening.__aenter__())

    def __call__(self, read: bytes) -> None:
        """Play what the bytes say."""
        steps = steps_of(atheris.FuzzedDataProvider(read))
        self._runner.run(play(self._rooms, steps))


def changes(_fault: str, _data: Path) -> Target:
    """Change sets from any JSON: refused as such, or they round-trip, undo, and converge."""

    def target(read: bytes) -> None:
        drawn = atheris.FuzzedDataProvider(read)
        one, other = (_read(changes_of(drawn, depth=3)) for _ in range(2))
        _read(_json(read))
        if one:
            _check_undo(one)
        if one and other and one.length_before == other.length_before:
            _check_converges(one, other)

    return target


def _json(read: bytes) -> object:
    try:
        return json.loads(read)
    except (ValueError, RecursionError):
        return None


def _read(data: object) -> ChangeSet | None:
    try:
        found = ChangeSet.from_json(data)
    except EditError:
        return None
    assert ChangeSet.from_json(found.to_json()) == found
    return found


def _check_undo(one: ChangeSet) -> None:
    before = "x" * one.length_before
    assert one.invert(before).apply(one.apply(before)) == before


def _check_converges(one: ChangeSet, other: ChangeSet) -> None:
    before = "x" * one.length_before
    there = one.compose(rebase(other, [one])).apply(before)
    assert other.compose(one.map(other, before=True)).apply(before) == there


TARGETS: dict[str, Callable[[str, Path], Target]] = {"connection": Connections, "changes": changes}


def main(target: str, fault: str, data: str, *arguments: str) -> None:
    """Fuzz until something is found or the time is over; never returns."""
    atheris.Setup([sys.argv[0], *arguments], TARGETS[target](fault, Path(data)))
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
