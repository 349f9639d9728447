"""One container as an async context manager. The only module that knows Docker.

A container is created with every limit, attached to, started, and used for one run. The attachment
is a raw stream in asyncio: frames go in, the engine's multiplexed output comes back (eight bytes of
header per piece; stdout carries frames, stderr the harness's own last words). The stream is never
half-closed: the engine would stop reading, too.

What cannot be left behind: with `OpenStdin`, `StdinOnce` and `AutoRemove`, a container whose owner
is killed loses its stream, its harness sees the end of it and exits, and the engine removes it. In
the ordinary case leaving the block removes it, cancelled or not. What dies between creation and
start is found by `Engine.remove_leftovers`.

The SDK's calls block, so they run in threads. It is first reached when an `Engine` is used, never
on import.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import struct
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import LogConfig, Ulimit
from docker.utils import kwargs_from_env

from sandbox import wire
from sandbox.contract import KIB, MIB, SandboxError, SandboxUnavailableError

T = TypeVar("T")

DEFAULT_URL = "unix:///var/run/docker.sock"
LABEL = "viva.sandbox"
OWNER_LABEL = "viva.owner"
ROOM_BYTES = 64 * MIB
"""What a container may use beyond a program's own limit: the harness, page tables, what stands in
/tmp, and the telling of a traceback once the memory is gone."""
NO_SYSV_IPC = {"kernel.shmmni": "0", "kernel.msgmni": "0", "kernel.sem": "250 32000 32 0"}
"""No System V segments, queues or semaphores: what is left in one would reach the next test."""

TMP_OPTIONS = "size=16m,nr_inodes=2000,mode=1777,noexec,nosuid,nodev"
SHARED_MEMORY_BYTES = MIB
"""Enough for the locks of `multiprocessing`."""
PIDS = 64
OPEN_FILES = 128
FILE_BYTES = 16 * MIB
USER_IDS = range(1_000_000, 2_000_000)
"""The kernel counts processes, pipes, keys and watches per user id, so each container has its own;
drawn at random, two of a handful at a time practically never meet."""
BOOT_TIMEOUT_S = 15.0
CALL_TIMEOUT_S = 10
PING_TIMEOUT_S = 2
FORGOTTEN_AFTER_S = 600
"""A container created but not started for so long has no owner any more, whoever it was."""
LAST_WORDS_BYTES = 4 * KIB
RETRY_S = 0.01
THREADS = 8
READ_AHEAD_BYTES = 256 * KIB
"""Enough for a test's whole output: a slow consumer does not hold the harness up."""

_log = logging.getLogger(__name__)
_CHUNK = struct.Struct(">BxxxI")
_STDOUT, _STDERR = 1, 2
_FROM_HARNESS = frozenset({wire.READY, wire.STDOUT, wire.STDERR, wire.OUTCOME, wire.CLEAN})


class ContainerDiedError(SandboxError):
    """A container ended, or sent what no harness sends; nothing more is to be had from it."""


class Demultiplexer:
    """The engine's attach stream, cut into the harness's frames. Pure: bytes in, frames out."""

    def __init__(self) -> None:
        self._decoder = wire.Decoder(_FROM_HARNESS, wire.MAX_TO_HOST)
        self._header = bytearray()
        self._stream = 0
        self._left = 0
        self.last_words = bytearray()
        """What the harness wrote to its stderr: a traceback, if it died of a fault of its own."""

    def feed(self, data: bytes) -> Iterator[wire.Frame]:
        """The frames completed by `data`. Raises `wire.WireError` at the first wrong byte."""
        while data:
            if self._left == 0:
                data = self._take_header(data)
                continue
            piece, data = data[: self._left], data[self._left :]
            self._left -= len(piece)
            if self._stream == _STDOUT:
                yield from self._decoder.feed(piece)
            else:
                self.last_words += piece[: LAST_WORDS_BYTES - len(self.last_words)]

    def _take_header(self, data: bytes) -> bytes:
        missing = _CHUNK.size - len(self._header)
        self._header += data[:missing]
        if len(self._header) == _CHUNK.size:
            self._stream, self._left = _CHUNK.unpack(self._header)
            self._header.clear()
            if self._stream not in (_STDOUT, _STDERR):
                raise wire.WireError(f"a piece of stream {self._stream} from the engine")
        return data[missing:]


class Container:
    """A started container whose harness is ready. Made by `Engine.container`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._demultiplexer = Demultiplexer()
        self._frames: deque[wire.Frame] = deque()

    async def send(self, kind: int, body: bytes = b"") -> None:
        """Send one frame. Raises `ContainerDiedError` where nothing takes it."""
        if len(body) > wire.MAX_TO_HARNESS:
            raise SandboxError(
                f"A test's input of {len(body)} bytes is more than a container takes."
            )
        try:
            self._writer.write(wire.encode(kind, body))
            await self._writer.drain()
        except OSError as error:
            raise ContainerDiedError(self._obituary("its stream broke")) from error

    async def receive(self) -> wire.Frame:
        """The next frame. Raises `ContainerDiedError` at the end, or at anything but a frame."""
        while not self._frames:
            try:
                data = await self._reader.read(64 * KIB)
                self._frames.extend(self._demultiplexer.feed(data))
            except OSError as error:
                raise ContainerDiedError(self._obituary("its stream broke")) from error
            except wire.WireError as error:
                raise ContainerDiedError(self._obituary(f"it sent {error}")) from error
            if not data:
                raise ContainerDiedError(self._obituary("it ended"))
        return self._frames.popleft()

    def _obituary(self, cause: str) -> str:
        words = self._demultiplexer.last_words.decode("utf-8", "replace").strip()
        return f"The container died: {cause}." + (f" Its last words:\n{words}" if words else "")


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Which containers to make, and where."""

    image: str = "viva-sandbox:latest"
    runtime: str | None = None
    """An OCI runtime other than the engine's own, e.g. `runsc` for gVisor."""
    cpus: float = 1.0


class Engine:
    """The Docker engine of this machine, as named by DOCKER_HOST or the default socket.

    An async context manager: leave its block when all its containers are gone.
    """

    def __init__(self, settings: EngineSettings | None = None) -> None:
        self.settings = settings or EngineSettings()
        self._clients: dict[int, docker.APIClient] = {}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="docker")
        self._in_use: set[str] = set()
        self._owner = _owner()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close the connections to the engine, once no call uses them any more."""
        await asyncio.to_thread(self._threads.shutdown)
        for client in self._clients.values():
            client.close()

    async def why_unavailable(self) -> str | None:
        """None where the engine answers and has the image; otherwise what is wrong and its cure."""
        try:
            await self._call(self._look, timeout_s=PING_TIMEOUT_S)
        except SandboxError as error:
            return str(error)
        return None

    @asynccontextmanager
    async def container(self, memory_bytes: int) -> AsyncIterator[Container]:
        """A new container for programs of up to `memory_bytes`, removed when the block is left.

        Raises `SandboxUnavailableError` without an engine or image, `SandboxError` where the
        container does not come up.
        """
        name = f"viva-{secrets.token_hex(8)}"
        self._in_use.add(name)
        try:
            async with self._attached(name, memory_bytes) as (reader, writer):
                await self._call(self._start, name)
                yield await _booted(reader, writer)
        finally:
            await _to_the_end(self._remove(name))

    async def remove_leftovers(self) -> int:
        """Remove the containers that nobody has a use for any more; how many there were.

        They are those of processes that are gone, and those of this one whose removal failed
        because the engine was away.
        """
        return await self._call(self._sweep)

    @asynccontextmanager
    async def _attached(
        self, name: str, memory_bytes: int
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """The attach stream of a new container that is not started yet."""
        creation = self._call(self._create, name, memory_bytes)
        stream = await _to_the_end(creation, discard=socket.socket.close)
        try:
            reader, writer = await asyncio.open_connection(sock=stream, limit=READ_AHEAD_BYTES)
        except BaseException:
            stream.close()
            raise
        try:
            yield reader, writer
        finally:
            writer.transport.abort()  # nothing unsent matters to a container about to be removed

    async def _remove(self, name: str) -> None:
        """Kill and remove, again and again until the engine knows no such container."""
        try:
            await self._call(self._remove_now, name)
        except SandboxError as error:
            _log.warning("container %s is left to the next sweep: %s", name, error)
        finally:
            self._in_use.discard(name)

    async def _call(
        self, function: Callable[..., T], *args: Any, timeout_s: int = CALL_TIMEOUT_S
    ) -> T:
        """`function(client, *args)` in a thread, Docker's errors turned into the sandbox's."""

        def translated() -> T:
            with _errors(self.settings.image):
                return function(self._client(timeout_s), *args)

        return await asyncio.get_running_loop().run_in_executor(self._threads, translated)

    # What follows runs in threads.

    def _client(self, timeout_s: int) -> docker.APIClient:
        environment = kwargs_from_env()
        _knock(environment.get("base_url") or DEFAULT_URL)
        if timeout_s not in self._clients:
            client = docker.APIClient(version="auto", timeout=timeout_s, **environment)
            self._clients[timeout_s] = client
        return self._clients[timeout_s]

    def _look(self, client: docker.APIClient) -> None:
        client.inspect_image(self.settings.image)  # type: ignore[no-untyped-call]

    def _create(self, client: docker.APIClient, name: str, memory_bytes: int) -> socket.socket:
        """Create the container and attach to it; the attachment's socket."""
        client.create_container(
            self.settings.image,
            name=name,
            hostname="sandbox",
            user=str(USER_IDS[secrets.randbelow(len(USER_IDS))]),
            stdin_open=True,  # attached, not detached: the SDK adds StdinOnce to it
            network_disabled=True,
            labels={LABEL: "1", OWNER_LABEL: self._owner},
            host_config=client.create_host_config(**self._limits(memory_bytes)),
        )
        wanted = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        attached = client.attach_socket(name, params=wanted)
        stream: socket.socket = attached._sock.dup()
        attached._response.close()
        attached.close()
        return stream

    def _limits(self, memory_bytes: int) -> dict[str, Any]:
        memory = memory_bytes + ROOM_BYTES
        options: dict[str, Any] = {
            "auto_remove": True,
            "read_only": True,
            "tmpfs": {"/tmp": TMP_OPTIONS},  # noqa: S108  # the container's, not this machine's
            "shm_size": SHARED_MEMORY_BYTES,
            "ipc_mode": "private",
            "sysctls": NO_SYSV_IPC,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "mem_limit": memory,
            "memswap_limit": memory,
            "pids_limit": PIDS,
            "nano_cpus": int(self.settings.cpus * 1e9),
            "ulimits": [
                Ulimit(name="nofile", soft=OPEN_FILES, hard=OPEN_FILES),
                Ulimit(name="fsize", soft=FILE_BYTES, hard=FILE_BYTES),
                Ulimit(name="core", soft=0, hard=0),
            ],
            "log_config": LogConfig(type="none"),
        }
        if self.settings.runtime:
            options["runtime"] = self.settings.runtime
        return options

    def _start(self, client: docker.APIClient, name: str) -> None:
        client.start(name)

    def _remove_now(self, client: docker.APIClient, name: str) -> None:
        while not self._is_removed(client, name):
            time.sleep(RETRY_S)

    def _is_removed(self, client: docker.APIClient, name: str) -> bool:
        try:
            client.remove_container(name, force=True, v=True)
        except NotFound:
            return True
        except APIError as error:
            # Removal races with the container's own end: "already in progress", "is dead".
            if error.status_code not in (409, 500):
                raise
        return False

    def _sweep(self, client: docker.APIClient) -> int:
        found = client.containers(all=True, filters={"label": LABEL})
        unwanted = [one for one in found if self._is_unwanted(one)]
        for one in unwanted:
            self._remove_now(client, one["Id"])
        return len(unwanted)

    def _is_unwanted(self, listed: dict[str, Any]) -> bool:
        owner = str(listed["Labels"].get(OWNER_LABEL, ""))
        if owner == self._owner:
            return not self._in_use.intersection(name.lstrip("/") for name in listed["Names"])
        machine, _, process = owner.partition(" ")
        if machine == _machine():
            pid, started_at, _ = process.split(" ")
            return _started_at(int(pid)) != started_at
        # Another machine's, or from before a reboot. A running one ends with its owner's stream.
        age_s = time.time() - float(listed["Created"])
        return bool(listed["State"] != "running" and age_s > FORGOTTEN_AFTER_S)


async def _booted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Container:
    container = Container(reader, writer)
    try:
        async with asyncio.timeout(BOOT_TIMEOUT_S):
            frame = await container.receive()
    except TimeoutError:
        raise SandboxError(f"A container was not ready within {BOOT_TIMEOUT_S:.0f} s.") from None
    if frame.kind != wire.READY:
        raise ContainerDiedError("The container's first frame was not that it is ready.")
    return container


async def _to_the_end(
    work: Coroutine[Any, Any, T], discard: Callable[[T], object] | None = None
) -> T:
    """Await `work` to its end even when cancelled meanwhile; the cancellation is raised then.

    Its result, which nobody gets in that case, is handed to `discard`.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    if task.exception() is None and discard is not None:
        discard(task.result())
    raise cancelled


def _knock(url: str) -> None:
    """Raise OSError where nobody listens: the SDK would leave each such socket of its unclosed."""
    scheme, _, path = url.partition("://")
    if scheme in ("unix", "http+unix"):
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(PING_TIMEOUT_S)
            door.connect("/" + path.lstrip("/"))


@contextmanager
def _errors(image: str) -> Iterator[None]:
    """Docker's errors as the sandbox's: what happened, and what to do about it."""
    try:
        yield
    except ImageNotFound as error:
        raise SandboxUnavailableError(
            f"The sandbox image {image} is not there; build it with: bash sandbox/image/build.sh"
        ) from error
    except APIError as error:
        raise SandboxError(f"The Docker engine refused: {error.explanation or error}") from error
    except (DockerException, OSError) as error:
        raise SandboxUnavailableError(
            "The Docker engine does not answer; start it (systemctl start docker, or bash "
            f"sandbox/image/engine.sh). It was looked for at "
            f"{os.environ.get('DOCKER_HOST', DEFAULT_URL)}: {error}"
        ) from error


def _owner() -> str:
    """Who makes containers here: machine, process, the process's start, and an engine of it."""
    pid = os.getpid()
    return f"{_machine()} {pid} {_started_at(pid)} {secrets.token_hex(4)}"


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"


def _started_at(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]
