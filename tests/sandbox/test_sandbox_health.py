"""Health over the real engine: containers that never report ready, an engine that hangs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import docker
import pytest

from sandbox.container import EngineSettings
from sandbox.contract import (
    Limits,
    Mode,
    Outcome,
    Output,
    RunEvent,
    SandboxError,
    SandboxUnavailableError,
    Submission,
    TestInput,
)
from sandbox.engine import LABEL
from sandbox.pool import Pool
from tests.engine_door import EngineDoor

HELLO = Submission("print('hi')", Mode.PROGRAM, (TestInput("only"),))
SPIN = Submission(
    "print('on', flush=True)\nwhile True: pass",
    Mode.PROGRAM,
    (TestInput("spins"),),
    Limits(time_s=1.0),
)


async def _until(condition: Callable[[], bool]) -> None:
    """Wait for something that nothing tells of."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture
async def client() -> AsyncIterator[docker.APIClient]:
    client = docker.APIClient()
    yield client
    client.close()


def _mine(client: docker.APIClient) -> set[str]:
    """The containers that this process has made."""
    found = client.containers(all=True, filters={"label": LABEL})
    pid = str(os.getpid())
    return {one["Id"] for one in found if one["Labels"]["viva.owner"].split()[1] == pid}


async def _engine_shows(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.fixture
def mute_image(client: docker.APIClient) -> Iterator[str]:
    """The name of an image whose containers start, and never say that they are ready."""
    name = f"viva-sandbox-mute:{os.getpid()}"
    repository, tag = name.split(":")
    base = client.create_container("viva-sandbox:latest")["Id"]
    change = 'ENTRYPOINT ["python3", "-c", "import time; time.sleep(600)"]'
    made = client.commit(base, repository, tag, changes=change)["Id"]
    client.remove_container(base)
    yield name
    client.tag(made, repository, tag, force=True)  # the test may have put another in its place
    client.remove_image(name)


async def test_a_container_that_is_not_ready_in_time_is_replaced(
    client: docker.APIClient, mute_image: str
) -> None:
    """Whoever waits gets the one after it, and nothing of the mute one stays."""
    engine_settings = EngineSettings(mute_image, boot_timeout_s=5.0)
    async with Pool(engine_settings, size=1) as pool:
        assert pool.available
        places: list[int] = []
        events: list[RunEvent] = []

        async def run() -> None:
            async with pool.run(HELLO, on_waiting=places.append) as run:
                events.extend([event async for event in run])

        task = asyncio.create_task(run())
        await _engine_shows(lambda: len(_mine(client)) == 1)
        (mute,) = _mine(client)
        repository, tag = mute_image.split(":")
        client.tag("viva-sandbox:latest", repository, tag, force=True)
        await task
        assert places == [1]
        assert [event.text for event in events if isinstance(event, Output)] == ["hi\n"]
        await _engine_shows(lambda: mute not in _mine(client))
    assert not _mine(client)


async def test_containers_that_are_never_ready_are_told_and_leave_nothing(
    client: docker.APIClient, mute_image: str
) -> None:
    """The one in line learns it after the second, instead of waiting for ever."""
    async with Pool(EngineSettings(mute_image, boot_timeout_s=0.5), size=1) as pool:
        with pytest.raises(SandboxError, match=r"not ready within 0\.5 s"):
            async with pool.run(HELLO):
                raise AssertionError("never reached")
    assert not _mine(client)


# An engine that hangs while programs run.


@asynccontextmanager
async def _behind_a_door(
    monkeypatch: pytest.MonkeyPatch, place: Path
) -> AsyncIterator[tuple[Pool, EngineDoor]]:
    door = EngineDoor()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}")
    async with door.at(place), Pool(size=1) as pool:
        assert pool.available, pool.why_unavailable
        try:
            yield pool, door
        finally:
            door.open()
            await _until(lambda: pool.available)


async def _heard_until_the_door_shuts(
    pool: Pool, door: EngineDoor, submission: Submission
) -> list[RunEvent]:
    """What a run brought before its end as our error; the door shuts at the first of it."""
    heard: list[RunEvent] = []

    async def listen() -> None:
        async with pool.run(submission, accepts=lambda _: True) as run:
            async for event in run:
                heard.append(event)
                door.shut()

    with pytest.raises(SandboxUnavailableError, match="has not answered"):
        await listen()
    return heard


async def test_an_engine_that_hangs_in_mid_run_is_not_blamed_on_the_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The harness said in time that its limit was over, but nobody passed it on."""
    async with _behind_a_door(monkeypatch, tmp_path / "engine.sock") as (pool, door):
        heard = await _heard_until_the_door_shuts(pool, door, SPIN)
        printed = "".join(event.text for event in heard if isinstance(event, Output))
        assert printed in ("on", "on\n")
        assert not any(isinstance(event, Outcome) for event in heard)
        assert not pool.available


async def test_an_engine_that_hangs_between_the_tests_of_a_batch_is_not_blamed_on_the_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The same, where tests share a process."""
    source = "def f(n):\n    while n > 1: pass\n    return n\n"
    tests = tuple(TestInput(str(n), args=[n], batch="all") for n in (1, 2))
    submission = Submission(source, Mode.FUNCTION, tests, Limits(time_s=1.0), "f", "f(n)")
    async with _behind_a_door(monkeypatch, tmp_path / "engine.sock") as (pool, door):
        heard = await _heard_until_the_door_shuts(pool, door, submission)
        assert [(event.test, type(event)) for event in heard] == [("1", Outcome)]


async def test_a_program_out_of_time_is_still_blamed_where_the_engine_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Through the same door, left open."""
    async with (
        _behind_a_door(monkeypatch, tmp_path / "engine.sock") as (pool, _),
        pool.run(SPIN) as run,
    ):
        *_, last = [event async for event in run]
    assert isinstance(last, Outcome)
    assert last.ended == "time_limit"
