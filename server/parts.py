"""The parts of a running server, as `app` joined them and as `api` and `pages` use them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from server.access import Access
from server.guesses import Guesses
from server.host import Host
from server.library import Library
from server.settings import Settings
from server.web import Web

PATIENCE_S = 8.0
"""How long a request may take to arrive, and then an opened WebSocket to say hello."""


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
    guesses: Guesses = field(default_factory=Guesses)
    patience_s: float = PATIENCE_S
