"""Interview formats, and the arithmetic of the interview's clock. Times are ms since the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of an interview, e.g. 30 minutes of coding."""

    name: str
    minutes: int


@dataclass(frozen=True, slots=True)
class Format:
    """The phases of an interview, in order."""

    name: str
    phases: tuple[Phase, ...]

    @property
    def minutes(self) -> int:
        """The whole length."""
        return sum(phase.minutes for phase in self.phases)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {"technical-45": Format("technical-45", (Phase("coding", 30), Phase("talk", 15)))}
)


@dataclass(frozen=True, slots=True)
class Clock:
    """Where an interview stands in time. Not started while `phase` is None."""

    phase: str | None = None
    started_at: int | None = None
    ends_at: int | None = None
    """When the whole interview should end; moves on when it is paused or extended."""
    phase_ends_at: int | None = None
    paused_at: int | None = None

    @property
    def paused(self) -> bool:
        """Whether time stands still."""
        return self.paused_at is not None

    def start(self, form: Format, now: int) -> Clock:
        """The first phase begins."""
        first = form.phases[0]
        return Clock(
            phase=first.name,
            started_at=now,
            ends_at=now + form.minutes * MINUTE_MS,
            phase_ends_at=now + first.minutes * MINUTE_MS,
        )

    def pause(self, now: int) -> Clock:
        """Time stands still from `now`."""
        return replace(self, paused_at=now)

    def resume(self, now: int) -> Clock:
        """Time goes on; the ends move by as long as it stood."""
        if self.paused_at is None:
            return self
        # A server's clock that was set back meanwhile takes no time away from anybody.
        return replace(self._moved(max(0, now - self.paused_at)), paused_at=None)

    def extend(self, minutes: int) -> Clock:
        """The phase, and with it the interview, gets `minutes` more."""
        return self._moved(minutes * MINUTE_MS)

    def next(self, form: Format, now: int) -> Clock:
        """The next phase begins; the last one lasts for as long as the interview has left."""
        phase = following_phase(form, self.phase)
        if phase is None:
            return self
        is_last = phase == form.phases[-1]
        end = self.ends_at if is_last else now + phase.minutes * MINUTE_MS
        return replace(self, phase=phase.name, phase_ends_at=end)

    def _moved(self, by_ms: int) -> Clock:
        if self.ends_at is None or self.phase_ends_at is None:
            return self
        return replace(self, ends_at=self.ends_at + by_ms, phase_ends_at=self.phase_ends_at + by_ms)


def following_phase(form: Format, name: str | None) -> Phase | None:
    """The phase after `name`; None after the last one."""
    names = [phase.name for phase in form.phases]
    position = names.index(name) + 1 if name in names else 0
    return form.phases[position] if position < len(names) else None
