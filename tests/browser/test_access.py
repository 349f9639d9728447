"""Links on the tutor's page, and the content policy, in a real browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.people import person
from tests.process import ServerProcess
from tests.serving import ADMIN_TOKEN

REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
    console.error("POLICY", event.violatedDirective, event.blockedURI));
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server on which nothing has to run."""
    process = await ServerProcess(tmp_path, sandbox=False).start()
    yield process
    await process.stop()


async def create(server: ServerProcess, language: str = "en") -> tuple[str, dict[str, str]]:
    """An interview: its id and its links."""
    body = {
        "title": "Backend intern",
        "candidate": "Camille",
        "problems": ["grade-sheet"],
        "language": language,
    }
    async with server.admin() as http:
        created = (await http.post("/api/interviews", json=body)).json()
    return created["id"], created["links"]


async def test_a_tutor_ends_access_and_makes_a_new_link(
    server: ServerProcess, browser: Browser
) -> None:
    """The candidate's page stops, and cannot be reloaded; the new link, copied, leads back in."""
    room, links = await create(server)
    async with (
        person(browser, links["tutor"], "Ada") as tutor,
        person(browser, links["candidate"], "Camille") as candidate,
    ):
        await candidate.open_document("Scratch")
        await candidate.add("written before")
        await candidate.is_saved()
        await tutor.click("#tab-links")
        access = tutor.page.locator("#access-candidate")
        await expect(access.locator(".access-state")).to_have_text("1 here now.")

        await access.locator(".access-revoke").click()
        await expect(tutor.page.locator("#revoke-dialog")).to_be_visible()
        await tutor.page.keyboard.press("Escape")
        await expect(candidate.page.locator("#connection")).to_have_attribute("data-state", "live")

        await access.locator(".access-revoke").click()
        await tutor.click("#revoke-confirm")
        ended = re.compile(r"Nobody is here now. Access ended at .+")
        await expect(access.locator(".access-state")).to_have_text(ended)
        connection = candidate.page.locator("#connection")
        await expect(connection).to_have_attribute("data-state", "closed", timeout=30_000)
        again = await candidate.page.goto(f"{server.url}/rooms/{room}")
        assert again is not None
        assert again.status == 403
        await expect(candidate.page.locator("main")).to_contain_text("ask whoever sent it")

        await access.locator(".access-make").click()
        field = access.locator(".access-new input")
        await expect(field).to_be_focused()
        link = await field.input_value()
        async with person(browser, link, "Camille") as back:
            await back.open_document("Scratch")
            await back.shows("written before")
            await expect(access.locator(".access-state")).to_contain_text("1 here now.")
            names = tutor.page.locator("#participants .person-name")
            await expect(names).to_have_text(["Ada", "Camille"])
        await tutor.page.reload()
        await expect(tutor.page.locator("#connection")).to_have_attribute("data-state", "live")
        assert link.rsplit("/", 1)[1] not in await tutor.page.content()


async def test_after_the_end_no_new_link_can_be_made(
    server: ServerProcess, browser: Browser
) -> None:
    """And ending access still can."""
    _, links = await create(server)
    async with person(browser, links["tutor"], "Ada") as tutor:
        await tutor.click("#tab-links")
        await tutor.click("#end-interview")
        await tutor.click("#end-confirm")
        access = tutor.page.locator("#access-observer")
        await expect(access.locator(".access-make")).to_be_disabled()
        await access.locator(".access-revoke").click()
        await tutor.click("#revoke-confirm")
        await expect(access.locator(".access-state")).to_contain_text("Access ended at")


async def watched(browser: Browser) -> tuple[Page, list[str]]:
    """A page, and what its console complains of."""
    context = await browser.new_context()
    await context.add_init_script(REPORT_VIOLATIONS)
    page = await context.new_page()
    complaints: list[str] = []
    page.on(
        "console",
        lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page, complaints


async def test_no_page_breaks_its_own_content_policy(
    server: ServerProcess, browser: Browser
) -> None:
    """Sign-in, home, lobby, room with two cursors and both themes, report, error page."""
    room, links = await create(server)
    tutor, complaints = await watched(browser)
    await tutor.goto(f"{server.url}/sign-in")
    await tutor.locator("#token").fill(ADMIN_TOKEN)
    await tutor.locator("form button[type=submit]").click()
    await expect(tutor.locator("#list-title")).to_be_visible()
    await tutor.locator("#theme").click()
    await enter(tutor, links["tutor"], "Ada")
    async with person(browser, links["candidate"], "Camille") as candidate:
        await candidate.open_document("Scratch")
        await tutor.locator("#documents [role=tab]", has_text="Scratch").click()
        await candidate.add("def f():\n    return 1")
        caret = tutor.locator("#editor .remote-name")
        await expect(caret).to_have_text("Camille")
        await tutor.locator("#editor .cm-content:visible").click()
        await tutor.keyboard.type("# and me")
        for _ in range(2):
            await tutor.locator("#theme").click()
        weight = "getComputedStyle(document.querySelector('#editor .cm-line')).fontFamily"
        assert "mono" in (await tutor.evaluate(weight)).lower()
        style = "getComputedStyle(document.querySelector('#editor .remote-caret')).position"
        assert await tutor.evaluate(style) == "relative"
        await tutor.locator("#editor .cm-content:visible").press("ControlOrMeta+f")
        await expect(tutor.locator(".cm-search")).to_be_visible()
    await tutor.goto(f"{server.url}/interviews/{room}/report")
    await expect(tutor.locator("h1")).to_be_visible()
    assert complaints == []
    missing = await tutor.goto(f"{server.url}/nothing-here")
    assert missing is not None
    assert missing.status == 404
    assert [one for one in complaints if "404" not in one] == []


async def test_a_violation_would_be_noticed(server: ServerProcess, browser: Browser) -> None:
    """Else the test above would pass with no policy at all."""
    page, complaints = await watched(browser)
    await page.goto(f"{server.url}/sign-in")
    add = "const s = document.createElement('script'); s.text = 'x = 1'; document.body.append(s)"
    async with page.expect_console_message(lambda said: "POLICY script-src" in said.text):
        await page.evaluate(add)
    assert complaints
    assert await page.evaluate("window.x") is None


async def enter(page: Page, link: str, name: str) -> None:
    await page.goto(link)
    await page.locator("input[name=name]").fill(name)
    await page.locator("form button[type=submit]").click()
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
