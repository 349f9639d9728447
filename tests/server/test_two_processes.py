"""One room open in two processes on one database: each takes in what the other appended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.contract import Ended
from server.core import messages
from server.core.decide import EndByAdmin, Sender
from server.core.errors import RefusedError
from server.core.events import Role, RunFinished, RunStarted
from tests.hosting import Hosting, hosting, run_scratch, scratch, started
from tests.scripted import ScriptedSandbox, outcome

LONG = "x" * 20_000
"""Does not fit into the pages that an almost empty database has."""


@pytest.fixture
def their_sandbox() -> ScriptedSandbox:
    """Where the second process runs programs."""
    return ScriptedSandbox()


@pytest.fixture
async def there(
    path: Path, here: Hosting, their_sandbox: ScriptedSandbox
) -> AsyncIterator[Hosting]:
    """A second process on the same database, with a sandbox of its own."""
    del here  # opened first
    async with hosting(path, their_sandbox) as opened:
        yield opened


async def test_two_processes_that_edit_one_room_converge(here: Hosting, there: Hosting) -> None:
    """The late one takes in what it missed, rebases, and tells its own people of both."""
    room = await here.create()
    camille = await here.enter(room)
    ada = await there.enter(room, Role.TUTOR)
    for number in range(5):
        await here.type_text(room, camille, f"camille {number}\n", ref=f"c{number}")
        await there.type_text(room, ada, f"ada {number}\n", ref=f"a{number}")
    await here.type_text(room, camille, "the end\n")
    text = scratch(await here.replayed(room))
    assert text == scratch(await here.host.open(room))
    assert sorted(text.splitlines()) == sorted(
        ["the end", *(f"{name} {n}" for name in ("ada", "camille") for n in range(5))]
    )
    edited = [f["ref"] for f in camille.frames if f.get("kind") == "edited"]
    assert edited == [ref for n in range(5) for ref in (f"c{n}", f"a{n}")] + [None]


async def test_edits_of_two_processes_at_the_same_moment_all_come_through(
    here: Hosting, there: Hosting
) -> None:
    """Conflict after conflict, each resolved by reading on."""
    room = await here.create()
    camille = await here.enter(room)
    ada = await there.enter(room, Role.TUTOR)
    edits = [
        at.type_text(room, who, f"{who.participant.name} {number}\n")
        for number in range(10)
        for at, who in ((here, camille), (there, ada))
    ]
    await asyncio.gather(*edits)
    lines = scratch(await here.replayed(room)).splitlines()
    assert sorted(lines) == sorted(f"{n} {i}" for n in ("Candidate", "Tutor") for i in range(10))


async def test_what_another_process_decided_counts_here(here: Hosting, there: Hosting) -> None:
    """A lock set there refuses the candidate here, though here nobody knew of it yet."""
    room = await here.create()
    camille = await here.enter(room)
    ada = await there.enter(room, Role.TUTOR)
    await there.ask(room, ada, messages.Lock(locked=True))
    with pytest.raises(RefusedError, match="locked the editor"):
        await here.type_text(room, camille, "x")
    await camille.event("editor_locked")


async def test_a_run_belongs_to_the_process_that_started_it(
    here: Hosting, there: Hosting, sandbox: ScriptedSandbox, their_sandbox: ScriptedSandbox
) -> None:
    """The other process hears of it and does not run it a second time."""
    room = await here.create()
    camille = await here.enter(room)
    ada = await there.enter(room, Role.TUTOR)
    run = await started(here, room, camille, sandbox)
    await there.ask(room, ada, messages.Note(text="goes on"))
    await ada.event("run_started")
    sandbox.say(outcome(run.submission.tests[0], Ended.EXITED), None)
    await camille.event("run_finished", verdict="accepted")
    await there.ask(room, ada, messages.Note(text="took it in"))
    await ada.event("run_finished", verdict="accepted")
    kinds = [type(e.event) for e in await here.journal.read(room)]
    assert kinds.count(RunFinished) == 1
    assert their_sandbox.runs.empty()


async def test_a_stop_given_in_another_process_stops_the_run_here(
    here: Hosting, there: Hosting, sandbox: ScriptedSandbox
) -> None:
    room = await here.create()
    camille = await here.enter(room)
    ada = await there.enter(room, Role.TUTOR)
    entries = await here.ask(room, camille, run_scratch())
    started_run = entries[0].event
    assert isinstance(started_run, RunStarted)
    await sandbox.runs.get()
    await there.ask(room, ada, messages.Note(text="takes in the start"))
    await there.ask(room, ada, messages.Stop(run=started_run.run))
    await here.type_text(room, camille, "takes in the stop")
    await camille.event("run_finished", verdict="stopped")


async def test_a_run_that_another_process_gave_up_is_ended_here(
    here: Hosting, there: Hosting, sandbox: ScriptedSandbox
) -> None:
    """Its container is let go of, and nothing more is recorded of it."""
    room = await here.create()
    camille = await here.enter(room)
    await started(here, room, camille, sandbox)
    await there.host.open(room)  # takes it for the run of a process that is gone
    await here.type_text(room, camille, "takes it in")
    await camille.event("run_finished", verdict="judge_error")
    again = await started(here, room, camille, sandbox)
    sandbox.say(outcome(again.submission.tests[0], Ended.EXITED), None)
    await camille.event("run_finished", verdict="accepted")


async def test_access_revoked_in_one_process_ends_connections_in_the_other(
    here: Hosting, there: Hosting
) -> None:
    """As soon as it hears of it; and whoever is shut out is refused in both."""
    room = await here.create()
    ada = await here.enter(room, Role.TUTOR)
    camille = await there.enter(room, Role.CANDIDATE)
    revoke = messages.Revoke(role="candidate")
    await here.host.revoke(room, revoke, Sender(ada.participant, "ada"))
    with pytest.raises(RefusedError) as refused:
        await there.type_text(room, camille, "too late")
    assert refused.value.code == "revoked"
    assert camille.closed is not None
    assert camille.closed[0] == 4403
    for process in (here, there):
        live = await process.host.open(room)
        assert live.state.shut_out == {camille.participant.id}
    again = await there.enter(room, Role.OBSERVER)
    assert again.closed is None


async def test_the_end_in_one_process_ends_connections_in_the_other(
    here: Hosting, there: Hosting
) -> None:
    """Tutors' ones stay."""
    room = await here.create()
    ada = await there.enter(room, Role.TUTOR)
    camille = await there.enter(room, Role.CANDIDATE)
    await here.host.ask(room, EndByAdmin())
    await there.ask(room, ada, messages.Note(text="afterwards"))
    assert camille.closed is not None
    assert camille.closed[0] == 4410
    assert "interview_ended" in camille.kinds()
    assert ada.closed is None
