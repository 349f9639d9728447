"""What the engine says of itself, of the image and of a container that it made. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """An engine, as `docker version` and `docker info` tell of it."""

    version: str
    api: str
    kernel: str
    memory_bytes: int
    """All that its machine has; 0 where it does not say."""
    processors: int
    storage: str
    cgroup: str
    """The version of the kernel's control groups: "1" or "2"."""
    is_rootless: bool
    remaps_users: bool
    """Its containers' users are other ones outside, without being rootless."""
    runtimes: tuple[str, ...]
    default_runtime: str
    runc: str
    """The version of runc; empty where the engine does not say."""

    @classmethod
    def read(cls, version: dict[str, Any], info: dict[str, Any]) -> Self:
        """From the answers to `/version` and `/info`."""
        options = " ".join(info.get("SecurityOptions") or [])
        components = {one["Name"]: one["Version"] for one in version.get("Components") or []}
        return cls(
            version=str(version.get("Version", "")),
            api=str(version.get("ApiVersion", "")),
            kernel=str(info.get("KernelVersion", "")),
            memory_bytes=int(info.get("MemTotal") or 0),
            processors=int(info.get("NCPU") or 0),
            storage=str(info.get("Driver", "")),
            cgroup=str(info.get("CgroupVersion", "1")),
            is_rootless="name=rootless" in options,
            remaps_users="name=userns" in options,
            runtimes=tuple(sorted(info.get("Runtimes") or {})),
            default_runtime=str(info.get("DefaultRuntime", "")),
            runc=str(components.get("runc", "")),
        )


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """The image that programs run in."""

    tags: tuple[str, ...]
    built: str
    """When, as ISO 8601 has it."""

    @classmethod
    def read(cls, image: dict[str, Any]) -> Self:
        """From the answer to `/images/<name>/json`."""
        return cls(tuple(image.get("RepoTags") or ()), str(image.get("Created", ""))[:19])


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """What cannot be seen from inside a container."""

    log_driver: str
    runtime: str
    privileged: bool

    @classmethod
    def read(cls, container: dict[str, Any]) -> Self:
        """From the answer to `/containers/<name>/json`."""
        host = container["HostConfig"]
        return cls(
            log_driver=str(host["LogConfig"]["Type"]),
            runtime=str(host.get("Runtime", "")),
            privileged=bool(host.get("Privileged")),
        )
