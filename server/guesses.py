"""Wrong tokens are counted and slowed down; right ones come in, whoever guesses beside them.

Behind one address there may be many people: an office, or everybody, where a proxy stands in front.
So a guesser's neighbours must not pay: a token that nobody can guess (192 random bits) is looked up
even when its address has used up its guesses, and it is the wrong ones alone that are answered with
429. Only where the whole server is flooded, or where the token was thought up by a person, is an
address that has used up its guesses not heard at all; those who were right before still are.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass

from server.core.errors import VivaError


class TooManyGuessesError(VivaError):
    """An address brought too many wrong tokens; `retry_after_s` is when it may go on."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            "Too many wrong links or tokens came from your network. Wait a minute, then try again."
        )
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Rate:
    """How many guesses may come at once, and how many a second over time."""

    burst: int
    per_s: float


AN_ADDRESS = Rate(burst=20, per_s=0.5)
EVERYBODY = Rate(burst=500, per_s=50.0)
MAX_ADDRESSES = 10_000
MAX_KNOWN = 10_000


class _Bucket:
    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = float(rate.burst)
        self._at = now

    def take(self, now: float) -> int:
        """Take one token: 0, or in how many seconds there will be one."""
        gained = max(0.0, now - self._at) * self._rate.per_s
        self._tokens = min(float(self._rate.burst), self._tokens + gained)
        self._at = now
        if self._tokens < 1:
            return max(1, math.ceil((1 - self._tokens) / self._rate.per_s))
        self._tokens -= 1
        return 0

    def give_back(self) -> None:
        self._tokens = min(float(self._rate.burst), self._tokens + 1)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A token that somebody came with, before it is known whether it is right."""

    address: str
    digest: bytes
    took: bool
    """Whether it used up one of the guesses of its address."""
    wait_s: int
    """0, or how long a wrong one has to wait."""


class Guesses:
    """Every `now` is in seconds, by a clock that never goes back. What is kept is bounded."""

    def __init__(self, an_address: Rate = AN_ADDRESS, everybody: Rate = EVERYBODY) -> None:
        self._an_address = an_address
        self._everybody = _Bucket(everybody, 0.0)
        self._addresses: OrderedDict[str, _Bucket] = OrderedDict()
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def attempt(self, address: str, token: str, now: float, *, chosen: bool = False) -> Attempt:
        """Count an attempt; say `right` or `wrong` of it once the token has been looked up.

        `chosen` says that a person may have thought the token up. Raises `TooManyGuessesError`
        where it should not even be looked up.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        if digest in self._known:
            return Attempt(address, digest, took=False, wait_s=0)
        own = self._bucket(address, now).take(now)
        overall = self._everybody.take(now)
        if own and (chosen or overall):
            raise TooManyGuessesError(own)
        return Attempt(address, digest, took=not own, wait_s=max(own, overall))

    def right(self, attempt: Attempt) -> None:
        """The token was right: it cost nothing, and is let in from now on."""
        if attempt.took and attempt.address in self._addresses:
            self._addresses[attempt.address].give_back()
        self._known[attempt.digest] = None
        self._known.move_to_end(attempt.digest)
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def wrong(self, attempt: Attempt) -> None:
        """The token was wrong. Raises `TooManyGuessesError` where there were too many of them."""
        self._known.pop(attempt.digest, None)
        if attempt.wait_s:
            raise TooManyGuessesError(attempt.wait_s)

    def _bucket(self, address: str, now: float) -> _Bucket:
        bucket = self._addresses.get(address)
        if bucket is None:
            bucket = self._addresses[address] = _Bucket(self._an_address, now)
        self._addresses.move_to_end(address)
        while len(self._addresses) > MAX_ADDRESSES:
            self._addresses.popitem(last=False)
        return bucket


def address_of(host: str | None) -> str:
    """What counts as one address: of IPv6 the network of 64 bits that one household has."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return host or ""
    if address.version == 4 or address.ipv4_mapped:
        return str(address.ipv4_mapped or address) if address.version == 6 else str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))
