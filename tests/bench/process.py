"""What a process costs, as the kernel counts it, and what it does with its time."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

PROFILER = Path(sys.executable).parent / "py-spy"
SAMPLES_PER_S = 100
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Share(NamedTuple):
    """How much of the samples a function was at work in, itself."""

    function: str
    share: float


def cpu_s(pid: int) -> float:
    """Seconds that a process has kept a core busy, in all its threads, in user and kernel mode."""
    return cpu_ticks(Path(f"/proc/{pid}/stat").read_text()) / TICKS_PER_S


def cpu_ticks(stat: str) -> int:
    """The `utime` and `stime` of a `/proc/PID/stat`, whose second field may hold anything."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def memory_bytes(pid: int) -> int:
    """What a process holds in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


async def profile(pid: int, seconds: int, top: int) -> list[Share] | str:
    """The functions that a Python process is in most while it holds the interpreter's lock.

    Where it may not be looked into (that takes root, or leave to trace), the profiler's own words.
    """
    with tempfile.NamedTemporaryFile(suffix=".raw") as found:
        process = await asyncio.create_subprocess_exec(
            *(PROFILER, "record", "--gil", "--function", "--format", "raw", "--pid", str(pid)),
            *("--rate", str(SAMPLES_PER_S), "--duration", str(seconds), "--output", found.name),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode:
            return said.decode(errors="replace").strip().splitlines()[-1]
        return busiest(found.read().decode().splitlines(), top)


def busiest(stacks: Iterable[str], top: int) -> list[Share]:
    """The functions on top of most of the stacks, each given as `outer;inner;innermost count`."""
    counts: Counter[str] = Counter()
    for stack in stacks:
        frames, _, count = stack.rpartition(" ")
        counts[frames.rpartition(";")[2]] += int(count)
    total = counts.total()
    return [Share(function, count / total) for function, count in counts.most_common(top)]
