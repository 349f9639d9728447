"""The parts of a running server, as `app` joined them and as `api` and `pages` use them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from server.access import Access
from server.host import Host
from server.library import Library
from server.settings import Settings
from server.web import Web


class Once:
    """What somebody is shown once, on the page that they are sent to after a form."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Any]] = {}

    def put(self, session: str, values: dict[str, Any]) -> None:
        """Keep `values` for the next page of this sign-in."""
        self._kept[session] = values

    def take(self, session: str) -> dict[str, Any]:
        """What was kept, if anything; the next time there is nothing."""
        return self._kept.pop(session, {})


@dataclass(frozen=True, slots=True)
class Parts:
    """One of each."""

    settings: Settings
    access: Access
    library: Library
    host: Host
    web: Web
    once: Once = field(default_factory=Once)
