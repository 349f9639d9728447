"""Where programs have to wait for one another, people see it, and may give up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.people import person
from tests.process import ServerProcess

HEARD = """() => {
    window.heard = [];
    const region = document.getElementById("announcer");
    new MutationObserver(() => window.heard.push(region.textContent.trim()))
        .observe(region, { childList: true });
}"""


@pytest.fixture
async def small_server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server that runs one program at a time."""
    process = await ServerProcess(tmp_path, runs=1).start()
    yield process
    await process.stop()


async def _links(server: ServerProcess, language: str = "en") -> dict[str, str]:
    body = {
        "title": "Lines",
        "candidate": "Camille",
        "format": "technical-45",
        "problems": ["grade-sheet"],
        "language": language,
    }
    async with server.admin() as admin:
        created = await admin.post("/api/interviews", json=body)
    links: dict[str, str] = created.json()["links"]
    return links


async def _shows_waiting(page: Page, text: str) -> None:
    await expect(page.locator("#results .verdict.waiting")).to_have_text(text)


async def test_people_see_that_a_run_waits_and_when_it_has_its_sandbox(
    small_server: ServerProcess, browser: Browser
) -> None:
    """In the reader's language, from the reader's side, and said aloud once for each news."""
    first, second, third = [await _links(small_server, language) for language in ("en", "en", "fr")]
    async with (
        person(browser, first["candidate"], "Bo") as bo,
        person(browser, second["tutor"], "Ada") as ada,
        person(browser, second["candidate"], "Camille") as camille,
        person(browser, third["candidate"], "Dominique") as dominique,
    ):
        for one in (bo, camille, dominique):
            await one.open_document("Scratch pad" if one is not dominique else "Brouillon")
            await one.write("print(input('line? '))")
            await one.is_saved()
        await ada.open_document("Scratch pad")
        await ada.page.evaluate(HEARD)
        await camille.page.evaluate(HEARD)

        await bo.click("#run-program")
        await expect(bo.page.locator("#output")).to_contain_text("line?")
        await camille.click("#run-program")
        await _shows_waiting(camille.page, "Waiting for a sandbox · you are next")
        await _shows_waiting(ada.page, "Waiting for a sandbox · 1st in line")
        await dominique.click("#run-program")
        await _shows_waiting(dominique.page, "En attente d’un bac à sable · 2e dans la file")
        for page in (camille.page, ada.page, dominique.page):
            await expect(page.locator("#stop")).to_be_enabled()

        await expect(bo.page.locator("#stdin-line")).to_be_focused()
        await bo.page.keyboard.type("go")
        await bo.page.keyboard.press("Enter")
        await expect(bo.page.locator("#run-program")).to_be_focused()
        await expect(camille.page.locator("#output")).to_contain_text("line?")
        for page in (camille.page, ada.page):
            await expect(page.locator("#results .verdict.busy")).to_be_visible()
            await expect(page.locator("#results .verdict.waiting")).to_have_count(0)
        await _shows_waiting(
            dominique.page, "En attente d’un bac à sable · votre tour vient ensuite"
        )

        await dominique.click("#stop")
        await expect(dominique.page.locator("#results .verdict.warn")).to_have_text("arrêté")
        assert await camille.page.evaluate("heard") == [
            "Waiting for a sandbox, you are next",
            "line? The program waits for input.",
        ]
        assert await ada.page.evaluate("heard") == ["Waiting for a sandbox, 1st in line"]


async def test_a_page_opened_meanwhile_shows_that_a_run_waits(
    small_server: ServerProcess, browser: Browser
) -> None:
    """As does one that was loaded again."""
    first, second = await _links(small_server), await _links(small_server)
    async with (
        person(browser, first["candidate"], "Bo") as bo,
        person(browser, second["candidate"], "Camille") as camille,
    ):
        for one in (bo, camille):
            await one.open_document("Scratch pad")
            await one.write("print(input('line? '))")
            await one.is_saved()
        await bo.click("#run-program")
        await expect(bo.page.locator("#output")).to_contain_text("line?")
        await camille.click("#run-program")
        await _shows_waiting(camille.page, "Waiting for a sandbox · you are next")
        await camille.page.reload()
        await camille.open_document("Scratch pad")
        await _shows_waiting(camille.page, "Waiting for a sandbox · you are next")
        async with person(browser, second["observer"], "Olu") as olu:
            await olu.open_document("Scratch pad")
            await _shows_waiting(olu.page, "Waiting for a sandbox · 1st in line")
