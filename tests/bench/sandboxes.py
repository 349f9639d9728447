"""The pool by itself: a run beside a bare interpreter, runs at full tilt, memory while idle."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import docker

from sandbox.contract import Mode, Outcome, Output, Submission, TestInput
from sandbox.engine import LABEL, OWNER_LABEL
from sandbox.pool import MAKERS, Pool
from server.core.judge import Verdict, judge, overall, submission_for
from server.core.problem import Part
from server.core.values import decode
from server.library import Library
from tests.bench.measure import BenchError, Comparison, Side, by_turns, columns, ms_since
from tests.bench.raw_engine import make_and_remove
from tests.bench.runs import PROGRAM, Bare, Timing, compared
from tests.bench.servers import PROBLEM, PROBLEMS

READY = 4
"""How many containers stand ready, as the product has it."""

SUBMITTERS = 6
"""More than there are containers: there is always somebody in line."""

MANY = 1_000
TINY = "def f(a):\n    return a + 1\n"
POLL_S = 0.02
SETTLE_S = 0.15
"""After the pool is full again, until what made it so has come to rest."""

MIB = 1024 * 1024
HELLO = Submission(PROGRAM, Mode.PROGRAM, (TestInput("program"),))


@dataclass(frozen=True, slots=True)
class Tests:
    """A submission, and what its outcomes are to be."""

    submission: Submission
    accepts: Callable[[Outcome], bool]


async def sandboxes(folder: Path, pairs: int, blocks: int, block_s: float) -> list[Comparison]:
    """From the pool's side: first output, verdicts, runs a second, memory."""
    part = Library(PROBLEMS).problems[PROBLEM].part("main")
    ten, many = _ten(part), _many()
    async with Pool(size=READY) as pool:
        memory = await _memory_mb(pool)
        first = await _turns(pool, lambda: _first_output(pool), _program(folder), pairs)
        tens = await _turns(pool, lambda: _verdict(pool, ten), _bare_ten(folder, part), pairs)
        thousands = await _turns(pool, lambda: _verdict(pool, many), _bare_many(folder), pairs)
        rates = [
            pair
            async for pair in by_turns(
                lambda: _runs_a_second(pool, block_s), lambda: _made_a_second(block_s), blocks
            )
        ]
    ours, raw = columns(rates)
    makers = f"create, start, remove; {MAKERS} makers"
    return [
        compared("pool: run to first output", first, first=True),
        compared(f"pool: {len(part.cases)} tests to verdict", tens),
        compared(f"pool: {MANY:,} tiny tests to verdict", thousands),
        Comparison("runs, one after the other", Side("Viva", ours), (Side(makers, raw),), "/s"),
        Comparison("memory of an idle container", Side("Viva", memory), (), "MB"),
    ]


def _ten(part: Part) -> Tests:
    submission = submission_for(part, part.solutions[0].code, "tests")

    def accepts(outcome: Outcome) -> bool:
        return judge(part, part.case(outcome.test), outcome).verdict is Verdict.ACCEPTED

    return Tests(submission, accepts)


def _many() -> Tests:
    tests = tuple(TestInput(str(n), args=[n], batch="hidden") for n in range(MANY))

    def accepts(outcome: Outcome) -> bool:
        return bool(decode(outcome.value or "null") == int(outcome.test) + 1)

    return Tests(Submission(TINY, Mode.FUNCTION, tests, entry="f"), accepts)


def _program(folder: Path) -> Bare:
    file = folder / "hi.py"
    file.write_text(PROGRAM)
    return Bare(file)


def _bare_ten(folder: Path, part: Part) -> Bare:
    file = folder / "ten.py"
    cases = [(case.args, case.expect) for case in part.cases]
    file.write_text(
        f"{part.solutions[0].code}\nfor args, expect in {cases!r}:\n"
        "    assert middle(*args) == expect\nprint('accepted')\n"
    )
    return Bare(file)


def _bare_many(folder: Path) -> Bare:
    file = folder / "many.py"
    file.write_text(f"{TINY}for n in range({MANY}):\n    assert f(n) == n + 1\nprint('accepted')\n")
    return Bare(file)


async def _turns(
    pool: Pool, ours: Callable[[], Awaitable[Timing]], bare: Bare, pairs: int
) -> list[tuple[Timing, list[Timing]]]:
    async def rested() -> Timing:
        await _full(pool)
        return await ours()

    return [pair async for pair in by_turns(rested, bare, pairs, SETTLE_S)]


async def _full(pool: Pool) -> None:
    """Wait until the pool is full, and what filled it has come to rest."""
    while pool.ready < READY:  # noqa: ASYNC110  # no event tells of it
        await asyncio.sleep(POLL_S)
    await asyncio.sleep(SETTLE_S)


async def _first_output(pool: Pool) -> Timing:
    began = time.perf_counter()
    first_ms = 0.0
    async with pool.run(HELLO) as run:
        async for event in run:
            if isinstance(event, Output) and not first_ms:
                first_ms = ms_since(began)
        return Timing(first_ms, ms_since(began))


async def _verdict(pool: Pool, tests: Tests) -> Timing:
    began = time.perf_counter()
    async with pool.run(tests.submission, accepts=tests.accepts) as run:
        outcomes = [event async for event in run if isinstance(event, Outcome)]
        verdict = overall(
            Verdict.ACCEPTED if tests.accepts(outcome) else Verdict.WRONG_ANSWER
            for outcome in outcomes
        )
        taken_ms = ms_since(began)
    if verdict is not Verdict.ACCEPTED or len(outcomes) != len(tests.submission.tests):
        raise BenchError(f"{len(outcomes)} tests came to {verdict}.")
    return Timing(taken_ms, taken_ms)


async def _runs_a_second(pool: Pool, block_s: float) -> float:
    """Programs that print a word, as many as the pool takes; each must be seen to its end."""
    await _full(pool)
    began = time.perf_counter()

    async def submit() -> int:
        done = 0
        while time.perf_counter() - began < block_s:
            await _first_output(pool)
            done += 1
        return done

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(submit()) for _ in range(SUBMITTERS)]
    # What stood ready was made before.
    done = sum(task.result() for task in tasks) - READY
    return done / (time.perf_counter() - began)


async def _made_a_second(block_s: float) -> float:
    """The bare limit: the engine makes, starts and removes the same containers, without a run."""
    began = time.perf_counter()
    makers = [asyncio.to_thread(make_and_remove, began + block_s) for _ in range(MAKERS)]
    return sum(await asyncio.gather(*makers)) / (time.perf_counter() - began)


async def _memory_mb(pool: Pool) -> tuple[float, ...]:
    """What the kernel counts for each container that stands ready, files' pages left out."""
    await _full(pool)
    return tuple(await asyncio.to_thread(lambda: list(_idle_memory_mb())))


def _idle_memory_mb() -> Iterator[float]:
    client = docker.APIClient()
    try:
        for listed in client.containers(filters={"label": LABEL}):
            if listed["Labels"][OWNER_LABEL].split()[1] != str(os.getpid()):
                continue
            told = client.stats(listed["Id"], stream=False)["memory_stats"]["stats"]
            # cgroup v2 calls it anon, v1 rss.
            yield (told.get("anon") or told["rss"]) / MIB
    finally:
        client.close()
