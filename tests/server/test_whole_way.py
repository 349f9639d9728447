"""From a frame to a container and back: the server over the real sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from server.app import open_parts
from server.settings import ROOT, Settings
from tests.serving import Client, Running, serving


@pytest.fixture
async def whole(settings: Settings) -> AsyncIterator[Running]:
    """A server with real containers and the shipped problems."""
    real = replace(settings, problems=ROOT / "problems")
    async with serving(real, open_parts) as running:
        assert running.parts.host.sandbox_status == "ready", running.parts.host.why_no_sandbox
        yield running


async def test_a_shipped_solution_is_accepted_and_a_wrong_one_is_not(whole: Running) -> None:
    """Examples, then all tests, in containers; the verdicts reach both."""
    problem = whole.parts.library.problems["grade-sheet"]
    right = next(s.code for s in problem.parts[0].solutions if s.expect == "pass")
    wrong = next(s.code for s in problem.parts[0].solutions if s.expect == "wrong")
    _, links = await whole.create("grade-sheet")
    doc = "grade-sheet/main"
    async with (
        whole.enter(links["tutor"], "Ada") as ada,
        whole.enter(links["candidate"], "Camille") as camille,
    ):
        for source, verdict in ((wrong, "wrong_answer"), (right, "accepted")):
            await camille.replace(doc, source, ref=verdict)
            await camille.send(type="run", doc=doc, what="tests")
            finished = await camille.event("run_finished")
            assert finished["verdict"] == verdict
            assert (await ada.event("run_finished"))["verdict"] == verdict
        assert finished["passed"] == finished["total"] == len(problem.parts[0].cases)


def _printed(client: Client) -> str:
    """All output that a client has heard of so far."""
    return "".join(frame["text"] for frame in client.frames if frame.get("kind") == "output")


async def test_a_program_talks_while_it_runs_and_can_be_stopped(whole: Running) -> None:
    """Output before the end, typed input, then Stop on an endless loop."""
    _, links = await whole.create("grade-sheet")
    source = "name = input('who? ')\nprint('hello', name)\nwhile True:\n    pass\n"
    async with whole.enter(links["candidate"], "Camille") as camille:
        await camille.replace("scratch", source, ref="e")
        await camille.send(type="run", doc="scratch", what="program")
        run = (await camille.event("run_started"))["run"]
        await camille.event("output", text="who? ")
        await camille.send(type="stdin", run=run, text="Camille\n")
        # What is printed comes as it is written, which may be in several pieces.
        await camille.until(lambda _: _printed(camille) == "who? hello Camille\n")
        await camille.send(type="stop", run=run)
        assert (await camille.event("run_finished"))["verdict"] == "stopped"


async def test_an_exception_shows_the_candidates_own_lines(whole: Running) -> None:
    """The traceback reaches the output, without a frame of the platform."""
    _, links = await whole.create("grade-sheet")
    async with whole.enter(links["candidate"], "Camille") as camille:
        await camille.replace("scratch", "def f():\n    return 1 / 0\n\nf()\n", ref="e")
        await camille.send(type="run", doc="scratch", what="program")
        finished = await camille.event("run_finished")
        assert finished["verdict"] == "runtime_error"
        text = _printed(camille)
        assert "ZeroDivisionError" in text
        assert "return 1 / 0" in text
        assert "harness" not in text
