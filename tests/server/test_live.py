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
from server.core.events import (
    SYSTEM,
    Edited,
    EditorLocked,
    Entry,
    JournalDamaged,
    Role,
    RunFinished,
    RunStarted,
)
from server.core.roles import view
from server.core.room import Participant
from server.host import UnknownRoomError
from server.journal import Kept
from server.listeners import SILENT_IS_AWAY_S
from server.live import (
    CHECKPOINT_EVERY,
    RECALL,
    REOPENING,
    TAIL,
    RoomClosedError,
    numbered,
)
from server.store import StoreUnavailableError
from tests.hosting import Ear, Hosting, double, hosting, run_scratch, scratch, started
from tests.scripted import ScriptedSandbox, outcome
from tests.serving import Frame
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
        await asyncio.gather(*(task for _, task in live._running.values()))  # puts its things away
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


async def test_who_comes_back_gets_just_what_they_missed_also_from_the_journal(
    here: Hosting,
) -> None:
    """The room keeps its latest entries at hand, and reads on where somebody was away longer."""
    room = await here.create()
    early = (await here.journal.read(room))[-1].seq
    locked = [EditorLocked(locked=number % 2 == 0) for number in range(2 * TAIL)]
    await here.journal.append(room, list(numbered(locked, early, SYSTEM, at=1)))
    camille = await here.enter(room)
    live = await here.host.open(room)
    live.detach(camille)
    await here.type_text(room, await here.enter(room, Role.TUTOR), "latest")

    for after in (early, live.state.seq - TAIL - 1, live.state.seq - 1, live.state.seq):
        ear = Ear(camille.participant)
        live.attach(ear, after, "ready", await live.recall(after))
        assert "state" not in ear.frames[0]
        seqs = [frame["seq"] for frame in ear.frames if frame["type"] == "event"]
        assert seqs == list(range(after + 1, live.state.seq + 1))

    ahead = Ear(camille.participant)
    live.attach(ahead, live.state.seq + 1, "ready", await live.recall(live.state.seq + 1))
    assert "state" in ahead.frames[0]


async def test_who_was_away_for_very_long_gets_the_whole_state(here: Hosting) -> None:
    """Rather than tens of thousands of events, which say the same."""
    room = await here.create()
    early = (await here.journal.read(room))[-1].seq
    locked = [EditorLocked(locked=number % 2 == 0) for number in range(RECALL + 1)]
    await here.journal.append(room, list(numbered(locked, early, SYSTEM, at=1)))
    live = await here.host.open(room)
    ear = Ear(Participant("p1", "Camille", Role.CANDIDATE))
    live.attach(ear, early, "ready", await live.recall(early))
    assert "state" in ear.frames[0]


async def test_a_long_room_opens_from_its_checkpoint_and_the_little_after_it(
    path: Path, sandbox: ScriptedSandbox
) -> None:
    """What came before the checkpoint is not even read: it could be gone."""
    async with hosting(path, sandbox) as before:
        room = await before.create()
        camille = await before.enter(room)
        live = await before.host.open(room)
        for number in range(3 * CHECKPOINT_EVERY):
            await before.type_text(room, camille, f"{number}\n", ref=f"e{number}")
        if live._keeping:
            await live._keeping
        text = scratch(live)
        kept = await before.journal.checkpoint(room)
        assert kept is not None
        assert CHECKPOINT_EVERY <= live.state.seq - kept.seq <= 2 * CHECKPOINT_EVERY
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM events WHERE seq < ?", (kept.seq,))
    async with hosting(path, sandbox) as after:
        again = await after.enter(room)
        assert again.frames[0]["state"]["documents"]["scratch"]["text"] == text
        with pytest.raises(RefusedError, match="already in the document"):
            await after.type_text(room, again, "0\n", ref="e0")
        await after.type_text(room, again, "more\n", ref="more")
        assert scratch(await after.host.open(room)) == "more\n" + text


async def test_a_checkpoint_that_cannot_be_read_costs_time_and_nothing_else(
    path: Path, sandbox: ScriptedSandbox
) -> None:
    async with hosting(path, sandbox) as before:
        room = await before.create()
        camille = await before.enter(room)
        await before.type_text(room, camille, "kept")
        seq = (await before.host.open(room)).state.seq
        await before.journal.keep_checkpoint(room, Kept(seq, "{"))
    async with hosting(path, sandbox) as after:
        assert scratch(await after.host.open(room)) == "kept"


async def test_a_damaged_room_opens_with_what_stands_before_the_damage_and_says_so(
    path: Path, sandbox: ScriptedSandbox
) -> None:
    """Everybody in it is told; it goes on from there, and opens without a word the next time."""
    async with hosting(path, sandbox) as before:
        room = await before.create()
        camille = await before.enter(room)
        for number in range(3):
            await before.type_text(room, camille, f"{number}\n")
        seq = (await before.host.open(room)).state.seq
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE events SET body = 'x' WHERE seq = ?", (seq - 1,))
    async with hosting(path, sandbox) as after:
        again = await after.enter(room, after=seq - 2)
        assert again.kinds() == ["journal_damaged"]
        assert scratch(await after.host.open(room)) == "0\n"
        await after.type_text(room, again, "goes on\n")
    async with hosting(path, sandbox) as later:
        assert scratch(await later.host.open(room)) == "goes on\n0\n"
        kinds = [type(entry.event) for entry in await later.journal.read(room)]
        assert kinds.count(JournalDamaged) == 1


async def test_people_hear_what_is_saved_once_it_is_on_the_disk(here: Hosting) -> None:
    """First the edit, at once, and then that it is saved."""
    room = await here.create()
    camille, ada = await here.enter(room), await here.enter(room, Role.TUTOR)
    await here.type_text(room, camille, "x")
    for ear in (camille, ada):
        edited = await ear.event("edited")
        saved = await ear.until(lambda frame: frame["type"] == "saved")
        assert saved["seq"] >= edited["seq"]


async def test_everybody_hears_that_nothing_can_be_saved_and_when_it_can_again(
    here: Hosting,
) -> None:
    """Also in rooms in which nobody typed, and whoever comes in meanwhile."""
    room, other = await here.create(), await here.create()
    camille, ada = await here.enter(room), await here.enter(other, Role.TUTOR)
    live = await here.host.open(other)
    with refusing(here.store):
        with pytest.raises(StoreUnavailableError):
            await here.type_text(room, camille, "x")
        for ear in (camille, ada):
            await ear.until(lambda frame: frame["type"] == "saving" and not frame["ok"])
        late = Ear(Participant("p1", "Late", Role.OBSERVER))
        live.attach(late, 0, "ready")
        assert late.frames[0]["saving"] is False
    for ear in (camille, ada, late):
        await ear.until(lambda frame: frame["type"] == "saving" and frame["ok"])


async def test_a_server_told_to_stop_ends_the_run_in_the_journal_and_tells_everybody(
    here: Hosting, sandbox: ScriptedSandbox
) -> None:
    room = await here.create()
    camille = await here.enter(room)
    await started(here, room, camille, sandbox)
    await here.host.drain()
    finished = await camille.event("run_finished", verdict="judge_error")
    assert "run it again" in finished["message"]
    assert camille.closed is not None
    assert camille.closed[0] == REOPENING


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


async def test_a_frame_made_once_for_all_is_the_event_as_each_role_sees_it(here: Hosting) -> None:
    room = await here.create(double())
    for role in Role:
        ear = await here.enter(room, role)
        await here.type_text(room, await here.enter(room, Role.TUTOR), "é漢😀\n", ref=f'a "{role}"')
        heard = [frame for frame in ear.frames if frame["type"] == "event"]
        entries = (await here.journal.read(room))[-len(heard) :]
        assert heard == [{"type": "event", **(view(entry, role) or {})} for entry in entries]
        assert heard[-1]["kind"] == "edited"


async def test_who_falls_silent_is_away_and_who_is_heard_again_is_back(here: Hosting) -> None:
    """Their connection stands; the others see in any case that nobody is at its other end."""
    room = await here.create()
    camille, ada = await here.enter(room), await here.enter(room, Role.TUTOR)
    live = await here.host.open(room)

    def present(frame: Frame) -> bool:
        people: list[Frame] = frame["participants"]
        return any(one["present"] for one in people if one["id"] == "the-candidate")

    for silent_s, is_there in ((SILENT_IS_AWAY_S, False), (0.1, True)):
        ada.frames.clear()
        camille.silent_s = silent_s
        live.look_who_is_there()
        live.look_who_is_there()
        (told,) = [frame for frame in ada.frames if frame["type"] == "presence"]
        assert present(told) is is_there
