"""From a run's click to its first output and to the verdict, beside a bare interpreter."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.client import connect

from server.core.room import RUNS_A_MINUTE
from server.library import Library
from tests.bench.measure import BenchError, Comparison, Side, by_turns, columns, ms_since
from tests.bench.servers import PROBLEM, PROBLEMS, Product
from tests.serving import Client, Frame, kind_is

WORD = "hi"
PROGRAM = f'print("{WORD}")\n'
REST_S = 0.4
"""After each measurement: the container that was used is gone by then, and costs nobody else."""

RUNNERS = 6
"""More than there are containers, so that the pool is never full."""

INTERPRETERS = {"python3 -I -S": ("-I", "-S"), "python3": ()}
"""Nothing but the language, and as everybody starts it."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a run took to its first output and to its end, in ms."""

    first_ms: float
    end_ms: float


@dataclass(slots=True)
class Runner:
    """Somebody who runs documents of a room, and goes to the next before it has had too many."""

    product: Product
    solution: str
    _client: Client | None = None
    _runs: int = field(default=0, init=False)
    _room: AsyncExitStack = field(default_factory=AsyncExitStack, init=False)

    async def close(self) -> None:
        """Leave the room."""
        await self._room.aclose()

    async def _in_room(self) -> Client:
        if self._client is None or self._runs % RUNS_A_MINUTE == 0:
            await self._room.aclose()
            self._client = await self._room.enter_async_context(
                _entered(self.product, self.solution)
            )
        return self._client

    async def program(self) -> Timing:
        """Run the scratch document as a program."""
        return await self._run("scratch", "program", "output")

    async def tests(self) -> Timing:
        """Run all tests of the problem."""
        return await self._run(f"{PROBLEM}/main", "tests", "test_judged")

    async def _run(self, doc: str, what: str, first_kind: str) -> Timing:
        client = await self._in_room()
        self._runs += 1
        began = time.perf_counter()
        await client.send(type="run", ref=self._runs, doc=doc, what=what)
        await _event(client, first_kind)
        first_ms = ms_since(began)
        finished = await _event(client, "run_finished")
        end_ms = ms_since(began)
        if finished["verdict"] != "accepted":
            raise BenchError(f"a run came to {finished['verdict']}: {finished.get('message')}")
        return Timing(first_ms, end_ms)


async def _event(client: Client, kind: str) -> Frame:
    def matches(frame: Frame) -> bool:
        return frame.get("kind") in (kind, "run_finished") or kind_is("error")(frame)

    frame = await client.until(matches)
    if frame.get("kind") != kind:
        raise BenchError(f"a run brought no {kind}, but: {frame}")
    return frame


@asynccontextmanager
async def _runner(product: Product, solution: str) -> AsyncIterator[Runner]:
    runner = Runner(product, solution)
    try:
        yield runner
    finally:
        await runner.close()


@asynccontextmanager
async def _entered(product: Product, solution: str) -> AsyncIterator[Client]:
    session = await product.join((await product.interview())["candidate"], "candidate")
    async with connect(
        session.socket_url, additional_headers=session.headers, compression=None, max_size=None
    ) as socket:
        client = Client(socket)
        await client.send(type="hello", after=0, client="runner")
        client.welcome = await client.until(kind_is("welcome"))
        await client.replace("scratch", PROGRAM, "program")
        await client.replace(f"{PROBLEM}/main", solution, "solution")
        yield client


async def runs(product: Product, folder: Path, pairs: int) -> list[Comparison]:
    """A program that prints a word, then ten tests of a function."""
    part = Library(PROBLEMS).problems[PROBLEM].part("main")
    solution = part.solutions[0].code
    bare_program, bare_tests = folder / "program.py", folder / "tests.py"
    bare_program.write_text(PROGRAM)
    cases = [(case.args, case.expect) for case in part.cases]
    bare_tests.write_text(
        f"{solution}\nfor args, expect in {cases!r}:\n"
        "    assert middle(*args) == expect\nprint('accepted')\n"
    )
    async with _runner(product, solution) as runner:
        program = [
            pair async for pair in by_turns(runner.program, Bare(bare_program), pairs, REST_S)
        ]
        tests = [pair async for pair in by_turns(runner.tests, Bare(bare_tests), pairs, REST_S)]
    return [
        compared("print: run to first output", program, first=True),
        compared("print: run to its end", program),
        compared(f"{len(cases)} tests: run to verdict", tests),
    ]


@asynccontextmanager
async def running_all_the_time(product: Product) -> AsyncIterator[None]:
    """People in rooms of their own who run a program, and again as soon as it has ended."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        runners = [await stack.enter_async_context(_runner(product, "")) for _ in range(RUNNERS)]

        async def run(runner: Runner) -> None:
            while True:
                await runner.program()

        tasks = [group.create_task(run(runner)) for runner in runners]
        yield
        for task in tasks:
            task.cancel()


class Bare:
    """A file run by each of the bare interpreters, one after the other."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def __call__(self) -> list[Timing]:
        return [
            await asyncio.to_thread(time_interpreter, (*options, str(self._file)))
            for options in INTERPRETERS.values()
        ]


def interpreter() -> Path:
    """The Python that the server's environment was made from: no script or shim before it."""
    return Path(sys.base_prefix, "bin", "python3").resolve(strict=True)


def time_interpreter(arguments: Sequence[str]) -> Timing:
    """Start the bare interpreter, and wait for its first byte and its end."""
    command = [str(interpreter()), *arguments]
    began = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        first_ms = ms_since(began)
        process.stdout.read()
        process.wait()
        end_ms = ms_since(began)
    if process.returncode:
        raise BenchError(f"{' '.join(command)} ended with status {process.returncode}.")
    return Timing(first_ms, end_ms)


def compared(
    title: str, taken: Sequence[tuple[Timing, list[Timing]]], *, first: bool = False
) -> Comparison:
    """Viva's times to the end, or to the first output, beside those of the interpreters."""
    ours, bare = columns(taken)

    def side(name: str, timings: Sequence[Timing]) -> Side:
        return Side(name, tuple(t.first_ms if first else t.end_ms for t in timings))

    limits = tuple(
        side(name, [timings[place] for timings in bare]) for place, name in enumerate(INTERPRETERS)
    )
    return Comparison(title, side("Viva", ours), limits)
