"""Who may come in, and for how long: links revoked, links made, the end of an interview."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from functools import partial

import httpx
import pytest
import sqlalchemy as sa
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from server.access import Session, new_id
from server.app import open_parts
from server.core.decide import EndByAdmin
from server.core.events import Role
from server.settings import Settings
from server.store import links as link_table
from server.store import sessions
from tests.scripted import ScriptedSandbox
from tests.serving import Client, Frame, Running, kind_is, serving

OTHERS = ("candidate", "observer")

SOON_S = 5
"""A second is promised; the rest is patience with a busy machine. Pings would take 7 s and more."""


async def revoke(ada: Client, role: str) -> Frame:
    """Ask for it as a tutor; the event that it comes to."""
    await ada.send(type="revoke", role=role)
    return await ada.event("access_revoked", role=role)


async def refused(server: Running, joined: Frame) -> int:
    """The status that a WebSocket of this session is refused with."""
    with pytest.raises(InvalidStatus) as status:
        async with server.connect(joined, client="again"):
            pass
    return status.value.response.status_code


@pytest.mark.parametrize("role", OTHERS)
async def test_a_revoked_role_is_out_at_once(server: Running, role: str) -> None:
    """Its sockets get 4403, its session 403, its link 404; everybody else goes on."""
    _, links = await server.create("double")
    other = next(one for one in OTHERS if one != role)
    joined = await server.join(links[role], "Out")
    async with (
        server.enter(links["tutor"], "Ada") as ada,
        server.enter(links[other], "Stays") as stays,
        server.connect(joined, client="one") as one,
        server.connect(joined, client="two") as two,
    ):
        await revoke(ada, role)
        async with asyncio.timeout(SOON_S):
            assert [await one.closed(), await two.closed()] == [4403, 4403]
        await stays.settled()
        await ada.until(lambda f: _present(f) == {"Ada", "Stays"})
        assert "access_revoked" not in json.dumps([stays.frames, one.frames])
    assert await refused(server, joined) == 403
    assert (await server.http.get(links[role])).status_code == 404
    assert (await server.http.post(links[role], data={"name": "x"})).status_code == 404
    assert (await server.http.get(links[other])).status_code == 200


async def test_the_page_of_a_revoked_person_says_what_to_do(server: Running) -> None:
    """403 in words, with the old cookie; not "sign in", and no blank page."""
    room, links = await server.create("double")
    async with httpx.AsyncClient(base_url=server.url) as browser:
        await browser.post(links["candidate"], data={"name": "Camille"})
        assert (await browser.get(f"/rooms/{room}")).status_code == 200
        async with server.enter(links["tutor"], "Ada") as ada:
            await revoke(ada, "candidate")
        page = await browser.get(f"/rooms/{room}")
    assert page.status_code == 403
    assert "ask whoever sent it for a new one" in page.text


async def test_whoever_reads_nothing_is_cut_off_too(
    settings: Settings, sandbox: ScriptedSandbox
) -> None:
    """What is queued for somebody who does not read it does not keep the door open."""
    small = 16 * 1024
    opened = partial(open_parts, given_sandbox=sandbox)
    async with serving(settings, opened, send_buffer=small) as server:
        room, links = await server.create("double")
        joined = await server.join(links["candidate"], "Asleep")
        url = f"{server.url.replace('http', 'ws')}/rooms/{joined['room']}/ws"
        headers = {"Authorization": f"Bearer {joined['session']}"}
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, small)
        plain.setblocking(False)
        address = ("127.0.0.1", server.parts.settings.port)
        await asyncio.get_running_loop().sock_connect(plain, address)
        async with (
            server.enter(links["tutor"], "Ada") as ada,
            connect(
                url, sock=plain, additional_headers=headers, max_queue=1, close_timeout=0.1
            ) as asleep,
        ):
            await asleep.send(json.dumps({"type": "hello", "after": 0, "client": "asleep"}))
            there = await ada.until(lambda f: _present(f) == {"Ada", "Asleep"})
            (who,) = [one["id"] for one in there["participants"] if one["name"] == "Asleep"]
            listeners = (await server.parts.host.open(room)).listeners
            for number in range(12):  # 600 kB: more than the sockets take, less than is too much
                await ada.replace("scratch", "x" * 50_000, f"e{number}")
            assert listeners.of(who) == 1
            await ada.send(type="revoke", role="candidate")
            async with asyncio.timeout(SOON_S):
                await ada.until(lambda f: f["type"] == "presence" and not listeners.of(who))


async def test_nobody_but_a_tutor_revokes(server: Running) -> None:
    """And nothing has ended then."""
    _, links = await server.create("double")
    async with (
        server.enter(links["candidate"], "Camille") as camille,
        server.enter(links["observer"], "Olu") as olu,
    ):
        for one, role in ((camille, "observer"), (olu, "candidate")):
            await one.send(type="revoke", role=role, ref="r")
            assert (await one.error("forbidden"))["ref"] == "r"
        await camille.send(type="revoke", role="tutor")
        await camille.error("malformed")
        await olu.settled()
    assert (await server.http.get(links["observer"])).status_code == 200


async def test_who_comes_in_while_access_is_revoked_is_in_or_out(server: Running) -> None:
    """A session is opened only while its link is good, whatever was looked up before that."""
    room, links = await server.create("double")
    token = links["candidate"].rsplit("/", 1)[1]
    access = server.parts.access
    await access.revoke(room, Role.CANDIDATE)
    assert await access.redeem(token, Session(room, new_id(), Role.CANDIDATE)) is None
    rows = await _rows(server, sessions)
    assert rows == []


async def test_a_session_that_outlived_a_fault_is_refused_by_the_journal(server: Running) -> None:
    """The journal says who is shut out, whatever the tables of tokens still hold."""
    room, links = await server.create("double")
    joined = await server.join(links["candidate"], "Camille")
    kept = await _rows(server, sessions)
    async with server.enter(links["tutor"], "Ada") as ada:
        await revoke(ada, "candidate")
    await server.parts.access._store.write(lambda c: c.execute(sa.insert(sessions), kept))
    assert await refused(server, joined) == 403
    name = f"viva-{room}"
    async with httpx.AsyncClient(cookies={name: joined["session"]}) as browser:
        assert (await browser.get(f"{server.url}/rooms/{room}")).status_code == 403


async def test_a_tutor_makes_a_new_link(server: Running) -> None:
    """From the page, with its mark: the link works, and stands nowhere but in that answer."""
    room, links = await server.create("double")
    async with (
        httpx.AsyncClient(base_url=server.url) as browser,
        server.enter(links["tutor"], "Ada") as ada,
    ):
        await browser.post(links["tutor"], data={"name": "Ada"})
        csrf = await _mark(browser, room)
        await revoke(ada, "candidate")
        for role in OTHERS:
            made = await browser.post(f"/rooms/{room}/links", json={"role": role, "csrf": csrf})
            assert made.status_code == 201
            assert made.headers["cache-control"] == "no-store"
            link = made.json()["link"]
            async with server.enter(link, "Comes in") as entered:
                assert entered.welcome["you"]["role"] == role
                await entered.settled()
            token = link.rsplit("/", 1)[1]
            journal = (await server.http.get(f"/api/interviews/{room}/journal")).text
            assert token not in journal
            assert token not in (await browser.get(f"/rooms/{room}")).text
        files = list(server.parts.settings.data.glob("viva.db*"))
        assert files
        assert not [file for file in files if token.encode() in file.read_bytes()]
    assert (await server.http.get(links["observer"])).status_code == 200


async def test_a_new_link_needs_a_tutors_session_and_the_pages_mark(server: Running) -> None:
    """Not from another site, not without the mark, not from another role, not for a tutor."""
    room, links = await server.create("double")
    path = f"/rooms/{room}/links"
    before = await _rows(server, link_table)
    async with httpx.AsyncClient(base_url=server.url) as browser:
        await browser.post(links["tutor"], data={"name": "Ada"})
        csrf = await _mark(browser, room)
        good = {"role": "candidate", "csrf": csrf}
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
        ):
            assert (await browser.post(path, json=good, headers=headers)).status_code == 403
        for wrong in ({}, {"csrf": "0" * 64}):
            made = await browser.post(path, json={"role": "candidate", **wrong})
            assert made.status_code == 403
        assert (await browser.post(path, json={**good, "role": "tutor"})).status_code == 422
        assert (await browser.get(path)).status_code == 405
    for role in OTHERS:
        joined = await server.join(links[role], role)
        headers = {"Authorization": f"Bearer {joined['session']}"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers) as other:
            assert (await other.post(path, json={"role": "observer"})).status_code == 403
    async with httpx.AsyncClient(base_url=server.url) as nobody:
        assert (await nobody.post(path, json=good)).status_code == 403
    assert await _rows(server, link_table) == before


async def test_no_link_is_made_into_an_interview_that_has_ended(server: Running) -> None:
    room, links = await server.create("double")
    joined = await server.join(links["tutor"], "Ada")
    await server.parts.host.ask(room, EndByAdmin())
    headers = {"Authorization": f"Bearer {joined['session']}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers) as http:
        made = await http.post(
            f"/rooms/{room}/links",
            json={"role": "observer"},
            headers={"Accept": "application/json"},
        )
    assert made.status_code == 409
    assert "ended" in made.json()["detail"]


async def test_the_end_closes_the_others_connections_and_leaves_the_tutors(
    server: Running,
) -> None:
    """They hear of the end first; tutors stay, for their scores."""
    room, links = await server.create("double")
    async with (
        server.enter(links["tutor"], "Ada") as ada,
        server.enter(links["candidate"], "Camille") as camille,
        server.enter(links["observer"], "Olu") as olu,
    ):
        await server.http.post(f"/api/interviews/{room}/end")
        async with asyncio.timeout(SOON_S):
            assert [await camille.closed(), await olu.closed()] == [4410, 4410]
        for one in (camille, olu):
            assert any(frame.get("kind") == "interview_ended" for frame in one.frames)
        await ada.event("interview_ended")
        await ada.send(type="score", criterion="clarity", level=3)
        await ada.event("criterion_scored")


async def test_whoever_comes_back_after_the_end_sees_it_all_and_is_let_go(server: Running) -> None:
    """The state with its end, then 4410; also where only the missing events are sent."""
    room, links = await server.create("double")
    joined = await server.join(links["candidate"], "Camille")
    tutor = await server.join(links["tutor"], "Ada")
    async with server.connect(joined, client="c") as camille:
        await camille.type_text("scratch", "the last words", "e1")
        seen = camille.frames[-1]["seq"]
    await server.http.post(f"/api/interviews/{room}/end")
    async with server.connect(joined, client="c") as again:
        assert again.state["ended"]
        assert again.state["documents"]["scratch"]["text"] == "the last words"
        assert await again.closed() == 4410
    async with server.connect(joined, client="c", after=seen) as later:
        await later.event("interview_ended")
        assert await later.closed() == 4410
    async with server.connect(tutor, client="a") as ada:
        await ada.settled()


async def test_a_room_runs_so_many_programs_a_minute(server: Running) -> None:
    """The refusal says when to try again, and nothing was started."""
    _, links = await server.create("double")
    async with server.enter(links["candidate"], "Camille") as camille:
        for number in range(30):
            await camille.send(type="run", doc="scratch", what="program", ref=f"r{number}")
            started = await camille.event("run_started")
            await camille.send(type="stop", run=started["run"])
            await camille.event("run_finished")
        await camille.send(type="run", doc="scratch", what="program", ref="one too many")
        error = await camille.error("too_many_runs")
    assert error["ref"] == "one too many"
    assert re.search(r"Try again in \d+ s\.", error["message"])


def _present(frame: Frame) -> set[str]:
    people = frame["participants"] if kind_is("presence")(frame) else []
    return {person["name"] for person in people if person["present"]}


async def _mark(browser: httpx.AsyncClient, room: str) -> str:
    found = re.search(r'"csrf": "(\w+)"', (await browser.get(f"/rooms/{room}")).text)
    assert found is not None
    return found[1]


async def _rows(server: Running, table: sa.Table) -> list[dict[str, object]]:
    rows = await server.parts.access._store.read(lambda c: c.execute(sa.select(table)).all())
    return [dict(row._mapping) for row in rows]
