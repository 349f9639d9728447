"""What every answer to a browser shares: templates, built files, cookies and headers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.core.errors import VivaError
from server.settings import Settings
from server.strings import Strings, preferred_language

DAY_S = 24 * 3600


class NotBuiltError(VivaError):
    """The browser bundle is missing; the message says how to build it."""


@dataclass(frozen=True, slots=True)
class Web:
    """Templates, and where the built files are to be found."""

    templates: Environment
    manifest: Mapping[str, str]
    built: Path
    strings: Strings

    @classmethod
    def load(cls, folder: Path, strings: Strings) -> Web:
        """Read templates and manifest below `folder`. Raises `NotBuiltError`."""
        built = folder / "dist"
        try:
            manifest = json.loads((built / "manifest.json").read_text())
        except FileNotFoundError as error:
            raise NotBuiltError(
                f"The browser bundle is missing from {built}; build it with: make build"
            ) from error
        templates = Environment(
            loader=FileSystemLoader(folder / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        return cls(templates, manifest, built, strings)

    def page(
        self, request: Request, template: str, language: str, status: int = 200, **values: Any
    ) -> Response:
        """A page rendered from `template`, in `language`."""

        def translated(text: str, **names: object) -> str:
            return self.strings.translate(language, text, names)

        html = self.templates.get_template(template).render(
            _=translated,
            asset=lambda name: f"/static/{self.manifest[name]}",
            language=language,
            nonce=request.scope["csp_nonce"],
            status=status,
            **values,
        )
        return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})


def language_of(request: Request) -> str:
    """The language to answer somebody in who is in no room."""
    return preferred_language(request.headers.get("accept-language", ""))


# Cookies.


def cookie_name(settings: Settings, name: str) -> str:
    """On https the browser itself holds the cookie to this host."""
    return f"__Host-{name}" if settings.secure else name


def set_cookie(response: Response, settings: Settings, name: str, value: str) -> None:
    """A cookie that scripts cannot read and other sites cannot make the browser send."""
    response.set_cookie(
        cookie_name(settings, name),
        value,
        max_age=30 * DAY_S,
        path="/",
        secure=settings.secure,
        httponly=True,
        samesite="lax",
    )


def room_cookie(room: str) -> str:
    """Each room has a cookie of its own, so that one browser may be in several."""
    return f"viva-{room}"


ADMIN_COOKIE = "viva-admin"


# Where a request comes from.


def is_own_origin(headers: Headers, settings: Settings) -> bool:
    """Whether a browser's request was made by one of our own pages; True for other programs."""
    origin = headers.get("origin")
    if origin is None:
        return True
    came_from = urlsplit(origin)
    if settings.public_url:
        own = urlsplit(settings.public_url)
        return (came_from.scheme, came_from.netloc) == (own.scheme, own.netloc)
    return came_from.netloc != "" and came_from.netloc == headers.get("host", "")


def is_cross_site(headers: Headers, settings: Settings) -> bool:
    """Whether another site made this browser send the request."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    return not is_own_origin(headers, settings)


class SecurityHeaders:
    """ASGI middleware: a content policy with a fresh nonce, and no referrers, on every answer."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add the headers on the way back."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        scope["csp_nonce"] = nonce

        async def send_with_headers(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                MutableHeaders(scope=message).update(_headers(nonce, self._settings.secure))
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _headers(nonce: str, secure: bool) -> dict[str, str]:
    policy = "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            # CodeMirror writes its rules into a style element that carries this nonce.
            f"style-src 'self' 'nonce-{nonce}'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }
    return {**headers, "Strict-Transport-Security": "max-age=31536000"} if secure else headers
