"""`viva serve`: bind, say where everything is, serve until told to stop."""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import uvicorn
from rich.console import Console

from server import __version__
from server.api import InterviewRequest, create_interview, new_links
from server.app import build_app, open_parts
from server.clock import TimeMs, now_ms
from server.core.errors import VivaError
from server.core.messages import MAX_FRAME_BYTES
from server.parts import Parts
from server.prompt import prompt_http
from server.settings import Settings
from server.wire import PING_S, PING_TIMEOUT_S, Wire

DEMO_TITLE = "Demo interview"
GRACE_S = 3
"""How long requests under way may take once the server was told to stop."""


class PortInUseError(VivaError):
    """The address cannot be listened on; the message says what to do."""


class Server(uvicorn.Server):
    """uvicorn, with the signals left to us: what was opened is closed in order after it."""

    def __init__(self, config: uvicorn.Config, drain: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._drain = drain

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody new in, drain, then end what is left."""
        for server in self.servers:
            server.close()
        await self._drain()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop serving, once, at SIGINT or SIGTERM."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
        for number in signals:
            loop.remove_signal_handler(number)


async def serve(settings: Settings, out: Console, demo: bool = False, now: TimeMs = now_ms) -> None:
    """Serve until SIGINT or SIGTERM; `now` is the machine's clock.

    Raises a `VivaError` where it cannot begin.
    """
    listener = listen(settings)
    allow_many_connections()
    bound = replace(settings, port=listener.getsockname()[1])
    with listener:
        async with open_parts(bound, now=now) as parts:
            server = build_server(parts)
            await announce(parts, out, demo)
            eraser = asyncio.create_task(parts.host.erase_expired_forever(bound.retention_days))
            try:
                await server.serve(sockets=[listener])
            finally:
                eraser.cancel()
                await asyncio.gather(eraser, return_exceptions=True)


def listen(settings: Settings) -> socket.socket:
    """A socket that listens where the settings say. Raises `PortInUseError`."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise PortInUseError(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            f"Stop what uses it, or choose another port: viva serve --port {settings.port + 1}"
        ) from error
    return listener


def allow_many_connections() -> None:
    """Each connection is an open file, and the usual limit of 1,024 is there to be raised."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def build_server(parts: Parts) -> Server:
    """uvicorn over the application. No access log: paths hold tokens."""
    config = uvicorn.Config(
        build_app(parts),
        access_log=False,
        http=prompt_http(parts.patience_s),
        lifespan="off",
        log_config=None,  # its faults go where all do, without the words of exceptions
        log_level="warning",
        proxy_headers=bool(parts.settings.proxies),
        forwarded_allow_ips=parts.settings.proxies,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        ws=Wire,
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_TIMEOUT_S,
    )
    return Server(config, parts.host.drain)


async def announce(parts: Parts, out: Console, demo: bool) -> None:
    """Print where the server is and the links that lead into it."""
    out.print(f"[bold]Viva {__version__}[/] serves on {parts.settings.url}")
    _announce_state(parts, out)
    if parts.settings.admin_token:
        out.print(f"  sign in    {parts.settings.url}/sign-in with VIVA_ADMIN_TOKEN")
    elif demo or not await parts.access.has_admin():
        token = await parts.access.new_admin_token(end_sign_ins=False)
        out.print(f"  sign in    {parts.settings.url}/sign-in/{token}")
    else:
        out.print("  sign in    with the link printed at the first start; a new one: viva sign-in")
    if demo:
        out.print(f"\n[bold]{DEMO_TITLE}[/] (open the second link in a private window)")
        for role, link in (await demo_links(parts)).items():
            out.print(f"  {role:<10} {link}")
    out.print("\nCtrl-C stops it.")


def _announce_state(parts: Parts, out: Console) -> None:
    library = parts.library
    out.print(f"  problems   {len(library.problems)} read, {len(library.errors)} errors")
    for error in (*library.errors, *library.not_ready):
        out.print(str(error), markup=False)
    ready = parts.host.sandbox_status == "ready"
    why = "" if ready else f": {parts.host.why_no_sandbox}"
    out.print(f"  running    {'ready' if ready else 'switched off'}{why}", markup=False)


async def demo_links(parts: Parts) -> dict[str, str]:
    """Fresh links to the demo interview, which is made where there is none under way."""
    for interview in await parts.host.interviews(0, 100):
        if interview.created.title == DEMO_TITLE and interview.ended_at is None:
            return await new_links(parts, interview.id)
    slugs = [slug for slug, p in parts.library.problems.items() if p.status == "ready"]
    first = [slug for slug in slugs if slug == "grade-sheet"]
    rest = [slug for slug in slugs if slug != "grade-sheet"]
    request = InterviewRequest(title=DEMO_TITLE, candidate="", problems=first + rest)
    return (await create_interview(parts, request))[1]
