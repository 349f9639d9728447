"""Each hostile program of `harm.TABLE` gets its verdict, and nothing of it is left."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator

import docker
import pytest
import pytest_asyncio
from pydantic import JsonValue

from sandbox.contract import Limits, Mode, Outcome, Output, Submission, TestInput
from sandbox.engine import LABEL
from sandbox.pool import Pool
from server.core.judge import Verdict, judge, submission_for
from server.core.problem import Compare, Group, Localized, Part, TestCase
from tests.bench.neighbours import HARM, harm_beside
from tests.sandbox.harm import SECRET, TABLE, Harm
from tests.sandbox.running import Runs

BRIEF = Limits(time_s=5.0)
SOURCE = """
import os
def look_around():
    own = {str(os.getpid()), '1'}
    others = [name for name in os.listdir('/proc') if name.isdigit() and name not in own]
    return [others, os.listdir('/tmp'), os.listdir('/dev/shm'), os.listdir('/dev/mqueue')]
def f(harm, given):
    if not harm:
        return [*look_around(), given]
    names = {'__name__': 'harm'}
    exec(harm, names)
    return names.get('answer')
"""


def _part(cases: list[TestCase]) -> Part:
    text = Localized(en="text")
    return Part(
        id="main",
        title=text,
        minutes=1,
        mode="function",
        entry="f(harm: str, given: str) -> list",
        starter="",
        statement=text,
        compare=Compare(kind="exact"),
        groups=(Group(name="g", cases=tuple(cases)),),
    )


def _cases(kind: dict[str, Harm]) -> list[TestCase]:
    """Every program, and after each a look around."""
    cases = []
    for name, harm in kind.items():
        expect: JsonValue = [] if harm.verdict is Verdict.ACCEPTED else SECRET
        limits = Limits(time_s=harm.time_s)
        args = (harm.code, f"given to {name}")
        cases.append(TestCase(id=name, name=name, args=args, expect=expect, limits=limits))
        after = f"after {name}"
        cases.append(
            TestCase(
                id=after, name=after, args=("", after), expect=[[], [], [], [], after],
                limits=BRIEF,
            )
        )  # fmt: skip
    return cases


async def _verdicts(pool: Pool, part: Part) -> dict[str, str]:
    found: dict[str, str] = {}
    async with pool.run(submission_for(part, SOURCE, "tests")) as run:
        async for event in run:
            if isinstance(event, Outcome):
                judgement = judge(part, part.case(event.test), event)
                found[event.test] = judgement.verdict
                if judgement.verdict is not Verdict.ACCEPTED:
                    print(event.test, judgement)  # shown where the test fails
    return found


@pytest_asyncio.fixture(loop_scope="module")
async def nothing_is_left(pool: Pool) -> AsyncIterator[None]:
    """Afterwards the containers are those that stand ready, and the engine answers."""
    yield
    client = docker.APIClient()
    async with asyncio.timeout(20):
        while await asyncio.to_thread(_containers, client) != pool.ready:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    client.close()
    assert pool.available


def _containers(client: docker.APIClient) -> int:
    found = client.containers(all=True, filters={"label": LABEL})
    return sum(one["Labels"]["viva.owner"].split()[1] == str(os.getpid()) for one in found)


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("kind", TABLE.values(), ids=TABLE.keys())
async def test_harm_gets_its_verdict_and_leaves_nothing(pool: Pool, kind: dict[str, Harm]) -> None:
    part = _part(_cases(kind))
    wanted = {name: harm.verdict.value for name, harm in kind.items()}
    wanted |= {f"after {name}": "accepted" for name in kind}
    assert await _verdicts(pool, part) == wanted


SOURCES = {
    "exits when it is imported": "raise SystemExit\ndef f(): return 1",
    "a NUL": "def f(): return '\0'",
    "a lone surrogate": "def f(): return '\ud800'",
    "brackets": "(" * 200_000,
    "signs": "def f(): return " + "-" * 500_000 + "1",
    "a comprehension in a comprehension": "def f(): return " + "[x for x in " * 90 + "1" + "]" * 90,
    "a decorator that lies": "@lambda _: 1\ndef f(): return 1",
}


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
async def test_harm_in_the_source_is_a_runtime_error(pool: Pool, source: str) -> None:
    cases = [TestCase(id=str(n), name="", expect=SECRET) for n in range(2)]
    part = _part(cases).model_copy(update={"entry": "f() -> str"})
    async with pool.run(submission_for(part, source, "tests")) as run:
        outcomes = [event async for event in run if isinstance(event, Outcome)]
    verdicts = [judge(part, part.case(one.test), one).verdict for one in outcomes]
    assert verdicts == [Verdict.RUNTIME_ERROR] * 2, outcomes


async def test_a_source_that_folds_too_much_is_too_slow(runs: Runs) -> None:
    """Constants are worked out while it is compiled, before any of it runs."""
    record = await runs.call("def f(): return 9**9**9", limits=Limits(time_s=0.5))
    assert record.outcome.ended.value == "time_limit"


QUOTAS = """
import ctypes, fcntl, os, signal, socket
libc = ctypes.CDLL(None)
def reached():
    watched = pipes = 0
    try:
        while watched < 100 and libc.inotify_init() >= 0: watched += 1
        for _ in range(8):
            pipes += fcntl.fcntl(os.pipe()[1], 1031, 1 << 20)
    except OSError: pass
    children = []
    try:
        while True:
            children.append(os.fork())
            if children[-1] == 0: signal.pause()
    except OSError: pass
    return [watched, pipes, len(children)]
"""


async def test_what_one_container_uses_up_another_still_has() -> None:
    """The kernel counts watches, pipes and processes by user id, and each has its own."""
    program = f"{QUOTAS}\nprint(reached(), flush=True)\nsignal.pause()"
    submission = Submission(program, Mode.PROGRAM, (TestInput("only"),), Limits(time_s=30))
    async with (
        Pool(size=3) as pool,
        pool.run(submission) as a,
        pool.run(submission) as b,
        pool.run(submission) as c,
    ):
        told = [await anext(aiter(run)) for run in (a, b, c)]
    reached = [json.loads(event.text) for event in told if isinstance(event, Output)]
    assert reached == [[100, 8 << 20, 62]] * 3


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
async def test_a_run_next_door_goes_well_all_the_while(harm: str) -> None:
    """How fast it stays is for the benchmark to tell; here, that it keeps within its limits."""
    cases = [TestCase(id=str(n), name="", args=("", str(n)), limits=BRIEF) for n in range(5)]
    expected = [case.model_copy(update={"expect": [[], [], [], [], case.id]}) for case in cases]
    part = _part(expected)
    async with Pool(size=2) as pool, harm_beside(pool, harm):
        for _ in range(3):
            verdicts = await _verdicts(pool, part)
            assert verdicts == dict.fromkeys(map(str, range(5)), "accepted")
