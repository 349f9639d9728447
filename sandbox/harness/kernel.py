"""What the harness asks of the kernel: limits, counters, hiding itself, sweeping up.

Without pathlib, whose import takes as long as all the others of the harness together.
"""

from __future__ import annotations

import _ctypes
import os
import resource
import signal
import stat
import time
from contextlib import suppress

PR_SET_DUMPABLE = 4
WRITABLE = ("/tmp", "/dev/shm", "/dev/mqueue")  # noqa: S108  # they are wiped, not used
"""Every place of the container that a program can leave something in."""

# cgroup v2, then v1: both tell how many processes the kernel killed for want of memory.
_OOM_COUNTERS = (
    "/sys/fs/cgroup/memory.events",
    "/sys/fs/cgroup/memory/memory.oom_control",
)


def set_dumpable(dumpable: bool) -> None:
    """Open or close this process's memory and descriptors to others of the same user.

    A process that is not dumpable cannot be traced, and most of its /proc entries belong to root.
    `_ctypes` alone, because importing `ctypes` costs more than all the rest of a start.
    """
    libc = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # None is the program itself
    prctl = _ctypes.dlsym(libc, "prctl")
    if _ctypes.call_function(prctl, (PR_SET_DUMPABLE, int(dumpable), 0, 0, 0)) != 0:
        raise OSError("prctl(PR_SET_DUMPABLE) was refused")


def oom_kills() -> int:
    """How many processes of this container the kernel has killed for want of memory so far."""
    for counter in _OOM_COUNTERS:
        try:
            lines = _text(counter).splitlines()
        except OSError:
            continue
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return 0


def data_bytes() -> int:
    """How much of this process counts towards RLIMIT_DATA by now."""
    fields = _text("/proc/self/statm").split()
    return int(fields[5]) * resource.getpagesize()


class Usage:
    """What the processes of one test have used, summed up as they are reaped."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.memory_bytes = 0
        self.statuses: dict[int, int] = {}

    def reap(self, options: int) -> bool:
        """Reap one process, as `options` of waitpid say. False where there was none."""
        try:
            pid, status, used = os.wait4(-1, options)
        except ChildProcessError:
            return False
        if pid == 0:
            return False
        self.cpu_s += used.ru_utime + used.ru_stime
        self.memory_bytes = max(self.memory_bytes, used.ru_maxrss * 1024)
        self.statuses[pid] = status
        return True


def cpu_s(pid: int) -> float:
    """Processor time of a process by now; 0 where there is none any more."""
    try:
        # The kernel's number of another process's clock, see clock_getcpuclockid(3).
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had resident so far; 0 where there is none any more."""
    try:
        lines = _text(f"/proc/{pid}/status").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def kill_everything(usage: Usage) -> None:
    """Kill and reap every other process of the container; orphans have come to PID 1 by then."""
    with suppress(ProcessLookupError):  # the test's own process may have been the last
        os.kill(-1, signal.SIGKILL)
    while usage.reap(0):
        pass


def is_reading_stdin(pid: int) -> bool:
    """Whether a thread of `pid` is blocked in read(0, ...). False where the kernel does not say."""
    number = {"x86_64": "0", "aarch64": "63"}.get(os.uname().machine)
    try:
        calls = [
            _text(f"/proc/{pid}/task/{thread}/syscall").split()
            for thread in os.listdir(f"/proc/{pid}/task")  # noqa: PTH208  # see the module's top
        ]
    except OSError:
        return False
    return any(len(call) > 1 and call[0] == number and int(call[1], 16) == 0 for call in calls)


def volunteer_for_oom_kill() -> None:
    """Let the kernel, where memory runs out, kill this process rather than the harness."""
    with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123  # see the top of the module
        file.write("1000")


def wipe() -> None:
    """Empty every writable place. Raises OSError where something will not go."""
    for place in WRITABLE:
        if os.access(place, os.R_OK):
            with os.scandir(place) as entries:
                for entry in entries:
                    _remove(entry)


def _remove(entry: os.DirEntry[str]) -> None:
    if not entry.is_dir(follow_symlinks=False):
        os.unlink(entry.path)  # noqa: PTH108  # see the top of the module
        return
    import shutil  # its import takes longer than most tests; few leave a directory

    # Nobody else is left to exchange what is looked at here for a link.
    os.chmod(entry.path, 0o700)  # noqa: PTH101  # see the top of the module
    for folder, names, _ in os.walk(entry.path):
        for name in names:
            inner = f"{folder}/{name}"
            if stat.S_ISDIR(os.lstat(inner).st_mode):
                os.chmod(inner, 0o700)  # noqa: PTH101  # see the top of the module
    shutil.rmtree(entry.path)


def _text(path: str) -> str:
    with open(path) as file:  # noqa: PTH123  # see the top of the module
        return file.read()
