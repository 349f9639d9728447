"""The WebSocket side of the contract: two programs in one room."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from sandbox.contract import Ended, Outcome, Output, SandboxError
from server.runner import SANDBOX_FAILED
from tests.scripted import ScriptedSandbox, outcome
from tests.serving import Running, kind_is

MAIN = "double/main"


async def test_a_welcome_holds_the_whole_state(server: Running) -> None:
    """Who you are, where the journal stands, and everything to draw the room."""
    _, links = await server.create("double")
    async with server.enter(links["candidate"], "Camille") as camille:
        welcome = camille.welcome
        assert welcome["you"]["name"] == "Camille"
        assert welcome["you"]["role"] == "candidate"
        state = welcome["state"]
        assert state["documents"]["scratch"] == {"version": 0, "text": ""}
        assert state["documents"][MAIN]["text"].startswith("def double(n):")
        assert (state["problem"], state["part"]) == ("double", "main")
        assert state["clock"]["phase"] is None
        assert state["ended"] is False
        assert [p["present"] for p in state["participants"]] == [True]


async def test_both_hear_of_an_edit_in_journal_order(server: Running) -> None:
    """The sender learns of its own edit by the event, with its ref and client."""
    _, links = await server.create("double")
    async with (
        server.enter(links["tutor"], "Ada") as ada,
        server.enter(links["candidate"], "Camille") as camille,
    ):
        await camille.edit("scratch", 0, [[0, "a", "é😀"]], "e1")
        mine = await camille.event("edited")
        theirs = await ada.event("edited")
        assert mine == theirs
        assert (mine["ref"], mine["client"], mine["version"]) == ("e1", "Camille", 1)
        assert mine["changes"] == [[0, "a", "é😀"]]


async def test_edits_made_at_the_same_time_are_rebased(server: Running) -> None:
    """Both made against version 0; the second lands after the first, none is bounced."""
    _, links = await server.create("double")
    async with (
        server.enter(links["tutor"], "Ada") as ada,
        server.enter(links["candidate"], "Camille") as camille,
    ):
        await ada.edit("scratch", 0, [[0, "tutor "]], "a1")
        await ada.event("edited", ref="a1")
        await camille.edit("scratch", 0, [[0, "candidate"]], "c1")
        second = await camille.event("edited", ref="c1")
        assert second["version"] == 2
        async with server.enter(links["observer"], "Olu") as olu:
            text = olu.state["documents"]["scratch"]["text"]
        assert text == "tutor candidate"


@pytest.mark.parametrize(
    ("changes", "version", "code"),
    [
        ([[0, "x"], 5], 0, "wrong_length"),
        ([-1], 0, "bad_changes"),
        ([[0, ["nested"]]], 0, "bad_changes"),
        ("text", 0, "bad_changes"),
        ([[0, "x"]], 99, "future_version"),
        ([[0, "y" * 60_000]] * 4, 0, "document_too_long"),
    ],
)
async def test_an_edit_that_does_not_fit_changes_nothing(
    server: Running, changes: object, version: int, code: str
) -> None:
    """Refused with a code; nobody else notices, and the connection goes on."""
    _, links = await server.create("double")
    if code == "document_too_long":
        changes = [[0, "y" * 60_000]]
    async with (
        server.enter(links["tutor"], "Ada") as ada,
        server.enter(links["candidate"], "Camille") as camille,
    ):
        if code == "document_too_long":
            for number in range(3):
                await camille.type_text("scratch", "y" * 60_000, f"fill{number}")
            changes = [180_000, [0, "y" * 60_000]]
            version = 3
        await ada.settled()
        heard = len(ada.frames)
        await camille.send(type="edit", ref="bad", doc="scratch", version=version, changes=changes)
        error = await camille.error(code)
        assert error["ref"] == "bad"
        await ada.settled()
        assert [f["type"] for f in ada.frames[heard:] if f["type"] != "saved"] == ["pong"]


async def test_a_surrogate_pair_is_never_split(server: Running) -> None:
    """Positions are UTF-16: between the halves of an emoji there is no place to type."""
    _, links = await server.create("double")
    async with server.enter(links["candidate"], "Camille") as camille:
        await camille.edit("scratch", 0, [[0, "😀"]], "e1")
        await camille.event("edited")
        await camille.edit("scratch", 1, [1, [0, "x"], 1], "e2")
        await camille.error("split_surrogate")


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "edit", "ref": "e", "doc": "scratch", "version": 0, "changes": [[0, "x"]]},
        {"type": "run", "ref": "r", "doc": "scratch", "what": "program"},
        {"type": "end"},
        {"type": "open", "problem": "double"},
        {"type": "note", "text": "hello"},
        {"type": "lock", "locked": True},
    ],
)
async def test_an_observer_only_looks(server: Running, frame: dict[str, object]) -> None:
    """Edits, runs and a tutor's commands are refused."""
    _, links = await server.create("double")
    async with server.enter(links["observer"], "Olu") as olu:
        await olu.send(**frame)
        await olu.error("forbidden")


async def test_a_candidate_cannot_do_a_tutors_work(server: Running) -> None:
    """Each of the tutor's commands is refused."""
    _, links = await server.create("double")
    async with server.enter(links["candidate"], "Camille") as camille:
        for frame in (
            {"type": "open", "problem": "double", "part": "texts"},
            {"type": "phase", "action": "start"},
            {"type": "hint", "hint": 0},
            {"type": "note", "text": "x"},
            {"type": "score", "criterion": "clarity", "level": 4},
            {"type": "lock", "locked": False},
            {"type": "end"},
        ):
            await camille.send(**frame)
            await camille.error("forbidden")


async def test_malformed_frames_get_an_error_then_1008(server: Running) -> None:
    """A few are told; a client that goes on is closed. Nobody else notices."""
    _, links = await server.create("double")
    async with (
        server.enter(links["tutor"], "Ada") as ada,
        server.enter(links["candidate"], "Camille") as camille,
    ):
        for text in ("{", '{"type":"nope"}', '{"type":"edit"}', "[]", '{"type":"ping","x":1}'):
            await camille.socket.send(text)
            await camille.error("malformed")
        with pytest.raises(ConnectionClosed) as closed:
            await camille.until(kind_is("never"))
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        await ada.settled()
        assert not [f for f in ada.frames if f["type"] == "error"]


async def test_a_frame_over_64_kib_closes_with_1009(server: Running) -> None:
    """The limit is the transport's own."""
    _, links = await server.create("double")
    async with server.enter(links["candidate"], "Camille") as camille:
        await camille.socket.send(json.dumps({"type": "ping", "t": 0, "pad": "x" * 66_000}))
        with pytest.raises(ConnectionClosed) as closed:
            await camille.until(kind_is("never"))
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


async def test_a_foreign_origin_or_no_session_is_403(server: Running) -> None:
    """Before the upgrade, with one and the same answer."""
    room, links = await server.create("double")
    other_room, _ = await server.create("double")
    joined = await server.join(links["candidate"], "Camille")
    url = f"{server.url.replace('http', 'ws')}/rooms"
    bearer = {"Authorization": f"Bearer {joined['session']}"}
    for path, headers, origin in (
        (room, bearer, "https://evil.example"),
        (room, {}, None),
        (room, {"Authorization": "Bearer nonsense"}, None),
        (other_room, bearer, None),
        ("no-such-room", bearer, None),
    ):
        sent = Origin(origin) if origin else None
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"{url}/{path}/ws", additional_headers=headers, origin=sent):
                pass
        assert refused.value.response.status_code == 403


async def test_a_client_that_comes_back_gets_only_what_it_missed(server: Running) -> None:
    """With `after` still known there is no state, only the missing events."""
    _, links = await server.create("double")
    joined = await server.join(links["candidate"], "Camille")
    async with server.enter(links["tutor"], "Ada") as ada:
        async with server.connect(joined, client="c") as camille:
            seen = camille.welcome["seq"]
        await ada.edit("scratch", 0, [[0, "while away"]], "a1")
        await ada.event("edited")
        async with server.connect(joined, client="c", after=seen) as camille:
            assert "state" not in camille.welcome
            missed = await camille.event("edited")
            assert missed["changes"] == [[0, "while away"]]


async def test_an_edit_sent_twice_is_applied_once(server: Running) -> None:
    """A client that was cut off sends again what it saw no confirmation of."""
    _, links = await server.create("double")
    async with server.enter(links["candidate"], "Camille") as camille:
        await camille.edit("scratch", 0, [[0, "once"]], "e1")
        await camille.edit("scratch", 0, [[0, "once"]], "e1")
        await camille.error("already_applied")
        await camille.edit("scratch", 1, [4, [0, "!"]], "e2")
        assert (await camille.event("edited", ref="e2"))["version"] == 2


async def test_a_ref_names_one_edit_whatever_its_version(server: Running) -> None:
    """A client that lost count and sends again against a newer version types nothing twice."""
    _, links = await server.create("double")
    async with server.enter(links["candidate"], "Camille") as camille:
        await camille.edit("scratch", 0, [[0, "once"]], "e1")
        await camille.event("edited")
        await camille.edit("scratch", 1, [4, [0, "more"]], "e2")
        await camille.event("edited")
        await camille.edit("scratch", 2, [8, [0, "once"]], "e1")
        await camille.error("already_applied")
        await camille.edit(MAIN, 0, [[23, "other document"]], "e2")
        await camille.error("already_applied")


async def test_nobody_types_under_anothers_client_id(server: Running) -> None:
    """A client id belongs to the participant who first used it."""
    _, links = await server.create("double")
    async with (
        server.enter(links["tutor"], "Ada", client="ada-tab") as ada,
        server.enter(links["candidate"], "Camille", client="ada-tab") as camille,
    ):
        await ada.edit("scratch", 0, [[0, "mine"]], "a1")
        await ada.event("edited")
        await camille.edit("scratch", 1, [4, [0, "!"]], "c1")
        await camille.error("client_taken")


async def test_cursors_come_with_the_servers_name_at_the_latest_version(server: Running) -> None:
    """Mapped over what was typed since; never journaled."""
    _, links = await server.create("double")
    async with (
        server.enter(links["tutor"], "Ada") as ada,
        server.enter(links["candidate"], "Camille") as camille,
    ):
        await ada.edit("scratch", 0, [[0, "12345"]], "a1")
        await ada.event("edited")
        await camille.send(type="cursor", doc="scratch", version=0, anchor=0, head=0)
        await camille.send(type="cursor", doc="scratch", version=1, anchor=2, head=4)
        cursor = await ada.until(kind_is("cursor", head=4))
        assert (cursor["name"], cursor["version"], cursor["anchor"]) == ("Camille", 1, 2)
        await camille.send(type="cursor", doc="scratch", version=7, anchor=2, head=4)
        await camille.error("future_version")


async def test_presence_tells_who_is_here(server: Running) -> None:
    """Coming and going reach the others."""
    _, links = await server.create("double")
    async with server.enter(links["tutor"], "Ada") as ada:
        async with server.enter(links["candidate"], "Camille"):
            await ada.until(lambda f: _present(f) == {"Ada", "Camille"})
        await ada.until(lambda f: _present(f) == {"Ada"})


def _present(frame: dict[str, object]) -> set[str] | None:
    if frame["type"] != "presence":
        return None
    people = frame["participants"]
    assert isinstance(people, list)
    return {person["name"] for person in people if person["present"]}


async def test_the_tutor_opens_parts_and_the_clock_runs(server: Running) -> None:
    """Problem, follow-up, clock, lock, end: each an event that the candidate hears."""
    _, links = await server.create("double")
    async with (
        server.enter(links["tutor"], "Ada") as ada,
        server.enter(links["candidate"], "Camille") as camille,
    ):
        await camille.replace(MAIN, "def double(n):\n    return n * 2\n", "c1")
        await ada.send(type="open", problem="double", part="texts")
        document = await camille.event("document_opened")
        assert document["text"].startswith("def double(n: int | str)")
        opened = await camille.event("problem_opened", part="texts")
        assert "Double texts too" in opened["statement"]

        await ada.send(type="phase", action="pause")
        await ada.error("clock_not_started")
        for action, kind in (
            ("start", "phase_started"),
            ("pause", "clock_paused"),
            ("resume", "clock_resumed"),
            ("extend", "clock_extended"),
            ("next", "phase_started"),
        ):
            await ada.send(type="phase", action=action)
            await camille.event(kind)
        await ada.send(type="phase", action="next")
        await ada.error("last_phase")

        await ada.send(type="lock", locked=True)
        await camille.event("editor_locked")
        await camille.edit("scratch", 0, [[0, "x"]], "c2")
        await camille.error("locked")

        await ada.send(type="end")
        await camille.event("interview_ended")
        await ada.send(type="note", text="written down after the talk")
        await ada.event("note_taken")
        await ada.send(type="score", criterion="clarity", level=3)
        await ada.event("criterion_scored")
        await ada.send(type="phase", action="next")
        await ada.error("ended")
        await ada.edit("scratch", 0, [[0, "x"]], "a1")
        await ada.error("ended")
        assert await camille.closed() == 4410


async def test_a_run_streams_output_takes_input_and_ends(
    server: Running, sandbox: ScriptedSandbox
) -> None:
    """A free run: what is typed reaches the program, what it prints reaches both."""
    _, links = await server.create("double")
    async with (
        server.enter(links["tutor"], "Ada") as ada,
        server.enter(links["candidate"], "Camille") as camille,
    ):
        await camille.replace("scratch", "print(input())", "c1")
        await camille.send(type="run", ref="r", doc="scratch", what="program")
        started = await camille.event("run_started", ref="r")
        run = await sandbox.runs.get()
        assert run.submission.source == "print(input())"
        await camille.send(type="stdin", run=started["run"], text="hello\n")
        assert await run.typed.get() == "hello\n"
        await camille.send(type="stdin", run=started["run"], eof=True)
        assert await run.typed.get() is None
        sandbox.say(Output("program", "stdout", "hello\n"))
        assert (await ada.event("output"))["text"] == "hello\n"
        sandbox.say(outcome(run.submission.tests[0], Ended.EXITED), None)
        finished = await ada.event("run_finished")
        assert (finished["verdict"], finished["exit_code"]) == ("accepted", 0)


async def test_stop_ends_a_run(server: Running, sandbox: ScriptedSandbox) -> None:
    """And a second run may follow it; while it went on, none could."""
    _, links = await server.create("double")
    async with server.enter(links["candidate"], "Camille") as camille:
        await camille.send(type="run", doc="scratch", what="program")
        started = await camille.event("run_started")
        await sandbox.runs.get()
        await camille.send(type="run", doc="scratch", what="program")
        await camille.error("run_under_way")
        await camille.send(type="stop", run=started["run"])
        assert (await camille.event("run_finished"))["verdict"] == "stopped"
        await camille.send(type="stop", run=started["run"])
        await camille.error("not_running")


async def test_a_candidate_never_receives_what_is_the_tutors(
    server: Running, sandbox: ScriptedSandbox
) -> None:
    """Every byte of a whole interview: hidden names, inputs, answers, hints, notes, rubric."""
    _, links = await server.create("double")
    async with (
        server.enter(links["tutor"], "Ada") as ada,
        server.enter(links["candidate"], "Camille") as camille,
        server.enter(links["observer"], "Olu") as olu,
    ):
        await ada.send(type="hint", hint=0)
        await ada.send(type="note", text="SECRET note")
        await ada.send(type="score", criterion="clarity", level=3, comment="SECRET comment")
        await ada.event("criterion_scored")
        await camille.send(type="run", doc=MAIN, what="tests")
        run = await sandbox.runs.get()
        assert [test.args for test in run.submission.tests] == [[1], [-3141], [0]]
        visible, hidden, nought = run.submission.tests
        sandbox.say(
            outcome(visible, Ended.RETURNED, "2"),
            Output(hidden.id, "stdout", "SECRET -3141 printed"),
            outcome(hidden, Ended.RETURNED, "-3141"),
            outcome(nought, Ended.RETURNED, "0"),
            None,
        )
        judged = await ada.event("test_judged", test=hidden.id)
        assert judged["name"] == "a SECRET negative number"
        assert judged["expected"] == "-6282"
        finished = await camille.event("run_finished")
        assert (finished["passed"], finished["total"]) == (2, 3)
        assert finished["verdict"] == "wrong_answer"
        assert {g["group"]: g["passed"] for g in finished["groups"]} == {"examples": 1, "signs": 1}
        await olu.event("run_finished")
        async with server.enter(links["candidate"], "Camille again") as again:
            received = json.dumps([camille.frames, olu.frames, again.frames])
    for secret in ("SECRET", "3141", "6282", "clarity", "overflow"):
        assert secret not in received


async def test_a_platform_failure_is_retried_once_and_told_as_ours(
    server: Running, sandbox: ScriptedSandbox
) -> None:
    """The first failure is tried again in a fresh container; the second is a judge_error."""
    _, links = await server.create("double")
    async with server.enter(links["candidate"], "Camille") as camille:
        await camille.send(type="run", doc="scratch", what="program")
        sandbox.say(SandboxError("The container died."))
        first = await sandbox.runs.get()
        second = await sandbox.runs.get()
        assert first.submission == second.submission
        sandbox.say(SandboxError("The container died again."))
        finished = await camille.event("run_finished")
        assert finished["verdict"] == "judge_error"
        assert finished["message"] == SANDBOX_FAILED  # the container's own words are for the log


async def test_without_a_sandbox_editing_goes_on_and_run_says_so(
    server: Running, sandbox: ScriptedSandbox
) -> None:
    """Everybody is told when it changes."""
    _, links = await server.create("double")
    async with server.enter(links["candidate"], "Camille") as camille:
        sandbox.available = False
        await camille.until(kind_is("sandbox", status="unavailable"))
        await camille.send(type="run", ref="r", doc="scratch", what="program")
        assert (await camille.error("sandbox_unavailable"))["ref"] == "r"
        await camille.edit("scratch", 0, [[0, "x"]], "c1")
        await camille.event("edited")
        sandbox.available = True
        await camille.until(kind_is("sandbox", status="ready"))


async def test_a_flood_of_output_is_joined_and_kept_in_order(
    server: Running, sandbox: ScriptedSandbox
) -> None:
    """Many pieces become few events; nothing is lost or turned around."""
    _, links = await server.create("double")
    async with server.enter(links["candidate"], "Camille") as camille:
        pieces = [f"{number}\n" for number in range(2_000)]
        sandbox.say(*(Output("program", "stdout", piece) for piece in pieces))
        await camille.send(type="run", doc="scratch", what="program")
        run = await sandbox.runs.get()
        sandbox.say(outcome(run.submission.tests[0], Ended.EXITED), None)
        await camille.event("run_finished")
        written = [f["text"] for f in camille.frames if f.get("kind") == "output"]
        assert "".join(written) == "".join(pieces)
        assert len(written) < len(pieces) / 2


async def test_a_reader_that_stops_reading_is_dropped_alone(server: Running) -> None:
    """The room goes on for the others; the slow one comes back by itself."""
    _, links = await server.create("double")
    joined = await server.join(links["observer"], "Olu")
    url = f"{server.url.replace('http', 'ws')}/rooms/{joined['room']}/ws"
    headers = {"Authorization": f"Bearer {joined['session']}"}
    async with (
        server.enter(links["candidate"], "Camille") as camille,
        connect(url, additional_headers=headers, max_queue=1) as asleep,
    ):
        await asleep.send(json.dumps({"type": "hello", "after": 0, "client": "olu"}))
        await camille.until(lambda f: _present(f) == {"Camille", "Olu"})
        text = "x" * 50_000
        for number in range(400):
            await camille.replace("scratch", text + str(number), f"e{number}")
            if any(_present(f) == {"Camille"} for f in camille.frames[-4:]):
                return
        raise AssertionError("the slow reader was never dropped")


async def test_two_outcomes_for_one_test_never_reach_accepted(
    server: Running, sandbox: ScriptedSandbox
) -> None:
    """A sandbox that says too little is our error, whatever it said."""
    _, links = await server.create("double")
    async with server.enter(links["candidate"], "Camille") as camille:
        await camille.send(type="run", doc=MAIN, what="tests")
        run = await sandbox.runs.get()
        first: Outcome = outcome(run.submission.tests[0], Ended.RETURNED, "2")
        sandbox.say(first, None)
        finished = await camille.event("run_finished")
        assert finished["verdict"] == "judge_error"


async def test_a_state_of_any_size_is_delivered(server: Running) -> None:
    """Control characters grow sixfold in JSON: a long welcome is no slow reader."""
    _, links = await server.create("double")
    async with server.enter(links["candidate"], "Camille") as camille:
        for number in range(20):
            await camille.type_text("scratch", "\x01" * 9_900, f"e{number}")
    async with server.enter(links["tutor"], "Ada") as ada:
        assert len(ada.state["documents"]["scratch"]["text"]) == 198_000
        await ada.settled()


async def test_an_edit_from_too_far_behind_is_refused(server: Running) -> None:
    """What one message can cost is bounded; the document stays as it was."""
    _, links = await server.create("double")
    pieces = 2_000
    everywhere = [part for _ in range(pieces) for part in (1, [1, "b"])]
    async with server.enter(links["candidate"], "Camille") as camille:
        await camille.edit("scratch", 0, [[0, "ab" * pieces]], "e0")
        await camille.event("edited")
        for version in range(1, 15):
            await camille.edit("scratch", version, everywhere, f"e{version}")
            await camille.event("edited")
        await camille.edit("scratch", 1, everywhere, "late")
        assert (await camille.error("too_far_behind"))["ref"] == "late"
        await camille.send(type="cursor", doc="scratch", version=1, anchor=1, head=1)
        await camille.error("too_far_behind")
        await camille.edit("scratch", 15, [2 * pieces, [0, "!"]], "now")
        await camille.event("edited", ref="now")


async def test_output_that_is_cut_says_so(server: Running, sandbox: ScriptedSandbox) -> None:
    """The sandbox stops at 64 KiB; the last piece carries the word."""
    _, links = await server.create("double")
    async with server.enter(links["candidate"], "Camille") as camille:
        await camille.send(type="run", doc="scratch", what="program")
        run = await sandbox.runs.get()
        sandbox.say(Output("program", "stdout", "x" * 65_000))
        assert (await camille.event("output"))["cut"] is False
        sandbox.say(Output("program", "stdout", "x" * 536))
        assert (await camille.event("output"))["cut"] is True
        sandbox.say(outcome(run.submission.tests[0], Ended.EXITED), None)
        await camille.event("run_finished")


async def test_hidden_verdicts_come_together_at_the_end(
    server: Running, sandbox: ScriptedSandbox
) -> None:
    """One by one, their times would tell how long each took, and so its input."""
    _, links = await server.create("double")
    async with (
        server.enter(links["tutor"], "Ada") as ada,
        server.enter(links["candidate"], "Camille") as camille,
    ):
        await camille.send(type="run", doc=MAIN, what="tests")
        run = await sandbox.runs.get()
        visible, hidden, nought = run.submission.tests
        sandbox.say(outcome(visible, Ended.RETURNED, "2"), outcome(hidden, Ended.RETURNED, "1"))
        await camille.event("test_judged", test=visible.id)
        await camille.settled()
        sandbox.say(outcome(nought, Ended.RETURNED, "0"), None)
        finished = await camille.event("run_finished")
        await ada.event("run_finished")
        for one in (ada, camille):
            judged = [f for f in one.frames if f.get("kind") == "test_judged" and not f["visible"]]
            assert {frame["at"] for frame in judged} == {finished["at"]}
            assert len(judged) == 2


async def test_stop_is_journaled_once(server: Running, sandbox: ScriptedSandbox) -> None:
    """However often it is pressed."""
    room, links = await server.create("double")
    async with server.enter(links["candidate"], "Camille") as camille:
        await camille.send(type="run", doc="scratch", what="program")
        started = await camille.event("run_started")
        for _ in range(20):
            await camille.send(type="stop", run=started["run"])
        await sandbox.runs.get()
        await camille.event("run_finished")
        await camille.settled()
    journal = (await server.http.get(f"/api/interviews/{room}/journal")).text
    assert journal.count("stop_requested") == 1


async def test_a_participant_has_a_few_connections_at_most(server: Running) -> None:
    """The ninth is closed; those that there are go on."""
    _, links = await server.create("double")
    joined = await server.join(links["candidate"], "Camille")
    async with AsyncExitStack() as open_ones:
        clients = [
            await open_ones.enter_async_context(server.connect(joined, client=f"c{number}"))
            for number in range(8)
        ]
        with pytest.raises(ConnectionClosed) as closed:
            async with server.connect(joined, client="one too many"):
                pass
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        await clients[0].settled()
