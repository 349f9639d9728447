"""Makes complete what the library's problems leave to their own code, and keeps it.

What was made is kept in the database, by the content hash of what was read: a restart gives the
same cases, no room ever waits for a generator, and an engine that is away stops only problems that
were never made yet.
"""

from __future__ import annotations

import asyncio

import structlog

from sandbox.contract import Sandbox, SandboxError
from server.archive import Archive
from server.core.problem import Problem
from server.library import Library, not_ready
from server.making import completed
from server.problem_files.findings import placed
from server.problem_files.read import ReadProblem
from server.store import StoreUnavailableError

log = structlog.get_logger()

TRY_AGAIN_S = 30.0
"""How long to wait before asking again for a sandbox that was away."""


class Workshop:
    """Works through `library.waiting`."""

    def __init__(self, library: Library, archive: Archive, sandbox: Sandbox) -> None:
        self._library = library
        self._archive = archive
        self._sandbox = sandbox
        self._changed = asyncio.Event()

    async def recall(self) -> None:
        """Hand the library what was made before; nothing is run."""
        for digest, problem in (await self._archive.made(self._library.waiting)).items():
            self._library.complete(digest, problem)

    def look_again(self) -> None:
        """The library has changed."""
        self._changed.set()

    async def work(self) -> None:
        """Make what is waiting, now and whenever the library changes; until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self.make_waiting()
            except StoreUnavailableError as error:
                log.warning("what was made cannot be kept", error=str(error))
            except Exception:  # this is its task's edge: other problems are still to be made
                log.exception("making a problem ready broke")
            try:
                async with asyncio.timeout(TRY_AGAIN_S if self._library.waiting else None):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def make_waiting(self) -> None:
        """Make what is waiting now, as far as that is possible."""
        await self.recall()
        for digest, source in self._library.waiting.items():
            await self._make(digest, source)

    async def _make(self, digest: str, source: ReadProblem) -> None:
        try:
            problem, findings = await completed(source.problem, self._sandbox)
        except SandboxError as error:
            why = f"its cases cannot be generated: {error}"
            self._library.refuse(digest, not_ready(source, why), for_good=False)
            log.warning("problem not ready", problem=source.problem.id, why=str(error))
            return
        if not problem.is_complete:
            reasons = (placed(finding, source) for finding in findings)
            self._library.refuse(digest, *reasons, for_good=True)
            log.warning("problem not ready", problem=source.problem.id, findings=len(findings))
            return
        await self._keep(digest, problem)

    async def _keep(self, digest: str, problem: Problem) -> None:
        await self._archive.keep_made(digest, problem)
        self._library.complete(digest, problem)
        log.info("problem made ready", problem=problem.id)
