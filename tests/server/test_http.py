"""The HTTP side of the contract, as a program outside sees it."""

from __future__ import annotations

import json
import re

import httpx

from tests.serving import ADMIN_TOKEN, Running


async def test_healthz_says_what_there_is(server: Running) -> None:
    """Anyone may ask; the counts are those of the library."""
    async with httpx.AsyncClient() as anyone:
        answer = await anyone.get(f"{server.url}/healthz")
    assert answer.status_code == 200
    health = answer.json()
    assert health["status"] == "ok"
    assert health["sandbox"] == "ready"
    assert health["problems"] == 1
    assert health["problem_errors"] == 0


async def test_the_api_wants_the_admin_token(server: Running) -> None:
    """Without it, or with another, 401 as a problem document."""
    for headers in ({}, {"Authorization": "Bearer wrong-token-0123456789"}):
        async with httpx.AsyncClient(base_url=server.url, headers=headers) as http:
            answer = await http.get("/api/problems")
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Bearer" in answer.json()["detail"]


async def test_problems_are_listed(server: Running) -> None:
    """With their parts and modes, and no error."""
    listed = (await server.http.get("/api/problems")).json()
    assert listed["errors"] == []
    (problem,) = listed["problems"]
    assert problem["id"] == "double"
    assert problem["parts"] == ["main", "texts"]
    assert problem["mode"] == "function"


async def test_an_unknown_problem_is_named(server: Running) -> None:
    """422, with the slug that was found and those that there are."""
    body = {"title": "x", "candidate": "y", "problems": ["nope"], "language": "en"}
    answer = await server.http.post("/api/interviews", json=body)
    assert answer.status_code == 422
    assert '"nope"' in answer.json()["detail"]
    assert "double" in answer.json()["detail"]


async def test_an_unknown_format_language_or_key_is_named(server: Running) -> None:
    """422 for each, naming what was wrong."""
    good = {"title": "x", "candidate": "y", "problems": ["double"], "language": "en"}
    for wrong, named in (
        ({"format": "sprint-7"}, "sprint-7"),
        ({"language": "de"}, "language"),
        ({"colour": "red"}, "colour"),
    ):
        answer = await server.http.post("/api/interviews", json={**good, **wrong})
        assert answer.status_code == 422
        assert named in answer.json()["detail"]


async def test_interviews_are_listed_newest_first_ended_and_erased(server: Running) -> None:
    """The life of an interview, from the outside."""
    first, _ = await server.create("double")
    second, links = await server.create("double")
    listed = (await server.http.get("/api/interviews")).json()["interviews"]
    assert {line["id"] for line in listed} == {first, second}
    assert listed[0]["created_at"] >= listed[1]["created_at"]

    ended = (await server.http.post(f"/api/interviews/{second}/end")).json()
    assert ended["ended_at"] is not None
    assert (await server.http.get(f"/api/interviews/{second}")).json()["ended"]

    assert (await server.http.delete(f"/api/interviews/{second}")).status_code == 204
    assert (await server.http.get(f"/api/interviews/{second}")).status_code == 404
    assert (await server.http.get(f"/api/interviews/{second}/journal")).status_code == 404
    assert (await server.http.get(links["tutor"])).status_code == 404


async def test_the_journal_is_json_lines_in_order(server: Running) -> None:
    """From the creation on, numbered without a gap."""
    room, _ = await server.create("double")
    text = (await server.http.get(f"/api/interviews/{room}/journal")).text
    entries = [json.loads(line) for line in text.splitlines()]
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert entries[0]["kind"] == "interview_created"
    assert entries[0]["problems"][0]["id"] == "double"


async def test_opening_a_link_changes_nothing(server: Running) -> None:
    """Link scanners open links: no entry, no session, and the link still works."""
    room, links = await server.create("double")
    before = (await server.http.get(f"/api/interviews/{room}/journal")).text
    for _ in range(3):
        answer = await server.http.get(links["candidate"])
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
    assert (await server.http.get(f"/api/interviews/{room}/journal")).text == before
    assert (await server.join(links["candidate"], "Camille"))["role"] == "candidate"


async def test_joining_gives_a_cookie_that_scripts_cannot_read(server: Running) -> None:
    """A browser gets 303 to the room and an HttpOnly, SameSite=Lax cookie."""
    room, links = await server.create("double")
    async with httpx.AsyncClient() as browser:
        answer = await browser.post(links["candidate"], data={"name": "Camille"})
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/rooms/{room}"
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert (await browser.get(f"{server.url}/rooms/{room}")).status_code == 200
        browser.cookies.clear()
        assert (await browser.get(f"{server.url}/rooms/{room}")).status_code == 403


async def test_a_name_is_needed(server: Running) -> None:
    """Nothing to see is no name; control characters are no part of one."""
    _, links = await server.create("double")
    for name in ("", "  ", "\u202e\u0000"):
        json_answer = await server.http.post(
            links["tutor"], json={"name": name}, headers={"Accept": "application/json"}
        )
        assert json_answer.status_code == 422
        form = await server.http.post(links["tutor"], data={"name": name})
        assert form.status_code == 422


async def test_new_links_end_the_old_ones(server: Running) -> None:
    """A revoked link is 404, like one that never was."""
    room, links = await server.create("double")
    await server.parts.access.invite(room)
    assert (await server.http.get(links["candidate"])).status_code == 404
    assert (await server.http.get("/join/not-a-token")).status_code == 404


async def test_every_page_has_a_strict_content_policy(server: Running) -> None:
    """No inline script anywhere, no referrer, no framing."""
    _, links = await server.create("double")
    for path in ("/sign-in", links["candidate"], "/healthz", "/nothing-here"):
        headers = (await server.http.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["referrer-policy"] == "no-referrer"


async def test_another_sites_form_is_refused(server: Running) -> None:
    """A browser says where a form came from; a foreign one gets 403."""
    _, links = await server.create("double")
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        answer = await server.http.post(links["candidate"], data={"name": "x"}, headers=headers)
        assert answer.status_code == 403


async def test_signing_in_needs_the_token_and_forms_their_csrf_mark(server: Running) -> None:
    """The home page is for who knows the token; a form without its mark does nothing."""
    async with httpx.AsyncClient(base_url=server.url) as browser:
        assert (await browser.get("/")).headers["location"] == "/sign-in"
        assert (await browser.post("/sign-in", data={"token": "guess"})).status_code == 403
        assert (await browser.post(f"/sign-in/{ADMIN_TOKEN}")).status_code == 303
        assert (await browser.get("/")).status_code == 200
        made = await browser.post("/interviews", data={"title": "x", "problems": "double"})
        assert made.status_code == 403
    assert (await server.http.get("/api/interviews")).json()["interviews"] == []


async def test_the_report_is_for_tutors_and_the_admin(server: Running) -> None:
    """A candidate's session opens no report."""
    room, links = await server.create("double")
    path = f"/api/interviews/{room}/report"
    for role, status in (("tutor", 200), ("candidate", 401), ("observer", 401)):
        joined = await server.join(links[role], role)
        async with httpx.AsyncClient(base_url=server.url) as http:
            headers = {"Authorization": f"Bearer {joined['session']}"}
            assert (await http.get(path, headers=headers)).status_code == status
    found = (await server.http.get(path)).json()
    assert found["interview"]["title"] == "An interview"
    assert "double/main" in found["documents"]


async def test_an_interview_erases_itself_after_its_retention(server: Running) -> None:
    """What the lobby promised: kept for so many days, then gone; younger ones stay."""
    room, links = await server.create("double")
    await server.parts.host.erase_expired(retention_days=1)
    assert (await server.http.get(f"/api/interviews/{room}")).status_code == 200
    await server.parts.host.erase_expired(retention_days=-1)
    assert (await server.http.get(f"/api/interviews/{room}")).status_code == 404
    assert (await server.http.get(links["tutor"])).status_code == 404


async def test_metrics_count_what_happens(server: Running) -> None:
    """In Prometheus's text form, for anyone who scrapes."""
    _, links = await server.create("double")
    before = (await server.http.get("/metrics")).text
    async with server.enter(links["tutor"], "Ada"):
        text = (await server.http.get("/metrics")).text
    assert 'viva_events_total{kind="interview_created"}' in text
    assert "viva_rooms_open 1.0" in text
    assert _connections(text) == _connections(before) + 1
    assert "viva_append_seconds_count" in text


def _connections(metrics: str) -> float:
    """How many there are in this process, which may have served other tests too."""
    return float(metrics.split("\nviva_connections ")[1].split("\n")[0])


async def test_a_body_that_is_no_json_is_told_so(server: Running) -> None:
    """And a right one needs no header to say what it is."""
    wrong = await server.http.post("/api/interviews", content="{")
    assert (wrong.status_code, wrong.json()["detail"]) == (422, "The body is not JSON.")
    body = '{"title":"x","candidate":"y","problems":["double"]}'
    assert (await server.http.post("/api/interviews", content=body)).status_code == 201


async def test_erasing_leaves_nothing_in_the_database_files(server: Running) -> None:
    """Not in the tables, not in their free pages, not in the write-ahead log."""
    room, links = await server.create("double")
    async with server.enter(links["candidate"], "Camille") as camille:
        await camille.type_text("scratch", "a-very-private-line", "e1")
    files = list(server.parts.settings.data.glob("viva.db*"))
    assert any(b"a-very-private-line" in file.read_bytes() for file in files)
    await server.http.delete(f"/api/interviews/{room}")
    for file in server.parts.settings.data.glob("viva.db*"):
        assert b"a-very-private-line" not in file.read_bytes()


async def test_nobody_new_comes_in_after_the_end(server: Running) -> None:
    """Those who were there may come back to read."""
    room, links = await server.create("double")
    await server.join(links["tutor"], "Ada")
    await server.http.post(f"/api/interviews/{room}/end")
    late = await server.http.post(
        links["candidate"], json={"name": "Late"}, headers={"Accept": "application/json"}
    )
    assert late.status_code == 409
    assert "ended" in late.json()["detail"]


async def test_an_interview_is_made_once_however_often_the_page_is_reloaded(
    server: Running,
) -> None:
    """The form redirects; its links are on the next page, that once."""
    async with httpx.AsyncClient(base_url=server.url) as browser:
        await browser.post(f"/sign-in/{ADMIN_TOKEN}")
        mark = re.search(r'name="csrf" value="(\w+)"', (await browser.get("/")).text)
        assert mark is not None
        form = {"csrf": mark[1], "title": "Made by hand"}
        assert (await browser.post("/interviews", data=form)).status_code == 303
        assert "Choose at least one task" in (await browser.get("/")).text
        made = await browser.post("/interviews", data={**form, "problems": "double"})
        assert made.headers["location"] == "/"
        page = (await browser.get("/")).text
        link = re.search(r'value="(http[^"]+/join/[^"]+)"', page)
        assert link is not None
        assert link[1] not in (await browser.get("/")).text
        (interview,) = (await server.http.get("/api/interviews")).json()["interviews"]
        entered = await browser.post(f"/interviews/{interview['id']}/enter", data=form)
        assert (await browser.get(entered.headers["location"])).status_code == 200
        assert (await browser.get(link[1])).status_code == 200


async def test_a_body_or_a_name_of_any_size_costs_little(server: Running) -> None:
    """Over 64 KiB it is refused before anybody reads it; a long name is cut."""
    _, links = await server.create("double")
    for path in ("/api/interviews", links["candidate"]):
        async with httpx.AsyncClient(base_url=server.url) as anyone:
            answer = await anyone.post(path, json={"name": "x" * 70_000})
        assert answer.status_code in {401, 413}
    joined = await server.join(links["candidate"], "y" * 50_000)
    async with server.connect(joined, client="c") as camille:
        assert camille.welcome["you"]["name"] == "y" * 60
    nested = await server.http.post(
        links["tutor"],
        content='{"name":' + "[" * 20_000,
        headers={"Content-Type": "application/json", "Accept": "application/json"},
    )
    assert nested.status_code == 422
    assert (await server.http.get("/static/" + "x" * 300)).status_code == 404
