"""Runs inside a container and tells what it finds there: `sandbox.doctor` hands this file in.

Standard library only, and nothing of the sandbox's own. It tries what should not be possible, and
answers with what came of it; what that means is `sandbox.checks`' business.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

CGROUP_FILES = {
    "memory": ("memory.max", "memory/memory.limit_in_bytes"),
    "swap": ("memory.swap.max", "memory/memory.memsw.limit_in_bytes"),
    "pids": ("pids.max", "pids/pids.max"),
    "cpu": ("cpu.max", "cpu/cpu.cfs_quota_us"),
    "cpu_period": ("cpu/cpu.cfs_period_us",),
}
CALLS = {  # numbers of x86-64 and of AArch64
    "ptrace": (101, 117),
    "mount": (165, 40),
    "unshare": (272, 97),
    "setns": (308, 268),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "memfd_secret": (447, 447),
    "pidfd_getfd": (438, 438),
    "open_by_handle_at": (304, 265),
    "fsopen": (430, 430),
    "add_key": (248, 217),
    "process_vm_readv": (310, 270),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
}
FAMILIES = {
    "AF_INET": 2,
    "AF_INET6": 10,
    "AF_KEY": 15,
    "AF_NETLINK": 16,
    "AF_PACKET": 17,
    "AF_ALG": 38,
    "AF_VSOCK": 40,
    "AF_XDP": 44,
}
WRITTEN = ("/", "/etc", "/opt/viva", "/usr/bin", "/home", "/dev", "/proc", "/sys/fs/cgroup")
LIMITS = ("NOFILE", "FSIZE", "CORE", "NPROC", "MSGQUEUE")


def look() -> dict[str, Any]:
    """Everything that can be told, by name; None where the kernel does not tell."""
    looks: dict[str, Callable[[], Any]] = {
        "python": platform.python_version,
        "kernel": platform.release,
        "user": lambda: [os.getuid(), os.getgid()],
        "ids": lambda: [[int(n) for n in line] for line in _table("/proc/self/uid_map")],
        "status": _status,
        "cgroup": _cgroup,
        "swap_bytes": _swap_bytes,
        "limits": lambda: {n: resource.getrlimit(getattr(resource, f"RLIMIT_{n}")) for n in LIMITS},
        "mounts": lambda: [line[1:4] for line in _table("/proc/mounts")],
        "tmp": lambda: _size("/tmp"),  # noqa: S108  # the container's
        "shm": lambda: _size("/dev/shm"),  # noqa: S108
        "interfaces": lambda: sorted(line[0].rstrip(":") for line in _table("/proc/net/dev")[2:]),
        "calls": _calls,
        "families": _families,
        "written": _written,
        "executed": _executed,
        "harness_open": _harness_open,
    }
    return {name: _tried(one) for name, one in looks.items()}


def _tried(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except OSError:
        return None


def _table(path: str) -> list[list[str]]:
    return [line.split() for line in Path(path).read_text().splitlines()]


def _status() -> dict[str, str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _cgroup() -> dict[str, list[str]]:
    """What the control group's files hold, in either version."""
    base = Path("/sys/fs/cgroup")
    found: dict[str, list[str]] = {}
    for name, files in CGROUP_FILES.items():
        for file in files:
            if (base / file).exists():
                found[name] = (base / file).read_text().split()
    return found


def _swap_bytes() -> int:
    """How much swap the machine has."""
    lines = {line[0]: int(line[1]) for line in _table("/proc/meminfo")}
    return lines["SwapTotal:"] * 1024


def _size(place: str) -> list[int]:
    size = os.statvfs(place)
    return [size.f_blocks * size.f_frsize, size.f_files]


def _calls() -> dict[str, int]:
    """The error number of each call, tried with arguments that no kernel takes; 0 for none."""
    libc = ctypes.CDLL(None, use_errno=True)
    column = {"x86_64": 0, "aarch64": 1}[platform.machine()]
    errors = {}
    for name, numbers in CALLS.items():
        ctypes.set_errno(0)
        result = libc.syscall(ctypes.c_long(numbers[column]), *[ctypes.c_long(-1)] * 6)
        errors[name] = ctypes.get_errno() if result < 0 else 0
    return errors


def _families() -> list[str]:
    """The families other than the local one of which a socket can be made."""
    made = []
    for name, family in FAMILIES.items():
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            try:
                socket.socket(family, kind).close()
            except OSError:
                continue
            made.append(name)
            break
    return made


def _written() -> list[str]:
    """The places outside /tmp where a file could be made."""
    made = []
    for place in WRITTEN:
        path = Path(place, "probe")
        try:
            path.touch()
        except OSError:
            continue
        path.unlink()
        made.append(place)
    return made


def _executed() -> bool:
    """Whether a program that stands in /tmp can be started."""
    program = Path("/tmp/probe")  # noqa: S108
    program.write_text("#!/bin/true\n")
    program.chmod(0o755)
    try:
        return os.spawnv(os.P_WAIT, program, ["probe"]) == 0  # noqa: S606  # a shell of it is not the question
    finally:
        program.unlink()


def _harness_open() -> list[str]:
    """What of the harness's process can be read."""
    opened = []
    for name in ("mem", "environ", "maps"):
        try:
            Path("/proc/1", name).open("rb").close()
        except OSError:
            continue
        opened.append(name)
    return opened
