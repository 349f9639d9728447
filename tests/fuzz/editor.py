"""What a client knows: the documents, as its frames alone tell them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from server.core.text import ChangeSet, Units, to_units
from tests.fuzz.wire import Frame


class DivergenceError(AssertionError):
    """Somebody holds another text than somebody else."""


@dataclass(slots=True)
class Known:
    """A document at each version that came by, from the first one known."""

    first: int
    texts: list[Units]

    @property
    def version(self) -> int:
        """The latest version."""
        return self.first + len(self.texts) - 1


@dataclass(slots=True)
class Editor:
    """Takes frames in as a browser does; keeps what it needs to come back and go on."""

    client: str
    seq: int = 0
    documents: dict[str, Known] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)
    run: str = "none"
    """The run that began last."""
    welcomed: bool = False
    """Whether this connection has been welcomed."""

    def hear(self, frame: Frame) -> None:
        """One more frame. Raises `DivergenceError` where it does not fit what is known."""
        self.frames.append(frame)
        match frame["type"]:
            case "welcome":
                self._welcome(frame)
            case "event":
                self._event(frame)

    def _welcome(self, frame: Frame) -> None:
        self.welcomed = True
        if "state" in frame:
            self.seq = frame["seq"]
            self.documents = {
                name: Known(document["version"], [to_units(document["text"])])
                for name, document in frame["state"]["documents"].items()
            }

    def _event(self, frame: Frame) -> None:
        if not self.welcomed or frame["seq"] <= self.seq:
            raise DivergenceError(f"{self.client} heard {frame} after event {self.seq}")
        self.seq = frame["seq"]
        if frame["kind"] == "document_opened":
            self.documents[frame["doc"]] = Known(0, [to_units(frame["text"])])
        elif frame["kind"] == "run_started":
            self.run = frame["run"]
        elif frame["kind"] == "edited":
            self._edited(frame)

    def _edited(self, frame: Frame) -> None:
        known = self.documents[frame["doc"]]
        if frame["version"] != known.version + 1:
            raise DivergenceError(
                f"{self.client} heard of version {frame['version']}, is at {known.version}"
            )
        known.texts.append(ChangeSet.from_json(frame["changes"]).apply(known.texts[-1]))

    @property
    def texts(self) -> dict[str, tuple[int, Units]]:
        """Version and text of each document."""
        return {name: (known.version, known.texts[-1]) for name, known in self.documents.items()}

    def answer(self, ref: str) -> Frame | None:
        """What came of this client's frame `ref`, if that is known."""
        return next((f for f in reversed(self.frames) if self._answers(f, ref)), None)

    def _answers(self, frame: Frame, ref: str) -> bool:
        is_event = frame.get("kind") == "edited" and frame["client"] == self.client
        return frame.get("ref") == ref and (is_event or frame["type"] == "error")

    def change(self, doc: int, back: int, start: int, deleted: int, text: str) -> Frame:
        """An edit that fits a version this client knows: `back` versions ago, any place and length.

        The numbers may be any from 0; no character is cut in two.
        """
        name = sorted(self.documents)[doc % len(self.documents)]
        known = self.documents[name]
        index = max(0, len(known.texts) - 1 - back)
        units = known.texts[index]
        begin = _whole(units, start % (len(units) + 1))
        end = _whole(units, min(len(units), begin + deleted))
        parts: list[Any] = [[end - begin, *text.split("\n")]] if text else [[end - begin]]
        parts = [begin, *parts] if begin else parts
        parts = [*parts, len(units) - end] if end < len(units) else parts
        return {"type": "edit", "doc": name, "version": known.first + index, "changes": parts}


def _whole(units: Units, position: int) -> int:
    """The place itself, or the one before a character that it would cut in two."""
    cuts = 0 < position < len(units) and "\udc00" <= units[position] <= "\udfff"
    return position - cuts
