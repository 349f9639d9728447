"""The sandbox in this process: every run gets a container of its own, used once.

Containers stand ready: made, started, their harness booted and waiting. A run takes one and is
never kept waiting for the engine; in the background others are made in its place. Where none is
ready, runs wait in a line that is fair between owners, and are told their place in it.

`Pool` is an async context manager that owns its containers and its background work.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

from sandbox.container import Container, EngineSettings
from sandbox.contract import (
    ImageMissingError,
    ImageName,
    Limits,
    Outcome,
    SandboxError,
    SandboxUnavailableError,
    Submission,
)
from sandbox.engine import Engine
from sandbox.line import Line, Waiter
from sandbox.run import PoolRun
from sandbox.sizes import LEAST, sizes

_log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
"""With the engine's own two seconds to answer, one that went away is noticed within four."""
SWEEP_EVERY_S = 60.0
MAKERS = 2
"""More at once make no more containers a second on a small machine, and slow what runs beside.
One does while nobody is in line: the machine has people's typing to serve first."""
TRY_AGAIN_S = 1.0
TRY_AGAIN_AT_MOST_S = 8.0
FAILURES_TOLD = 2
"""After so many containers in a row that did not come up, those who wait are told."""
WARM_MEMORY_BYTES = Limits().memory_bytes
"""What a ready container's programs may use. For more than this, or of another image, one is made
when it is asked for: the engine sets a container's memory and image when it makes it."""


@dataclass(eq=False)
class _Request(Waiter):
    """A run in line; `granted` brings its container, or None where it is to be made for it."""

    memory_bytes: int = 0
    image: ImageName = ""
    granted: asyncio.Future[Container | None] = field(default_factory=asyncio.Future)

    @property
    def is_usual(self) -> bool:
        return self.memory_bytes <= WARM_MEMORY_BYTES and not self.image


class Pool:
    """Throwaway containers on this machine's engine; see `contract.Sandbox`."""

    def __init__(
        self,
        settings: EngineSettings | None = None,
        size: int | None = LEAST,
        warm: int | None = None,
        engine: Engine | None = None,
    ) -> None:
        """At most `size` runs are under way at once; `warm` containers, as many unless told
        otherwise, stand ready for the next ones. Without a `size` there are as many of both as the
        engine's machine has room for. `engine` stands in for the one of `settings`."""
        self._engine = engine or Engine(settings)
        self._told = size, warm
        self._size = LEAST if size is None else size
        self._warm = self._size if warm is None else warm
        self._is_sized = size is not None
        self._line: Line[_Request] = Line()
        self._ready: deque[Container] = deque()
        self._being_made = 0
        self._failures = 0
        self._turn = asyncio.Semaphore(MAKERS)
        self._short = asyncio.Event()
        self._hurry = asyncio.Event()
        self._look_now = asyncio.Event()
        self._why_unavailable: str | None = "The Docker engine has not answered yet."
        self._burials: asyncio.TaskGroup
        self._background = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._engine)
            self._burials = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(self._bury_ready)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            await self._look()
            work = [self._keep_looking(), self._sweep(), self._make(self._short)]
            work += [self._make(self._hurry) for _ in range(MAKERS - 1)]
            for task in [group.create_task(one) for one in work]:
                stack.callback(task.cancel)
            self._background = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._background.aclose()

    @property
    def available(self) -> bool:
        """Whether the engine answered within the last few seconds and has the usual image."""
        return self._why_unavailable is None

    @property
    def why_unavailable(self) -> str | None:
        """What is wrong and how to mend it, in one sentence or two; None while runs work."""
        return self._why_unavailable

    @property
    def ready(self) -> int:
        """How many containers stand ready."""
        return sum(container.is_alive for container in self._ready)

    @asynccontextmanager
    async def run(
        self,
        submission: Submission,
        *,
        owner: str = "",
        on_waiting: Callable[[int], None] | None = None,
        accepts: Callable[[Outcome], bool] | None = None,
    ) -> AsyncIterator[PoolRun]:
        """Start `submission` in a container of its own, as soon as there is one.

        Raises `SandboxUnavailableError` without an engine or the usual image, `ImageMissingError`
        without the one that is asked for, and `SandboxError` where no container comes up.
        """
        told = on_waiting or _tell_nobody
        request = _Request(
            owner, told, memory_bytes=submission.memory_bytes, image=submission.image
        )
        run = PoolRun(self, submission, accepts)
        container = await self._granted(request)
        try:
            run.use(container or await self._make_for(request))
            yield run
        finally:
            run.end()
            self._line.end(request)
            self._serve()

    async def another(self, memory_bytes: int, image: ImageName = "") -> Container:
        """A container in place of one that a run under way had to give up."""
        async with self._turn:
            return await self._engine.make(max(memory_bytes, WARM_MEMORY_BYTES), image)

    async def check(self) -> None:
        """Look at once whether the engine answers, instead of trusting the last look.

        Raises `SandboxUnavailableError` where it does not.
        """
        await self._look()
        if self._why_unavailable is not None:
            raise SandboxUnavailableError(self._why_unavailable)

    def bury(self, container: Container) -> None:
        """End a container at once; that it is gone is seen to in the background."""
        container.hang_up()
        self._burials.create_task(self._engine.remove(container))

    async def ran_out_of_memory(self, container: Container, since: float) -> bool:
        """Whether a container that died did so for want of memory, not before the time `since`."""
        return await self._engine.ran_out_of_memory(container, since)

    # The line.

    async def _granted(self, request: _Request) -> Container | None:
        """Wait for a container, or for a place where one is to be made for this request."""
        if self._why_unavailable is not None:
            raise SandboxUnavailableError(self._why_unavailable)
        self._line.join(request)
        self._serve()
        try:
            return await request.granted
        except BaseException:
            self._take_back(request)
            raise

    def _take_back(self, request: _Request) -> None:
        """A request was given up: in line, or after it was granted and before it was told so."""
        self._line.leave(request)
        granted = request.granted
        if granted.done() and not granted.cancelled() and granted.exception() is None:
            self._line.end(request)
            if container := granted.result():
                self._ready.appendleft(container)
        self._serve()
        while len(self._ready) > self._warm:  # another was made in its place meanwhile
            self.bury(self._ready.pop())

    def _serve(self) -> None:
        """Give those who are next what there is; tell the others their place."""
        while self._line.under_way < self._size and (request := self._next()):
            container = self._take() if request.is_usual else None
            if request.is_usual and container is None:
                continue  # those that stood ready had died
            self._line.begin(request)
            request.granted.set_result(container)
        self._line.tell_positions()
        self._ask_for_more()

    def _next(self) -> _Request | None:
        """The first in line whom waiting for the makers does not hold up."""
        for request in self._line.order():
            # One that was given up leaves the line in its own next step, not before.
            if not request.granted.done() and (self._ready or not request.is_usual):
                return request
        return None

    def _take(self) -> Container | None:
        while self._ready:
            container = self._ready.popleft()
            if container.is_alive:
                return container
            self._look_now.set()  # its end may be the engine's
            self.bury(container)
        return None

    def _fail_all(self, error: SandboxError) -> None:
        for request in self._line.order():
            self._line.leave(request)
            if not request.granted.done():
                request.granted.set_exception(error)

    # The makers.

    def _ask_for_more(self) -> None:
        wanted = self._warm or any(request.is_usual for request in self._line.order())
        is_short = self.available and len(self._ready) + self._being_made < wanted
        _set(self._short, is_short)
        _set(self._hurry, is_short and len(self._line) > 0)

    async def _make(self, wanted: asyncio.Event) -> None:
        while True:
            await wanted.wait()
            if not wanted.is_set():
                continue  # the other maker was quicker
            self._being_made += 1
            self._ask_for_more()
            try:
                container = await self.another(WARM_MEMORY_BYTES)
            except SandboxError as error:
                await self._make_later(error)
            else:
                self._failures = 0
                self._ready.append(container)
            finally:
                self._being_made -= 1
                self._serve()

    async def _make_later(self, error: SandboxError) -> None:
        """Let a while go by; tell those who wait, if it was not the first that failed."""
        _log.warning("a container did not come up: %s", error)
        self._failures += 1
        if isinstance(error, SandboxUnavailableError):
            self._note(str(error))
        elif self._failures >= FAILURES_TOLD:
            self._fail_all(error)
        await asyncio.sleep(pause_s(self._failures))

    async def _make_for(self, request: _Request) -> Container:
        try:
            return await self.another(request.memory_bytes, request.image)
        except SandboxUnavailableError as error:
            if not (request.image and isinstance(error, ImageMissingError)):
                self._note(str(error))
            raise

    # What goes on all the time.

    def _note(self, why_unavailable: str | None) -> None:
        """Take in whether the engine is there; without one, nobody is left to wait for it."""
        self._why_unavailable = why_unavailable
        if why_unavailable is not None:
            self._fail_all(SandboxUnavailableError(why_unavailable))
        self._ask_for_more()

    async def _look(self) -> None:
        self._note(await self._engine.why_unavailable())
        if self.available and not self._is_sized:
            await self._take_size()
        for container in [one for one in self._ready if not one.is_alive]:
            self._ready.remove(container)
            self.bury(container)
        self._ask_for_more()

    async def _take_size(self) -> None:
        try:
            facts = await self._engine.facts()
        except SandboxError as error:
            _log.info("how much room there is will be asked again: %s", error)
            return
        found = sizes(*self._told, facts.memory_bytes, facts.processors)
        self._size, self._warm, self._is_sized = found.runs, found.warm, True
        _log.info("%d runs at once, %d containers ready", self._size, self._warm)

    async def _keep_looking(self) -> None:
        while True:
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._look_now.wait()
            except TimeoutError:
                pass
            self._look_now.clear()
            await self._look()

    async def _sweep(self) -> None:
        while True:
            try:
                removed = await self._engine.remove_leftovers()
            except SandboxError as error:
                _log.info("left-over containers wait for the next sweep: %s", error)
            else:
                _log.info("left-over containers removed: %d", removed)
            await asyncio.sleep(SWEEP_EVERY_S)

    def _bury_ready(self) -> None:
        while self._ready:
            self.bury(self._ready.popleft())


def pause_s(failures: int) -> float:
    """How long a maker pauses after so many containers in a row that did not come up."""
    return float(min(TRY_AGAIN_S * 2 ** (failures - 1), TRY_AGAIN_AT_MOST_S))


def _set(event: asyncio.Event, to: bool) -> None:
    if to:
        event.set()
    else:
        event.clear()


def _tell_nobody(_position: int) -> None:
    """For runs whose place in line nobody asked for."""
