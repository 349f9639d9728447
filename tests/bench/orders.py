"""What the load generator is told, and what it answers: one JSON object a line."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

DRAIN_S = 2.0
"""How long frames under way are waited for after the last key."""


class Place(msgspec.Struct, frozen=True):
    """Where one client connects. `greets`: it says hello and is welcomed, as the product has it."""

    host: str
    port: int
    path: str
    headers: dict[str, str]
    greets: bool = True


class Open(msgspec.Struct, frozen=True, tag=True):
    """Connect every client of a group at once, room by room in twos, and wait for the welcomes.

    A group that was there before comes back: its clients say what they saw last.
    """

    group: str
    places: list[Place]


class Write(msgspec.Struct, frozen=True, tag=True):
    """Fill the document of every room of a group."""

    group: str


class Type(msgspec.Struct, frozen=True, tag=True):
    """Type in the first `rooms` of a group, `keys_per_s` in each of both clients."""

    group: str
    rooms: int
    keys_per_s: float
    seconds: float
    drain_s: float = DRAIN_S


class Close(msgspec.Struct, frozen=True, tag=True):
    """Drop a group's connections."""

    group: str


Order: TypeAlias = Open | Write | Type | Close


class Opened(msgspec.Struct, frozen=True, tag=True):
    """Milliseconds from the order until each client was in, in the order in which they came."""

    came_ms: list[float]
    failed: list[str]
    """What became of those who did not get in, in words."""


class Typed(msgspec.Struct, frozen=True, tag=True):
    """What came of typing. Times in whole microseconds, from the press on."""

    keys: int
    """Keys that were pressed."""
    edits: int
    """Frames that they went out in: what is typed while an edit is under way makes one edit."""
    carried: int
    """Edits that the other client had before the last key was due: the load really carried."""
    lost: int
    """Keys that the other client did not have even `DRAIN_S` later."""
    other_us: list[int]
    """Until the other client had the key; for lost ones, how long they have been away."""
    own_us: list[int]
    """Until it was back at its own client; none where nothing comes back."""
    late_us: list[int]
    """How far behind the schedule each key was pressed: the generator's own lag."""
    took_s: float
    """From the first key to the last: longer than was ordered where the generator could not."""
    cpu_s: float
    """What this process took."""
    trouble: list[str]


class Done(msgspec.Struct, frozen=True, tag=True):
    """An order without figures was carried out."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """An order could not be carried out."""

    message: str


Answer: TypeAlias = Opened | Typed | Done | Failed
