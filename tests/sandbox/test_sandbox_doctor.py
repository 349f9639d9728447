"""What the doctor makes of what it is told: each weakening is found, and only that."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox import probe
from sandbox.checks import (
    Answers,
    Check,
    State,
    container_checks,
    engine_checks,
    inside_checks,
    room_check,
)
from sandbox.container import EngineSettings
from sandbox.contract import MIB, Mode, Outcome, Submission, TestInput
from sandbox.doctor import LIMITS, Report, Times, larger_image, look_inside
from sandbox.engine import Engine
from sandbox.facts import ContainerFacts, EngineFacts
from sandbox.pool import Pool

SETTINGS = EngineSettings()
TMP = "/tmp"  # noqa: S108  # the container's
OWN_USER = 1000
PROBE = Path(probe.__file__).read_text()
REFUSED = (1, 38)
"""EPERM, and ENOSYS where a kernel has no such call."""
GIB = 1024 * MIB
SOUND: Answers = {
    "python": "3.13.5",
    "kernel": "6.1.0",
    "user": [1_234_567, 0],
    "ids": [[0, 0, 4_294_967_295]],
    "status": {
        **dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0" * 16),
        "NoNewPrivs": "1",
        "Seccomp": "2",
    },
    "cgroup": {
        "memory": [str(320 * MIB)],
        "swap": ["0"],
        "pids": ["64"],
        "cpu": ["100000", "100000"],
    },
    "swap_bytes": 1 << 30,
    "limits": {
        "NOFILE": [128, 128],
        "FSIZE": [16 * MIB, 16 * MIB],
        "CORE": [0, 0],
        "NPROC": [64, 64],
        "MSGQUEUE": [0, 0],
    },
    "mounts": [
        ["/", "overlay", "ro,relatime"],
        [TMP, "tmpfs", "rw,nosuid,nodev,noexec,size=16384k"],
        ["/etc/hosts", "ext4", "ro"],
    ],
    "tmp": [16 * MIB, 2000],
    "shm": [MIB, 1000],
    "interfaces": ["lo"],
    "calls": dict.fromkeys(probe.CALLS, 1),
    "families": [],
    "written": [],
    "executed": False,
    "harness_open": [],
}


def _bad(answers: Answers) -> list[str]:
    found = inside_checks(answers, LIMITS.memory_bytes, SETTINGS, OWN_USER)
    bad = [check for check in found if check.state is not State.OK]
    assert all(check.mend for check in bad)
    return [check.name for check in bad]


def test_what_is_sound_is_found_sound_in_either_version_of_control_groups() -> None:
    assert _bad(SOUND) == []
    first = {
        "memory": [str(320 * MIB)],
        "swap": [str(320 * MIB)],
        "pids": ["64"],
        "cpu": ["100000"],
        "cpu_period": ["100000"],
    }
    assert _bad({**SOUND, "cgroup": first}) == []


def _put(*way: str | int, value: Any) -> Callable[[Answers], None]:
    def weaken(answers: Answers) -> None:
        place: Any = answers
        for step in way[:-1]:
            place = place[step]
        place[way[-1]] = value

    return weaken


WEAKENINGS: dict[str, tuple[Callable[[Answers], None], str]] = {
    "no memory limit": (_put("cgroup", "memory", value=["max"]), "memory"),
    "a larger memory limit": (_put("cgroup", "memory", value=[str(512 * MIB)]), "memory"),
    "swap beside memory": (_put("cgroup", "swap", value=["max"]), "swap"),
    "swap uncounted": (_put("cgroup", "swap", value=[]), "swap"),
    "any number of processes": (_put("cgroup", "pids", value=["max"]), "processes"),
    "all processors": (_put("cgroup", "cpu", value=["max", "100000"]), "processor"),
    "two processors": (_put("cgroup", "cpu", value=["200000", "100000"]), "processor"),
    "a root mounted for writing": (_put("mounts", 0, 2, value="rw,relatime"), "read-only root"),
    "a place to write to": (_put("written", value=["/etc"]), "read-only root"),
    "a larger /tmp": (_put("tmp", value=[64 * MIB, 2000]), TMP),
    "any number of files": (_put("tmp", value=[16 * MIB, 0]), TMP),
    "a /tmp that runs programs": (_put("executed", value=True), TMP),
    "a /tmp without nodev": (_put("mounts", 1, 2, value="rw,nosuid,noexec"), TMP),
    "much shared memory": (_put("shm", value=[64 * MIB, 1000]), "shared memory"),
    "a folder of the machine's": (_put("mounts", 2, value=["/data", "ext4", "rw"]), "mounts"),
    "the machine's devices": (_put("mounts", 2, value=["/dev", "devtmpfs", "rw"]), "mounts"),
    "more open files": (_put("limits", "NOFILE", value=[128, 1024]), "process limits"),
    "core dumps": (_put("limits", "CORE", value=[0, -1]), "process limits"),
    "a capability": (_put("status", "CapBnd", value="0000000000000400"), "capabilities"),
    "privileges to gain": (_put("status", "NoNewPrivs", value="0"), "no new privileges"),
    "root": (_put("user", value=[0, 0]), "user"),
    "a user that others are as well": (_put("user", value=[65534, 65534]), "user"),
    "root outside": (_put("ids", value=[[1_234_567, 0, 1]]), "user"),
    "our own user outside": (_put("ids", value=[[1_234_567, OWN_USER, 1]]), "user"),
    "an open harness": (_put("harness_open", value=["mem"]), "harness"),
    "a network": (_put("interfaces", value=["eth0", "lo"]), "network"),
    "no filter of calls": (_put("status", "Seccomp", value="0"), "system calls"),
    "a family of sockets": (_put("families", value=["AF_INET"]), "system calls"),
    **{
        f"a filter without {name}": (_put("calls", name, value=22), "system calls")
        for name in probe.CALLS
    },
}


@pytest.mark.parametrize("weakening", WEAKENINGS)
def test_each_weakening_is_bad_and_nothing_else_is(weakening: str) -> None:
    weaken, check = WEAKENINGS[weakening]
    answers = copy.deepcopy(SOUND)
    weaken(answers)
    assert _bad(answers) == [check]


@pytest.mark.parametrize("name", sorted(set(SOUND) - {"python", "kernel"}))
def test_what_is_not_told_is_not_taken_for_sound(name: str) -> None:
    assert _bad({**SOUND, name: None}) or name == "swap_bytes"


def test_nothing_told_is_all_bad() -> None:
    names = [check.name for check in inside_checks({}, LIMITS.memory_bytes, SETTINGS, OWN_USER)]
    assert _bad({}) == names


def test_swap_is_no_matter_where_there_is_none() -> None:
    none = copy.deepcopy({**SOUND, "swap_bytes": 0})
    none["cgroup"]["swap"] = []
    assert _bad(none) == []


def test_a_log_and_privileges_are_bad() -> None:
    def states(log: str, privileged: bool) -> list[State]:
        return [c.state for c in container_checks(ContainerFacts(log, "runc", privileged))]

    assert states("none", False) == [State.OK] * 2
    assert states("json-file", True) == [State.BAD] * 2


def _engine(version: str, runc: str) -> EngineFacts:
    return EngineFacts.read(
        {
            "Version": version,
            "ApiVersion": "1.47",
            "Components": [{"Name": "runc", "Version": runc}],
        },
        {"Driver": "overlay2", "Runtimes": {"runc": {}, "runsc": {}}, "DefaultRuntime": "runc"},
    )


def _states(engine: EngineFacts, runtime: str | None = None) -> list[State]:
    return [c.state for c in engine_checks(engine, EngineSettings(runtime=runtime))]


def test_old_versions_are_advised_against_and_unknown_runtimes_are_bad() -> None:
    assert _states(_engine("28.0.1", "1.2.8")) == [State.OK] * 2
    assert _states(_engine("29.0", "1.3.0-rc.1")) == [State.OK] * 2
    assert _states(_engine("20.10.24+dfsg1", "1.1.5+ds1")) == [State.ADVICE] * 2
    assert _states(_engine("27.5.1", "1.2.7")) == [State.ADVICE] * 2
    assert _states(_engine("28.0.1", "")) == [State.OK, State.ADVICE]
    assert _states(_engine("28.0.1", "1.1.0"), "runsc") == [State.OK] * 2
    assert _states(_engine("28.0.1", "1.2.8"), "kata") == [State.OK, State.BAD]


def test_modes_of_the_engine_are_read() -> None:
    options = ["name=seccomp,profile=default", "name=rootless", "name=userns"]
    facts = EngineFacts.read({}, {"SecurityOptions": options, "CgroupVersion": "2"})
    assert (facts.is_rootless, facts.remaps_users, facts.cgroup) == (True, True, "2")


def test_a_pool_larger_than_the_machine_is_advised_against() -> None:
    def state(memory_bytes: int, runs: int | None, warm: int | None) -> State:
        info = {"MemTotal": memory_bytes, "NCPU": 2}
        return room_check(EngineFacts.read({}, info), runs, warm).state

    assert state(8 * GIB, None, None) is State.OK
    assert state(8 * GIB, 8, 8) is State.OK
    assert state(8 * GIB, 30, 8) is State.ADVICE
    assert state(8 * GIB, 4, 800) is State.ADVICE
    assert state(GIB, None, None) is State.ADVICE
    assert state(0, None, None) is State.ADVICE


def test_a_report_is_sound_only_with_a_run_and_nothing_bad() -> None:
    fine, advice = (Check("one", state, "") for state in (State.OK, State.ADVICE))
    bad = Check("two", State.BAD, "")
    times = Times(1, 2, 3)
    assert Report([fine, advice], times).is_ok
    assert not Report([fine, bad], times).is_ok
    assert not Report([fine], None).is_ok


async def test_a_larger_image_that_is_missing_is_advice_with_its_cure() -> None:
    async with Engine() as engine:
        assert (await larger_image(engine)).state is State.OK
    async with Engine(EngineSettings(data_image="viva-sandbox-data:never-built")) as engine:
        check = await larger_image(engine)
    assert check.state is State.ADVICE
    assert check.mend.endswith("build it with: bash sandbox/image/build.sh data.")


async def test_the_probe_of_calls_and_families_finds_one_that_is_allowed() -> None:
    """So a refusal that it tells of is one: it tries the same way what is not forbidden."""
    allowed = "CALLS['getppid'] = (110, 173)\nFAMILIES['AF_UNIX'] = 1\n"
    test = TestInput("look")
    looking = Submission(PROBE + allowed, Mode.FUNCTION, (test,), LIMITS, entry="look")
    async with Pool(warm=1) as pool, pool.run(looking) as run:
        (outcome,) = [event async for event in run if isinstance(event, Outcome)]
    answers = json.loads(outcome.value or "")
    assert answers["families"] == ["AF_UNIX"]
    assert [name for name, error in answers["calls"].items() if error not in REFUSED] == ["getppid"]


async def test_containers_that_are_weaker_than_they_should_be_are_found() -> None:
    """Real ones: the probe goes by what it finds, not by what was asked for."""
    async with Engine(EngineSettings(cpus=0.5)) as engine, engine.container(512 * MIB) as container:
        answers = await look_inside(container)
    assert _bad(answers) == ["memory", "processor"]
