"""A disk that takes nothing any more, and takes it again later, while both type."""

from __future__ import annotations

import asyncio
import errno
import resource
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.forked import ForkedServer, forked
from tests.faults.pair import Pair, pair
from tests.faults.verdict import Result
from tests.hosting import PROBLEMS
from tests.typing_client import until

PACE_S = 0.05
SIZE = 24 * 1024 * 1024
TOLD_TO_ALL = True
"""Whether the server tells the whole room that it cannot be saved (`saving` frames)."""


class MountError(Exception):
    """No disk of our own can be had here; the message says what the system answered."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A folder that can be made to take nothing more."""

    folder: Path
    close: Callable[[ForkedServer], None]
    open: Callable[[ForkedServer], None]


@asynccontextmanager
async def small_disk(folder: Path) -> AsyncIterator[Disk]:
    """A small file system in memory, to be filled. Needs root; raises `MountError`."""
    await _run("mkdir", "-p", str(folder))
    await _run("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "viva-faults", str(folder))
    try:
        filling = folder / "filling"
        yield Disk(folder, lambda _: _fill(filling), lambda _: filling.unlink())
    finally:
        await _run("umount", str(folder))


@asynccontextmanager
async def refusing_disk(folder: Path) -> AsyncIterator[Disk]:
    """A folder like any other; the kernel refuses whatever the server would write to a file.

    So does a disk that has become read-only. A real one cannot be made read-only by a remount for
    as long as the server has its files open: the kernel says that it is busy.
    """
    yield Disk(
        folder,
        lambda server: _limit_files(server, 0),
        lambda server: _limit_files(server, resource.RLIM_INFINITY),
    )


def _fill(filling: Path) -> None:
    """Write until nothing more goes, to the last byte."""
    with filling.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return


def _limit_files(server: ForkedServer, most_bytes: int) -> None:
    """The limit is a process's own: a server that was killed has none, and the next none either."""
    if server.pid:
        _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (most_bytes, hard))


async def full(folder: Path, times: int) -> Result:
    """A small disk that fills up. Where none can be had, the result says so and is not good."""
    result = Result("disk full while both type")
    try:
        await through(small_disk, folder / "full", result, times)
    except MountError as error:
        result.complaints.append(f"needs root, for a disk of its own: {error}")
    return result


async def refusing(folder: Path, times: int) -> Result:
    """A disk that refuses every write, as one does that has become read-only."""
    result = Result("disk refuses all writes while both type")
    await through(refusing_disk, folder / "refusing", result, times)
    return result


async def through(
    disk_at: Callable[[Path], AbstractAsyncContextManager[Disk]],
    folder: Path,
    result: Result,
    times: int,
) -> None:
    """Close the disk and open it again; every other time the server is killed in between."""
    async with (
        disk_at(folder) as disk,
        forked(disk.folder / "data", PROBLEMS) as server,
        pair(server, PACE_S) as both,
    ):
        for number in range(times):
            await both.more_edits(3)
            disk.close(server)
            await _all_are_told(both)
            seen = [len(typist.seen) for typist in both.typists]
            await _all_are_told(both)
            came = [len(typist.seen) for typist in both.typists]
            result.expect(came == seen, "an edit came back that cannot have been saved")
            if number % 2:
                await server.kill()
            began = time.perf_counter()
            disk.open(server)
            if number % 2:
                await server.start()
            await both.more_edits(1)
            result.heal_ms.append((time.perf_counter() - began) * 1000)
            result.times += 1
        shown = await both.settle()
        await server.kill()
        result.take(await both.evidence(shown))
        refused = sum(typist.refused for typist in both.typists)
        result.told["told that an edit is not saved"] = f"{refused} times"


async def _all_are_told(both: Pair) -> None:
    """Both hear, once more, that what they typed is not saved."""
    before = [typist.refused for typist in both.typists]

    def told() -> bool:
        return all(
            typist.refused > refused for typist, refused in zip(both.typists, before, strict=True)
        ) and (not TOLD_TO_ALL or all(typist.saving[-1:] == [False] for typist in both.typists))

    await until(both.typists, told)


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    if process.returncode:
        raise MountError(f"{' '.join(command)}: {said.decode().strip()}")
