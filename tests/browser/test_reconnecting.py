"""Servers die, networks fall silent, computers sleep: nothing typed is lost, all is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Browser, Error, Page, expect

from tests.browser.people import Person, person
from tests.browser.test_interview import create
from tests.browser.test_waiting_page import HEARD
from tests.browser.test_waiting_page import _links as links_in
from tests.browser.wire import wire
from tests.process import ServerProcess

LONG_MS = 60_000
"""For what has no time of its own: a test does not judge a busy machine."""


async def connection_is(person: Person, state: str) -> None:
    """Wait for the chip in the head."""
    chip = person.page.locator("#connection")
    await expect(chip).to_have_attribute("data-state", state, timeout=LONG_MS)


async def saved_chip_says(person: Person, text: str) -> None:
    """Wait for the other one."""
    await expect(person.page.locator("#saved")).to_have_text(text, timeout=LONG_MS)


async def write_a_line(*people: Person, text: str) -> None:
    """The first types into an empty scratch pad, the others see it."""
    for one in people:
        await one.open_document("Scratch pad")
    await people[0].add(text)
    for one in people:
        await one.shows(text)
        await one.is_saved()


async def agree_on(*people: Person, typed: list[str]) -> None:
    """Everybody has everything, saved, once, and in the same order."""
    for one in people:
        for text in typed:
            await one.shows(text)
        await expect(one.page.locator("#saved")).to_have_attribute(
            "data-state", "saved", timeout=LONG_MS
        )
    shown = {await one.text() for one in people}
    assert len(shown) == 1
    text = shown.pop()
    assert [text.count(piece) for piece in typed] == [1] * len(typed)


def welcomes(received: list[str]) -> list[dict[str, Any]]:
    """The welcome frames among these."""
    return [frame for frame in map(json.loads, received) if frame["type"] == "welcome"]


async def heard(page: Page) -> list[str]:
    """What was read out since HEARD was evaluated."""
    said: list[str] = await page.evaluate("heard")
    return said


async def test_a_killed_server_costs_nothing_and_only_what_is_missing_is_sent(
    server: ServerProcess, browser: Browser
) -> None:
    """Each change is counted while it is kept here; the banner goes; all of it is told once."""
    _, links = await create(server)
    async with (
        person(browser, links["tutor"], "Ada") as tutor,
        person(browser, links["candidate"], "Camille") as candidate,
    ):
        await write_a_line(candidate, tutor, text="before ")
        seen = {one.page: len(one.received) for one in (tutor, candidate)}
        await candidate.page.evaluate(HEARD)
        await server.kill()
        for one in (candidate, tutor):
            await connection_is(one, "away")
            await expect(one.page.locator("#banner")).to_contain_text("Keep typing")
        await saved_chip_says(candidate, "Saved")
        await candidate.page.keyboard.type("x")
        await saved_chip_says(candidate, "1 change kept here")
        await candidate.page.keyboard.type("yz")
        await saved_chip_says(candidate, "3 changes kept here")
        await tutor.add("T")
        await tutor.click("#lock")
        await expect(tutor.page.locator("#notice")).to_contain_text("Nothing was sent")
        await server.start()
        for one in (candidate, tutor):
            await connection_is(one, "live")
            await expect(one.page.locator("#banner")).to_be_hidden()
        await agree_on(candidate, tutor, typed=["before ", "xyz", "T"])
        for one in (candidate, tutor):
            again = welcomes(one.received[seen[one.page] :])
            assert again
            assert all("state" not in welcome for welcome in again)
        assert await heard(candidate.page) == [
            "The connection is away. Keep typing: everything is kept in this browser "
            "and sent as soon as it is back.",
            "Connected again. Everything is saved.",
        ]


async def test_the_words_are_french_in_a_french_interview(
    server: ServerProcess, browser: Browser
) -> None:
    """One change, and more than one."""
    links = await links_in(server, "fr")
    async with person(browser, links["candidate"], "Camille") as candidate:
        await candidate.open_document("Brouillon")
        await server.kill()
        await connection_is(candidate, "away")
        await expect(candidate.page.locator("#connection")).to_have_text("Reconnexion…")
        await candidate.add("x")
        await saved_chip_says(candidate, "1 modification gardée ici")
        await candidate.page.keyboard.type("y")
        await saved_chip_says(candidate, "2 modifications gardées ici")
        await server.start()
        await saved_chip_says(candidate, "Enregistré")
        await expect(candidate.page.locator("#connection")).to_have_text("Connecté")


async def test_a_network_that_falls_silent_is_noticed_and_heals(
    server: ServerProcess, browser: Browser
) -> None:
    """No socket is closed, no error comes: only nothing more is heard. Both type meanwhile."""
    _, links = await create(server)
    async with (
        wire(server) as network,
        person(browser, links["tutor"], "Ada") as tutor,
        person(browser, network.through(links["candidate"]), "Camille") as candidate,
    ):
        await write_a_line(candidate, tutor, text="before ")
        network.silence()
        await candidate.add("[here]")
        await connection_is(candidate, "away")
        await expect(candidate.page.locator("#banner")).to_be_visible()
        await tutor.add("[there]")
        await tutor.is_saved()
        network.mend()
        await connection_is(candidate, "live")
        await agree_on(candidate, tutor, typed=["before ", "[here]", "[there]"])


async def test_both_type_while_cut_off_and_one_page_is_lost_meanwhile(
    server: ServerProcess, browser: Browser
) -> None:
    """The refresh finds no server; the page that comes at last holds what was typed."""
    _, links = await create(server)
    async with (
        wire(server) as network,
        person(browser, network.through(links["tutor"]), "Ada") as tutor,
        person(browser, network.through(links["candidate"]), "Camille") as candidate,
    ):
        await write_a_line(candidate, tutor, text="before ")
        network.cut()
        for one in (candidate, tutor):
            await connection_is(one, "away")
        await candidate.add("[candidate]")
        await tutor.add("[tutor]")
        room = candidate.page.url
        with pytest.raises(Error, match="ERR_"):
            await candidate.page.reload()
        await candidate.page.wait_for_url("chrome-error://chromewebdata/")
        await candidate.page.goto("about:blank")  # no page of an error, which loads itself anew
        network.mend()
        await candidate.page.goto(room)
        await candidate.open_document("Scratch pad")
        await agree_on(candidate, tutor, typed=["before ", "[candidate]", "[tutor]"])


async def test_waking_from_sleep_reconnects_at_once(
    server: ServerProcess, browser: Browser
) -> None:
    """No timer runs but one beat, ten minutes late: the connection is new all the same."""
    _, links = await create(server)
    async with person(browser, links["candidate"], "Camille") as candidate:
        page = candidate.page
        await page.clock.install()
        await page.reload()
        await connection_is(candidate, "live")
        await page.clock.pause_at(await page.evaluate("Date.now() + 100"))
        seen = len(candidate.received)
        async with page.expect_websocket():
            await page.clock.fast_forward(600_000)
        await connection_is(candidate, "live")
        again = welcomes(candidate.received[seen:])
        assert again
        assert all("state" not in welcome for welcome in again)
        await page.clock.resume()
        await candidate.add("awake")
        await candidate.is_saved()
