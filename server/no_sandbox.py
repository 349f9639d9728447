"""The sandbox of a server that has none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sandbox.contract import Outcome, Run, SandboxUnavailableError, Submission


class NoSandbox:
    """Stands for the sandbox where running is switched off; says why."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    @property
    def available(self) -> bool:
        """Never."""
        return False

    @property
    def why_unavailable(self) -> str:
        """Why not."""
        return self._reason

    @asynccontextmanager
    async def run(
        self,
        submission: Submission,  # noqa: ARG002  # nothing is run, so nothing is looked at
        *,
        owner: str = "",  # noqa: ARG002
        on_waiting: Callable[[int], None] | None = None,  # noqa: ARG002
        accepts: Callable[[Outcome], bool] | None = None,  # noqa: ARG002
    ) -> AsyncIterator[Run]:
        """Raise `SandboxUnavailableError` with the reason."""
        raise SandboxUnavailableError(self._reason)
        yield
