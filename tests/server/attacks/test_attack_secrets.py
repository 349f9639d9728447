"""Every byte that a candidate or an observer gets in a whole interview, searched for secrets."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from dataclasses import replace

import httpx

from sandbox.contract import Ended, Output, ProgramError
from tests.core.playing import SECRETS
from tests.scripted import ScriptedSandbox, outcome
from tests.serving import Client, Running

MAIN = "double/main"


async def test_no_byte_that_a_candidate_gets_holds_a_secret(
    server: Running, sandbox: ScriptedSandbox
) -> None:
    """Notes, rubric, hidden tests, expected answers, tutors' hints: on no socket and on no page."""
    room, links = await server.create("double")
    async with AsyncExitStack() as stack:
        ada = await stack.enter_async_context(server.enter(links["tutor"], "Ada"))
        joined = {role: await server.join(links[role], role) for role in ("candidate", "observer")}
        those = [
            await stack.enter_async_context(server.connect(joined[role], client=role))
            for role in joined
        ]
        await the_tutor_works(ada)
        await the_candidate_runs(those[0], ada, sandbox)
        halfway = those[0].frames[-1]["seq"]
        await ada.send(type="open", problem="double", part="texts")
        await those[0].event("problem_opened", part="texts")
        told = ""
        for role, session in joined.items():
            told += await whole_again(server, session, role, after=0)
            told += await whole_again(server, session, role, after=halfway)
            told += await pages(server, room, links[role], session["session"])
        await ada.send(type="end")
        for one in those:
            await one.event("interview_ended")
            told += json.dumps(one.frames, ensure_ascii=False)
        for role, session in joined.items():
            told += await pages(server, room, links[role], session["session"])
    assert "test_judged" in told  # it was a whole interview
    assert "Return <strong>twice</strong>" in told
    assert [secret for secret in SECRETS if secret in told] == []
    tutors = json.dumps(ada.frames, ensure_ascii=False)
    assert [secret for secret in SECRETS[:3] if secret not in tutors] == []


async def the_tutor_works(ada: Client) -> None:
    """All that a tutor does and nobody else is to see."""
    await ada.send(type="phase", action="start")
    await ada.send(type="hint", hint=0)
    await ada.send(type="note", text="SECRET note")
    await ada.send(type="lock", locked=True)
    await ada.send(type="lock", locked=False)
    await ada.send(type="score", criterion="clarity", level=3, comment="SECRET comment")
    await ada.event("criterion_scored")


async def the_candidate_runs(camille: Client, ada: Client, sandbox: ScriptedSandbox) -> None:
    """All tests, twice: hidden ones print, return, and break with what is in their inputs."""
    for ended in (Ended.RETURNED, Ended.RAISED):
        await camille.send(type="run", doc=MAIN, what="tests")
        run = await sandbox.runs.get()
        visible, hidden, nought = run.submission.tests
        error = ProgramError("ValueError", "SECRET -3141", "  in double: SECRET -3141", 2)
        value = "-3141" if ended is Ended.RETURNED else None
        came = replace(outcome(hidden, ended, value), error=error if value is None else None)
        sandbox.say(
            outcome(visible, Ended.RETURNED, "2"),
            Output(hidden.id, "stdout", "SECRET -3141 printed"),
            Output(hidden.id, "stderr", "SECRET -3141 told"),
            came,
            outcome(nought, Ended.RETURNED, "0"),
            None,
        )
        await ada.event("test_judged", test=hidden.id)
        await camille.event("run_finished")


async def whole_again(server: Running, session: dict[str, str], role: str, after: int) -> str:
    """What is told to somebody who comes back, or comes anew."""
    async with server.connect(session, client=role, after=after) as again:
        await again.settled()
        return json.dumps(again.frames, ensure_ascii=False)


async def pages(server: Running, room: str, link: str, session: str) -> str:
    """Every page and answer that there is, with the headers, as this session is given them."""
    told = ""
    paths = (
        *("/", link, f"/rooms/{room}", f"/interviews/{room}/report", "/metrics", "/healthz"),
        *(f"/api/interviews/{room}{rest}" for rest in ("", "/report", "/journal")),
        *("/api/problems", "/api/interviews", "/static/problem.yaml", "/problems/double.yaml"),
    )
    cookies = {f"viva-{room}": session}
    for headers in ({}, {"Authorization": f"Bearer {session}"}):
        async with httpx.AsyncClient(base_url=server.url, headers=headers) as http:
            http.cookies.update(cookies)
            for path in paths:
                answer = await http.get(path)
                told += f"{answer.headers} {answer.text}"
    return told
