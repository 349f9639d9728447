"""Whole sessions of several browsers against this authority end in one text everywhere.

The browsers are real editor states in Node: some with web/src/sync.ts, some with the stock
@codemirror/collab plugin. Frames and events take as long as chance wants; connections break.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest

from server.core.text import ChangeSet, Units, from_units, rebase, to_units
from tests.core.differential.peer import Peer
from tests.core.differential.random_edits import random_text, seeded

SESSIONS = 3_000
BATCHES = 30


@dataclass
class Authority:
    """The server's part: orders the edits, moves late ones over those accepted since."""

    units: Units
    peer: Peer
    events: list[dict[str, Any]] = field(default_factory=list)
    accepted: list[ChangeSet] = field(default_factory=list)

    def submit(self, client: str, frame: dict[str, Any]) -> None:
        """Accept an edit, once: a second copy of it changes nothing."""
        if any(e["client"] == client and e["ref"] == frame["ref"] for e in self.events):
            return
        late = ChangeSet.from_json(frame["changes"])
        assert late.to_json() == frame["changes"], "CodeMirror's own form is already canonical"
        since = self.accepted[frame["version"] :]
        changes = rebase(late, since)
        over = [accepted.to_json() for accepted in since]
        if over:
            assert changes.to_json() == self.peer.ask("rebase", changes=frame["changes"], over=over)
        self.units = changes.apply(self.units)
        self.accepted.append(changes)
        self.events.append(
            {
                "version": len(self.accepted),
                "changes": changes.to_json(),
                "client": client,
                "ref": frame["ref"],
            }
        )


class Session:
    """Two to four editors, each with a queue of frames that the server has not read yet."""

    def __init__(self, seed: int, peer: Peer) -> None:
        self.random = seeded(seed)
        self.peer = peer
        text = random_text(self.random, 12)
        self.authority = Authority(to_units(text), peer)
        self.ids = [f"client-{i}" for i in range(self.random.randint(2, 4))]
        self.stock = [self.random.random() < 0.3 for _ in self.ids]
        self.on_the_way: list[list[dict[str, Any]]] = [[] for _ in self.ids]
        self.seen = [0 for _ in self.ids]
        peer.tell("open", text=text, version=0, ids=self.ids, stock=self.stock)

    def run(self) -> None:
        actions = [self.edit, self.undo, self.send, self.serve, self.deliver]
        actions += [self.reconnect, self.refuse]
        for _ in range(self.random.randint(8, 30)):
            [action] = self.random.choices(actions, weights=[40, 6, 16, 18, 16, 3, 3])
            action(self.random.randrange(len(self.ids)))
        self.settle()

    def edit(self, editor: int) -> None:
        changes = [
            {
                "at": self.random.random(),
                "span": self.random.choice([0, 0, 1, 2, 4, 9]),
                "insert": random_text(self.random, 2),
            }
            for _ in range(self.random.choice([1, 1, 1, 2]))
        ]
        self.peer.tell("edit", editor=editor, changes=changes)

    def undo(self, editor: int) -> None:
        self.peer.tell("undo", editor=editor, again=self.random.random() < 0.3)

    def send(self, editor: int) -> None:
        frame = self.peer.ask("send", editor=editor)
        if frame:
            self.on_the_way[editor].append(frame)

    def serve(self, editor: int) -> None:
        if self.on_the_way[editor]:
            self.authority.submit(self.ids[editor], self.on_the_way[editor].pop(0))

    def deliver(self, editor: int, everything: bool = False) -> None:
        seen, behind = self.seen[editor], len(self.authority.events) - self.seen[editor]
        upto = seen + (behind if everything else self.random.randint(0, behind))
        self.peer.tell("receive", editor=editor, updates=self.authority.events[seen:upto])
        self.seen[editor] = upto

    def reconnect(self, editor: int) -> None:
        """What was on the way is lost, or arrives all the same."""
        if self.random.random() < 0.5:
            self.on_the_way[editor].clear()
        self.deliver(editor, everything=True)
        frame = self.peer.ask("resend", editor=editor)
        if frame:
            self.on_the_way[editor].append(frame)

    def refuse(self, editor: int) -> None:
        if self.stock[editor] or not self.on_the_way[editor]:
            return
        ref = self.on_the_way[editor][-1]["ref"]
        if any(e["client"] == self.ids[editor] and e["ref"] == ref for e in self.authority.events):
            return
        self.on_the_way[editor].clear()
        self.peer.tell("refused", editor=editor, ref=ref)

    def settle(self) -> None:
        """Let everything arrive, in no particular order of editors."""
        looks: list[dict[str, Any]] = []
        while not looks or any(look["unsaved"] for look in looks):
            for editor in self.random.sample(range(len(self.ids)), len(self.ids)):
                self.send(editor)
                while self.on_the_way[editor]:
                    self.serve(editor)
                self.deliver(editor, everything=True)
            looks = [self.peer.ask("look", editor=editor) for editor in range(len(self.ids))]
        for editor in range(len(self.ids)):
            self.deliver(editor, everything=True)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_editor_and_the_authority_end_with_the_same_text(peer: Peer, batch: int) -> None:
    for seed in range(batch, SESSIONS, BATCHES):
        print("session seed", seed)  # shown by pytest where a session fails
        session = Session(seed, peer)
        session.run()
        expected = from_units(session.authority.units)
        for editor in range(len(session.ids)):
            look = peer.ask("look", editor=editor)
            assert look["text"] == expected
            assert look["version"] == len(session.authority.events)
