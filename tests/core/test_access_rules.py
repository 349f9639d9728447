"""Who is shut out of a room, and how fast runs may follow each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core import messages
from server.core.decide import MAX_PARTICIPANTS, Abandon, EndByAdmin, Join, Sender, decide
from server.core.errors import RefusedError
from server.core.events import AccessRevoked, Role, RunStarted
from server.core.interview import MINUTE_MS
from server.core.room import RUNS_A_MINUTE, Participant, replay
from server.core.snapshot import snapshot
from tests.core.playing import NOON, Kept, problem

ADA = Sender(Participant("t1", "Ada", Role.TUTOR), "c-ada")
CAMILLE = Sender(Participant("k1", "Camille", Role.CANDIDATE), "c-camille")
OLU = Sender(Participant("o1", "Olu", Role.OBSERVER), "c-olu")
RUN = messages.Run(doc="scratch", what="program")


def room_with(*people: Sender) -> Kept:
    kept = Kept.created("en", [problem()])
    for one in people:
        assert kept.put(Join(one.participant), None)
    return kept


def refusal(kept: Kept, command: messages.Command | Join, who: Sender | None) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        decide(kept.room, command, who, kept.now)
    return refused.value


@pytest.mark.parametrize("role", ["candidate", "observer"])
def test_only_a_tutor_revokes(role: messages.Revokable) -> None:
    kept = room_with(ADA, CAMILLE, OLU)
    for other in (CAMILLE, OLU):
        assert refusal(kept, messages.Revoke(role=role), other).code == "forbidden"
    assert kept.put(messages.Revoke(role=role), ADA)
    assert kept.entries[-1].event == AccessRevoked(role=Role(role))


def test_whoever_is_shut_out_does_nothing_more_and_the_others_go_on() -> None:
    """Each of their commands is refused, whatever it is; coming in as the same person too."""
    kept = room_with(ADA, CAMILLE, OLU)
    kept.put(messages.Revoke(role="candidate"), ADA)
    edit = messages.Edit(doc="scratch", version=0, changes=[[0, "x"]])
    for command in (edit, RUN, messages.Stop(run="r1")):
        assert refusal(kept, command, CAMILLE).code == "revoked"
    assert refusal(kept, Join(CAMILLE.participant), None).code == "revoked"
    assert kept.put(edit, ADA)


def test_a_new_link_lets_somebody_in_as_a_new_participant() -> None:
    kept = room_with(ADA, CAMILLE)
    kept.put(messages.Revoke(role="candidate"), ADA)
    again = Sender(Participant("k2", "Camille", Role.CANDIDATE), "c-again")
    assert kept.put(Join(again.participant), None)
    assert kept.put(messages.Edit(doc="scratch", version=0, changes=[[0, "x"]]), again)


def test_the_flood_by_a_link_that_leaked_is_over_once_it_is_revoked() -> None:
    """Those shut out take nobody's place."""
    flood = [
        Sender(Participant(f"f{n}", "F", Role.CANDIDATE), "c") for n in range(MAX_PARTICIPANTS)
    ]
    kept = room_with(ADA, *flood)
    assert refusal(kept, Join(CAMILLE.participant), None).code == "room_full"
    kept.put(messages.Revoke(role="candidate"), ADA)
    assert kept.put(Join(CAMILLE.participant), None)


def test_access_can_be_revoked_after_the_end_too() -> None:
    """Else a link that leaked would show the code until the interview is erased."""
    kept = room_with(ADA, CAMILLE)
    kept.put(EndByAdmin(), None)
    assert kept.put(messages.Revoke(role="candidate"), ADA)
    assert CAMILLE.participant.id in kept.room.shut_out


def test_tutors_alone_learn_when_access_was_revoked() -> None:
    kept = room_with(ADA, CAMILLE)
    kept.put(messages.Revoke(role="observer"), ADA)
    assert snapshot(kept.room, Role.TUTOR, ())["tutor"]["revoked"] == {"observer": kept.now}
    for role in (Role.CANDIDATE, Role.OBSERVER):
        assert "revoked" not in repr(snapshot(kept.room, role, ()))


def test_a_room_starts_so_many_runs_a_minute_and_says_when_to_try_again() -> None:
    kept = room_with(ADA)
    for _ in range(RUNS_A_MINUTE):
        assert kept.put(RUN, ADA)
        kept.put(Abandon(), None)
        kept.now += 1_000
    error = refusal(kept, RUN, ADA)
    assert error.code == "too_many_runs"
    assert "Try again in 30 s." in str(error)
    kept.now += 30_000
    assert kept.put(RUN, ADA)


def test_a_clock_that_was_set_back_keeps_nobody_from_running() -> None:
    kept = room_with(ADA)
    for _ in range(RUNS_A_MINUTE):
        kept.put(RUN, ADA)
        kept.put(Abandon(), None)
    kept.now -= 3_600_000
    assert kept.put(RUN, ADA)


@given(st.lists(st.integers(0, 5_000), min_size=RUNS_A_MINUTE, max_size=120))
def test_no_minute_has_more_runs_than_a_room_may_start(pauses: list[int]) -> None:
    """However they are spread; the journal alone gives the same answer, from a small state."""
    kept = room_with(ADA)
    for pause in pauses:
        kept.now += pause
        if kept.put(RUN, ADA):
            kept.put(Abandon(), None)
    starts = [entry.at for entry in kept.entries if isinstance(entry.event, RunStarted)]
    for start in starts:
        assert sum(start <= at < start + MINUTE_MS for at in starts) <= RUNS_A_MINUTE
    again = replay(kept.room.problems, kept.entries)
    assert again.run_starts == kept.room.run_starts == tuple(starts[-RUNS_A_MINUTE:])


def test_the_time_of_the_first_run_is_that_of_its_entry() -> None:
    kept = room_with(ADA)
    kept.put(RUN, ADA)
    assert kept.room.run_starts == (NOON,)
