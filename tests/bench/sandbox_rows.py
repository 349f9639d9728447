"""The sandbox beside a bare interpreter, interleaved: medians in ms, and their ratios."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from sandbox.contract import Mode, Outcome, Output, Submission, TestInput
from sandbox.pool import Pool

ROUNDS = 20
SETTLE_S = 0.15
HELLO = "print('hi')\n"
FUNCTION = "def f(a):\n    return a + 1\n"
LOOP = FUNCTION + "for i in range({count}):\n    assert f(i) == i + 1\n"

Measure = Callable[[], Awaitable[None]]


async def _bare(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "python3", *arguments, stdout=asyncio.subprocess.PIPE
    )
    await process.communicate()


async def _first_output(pool: Pool) -> None:
    async with pool.run(Submission(HELLO, Mode.PROGRAM, (TestInput("only"),))) as run:
        async for event in run:
            if isinstance(event, Output):
                return


async def _verdict(pool: Pool, count: int) -> None:
    tests = tuple(TestInput(str(n), args=[n], batch="hidden") for n in range(count))
    submission = Submission(FUNCTION, Mode.FUNCTION, tests, entry="f")

    def accepts(outcome: Outcome) -> bool:
        return int(outcome.value or "-1") == int(outcome.test) + 1

    async with pool.run(submission, accepts=accepts) as run:
        outcomes = [event async for event in run]
        assert len(outcomes) == count


async def _time_ms(measure: Measure) -> float:
    began = time.perf_counter()
    await measure()
    return (time.perf_counter() - began) * 1000


async def main(rounds: int = ROUNDS) -> None:
    """Print one row for each figure."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        for name, text in (("hi", HELLO), ("10", LOOP), ("1000", LOOP)):
            (place / f"{name}.py").write_text(text.replace("{count}", name))
        async with Pool() as pool:
            rows: dict[str, tuple[Measure, Measure]] = {
                "Run to first output": (
                    lambda: _first_output(pool),
                    lambda: _bare("-I", "-S", str(place / "hi.py")),
                ),
                "10 tests to verdict": (
                    lambda: _verdict(pool, 10),
                    lambda: _bare(str(place / "10.py")),
                ),
                "1,000 tiny tests": (
                    lambda: _verdict(pool, 1000),
                    lambda: _bare(str(place / "1000.py")),
                ),
            }
            times: dict[str, tuple[list[float], list[float]]] = {n: ([], []) for n in rows}
            for _ in range(rounds):
                for name, pair in rows.items():
                    for measure, kept in zip(pair, times[name], strict=True):
                        while pool.ready < 4:  # noqa: ASYNC110  # a bench: no event tells of it
                            await asyncio.sleep(SETTLE_S)
                        await asyncio.sleep(SETTLE_S)
                        kept.append(await _time_ms(measure))
    for name, (ours, bare) in times.items():
        ratio = median(ours) / median(bare)
        print(f"{name}: {median(ours):.1f} ms, bare {median(bare):.1f} ms, ratio {ratio:.2f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS))
