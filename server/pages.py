"""The HTML side: sign-in, the tutor's page, the lobby, the room, the report."""

from __future__ import annotations

import http
import unicodedata
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response, WebSocket
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse
from starlette.datastructures import FormData

from server.access import Invitation, Session, csrf_token, new_id, same_secret
from server.api import (
    ApiError,
    InterviewRequest,
    PageNumber,
    UseParts,
    bearer,
    build_report,
    create_interview,
    detail_of,
    interview_line,
    new_links,
    page_of_interviews,
    parts_of,
    problem_errors,
    problem_line,
    status_of,
)
from server.connection import serve_connection
from server.core.decide import EndByAdmin, Join
from server.core.events import Role
from server.core.interview import FORMATS
from server.core.room import Participant
from server.host import UnknownRoomError
from server.parts import Parts
from server.strings import preferred_language
from server.web import ADMIN_COOKIE, cookie_name, is_cross_site, is_own_origin, room_cookie
from server.web import set_cookie as give_cookie

MAX_NAME = 60
YEAR_S = 365 * 24 * 3600

router = APIRouter()


class NeedsSignInError(ApiError):
    """A page for the admin, asked for by somebody who has not signed in."""

    def __init__(self) -> None:
        super().__init__(401, "Sign in to see this page.")


# Files and errors.


@router.get("/static/{name}")
async def static(name: str, parts: UseParts) -> Response:
    """A built file; its name changes with its content, so browsers may keep it."""
    file = parts.web.built / name  # a path parameter holds no slash, so this stays in the folder
    if not file.is_file():
        raise ApiError(404, "There is no such file.")
    headers = {"Cache-Control": f"public, max-age={YEAR_S}, immutable"}
    return FileResponse(file, headers=headers)


def error_page(request: Request, error: Exception) -> Response:
    """What went wrong, for a person."""
    status = status_of(error)
    message = "Something went wrong on our side." if status >= 500 else detail_of(error)
    return parts_of(request).web.page(
        request,
        "error.html",
        _language(request),
        status=status,
        title=http.HTTPStatus(status).phrase,
        message=message,
        mend="",
        code=status,
    )


def _language(request: Request) -> str:
    return preferred_language(request.headers.get("accept-language", ""))


async def check_same_site(request: Request, parts: UseParts) -> None:
    """Refuse what another site makes a browser post here."""
    if request.method == "POST" and is_cross_site(request.headers, parts.settings):
        raise ApiError(403, "This request came from another site.")


# The admin: signing in, and the list of interviews.


async def admin_session(request: Request, parts: UseParts) -> str:
    """The admin's sign-in. Raises `NeedsSignInError`."""
    session = request.cookies.get(cookie_name(parts.settings, ADMIN_COOKIE), "")
    if not await parts.access.is_signed_in(session):
        raise NeedsSignInError
    return session


AdminSession = Annotated[str, Depends(admin_session)]


async def admin_form(
    request: Request, session: AdminSession, _same_site: Annotated[None, Depends(check_same_site)]
) -> FormData:
    """A form that a page of this very sign-in sent."""
    form = await request.form()
    if not same_secret(str(form.get("csrf", "")), csrf_token(session)):
        raise ApiError(403, "This form is out of date. Go back, reload the page and try again.")
    return form


AdminForm = Annotated[FormData, Depends(admin_form)]


@router.get("/sign-in")
async def sign_in_form(request: Request, parts: UseParts) -> Response:
    """Where the admin token goes."""
    return parts.web.page(request, "sign_in.html", _language(request), token_url=None, error="")


@router.get("/sign-in/{token}")
async def sign_in_link(request: Request, parts: UseParts) -> Response:
    """The printed link: one button, so that a link scanner signs nobody in."""
    return parts.web.page(
        request, "sign_in.html", _language(request), token_url=request.url.path, error=""
    )


@router.post("/sign-in", dependencies=[Depends(check_same_site)])
async def sign_in(
    request: Request, parts: UseParts, token: Annotated[str, Form()] = ""
) -> Response:
    """Sign in with a typed token."""
    return await _sign_in(request, parts, token.strip())


@router.post("/sign-in/{token}", dependencies=[Depends(check_same_site)])
async def sign_in_by_link(request: Request, parts: UseParts, token: str) -> Response:
    """Sign in with the printed link."""
    return await _sign_in(request, parts, token)


async def _sign_in(request: Request, parts: Parts, token: str) -> Response:
    session = await parts.access.sign_in(token)
    if session is None:
        error = "This is not the admin token (any more)."
        return parts.web.page(
            request, "sign_in.html", _language(request), status=403, token_url=None, error=error
        )
    response = RedirectResponse("/", 303)
    give_cookie(response, parts.settings, ADMIN_COOKIE, session)
    return response


@router.post("/sign-out")
async def sign_out(session: AdminSession, _form: AdminForm, parts: UseParts) -> Response:
    """End this sign-in."""
    await parts.access.sign_out(session)
    return RedirectResponse("/sign-in", 303)


@router.get("/")
async def home(
    request: Request, session: AdminSession, parts: UseParts, page: PageNumber = 1
) -> Response:
    """The tutor's page."""
    return await _home(request, session, parts, page)


async def _home(
    request: Request,
    session: str,
    parts: Parts,
    page: int = 1,
    status: int = 200,
    **values: Any,
) -> Response:
    language = _language(request)
    interviews, has_more = await page_of_interviews(parts.host, page)
    lines = [problem_line(problem) for problem in parts.library.problems.values()]
    titles = {problem.id: problem.title for problem in parts.library.problems.values()}
    problems = [{**line, "title": titles[line["id"]].in_language(language)} for line in lines]
    shown = {"created": None, "error": "", **values}
    return parts.web.page(
        request,
        "home.html",
        language,
        status=status,
        csrf=csrf_token(session),
        interviews=[interview_line(interview) for interview in interviews],
        problems=problems,
        errors=problem_errors(parts.library),
        formats=list(FORMATS),
        sandbox=parts.host.sandbox_status,
        page=page,
        next_page=page + 1 if has_more else None,
        **shown,
    )


@router.post("/interviews")
async def create(
    request: Request, session: AdminSession, form: AdminForm, parts: UseParts
) -> Response:
    """Make an interview and show its links, this once."""
    wanted = InterviewRequest(
        title=str(form.get("title", "")).strip()[:200] or "Technical interview",
        candidate=str(form.get("candidate", "")).strip()[:200],
        format=str(form.get("format", "technical-45")),
        problems=[str(slug) for slug in form.getlist("problems")][:20],
        language="fr" if form.get("language") == "fr" else "en",
    )
    room, links = await create_interview(parts, wanted)
    created = {"id": room, "title": wanted.title, "links": links}
    return await _home(request, session, parts, created=created)


@router.post("/interviews/{room}/links")
async def links(
    request: Request, room: str, session: AdminSession, _form: AdminForm, parts: UseParts
) -> Response:
    """New links to an interview; the old ones end."""
    interview = await parts.host.interview(room)
    created = {
        "id": room,
        "title": interview.created.title,
        "links": await new_links(parts, room),
    }
    return await _home(request, session, parts, created=created)


@router.post("/interviews/{room}/end")
async def end(room: str, _session: AdminSession, _form: AdminForm, parts: UseParts) -> Response:
    """End an interview."""
    await parts.host.ask(room, EndByAdmin())
    return RedirectResponse("/", 303)


@router.post("/interviews/{room}/delete")
async def delete(room: str, _session: AdminSession, _form: AdminForm, parts: UseParts) -> Response:
    """Erase an interview."""
    await parts.host.erase(room)
    return RedirectResponse("/", 303)


@router.get("/interviews/{room}/report")
async def report_page(request: Request, room: str, parts: UseParts) -> Response:
    """The report, for the admin and for that interview's tutors."""
    session = await _room_session(request, parts, room)
    if session is None or session.role is not Role.TUTOR:
        await admin_session(request, parts)
    found = await build_report(parts.host, room)
    return parts.web.page(request, "report.html", _language(request), report=found)


# The lobby.


@router.get("/join/{token}")
async def lobby(request: Request, token: str, parts: UseParts) -> Response:
    """What the interview is and what is recorded; asks for a name. Changes nothing."""
    invitation = await _invitation(parts, token)
    return await _lobby(request, parts, invitation)


async def _invitation(parts: Parts, token: str) -> Invitation:
    invitation = await parts.access.invitation(token)
    if invitation is None:
        raise UnknownRoomError(
            "This link is not valid (any more). Ask whoever sent it for a new one."
        )
    return invitation


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
    invitation = await _invitation(parts, token)
    name = clean_name(await _given_name(request))
    wants_json = "application/json" in request.headers.get("accept", "")
    if not name:
        if wants_json:
            raise ApiError(422, '"name": wanted a text of 1 to 60 characters that can be seen.')
        return await _lobby(request, parts, invitation, error="Please enter your name.")
    session = await _enter(request, parts, invitation, name)
    secret = await parts.access.open_session(session)
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
        except ValueError as error:
            raise ApiError(422, 'The body is not JSON; wanted {"name": "..."}.') from error
        name = body.get("name") if isinstance(body, dict) else None
    else:
        name = (await request.form()).get("name")
    return name if isinstance(name, str) else ""


def clean_name(name: str) -> str:
    """A name on one line, without control and direction characters; empty if nothing is left."""
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


async def _room_session(request: Request | WebSocket, parts: Parts, room: str) -> Session | None:
    cookie = request.cookies.get(cookie_name(parts.settings, room_cookie(room)))
    return await parts.access.session(cookie, room)


@router.get("/rooms/{room}")
async def room_page(request: Request, room: str, parts: UseParts) -> Response:
    """The room, for those who came through the lobby."""
    session = await _room_session(request, parts, room)
    if session is None:
        raise ApiError(403, "Open your invitation link again to enter this room.")
    live = await parts.host.open(room)
    language = live.state.language
    created = live.state.interview
    boot = {
        "room": room,
        "role": session.role.value,
        "language": language,
        "strings": dict(parts.web.strings.catalogue(language)),
        "nonce": request.scope["csp_nonce"],
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
    session = await _socket_session(websocket, parts, room)
    if session is None:
        await websocket.close()
        return
    live = await parts.host.open(room)
    await websocket.accept()
    participant = live.state.participants[session.participant]
    await serve_connection(websocket, parts.host, live, participant)


async def _socket_session(websocket: WebSocket, parts: Parts, room: str) -> Session | None:
    if not is_own_origin(websocket.headers, parts.settings):
        return None
    token = bearer(websocket)
    if token:
        return await parts.access.session(token, room)
    return await _room_session(websocket, parts, room)
