"""What keeps another site, or a script, from acting through somebody's browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
import sqlalchemy as sa
from fastapi.routing import APIRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from server import api, home, pages
from server.app import open_parts
from server.parts import Parts
from server.settings import ROOT, Settings
from server.store import events
from tests.scripted import ScriptedSandbox
from tests.serving import ADMIN_TOKEN, Running, serving

FORM = re.compile(r"<form\b(?P<attributes>[^>]*)>(?P<inside>.*?)</form>", re.DOTALL)
MARKED = re.compile(r'csrf_field\(\)|name="csrf"')

BEFORE_ANY_SESSION = {"lobby.html", "sign_in.html"}
"""Their forms open a session: there is none yet that another site could ride on, and so no mark of
one. Where the request comes from is checked, as it is for all."""

ELSEWHERE = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
)
PUBLIC = "https://viva.example.org"


def test_every_form_that_is_sent_carries_its_sessions_mark() -> None:
    """In every template; those without a method are for scripts alone, and have no target."""
    sent, dialogs, scripted = 0, 0, 0
    for template in sorted((ROOT / "web" / "templates").glob("*.html")):
        for form in FORM.finditer(template.read_text()):
            attributes = form["attributes"]
            if 'method="post"' in attributes:
                sent += 1
                assert (template.name in BEFORE_ANY_SESSION) != bool(MARKED.search(form["inside"]))
            elif 'method="dialog"' in attributes:
                dialogs += 1
            else:
                scripted += 1
                assert "action" not in attributes
                assert "method" not in attributes
    assert (sent, dialogs, scripted) == (9, 2, 2)


async def test_nothing_can_be_changed_from_another_site(server: Running) -> None:
    """By no route that changes anything, even with all cookies there are; also one made later."""
    room, links = await server.create("double")
    async with httpx.AsyncClient(base_url=server.url) as browser:
        await browser.post(f"/sign-in/{ADMIN_TOKEN}")
        await browser.post(links["tutor"], data={"name": "Ada"})
        before = await _everything(server)
        changing = _changing()
        assert len(changing) >= 12
        token = links["candidate"].rsplit("/", 1)[1]
        for method, route in changing:
            path = route.format(room=room, token=token)
            for headers in ELSEWHERE:
                answer = await browser.request(method, path, headers=headers, data={"name": "x"})
                assert answer.status_code in {401, 403}, (method, path, headers)
                assert "set-cookie" not in answer.headers
        assert await _everything(server) == before


async def test_a_form_without_its_mark_or_with_anothers_does_nothing(server: Running) -> None:
    """Each form of the home page, sent from our own site."""
    await server.create("double")
    async with (
        httpx.AsyncClient(base_url=server.url) as browser,
        httpx.AsyncClient(base_url=server.url) as another,
    ):
        await browser.post(f"/sign-in/{ADMIN_TOKEN}")
        await another.post(f"/sign-in/{ADMIN_TOKEN}")
        page = (await browser.get("/")).text
        before = await _everything(server)
        foreign = re.search(r'name="csrf" value="(\w+)"', (await another.get("/")).text)
        assert foreign is not None
        actions = re.findall(r'<form method="post" action="([^"]+)"', page)
        assert len(actions) == 6
        for action in actions:
            for form in ({}, {"csrf": foreign[1]}, {"csrf": ""}):
                answer = await browser.post(action, data=form, headers={"Origin": server.url})
                assert answer.status_code == 403
        assert await _everything(server) == before
        assert (await browser.get("/")).status_code == 200


async def test_every_answer_has_the_security_headers(server: Running) -> None:
    """Pages, files, JSON, refusals of every kind, and our own faults."""
    room, links = await server.create("double")
    built = next(iter(server.parts.web.manifest.values()))
    answers = {
        200: await server.http.get(links["candidate"]),
        404: await server.http.get("/nothing-here"),
        405: await server.http.delete("/sign-in"),
        422: await server.http.post("/api/interviews", json={}),
        413: await server.http.post(links["candidate"], content=b"x" * 70_000),
        303: await server.http.get("/"),
    }
    file = await server.http.get(f"/static/{built}")
    assert (file.status_code, "immutable" in file.headers["cache-control"]) == (200, True)
    await server.parts.access._store.write(
        lambda c: c.execute(sa.update(events).where(events.c.room == room).values(body="{}"))
    )
    answers[500] = await server.http.get(f"/api/interviews/{room}/report")
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"{server.url.replace('http', 'ws')}/rooms/{room}/ws"):
            pass
    denied = refused.value.response
    for status, answer in answers.items():
        assert answer.status_code == status
    every = [answer.headers for answer in (*answers.values(), file)]
    for headers in (*every, httpx.Headers(list(denied.headers.raw_items()))):
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert re.search(r"style-src 'self' 'nonce-[\w-]{20,}'", policy)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
    nonces = {re.search(r"nonce-([\w-]+)", h["content-security-policy"])[1] for h in every}  # type: ignore[index]
    assert len(nonces) == len(every)


def test_no_page_has_a_script_or_a_style_of_its_own() -> None:
    """What the policy forbids is not there to begin with: no inline script, handler or style."""
    for template in sorted((ROOT / "web" / "templates").glob("*.html")):
        text = template.read_text()
        for script in re.findall(r"<script\b[^>]*>", text):
            assert "src=" in script or 'type="application/json"' in script
        assert not re.findall(r"\son\w+=|\sstyle=|javascript:|<style|\|safe", text)


@pytest.fixture
async def public(settings: Settings, sandbox: ScriptedSandbox) -> AsyncIterator[Running]:
    """A server that browsers reach by https."""

    @asynccontextmanager
    async def opened(chosen: Settings) -> AsyncIterator[Parts]:
        async with open_parts(chosen, sandbox) as parts:
            yield parts

    async with serving(replace(settings, public_url=PUBLIC), opened) as running:
        yield running


async def test_on_https_cookies_are_this_hosts_alone(public: Running) -> None:
    """`__Host-` makes the browser refuse one from a neighbour, or over plain http."""
    room, links = await public.create("double")
    path = links["candidate"].removeprefix(PUBLIC)
    assert "set-cookie" not in (await public.http.get(path)).headers
    joined = await public.http.post(path, data={"name": "Camille"}, headers={"Origin": PUBLIC})
    signed_in = await public.http.post(f"/sign-in/{ADMIN_TOKEN}")
    for answer, name in ((joined, f"viva-{room}"), (signed_in, "viva-admin")):
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"__Host-{name}=")
        attributes = {one.strip().lower() for one in cookie.split(";")[1:]}
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= attributes
        assert not [one for one in attributes if one.startswith("domain")]
        assert answer.headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize(
    "origin", ["http://viva.example.org", f"{PUBLIC}:8443", "https://evil.example", "null"]
)
async def test_on_https_only_the_public_address_is_our_own(public: Running, origin: str) -> None:
    """Not the same name without encryption, nor another port; sockets and forms alike."""
    _, links = await public.create("double")
    path = links["candidate"].removeprefix(PUBLIC)
    joined = await public.join(path, "Camille")
    answer = await public.http.post(path, data={"name": "x"}, headers={"Origin": origin})
    assert answer.status_code == 403
    url = f"{public.url.replace('http', 'ws')}/rooms/{joined['room']}/ws"
    headers = {"Authorization": f"Bearer {joined['session']}", "Origin": origin}
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, additional_headers=headers):
            pass
    assert refused.value.response.status_code == 403


def _changing() -> list[tuple[str, str]]:
    """The method and the path of each route that may change something."""
    routers = (api.public, api.admin, home.router, pages.router)
    return [
        (method, route.path)
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in (route.methods or set()) - {"GET", "HEAD"}
    ]


async def _everything(server: Running) -> list[tuple[object, ...]]:
    """All rows of all tables."""

    def read(connection: sa.Connection) -> list[tuple[object, ...]]:
        return [
            (table.name, *row)
            for table in events.metadata.sorted_tables
            for row in connection.execute(sa.select(table))
        ]

    return sorted(await server.parts.access._store.read(read), key=repr)
