"""What the facts about an engine and the probe's answers mean: is each limit really in force? Pure.

What the probe found is compared with what `container.creation` asks for, so that a limit changed
there is looked for here as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sandbox.container import (
    PIDS,
    ROOM_BYTES,
    SHARED_MEMORY_BYTES,
    TMP_OPTIONS,
    ULIMITS,
    USER_IDS,
    EngineSettings,
)
from sandbox.contract import MIB
from sandbox.facts import ContainerFacts, EngineFacts, ImageFacts
from sandbox.sizes import IDLE_BYTES, RUN_BYTES, sizes

Answers = dict[str, Any]
"""What `probe.look` returned."""

ENGINE_WANTED = (28,)
RUNC_WANTED = (1, 2, 8)
CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
KERNEL_FILE_SYSTEMS = {"cgroup", "cgroup2", "devpts", "mqueue", "proc", "sysfs", "tmpfs"}
ENGINE_FILES = {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}
"""What the engine writes for every container; read-only, with the rest of its root."""
ENGINE_DEVICES = {f"/dev/{name}" for name in ("full", "null", "random", "tty", "urandom", "zero")}
"""What it mounts one by one where users are remapped, and may make no devices."""

SCRATCH = "/tmp"  # noqa: S108  # the container's


class State(StrEnum):
    """What to think of what was found."""

    OK = "ok"
    ADVICE = "advice"
    """It works and holds, and could be better."""
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    found: str
    mend: str = ""
    """What to do about it, where something is to be done."""


def engine_checks(facts: EngineFacts, settings: EngineSettings) -> Iterator[Check]:
    """The engine and its runtime, from what it says of itself."""
    mode = "rootless" if facts.is_rootless else "runs as root"
    mode += ", users remapped" if facts.remaps_users else ""
    found = (
        f"{facts.version}, API {facts.api}, {facts.storage}, cgroup v{facts.cgroup}, "
        f"kernel {facts.kernel}, {mode}"
    )
    is_new = _version(facts.version) >= ENGINE_WANTED
    mend = "" if is_new else "Engines from 28 on are recommended: older ones get fewer fixes."
    yield Check("engine", State.OK if is_new else State.ADVICE, found, mend)
    yield _runtime(facts, settings.runtime or facts.default_runtime)


def _runtime(facts: EngineFacts, runtime: str) -> Check:
    if runtime not in facts.runtimes:
        mend = f"Register {runtime} in the engine's daemon.json, or unset VIVA_SANDBOX_RUNTIME."
        return Check("runtime", State.BAD, f"{runtime}, which the engine does not know", mend)
    if "runc" not in runtime:
        return Check("runtime", State.OK, runtime)
    found = f"runc {facts.runc or 'of unknown version'}"
    if _version(facts.runc) >= RUNC_WANTED:
        return Check("runtime", State.OK, found)
    mend = (
        "1.2.8 or newer is recommended, or your distribution's with the fixes for "
        "CVE-2024-21626, CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881."
    )
    return Check("runtime", State.ADVICE, found, mend)


def room_check(facts: EngineFacts, runs: int | None, warm: int | None) -> Check:
    """How large the pool is, and whether the engine's machine has the memory for it."""
    found = sizes(runs, warm, facts.memory_bytes, facts.processors)
    told = (
        f"{found.runs} runs at once, {found.warm} containers ready; the engine's machine has "
        f"{facts.memory_bytes // MIB:,} MiB and {facts.processors} processors"
    )
    wanted_bytes = found.runs * RUN_BYTES + found.warm * IDLE_BYTES
    if wanted_bytes <= facts.memory_bytes:
        return Check("pool", State.OK, told)
    mend = (
        f"They may want {wanted_bytes // MIB:,} MiB together: set VIVA_SANDBOX_RUNS or "
        "VIVA_SANDBOX_WARM lower, or give the machine more memory."
    )
    return Check("pool", State.ADVICE, told, mend)


def image_check(image: ImageFacts, name: str, answers: Answers) -> Check:
    """Which image it is; that there is one has been seen by now."""
    tags = ", ".join(image.tags) or name
    found = f"{tags}, built {image.built}, Python {answers.get('python')}"
    return Check("image", State.OK, found)


def container_checks(facts: ContainerFacts) -> Iterator[Check]:
    """What cannot be seen from inside."""
    yield _check(
        "log",
        facts.log_driver == "none",
        f"driver {facts.log_driver}",
        "What programs print fills this machine's disk; the engine did not take the log driver.",
    )
    kind = "privileged" if facts.privileged else "not privileged"
    yield _check("privileges", not facts.privileged, kind, "Nothing holds such a container.")


def inside_checks(
    answers: Answers, memory_bytes: int, settings: EngineSettings, own_user: int
) -> Iterator[Check]:
    """Each limit as it looked from inside a container for programs of up to `memory_bytes`.

    `own_user` is the user id of the platform itself.
    """
    cgroup: dict[str, list[str]] = answers.get("cgroup") or {}
    yield from _cgroup_checks(cgroup, memory_bytes + ROOM_BYTES, settings.cpus, answers)
    yield from _file_checks(answers)
    yield from _privilege_checks(answers, own_user)
    yield from _reach_checks(answers)


def _cgroup_checks(
    cgroup: dict[str, list[str]], memory_bytes: int, cpus: float, answers: Answers
) -> Iterator[Check]:
    memory = _first(cgroup.get("memory"))
    yield _check(
        "memory",
        memory == str(memory_bytes),
        _mebibytes(memory),
        f"Should be {memory_bytes // MIB} MiB. The kernel or a rootless engine's systemd does not "
        "hand over the memory controller; `docker info` warns of it.",
    )
    yield _swap(_first(cgroup.get("swap")), memory, answers.get("swap_bytes"))
    pids = _first(cgroup.get("pids"))
    yield _check(
        "processes",
        pids == str(PIDS),
        f"at most {pids or 'unknown'}",
        f"Should be {PIDS}. The pids controller is not handed over; `docker info` warns of it.",
    )
    quota = cgroup.get("cpu", [])
    period = cgroup.get("cpu_period", quota[1:])
    share = f"{_first(quota)} of {_first(period)} µs" if quota else "unknown"
    yield _check(
        "processor",
        _number(quota) == cpus * _number(period) and _number(period) > 0,
        share,
        f"Should be {cpus:g} processors. The cpu controller is not handed over to containers.",
    )


def _swap(swap: str, memory: str, machine_bytes: int | None) -> Check:
    """Version 2 counts swap by itself, version 1 together with memory; a machine may have none."""
    if machine_bytes == 0:
        return Check("swap", State.OK, "the machine has none")
    mend = "Swap makes memory limits soft: switch swap accounting on (swapaccount=1), or swap off."
    return _check("swap", swap == "0" or swap == memory != "", f"limit {swap or 'unknown'}", mend)


def _file_checks(answers: Answers) -> Iterator[Check]:
    mounts: list[list[str]] = answers.get("mounts") or []
    options = {place: set(given.split(",")) for place, _, given in mounts}
    written = answers.get("written")
    yield _check(
        "read-only root",
        "ro" in options.get("/", ()) and written == [],
        f"written to: {', '.join(written)}" if written else "nothing could be written",
        "The engine did not take ReadonlyRootfs.",
    )
    yield _scratch(answers, options.get(SCRATCH, set()))
    shared = (answers.get("shm") or [-1])[0]
    yield _check(
        "shared memory",
        0 <= shared <= SHARED_MEMORY_BYTES,
        _mebibytes(str(shared)),
        f"Should be {SHARED_MEMORY_BYTES // MIB} MiB at most.",
    )
    places = {place for place, kind, _ in mounts if kind not in KERNEL_FILE_SYSTEMS}
    masks = {place for place in places if place.startswith("/proc/")}
    foreign = sorted(places - ENGINE_FILES - ENGINE_DEVICES - masks - {"/"})
    yield _check(
        "mounts",
        bool(mounts) and not foreign,
        f"from this machine: {', '.join(foreign)}" if foreign else "none of this machine's",
        "No file of this machine belongs in a container; see the engine's default mounts.",
    )
    given = answers.get("limits") or {}
    limits = {name.upper(): [most, most] for name, most in {**ULIMITS, "nproc": PIDS}.items()}
    yield _check(
        "process limits",
        given == limits,
        ", ".join(f"{name.lower()} {soft}" for name, (soft, _) in sorted(given.items())),
        "The engine did not take the ulimits.",
    )


def _scratch(answers: Answers, options: set[str]) -> Check:
    """The one place that a program can write to."""
    wanted = dict(part.partition("=")[::2] for part in TMP_OPTIONS.split(","))
    size = [int(wanted["size"].removesuffix("m")) * MIB, int(wanted["nr_inodes"])]
    flags = {"noexec", "nosuid", "nodev"}
    found = answers.get("tmp") or [0, 0]
    return _check(
        SCRATCH,
        found == size and flags <= options and answers.get("executed") is False,
        f"{_mebibytes(str(found[0]))}, {found[1]} files, {', '.join(sorted(flags & options))}",
        f"Should be a tmpfs with {TMP_OPTIONS}, in which nothing can be started.",
    )


def _privilege_checks(answers: Answers, own_user: int) -> Iterator[Check]:
    status: dict[str, str] = answers.get("status") or {}
    capabilities = [name for name in CAPABILITY_SETS if int(status.get(name, "1"), 16)]
    yield _check(
        "capabilities",
        not capabilities,
        f"some, or untold: {', '.join(capabilities)}" if capabilities else "none",
        "The engine did not take CapDrop ALL.",
    )
    yield _check(
        "no new privileges",
        status.get("NoNewPrivs") == "1",
        f"NoNewPrivs {status.get('NoNewPrivs', 'unknown')}",
        "The engine did not take no-new-privileges.",
    )
    user = (answers.get("user") or [0])[0]
    yield _check(
        "user",
        user in USER_IDS and _outside(user, answers.get("ids")) not in (None, 0, own_user),
        f"{user}, outside {_outside(user, answers.get('ids'))}",
        "Should be an unprivileged id of its own, nobody's on this machine.",
    )
    opened = answers.get("harness_open")
    yield _check(
        "harness",
        opened == [],
        f"open: {', '.join(opened)}" if opened else "closed to the program",
        "The kernel lets a program look into the process that judges its end.",
    )


def _reach_checks(answers: Answers) -> Iterator[Check]:
    interfaces = answers.get("interfaces")
    yield _check(
        "network",
        interfaces in ([], ["lo"]),
        f"interfaces: {', '.join(interfaces or []) or 'none'}",
        "The engine did not take NetworkDisabled.",
    )
    calls: dict[str, int] = answers.get("calls") or {}
    reached = sorted(name for name, error in calls.items() if not _is_refused(error))
    families = answers.get("families")
    mode = (answers.get("status") or {}).get("Seccomp", "unknown")
    allowed = [*reached, *(families or [])]
    yield _check(
        "system calls",
        mode == "2" and bool(calls) and families == [] and not allowed,
        f"Seccomp {mode}, " + (f"allowed: {', '.join(allowed)}" if allowed else "all refused"),
        "sandbox/image/seccomp.json is not in force: use an engine built with seccomp. "
        "Under gVisor it never is; there gVisor's own kernel answers these calls.",
    )


def _is_refused(error: int) -> bool:
    return error in (1, 38)  # EPERM, and ENOSYS where a kernel has no such call


def _check(name: str, is_ok: bool, found: str, mend: str) -> Check:
    return Check(name, State.OK, found) if is_ok else Check(name, State.BAD, found, mend)


def _outside(user: int, ranges: list[list[int]] | None) -> int | None:
    """Who a user of the container's is on the machine; None where nobody tells."""
    for inside, outside, count in ranges or []:
        if inside <= user < inside + count:
            return outside + user - inside
    return None


def _version(text: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _first(words: list[str] | None) -> str:
    return words[0] if words else ""


def _number(words: list[str]) -> int:
    return int(words[0]) if words and words[0].isdecimal() else -1


def _mebibytes(text: str) -> str:
    return f"{int(text) // MIB} MiB" if text.isdecimal() else text or "unknown"
