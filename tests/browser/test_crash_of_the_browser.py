"""The browser is killed while it holds what was typed: opened again, it brings it back, once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Playwright, async_playwright

from tests.browser.conftest import CHROMIUM_ARGUMENTS, chromium_program
from tests.browser.people import LAPTOP, Person, person
from tests.browser.test_interview import create
from tests.browser.test_reconnecting import agree_on, connection_is, saved_chip_says, write_a_line
from tests.browser.wire import wire
from tests.process import ServerProcess

IS_DURABLE = """text => new Promise(resolve => {
    const opening = indexedDB.open("viva");
    opening.onsuccess = () => {
        const texts = opening.result.transaction("texts").objectStore("texts").getAll();
        texts.onsuccess = () => {
            opening.result.close();
            resolve(texts.result.some(one => one.includes(text)));
        };
    };
})"""


@dataclass(slots=True)
class OwnBrowser:
    """A browser with a profile on the disk, in a process group of its own."""

    process: asyncio.subprocess.Process
    context: BrowserContext

    async def kill(self) -> None:
        """End all of it, without a word."""
        os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()


@asynccontextmanager
async def own_browser(playwright: Playwright, profile: Path) -> AsyncIterator[OwnBrowser]:
    """Start one; it is dead afterwards."""
    (profile / "DevToolsActivePort").unlink(missing_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(chromium_program(), "--headless=new", "--remote-debugging-port=0", "about:blank"),
        *(f"--user-data-dir={profile}", *CHROMIUM_ARGUMENTS),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        while b"DevTools listening on" not in (line := await process.stderr.readline()):
            assert line, "the browser ended"
        address = line.decode().rsplit(maxsplit=1)[1]
        connected = await playwright.chromium.connect_over_cdp(address)
        yield OwnBrowser(process, connected.contexts[0])
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def enter(page: Page, link: str, name: str) -> Person:
    """Through the lobby."""
    await page.set_viewport_size(LAPTOP)  # type: ignore[arg-type]
    await page.goto(link)
    await page.locator("input[name=name]").fill(name)
    await page.locator("form button[type=submit]").click()
    return Person(page)


@pytest.mark.parametrize("cookie", ["kept", "lost"])
async def test_a_killed_browser_brings_back_what_it_held(
    server: ServerProcess, browser: Browser, tmp_path: Path, cookie: str
) -> None:
    """A cookie younger than half a minute dies with it: then the link is opened once more."""
    _, links = await create(server)
    async with (
        async_playwright() as playwright,
        wire(server) as network,
        person(browser, links["tutor"], "Ada") as tutor,
    ):
        async with own_browser(playwright, tmp_path / "profile") as first:
            candidate = await enter(
                await first.context.new_page(), network.through(links["candidate"]), "Camille"
            )
            await write_a_line(candidate, tutor, text="before ")
            room = candidate.page.url
            network.cut()
            await connection_is(candidate, "away")
            await candidate.add("[mine]")
            await saved_chip_says(candidate, "6 changes kept here")
            await candidate.page.wait_for_function(IS_DURABLE, arg="mine]")
            cookies = await first.context.cookies()
            await first.kill()
        await tutor.add("[meanwhile]")
        await tutor.is_saved()
        network.mend()
        async with own_browser(playwright, tmp_path / "profile") as second:
            page = await second.context.new_page()
            await second.context.clear_cookies()
            if cookie == "kept":
                await second.context.add_cookies(cookies)  # type: ignore[arg-type]
                await page.goto(room)
                again = Person(page)
            else:
                again = await enter(page, network.through(links["candidate"]), "Camille")
            await again.open_document("Scratch pad")
            await agree_on(again, tutor, typed=["before ", "[mine]", "[meanwhile]"])
            await again.page.reload()
            await again.open_document("Scratch pad")
            await agree_on(again, tutor, typed=["before ", "[mine]", "[meanwhile]"])
