"""When a page reconnects, gives a peer up, and says saved: the very modules of the page."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.settings import ROOT
from tests.core.differential.peer import Peer, running_peer

PROMISED_MS = 5_000
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """The modules in Node."""
    bundle = tmp_path_factory.mktemp("rules") / "rules.mjs"
    esbuild = ROOT / "web/node_modules/.bin/esbuild"
    options = ["--bundle", "--platform=node", "--format=esm", "--log-level=warning"]
    subprocess.run(
        [esbuild, Path(__file__).with_name("rules.mjs"), *options, f"--outfile={bundle}"],
        env={**os.environ, "NODE_PATH": str(ROOT / "web/node_modules")},
        check=True,
    )
    with running_peer(bundle) as peer:
        yield peer


# Coming back.


def test_the_first_wait_is_under_a_quarter_of_a_second(rules: Peer) -> None:
    assert rules.ask("cap", failures=0, away=0) < 250


def test_any_part_of_the_cap_may_be_the_wait(rules: Peer) -> None:
    """Full jitter: from none at all to all of it."""
    for failures in range(8):
        cap = rules.ask("cap", failures=failures, away=0)
        waits = [rules.ask("delay", failures=failures, away=0, chance=c) for c in (0, 0.25, 0.5, 1)]
        assert waits == [0, cap / 4, cap / 2, cap]


def test_the_cap_grows_with_each_failure_and_has_an_end(rules: Peer) -> None:
    caps = [rules.ask("cap", failures=failures, away=0) for failures in range(12)]
    assert caps == sorted(caps)
    assert caps[0] < caps[1] < caps[2]
    assert caps[-1] == caps[-2] == 1_000


def test_a_server_that_stays_away_is_asked_less_often(rules: Peer) -> None:
    assert rules.ask("cap", failures=50, away=HOUR_MS) > rules.ask("cap", failures=50, away=0)


# A peer that is gone, and a computer that slept.


class Watch:
    """A page's clock: its pulse felt again and again while nothing is heard."""

    def __init__(self, rules: Peer, *, handshake_ms: int = 20, is_in_view: bool = True) -> None:
        self.now = 1_000_000
        self._rules = rules
        self._is_in_view = is_in_view
        self.pulse: dict[str, Any] = {
            "beatAt": self.now,
            "heardAt": self.now,
            "askedAt": None,
            "handshakeMs": handshake_ms,
        }
        self.beat_ms: int = rules.ask("beat")

    def hear(self) -> None:
        """A frame came."""
        self.pulse |= {"heardAt": self.now, "askedAt": None}

    def beat(self, after_ms: int | None = None) -> str:
        """What is found at the next beat, which comes when it should or `after_ms`."""
        self.now += self.beat_ms if after_ms is None else after_ms
        found: str = self._rules.ask(
            "feel", pulse=self.pulse, now=self.now, isInView=self._is_in_view
        )
        self.pulse["beatAt"] = self.now
        if found == "ask":
            self.pulse["askedAt"] = self.now
        return found

    def silence_until(self, wanted: str) -> int:
        """How many ms of silence it takes until `wanted` is found."""
        since = self.now
        while self.beat() != wanted:
            pass
        return self.now - since


def test_a_peer_that_falls_silent_is_given_up_within_five_seconds(rules: Peer) -> None:
    """After having been asked, and with time left to show a banner."""
    watch = Watch(rules)
    watch.silence_until("ask")
    watch.silence_until("dead")
    assert watch.now - watch.pulse["heardAt"] <= PROMISED_MS - 300


def test_a_peer_that_answers_is_kept(rules: Peer) -> None:
    watch = Watch(rules)
    found = set()
    for _ in range(100):
        found.add(last := watch.beat())
        if last == "ask":
            watch.hear()
    assert found == {"fine", "ask"}


def test_answers_that_are_slow_on_a_slow_network_are_waited_for(rules: Peer) -> None:
    """With 2 s each way a handshake takes 8 s, and an answer 4."""
    watch = Watch(rules, handshake_ms=8_000)
    watch.silence_until("ask")
    found = [watch.beat() for _ in range(4_000 // watch.beat_ms)]
    assert set(found) == {"fine"}


def test_a_beat_that_comes_much_too_late_means_sleep(rules: Peer) -> None:
    """Ten minutes, on a connection that was fine a moment before."""
    watch = Watch(rules)
    assert watch.beat() == "fine"
    assert watch.beat(after_ms=600_000) == "slept"
    assert Watch(rules).beat(after_ms=3_500) == "slept"


def test_a_busy_page_is_not_taken_for_a_sleeping_one(rules: Peer) -> None:
    assert Watch(rules).beat(after_ms=1_000) == "fine"


def test_late_timers_of_a_page_in_the_background_drop_nothing(rules: Peer) -> None:
    """Browsers let them come once a minute: then it asks, and an answer is enough."""
    watch = Watch(rules, is_in_view=False)
    for _ in range(5):
        assert watch.beat(after_ms=60_000) == "ask"
        watch.hear()


def test_in_the_background_too_a_question_without_an_answer_ends_it(rules: Peer) -> None:
    watch = Watch(rules, is_in_view=False)
    assert watch.beat(after_ms=60_000) == "ask"
    assert watch.beat(after_ms=60_000) == "dead"


@pytest.mark.parametrize("set_by_ms", [-HOUR_MS, HOUR_MS])
def test_a_clock_that_is_set_costs_one_reconnect_at_most(rules: Peer, set_by_ms: int) -> None:
    """Set back, it must not make the page deaf for an hour."""
    watch = Watch(rules)
    assert watch.beat(after_ms=set_by_ms) == "slept"
    watch.hear()
    assert watch.silence_until("dead") <= PROMISED_MS


# What is saved.


def own(seq: int) -> dict[str, Any]:
    return {"type": "event", "seq": seq}


def test_an_own_edit_is_saved_once_it_is_on_the_disk(rules: Peer) -> None:
    rules.tell("page")
    rules.tell("take", frame={"type": "welcome", "saved": 7})
    assert rules.ask("take", frame=own(8), steps=2) == 2
    assert rules.ask("take", frame=own(10), steps=1) == 3
    assert rules.ask("take", frame={"type": "saved", "seq": 9}) == 1
    assert rules.ask("take", frame={"type": "saved", "seq": 10}) == 0


def test_saved_may_be_told_before_the_edit_comes_back(rules: Peer) -> None:
    rules.tell("page")
    rules.tell("take", frame={"type": "welcome", "saved": 7})
    rules.tell("take", frame={"type": "saved", "seq": 12})
    rules.tell("take", frame={"type": "saved", "seq": 11})
    assert rules.ask("take", frame=own(12), steps=1) == 0


def test_a_reconnect_tells_what_was_saved_meanwhile(rules: Peer) -> None:
    rules.tell("page")
    rules.tell("take", frame={"type": "welcome", "saved": 7})
    rules.tell("take", frame=own(8), steps=1)
    assert rules.ask("take", frame=own(9), steps=1) == 2
    assert rules.ask("take", frame={"type": "welcome", "saved": 8}) == 1


def test_where_the_server_does_not_tell_the_own_event_is_enough(rules: Peer) -> None:
    rules.tell("page")
    rules.tell("take", frame={"type": "welcome"})
    assert rules.ask("take", frame=own(8), steps=1) == 0


# What was sent after it was kept.


def pending(in_flight: str | None) -> dict[str, Any]:
    flight = in_flight and {"ref": in_flight, "changes": [[0, "a"]]}
    return {"version": 0, "base": "", "inFlight": flight, "unsent": [[1, [0, "b"]]]}


def edit(ref: str, client: str = "me") -> dict[str, Any]:
    return {"version": 1, "changes": [[0, "a"]], "client": client, "ref": ref}


@pytest.mark.parametrize(
    ("in_flight", "missed", "sent"),
    [
        ("1", [], "no"),
        ("1", [edit("1")], "no"),
        ("1", [edit("2", client="other")], "no"),
        ("1", [edit("1"), edit("9", client="other"), edit("2")], "all"),
        ("1", [edit("2"), edit("3")], "all"),
        (None, [edit("1")], "all"),
        ("1+", [edit("1+")], "no"),
        ("1", [edit("1"), edit("2+")], "in part"),
        ("1", [edit("1"), edit("2+"), edit("3")], "all"),
    ],
)
def test_a_draft_older_than_what_was_sent_last_is_known_for_one(
    rules: Peer, in_flight: str | None, missed: list[dict[str, Any]], sent: str
) -> None:
    """A browser that is killed may come back with a draft of some seconds before."""
    assert rules.ask("wasSent", pending=pending(in_flight), missed=missed, client="me") == sent
