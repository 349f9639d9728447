"""The admin's HTML side: signing in, and the list of interviews."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData

from server.access import csrf_token, same_secret
from server.api import (
    ApiError,
    InterviewRequest,
    PageNumber,
    UseParts,
    create_interview,
    interview_line,
    look_up,
    new_links,
    page_of_interviews,
    problem_errors,
    problem_line,
)
from server.core.decide import EndByAdmin
from server.core.events import Role
from server.core.interview import FORMATS
from server.parts import Parts
from server.web import ADMIN_COOKIE, cookie_name, is_cross_site, language_of
from server.web import set_cookie as give_cookie

router = APIRouter()


class NeedsSignInError(ApiError):
    """A page for the admin, asked for by somebody who has not signed in."""

    def __init__(self) -> None:
        super().__init__(401, "Sign in to see this page.")


async def check_same_site(request: Request, parts: UseParts) -> None:
    """Refuse what another site makes a browser post here."""
    if request.method == "POST" and is_cross_site(request.headers, parts.settings):
        raise ApiError(403, "This request came from another site.")


# The admin: signing in, and the list of interviews.


async def admin_session(request: Request, parts: UseParts) -> str:
    """The admin's sign-in. Raises `NeedsSignInError`."""
    session = request.cookies.get(cookie_name(parts.settings, ADMIN_COOKIE), "")
    if not await look_up(request, parts, session, parts.access.is_signed_in):
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
    return parts.web.page(request, "sign_in.html", language_of(request), token_url=None, error="")


@router.get("/sign-in/{token}")
async def sign_in_link(request: Request, parts: UseParts) -> Response:
    """The printed link: one button, so that a link scanner signs nobody in."""
    return parts.web.page(
        request, "sign_in.html", language_of(request), token_url=request.url.path, error=""
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
    chosen = bool(parts.settings.admin_token)
    session = await look_up(request, parts, token, parts.access.sign_in, chosen=chosen)
    if session is None:
        error = "This is not the admin token (any more)."
        return parts.web.page(
            request, "sign_in.html", language_of(request), status=403, token_url=None, error=error
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
    """The tutor's page; after a form, with what came of it."""
    language = language_of(request)
    interviews, has_more = await page_of_interviews(parts.host, page)
    titles = {problem.id: problem.title for problem in parts.library.problems.values()}
    lines = [problem_line(problem) for problem in parts.library.problems.values()]
    shown = {"created": None, "error": "", **parts.once.take(session)}
    return parts.web.page(
        request,
        "home.html",
        language,
        csrf=csrf_token(session),
        interviews=[interview_line(interview) for interview in interviews],
        problems=[{**line, "title": titles[line["id"]].in_language(language)} for line in lines],
        errors=problem_errors(parts.library),
        formats=list(FORMATS),
        sandbox=parts.host.sandbox_status,
        page=page,
        next_page=page + 1 if has_more else None,
        **shown,
    )


def back_home(parts: Parts, session: str, **shown: Any) -> Response:
    """To the tutor's page, which shows this once: reloading it does nothing again."""
    parts.once.put(session, shown)
    return RedirectResponse("/", 303)


@router.post("/interviews")
async def create(session: AdminSession, form: AdminForm, parts: UseParts) -> Response:
    """Make an interview and show its links, this once."""
    slugs = [str(slug) for slug in form.getlist("problems")][:20]
    if not slugs:
        return back_home(parts, session, error="Choose at least one task for the interview.")
    wanted = InterviewRequest(
        title=str(form.get("title", "")).strip()[:200] or "Technical interview",
        candidate=str(form.get("candidate", "")).strip()[:200],
        format=str(form.get("format", "technical-45")),
        problems=slugs,
        language="fr" if form.get("language") == "fr" else "en",
    )
    room, links = await create_interview(parts, wanted)
    created = {"id": room, "title": wanted.title, "links": links}
    return back_home(parts, session, created=created)


@router.post("/interviews/{room}/links")
async def links(room: str, session: AdminSession, _form: AdminForm, parts: UseParts) -> Response:
    """New links to an interview; the old ones end."""
    title = (await parts.host.interview(room)).created.title
    created = {"id": room, "title": title, "links": await new_links(parts, room)}
    return back_home(parts, session, created=created)


@router.post("/interviews/{room}/enter")
async def enter(room: str, _session: AdminSession, _form: AdminForm, parts: UseParts) -> Response:
    """Into a room as a tutor, by a link of one's own; the others stay good."""
    await parts.host.interview(room)
    token = await parts.access.invite_one(room, Role.TUTOR)
    return RedirectResponse(f"/join/{token}", 303)


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
