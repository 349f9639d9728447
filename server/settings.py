"""Every setting, read once from the environment, by `app` alone."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.core.errors import VivaError

ROOT = Path(__file__).resolve().parent.parent
"""Where the product's own files stand: web pages, the shipped problems."""


class SettingsError(VivaError):
    """A setting that cannot be used; the message names it and says what would do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set. Each field says which variable sets it."""

    host: str = "127.0.0.1"
    """`VIVA_HOST`: the address to listen on."""
    port: int = 8000
    """`VIVA_PORT`: the port to listen on; 0 for a free one."""
    data: Path = Path("data")
    """`VIVA_DATA`: the folder of the database."""
    database_url: str = ""
    """`VIVA_DATABASE_URL`: an SQLAlchemy URL; by default SQLite in the data folder."""
    problems: Path = field(default=ROOT / "problems")
    """`VIVA_PROBLEMS`: the folder of the problem files."""
    public_url: str = ""
    """`VIVA_PUBLIC_URL`: how browsers reach this server, e.g. `https://viva.example.org`."""
    proxies: str = ""
    """`VIVA_PROXIES`: addresses or networks of your own proxies, separated by commas; from them
    alone `X-Forwarded-For` is believed."""
    admin_token: str = field(default="", repr=False)
    """`VIVA_ADMIN_TOKEN`: the admin token; by default one is made at the first start."""
    sandbox: bool = True
    """`VIVA_SANDBOX`: `off` switches running off."""
    sandbox_image: str = "viva-sandbox:latest"
    """`VIVA_SANDBOX_IMAGE`: the image that programs run in."""
    sandbox_runs: int | None = None
    """`VIVA_SANDBOX_RUNS`: how many containers may run at the same time; by default 4, or as many
    as the engine's machine has processors where its memory allows."""
    sandbox_warm: int | None = None
    """`VIVA_SANDBOX_WARM`: how many containers stand ready; by default as many as may run, and
    where that is not set up to 8, as far as a hundredth of the memory goes."""
    sandbox_runtime: str = ""
    """`VIVA_SANDBOX_RUNTIME`: the engine's runtime, e.g. `runsc`; by default the engine's own."""
    retention_days: int = 30
    """`VIVA_RETENTION_DAYS`: how long after its last entry an interview erases itself."""

    @property
    def url(self) -> str:
        """Where the links that this server prints lead."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def secure(self) -> bool:
        """Whether browsers reach this server by https, so that cookies are for https alone."""
        return self.public_url.startswith("https://")

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data / 'viva.db'}"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the `VIVA_*` variables; raises `SettingsError` for one that makes no sense."""
        text = {
            name.removeprefix("VIVA_").lower(): value
            for name, value in environment.items()
            if name.startswith("VIVA_") and value
        }
        default = cls()
        return cls(
            host=text.get("host", default.host),
            port=_number(text, "port", default.port, 65_535),
            data=Path(text.get("data", default.data)),
            database_url=text.get("database_url", ""),
            problems=Path(text.get("problems", default.problems)),
            public_url=text.get("public_url", ""),
            proxies=_networks(text.get("proxies", "")),
            admin_token=_token(text.get("admin_token", "")),
            sandbox=text.get("sandbox", "on").lower() not in {"off", "0", "no", "false"},
            sandbox_image=text.get("sandbox_image", default.sandbox_image),
            sandbox_runs=_containers(text, "sandbox_runs"),
            sandbox_warm=_containers(text, "sandbox_warm"),
            sandbox_runtime=text.get("sandbox_runtime", ""),
            retention_days=_number(text, "retention_days", default.retention_days, 36_500, least=1),
        )


def _number(text: Mapping[str, str], name: str, default: int, most: int, least: int = 0) -> int:
    value = text.get(name, str(default))
    if not value.isdecimal() or not least <= int(value) <= most:
        raise SettingsError(
            f"VIVA_{name.upper()} is {value!r}; it should be a whole number from {least} to {most}."
        )
    return int(value)


def _containers(text: Mapping[str, str], name: str) -> int | None:
    return _number(text, name, 0, 1_000, least=1) if name in text else None


def _networks(value: str) -> str:
    for network in filter(None, value.split(",")):
        try:
            ipaddress.ip_network(network.strip())
        except ValueError as error:
            raise SettingsError(
                f"VIVA_PROXIES holds {network.strip()!r}; it should be addresses or networks, "
                "separated by commas, like 10.0.0.2,192.168.7.0/24."
            ) from error
    return value


def _token(value: str) -> str:
    if value and len(value) < 20:
        raise SettingsError("VIVA_ADMIN_TOKEN is too short to be safe; use 20 characters or more.")
    return value
