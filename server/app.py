"""The only place that builds the server's parts and joins them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from sandbox.contract import Sandbox
from server import __version__, api, home, pages
from server.access import Access
from server.archive import Archive
from server.clock import TimeMs, now_ms
from server.core.errors import VivaError
from server.host import open_host
from server.journal import open_journal
from server.library import Library
from server.parts import Parts
from server.sandboxes import open_sandbox
from server.settings import ROOT, Settings
from server.store import open_store
from server.strings import Strings
from server.web import SecurityHeaders, Web
from server.workshop import Workshop

log = structlog.get_logger()

MAX_BODY_BYTES = 64 * 1024
"""What a request may bring; counted as it comes, before anybody looks at it."""


@asynccontextmanager
async def open_parts(
    settings: Settings, given_sandbox: Sandbox | None = None, now: TimeMs = now_ms
) -> AsyncIterator[Parts]:
    """Everything a server needs, for as long as the block lasts.

    Programs run in `given_sandbox`, or where the settings say; `now` is the machine's clock.
    Raises a `VivaError` with one clear line where a part cannot be had.
    """
    strings = Strings.load(ROOT / "web" / "locale")
    web = Web.load(ROOT / "web", strings)
    library = Library(settings.problems)
    async with (
        open_store(settings.database) as store,
        open_journal(store) as journal,
        nullcontext(given_sandbox) if given_sandbox else open_sandbox(settings) as sandbox,
    ):
        access, archive = Access(store, settings.admin_token, now), Archive(store)
        workshop = Workshop(library, archive, sandbox)
        await workshop.recall()
        async with open_host(journal, access, archive, sandbox, now=now) as host:
            background = [
                asyncio.create_task(_watch(library, workshop)),
                asyncio.create_task(workshop.work()),
            ]
            try:
                yield Parts(settings, access, library, host, web)
            finally:
                for task in background:
                    task.cancel()
                await asyncio.gather(*background, return_exceptions=True)


async def _watch(library: Library, workshop: Workshop) -> None:
    """Take in the problem files as their authors save them."""
    async for _ in library.watch():
        workshop.look_again()
        log.info("problems read again", found=len(library.problems), errors=len(library.errors))


def build_app(parts: Parts) -> ASGIApp:
    """The web application over `parts`."""
    app = FastAPI(
        title="Viva",
        version=__version__,
        openapi_url=None,
        strict_content_type=False,
        max_body_size=MAX_BODY_BYTES,
    )
    app.state.parts = parts
    for router in (api.public, api.admin, home.router, pages.router):
        app.include_router(router)
    for error in (VivaError, RequestValidationError, ValidationError, HTTPException, Exception):
        app.add_exception_handler(error, answer_error)
    # Outside of everything, so that the answers to our own faults have the headers too.
    return SecurityHeaders(app, parts.settings)


async def answer_error(request: Request, error: Exception) -> Response:
    """Every error is told once, here: as JSON under `/api`, as a page elsewhere."""
    if isinstance(error, home.NeedsSignInError) and request.method == "GET":
        return RedirectResponse("/sign-in", 303)
    wants_json = "application/json" in request.headers.get("accept", "")
    if request.url.path.startswith("/api") or wants_json:
        return api.problem_answer(error)
    return pages.error_page(request, error)
