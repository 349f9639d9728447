"""Containers made and removed, and what nobody has a use for any more swept away.

A container is created with every limit, attached to, started, and ready once its harness says so.
Whatever happens on that way, or to this process, none stays: see `container` for those that run,
and `Engine.remove_leftovers` for one that died between its creation and its start.

The only module that knows Docker. The SDK's calls block, so they run in threads; what a run waits
for, its stream, is asyncio's own. The engine is first reached when an `Engine` is used, never on
import.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.utils import kwargs_from_env

from sandbox import wire
from sandbox.container import Container, ContainerDiedError, EngineSettings, creation
from sandbox.contract import (
    KIB,
    ImageMissingError,
    ImageName,
    SandboxError,
    SandboxUnavailableError,
)
from sandbox.facts import ContainerFacts, EngineFacts, ImageFacts

T = TypeVar("T")

DEFAULT_URL = "unix:///var/run/docker.sock"
LABEL = "viva.sandbox"
OWNER_LABEL = "viva.owner"
OWNER_PARTS = 3
"""Of the owner's label, after the machine: process, its start, an engine of it."""
CALL_TIMEOUT_S = 10
LOOK_TIMEOUT_S = 2
FORGOTTEN_AFTER_S = 600
"""A container created but not started for so long has no owner any more, whoever it was."""
TOLD_WITHIN_S = 3
"""How long the engine may take to say how a container ended whose stream ended already."""
END_GRACE_S = 2
"""How long a container whose stream is cut may take to go by itself."""
RETRY_S = 0.02
THREADS = 8
READ_AHEAD_BYTES = 256 * KIB
"""Enough for a test's whole output: a slow consumer does not hold the harness up."""

_log = logging.getLogger(__name__)
_REMOVAL_RACES = (409, 500)  # "already in progress", "is dead": it races with the container's end
_ATTACHED = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}


class Engine:
    """The Docker engine of this machine, as named by DOCKER_HOST or the default socket.

    An async context manager: leave its block when all its containers are gone. Its methods raise
    `SandboxUnavailableError` without an engine or image, and `SandboxError` where the engine
    refuses.
    """

    def __init__(self, settings: EngineSettings | None = None) -> None:
        self.settings = settings or EngineSettings()
        self._clients: dict[int, docker.APIClient] = {}
        self._connecting = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="docker")
        # Apart, so that an engine that hangs is noticed while all the others wait for it.
        self._lookout = ThreadPoolExecutor(2, thread_name_prefix="docker-look")
        self._in_use: set[str] = set()
        self._owner = _owner()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close the connections to the engine, once no call uses them any more."""
        for threads in (self._threads, self._lookout):
            await asyncio.to_thread(threads.shutdown)
        for client in self._clients.values():
            client.close()

    async def why_unavailable(self) -> str | None:
        """None where the engine answers and has the image; otherwise what is wrong and its cure.

        The answer comes within `LOOK_TIMEOUT_S`.
        """
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                await self._in_thread(self._lookout, self._look, timeout_s=LOOK_TIMEOUT_S)
        except SandboxError as error:
            return str(error)
        except TimeoutError:
            return f"The Docker engine has not answered for {LOOK_TIMEOUT_S} s; restart it."
        return None

    async def make(self, memory_bytes: int, image: ImageName = "") -> Container:
        """A new container for programs of up to `memory_bytes`, its harness ready.

        It is the caller's to `remove`. Raises `ImageMissingError` where the image is not there,
        `SandboxError` where the container does not come up in time.
        """
        name = f"viva-{secrets.token_hex(8)}"
        self._in_use.add(name)
        container: Container | None = None
        try:
            creating = self._call(self._create, name, memory_bytes, image)
            stream = await _to_the_end(creating, discard=socket.socket.close)
            container = Container(name, memory_bytes, *await _streams(stream))
            await self._call(_start, name)
            await _ready(container, self.settings.boot_timeout_s)
        except BaseException:
            if container is not None:
                container.hang_up()
            await _to_the_end(self._remove(name))
            raise
        return container

    async def remove(self, container: Container) -> None:
        """End a container and see it gone; what the engine will not remove, a later sweep does."""
        container.hang_up()
        await _to_the_end(self._remove(container.name, END_GRACE_S))

    async def ran_out_of_memory(self, container: Container, since: float) -> bool:
        """Whether the kernel killed a container's harness, at the earliest at the time `since`.

        Programs can fill a container's memory with what is no process's own (files in memory, what
        waits in sockets), and can make themselves as dear to the kernel as the harness is.
        """
        try:
            async with asyncio.timeout(TOLD_WITHIN_S + LOOK_TIMEOUT_S):
                return await self._call(_was_killed, container.name, since)
        except TimeoutError:
            return False

    @asynccontextmanager
    async def container(self, memory_bytes: int) -> AsyncIterator[Container]:
        """A container for as long as the block lasts."""
        container = await self.make(memory_bytes)
        try:
            yield container
        finally:
            await self.remove(container)

    async def remove_leftovers(self) -> int:
        """Remove the containers that nobody has a use for any more; how many there were.

        They are those of processes that are gone, and those of this one whose removal failed
        because the engine was away.
        """
        return await self._call(self._sweep)

    async def facts(self) -> EngineFacts:
        """What the engine says of itself."""
        return await self._call(lambda client: EngineFacts.read(client.version(), client.info()))

    async def image(self, name: ImageName = "") -> ImageFacts:
        """What it says of an image; raises `ImageMissingError` where there is none."""
        return await self._call(lambda client: ImageFacts.read(self._look(client, name)))

    async def inspect(self, container: Container) -> ContainerFacts:
        """What it says of a container."""
        return await self._call(
            lambda client: ContainerFacts.read(client.inspect_container(container.name))
        )

    async def _remove(self, name: str, grace_s: int = 0) -> None:
        try:
            if not grace_s or not await self._call(_is_gone_within, grace_s, name):
                await self._call(_remove_now, name)
        except SandboxError as error:
            _log.warning("container %s is left to the next sweep: %s", name, error)
        finally:
            self._in_use.discard(name)

    async def _call(self, function: Callable[..., T], *args: Any) -> T:
        return await self._in_thread(self._threads, function, *args, timeout_s=CALL_TIMEOUT_S)

    async def _in_thread(
        self, threads: ThreadPoolExecutor, function: Callable[..., T], *args: Any, timeout_s: int
    ) -> T:
        """`function(client, *args)` in a thread, Docker's errors turned into the sandbox's."""

        def translated() -> T:
            with _errors():
                return function(self._client(timeout_s), *args)

        return await asyncio.get_running_loop().run_in_executor(threads, translated)

    # What follows runs in threads.

    def _client(self, timeout_s: int) -> docker.APIClient:
        environment = kwargs_from_env()
        _knock(environment.get("base_url") or DEFAULT_URL)
        with self._connecting:
            if timeout_s not in self._clients:
                client = docker.APIClient(version="auto", timeout=timeout_s, **environment)
                self._clients[timeout_s] = client
            return self._clients[timeout_s]

    def _look(self, client: docker.APIClient, name: ImageName = "") -> dict[str, Any]:
        with _wanting(self.settings, name):
            image: dict[str, Any] = client.inspect_image(self.settings.tag(name))  # type: ignore[no-untyped-call]
        return image

    def _create(
        self, client: docker.APIClient, name: str, memory_bytes: int, image: ImageName
    ) -> socket.socket:
        """Create the container and attach to it; the attachment's socket."""
        labels = {LABEL: "1", OWNER_LABEL: self._owner}
        wanted = creation(self.settings, labels, memory_bytes, image)
        with _wanting(self.settings, image):
            client.create_container_from_config(wanted, name)  # type: ignore[no-untyped-call]
        attached = client.attach_socket(name, params=_ATTACHED)
        stream: socket.socket = attached._sock.dup()
        attached._response.close()
        attached.close()
        return stream

    def _sweep(self, client: docker.APIClient) -> int:
        found = client.containers(all=True, filters={"label": LABEL})
        unwanted = [one for one in found if self._is_unwanted(one)]
        for one in unwanted:
            _remove_now(client, one["Id"])
        return len(unwanted)

    def _is_unwanted(self, listed: dict[str, Any]) -> bool:
        owner = str(listed["Labels"].get(OWNER_LABEL, ""))
        if owner == self._owner:
            return not self._in_use.intersection(name.lstrip("/") for name in listed["Names"])
        machine, *process = owner.split(" ")
        if machine == _machine() and len(process) == OWNER_PARTS and process[0].isdigit():
            pid, started_at, _ = process
            return _started_at(int(pid)) != started_at
        # Another machine's, or from before a reboot. A running one ends with its owner's stream.
        age_s = time.time() - float(listed["Created"])
        return bool(listed["State"] != "running" and age_s > FORGOTTEN_AFTER_S)


def _start(client: docker.APIClient, name: str) -> None:
    client.start(name)


def _was_killed(client: docker.APIClient, name: str, since: float) -> bool:
    """Whether a SIGKILL that was not the engine's ended a container; none comes from inside."""
    told = client.events(
        since=int(since),
        until=int(time.time()) + TOLD_WITHIN_S,
        filters={"container": name, "event": ["die", "kill"]},
        decode=True,
    )
    with closing(told):
        for event in told:
            if event["timeNano"] >= since * 1e9:
                status = event["Actor"]["Attributes"].get("exitCode")
                return bool(event["Action"] == "die" and status == str(128 + signal.SIGKILL))
    return False


def _is_gone_within(client: docker.APIClient, seconds: int, name: str) -> bool:
    """Wait until the engine has removed a container that ends by itself."""
    try:
        client.wait(name, timeout=seconds, condition="removed")
    except NotFound:
        return True
    except OSError:  # as which the SDK lets its transport's time-outs through
        return False
    return True


def _remove_now(client: docker.APIClient, name: str) -> None:
    """Kill and remove, again and again until the engine knows no such container."""
    until = time.monotonic() + CALL_TIMEOUT_S
    while time.monotonic() < until:
        if _is_removed(client, name):
            return
        time.sleep(RETRY_S)
    raise SandboxError(f"The Docker engine did not remove {name}.")


def _is_removed(client: docker.APIClient, name: str) -> bool:
    try:
        client.remove_container(name, force=True, v=True)
    except NotFound:
        return True
    except APIError as error:
        if error.status_code not in _REMOVAL_RACES:
            raise
    return False


async def _streams(stream: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_connection(sock=stream, limit=READ_AHEAD_BYTES)
    except BaseException:
        stream.close()
        raise


async def _ready(container: Container, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            frame = await container.receive()
    except TimeoutError:
        raise SandboxError(f"A container was not ready within {timeout_s:g} s.") from None
    if frame.kind != wire.READY:
        raise ContainerDiedError("The container's first frame was not that it is ready.")


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
            door.settimeout(LOOK_TIMEOUT_S)
            door.connect("/" + path.lstrip("/"))


@contextmanager
def _wanting(settings: EngineSettings, image: ImageName) -> Iterator[None]:
    """Say of an image that is missing how to build it."""
    try:
        yield
    except ImageNotFound as error:
        command = f"bash sandbox/image/build.sh {image}".rstrip()
        raise ImageMissingError(
            f"The sandbox image {settings.tag(image)} is not there; build it with: {command}"
        ) from error


@contextmanager
def _errors() -> Iterator[None]:
    """Docker's errors as the sandbox's: what happened, and what to do about it."""
    try:
        yield
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
