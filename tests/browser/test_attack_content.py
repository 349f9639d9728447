"""Hostile content in a real browser: statements, titles, names, notes and what programs print."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from sandbox.contract import Ended, Output
from server.app import open_parts
from server.parts import Parts
from server.settings import Settings
from tests.browser.people import Person, person
from tests.problems.test_statement import ATTACKS
from tests.scripted import ScriptedSandbox, outcome
from tests.serving import ADMIN_TOKEN, Running, serving

GOOD = Path(__file__).parent.parent / "server" / "problems" / "double.yaml"
EVIL = "https://evil.example"
HTML = f"<img src={EVIL}/a onerror=hit()><script>hit()</script>"
NAME = f"<img src={EVIL} onerror=hit()>"
FORMATTED = f"![x]({EVIL}/b) [c](javascript:hit()) <svg/onload=hit()>"


@pytest.fixture
def sandbox() -> ScriptedSandbox:
    """A sandbox that prints what the test says."""
    return ScriptedSandbox()


@pytest.fixture
async def hostile(tmp_path: Path, sandbox: ScriptedSandbox) -> AsyncIterator[Running]:
    """A server whose only problem has an attack in every text that it may have."""
    problems = tmp_path / "problems"
    problems.mkdir()
    statement = "\n\n".join(attack.replace("\0", "") for attack in ATTACKS)
    block = "".join(f"    {line}\n" for line in f"{statement}\n\n{HTML}\n\n{FORMATTED}".split("\n"))
    text = GOOD.read_text()
    text = text.replace("    Return **twice** `n`.\n", block)
    text = text.replace("{en: Double it, fr: Doublez}", f"{{en: '{FORMATTED}', fr: x}}")
    text = text.replace("SECRET hint about adding.", f"'{FORMATTED} {HTML}'")
    text = text.replace("SECRET names that speak.", f"'{HTML}'")
    (problems / "double.yaml").write_text(text)
    settings = Settings(port=0, data=tmp_path, admin_token=ADMIN_TOKEN, problems=problems)

    @asynccontextmanager
    async def opened(chosen: Settings) -> AsyncIterator[Parts]:
        async with open_parts(chosen, sandbox) as parts:
            yield parts

    async with serving(settings, opened) as running:
        assert running.parts.library.errors == ()
        yield running


@contextmanager
def nothing_leaves(context: BrowserContext, own: str) -> Iterator[None]:
    """While this lasts, no page of the context asks for anything elsewhere, or opens a dialog."""
    asked: list[str] = []
    dialogs: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    context.on("dialog", lambda dialog: dialogs.append(dialog.message))
    yield
    assert asked, "the pages asked for nothing at all"
    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {own}
    assert dialogs == []


LISTEN = "window.hit = () => { window.wasHit = true; };"
"""Runs before anything of a page."""

LIVE = """() => {
    const live = "img[src], iframe, object, embed, base, style:not([nonce]), [onerror], [onload], "
        + "[onmouseover], [srcset], [style*=url], link[href*=evil], form[action*=evil], "
        + "a[href^='javascript' i], a[href^='data' i], a[href^='vbscript' i], "
        + "script:not([src^='/static/']):not([type='application/json'])";
    const all = [...document.querySelectorAll(live)].map(one => one.outerHTML);
    return [...all, ...(window.wasHit ? ["hit() was called"] : [])];
}"""


async def is_inert(page: Page) -> None:
    """Nothing on a page runs or loads what content brought."""
    assert await page.evaluate(LIVE) == []


async def test_no_content_runs_or_loads_anything_on_any_page(
    hostile: Running, browser: Browser, sandbox: ScriptedSandbox
) -> None:
    """Statement, title, names, notes, hints, rubric, output: each is shown, as text."""
    own = urlsplit(hostile.url).netloc
    body = {"title": HTML, "candidate": NAME, "problems": ["double"], "language": "en"}
    created = (await hostile.http.post("/api/interviews", json=body)).json()
    links = created["links"]
    async with (
        person(browser, links["tutor"], NAME) as tutor,
        person(browser, links["candidate"], NAME) as candidate,
    ):
        with nothing_leaves(tutor.page.context, own), nothing_leaves(candidate.page.context, own):
            for one in (tutor, candidate):
                await one.page.context.add_init_script(LISTEN)
                await one.page.reload()
            await candidate.open_document("Scratch pad")
            await candidate.add(HTML)
            await takes_a_note(tutor)
            await prints(candidate, sandbox, HTML)
            await expect(tutor.page.locator("#statement")).to_contain_text("alert(1)")
            for one in (tutor, candidate):
                await is_inert(one.page)
            for path in (f"/interviews/{created['id']}/report", f"/rooms/{created['id']}"):
                await tutor.page.goto(hostile.url + path)
                await is_inert(tutor.page)
            lobby = await tutor.page.context.new_page()
            await lobby.goto(links["observer"])
            await expect(lobby.locator("body")).to_contain_text("<script>hit()</script>")
            await is_inert(lobby)


async def takes_a_note(tutor: Person) -> None:
    """A tutor's note with an attack in it, shown as it was written."""
    tab = tutor.page.locator("[role=tab]", has_text="Notes")
    if await tab.count():
        await tab.first.click()
    await tutor.page.locator("#note-text").fill(HTML)
    await tutor.page.locator("#note-text").press("Enter")
    await expect(tutor.page.locator("#notes")).to_contain_text(HTML)


async def prints(candidate: Person, sandbox: ScriptedSandbox, text: str) -> None:
    """A program of the candidate's that prints `text`."""
    await candidate.click("#run-program")
    async with asyncio.timeout(20):
        run = await sandbox.runs.get()
    sandbox.say(Output("program", "stdout", text))
    sandbox.say(outcome(run.submission.tests[0], Ended.EXITED), None)


PRINTED = {
    "HTML": ("<b onclick=hit()>x</b>&lt;", "<b onclick=hit()>x</b>&lt;"),
    "ANSI colours and a cleared screen": ("a\x1b[31mred\x1b[0m\x1b[2J\x1b[Hb", "aredb"),
    "a link (OSC 8)": (f"\x1b]8;;{EVIL}\x1b\\here\x1b]8;;\x1b\\", "here"),
    "the clipboard (OSC 52)": ("a\x1b]52;c;cm0gLXJm\x07b", "ab"),
    "a title (OSC 0)": ("a\x1b]0;owned\x07b", "ab"),
    "a line written over": ("accepted\rwrong", "accepted␍wrong"),
    "a backspace and a bell": ("a\b\x07b", "a␈␇b"),
    "the direction of writing": ("a\u202eb\u2066c", "a<U+202E>b<U+2066>c"),
    "NUL": ("a\0b", "a␀b"),
    "what is not UTF-8": ("a\ufffdb", "a\ufffdb"),
    "8-bit controls": ("a\x9b31mb", "a<U+009B>31mb"),
    "a sequence without an end": ("a\x1b]52;c;" + "x" * 400, "a␛]52;c;" + "x" * 400),
}
"""What a program prints, and what the page shows of it."""


async def test_what_a_program_prints_is_inert_and_capped(
    hostile: Running, browser: Browser, sandbox: ScriptedSandbox
) -> None:
    """Controls are dropped or shown; one endless line is cut, and says so."""
    own = urlsplit(hostile.url).netloc
    _, links = await hostile.create("double")
    async with person(browser, links["candidate"], "Camille") as candidate:
        with nothing_leaves(candidate.page.context, own):
            await candidate.page.reload()
            await candidate.open_document("Scratch pad")
            output = candidate.page.locator("#output")
            title = await candidate.page.title()
            for what, (printed, shown) in PRINTED.items():
                await prints(candidate, sandbox, f"{printed} ({what})")
                await expect(output).to_contain_text(f"({what})")
                assert await output.text_content() == f"{shown} ({what})"
                assert await output.locator(":not(span)").count() == 0
            await prints(candidate, sandbox, "x" * 65_536)
            await expect(output).to_contain_text("Output is cut here")
            assert (await output.text_content() or "").count("x") == 65_536
            assert await candidate.page.title() == title
            await is_inert(candidate.page)


async def test_a_flood_of_cursors_is_drawn_as_one(hostile: Running, browser: Browser) -> None:
    """With the server's name and a colour of the page's own, wherever its frames say it stands."""
    _, links = await hostile.create("double")
    async with (
        person(browser, links["tutor"], "Ada") as tutor,
        hostile.enter(links["candidate"], NAME) as camille,
    ):
        await tutor.open_document("Scratch pad")
        for number in range(90):
            await camille.send(type="cursor", doc="scratch", version=0, anchor=0, head=number)
        await camille.type_text("scratch", "after all of them", "e1")
        await tutor.shows("after all of them")
        caret = tutor.page.locator(".remote-caret")
        assert await caret.count() == 1
        assert await caret.get_attribute("style") is None
        assert await caret.get_attribute("class") == "remote-caret palette-1"
        await is_inert(tutor.page)


async def test_the_search_for_what_is_live_finds_it(browser: Browser) -> None:
    """Had any of it been let through, the tests above would fail."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.route("**", lambda route: route.abort())
    for raw in (HTML, FORMATTED, NAME, *(a for a in ATTACKS if a.startswith("<s"))):
        await page.set_content(f"<p>{raw}</p>")
        assert await page.evaluate(LIVE) != [], raw
    watch = nothing_leaves(context, "127.0.0.1")
    watch.__enter__()
    async with page.expect_request(f"{EVIL}/**"):
        await page.set_content(NAME)
    with pytest.raises(AssertionError, match=r"evil\.example"):
        watch.__exit__(None, None, None)
    await context.close()
