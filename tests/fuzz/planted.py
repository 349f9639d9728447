"""Faults put between the server and its clients on purpose: what a fuzzer has to find."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Around = Callable[[ASGIApp], ASGIApp]


def no_fault(app: ASGIApp) -> ASGIApp:
    """The application as it is."""
    return app


def loses_an_edit(app: ASGIApp) -> ASGIApp:
    """A tutor is not told of the second version of the scratch pad, only of those after it."""

    def is_lost(frame: dict[str, Any]) -> bool:
        wanted = {"kind": "edited", "doc": "scratch", "version": 2}
        return wanted.items() <= frame.items()

    return _without(app, is_lost)


def tells_another_text(app: ASGIApp) -> ASGIApp:
    """An edit that puts in an accented letter reaches everybody without the accent."""

    def changed(text: str) -> str:
        frame = json.loads(text)
        accented = frame.get("kind") == "edited" and "é" in json.dumps(
            frame["changes"], ensure_ascii=False
        )
        return text.replace("é", "e") if accented else text

    return _changing(app, changed)


def breaks_on_a_late_edit(app: ASGIApp) -> ASGIApp:
    """An edit of the task's text, once that was edited three times, ends the connection's task."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        async def checked() -> Message:
            message = await receive()
            if _is_fatal(message.get("text") or ""):
                raise ZeroDivisionError("a planted fault")
            return message

        await app(scope, checked, send)

    return broken


def _is_fatal(text: str) -> bool:
    """Steps that a fuzzer can take one by one, each of them new code that is reached."""
    if not text.startswith('{"type": "edit"'):
        return False
    try:
        frame = json.loads(text)
    except ValueError:
        return False
    version = frame.get("version")
    if not isinstance(version, int) or version < 3:
        return False
    return bool(frame.get("doc") == "double/main")


def _without(app: ASGIApp, is_lost: Callable[[Any], bool]) -> ASGIApp:
    async def losing(scope: Scope, receive: Receive, send: Send) -> None:
        async def passed_on(message: Message) -> None:
            text = message.get("text")
            if not (text and is_lost(json.loads(text))):
                await send(message)

        await app(scope, receive, passed_on)

    return losing


def _changing(app: ASGIApp, changed: Callable[[str], str]) -> ASGIApp:
    async def changing(scope: Scope, receive: Receive, send: Send) -> None:
        async def passed_on(message: Message) -> None:
            text = message.get("text")
            await send({**message, "text": changed(text)} if text else message)

        await app(scope, receive, passed_on)

    return changing


FAULTS: dict[str, Around] = {
    "none": no_fault,
    "loses-an-edit": loses_an_edit,
    "tells-another-text": tells_another_text,
    "breaks-on-a-late-edit": breaks_on_a_late_edit,
}
