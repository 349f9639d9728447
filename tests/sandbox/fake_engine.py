"""An engine that makes containers out of nothing and fails as it is told to, and who runs there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from sandbox.container import Container
from sandbox.contract import MIB, ImageName, Limits, Mode, SandboxError, Submission, TestInput
from sandbox.engine import Engine
from sandbox.facts import EngineFacts
from sandbox.pool import WARM_MEMORY_BYTES, Pool

HELLO = Submission("print('hi')", Mode.PROGRAM, (TestInput("only"),))
LARGE = Submission(
    "print('hi')", Mode.PROGRAM, (TestInput("only"),), Limits(memory_bytes=512 * MIB)
)


class FakeEngine(Engine):
    """Makes containers out of nothing: a stream each, with nobody at its other end."""

    def __init__(self) -> None:
        super().__init__()
        self.away: str | None = None
        self.failures: list[SandboxError] = []
        """What the next makings come to."""
        self.makes_usual_ones = asyncio.Event()
        self.makes_usual_ones.set()
        self.tries = 0
        self.swept_at: list[float] = []
        """When it was asked to remove left-overs, by the event loop's clock."""
        self.memory_bytes = 0
        self.processors = 0
        self.hangs_s = 0.0
        """How long it takes to answer whether it is there."""
        self.made: dict[str, Container] = {}
        self._ends: dict[str, socket.socket] = {}

    @property
    def alive(self) -> int:
        """How many containers there are."""
        return sum(container.is_alive for container in self.made.values())

    async def why_unavailable(self) -> str | None:
        await asyncio.sleep(self.hangs_s)
        return self.away

    async def facts(self) -> EngineFacts:
        info = {"MemTotal": self.memory_bytes, "NCPU": self.processors}
        return EngineFacts.read({}, info)

    async def make(self, memory_bytes: int, image: ImageName = "") -> Container:  # noqa: ARG002
        self.tries += 1
        name = f"fake-{self.tries}"
        await asyncio.sleep(0)
        if memory_bytes <= WARM_MEMORY_BYTES:
            await self.makes_usual_ones.wait()
        if self.failures:
            raise self.failures.pop(0)
        ours, theirs = socket.socketpair()
        streams = await asyncio.open_connection(sock=ours)
        self.made[name] = Container(name, memory_bytes, *streams)
        self._ends[name] = theirs
        return self.made[name]

    async def kill(self, name: str) -> None:
        """End a container, and wait until the event loop has heard of it."""
        self._ends[name].close()
        while self.made[name].is_alive:  # noqa: ASYNC110  # no event tells of it
            await asyncio.sleep(0)

    async def remove(self, container: Container) -> None:
        container.hang_up()
        self._ends[container.name].close()

    async def remove_leftovers(self) -> int:
        self.swept_at.append(asyncio.get_running_loop().time())
        return 0


class Visitor:
    """Somebody's run, from joining the line to leaving the pool."""

    def __init__(self, pool: Pool, submission: Submission = HELLO, owner: str = "") -> None:
        self.places: list[int] = []
        self.container: str | None = None
        self.leave = asyncio.Event()
        self.task = asyncio.create_task(self._visit(pool, submission, owner))

    async def _visit(self, pool: Pool, submission: Submission, owner: str) -> None:
        async with pool.run(submission, owner=owner, on_waiting=self.places.append) as run:
            self.container = run.container_name
            await self.leave.wait()

    @property
    def is_inside(self) -> bool:
        """Whether it has a container of its own at the moment."""
        return self.container is not None and not self.task.done()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that nothing tells of."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
