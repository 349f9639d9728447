"""What was typed and not sent outlives a refresh of the page, and is there once."""

from __future__ import annotations

from playwright.async_api import Browser, expect

from tests.browser.people import person
from tests.browser.test_interview import create
from tests.process import ServerProcess


async def test_unsent_edits_outlive_a_refresh(server: ServerProcess, browser: Browser) -> None:
    """Typed while cut off, the page refreshed, the other typing meanwhile: both are there."""
    _room, links = await create(server)
    async with (
        person(browser, links["tutor"], "Ada") as tutor,
        person(browser, links["candidate"], "Camille") as candidate,
    ):
        await candidate.page.context.set_offline(True)
        await candidate.add("# typed while away")
        await expect(candidate.page.locator("#saved")).not_to_have_attribute("data-state", "saved")
        kept = "() => Object.keys(localStorage).some(key => key.startsWith('viva:draft:'))"
        await candidate.page.wait_for_function(kept)
        await tutor.add("# meanwhile")
        await tutor.is_saved()

        await candidate.page.context.set_offline(False)
        await candidate.page.reload()
        await candidate.shows("# typed while away")
        await candidate.is_saved()
        await tutor.shows("# typed while away")
        text = await candidate.text()
        assert text == await tutor.text()
        assert text.count("# typed while away") == text.count("# meanwhile") == 1


async def test_a_duplicated_tab_has_a_client_id_of_its_own(
    server: ServerProcess, browser: Browser
) -> None:
    """Two tabs of one person converge, and the other sees one person."""
    _room, links = await create(server)
    async with (
        person(browser, links["tutor"], "Ada") as tutor,
        person(browser, links["candidate"], "Camille") as candidate,
    ):
        second = await candidate.page.context.new_page()
        await second.goto(candidate.page.url)
        await expect(second.locator("#connection")).to_have_attribute("data-state", "live")
        await second.locator("#editor .cm-content").click()
        await second.keyboard.press("ControlOrMeta+End")
        await second.keyboard.type("# from the second tab")
        await candidate.add("# from the first")
        await tutor.shows("# from the second tab")
        await tutor.shows("# from the first")
        await candidate.is_saved()
        assert await candidate.text() == await tutor.text()
        await expect(tutor.page.locator("#participants li")).to_have_count(2)
