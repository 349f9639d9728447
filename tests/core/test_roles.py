"""Who may do what, and who may see what: the two tables leave nothing out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from server.core import events, messages
from server.core.errors import RefusedError
from server.core.events import AnyEvent, Audience, Entry, Event, Role, kind_of
from server.core.roles import ALLOWED, check_allowed, is_same_for_all, view, view_event

OTHERS = (Role.CANDIDATE, Role.OBSERVER)
SECRET = "a SECRET thing"

EVENTS: tuple[AnyEvent, ...] = (
    events.InterviewCreated(
        title="An interview",
        candidate="Camille",
        format="technical-45",
        language="en",
        problems=[events.FrozenProblem(id=SECRET, version=1, hash="0" * 64)],
    ),
    events.ParticipantJoined(participant="p1", name="Ada", role=Role.TUTOR),
    events.DocumentOpened(doc="scratch", text="text"),
    events.ProblemOpened(
        problem="double", part="main", doc="double/main", title="t", statement="s", mode="function"
    ),
    events.Edited(doc="scratch", version=1, changes=[[0, "x"]], client="c", ref="r"),
    events.RunStarted(run="r1", what="tests", doc="double/main", version=1, stdin=None, ref=7),
    events.InputAwaited(run="r1"),
    events.InputAwaited(run="r1"),
    events.StdinWritten(run="r1", text="typed\n"),
    events.StopRequested(run="r1"),
    events.OutputWritten(run="r1", stream="stdout", text="printed"),
    events.OutputWritten(run="r1", stream="stdout", text=SECRET, test="signs/1", visible=False),
    events.TestJudged(
        run="r1",
        test="examples/1",
        group="examples",
        visible=True,
        verdict="accepted",
        time_ms=1.0,
        memory_bytes=1,
        name="one",
        input="double(1)",
        expected="2",
        got="2",
    ),
    events.TestJudged(
        run="r1",
        test="signs/1",
        group="signs",
        visible=False,
        verdict="wrong_answer",
        time_ms=31.41,
        memory_bytes=3141,
        name=SECRET,
        input=SECRET,
        expected=SECRET,
        got=SECRET,
        detail=SECRET,
        line=3141,
    ),
    events.RunFinished(
        run="r1",
        verdict="wrong_answer",
        time_ms=3141,
        memory_bytes=3141,
        passed=1,
        total=2,
        visible_time_ms=1.0,
        visible_memory_bytes=1,
    ),
    events.RunQueued(run="r1", place=2),
    events.PhaseStarted(phase="coding"),
    events.ClockPaused(),
    events.ClockResumed(),
    events.ClockExtended(minutes=5),
    events.EditorLocked(locked=True),
    events.HintOpened(problem="double", hint=0),
    events.NoteTaken(text=SECRET),
    events.CriterionScored(problem="double", criterion=SECRET, level=1, comment=SECRET),
    events.JournalDamaged(lost=1),
    events.AccessRevoked(role=Role.OBSERVER),
    events.InterviewEnded(),
)

FOR_TUTORS = {"hint_opened", "note_taken", "criterion_scored", "access_revoked"}


def subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


def test_every_message_has_its_roles() -> None:
    """A new message without a line in the table would be refused to nobody, or break the room."""
    assert (
        set(ALLOWED) == set(subclasses(messages.Command)) == set(get_args(messages.ClientMessage))
    )
    assert all(ALLOWED.values())


def test_only_a_tutor_may_do_a_tutors_work() -> None:
    everybody = {messages.Hello, messages.Cursor, messages.Ping}
    writers = {messages.Edit, messages.Run, messages.Stdin, messages.Stop}
    for kind, roles in ALLOWED.items():
        assert Role.TUTOR in roles
        assert (Role.OBSERVER in roles) == (kind in everybody)
        assert (Role.CANDIDATE in roles) == (kind in everybody | writers)


def test_a_refusal_names_the_command_and_who_may() -> None:
    with pytest.raises(RefusedError, match='"note" is for a tutor; you are a candidate') as refused:
        check_allowed(Role.CANDIDATE, messages.Note(text="x"))
    assert refused.value.code == "forbidden"
    check_allowed(Role.TUTOR, messages.Note(text="x"))


def test_there_is_an_example_of_every_event() -> None:
    """The tests below leave none out."""
    kinds = set(subclasses(Event))
    assert {type(event) for event in EVENTS} == kinds == set(get_args(AnyEvent))


@pytest.mark.parametrize("event", EVENTS, ids=kind_of)
def test_a_tutor_sees_every_field(event: AnyEvent) -> None:
    assert view_event(event, Role.TUTOR) == msgspec.to_builtins(event)


@pytest.mark.parametrize("role", OTHERS)
@pytest.mark.parametrize("event", EVENTS, ids=kind_of)
def test_others_see_an_event_of_its_kind_or_nothing(event: AnyEvent, role: Role) -> None:
    seen = view_event(event, role)
    if kind_of(event) in FOR_TUTORS:
        assert event.audience is Audience.TUTORS
        assert seen is None
    elif seen is None:
        assert isinstance(event, events.OutputWritten)
        assert not event.visible
    else:
        assert next(iter(seen)) == "kind"
        assert seen["kind"] == kind_of(event)
        assert "SECRET" not in repr(seen)
        assert "3141" not in repr(seen)
        assert "31.41" not in repr(seen)


@pytest.mark.parametrize("role", OTHERS)
def test_of_a_hidden_test_only_its_number_and_verdict_are_told(role: Role) -> None:
    hidden = next(e for e in EVENTS if isinstance(e, events.TestJudged) and not e.visible)
    seen = view_event(hidden, role)
    assert seen is not None
    assert set(seen) == {"kind", "run", "test", "group", "visible", "verdict"}


@pytest.mark.parametrize("role", OTHERS)
def test_a_runs_time_and_memory_are_those_of_the_visible_tests(role: Role) -> None:
    finished = next(event for event in EVENTS if isinstance(event, events.RunFinished))
    seen = view_event(finished, role)
    assert seen is not None
    assert (seen["time_ms"], seen["memory_bytes"]) == (1.0, 1)
    assert (seen["passed"], seen["total"]) == (1, 2)


@pytest.mark.parametrize("role", Role)
def test_an_entrys_view_says_when_by_whom_and_where(role: Role) -> None:
    entry = Entry(seq=7, at=1234, by="p1", event=events.ClockPaused())
    assert view(entry, role) == {"seq": 7, "at": 1234, "by": "p1", "kind": "clock_paused"}


def test_an_entry_that_a_role_may_not_see_has_no_view() -> None:
    entry = Entry(seq=7, at=1234, by="p1", event=events.NoteTaken(text="x"))
    assert view(entry, Role.OBSERVER) is None
    assert view(entry, Role.TUTOR) is not None


@pytest.mark.parametrize("event", EVENTS, ids=kind_of)
def test_what_is_the_same_for_all_is_what_every_role_sees_whole(event: AnyEvent) -> None:
    """Frames of such events are made once, for whoever listens."""
    views = [view_event(event, role) for role in Role]
    assert not is_same_for_all(event) or all(seen == views[0] for seen in views)


def test_typing_is_the_same_for_all() -> None:
    """It is nearly all that happens in a room: its frames are made once."""
    assert is_same_for_all(events.Edited(doc="d", version=1, changes=[], client="c", ref=None))
