"""Who is connected to a room, and what they are sent: a frame is made once for all it is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from server import metrics
from server.core.events import Entry, Role, encode_event
from server.core.messages import encode
from server.core.roles import is_same_for_all, view
from server.core.room import Participant, Room
from server.core.snapshot import participants

SILENT_IS_AWAY_S = 4.0
"""After how long a silence somebody counts as away; a peer that is there is heard more often."""


class Listener(Protocol):
    """Somebody who hears what happens in a room: a connection."""

    participant: Participant

    @property
    def silent_s(self) -> float:
        """How long nothing was heard from there."""
        ...

    def send(self, frame: str) -> None:
        """Queue a frame; never blocks."""
        ...

    def catch_up(self, frames: Sequence[str]) -> None:
        """Queue what this listener has to know first; it does not count as a backlog."""
        ...

    def close(self, code: int, reason: str) -> None:
        """End the connection."""
        ...


class Listeners:
    """The connections of one room."""

    def __init__(self) -> None:
        self._all: set[Listener] = set()
        self._told: set[str] = set()
        # By role: the last entry that was shown, and up to which it was told that they are saved.
        self._shown: dict[Role, int] = dict.fromkeys(Role, 0)
        self._saved: dict[Role, int] = dict.fromkeys(Role, 0)

    def __len__(self) -> int:
        return len(self._all)

    def add(self, listener: Listener) -> None:
        """One more, who is sent all that follows."""
        self._all.add(listener)
        metrics.connections.inc()

    def remove(self, listener: Listener) -> None:
        """It is gone."""
        if listener in self._all:
            self._all.remove(listener)
            metrics.connections.dec()

    def of(self, participant: str) -> int:
        """How many connections somebody has."""
        return sum(listener.participant.id == participant for listener in self._all)

    # Who is there.

    def present(self) -> set[str]:
        """The ids of those who are connected and not silent."""
        return {
            listener.participant.id
            for listener in self._all
            if listener.silent_s < SILENT_IS_AWAY_S
        }

    @property
    def has_changed(self) -> bool:
        """Whether others are there than were told last."""
        return self.present() != self._told

    def tell_presence(self, room: Room) -> None:
        """Tell everybody who is there."""
        self._told = self.present()
        self.send(encode({"type": "presence", "participants": participants(room, self._told)}))

    # What they are sent.

    def send(self, frame: str, but: Listener | None = None) -> None:
        """A frame for everybody, or everybody else."""
        for listener in self._all:
            if listener is not but:
                listener.send(frame)

    def tell(self, entry: Entry) -> None:
        """An entry of the journal, to each as their role may see it."""
        if is_same_for_all(entry.event):
            self._shown = dict.fromkeys(Role, entry.seq)
            self.send(_whole_frame(entry))
            return
        frames = {role: frame_for(entry, role) for role in Role}
        for role, frame in frames.items():
            if frame:
                self._shown[role] = entry.seq
        for listener in self._all:
            if frame := frames[listener.participant.role]:
                listener.send(frame)

    def tell_saved(self, seq: int) -> None:
        """All up to the number `seq` is on the disk: to each as far as their role was shown it.

        Whoever is not shown the tutors' notes does not learn either when one was saved.
        """
        frames: dict[Role, str] = {}
        for role, shown in self._shown.items():
            saved = min(seq, shown)
            if saved > self._saved[role]:
                self._saved[role] = saved
                frames[role] = encode({"type": "saved", "seq": saved})
        for listener in self._all:
            if frame := frames.get(listener.participant.role):
                listener.send(frame)

    # The end.

    def close(self, code: int, reason: str) -> None:
        """End every connection."""
        for listener in tuple(self._all):
            listener.close(code, reason)

    def part_with(self, roles: Sequence[Role], why: tuple[int, str]) -> None:
        """End the connections of some roles."""
        for listener in tuple(self._all):
            if listener.participant.role in roles:
                listener.close(*why)


def frame_for(entry: Entry, role: Role) -> str | None:
    """The `event` frame of an entry as a role may see it; None where it may not."""
    if is_same_for_all(entry.event):
        return _whole_frame(entry)
    seen = view(entry, role)
    return encode({"type": "event", **seen}) if seen else None


def _whole_frame(entry: Entry) -> str:
    """The event's JSON as the journal has it, with what is around it in a frame put in front."""
    head = encode({"type": "event", "seq": entry.seq, "at": entry.at, "by": entry.by})
    return f"{head[:-1]},{encode_event(entry.event).decode()[1:]}"
