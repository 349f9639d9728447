"""What a run costs while another container of the same pool is up to no good, and at rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

from sandbox.contract import Limits, Mode, Outcome, Submission, TestInput
from sandbox.pool import Pool
from tests.bench.measure import BenchError, Comparison, Side, ms_since

HARM = {
    "spinning": "while True: pass",
    "a fork bomb": "import os\nwhile True:\n try: os.fork()\n except OSError: pass",
    "a memory bomb": (
        "while True:\n try:\n  keep = []\n  while True: keep.append(bytearray(10**6))\n"
        " except MemoryError: pass"
    ),
    "an output flood": "import os\nwhile True: os.write(1, b'x' * 60_000)",
    "a disk flood": (
        "while True:\n try:\n  with open('/tmp/f', 'wb', 0) as f:\n"
        "   while True: f.write(bytes(10**6))\n except OSError: pass"
    ),
}
SMALL = Submission(
    "def f(n):\n    return n + 1",
    Mode.FUNCTION,
    tuple(TestInput(str(n), args=[n]) for n in range(10)),
    entry="f",
)
BESIDE_S = 60.0
REST_S = 0.4
"""After each run: the container that was used is gone by then, and another stands ready."""


async def neighbours(runs: int) -> list[Comparison]:
    """Ten tests of a small function: beside each kind of harm, and with nothing beside them."""
    async with Pool(size=2, warm=2) as pool:
        rest = Side("at rest", await _times_ms(pool, runs))
        found = []
        for name, source in HARM.items():
            async with harm_beside(pool, source):
                beside = Side("Viva", await _times_ms(pool, runs))
            found.append(Comparison(f"10 tests beside {name}", beside, (rest,)))
    return found


@asynccontextmanager
async def harm_beside(pool: Pool, source: str) -> AsyncIterator[None]:
    """Run a hostile program for as long as the block lasts, again where it was ended."""
    begun = asyncio.Event()
    task = asyncio.create_task(_go_on(pool, source, begun))
    try:
        await begun.wait()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _go_on(pool: Pool, source: str, begun: asyncio.Event) -> None:
    limits = Limits(time_s=BESIDE_S)
    program = f"print('on', flush=True)\n{source}"
    while True:
        submission = Submission(program, Mode.PROGRAM, (TestInput("harm"),), limits)
        async with pool.run(submission, owner="harm") as run:
            async for _ in run:
                begun.set()


async def _times_ms(pool: Pool, runs: int) -> tuple[float, ...]:
    times = []
    for _ in range(runs):
        while not pool.ready:  # noqa: ASYNC110  # a bench: no event tells of it
            await asyncio.sleep(REST_S)
        await asyncio.sleep(REST_S)
        began = time.perf_counter()
        async with pool.run(SMALL, owner="neighbour") as run:
            outcomes = [event async for event in run if isinstance(event, Outcome)]
            times.append(ms_since(began))
        if [one.value for one in outcomes] != [str(n + 1) for n in range(10)]:
            raise BenchError(f"a run beside a hostile one came to {outcomes}")
    return tuple(times)


async def main(runs: int = 10) -> None:
    """Print the medians."""
    for comparison in await neighbours(runs):
        (rest,) = comparison.bare
        ours = comparison.product.samples
        print(
            f"{comparison.title}: {median(ours):.1f} ms, at most {max(ours):.1f}; "
            f"at rest {rest.median:.1f} ms"
        )


if __name__ == "__main__":
    asyncio.run(main())
