"""A whole short interview: a tutor and a candidate, two browsers, real containers."""

from __future__ import annotations

import json

from playwright.async_api import Browser, expect

from server.library import Library
from server.settings import ROOT
from tests.browser.people import READ_EDITOR, Person, person
from tests.process import ServerProcess

PROBLEM = "grade-sheet"
DOC = f"{PROBLEM}/main"


async def create(server: ServerProcess) -> tuple[str, dict[str, str]]:
    """An interview of two problems: its id and its links."""
    body = {
        "title": "Backend intern",
        "candidate": "Camille",
        "problems": [PROBLEM, "slow-wiping-stations"],
        "language": "en",
    }
    async with server.admin() as http:
        created = (await http.post("/api/interviews", json=body)).json()
    return created["id"], created["links"]


async def document(server: ServerProcess, room: str, doc: str) -> str:
    """What the server holds of a document."""
    async with server.admin() as http:
        report = (await http.get(f"/api/interviews/{room}/report")).json()
    text: str = report["documents"][doc]["text"]
    return text


async def test_a_whole_interview(server: ServerProcess, browser: Browser) -> None:
    """Both type, a run fails, is mended and accepted; a kill -9 in between loses nothing."""
    room, links = await create(server)
    part = Library(ROOT / "problems").problems[PROBLEM].parts[0]
    right = next(s.code for s in part.solutions if s.expect == "pass")
    wrong = next(s.code for s in part.solutions if "examples" in s.fails)
    async with (
        person(browser, links["tutor"], "Ada") as tutor,
        person(browser, links["candidate"], "Camille") as candidate,
    ):
        await they_see_each_other(tutor, candidate)
        await they_type_together(tutor, candidate)
        await the_clock_runs_for_both(tutor, candidate)

        await candidate.open_document(part.title.en)
        await tutor.open_document(part.title.en)
        await candidate.write(wrong)
        await candidate.click("#run-examples")
        failed = candidate.page.locator("#results [data-verdict=wrong_answer]").first
        await expect(failed).to_be_visible()
        await expect(candidate.page.locator("#results")).to_contain_text("Expected")

        await the_server_dies_and_comes_back(server, tutor, candidate)

        await candidate.write(right)
        await candidate.is_saved()
        await candidate.click("#submit")
        for one in (candidate, tutor):
            passed = f"{len(part.cases)} of {len(part.cases)} passed"
            await expect(one.page.locator("#results")).to_contain_text(passed, timeout=30_000)
            await expect(one.page.locator("#results")).to_contain_text("accepted")
        assert await document(server, room, DOC) == right

        hidden = [case.name for g in part.groups if not g.visible for case in g.cases]
        await expect(tutor.page.locator("#results")).to_contain_text(hidden[0])
        nothing_hidden_was_received(candidate, tutor)

        await tutor.click("#end-interview")
        await tutor.click("#end-confirm")
        await expect(candidate.page.locator("#closing")).to_be_visible()
        await candidate.click("#see-code")
        await expect(candidate.editor).to_have_attribute("aria-readonly", "true")


async def they_see_each_other(tutor: Person, candidate: Person) -> None:
    """Each is listed at the other's."""
    await expect(tutor.page.locator("#participants")).to_contain_text("Camille")
    await expect(candidate.page.locator("#participants")).to_contain_text("Ada")


async def they_type_together(tutor: Person, candidate: Person) -> None:
    """The same text at both, and each other's cursor with its name."""
    for one in (tutor, candidate):
        await one.open_document("Scratch")
    await candidate.add("hello from Camille")
    await tutor.shows("hello from Camille")
    await expect(tutor.page.locator(".cm-content .remote-name")).to_have_text("Camille")
    await tutor.page.keyboard.press("Escape")
    await tutor.add(" and Ada 😀")
    await candidate.shows("hello from Camille and Ada 😀")
    assert await tutor.text() == await candidate.text()


async def the_clock_runs_for_both(tutor: Person, candidate: Person) -> None:
    """As the tutor started it."""
    await tutor.click("#clock-start")
    for one in (tutor, candidate):
        await expect(one.page.locator("#clock")).to_have_attribute("data-state", "running")


async def the_server_dies_and_comes_back(
    server: ServerProcess, tutor: Person, candidate: Person
) -> None:
    """Typing is not blocked meanwhile, and all of it is there afterwards, once."""
    for one in (tutor, candidate):
        await one.open_document("Scratch")
    await server.kill()
    for one in (tutor, candidate):
        await expect(one.page.locator("#connection")).not_to_have_attribute("data-state", "live")
    await candidate.add(" [typed while away]")
    await candidate.shows("[typed while away]")
    await expect(candidate.page.locator("#saved")).not_to_have_attribute("data-state", "saved")
    await tutor.add(" [me too]")
    await server.start()
    for one in (candidate, tutor):
        await one.is_saved()
        await one.shows("[typed while away]")
        await one.shows("[me too]")
    text = await candidate.text()
    assert text == await tutor.text()
    assert text.count("[typed while away]") == text.count("[me too]") == 1
    assert text.startswith("hello from Camille and Ada 😀")
    for one in (tutor, candidate):
        await one.page.locator("#documents [role=tab]").first.click()


def nothing_hidden_was_received(candidate: Person, tutor: Person) -> None:
    """No hidden case's name, input or answer in any byte of the candidate's socket."""
    hidden = [
        frame
        for frame in map(json.loads, tutor.received)
        if frame.get("kind") == "test_judged" and not frame["visible"]
    ]
    assert hidden
    received = "".join(candidate.received)
    assert '"verdict":"accepted"' in received
    for frame in hidden:
        assert frame["name"] not in received
        assert json.dumps(frame["input"])[1:-1] not in received
        assert "expected" in frame
    for frame in map(json.loads, candidate.received):
        if frame.get("kind") == "test_judged" and not frame["visible"]:
            assert frame.keys() == {
                *("type", "seq", "at", "by", "kind"),
                *("run", "test", "group", "visible", "verdict"),
            }


async def test_undo_is_of_ones_own_edits_only(server: ServerProcess, browser: Browser) -> None:
    """What the other typed in between stays."""
    _, links = await create(server)
    async with (
        person(browser, links["tutor"], "Ada") as tutor,
        person(browser, links["candidate"], "Camille") as candidate,
    ):
        for one in (tutor, candidate):
            await one.open_document("Scratch")
        await candidate.add("mine")
        await tutor.shows("mine")
        await tutor.add(" yours")
        await candidate.shows("mine yours")
        await candidate.page.keyboard.press("ControlOrMeta+z")
        await tutor.page.wait_for_function(
            f"() => ({READ_EDITOR})() === ' yours'", polling=50, timeout=10_000
        )
        await candidate.page.keyboard.press("ControlOrMeta+Shift+z")
        await tutor.shows("mine yours")
