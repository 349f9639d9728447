"""What a fault came to: what was lost, how long it took to heal, and whether that is good."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Witness:
    """What one client knows at the end."""

    name: str
    text: str
    came_at: int
    """How many edits the document had when this client first came in."""
    seen: Sequence[str]
    """The refs of the edits that came to it, its own included, in order."""
    typed: Sequence[str]
    """The lines that it typed, each once in the world."""
    saved: int
    """The last entry that it was told is on the disk."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What everybody has at the end of a run: clients, server, and the journal on the disk."""

    server: str
    """The text as somebody is welcomed with who comes in now."""
    replayed: str
    """The text that the journal describes."""
    refs: Sequence[str]
    """The edits of the journal, by their refs, in order."""
    last_seq: int
    """The journal's last entry."""
    times: Sequence[int]
    """When each entry of the journal was made, in ms since the epoch."""
    witnesses: Sequence[Witness]

    def hashes(self) -> dict[str, str]:
        """The SHA-256 of the text that each of them has."""
        texts = {"server": self.server, "journal": self.replayed}
        texts.update((witness.name, witness.text) for witness in self.witnesses)
        return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}

    def lost(self) -> list[str]:
        """What somebody typed or saw and the journal has not, each once."""
        kept, lines = set(self.refs), set(self.replayed.splitlines())
        gone: dict[str, None] = {}
        for witness in self.witnesses:
            gone.update((ref, None) for ref in witness.seen if ref not in kept)
            gone.update((line, None) for line in witness.typed if line not in lines)
        return list(gone)

    def complaints(self) -> list[str]:
        """What is wrong, in words; none where everything is as it should be."""
        found = [f"lost: {', '.join(lost[:5])}"] if (lost := self.lost()) else []
        hashes = self.hashes()
        if len(set(hashes.values())) > 1:
            found.append(f"the texts differ: { {who: text[:8] for who, text in hashes.items()} }")
        twice = [line for line, n in Counter(self.replayed.splitlines()).items() if n > 1]
        if twice:
            found.append(f"there twice: {', '.join(twice[:5])}")
        if any(later < earlier for earlier, later in zip(self.times, self.times[1:], strict=False)):
            found.append("the journal's times run backwards")
        for witness in self.witnesses:
            found += self._complaints_of(witness)
        return found

    def _complaints_of(self, witness: Witness) -> list[str]:
        found = []
        if list(witness.seen) != list(self.refs[witness.came_at :]):
            found.append(
                f"{witness.name} saw other edits than the journal has, or in another order"
            )
        if witness.saved > self.last_seq:
            found.append(
                f"{witness.name} was told that {witness.saved} is saved, which is not there"
            )
        return found


@dataclass(slots=True)
class Result:
    """One line of the table."""

    fault: str
    times: int = 0
    """How often the fault happened."""
    heal_ms: list[float] = field(default_factory=list)
    """How long it took each time until everything was as before."""
    edits: int = 0
    """How many edits were made in all."""
    lost: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)
    """Figures of this fault alone, by what they are."""

    @property
    def good(self) -> bool:
        """Whether what was promised holds."""
        return self.times > 0 and not self.lost and not self.complaints

    @property
    def verdict(self) -> str:
        """For people."""
        return "good" if self.good else "BAD"

    def take(self, evidence: Evidence) -> None:
        """Judge by what everybody has at the end of a run."""
        self.edits += len(evidence.refs)
        self.lost += evidence.lost()
        self.complaints += evidence.complaints()

    def expect(self, holds: bool, otherwise: str) -> None:
        """Complain unless something holds."""
        if not holds:
            self.complaints.append(otherwise)


def reasons(error: BaseException) -> list[str]:
    """Why something broke off: the errors themselves, without the groups that they came in."""
    if isinstance(error, BaseExceptionGroup):
        return [reason for one in error.exceptions for reason in reasons(one)]
    return [f"broke off: {type(error).__name__}: {error}"]


def quantile(samples: Sequence[float], share: float) -> float:
    """The sample that `share` of all are not above, by the nearest rank; 0 for none."""
    if not samples:
        return 0.0
    ranked = sorted(samples)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def figures(samples: Mapping[str, Sequence[float]], share: float) -> str:
    """A quantile of several samples, in ms, beside each other."""
    return ", ".join(f"{name} {quantile(values, share):.0f} ms" for name, values in samples.items())
