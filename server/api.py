"""The JSON side of the contract: `/api`, `/healthz`, `/metrics`. No decisions are made here."""

from __future__ import annotations

import http
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from server import __version__
from server.access import link_paths
from server.core.decide import Create, EndByAdmin
from server.core.errors import RefusedError, VivaError
from server.core.problem import Problem
from server.core.report import report
from server.guesses import TooManyGuessesError, address_of
from server.host import Host, Interview, UnknownFormatError, UnknownRoomError
from server.library import Library
from server.parts import Parts
from server.store import StoreUnavailableError

T = TypeVar("T")

PAGE_SIZE = 50
PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]


class ApiError(VivaError):
    """An answer other than 2xx; becomes `application/problem+json`."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class UnknownProblemError(VivaError):
    """A slug that names no problem; the message names it and those that there are."""


def parts_of(request: Request) -> Parts:
    """The running server's parts."""
    parts: Parts = request.app.state.parts
    return parts


UseParts = Annotated[Parts, Depends(parts_of)]


async def look_up(
    connection: HTTPConnection,
    parts: Parts,
    token: str | None,
    found: Callable[[str], Awaitable[T | None]],
    *,
    chosen: bool = False,
) -> T | None:
    """What `found` says of a token that somebody came with; wrong ones count as guesses.

    `chosen` says that a person may have thought it up. Raises `TooManyGuessesError`.
    """
    if not token:
        return None
    address = address_of(connection.client.host if connection.client else None)
    attempt = parts.guesses.attempt(address, token, time.monotonic(), chosen=chosen)
    good_for = await found(token)
    if good_for:
        parts.guesses.right(attempt)
        return good_for
    parts.guesses.wrong(attempt)
    return None


async def check_admin(request: Request, parts: UseParts) -> None:
    """Let only the bearer of the admin token pass."""
    chosen = bool(parts.settings.admin_token)
    if not await look_up(request, parts, bearer(request), parts.access.is_admin, chosen=chosen):
        raise ApiError(401, "Send the admin token as: Authorization: Bearer <token>.")


def bearer(request: HTTPConnection) -> str | None:
    """The token of an `Authorization: Bearer` header."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token else None


class InterviewRequest(BaseModel):
    """The body of `POST /api/interviews`."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, Field(min_length=1, max_length=200)]
    candidate: Annotated[str, Field(max_length=200)] = ""
    format: Annotated[str, Field(max_length=64)] = "technical-45"
    problems: Annotated[list[str], Field(max_length=20)]
    language: Literal["en", "fr"] = "en"


async def create_interview(parts: Parts, wanted: InterviewRequest) -> tuple[str, dict[str, str]]:
    """Make an interview: its id, and its links by role.

    Raises `UnknownProblemError`, `UnknownFormatError`.
    """
    problems = chosen_problems(parts.library, wanted.problems)
    request = Create(wanted.title, wanted.candidate, wanted.format, wanted.language)
    room = await parts.host.create(request, problems)
    return room, await new_links(parts, room)


async def new_links(parts: Parts, room: str) -> dict[str, str]:
    """Fresh links to a room by role; the ones before them end."""
    paths = link_paths(await parts.access.invite(room))
    return {role: parts.settings.url + path for role, path in paths.items()}


def chosen_problems(library: Library, slugs: list[str]) -> list[Problem]:
    """The problems called `slugs`, once each. Raises `UnknownProblemError`."""
    for slug in slugs:
        source = library.sources.get(slug)
        if source and slug not in library.problems:
            why = " ".join(one.message for one in library.not_ready if one.file == source.file)
            raise UnknownProblemError(f'The problem "{slug}" cannot be set yet: {why}.')
        if slug not in library.problems:
            known = ", ".join(sorted(library.problems)) or "none"
            raise UnknownProblemError(f'There is no problem "{slug}". There are: {known}.')
    return [library.problems[slug] for slug in dict.fromkeys(slugs)]


public = APIRouter()
admin = APIRouter(prefix="/api", dependencies=[Depends(check_admin)])


@public.get("/healthz")
async def healthz(parts: UseParts) -> dict[str, Any]:
    """Whether this process serves, and what it has to serve."""
    return {
        "status": "ok",
        "version": __version__,
        "sandbox": parts.host.sandbox_status,
        "problems": len(parts.library.problems),
        "problem_errors": len(parts.library.errors),
    }


@public.get("/metrics")
async def metrics() -> Response:
    """Prometheus's text format."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


@admin.get("/problems")
async def list_problems(parts: UseParts) -> dict[str, Any]:
    """The library, and what is wrong in its files."""
    return {
        "problems": [problem_line(problem) for problem in parts.library.problems.values()],
        "errors": problem_errors(parts.library),
    }


def problem_line(problem: Problem) -> dict[str, Any]:
    """A problem in the list of problems."""
    return {
        "id": problem.id,
        "title": problem.title.model_dump(),
        "version": problem.version,
        "status": problem.status,
        "mode": problem.parts[0].mode,
        "parts": [part.id for part in problem.parts],
        "difficulty": problem.difficulty,
        "minutes": problem.minutes,
    }


def problem_errors(library: Library) -> list[dict[str, Any]]:
    """What is wrong in the problem files, and how to mend it."""
    return [
        {
            "file": str(error.file),
            "line": error.line,
            "column": error.column,
            "message": error.message,
            "mend": error.mend,
        }
        for error in (*library.errors, *library.not_ready)
    ]


@admin.post("/interviews", status_code=201)
async def post_interview(wanted: InterviewRequest, parts: UseParts) -> dict[str, Any]:
    """Make an interview; the links are shown here and never again."""
    room, links = await create_interview(parts, wanted)
    return {"id": room, "links": links}


@admin.get("/interviews")
async def list_interviews(parts: UseParts, page: PageNumber = 1) -> dict[str, Any]:
    """The interviews, newest first, `PAGE_SIZE` a page."""
    interviews, has_more = await page_of_interviews(parts.host, page)
    lines = [interview_line(interview) for interview in interviews]
    return {"interviews": lines, "page": page, "next": page + 1 if has_more else None}


async def page_of_interviews(host: Host, page: int) -> tuple[list[Interview], bool]:
    """One page of the list, counted from 1, and whether there is another."""
    found = await host.interviews((page - 1) * PAGE_SIZE, PAGE_SIZE + 1)
    return found[:PAGE_SIZE], len(found) > PAGE_SIZE


def interview_line(interview: Interview) -> dict[str, Any]:
    """An interview in the list of interviews."""
    created = interview.created
    return {
        "id": interview.id,
        "title": created.title,
        "candidate": created.candidate,
        "format": created.format,
        "language": created.language,
        "problems": [problem.id for problem in created.problems],
        "created_at": interview.created_at,
        "ended_at": interview.ended_at,
        "ended": interview.ended_at is not None,
    }


@admin.get("/interviews/{room}")
async def get_interview(room: str, parts: UseParts) -> dict[str, Any]:
    """One interview."""
    return interview_line(await parts.host.interview(room))


@admin.post("/interviews/{room}/end")
async def end_interview(room: str, parts: UseParts) -> dict[str, Any]:
    """End it, whoever is in it."""
    await parts.host.ask(room, EndByAdmin())
    return interview_line(await parts.host.interview(room))


@admin.delete("/interviews/{room}", status_code=204)
async def erase_interview(room: str, parts: UseParts) -> None:
    """Erase it: journal, links, sessions, everything."""
    await parts.host.erase(room)


@admin.get("/interviews/{room}/journal")
async def get_journal(room: str, parts: UseParts) -> Response:
    """Every event, one JSON object a line, in order."""
    entries = await parts.host.entries(room)

    async def lines() -> AsyncIterator[bytes]:
        for entry in entries:
            head = {"seq": entry.seq, "at": entry.at, "by": entry.by}
            yield msgspec.json.encode({**head, **msgspec.to_builtins(entry.event)}) + b"\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


@public.get("/api/interviews/{room}/report")
async def get_report(room: str, request: Request, parts: UseParts) -> dict[str, Any]:
    """The report; for the admin and for that interview's tutors."""

    async def role_of(token: str) -> str | None:
        session = await parts.access.session(token, room)
        if session is not None:
            return session.role
        return "admin" if await parts.access.is_admin(token) else None

    chosen = bool(parts.settings.admin_token)
    role = await look_up(request, parts, bearer(request), role_of, chosen=chosen)
    if role not in {"tutor", "admin"}:
        raise ApiError(401, "The report is for the admin and for this interview's tutors.")
    return await build_report(parts.host, room)


async def build_report(host: Host, room: str) -> dict[str, Any]:
    """An interview's report. Raises `UnknownRoomError`."""
    live = await host.open(room)
    return report(room, live.state, await host.entries(room))


# Errors.


def status_of(error: Exception) -> int:
    """The HTTP status that an error comes to."""
    match error:
        case ApiError():
            return error.status
        case HTTPException():
            return error.status_code
        case (
            RequestValidationError()
            | ValidationError()
            | UnknownProblemError()
            | UnknownFormatError()
        ):
            return 422
        case UnknownRoomError():
            return 404
        case RefusedError():
            return 409
        case TooManyGuessesError():
            return 429
        case StoreUnavailableError():
            return 503
        case _:
            return 500


def detail_of(error: Exception) -> str:
    """What was found, what was wanted, in one text."""
    if isinstance(error, HTTPException):
        return f"{error.detail}."
    if isinstance(error, RequestValidationError | ValidationError):
        return " ".join(_invalid(problem) for problem in error.errors())
    return str(error) if isinstance(error, VivaError) else "Something went wrong on our side."


def _invalid(problem: Any) -> str:
    if problem["type"] == "json_invalid":
        return "The body is not JSON."
    place = ".".join(str(step) for step in problem["loc"] if step not in {"body", "query"})
    return f'"{place or "body"}": {problem["msg"]}.'


def problem_answer(error: Exception) -> Response:
    """An error as RFC 9457 tells it."""
    status = status_of(error)
    title = http.HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail_of(error)}
    headers = headers_of(error)
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def headers_of(error: Exception) -> dict[str, str]:
    """What an error's answer says in its headers."""
    if isinstance(error, TooManyGuessesError):
        return {"Retry-After": str(error.retry_after_s)}
    is_unknown = status_of(error) == http.HTTPStatus.UNAUTHORIZED
    return {"WWW-Authenticate": "Bearer"} if is_unknown else {}
