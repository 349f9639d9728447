"""A room whose problem has a checker: two containers, one after the other, and who is told what."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.contract import Ended, Outcome, SandboxError
from server.app import open_parts
from server.core import messages
from server.core.events import Role, RunStarted, TestJudged
from server.core.problem import Problem
from server.library import Library
from server.runner import SANDBOX_FAILED
from server.settings import Settings
from tests.hosting import Ear, Hosting
from tests.problems import author_code
from tests.scripted import ScriptedRun, ScriptedSandbox, outcome
from tests.serving import Running, serving

FOLDER = Path(author_code.__file__).parent
SLUG = "any-pair"
DOC = f"{SLUG}/main"
RUN_TESTS = messages.Run(doc=DOC, what="tests")


def problem() -> Problem:
    return Library(FOLDER).problems[SLUG]


def values(run: ScriptedRun, *answers: Any) -> list[Outcome]:
    """What the tests of a run return, in their order."""
    return [
        outcome(test, Ended.RETURNED, json.dumps(answer))
        for test, answer in zip(run.submission.tests, answers, strict=True)
    ]


async def answered(here: Hosting, sandbox: ScriptedSandbox) -> tuple[str, Ear, Ear, ScriptedRun]:
    """A run whose program has answered everything, and whose checker has just been asked."""
    room = await here.create(problem())
    ada = await here.enter(room, Role.TUTOR)
    camille = await here.enter(room)
    await here.ask(room, camille, RUN_TESTS)
    program = await sandbox.runs.get()
    answers = [["d3", "d2"]] * len(program.submission.tests)
    sandbox.say(*values(program, *answers), None)
    return room, ada, camille, await sandbox.runs.get()


async def test_the_expected_answer_enters_the_checkers_container_alone(
    here: Hosting, sandbox: ScriptedSandbox
) -> None:
    """Nothing of it, and nothing of the checker, is in what the candidate's program gets."""
    room = await here.create(problem())
    camille = await here.enter(room)
    await here.ask(room, camille, RUN_TESTS)
    program = await sandbox.runs.get()
    part = problem().parts[0]
    assert [test.args for test in program.submission.tests] == [list(c.args) for c in part.cases]
    assert "def check" not in repr(program.submission)
    answers = [["a", "b"]] * len(part.cases)
    sandbox.say(*values(program, *answers), None)
    checker = await sandbox.runs.get()
    assert checker.submission.source == part.compare.checker
    assert [test.args for test in checker.submission.tests] == [
        [list(case.args), case.expect, ["a", "b"]] for case in part.cases
    ]


async def test_a_checkers_words_are_for_tutors_alone(
    here: Hosting, sandbox: ScriptedSandbox
) -> None:
    """The candidate reads that the answer is wrong, and not the words."""
    _, ada, camille, checker = await answered(here, sandbox)
    words = ["the secret words"] * len(checker.submission.tests)
    sandbox.say(*values(checker, *words), None)
    told = await ada.event("test_judged", test="examples/1")
    assert (told["verdict"], told["detail"]) == ("wrong_answer", "the secret words")
    heard = await camille.event("test_judged", test="examples/1")
    assert heard["detail"] == "This is not an answer that the problem accepts."
    assert (await camille.event("run_finished"))["verdict"] == "wrong_answer"
    assert "secret" not in json.dumps(camille.frames)


async def test_what_the_checker_accepts_is_accepted(
    here: Hosting, sandbox: ScriptedSandbox
) -> None:
    """Whatever was expected; and hidden verdicts come together with the end."""
    _, _, camille, checker = await answered(here, sandbox)
    assert "test_judged" not in camille.kinds()
    sandbox.say(*values(checker, *[True] * len(checker.submission.tests)), None)
    finished = await camille.event("run_finished")
    assert (finished["verdict"], finished["passed"]) == ("accepted", finished["total"])
    judged = [frame for frame in camille.frames if frame.get("kind") == "test_judged"]
    assert [frame["visible"] for frame in judged] == [True] + [False] * (len(judged) - 1)


async def test_a_checker_that_fails_blames_nobody_and_accepts_nothing(
    here: Hosting, sandbox: ScriptedSandbox
) -> None:
    """Each way of failing is the platform's fault, with the reason for the tutor."""
    _, ada, camille, checker = await answered(here, sandbox)
    first, *rest = checker.submission.tests
    sandbox.say(
        outcome(first, Ended.TIME_LIMIT),
        *(outcome(test, Ended.RETURNED, "true") for test in rest),
        None,
    )
    told = await ada.event("test_judged", test="examples/1")
    assert (told["verdict"], told["detail"]) == (
        "judge_error",
        "the checker failed: still running after 0.0 s",
    )
    heard = await camille.event("test_judged", test="examples/1")
    assert heard["detail"] == "The platform could not judge this answer."
    finished = await camille.event("run_finished")
    assert (finished["verdict"], finished["passed"]) == ("judge_error", len(rest))


async def test_a_container_that_breaks_under_a_checker_is_tried_once_more(
    here: Hosting, sandbox: ScriptedSandbox
) -> None:
    """The program itself is not run again: it has answered."""
    _, _, camille, checker = await answered(here, sandbox)
    sandbox.say(SandboxError("the container died"))
    again = await sandbox.runs.get()
    assert again.submission == checker.submission
    sandbox.say(*values(again, *[True] * len(again.submission.tests)), None)
    assert (await camille.event("run_finished"))["verdict"] == "accepted"


async def test_a_checker_that_cannot_be_run_ends_the_run_as_our_fault(
    here: Hosting, sandbox: ScriptedSandbox
) -> None:
    """In words for the candidate, not the engine's; no test counts as failed or passed."""
    _, _, camille, _ = await answered(here, sandbox)
    sandbox.say(SandboxError("the container died"), SandboxError("the container died again"))
    finished = await camille.event("run_finished")
    assert (finished["verdict"], finished["passed"]) == ("judge_error", 0)
    assert finished["message"] == SANDBOX_FAILED


async def test_stop_ends_a_checker_as_well(here: Hosting, sandbox: ScriptedSandbox) -> None:
    """The run is stopped, and nothing is judged."""
    room, _, camille, _ = await answered(here, sandbox)
    journal = await here.journal.read(room)
    (began,) = [entry.event for entry in journal if isinstance(entry.event, RunStarted)]
    await here.ask(room, camille, messages.Stop(run=began.run))
    finished = await camille.event("run_finished")
    assert (finished["verdict"], finished["passed"]) == ("stopped", 0)
    assert "test_judged" not in camille.kinds()


async def test_without_a_value_no_checker_is_asked(here: Hosting, sandbox: ScriptedSandbox) -> None:
    """A program that raises is judged as ever, and its own words stay its own."""
    room = await here.create(problem())
    camille = await here.enter(room)
    await here.ask(room, camille, RUN_TESTS)
    program = await sandbox.runs.get()
    sandbox.say(*(outcome(t, Ended.TIME_LIMIT) for t in program.submission.tests), None)
    assert (await camille.event("run_finished"))["verdict"] == "time_limit"
    assert sandbox.runs.empty()
    journal = await here.journal.read(room)
    assert not any(e.event.checked for e in journal if isinstance(e.event, TestJudged))


# In real containers.


@pytest.fixture
async def whole(settings: Settings) -> AsyncIterator[Running]:
    """A server with real containers and a problem with a checker."""
    real = replace(settings, problems=FOLDER)
    async with serving(real, open_parts) as running:
        assert running.parts.host.sandbox_status == "ready", running.parts.host.why_no_sandbox
        yield running


HUNTS = """
import gc
def pair(stock, voucher):
    found = [one for one in gc.get_objects() if isinstance(one, list) and "d4" in one]
    print("found", len([one for one in found if "d1" in one]))
    return [stock[0]["id"], stock[-1]["id"]]
"""


async def test_an_answer_of_another_order_is_accepted_and_a_wrong_one_is_not(
    whole: Running,
) -> None:
    """From the browser's frame through two containers and back; the reason goes to the tutor."""
    part = whole.parts.library.problems[SLUG].parts[0]
    right = next(s.code for s in part.solutions if s.name == "from the end")
    wrong = next(s.code for s in part.solutions if s.expect == "wrong")
    _, links = await whole.create(SLUG)
    async with (
        whole.enter(links["tutor"], "Ada") as ada,
        whole.enter(links["candidate"], "Camille") as camille,
    ):
        for number, (source, verdict, detail) in enumerate(
            (
                (wrong, "wrong_answer", "two of one model"),
                (right, "accepted", ""),
                (HUNTS, "wrong_answer", ""),
            )
        ):
            await camille.replace(DOC, source, ref=f"r{number}")
            await camille.send(type="run", doc=DOC, what="tests")
            judged = await ada.event("test_judged", test="examples/1")
            assert judged["detail"] == detail
            finished = await camille.event("run_finished")
            assert finished["verdict"] == verdict
        printed = [f for f in camille.frames if f.get("kind") == "output" and f.get("visible")]
        assert "".join(f["text"] for f in printed) == "found 0\n"
