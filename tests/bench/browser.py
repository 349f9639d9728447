"""From a key press in one browser page to the text in the other: what people see."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from tests.bench.keystroke import PRESS_EVERY_S
from tests.bench.measure import BenchError, Comparison, Side, by_turns, columns
from tests.bench.runs import PROGRAM, REST_S, WORD, Bare, Timing, compared
from tests.bench.servers import Product
from tests.browser.people import person

WARM_UP = 5

# `timeOrigin + now()` is the machine's clock, alike in every page and finer than a millisecond.
NOTE_KEY = """() => addEventListener("keydown", () => {
    window.pressedAt = performance.timeOrigin + performance.now();
}, {capture: true})"""

# The other's caret moves too, some time after the text changed: only a new x counts.
NOTE_CHANGE = """selector => {
    const place = document.querySelector(selector);
    const count = () => place.textContent.split("x").length;
    let seen = count();
    new MutationObserver(() => {
        if (count() === seen) return;
        seen = count();
        window.changedAt = performance.timeOrigin + performance.now();
    }).observe(place, {childList: true, characterData: true, subtree: true});
}"""


NOTE_CLICK = """() => addEventListener("click", () => {
    window.shownAt = undefined;
    window.clickedAt = performance.timeOrigin + performance.now();
}, {capture: true})"""

NOTE_OUTPUT = """word => {
    const place = document.querySelector("#output");
    new MutationObserver(() => {
        if (window.shownAt || !place.textContent.includes(word)) return;
        window.shownAt = performance.timeOrigin + performance.now();
    }).observe(place, {childList: true, characterData: true, subtree: true});
}"""


@dataclass(frozen=True, slots=True)
class Pages:
    """A page to type in and one to watch."""

    typist: Page
    watcher: Page

    async def prepare(self, selector: str) -> None:
        """Note every key there, and every change of what `selector` names here."""
        await self.typist.evaluate(NOTE_KEY)
        await self.watcher.evaluate(NOTE_CHANGE, selector)

    async def press(self) -> float:
        """Press one key; milliseconds until the watcher's document held it."""
        await self.watcher.evaluate("() => { window.changedAt = undefined; }")
        await self.typist.keyboard.press("x")
        await self.watcher.wait_for_function("() => window.changedAt")
        changed_at: float = await self.watcher.evaluate("() => window.changedAt")
        pressed_at: float = await self.typist.evaluate("() => window.pressedAt")
        return changed_at - pressed_at


async def browsers(product: Product, relay_url: str, presses: int) -> Comparison:
    """The room's page beside the relay's bare one, in the same browser."""
    async with _chromium() as chromium, AsyncExitStack() as stack:
        links = await product.interview()
        typist, watcher = [
            await stack.enter_async_context(person(chromium, links[role], role))
            for role in ("candidate", "tutor")
        ]
        await typist.editor.click()
        ours = Pages(typist.page, watcher.page)
        await ours.prepare("#editor .cm-content")
        bare = Pages(*[await _relay_page(chromium, relay_url) for _ in range(2)])
        await bare.prepare("#text")
        async for _ in by_turns(ours.press, bare.press, WARM_UP):
            pass
        turns = by_turns(ours.press, bare.press, presses, PRESS_EVERY_S / 2)
        taken = [pair async for pair in turns]
    viva, relay = columns(taken)
    title = "key press to the other page"
    return Comparison(title, Side("Viva", viva), (Side("relay, bare page", relay),))


async def click_to_text(product: Product, folder: Path, runs: int) -> Comparison:
    """From the click on Run to the program's word on the page, beside bare interpreters."""
    file = folder / "click.py"
    file.write_text(PROGRAM)
    async with _chromium() as chromium:
        links = await product.interview()
        async with person(chromium, links["candidate"], "candidate") as candidate:
            page = candidate.page
            await candidate.open_document("Scratch")
            await candidate.write(PROGRAM.strip())
            await page.evaluate(NOTE_CLICK)
            await page.evaluate(NOTE_OUTPUT, WORD)

            async def click() -> Timing:
                await page.locator("#run-program:enabled").click()
                await page.wait_for_function("() => window.shownAt")
                taken: float = await page.evaluate("() => window.shownAt - window.clickedAt")
                return Timing(taken, taken)

            turns = by_turns(click, Bare(file), runs, REST_S)
            taken = [pair async for pair in turns]
    return compared("click on Run to text on the page", taken, first=True)


def browser_program() -> str:
    """The browser to measure in. Raises `BenchError` where there is none."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise BenchError("There is no chromium on the PATH; make test installs it.")
    return program


@asynccontextmanager
async def _chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=browser_program(),
            args=["--no-sandbox", "--disable-background-networking"],
        )
        try:
            yield browser
        finally:
            await browser.close()


async def _relay_page(chromium: Browser, relay_url: str) -> Page:
    page = await (await chromium.new_context()).new_page()
    await page.goto(f"{relay_url}/rooms/browsers")
    await page.wait_for_selector("body[data-state=live]", state="attached")
    return page
