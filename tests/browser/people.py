"""A person in a room, as the browser shows it to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from playwright.async_api import Browser, Locator, Page, WebSocket, expect

Size = dict[str, int]
READ_EDITOR = """() => {
    const lines = document.querySelectorAll("#editor .cm-content .cm-line");
    return Array.from(lines, line => {
        const copy = line.cloneNode(true);
        copy.querySelectorAll(".remote-caret, .cm-widgetBuffer").forEach(one => one.remove());
        return copy.textContent;
    }).join("\\n");
}"""
LAPTOP: Size = {"width": 1280, "height": 720}


@dataclass(slots=True)
class Person:
    """A page in a browser context of its own, and every frame that it received."""

    page: Page
    received: list[str] = field(default_factory=list)

    @property
    def editor(self) -> Locator:
        """The text of the document on show."""
        return self.page.locator("#editor .cm-content:visible")

    async def text(self) -> str:
        """The document on show, without the names that stand at the others' cursors."""
        text: str = await self.page.evaluate(f"({READ_EDITOR})()")
        return text

    async def shows(self, text: str) -> None:
        """Wait until the document on show holds `text`."""
        await self.page.wait_for_function(f"text => ({READ_EDITOR})().includes(text)", arg=text)

    async def write(self, text: str) -> None:
        """Put `text` in place of all of the document."""
        await self.editor.click()
        await self.page.keyboard.press("ControlOrMeta+a")
        await self.page.keyboard.insert_text(text)

    async def add(self, text: str) -> None:
        """Type at the end of the document, key by key."""
        await self.editor.click()
        await self.page.keyboard.press("ControlOrMeta+End")
        await self.page.keyboard.type(text)

    async def is_saved(self) -> None:
        """Wait until everything typed here is saved."""
        await expect(self.page.locator("#saved")).to_have_attribute("data-state", "saved")

    async def open_document(self, name: str) -> None:
        """Show another document."""
        await self.page.locator("#documents [role=tab]", has_text=name).click()

    async def click(self, selector: str) -> None:
        """Click, once it can be clicked."""
        await self.page.locator(selector).click()


@asynccontextmanager
async def person(
    browser: Browser,
    link: str,
    name: str,
    *,
    scheme: Literal["light", "dark"] = "light",
    size: Size | None = None,
) -> AsyncIterator[Person]:
    """Come in by a link, through the lobby."""
    context = await browser.new_context(viewport=size or LAPTOP, color_scheme=scheme)  # type: ignore[arg-type]
    page = await context.new_page()
    entered = Person(page)

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: entered.received.append(str(frame)))

    page.on("websocket", listen)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(link)
    await page.locator("input[name=name]").fill(name)
    await page.locator("form button[type=submit]").click()
    await expect(entered.editor).to_be_visible()
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    yield entered
    assert errors == []
    await context.close()
