"""Containers come for a run and go with it, whatever happens to the run or to its owner."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import docker
import pytest

from sandbox.container import EngineSettings
from sandbox.contract import MIB, Limits, Mode, SandboxUnavailableError, Submission, TestInput
from sandbox.engine import LABEL, Engine
from sandbox.pool import Pool

SPIN = Submission(
    "print('on', flush=True)\nwhile True: pass",
    Mode.PROGRAM,
    (TestInput("spins"),),
    Limits(time_s=60),
)
LARGE = Submission(
    "print('hi')", Mode.PROGRAM, (TestInput("only"),), Limits(memory_bytes=512 * MIB)
)
HELLO = Submission("print('hi')", Mode.PROGRAM, (TestInput("only"),))


@pytest.fixture
async def client() -> AsyncIterator[docker.APIClient]:
    client = docker.APIClient()
    yield client
    client.close()


@pytest.fixture
async def own_pool() -> AsyncIterator[Pool]:
    """A test's own: its containers are counted, and are gone when it is."""
    async with Pool(warm=1) as pool:
        assert pool.available, pool.why_unavailable
        yield pool


def _names(client: docker.APIClient, owner_pid: int) -> set[str]:
    """The containers, running or not, that a process has made."""
    found = client.containers(all=True, filters={"label": LABEL})
    return {
        one["Names"][0] for one in found if one["Labels"]["viva.owner"].split()[1] == str(owner_pid)
    }


def _running(client: docker.APIClient, owner_pid: int) -> set[str]:
    running = client.containers(filters={"label": LABEL})
    return {one["Names"][0] for one in running} & _names(client, owner_pid)


async def _until(condition: Callable[[], bool]) -> None:
    """Wait for something that only the engine knows about."""
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110  # no event tells of it
            await asyncio.sleep(0.05)


def _mine(client: docker.APIClient) -> set[str]:
    return _names(client, os.getpid())


async def test_a_container_is_gone_when_its_run_is_left(
    own_pool: Pool, client: docker.APIClient
) -> None:
    async with own_pool.run(SPIN) as run:
        await anext(aiter(run))
        used = f"/{run.container_name}"
        assert used in _mine(client)
    await _until(lambda: used not in _mine(client))


async def test_a_container_is_created_as_hardened_as_it_should_be(
    own_pool: Pool, client: docker.APIClient
) -> None:
    await _until(lambda: own_pool.ready == 1)
    (name,) = _mine(client)
    made = client.inspect_container(name)
    host, config = made["HostConfig"], made["Config"]
    assert host["AutoRemove"]
    assert config["StdinOnce"]
    assert host["ReadonlyRootfs"]
    assert not host["Privileged"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"][0] == "no-new-privileges:true"
    assert host["SecurityOpt"][1].startswith("seccomp={")
    assert host["LogConfig"]["Type"] == "none"
    assert host["MemorySwap"] == host["Memory"]
    assert host["Binds"] is None
    assert made["Mounts"] == []
    assert host["NanoCpus"] == 1_000_000_000
    assert config["Hostname"] == "sandbox"


async def test_a_cancelled_run_leaves_nothing(own_pool: Pool, client: docker.APIClient) -> None:
    begun: asyncio.Future[str] = asyncio.Future()

    async def run_on() -> None:
        async with own_pool.run(SPIN) as run:
            await anext(aiter(run))
            begun.set_result(f"/{run.container_name}")
            await asyncio.Event().wait()

    task = asyncio.create_task(run_on())
    used = await begun
    assert used in _mine(client)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _until(lambda: used not in _mine(client))


@pytest.mark.parametrize("turns", [1, 3, 10])
async def test_a_run_cancelled_while_its_container_is_made_leaves_nothing(
    client: docker.APIClient, turns: int
) -> None:
    async def run_on() -> None:
        async with pool.run(LARGE):
            await asyncio.Event().wait()

    async with Pool(warm=0) as pool:
        task = asyncio.create_task(run_on())
        for _ in range(turns):
            await asyncio.sleep(0.02)  # moments in the middle of the engine's work, any will do
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert _mine(client) == set()


async def test_only_so_many_run_at_once_and_those_that_wait_can_be_cancelled(
    client: docker.APIClient,
) -> None:
    async with Pool(size=1) as pool:
        entered: list[int] = []
        told: list[tuple[int, int]] = []

        async def wait_for_a_place(number: int) -> None:
            async with pool.run(HELLO, on_waiting=lambda place: told.append((number, place))):
                entered.append(number)

        async with pool.run(HELLO):
            first, second = (asyncio.create_task(wait_for_a_place(n)) for n in (1, 2))
            await asyncio.sleep(0)
            assert told == [(1, 1), (2, 2)]
            first.cancel()
            await asyncio.wait([first])
            assert told[2:] == [(2, 1)]
            assert entered == []
        await second
    assert entered == [2]
    assert _mine(client) == set()


async def test_a_room_that_asks_for_much_does_not_hold_up_another() -> None:
    async with Pool(size=1) as pool:
        begun: list[str] = []

        async def run(owner: str) -> None:
            async with pool.run(HELLO, owner=owner):
                begun.append(owner)

        async with pool.run(HELLO, owner="busy"):
            tasks = [asyncio.create_task(run(owner)) for owner in ("busy", "busy", "calm")]
            await asyncio.sleep(0)
        await asyncio.wait(tasks)
    assert begun == ["calm", "busy", "busy"]


async def test_containers_stand_ready_before_they_are_asked_for_and_serve_once(
    client: docker.APIClient,
) -> None:
    async with Pool(warm=2) as pool:
        await _until(lambda: pool.ready == 2)
        before = _mine(client)
        assert len(before) == 2
        for _ in range(2):
            async with pool.run(SPIN) as run:
                await anext(aiter(run))
        await _until(lambda: pool.ready == 2)
        await _until(lambda: len(_mine(client)) == 2)
        assert not _mine(client) & before
    assert _mine(client) == set()


async def test_a_ready_container_that_died_is_replaced(client: docker.APIClient) -> None:
    async with Pool(warm=1) as pool:
        await _until(lambda: pool.ready == 1)
        (dead,) = _mine(client)
        client.kill(dead.lstrip("/"))
        await _until(lambda: pool.ready == 0 or dead not in _mine(client))
        async with pool.run(HELLO) as run:
            assert [event async for event in run]
        await _until(lambda: dead not in _mine(client))


async def test_a_program_that_may_use_more_memory_gets_a_container_made_for_it(
    client: docker.APIClient,
) -> None:
    async with Pool(warm=0) as pool, pool.run(LARGE):
        (made,) = _mine(client)
        memory_bytes = client.inspect_container(made)["HostConfig"]["Memory"]
    assert memory_bytes == (512 + 64) * MIB


OWNER = """
import asyncio, sys
from sandbox.contract import MIB, Limits, Mode, Submission, TestInput
from sandbox.engine import LABEL, Engine
from sandbox.pool import Pool

async def main():
    source = "print('on', flush=True)\\nwhile True: pass"
    run = Submission(source, Mode.PROGRAM, (TestInput('spins'),), Limits(time_s=60))
    async with Pool() as pool, pool.run(run) as run:
        async for event in run:
            print('running', flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
async def test_an_owner_that_is_killed_leaves_no_container(
    client: docker.APIClient, number: signal.Signals
) -> None:
    owner = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        OWNER,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    assert owner.stdout is not None
    assert await owner.stdout.readline() == b"running\n"
    assert _names(client, owner.pid)
    owner.send_signal(number)
    await owner.wait()
    await _until(lambda: not _running(client, owner.pid))
    async with Engine() as engine:
        await engine.remove_leftovers()  # those that were not started yet, as at the next start
    assert not _names(client, owner.pid)


async def test_what_an_owner_left_unstarted_is_removed_by_the_next(
    client: docker.APIClient,
) -> None:
    """As after a kill between a container's creation and its start, when no stream holds it."""

    def leave(owner: str) -> str:
        labels = {LABEL: "1", "viva.owner": owner}
        return str(client.create_container("viva-sandbox:latest", labels=labels)["Id"])

    async with Engine() as engine, engine.container(256 * MIB):
        (in_use,) = _mine(client)
        owner = client.inspect_container(in_use)["Config"]["Labels"]["viva.owner"]
        machine, pid, started_at, _ = owner.split()
        orphan = leave(f"{machine} {pid} {int(started_at) - 1} engine")
        of_another_engine = leave(f"{machine} {pid} {started_at} another")
        of_another_machine = leave(f"elsewhere {pid} 1 engine")
        await engine.remove_leftovers()
        left = {one["Id"] for one in client.containers(all=True)}
        assert orphan not in left
        assert {of_another_engine, of_another_machine} <= left
        assert in_use in _mine(client)
    for one in (of_another_engine, of_another_machine):
        client.remove_container(one)


async def test_a_missing_image_is_told_with_its_cure() -> None:
    async with Pool(EngineSettings(image="viva-sandbox:never-built")) as pool:
        assert not pool.available
        assert "viva-sandbox:never-built is not there" in str(pool.why_unavailable)
        with pytest.raises(SandboxUnavailableError, match=r"sandbox/image/build\.sh"):
            async with pool.run(HELLO):
                raise AssertionError("never reached")


async def test_an_engine_that_is_away_is_told_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    async with Pool() as pool:
        assert not pool.available
        with pytest.raises(SandboxUnavailableError, match="engine does not answer; start it"):
            async with pool.run(HELLO):
                raise AssertionError("never reached")


async def test_an_engine_that_comes_back_is_used_again_and_missed_when_it_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = tmp_path / "engine.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}")
    async with Pool() as pool:
        assert not pool.available
        place.symlink_to("/var/run/docker.sock")
        await _until(lambda: pool.available)
        async with pool.run(HELLO) as run:
            assert [event async for event in run]
        place.unlink()
        await _until(lambda: not pool.available)
        with pytest.raises(SandboxUnavailableError):
            async with pool.run(HELLO):
                raise AssertionError("never reached")
        place.symlink_to("/var/run/docker.sock")
        await _until(lambda: pool.available)  # also so that the pool can remove its containers


async def test_an_engine_that_hangs_is_missed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = tmp_path / "engine.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}")
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(place))
        hung.listen(64)  # connections are taken, and nothing is ever answered
        async with Pool() as pool:
            assert "has not answered" in str(pool.why_unavailable)
            place.unlink()


async def test_an_engine_is_not_reached_before_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "nonsense://")
    async with Engine() as engine:
        assert "nonsense" in str(await engine.why_unavailable())
