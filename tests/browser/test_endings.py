"""What a server says of its end or its disk is told in words; what it never said costs nothing.

The words of the server are put in between it and the page: here the page is what is tested.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.async_api import Browser, WebSocketRoute, expect

from tests.browser.people import Person, person
from tests.browser.test_interview import create
from tests.browser.test_reconnecting import connection_is, saved_chip_says
from tests.browser.test_waiting_page import HEARD
from tests.browser.test_waiting_page import _links as links_in
from tests.process import ServerProcess

NOT_SAVED = "Not saved: the server can't write just now. Keep this page open: what you type is kept"


DURABLE = """await new Promise(resolve => {
    indexedDB.open("viva").onsuccess = ({ target: { result: base } }) => {
        const count = base.transaction("texts").objectStore("texts").count();
        count.onsuccess = () => { base.close(); resolve(count.result); };
    };
})"""
"""How many texts the browser's database holds."""


class Between:
    """Stands between a page and its server: says things in the server's name."""

    def __init__(self) -> None:
        self.sockets: list[WebSocketRoute] = []
        self.sent: list[str] = []
        self.hears: Callable[[str], bool] = lambda _: True
        """Which of the page's frames reach the server."""
        self.says: Callable[[str], bool] = lambda _: True
        """Which of the server's reach the page."""

    def take(self, socket: WebSocketRoute) -> None:
        """A page's new connection."""
        self.sockets.append(socket)
        server = socket.connect_to_server()

        def pass_on(frame: str | bytes) -> None:
            self.sent.append(str(frame))
            if self.hears(str(frame)):
                server.send(frame)

        def pass_back(frame: str | bytes) -> None:
            if self.says(str(frame)):
                socket.send(frame)

        socket.on_message(pass_on)
        server.on_message(pass_back)

    def say(self, **frame: object) -> None:
        """To the page, on its latest connection."""
        self.sockets[-1].send(json.dumps(frame))


async def between(one: Person) -> Between:
    """Come in between; the page is loaded anew for that."""
    stands = Between()
    await one.page.route_web_socket(re.compile(r"/ws$"), stands.take)
    await one.page.reload()
    await connection_is(one, "live")
    await one.click("#documents [data-doc=scratch]")
    return stands


# The end.


@pytest.mark.parametrize(
    ("code", "chip", "banner"),
    [
        (4403, "Access withdrawn", "ask whoever sent you the link for a new one"),
        (4404, "Erased", "This interview was erased, with everything in it"),
    ],
)
async def test_a_page_that_is_shut_out_says_why_and_stays_away(
    server: ServerProcess, browser: Browser, code: int, chip: str, banner: str
) -> None:
    """No other connection is made, however often one looks; what stands there can be copied."""
    _, links = await create(server)
    async with person(browser, links["candidate"], "Camille") as candidate:
        stands = await between(candidate)
        await candidate.add("to copy")
        await candidate.is_saved()
        made = len(stands.sockets)
        await stands.sockets[-1].close(code=code, reason="over")
        await connection_is(candidate, "closed")
        await expect(candidate.page.locator("#connection")).to_have_text(chip)
        await expect(candidate.page.locator("#banner")).to_contain_text(banner)
        await expect(candidate.page.locator("#announcer")).to_contain_text(banner)
        await expect(candidate.editor).to_have_attribute("aria-readonly", "true")
        await expect(candidate.page.locator("#run-program")).to_be_disabled()
        await candidate.shows("to copy")
        await candidate.page.evaluate(
            "['online', 'focus', 'pageshow'].forEach(kind => dispatchEvent(new Event(kind)))"
        )
        await candidate.page.clock.install()
        await candidate.page.clock.run_for(10_000)
        assert len(stands.sockets) == made


async def test_what_was_not_sent_before_access_was_withdrawn_is_counted(
    server: ServerProcess, browser: Browser
) -> None:
    """It stays on the page and in the browser."""
    _, links = await create(server)
    async with person(browser, links["candidate"], "Camille") as candidate:
        stands = await between(candidate)
        stands.hears = lambda frame: '"edit"' not in frame
        await candidate.add("abc")
        await saved_chip_says(candidate, "Saving…")
        await stands.sockets[-1].close(code=4403, reason="over")
        await saved_chip_says(candidate, "3 changes not sent")
        await candidate.shows("abc")


async def test_an_erased_interview_leaves_no_draft_in_the_browser(
    server: ServerProcess, browser: Browser
) -> None:
    """Neither in its storage nor in its database."""
    _, links = await create(server)
    async with person(browser, links["candidate"], "Camille") as candidate:
        stands = await between(candidate)
        stands.hears = lambda frame: '"edit"' not in frame
        await candidate.add("secret")
        drafts = "Object.keys(localStorage).filter(key => key.startsWith('viva:draft:')).length"
        await candidate.page.wait_for_function(f"() => {drafts} === 1")
        await candidate.page.wait_for_function(f"async () => ({DURABLE}) === 1")
        await stands.sockets[-1].close(code=4404, reason="erased")
        await connection_is(candidate, "closed")
        await candidate.page.wait_for_function(f"() => {drafts} === 0")
        await candidate.page.wait_for_function(f"async () => ({DURABLE}) === 0")


async def test_the_end_of_the_interview_leaves_the_room_to_be_read(
    server: ServerProcess, browser: Browser
) -> None:
    """The closing words, no banner, no reconnecting; the code stays, read-only."""
    _, links = await create(server)
    async with (
        person(browser, links["tutor"], "Ada") as tutor,
        person(browser, links["candidate"], "Camille") as candidate,
    ):
        stands = await between(candidate)
        await candidate.add("my answer")
        await candidate.is_saved()
        await tutor.click("#end-interview")
        await tutor.click("#end-confirm")
        await expect(candidate.page.locator("#closing")).to_be_visible()
        await stands.sockets[-1].close(code=4410, reason="The interview has ended.")
        await connection_is(candidate, "closed")
        await expect(candidate.page.locator("#connection")).to_have_text("Interview over")
        await expect(candidate.page.locator("#banner")).to_be_hidden()
        await candidate.click("#see-code")
        await candidate.shows("my answer")
        await expect(candidate.editor).to_have_attribute("aria-readonly", "true")


async def test_an_end_that_is_told_by_the_close_alone_is_the_end(
    server: ServerProcess, browser: Browser
) -> None:
    """What had not been sent by then is offered for copying."""
    _, links = await create(server)
    async with person(browser, links["candidate"], "Camille") as candidate:
        stands = await between(candidate)
        stands.hears = lambda frame: '"edit"' not in frame
        await candidate.add("too late")
        await stands.sockets[-1].close(code=4410, reason="The interview has ended.")
        await expect(candidate.page.locator("#closing")).to_be_visible()
        await expect(candidate.page.locator("#recovered")).to_contain_text("too late")


# The disk.


async def test_everybody_sees_that_the_server_cannot_write_and_that_it_can_again(
    server: ServerProcess, browser: Browser
) -> None:
    """Whoever typed nothing, too; an observer is not told to go on typing."""
    _, links = await create(server)
    async with (
        person(browser, links["tutor"], "Ada") as tutor,
        person(browser, links["candidate"], "Camille") as candidate,
        person(browser, links["observer"], "Olu") as observer,
    ):
        people = (tutor, candidate, observer)
        stand = [await between(one) for one in people]
        for one, stands in zip(people, stand, strict=True):
            await one.page.evaluate(HEARD)
            stands.say(type="saving", ok=False)
        for one in (tutor, candidate):
            await expect(one.page.locator("#banner")).to_contain_text(NOT_SAVED)
            await saved_chip_says(one, "Saving is interrupted")
        await expect(observer.page.locator("#banner")).to_contain_text("Not saved:")
        await expect(observer.page.locator("#banner")).not_to_contain_text("you type")
        for one, stands in zip(people, stand, strict=True):
            stands.say(type="saving", ok=True)
            await expect(one.page.locator("#banner")).to_be_hidden()
            await saved_chip_says(one, "Saved")
        said: list[str] = await candidate.page.evaluate("heard")
        assert said[0].startswith(NOT_SAVED)
        assert said[1:] == ["Everything is saved again."]


async def test_what_is_typed_while_the_server_cannot_write_is_kept_and_sent(
    server: ServerProcess, browser: Browser
) -> None:
    """Counted meanwhile, and sent once as soon as the server says so."""
    _, links = await create(server)
    async with (
        person(browser, links["tutor"], "Ada") as tutor,
        person(browser, links["candidate"], "Camille") as candidate,
    ):
        await tutor.open_document("Scratch")
        stands = await between(candidate)
        stands.hears = lambda frame: '"edit"' not in frame
        stands.say(type="saving", ok=False)
        await expect(candidate.page.locator("#banner")).to_be_visible()
        await candidate.add("a")
        await saved_chip_says(candidate, "1 change not saved")
        await candidate.page.keyboard.type("b")
        await saved_chip_says(candidate, "2 changes not saved")
        (edit,) = [json.loads(frame) for frame in stands.sent if '"edit"' in frame]
        stands.hears = lambda _: True
        stands.say(type="error", code="not_saved", message="", ref=edit["ref"])
        stands.say(type="saving", ok=True)
        await saved_chip_says(candidate, "Saved")
        await expect(candidate.page.locator("#banner")).to_be_hidden()
        await tutor.shows("ab")
        assert await tutor.text() == await candidate.text() == "ab"


async def test_a_page_that_comes_in_meanwhile_is_told_in_french(
    server: ServerProcess, browser: Browser
) -> None:
    """By its welcome, or by the frame."""
    links = await links_in(server, "fr")
    async with person(browser, links["candidate"], "Camille") as candidate:
        stands = await between(candidate)
        you = {"id": "x", "name": "Camille", "role": "candidate"}
        stands.say(type="welcome", you=you, seq=0, now=0, saving=False)
        banner = candidate.page.locator("#banner")
        await expect(banner).to_contain_text("Non enregistré : le serveur ne peut pas écrire")
        await saved_chip_says(candidate, "Enregistrement interrompu")


async def test_saved_is_said_only_once_the_disk_has_it(
    server: ServerProcess, browser: Browser
) -> None:
    """An edit that the others see already may still be on its way to the disk."""
    _, links = await create(server)
    async with person(browser, links["candidate"], "Camille") as candidate:
        stands = await between(candidate)
        you = next(json.loads(f)["you"] for f in candidate.received if '"welcome"' in f)
        stands.says = lambda frame: not frame.startswith('{"type":"saved"')
        stands.say(type="welcome", you=you, seq=0, now=0, saved=0)
        before = len(candidate.received)
        await candidate.add("a")
        chip = candidate.page.locator("#saved")
        await expect(chip).to_have_attribute("data-state", "unsaved")

        def accepted() -> list[int]:
            frames = map(json.loads, candidate.received[before:])
            return [frame["seq"] for frame in frames if frame.get("kind") == "edited"]

        while not accepted():
            await candidate.page.evaluate("0")
        await expect(chip).to_have_text("Saving…")
        stands.say(type="saved", seq=accepted()[-1])
        await saved_chip_says(candidate, "Saved")


# What never came.


async def test_an_edit_that_arrived_without_an_answer_is_not_sent_again(
    server: ServerProcess, browser: Browser
) -> None:
    """The server is killed between the two: the edit is among the events that were missed."""
    _, links = await create(server)
    async with (
        person(browser, links["tutor"], "Ada") as tutor,
        person(browser, links["candidate"], "Camille") as candidate,
    ):
        await tutor.open_document("Scratch")
        stands = await between(candidate)
        stands.says = lambda frame: '"edited"' not in frame
        await candidate.add("once")
        await tutor.shows("o")
        await server.kill()
        await connection_is(candidate, "away")
        stands.says = lambda _: True
        await server.start()
        await connection_is(candidate, "live")
        await saved_chip_says(candidate, "Saved")
        await tutor.shows("once")
        assert await tutor.text() == await candidate.text() == "once"
        refs = [json.loads(frame)["ref"] for frame in stands.sent if '"edit"' in frame]
        assert len(refs) == len(set(refs)) == 2


async def test_a_server_that_lost_what_it_had_told_gets_it_offered_back(
    server: ServerProcess, browser: Browser
) -> None:
    """As after a power cut: its journal ends before what this page has seen of it."""
    _, links = await create(server)
    async with person(browser, links["candidate"], "Camille") as candidate:
        stands = await between(candidate)
        earlier = [frame for frame in candidate.received if '"welcome"' in frame][-1]
        await candidate.add("seen and lost")
        await candidate.is_saved()
        stands.sockets[-1].send(earlier)
        await expect(candidate.page.locator("#recovered")).to_contain_text("seen and lost")
