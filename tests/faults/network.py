"""A network of the server's own on this machine: a cable that can really be pulled. Needs root."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


class NetworkError(Exception):
    """There can be no such network here; the message says what the system answered."""


@dataclass(frozen=True, slots=True)
class Cable:
    """Between this machine's own network and the server's; use through `cable`."""

    name: str
    near: str = "10.213.77.1"
    far: str = "10.213.77.2"

    @property
    def inside(self) -> tuple[str, ...]:
        """What a command is started by that is to be at the far end."""
        return ("ip", "netns", "exec", self.name)

    async def cut(self) -> None:
        """Packets vanish from here on, and nobody is told."""
        await _run(*self.inside, "ip", "link", "set", f"{self.name}-b", "down")

    async def mend(self) -> None:
        """They arrive again."""
        await _run(*self.inside, "ip", "link", "set", f"{self.name}-b", "up")


@asynccontextmanager
async def cable() -> AsyncIterator[Cable]:
    """A cable and the network at its far end, gone with the block. Raises `NetworkError`."""
    made = Cable(f"viva{os.getpid() % 100_000}")
    one, other = f"{made.name}-a", f"{made.name}-b"
    await _run("ip", "netns", "add", made.name)
    try:
        await _run("ip", "link", "add", one, "type", "veth", "peer", "name", other)
        await _run("ip", "link", "set", other, "netns", made.name)
        await _run("ip", "addr", "add", f"{made.near}/30", "dev", one)
        await _run("ip", "link", "set", one, "up")
        await _run(*made.inside, "ip", "addr", "add", f"{made.far}/30", "dev", other)
        await _run(*made.inside, "ip", "link", "set", other, "up")
        yield made
    finally:
        # The cable goes with the network at its end.
        await _run("ip", "netns", "del", made.name)


async def _run(*command: str) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    except OSError as error:
        raise NetworkError(f"{command[0]}: {error.strerror}") from error
    _, said = await process.communicate()
    if process.returncode:
        raise NetworkError(f"{' '.join(command)}: {said.decode().strip()}")
