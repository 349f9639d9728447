"""An event loop with a clock of its own, which only moves where nothing is left to do.

Then the next timer is due at once. How fast or busy the machine is makes no difference.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

P = ParamSpec("P")


class _Hurry(selectors.DefaultSelector):
    """Does not wait for what can be read or written, but counts that time as passed."""

    passed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select()
        found = super().select(0)
        if not found:
            self.passed_s += max(timeout, 0)
        return found


class _HurriedLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._hurry = _Hurry()
        super().__init__(self._hurry)

    def time(self) -> float:
        return self._hurry.passed_s


def hurried(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Have an asynchronous test run by that clock."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        in_no_time(lambda: test(*args, **kwargs))

    return run


def in_no_time(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run what waits for nothing but its own timers; minutes of it take milliseconds."""
    with asyncio.Runner(loop_factory=_HurriedLoop) as runner:
        runner.run(work())
