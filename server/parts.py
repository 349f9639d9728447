"""The parts of a running server, as `app` joined them and as `api` and `pages` use them."""

from __future__ import annotations

from dataclasses import dataclass

from server.access import Access
from server.host import Host
from server.library import Library
from server.settings import Settings
from server.web import Web


@dataclass(frozen=True, slots=True)
class Parts:
    """One of each."""

    settings: Settings
    access: Access
    library: Library
    host: Host
    web: Web
