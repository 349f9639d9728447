"""One started container: how it is limited, and the stream of frames to and from its harness.

The stream is never half-closed: the engine would stop reading, too. With `OpenStdin`, `StdinOnce`
and `AutoRemove`, cutting it is also how a container is ended: its harness sees the end of it and
exits, the kernel kills what else is in there, and the engine removes what is left. That holds for
a platform that is killed as well.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sandbox import wire
from sandbox.contract import KIB, MIB, ImageName, SandboxError
from sandbox.demultiplexer import Demultiplexer

ROOM_BYTES = 64 * MIB
"""What a container may use beyond a program's own limit: the harness, page tables, what stands in
/tmp, and the telling of a traceback once the memory is gone."""
NO_SYSV_IPC = {"kernel.shmmni": "0", "kernel.msgmni": "0", "kernel.sem": "250 32000 32 0"}
"""No System V segments, queues or semaphores: what is left in one would reach the next test. The
seccomp profile refuses their calls as well; this stands behind it where another is in force."""
TMP_OPTIONS = "size=16m,nr_inodes=2000,mode=1777,noexec,nosuid,nodev"
SHARED_MEMORY_BYTES = MIB
"""Enough for the locks of `multiprocessing`."""
PIDS = 64
ULIMITS = {"nofile": 128, "fsize": 16 * MIB, "core": 0, "msgqueue": 0}
USER_IDS = range(1_000_000, 2_000_000)
"""The kernel counts processes, pipes, keys and watches per user id, so each container has its own;
drawn at random, two of a handful at a time practically never meet."""


class ContainerDiedError(SandboxError):
    """A container ended, or sent what no harness sends; nothing more is to be had from it."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Which containers to make, and where."""

    image: str = "viva-sandbox:latest"
    """The usual image's tag."""
    data_image: str = "viva-sandbox-data:latest"
    runtime: str | None = None
    """An OCI runtime other than the engine's own, e.g. `runsc` for gVisor."""
    cpus: float = 1.0
    boot_timeout_s: float = 15.0
    """How long a container may take, once started, to report that it is ready."""

    def tag(self, image: ImageName) -> str:
        """What the engine calls the image of that name."""
        return {"": self.image, "data": self.data_image}[image]


def creation(
    settings: EngineSettings, labels: dict[str, str], memory_bytes: int, image: ImageName = ""
) -> dict[str, Any]:
    """What the engine is asked for: a container for programs of up to `memory_bytes`."""
    return {
        "Image": settings.tag(image),
        "Hostname": "sandbox",
        "User": str(USER_IDS[secrets.randbelow(len(USER_IDS))]),
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": True,
        "StdinOnce": True,
        # The same empty network as `NetworkMode: none`, without the hook that older engines run.
        "NetworkDisabled": True,
        "Labels": labels,
        "HostConfig": _host_config(settings, memory_bytes + ROOM_BYTES),
    }


def _host_config(settings: EngineSettings, memory_bytes: int) -> dict[str, Any]:
    config: dict[str, Any] = {
        "AutoRemove": True,
        "ReadonlyRootfs": True,
        "Tmpfs": {"/tmp": TMP_OPTIONS},  # noqa: S108  # the container's, not this machine's
        "ShmSize": SHARED_MEMORY_BYTES,
        "IpcMode": "private",
        "Sysctls": NO_SYSV_IPC,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true", f"seccomp={_seccomp()}"],
        "Memory": memory_bytes,
        "MemorySwap": memory_bytes,
        "PidsLimit": PIDS,
        "NanoCpus": int(settings.cpus * 1e9),
        "Ulimits": [{"Name": n, "Soft": most, "Hard": most} for n, most in ULIMITS.items()],
        "LogConfig": {"Type": "none"},
    }
    if settings.runtime:
        config["Runtime"] = settings.runtime
    return config


@cache
def _seccomp() -> str:
    """The system calls that a container may make; read once, it goes along with each creation."""
    profile = Path(__file__).parent / "image" / "seccomp.json"
    return json.dumps(json.loads(profile.read_text()))


@dataclass(eq=False)
class Container:
    """A started container. Made, and removed, by `Engine`."""

    name: str
    memory_bytes: int
    """How much memory its programs may be allowed."""
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    _demultiplexer: Demultiplexer = field(default_factory=Demultiplexer)
    _frames: deque[wire.Frame] = field(default_factory=deque)

    @property
    def is_alive(self) -> bool:
        """Whether its stream has not ended, as far as the event loop has heard."""
        return not self._reader.at_eof() and not self._writer.transport.is_closing()

    async def send(self, *frames: tuple[int, bytes]) -> None:
        """Send frames, each a kind and a body, in one piece.

        Raises `ContainerDiedError` where nothing takes them.
        """
        for _, body in frames:
            if len(body) > wire.MAX_TO_HARNESS:
                raise SandboxError(
                    f"A test's input of {len(body)} bytes is more than a container takes."
                )
        try:
            self._writer.write(b"".join(wire.encode(kind, body) for kind, body in frames))
            await self._writer.drain()
        except OSError as error:
            raise ContainerDiedError(self._obituary("its stream broke")) from error

    async def receive(self) -> wire.Frame:
        """The next frame. Raises `ContainerDiedError` at the end, or at anything but a frame."""
        while not self._frames:
            await self._read()
        return self._frames.popleft()

    async def receive_all(self) -> list[wire.Frame]:
        """All the frames that there are by now, at least one; raises as `receive` does."""
        while not self._frames:
            await self._read()
        frames = list(self._frames)
        self._frames.clear()
        return frames

    async def _read(self) -> None:
        try:
            data = await self._reader.read(64 * KIB)
            self._frames.extend(self._demultiplexer.feed(data))
        except OSError as error:
            raise ContainerDiedError(self._obituary("its stream broke")) from error
        except wire.WireError as error:
            raise ContainerDiedError(self._obituary(f"it sent {error}")) from error
        if not data:
            raise ContainerDiedError(self._obituary("it ended"))

    def hang_up(self) -> None:
        """Cut the stream, which ends the container."""
        self._writer.transport.abort()  # nothing unsent matters to a container about to end

    def _obituary(self, cause: str) -> str:
        words = self._demultiplexer.last_words.decode("utf-8", "replace").strip()
        return f"The container died: {cause}." + (f" Its last words:\n{words}" if words else "")
