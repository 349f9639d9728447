"""A live room when the world around it fails: the disk, another process, a run, itself."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.contract import Ended, Output
from server.core import messages
from server.core.decide import EndByAdmin, Join
from server.core.errors import RefusedError
from server.core.events import SYSTEM, Edited, EditorLocked, Entry, Role, RunFinished, RunStarted
from server.core.room import Participant
from server.host import UnknownRoomError
from server.live import REOPENING, TAIL, RoomClosedError, numbered
from server.store import StoreUnavailableError
from tests.hosting import Ear, Hosting, double, hosting, run_scratch, scratch, started
from tests.scripted import ScriptedSandbox, outcome
from tests.stores import DISK_FULL, refusing

LONG = "x" * 20_000
"""Does not fit into the pages that an almost empty database has."""


# The disk.


@pytest.mark.parametrize("pragma", ["query_only = 1", DISK_FULL])
async def test_an_edit_that_cannot_be_saved_is_told_and_seen_by_nobody(
    here: Hosting, pragma: str
) -> None:
    """And the room works again as soon as the disk does."""
    room = await here.create()
    camille, ada = await here.enter(room), await here.enter(room, Role.TUTOR)
    await here.type_text(room, camille, "before")
    with refusing(here.store, pragma):
        with pytest.raises(StoreUnavailableError):
            await here.type_text(room, camille, LONG)
        assert scratch(await here.host.open(room)) == "before"
    await here.type_text(room, camille, "after ")
    await ada.event("edited", version=2)
    assert ada.kinds().count("edited") == 2
    assert scratch(await here.host.open(room)) == scratch(await here.replayed(room))
    assert scratch(await here.replayed(room)) == "after before"


async def test_a_refusal_is_told_as_such_while_nothing_can_be_saved(here: Hosting) -> None:
    """What may not be needs no disk to be refused."""
    room = await here.create()
    olu = await here.enter(room, Role.OBSERVER)
    with refusing(here.store), pytest.raises(RefusedError, match="you are a observer"):
        await here.type_text(room, olu, "x")


async def test_what_a_run_brings_is_held_until_it_can_be_saved(
    here: Hosting, sandbox: ScriptedSandbox
) -> None:
    """The disk fails in mid-run: no output is lost, and none comes twice."""
    room = await here.create()
    camille = await here.enter(room)
    run = await started(here, room, camille, sandbox)
    sandbox.say(Output("program", "stdout", "first\n"))
    await camille.event("output")
    with refusing(here.store):
        sandbox.say(Output("program", "stdout", "second\n"))
        with pytest.raises(StoreUnavailableError):
            await here.type_text(room, camille, "x")
        assert camille.kinds().count("output") == 1
    sandbox.say(outcome(run.submission.tests[0], Ended.EXITED), None)
    finished = await camille.event("run_finished")
    assert finished["verdict"] == "accepted"
    written = [f["text"] for f in camille.frames if f.get("kind") == "output"]
    assert written == ["first\n", "second\n"]
    assert [e.event for e in await here.journal.read(room) if isinstance(e.event, RunFinished)]


# Runs.


async def test_a_run_gets_the_text_of_its_own_version(
    here: Hosting, sandbox: ScriptedSandbox
) -> None:
    """Whatever was typed in the same breath, before it or after it."""
    room = await here.create()
    camille = await here.enter(room)
    live = await here.host.open(room)
    await asyncio.gather(
        here.type_text(room, camille, "before"),
        here.ask(room, camille, run_scratch()),
        here.type_text(room, camille, "after"),
    )
    run = await sandbox.runs.get()
    journal = await here.journal.read(room)
    (began,) = [e.event for e in journal if isinstance(e.event, RunStarted)]
    assert (began.version, run.submission.source) == (1, "before")
    assert scratch(live) == "beforeafter"


async def test_a_run_started_right_after_another_can_be_stopped(
    here: Hosting, sandbox: ScriptedSandbox
) -> None:
    """The one before it, putting its things away, does not take the new one's place."""
    room = await here.create()
    camille = await here.enter(room)
    for _ in range(3):
        entries = await here.ask(room, camille, run_scratch())
        began = entries[0].event
        assert isinstance(began, RunStarted)
        await sandbox.runs.get()
        await here.ask(room, camille, messages.Stop(run=began.run))
        await camille.event("run_finished", run=began.run, verdict="stopped")


async def test_a_run_that_the_platform_breaks_ends_and_the_next_one_can_start(
    here: Hosting, sandbox: ScriptedSandbox
) -> None:
    """An outcome for a test that does not exist breaks the run, not the room."""
    room = await here.create(double())
    camille = await here.enter(room)
    await here.ask(room, camille, messages.Run(doc="double/main", what="tests"))
    run = await sandbox.runs.get()
    sandbox.say(Output("no such test", "stdout", "x"))
    await camille.event("run_finished", verdict="judge_error")
    again = await started(here, room, camille, sandbox)
    assert again is not run


async def test_a_run_of_a_process_that_is_gone_ends_as_our_error(here: Hosting) -> None:
    """Whoever opens the room afterwards finds it ended, with the word to run it again."""
    room = await here.create()
    started_run = RunStarted(run="r3", what="program", doc="scratch", version=0)
    await here.journal.append(room, [Entry(seq=3, at=1, by="p1", event=started_run)])
    camille = await here.enter(room)
    events = camille.frames[0]["state"]["runs"]["scratch"]["events"]
    assert [event["kind"] for event in events] == ["run_finished"]
    assert events[0]["verdict"] == "judge_error"
    assert "run it again" in events[0]["message"]


# Closing, breaking, coming back.


async def test_an_idle_room_is_closed_and_opens_again_as_it_was(
    path: Path, sandbox: ScriptedSandbox
) -> None:
    """A room with somebody in it, or something running in it, stays."""
    async with hosting(path, sandbox, idle_s=0.0) as here:
        room = await here.create()
        camille = await here.enter(room)
        live = await here.host.open(room)
        await here.type_text(room, camille, "kept")
        await here.host.evict_idle()
        assert await here.host.open(room) is live

        run = await started(here, room, camille, sandbox)
        live.detach(camille)
        await here.host.evict_idle()
        assert await here.host.open(room) is live
        listener = Ear(camille.participant)
        live.attach(listener, 0, "ready")
        sandbox.say(outcome(run.submission.tests[0], Ended.EXITED), None)
        await listener.event("run_finished")
        live.detach(listener)
        await here.host.ask(room, EndByAdmin())
        await here.host.evict_idle()

        again = await here.host.open(room)
        assert again is not live
        assert scratch(again) == "kept"
        assert again.state.seq == live.state.seq


async def test_whoever_reaches_a_room_as_it_closes_is_sent_to_the_one_that_opens(
    path: Path, sandbox: ScriptedSandbox
) -> None:
    """Else they would type into a room in which nobody answers."""
    async with hosting(path, sandbox, idle_s=0.0) as here:
        room = await here.create()
        live = await here.host.open(room)
        await here.host.evict_idle()
        late = Ear(Participant("p1", "Late", Role.CANDIDATE))
        live.attach(late, 0, "ready")
        assert late.closed is not None
        assert late.closed[0] == REOPENING
        with pytest.raises(RoomClosedError):
            await live.submit(EndByAdmin())
        assert await here.host.open(room) is not live


async def test_a_room_that_breaks_answers_everybody_and_is_opened_afresh(
    path: Path, here: Hosting
) -> None:
    """A damaged row read in mid-interview breaks its room: other rooms do not notice."""
    room, other = await here.create(), await here.create()
    camille, ada = await here.enter(room), await here.enter(other, Role.TUTOR)
    foreign = Entry(seq=4, at=1, by=SYSTEM, event=EditorLocked(locked=False))
    await here.journal.append(room, [foreign])
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE events SET body = '{' WHERE room = ? AND seq = 4", (room,))
    with pytest.raises(RoomClosedError):
        await here.type_text(room, camille, "x")
    assert camille.closed is not None
    assert camille.closed[0] == 1011
    await here.type_text(other, ada, "unharmed")

    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM events WHERE room = ? AND seq = 4", (room,))
    again = await here.enter(room)
    await here.type_text(room, again, "mended")
    assert scratch(await here.replayed(room)) == "mended"


async def test_nothing_of_an_erased_room_is_written_or_opened_any_more(here: Hosting) -> None:
    """Though people are typing in it while it is erased."""
    room = await here.create()
    camille = await here.enter(room)
    typing = [asyncio.create_task(here.type_text(room, camille, f"{n}\n")) for n in range(20)]
    await here.host.erase(room)
    ended = await asyncio.gather(*typing, return_exceptions=True)
    assert {type(end) for end in ended} <= {type(None), RoomClosedError, UnknownRoomError}
    assert await here.journal.read(room) == []
    assert camille.closed is not None
    assert camille.closed[0] == 4404
    with pytest.raises(UnknownRoomError):
        await here.host.open(room)
    with pytest.raises(UnknownRoomError):
        await here.host.erase(room)


async def test_a_room_whose_journal_is_damaged_can_still_be_erased(
    path: Path, here: Hosting
) -> None:
    room = await here.create()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE events SET body = '{' WHERE room = ?", (room,))
    await here.host.erase(room)
    assert not await here.journal.has(room)


async def test_who_was_away_a_little_gets_what_they_missed_and_who_was_away_long_the_whole(
    here: Hosting,
) -> None:
    """The room keeps its latest entries at hand; before those there is only the whole state."""
    room = await here.create()
    early = (await here.journal.read(room))[-1].seq
    locked = [EditorLocked(locked=number % 2 == 0) for number in range(TAIL)]
    await here.journal.append(room, list(numbered(locked, early, SYSTEM, at=1)))
    camille = await here.enter(room)
    live = await here.host.open(room)
    live.detach(camille)
    await here.type_text(room, await here.enter(room, Role.TUTOR), "latest")

    long = Ear(camille.participant)
    live.attach(long, early, "ready")
    assert long.frames[0]["state"]["documents"]["scratch"]["text"] == "latest"
    assert long.kinds() == []

    little = Ear(camille.participant)
    live.attach(little, live.state.seq - 1, "ready")
    assert "state" not in little.frames[0]
    assert little.kinds() == ["edited"]

    ahead = Ear(camille.participant)
    live.attach(ahead, live.state.seq + 1, "ready")
    assert "state" in ahead.frames[0]


async def test_a_room_opened_again_knows_its_latest_entries(
    path: Path, sandbox: ScriptedSandbox
) -> None:
    """A restart of the server does not send everybody the whole state."""
    async with hosting(path, sandbox) as before:
        room = await before.create()
        camille = await before.enter(room)
        seen = camille.frames[0]["seq"]
        await before.type_text(room, camille, "missed")
    async with hosting(path, sandbox) as after:
        again = await after.enter(room, after=seen)
        assert "state" not in again.frames[0]
        assert again.kinds() == ["edited"]


async def test_joining_again_under_the_same_name_is_no_event(here: Hosting) -> None:
    room = await here.create()
    person = Participant("p1", "Ada", Role.TUTOR)
    assert len(await here.host.ask(room, Join(person))) == 1
    assert await here.host.ask(room, Join(person)) == []
    assert len(await here.host.ask(room, Join(Participant("p1", "Ada L.", Role.TUTOR)))) == 1


async def test_many_edits_in_one_breath_are_each_an_entry(here: Hosting) -> None:
    """Decided together, appended together, answered one by one."""
    room = await here.create()
    camille = await here.enter(room)
    typed = [here.type_text(room, camille, f"{n}\n", ref=str(n)) for n in range(300)]
    await asyncio.gather(*typed)
    journal = await here.journal.read(room)
    refs = [e.event.ref for e in journal if isinstance(e.event, Edited)]
    assert refs == [str(n) for n in range(300)]
    assert len(scratch(await here.replayed(room)).splitlines()) == 300
