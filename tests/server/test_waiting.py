"""Runs that have to wait for a sandbox: everybody in the room sees the place in line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.contract import Ended, Output, SandboxError, SandboxUnavailableError
from sandbox.pool import Pool
from server.core import messages
from server.core.events import Role, RunQueued, RunStarted
from tests.engine_door import EngineDoor
from tests.hosting import Ear, Hosting, double, hosting, run_scratch
from tests.scripted import ScriptedSandbox, ScriptedWait, outcome


@pytest.fixture
def full(sandbox: ScriptedSandbox) -> ScriptedSandbox:
    """A sandbox that makes every run wait."""
    sandbox.is_full = True
    return sandbox


async def queued(
    here: Hosting, room: str, ear: Ear, full: ScriptedSandbox
) -> tuple[str, ScriptedWait]:
    """A run of the scratch pad that stands in line."""
    entries = await here.ask(room, ear, run_scratch())
    began = entries[0].event
    assert isinstance(began, RunStarted)
    return began.run, await full.waiting.get()


async def places(here: Hosting, room: str) -> list[int]:
    """Every place that the room's journal tells of, in order."""
    journal = await here.journal.read(room)
    return [e.event.place for e in journal if isinstance(e.event, RunQueued)]


def run_kinds(ear: Ear) -> list[str]:
    """What somebody heard of runs, from the start of the latest."""
    kinds = ear.kinds()
    last = len(kinds) - 1 - kinds[::-1].index("run_started")
    return kinds[last:]


async def test_everybody_sees_a_run_move_up_and_get_its_sandbox(
    here: Hosting, full: ScriptedSandbox
) -> None:
    """Each place in order, then 0, then what the program prints."""
    room = await here.create()
    people = [await here.enter(room, role) for role in Role]
    run, wait = await queued(here, room, people[0], full)
    assert wait.owner == room
    for place in (2, 1):
        wait.tell(place)
        for ear in people:
            await ear.event("run_queued", run=run, place=place)
    wait.let_in.set_result(None)
    begun = await full.runs.get()
    full.say(Output("program", "stdout", "hi\n"), outcome(begun.submission.tests[0], Ended.EXITED))
    full.say(None)
    for ear in people:
        await ear.event("run_finished", run=run)
        assert run_kinds(ear) == ["run_started", *["run_queued"] * 3, "output", "run_finished"]
    assert await places(here, room) == [2, 1, 0]


async def test_who_comes_meanwhile_sees_the_place_in_the_state(
    here: Hosting, full: ScriptedSandbox
) -> None:
    """And none any more in the state after the wait."""
    room = await here.create()
    camille = await here.enter(room)
    run, wait = await queued(here, room, camille, full)
    wait.tell(3)
    await camille.event("run_queued", run=run, place=3)
    olu = await here.enter(room, Role.OBSERVER)
    assert olu.frames[0]["state"]["runs"]["scratch"]["place"] == 3
    wait.let_in.set_result(None)
    await olu.event("run_queued", run=run, place=0)
    ada = await here.enter(room, Role.TUTOR)
    assert ada.frames[0]["state"]["runs"]["scratch"]["place"] == 0


async def test_a_line_that_moves_fast_is_told_by_its_newest_place(
    here: Hosting, full: ScriptedSandbox
) -> None:
    """A hundred changes in one breath are one entry, and the order is kept."""
    room = await here.create()
    camille = await here.enter(room)
    run, wait = await queued(here, room, camille, full)
    for place in range(100, 0, -1):
        wait.tell(place)
    first = await camille.event("run_queued", run=run)
    assert first["place"] == 1
    for place in (2, 5, 4):
        wait.tell(place)
    await camille.event("run_queued", run=run, place=4)
    assert await places(here, room) == [1, 4]


async def test_a_run_that_need_not_wait_tells_nothing_of_it(
    here: Hosting, sandbox: ScriptedSandbox
) -> None:
    """Nor one whose wait is over before anybody could have read of it."""
    room = await here.create()
    camille = await here.enter(room)
    for sandbox.is_full in (False, True):
        await here.ask(room, camille, run_scratch())
        if sandbox.is_full:
            wait = await sandbox.waiting.get()
            wait.tell(1)
            wait.let_in.set_result(None)
        begun = await sandbox.runs.get()
        sandbox.say(outcome(begun.submission.tests[0], Ended.EXITED), None)
        await camille.event("run_finished", verdict="accepted")
    assert await places(here, room) == []


async def test_stop_ends_a_run_that_waits_at_once(here: Hosting, full: ScriptedSandbox) -> None:
    """It leaves the line, and the next run stands in it anew."""
    room = await here.create()
    camille = await here.enter(room)
    for _ in range(2):
        run, wait = await queued(here, room, camille, full)
        wait.tell(2)
        await camille.event("run_queued", run=run, place=2)
        await here.ask(room, camille, messages.Stop(run=run))
        await camille.event("run_finished", run=run, verdict="stopped")
        assert wait.let_in.cancelled()
    assert full.runs.empty()


async def test_a_run_stopped_in_the_breath_in_which_it_started_never_waits(
    here: Hosting, full: ScriptedSandbox
) -> None:
    """Both commands may be taken from the queue together, before the run has come to the line."""
    room = await here.create()
    camille = await here.enter(room)
    live = await here.host.open(room)
    run = f"r{live.state.seq + 1}"
    await asyncio.gather(
        here.ask(room, camille, run_scratch()),
        here.ask(room, camille, messages.Stop(run=run)),
    )
    await camille.event("run_finished", run=run, verdict="stopped")
    assert full.waiting.empty()


async def test_an_engine_that_goes_away_meanwhile_is_told_and_run_works_again(
    here: Hosting, full: ScriptedSandbox
) -> None:
    """Our error, in words for people: how to mend the engine is for the log."""
    room = await here.create()
    camille = await here.enter(room)
    run, wait = await queued(here, room, camille, full)
    wait.tell(1)
    await camille.event("run_queued", run=run, place=1)
    wait.let_in.set_exception(SandboxUnavailableError("The engine is away: systemctl start it."))
    ended = await camille.event("run_finished", run=run, verdict="judge_error")
    assert "run it again" in ended["message"]
    assert "systemctl" not in ended["message"]
    run, wait = await queued(here, room, camille, full)
    wait.let_in.set_result(None)
    begun = await full.runs.get()
    full.say(outcome(begun.submission.tests[0], Ended.EXITED), None)
    await camille.event("run_finished", run=run, verdict="accepted")


async def test_a_run_tried_once_more_waits_and_tells_its_place_again(
    here: Hosting, full: ScriptedSandbox
) -> None:
    """Its first container died before anything came of it."""
    room = await here.create()
    camille = await here.enter(room)
    run, wait = await queued(here, room, camille, full)
    for place in (2, 1):
        wait.tell(place)
        await camille.event("run_queued", run=run, place=place)
        wait.let_in.set_result(None)
        await camille.event("run_queued", run=run, place=0)
        begun = await full.runs.get()
        if place == 2:
            full.say(SandboxError("The container died."))
            wait = await full.waiting.get()
    full.say(outcome(begun.submission.tests[0], Ended.EXITED), None)
    await camille.event("run_finished", run=run, verdict="accepted")
    assert await places(here, room) == [2, 0, 1, 0]


# With real containers.


def printed(ear: Ear) -> str:
    """All output that somebody has heard of; it may come in several pieces."""
    return "".join(frame["text"] for frame in ear.frames if frame.get("kind") == "output")


@pytest.fixture
async def small(path: Path) -> AsyncIterator[Hosting]:
    """Rooms that share a pool in which one program runs at a time."""
    async with Pool(size=1) as pool:
        assert pool.available, pool.why_unavailable
        async with hosting(path, pool) as opened:
            yield opened


async def occupied(small: Hosting, name: str = "waits") -> tuple[str, Ear, str]:
    """A room whose program has the only place, until it is typed into."""
    room = await small.create()
    ear = await small.enter(room)
    await small.type_text(room, ear, f"print({name!r}, flush=True)\ninput()\n")
    (began, *_) = await small.ask(room, ear, run_scratch())
    await ear.event("output")
    assert isinstance(began.event, RunStarted)
    return room, ear, began.event.run


async def test_the_next_room_sees_its_place_then_its_output(small: Hosting) -> None:
    """The whole way, without a script."""
    busy, busy_ear, busy_run = await occupied(small)
    room = await small.create()
    camille = await small.enter(room)
    await small.type_text(room, camille, "print('at last')")
    await small.ask(room, camille, run_scratch())
    assert (await camille.event("run_queued"))["place"] == 1
    await small.ask(busy, busy_ear, messages.Stdin(run=busy_run, text="go\n"))
    await camille.event("run_queued", place=0)
    await camille.until(lambda _: printed(camille) == "at last\n")
    await camille.event("run_finished", verdict="accepted")


async def test_an_engine_that_hangs_under_a_program_is_our_error_and_not_a_time_limit(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room hears nothing of its program any more, and is told whose fault that is."""
    door, place = EngineDoor(), tmp_path / "engine.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}")
    async with door.at(place), Pool(size=1) as pool, hosting(path, pool) as here:
        room = await here.create(double())
        camille = await here.enter(room)
        source = "def double(n):\n    print('on', flush=True)\n    while True: pass\n"
        before = (await here.host.open(room)).state.documents["double/main"]
        changes = [[len(before.units), *source.split("\n")]]
        edit = messages.Edit(doc="double/main", version=before.version, changes=changes)
        await here.ask(room, camille, edit)
        await here.ask(room, camille, messages.Run(doc="double/main", what="examples"))
        await camille.event("output")
        door.shut()
        ended = await camille.event("run_finished")
        assert (ended["verdict"], ended["passed"]) == ("judge_error", 0)
        assert "not to blame" in ended["message"]
        assert "test_judged" not in run_kinds(camille)
        door.open()


async def test_a_room_that_runs_again_and_again_does_not_hold_up_a_calm_one(
    small: Hosting,
) -> None:
    """The busy one asks anew the moment its run has ended; the calm one is next all the same."""
    busy, busy_ear, busy_run = await occupied(small)
    room = await small.create()
    camille = await small.enter(room)
    await small.type_text(room, camille, "print('calm')")
    await small.ask(room, camille, run_scratch())
    await camille.event("run_queued", place=1)
    await small.ask(busy, busy_ear, messages.Stdin(run=busy_run, text="go\n"))
    await busy_ear.event("run_finished", run=busy_run)
    last = await small.ask(busy, busy_ear, run_scratch())
    assert isinstance(last[0].event, RunStarted)
    calm_end = await camille.event("run_finished", verdict="accepted")
    again = await busy_ear.event("output", run=last[0].event.run)
    assert calm_end["at"] <= again["at"]
