"""Servers whose modules are loaded already: what a start costs is opening the data, not Python.

`python -m tests.faults.forked` reads the settings of a server from each line of its input, forks,
serves in the child, and says when that has ended. One at a time; `viva serve` in all but its start,
and but for a clock that can be set: in a file beside the data stands how far it is ahead, in ms.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop
from rich.console import Console

from server.clock import now_ms
from server.serving import serve
from server.settings import ROOT, Settings
from tests.process import ServerProcess

GONE = "gone\n"


@dataclass(slots=True)
class ForkedServer(ServerProcess):
    """A server with its data folder, as `ServerProcess`, out of a `Nursery`."""

    nursery: asyncio.subprocess.Process | None = None
    pid: int = 0

    def set_clock(self, ahead_ms: int) -> None:
        """Set the clock of the server's machine so far ahead of the real one, or behind."""
        clock = clock_beside(self.data)
        clock.parent.mkdir(parents=True, exist_ok=True)
        written = clock.with_suffix(".new")
        written.write_text(str(ahead_ms))
        written.replace(clock)  # at once: a server that reads it meanwhile finds one or the other

    async def start(self) -> ForkedServer:
        """Start it, and wait until it serves."""
        assert self.nursery is not None
        assert self.nursery.stdin is not None
        self.nursery.stdin.write(json.dumps(self.settings()).encode() + b"\n")
        self.pid = int(await self._line())
        while "serves on" not in (line := await self._line()):
            assert line != GONE, "the server ended as it began"
        self.port = int(line.rsplit(":", 1)[1])
        while "Ctrl-C" not in (line := await self._line()):
            assert line != GONE, "the server ended as it began"
        return self

    async def _end(self, number: signal.Signals) -> None:
        if self.pid:
            os.kill(self.pid, number)
            while await self._line() != GONE:
                pass
            self.pid = 0

    async def _line(self) -> str:
        assert self.nursery is not None
        assert self.nursery.stdout is not None
        line = (await self.nursery.stdout.readline()).decode()
        assert line, "the process that servers are forked from is gone"
        return line


def clock_beside(data: Path) -> Path:
    """The file that says how far the clock is ahead of the real one."""
    return data.with_name(f"{data.name}.clock")


def _now(clock: Path) -> int:
    return now_ms() + int(clock.read_text())


@asynccontextmanager
async def forked(data: Path, problems: Path) -> AsyncIterator[ForkedServer]:
    """A server that serves, without a sandbox; it and what it is forked from end with the block."""
    nursery = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.forked"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    server = ForkedServer(data, sandbox=False, problems=problems, nursery=nursery)
    server.set_clock(0)
    try:
        yield await server.start()
    finally:
        await server.kill()
        assert nursery.stdin is not None
        nursery.stdin.close()
        await nursery.communicate()


def _serve(settings: Settings) -> None:
    clock = clock_beside(settings.data)
    uvloop.run(serve(settings, Console(soft_wrap=True), now=lambda: _now(clock)))


def main() -> None:
    """Fork a server for each line, until there are no more."""
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            # uvloop and the signals are the child's alone: nothing of them exists before the fork.
            _serve(Settings.from_environment(json.loads(line)))
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        os.waitpid(pid, 0)
        sys.stdout.write(GONE)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
