"""The HTML side of a room: the lobby, the room itself, the report; files and error pages."""

from __future__ import annotations

import http
import unicodedata
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response, WebSocket
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from server.access import Invitation, Session, csrf_token, link_paths, new_id, same_secret
from server.api import (
    ApiError,
    UseParts,
    bearer,
    build_report,
    detail_of,
    headers_of,
    look_up,
    parts_of,
    problem_answer,
    status_of,
)
from server.connection import serve_connection
from server.core.decide import Join
from server.core.errors import VivaError
from server.core.events import Role
from server.core.room import Participant
from server.home import admin_session, check_same_site
from server.host import UnknownRoomError
from server.parts import Parts
from server.web import cookie_name, is_own_origin, language_of, room_cookie
from server.web import set_cookie as give_cookie

NO_ACCESS = (
    "You have no access to this room, or not any more. Open your invitation link again; "
    "if it does not work, ask whoever sent it for a new one."
)
MAX_NAME = 60
MAX_FILE_NAME = 100
YEAR_S = 365 * 24 * 3600

router = APIRouter()


# Files and errors.


@router.get("/static/{name}")
async def static(name: str, parts: UseParts) -> Response:
    """A built file; its name changes with its content, so browsers may keep it."""
    file = parts.web.built / name  # a path parameter holds no slash, so this stays in the folder
    if len(name) > MAX_FILE_NAME or not file.is_file():
        raise ApiError(404, "There is no such file.")
    headers = {"Cache-Control": f"public, max-age={YEAR_S}, immutable"}
    return FileResponse(file, headers=headers)


def error_page(request: Request, error: Exception) -> Response:
    """What went wrong, for a person."""
    status = status_of(error)
    message = "Something went wrong on our side." if status >= 500 else detail_of(error)
    page = parts_of(request).web.page(
        request,
        "error.html",
        language_of(request),
        status=status,
        title=http.HTTPStatus(status).phrase,
        message=message,
        mend="",
        code=status,
    )
    page.headers.update(headers_of(error))
    return page


@router.get("/interviews/{room}/report")
async def report_page(request: Request, room: str, parts: UseParts) -> Response:
    """The report, for the admin and for that interview's tutors."""
    session = await _proved_session(request, parts, room)
    if session is None or session.role is not Role.TUTOR:
        await admin_session(request, parts)
    found = await build_report(parts.host, room)
    return parts.web.page(request, "report.html", language_of(request), report=found)


# The lobby.


@router.get("/join/{token}")
async def lobby(request: Request, token: str, parts: UseParts) -> Response:
    """What the interview is and what is recorded; asks for a name. Changes nothing."""
    invitation = await _invitation(request, parts, token)
    return await _lobby(request, parts, invitation)


async def _invitation(request: Request, parts: Parts, token: str) -> Invitation:
    invitation = await look_up(request, parts, token, parts.access.invitation)
    if invitation is None:
        raise _no_invitation()
    return invitation


def _no_invitation() -> UnknownRoomError:
    return UnknownRoomError("This link is not valid (any more). Ask whoever sent it for a new one.")


async def _lobby(
    request: Request, parts: Parts, invitation: Invitation, error: str = ""
) -> Response:
    live = await parts.host.open(invitation.room)
    session = await _room_session(request, parts, invitation.room)
    known = live.state.participants.get(session.participant) if session else None
    is_other = session is not None and session.role is not invitation.role
    created = live.state.interview
    candidate = created.candidate if created else ""
    prefill = candidate if invitation.role is Role.CANDIDATE else ""
    return parts.web.page(
        request,
        "lobby.html",
        live.state.language,
        status=422 if error else 200,
        interview={
            "title": created.title if created else "",
            "minutes": live.state.format.minutes,
            "candidate": candidate,
            "language": live.state.language,
            "ended": live.state.ended_at is not None,
        },
        role=invitation.role.value,
        name=known.name if known and not is_other else prefill,
        other_role=session.role.value if session and is_other else None,
        retention_days=parts.settings.retention_days,
        error=error,
    )


@router.post("/join/{token}", dependencies=[Depends(check_same_site)])
async def join(request: Request, token: str, parts: UseParts) -> Response:
    """Come in: a session for a participant of this name."""
    invitation = await _invitation(request, parts, token)
    name = clean_name(await _given_name(request))
    wants_json = "application/json" in request.headers.get("accept", "")
    if not name:
        if wants_json:
            raise ApiError(422, '"name": wanted a text of 1 to 60 characters that can be seen.')
        return await _lobby(request, parts, invitation, error="Please enter your name.")
    session = await _enter(request, parts, invitation, name)
    secret = await parts.access.redeem(token, session)
    if secret is None:
        raise _no_invitation()
    if wants_json:
        body = {"room": session.room, "role": session.role.value, "session": secret}
        return JSONResponse(body, headers={"Cache-Control": "no-store"})
    response = RedirectResponse(f"/rooms/{session.room}", 303)
    give_cookie(response, parts.settings, room_cookie(session.room), secret)
    return response


async def _given_name(request: Request) -> str:
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            body = await request.json()
        except (ValueError, RecursionError) as error:
            raise ApiError(422, 'The body is not JSON; wanted {"name": "..."}.') from error
        name = body.get("name") if isinstance(body, dict) else None
    else:
        name = (await request.form()).get("name")
    return name if isinstance(name, str) else ""


def clean_name(name: str) -> str:
    """A name on one line, without control and direction characters; empty if nothing is left."""
    name = name[: 4 * MAX_NAME]
    visible = "".join(
        " " if c.isspace() else c for c in name if c.isspace() or unicodedata.category(c)[0] != "C"
    )
    return " ".join(visible.split())[:MAX_NAME].strip()


async def _enter(request: Request, parts: Parts, invitation: Invitation, name: str) -> Session:
    """Join the room; whoever comes again in the same browser and role stays who they were."""
    before = await _room_session(request, parts, invitation.room)
    again = before is not None and before.role is invitation.role
    participant = before.participant if before and again else new_id()
    joined = Join(Participant(participant, name, invitation.role))
    await parts.host.ask(invitation.room, joined)
    return Session(invitation.room, participant, invitation.role)


# The room.


async def _room_session(request: Request, parts: Parts, room: str) -> Session | None:
    return await parts.access.session(_cookie(request, parts, room), room)


async def _proved_session(
    request: Request | WebSocket, parts: Parts, room: str, token: str | None = None
) -> Session | None:
    """Whose session `token`, or else the cookie, is. Raises `TooManyGuessesError`."""

    async def found(token: str) -> Session | None:
        return await parts.access.session(token, room)

    return await look_up(request, parts, token or _cookie(request, parts, room), found)


def _cookie(request: Request | WebSocket, parts: Parts, room: str) -> str | None:
    return request.cookies.get(cookie_name(parts.settings, room_cookie(room)))


class NewLink(BaseModel):
    """The body of `POST /rooms/{room}/links`."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["candidate", "observer"]
    csrf: Annotated[str, Field(max_length=128)] = ""


@router.post("/rooms/{room}/links", dependencies=[Depends(check_same_site)])
async def new_link(request: Request, room: str, wanted: NewLink, parts: UseParts) -> Response:
    """One more link into a tutor's room, told here and never again; the others stay good."""
    token = bearer(request)
    session = await _proved_session(request, parts, room, token)
    if session is None or session.role is not Role.TUTOR:
        raise ApiError(403, "New links are for this room's interviewers to make.")
    secret = _cookie(request, parts, room)
    if not token and not (secret and same_secret(wanted.csrf, csrf_token(secret))):
        raise ApiError(403, "This page is out of date. Reload it and try again.")
    live = await parts.host.open(room)
    if live.state.ended_at is not None:
        raise ApiError(409, "This interview has ended; nobody new can come in.")
    role = Role(wanted.role)
    paths = link_paths({role: await parts.access.invite_one(room, role)})
    body = {"role": role.value, "link": parts.settings.url + paths[role.value]}
    return JSONResponse(body, 201, {"Cache-Control": "no-store"})


@router.get("/rooms/{room}")
async def room_page(request: Request, room: str, parts: UseParts) -> Response:
    """The room, for those who came through the lobby."""
    session = await _proved_session(request, parts, room)
    if session is None:
        raise ApiError(403, NO_ACCESS)
    live = await parts.host.open(room)
    if session.participant in live.state.shut_out:
        raise ApiError(403, NO_ACCESS)
    language = live.state.language
    created = live.state.interview
    boot = {
        "room": room,
        "role": session.role.value,
        "language": language,
        "strings": dict(parts.web.strings.catalogue(language)),
        "nonce": request.scope["csp_nonce"],
        "csrf": csrf_token(_cookie(request, parts, room) or "") if session.role == "tutor" else "",
    }
    return parts.web.page(
        request,
        "room.html",
        language,
        room={"id": room, "title": created.title if created else ""},
        role=session.role.value,
        boot=boot,
    )


@router.websocket("/rooms/{room}/ws")
async def room_socket(websocket: WebSocket, room: str) -> None:
    """The room's WebSocket; without the right origin and session, 403 before the upgrade."""
    parts: Parts = websocket.app.state.parts
    try:
        session = await _socket_session(websocket, parts, room)
        live = await parts.host.open(room)
    except VivaError as error:
        await websocket.send_denial_response(problem_answer(error))
        return
    participant = live.state.participants.get(session.participant)
    if participant is None or participant.id in live.state.shut_out:
        await websocket.send_denial_response(problem_answer(ApiError(403, NO_ACCESS)))
        return
    await websocket.accept()
    await serve_connection(websocket, parts.host, live, participant, parts.patience_s)


async def _socket_session(websocket: WebSocket, parts: Parts, room: str) -> Session:
    if not is_own_origin(websocket.headers, parts.settings):
        raise ApiError(403, "This request came from another site.")
    session = await _proved_session(websocket, parts, room, bearer(websocket))
    if session is None:
        raise ApiError(403, NO_ACCESS)
    return session
