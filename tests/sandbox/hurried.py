"""An event loop whose clock runs ahead: where nothing is left to do, the next timer is due."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class _Hurry(selectors.DefaultSelector):
    """Looks whether anything can be read or written; does not wait for it, but skips that time."""

    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select()
        found = super().select(0)
        if not found:
            self.skipped_s += max(timeout, 0)
        return found


class _HurriedLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._hurry = _Hurry()
        super().__init__(self._hurry)

    def time(self) -> float:
        return super().time() + self._hurry.skipped_s


def in_no_time(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run what waits for nothing but its own timers; minutes of it take milliseconds."""
    with asyncio.Runner(loop_factory=_HurriedLoop) as runner:
        runner.run(work())
