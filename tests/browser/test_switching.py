"""Another task is opened while the candidate types: no key lands in the wrong document."""

from __future__ import annotations

from playwright.async_api import Browser, expect

from tests.browser.people import Person, person
from tests.browser.test_interview import create
from tests.process import ServerProcess

OTHER = "#problem-list [data-problem=slow-wiping-stations][data-part=main]"


async def open_first(tutor: Person, candidate: Person) -> None:
    """Both see the first task's document."""
    await tutor.page.locator("#problem-list [data-problem=grade-sheet]").first.click()
    tab = candidate.page.locator("#documents [aria-selected=true]")
    await expect(tab).to_have_attribute("data-doc", "grade-sheet/main")


async def test_a_word_under_way_stays_in_its_document(
    server: ServerProcess, browser: Browser
) -> None:
    """The candidate stays where they type, is told, and goes when they choose to."""
    _, links = await create(server)
    async with (
        person(browser, links["tutor"], "Ada") as tutor,
        person(browser, links["candidate"], "Camille") as candidate,
    ):
        await open_first(tutor, candidate)
        await candidate.write("def gr")
        notice = candidate.page.locator("#notice")
        await candidate.page.evaluate(
            """() => { const keys = setInterval(() => document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", {key: "Shift", bubbles: true})), 100);
            addEventListener("click", () => clearInterval(keys)); }"""
        )
        await tutor.click(OTHER)
        await expect(notice).to_contain_text("Ada opened")
        await expect(candidate.page.locator("#announcer")).to_contain_text("Ada opened")
        await candidate.page.keyboard.type("ade")
        await candidate.shows("def grade")
        await notice.get_by_role("button").click()
        tab = candidate.page.locator("#documents [aria-selected=true]")
        await expect(tab).to_have_attribute("data-doc", "slow-wiping-stations/main")
        await expect(notice).to_be_hidden()
        starter = await candidate.text()
        await candidate.page.keyboard.type("# end")
        await candidate.shows(starter + "# end")


async def test_a_reader_who_does_not_type_follows_the_task(
    server: ServerProcess, browser: Browser
) -> None:
    """The next task comes to the front by itself, and is announced."""
    _, links = await create(server)
    async with (
        person(browser, links["tutor"], "Ada") as tutor,
        person(browser, links["candidate"], "Camille") as candidate,
    ):
        await open_first(tutor, candidate)
        await tutor.click(OTHER)
        tab = candidate.page.locator("#documents [aria-selected=true]")
        await expect(tab).to_have_attribute("data-doc", "slow-wiping-stations/main")
        await expect(candidate.page.locator("#announcer")).to_contain_text("Ada opened")
