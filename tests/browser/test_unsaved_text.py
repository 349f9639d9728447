"""What was typed and not sent outlives a refresh of the page, and is there once."""

from __future__ import annotations

import json

from playwright.async_api import Browser, expect

from tests.browser.people import Person, person
from tests.browser.test_interview import create
from tests.browser.wire import wire
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


async def test_a_draft_older_than_what_was_sent_is_not_typed_twice(
    server: ServerProcess, browser: Browser
) -> None:
    """As a browser may bring it back that was killed a moment after: it holds what came since."""
    _room, links = await create(server)
    async with (
        wire(server) as network,
        person(browser, network.through(links["candidate"]), "Camille") as candidate,
    ):
        page = candidate.page
        room = page.url
        await candidate.open_document("Scratch")
        network.cut()
        await expect(page.locator("#connection")).to_have_attribute("data-state", "away")
        await candidate.add("first ")
        find = "Object.entries(localStorage).find(([key]) => key.startsWith('viva:draft:'))"
        await page.wait_for_function(f"() => {find}?.[1].includes('t ')")
        draft = await page.evaluate(find)
        network.mend()
        await candidate.is_saved()
        await candidate.add("second")
        await candidate.is_saved()
        await page.goto(network.through(f"{server.url}/healthz"))
        await page.evaluate("([key, text]) => localStorage.setItem(key, text)", draft)
        await page.goto(room)
        await candidate.open_document("Scratch")
        await page.wait_for_function(f"() => !{find}")
        await candidate.is_saved()
        assert await candidate.text() == "first second"


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


CARETS = ".cm-content .remote-caret"


async def test_the_same_tab_opened_twice_is_one_person(
    server: ServerProcess, browser: Browser
) -> None:
    """One is present, with one cursor where it moved last, which neither tab shows itself."""
    _room, links = await create(server)
    async with (
        person(browser, links["tutor"], "Ada") as tutor,
        person(browser, links["candidate"], "Camille") as candidate,
    ):
        second = await second_tab(candidate)
        for one in (tutor, candidate, second):
            await one.open_document("Scratch")
        await candidate.add("first ")
        await second.shows("first ")
        await second.add("second")
        for one in (tutor, candidate):
            await one.shows("first second")
        for tab, at in ((candidate, 0), (second, len("first second")), (candidate, 0)):
            await tab.editor.click()
            await tab.page.keyboard.press("ControlOrMeta+End" if at else "ControlOrMeta+Home")
            await tutor.page.wait_for_function(
                f"""at => {{
                    const carets = document.querySelectorAll("{CARETS}");
                    const range = document.createRange();
                    range.selectNodeContents(document.querySelector("#editor .cm-line"));
                    if (carets.length !== 1) return false;
                    range.setEndBefore(carets[0]);
                    const names = range.cloneContents().querySelectorAll(".remote-caret");
                    return names.length === 0 && range.toString().length === at;
                }}""",
                arg=at,
            )
        received = [json.loads(frame) for frame in candidate.received]
        you = next(frame["you"]["id"] for frame in received if frame["type"] == "welcome")
        await wait_for_cursor_of(you, candidate)
        for tab in (candidate, second):
            await expect(tab.page.locator(f'{CARETS}[data-by="{you}"]')).to_have_count(0)
            await expect(tab.page.locator("#participants li")).to_have_count(2)
        await expect(tutor.page.locator("#participants li[data-present=true]")).to_have_count(2)
        await second.page.close()
        await candidate.add("!")
        await tutor.shows("!")
        await expect(tutor.page.locator("#participants li[data-present=true]")).to_have_count(2)


async def second_tab(one: Person) -> Person:
    """The same address in the same browser."""
    page = await one.page.context.new_page()
    await page.goto(one.page.url)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    return Person(page)


async def wait_for_cursor_of(participant: str, one: Person) -> None:
    """Until a tab was told of the cursor in another tab of the same person."""

    def told() -> bool:
        frames = map(json.loads, one.received)
        return any(f["type"] == "cursor" and f["by"] == participant for f in frames)

    while not told():
        await one.page.evaluate("0")
