"""Guessing: wrong tokens are slowed down and find nothing; right ones come in all the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from server.access import new_token
from server.app import open_parts
from server.guesses import (
    AN_ADDRESS,
    EVERYBODY,
    MAX_ADDRESSES,
    MAX_KNOWN,
    Guesses,
    Rate,
    TooManyGuessesError,
    address_of,
)
from server.settings import Settings
from tests.process import ServerProcess
from tests.scripted import ScriptedSandbox
from tests.serving import ADMIN_TOKEN, Running, serving

HERE = "192.0.2.1"
THERE = "192.0.2.2"


def wrong(guesses: Guesses, address: str, now: float, *, chosen: bool = False) -> int:
    """Guess wrong once: 0, or how long to wait."""
    try:
        guesses.wrong(guesses.attempt(address, new_token(), now, chosen=chosen))
    except TooManyGuessesError as error:
        return error.retry_after_s
    return 0


def test_a_burst_passes_and_then_each_guess_waits_its_time() -> None:
    guesses = Guesses()
    assert [wrong(guesses, HERE, 0.0) for _ in range(AN_ADDRESS.burst)] == [0] * AN_ADDRESS.burst
    assert wrong(guesses, HERE, 0.0) == 2
    assert wrong(guesses, HERE, 1.9) == 1
    assert wrong(guesses, HERE, 2.0) == 0
    assert wrong(guesses, HERE, 2.0) == 2
    assert wrong(guesses, THERE, 2.0) == 0


def test_a_day_of_guesses_is_as_many_as_the_rate_allows() -> None:
    """2,000 a second are tried; a day's worth passed in as time, not slept."""
    guesses = Guesses()
    passed = sum(wrong(guesses, HERE, second / 10) == 0 for second in range(20_000))
    assert passed == AN_ADDRESS.burst + int(1_999.9 * AN_ADDRESS.per_s)


def test_a_right_token_is_let_in_from_an_address_that_has_used_up_its_guesses() -> None:
    """Behind one address may be an office, or everybody: others' guesses are not their fault."""
    guesses = Guesses()
    for _ in range(3 * AN_ADDRESS.burst):
        wrong(guesses, HERE, 0.0)
    guesses.right(guesses.attempt(HERE, "a right token", 0.0))
    assert wrong(guesses, HERE, 0.0) > 0


def test_right_tokens_use_up_nothing() -> None:
    guesses = Guesses()
    for number in range(5 * AN_ADDRESS.burst):
        guesses.right(guesses.attempt(HERE, f"right {number}", 0.0))
    assert wrong(guesses, HERE, 0.0) == 0


def test_a_token_that_a_person_chose_is_not_even_looked_up_beyond_the_rate() -> None:
    """Else its guesser would get the one right answer among all the refusals."""
    guesses = Guesses()
    while not wrong(guesses, HERE, 0.0, chosen=True):
        pass
    with pytest.raises(TooManyGuessesError):
        guesses.attempt(HERE, "the admin's", 0.0, chosen=True)
    guesses.right(guesses.attempt(THERE, "the admin's", 0.0, chosen=True))
    guesses.right(guesses.attempt(HERE, "the admin's", 0.0, chosen=True))  # was right before


def test_in_a_flood_only_fresh_addresses_and_known_tokens_are_heard() -> None:
    guesses = Guesses()
    guesses.right(guesses.attempt(HERE, "known", 0.0))
    for number in range(EVERYBODY.burst):
        wrong(guesses, f"198.51.100.{number}", 0.0)
    for _ in range(AN_ADDRESS.burst):
        wrong(guesses, HERE, 0.0)
    with pytest.raises(TooManyGuessesError):
        guesses.attempt(HERE, "right, but new", 0.0)
    guesses.right(guesses.attempt(HERE, "known", 0.0))
    guesses.right(guesses.attempt(THERE, "right, but new", 0.0))


def test_a_token_that_ended_is_not_known_any_more() -> None:
    guesses = Guesses()
    guesses.right(guesses.attempt(HERE, "revoked later", 0.0))
    guesses.wrong(guesses.attempt(HERE, "revoked later", 0.0))
    for _ in range(AN_ADDRESS.burst):
        wrong(guesses, HERE, 0.0)
    with pytest.raises(TooManyGuessesError):
        guesses.wrong(guesses.attempt(HERE, "revoked later", 0.0))


def test_what_is_remembered_is_bounded() -> None:
    guesses = Guesses(everybody=Rate(10**9, 1.0))
    for number in range(MAX_ADDRESSES + 50):
        wrong(guesses, f"address {number}", 0.0)
    for number in range(MAX_KNOWN + 50):
        guesses.right(guesses.attempt(HERE, f"right {number}", 0.0))
    assert len(guesses._addresses) == MAX_ADDRESSES
    assert len(guesses._known) == MAX_KNOWN


@given(st.lists(st.floats(0, 30), max_size=200))
def test_no_span_of_time_has_more_guesses_than_the_rate_allows(pauses: list[float]) -> None:
    guesses, now, times = Guesses(), 0.0, []
    for pause in pauses:
        now += pause
        if not wrong(guesses, HERE, now):
            times.append(now)
    for first, start in enumerate(times):
        for last, end in enumerate(times[first:], first):
            allowed = AN_ADDRESS.burst + (end - start) * AN_ADDRESS.per_s + 1e-6
            assert last - first + 1 <= allowed + 1


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("a name", "a name"),
        (None, ""),
    ],
)
def test_a_household_is_one_address(host: str | None, address: str) -> None:
    assert address_of(host) == address


# Over real sockets.


def anyone(url: str, address: str) -> httpx.AsyncClient:
    """Somebody who calls from an address of this machine's."""
    # Not as long as the server keeps a silent connection, or both would close it at once.
    limits = httpx.Limits(keepalive_expiry=1.0)
    transport = httpx.AsyncHTTPTransport(local_address=address, limits=limits)
    return httpx.AsyncClient(transport=transport, base_url=url)


def guess_often(server: ServerProcess, address: str, room: str, times: int) -> list[int]:
    """Try tokens at every door in turn, over one connection; the statuses of the answers."""
    connection = HTTPConnection("127.0.0.1", server.port, source_address=(address, 0))
    statuses = []
    for number in range(times):
        token = new_token()
        bearer = {"Authorization": f"Bearer {token}"}
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        requests: tuple[tuple[str, str, str, dict[str, str]], ...] = (
            ("GET", f"/join/{token}", "", {}),
            ("POST", f"/join/{token}", "name=x", form),
            ("POST", f"/sign-in/{token}", "", {}),
            ("POST", "/sign-in", f"token={token}", form),
            ("GET", "/api/problems", "", bearer),
            ("GET", f"/api/interviews/{room}/report", "", bearer),
            ("GET", f"/rooms/{room}", "", {"Cookie": f"viva-{room}={token}"}),
            ("GET", "/", "", {"Cookie": f"viva-admin={token}"}),
        )
        connection.request(*requests[number % len(requests)])
        answer = connection.getresponse()
        answer.read()
        assert answer.getheader("Set-Cookie") is None
        statuses.append(answer.status)
    connection.close()
    return statuses


async def test_thousands_of_guesses_find_nothing_and_keep_nobody_out(tmp_path: Path) -> None:
    """By every door at once: 429 with the words and the wait; a right link works from elsewhere."""
    server = await ServerProcess(tmp_path, sandbox=False).start()
    body = {"title": "x", "candidate": "y", "problems": ["grade-sheet"]}
    async with (
        server.admin() as http,
        anyone(server.url, "127.0.0.2") as guesser,
        anyone(server.url, "127.0.0.3") as camille,
    ):
        created = (await http.post("/api/interviews", json=body)).json()
        room, links = created["id"], created["links"]
        statuses = await asyncio.to_thread(guess_often, server, "127.0.0.2", room, 2_000)
        assert set(statuses) <= {303, 401, 403, 404, 429}  # 303: to where one signs in
        assert Counter(statuses)[429] > 1_850
        last = await guesser.get(f"/join/{new_token()}")
        assert last.status_code == 429
        assert int(last.headers["retry-after"]) >= 1
        assert "Wait a minute" in last.text
        assert "default-src 'none'" in last.headers["content-security-policy"]

        assert (await camille.get(links["candidate"])).status_code == 200
        assert (await camille.post(links["candidate"], data={"name": "Camille"})).status_code == 303
        assert (await camille.post(f"/sign-in/{ADMIN_TOKEN}")).status_code == 303
        # And from the very address that guesses, for whoever has a link.
        assert (await guesser.get(links["observer"])).status_code == 200
    await server.stop()


async def test_guessed_sessions_of_sockets_are_slowed_down_too(server: Running) -> None:
    """429 before the upgrade; somebody with a session connects from the same address."""
    room, links = await server.create("double")
    joined = await server.join(links["candidate"], "Camille")
    url = f"{server.url.replace('http', 'ws')}/rooms/{room}/ws"
    counted: Counter[int] = Counter()
    for _ in range(2 * AN_ADDRESS.burst):
        headers = {"Authorization": f"Bearer {new_token()}"}
        with pytest.raises(InvalidStatus) as refused:
            async with connect(url, additional_headers=headers):
                pass
        counted[refused.value.response.status_code] += 1
    assert set(counted) == {403, 429}
    assert refused.value.response.headers["Retry-After"]
    assert b"Wait a minute" in (refused.value.response.body or b"")
    async with server.connect(joined, client="c") as camille:
        await camille.settled()


@pytest.fixture
async def behind_a_proxy(settings: Settings, sandbox: ScriptedSandbox) -> AsyncIterator[Running]:
    """A server that knows its proxy."""
    opened = partial(open_parts, given_sandbox=sandbox)
    async with serving(replace(settings, proxies="127.0.0.5"), opened) as running:
        yield running


async def from_many(url: str, address: str, header: str) -> Counter[int]:
    """Guess, each time as if on behalf of another address."""
    async with anyone(url, address) as guesser:
        return Counter(
            [
                (
                    await guesser.get(
                        f"/join/{new_token()}", headers={"X-Forwarded-For": header.format(number)}
                    )
                ).status_code
                for number in range(2 * AN_ADDRESS.burst)
            ]
        )


async def test_an_address_in_a_header_is_not_believed(server: Running) -> None:
    """Or every guess would come from another one."""
    assert (await from_many(server.url, "127.0.0.4", "198.51.100.{}"))[429] > 0


async def test_ones_own_proxy_is_believed_and_nobody_else(behind_a_proxy: Running) -> None:
    """What it saw itself, that is, and not what its visitor put before that."""
    url = behind_a_proxy.url
    assert set(await from_many(url, "127.0.0.5", "198.51.100.{}")) == {404}
    assert (await from_many(url, "127.0.0.5", "192.0.2.{}, 203.0.113.7"))[429] > 0
    assert (await from_many(url, "127.0.0.6", "198.51.100.{}"))[429] > 0
