"""Who someone is: invitation links, the sessions that they turn into, and the admin's token.

Every token is 192 random bits, shown once and kept only as a hash.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from server.clock import TimeMs, now_ms
from server.core.events import Role
from server.store import Store, admins, links, sessions

SESSION_DAYS = 30
_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a link's token is good for."""

    room: str
    role: Role


@dataclass(frozen=True, slots=True)
class Session:
    """A participant of a room, as proved by a session token."""

    room: str
    participant: str
    role: Role


def new_token() -> str:
    """A secret that cannot be guessed: 192 bits, safe in a URL's path."""
    return secrets.token_urlsafe(24)


def new_id() -> str:
    """A name for a room or a participant: 96 bits, no secret."""
    return secrets.token_hex(12)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Access:
    """The tables of tokens.

    `admin_token` is the one that the settings give, if any; `now` is the machine's clock.
    """

    def __init__(self, store: Store, admin_token: str, now: TimeMs = now_ms) -> None:
        self._store = store
        self._now = now
        self._admin_token = admin_token

    async def invite(self, room: str) -> dict[Role, str]:
        """Fresh link tokens for every role of a room; those given out before end here."""
        tokens = {role: new_token() for role in Role}
        rows = [
            {"token_hash": _hash(token), "room": room, "role": role.value}
            for role, token in tokens.items()
        ]

        def write(connection: sa.Connection) -> None:
            connection.execute(sa.delete(links).where(links.c.room == room))
            connection.execute(sa.insert(links), rows)

        await self._store.write(write)
        return tokens

    async def invite_one(self, room: str, role: Role) -> str:
        """One more link token for a role of a room; the others stay good."""
        token = new_token()
        row = {"token_hash": _hash(token), "room": room, "role": role.value}
        await self._store.write(lambda connection: connection.execute(sa.insert(links), [row]))
        return token

    async def invitation(self, token: str) -> Invitation | None:
        """What a link leads to; None for a token that is not, or no longer, good."""
        query = sa.select(links.c.room, links.c.role).where(links.c.token_hash == _hash(token))
        row = await self._store.read(lambda connection: connection.execute(query).first())
        return Invitation(row.room, Role(row.role)) if row else None

    async def redeem(self, link: str, session: Session) -> str | None:
        """A session token for a participant who came by `link`; None where it has just ended.

        One transaction, so that whoever comes in at the moment of a revocation is either in before
        it, and shut out by it, or not in at all.
        """
        token = new_token()
        query = sa.select(links.c.role).where(links.c.token_hash == _hash(link)).with_for_update()
        row = {
            "token_hash": _hash(token),
            "room": session.room,
            "participant": session.participant,
            "role": session.role.value,
            "created_at": self._now(),
        }

        def write(connection: sa.Connection) -> bool:
            is_good = connection.execute(query).first() is not None
            if is_good:
                connection.execute(sa.insert(sessions), [row])
            return is_good

        return token if await self._store.write(write) else None

    async def session(self, token: str | None, room: str) -> Session | None:
        """Whose session a token is; None where it is not good in `room`."""
        if not token:
            return None
        query = sa.select(sessions).where(
            sessions.c.token_hash == _hash(token),
            sessions.c.room == room,
            sessions.c.created_at > self._now() - SESSION_DAYS * _DAY_MS,
        )
        row = await self._store.read(lambda connection: connection.execute(query).first())
        return Session(row.room, row.participant, Role(row.role)) if row else None

    async def revoke(self, room: str, role: Role) -> None:
        """End every link and session of a role in a room."""

        def write(connection: sa.Connection) -> None:
            for table in (links, sessions):
                of_role = (table.c.room == room) & (table.c.role == role.value)
                connection.execute(sa.delete(table).where(of_role))

        await self._store.write(write)

    async def erase(self, room: str) -> None:
        """Forget every link and session of a room."""

        def write(connection: sa.Connection) -> None:
            connection.execute(sa.delete(links).where(links.c.room == room))
            connection.execute(sa.delete(sessions).where(sessions.c.room == room))

        await self._store.write(write)

    async def forget_expired(self) -> None:
        """Drop the sessions and sign-ins that are too old to be good."""
        oldest = self._now() - SESSION_DAYS * _DAY_MS

        def write(connection: sa.Connection) -> None:
            connection.execute(sa.delete(sessions).where(sessions.c.created_at < oldest))
            old_sign_in = (admins.c.kind == "session") & (admins.c.created_at < oldest)
            connection.execute(sa.delete(admins).where(old_sign_in))

        await self._store.write(write)

    # The admin.

    async def has_admin(self) -> bool:
        """Whether there is an admin token already."""
        if self._admin_token:
            return True
        query = sa.select(admins.c.token_hash).where(admins.c.kind == "token")
        return await self._store.read(lambda c: c.execute(query).first() is not None)

    async def new_admin_token(self, *, end_sign_ins: bool) -> str:
        """A fresh admin token; the one before it ends here, and if so wished all sign-ins."""
        token = new_token()
        row = {"token_hash": _hash(token), "kind": "token", "created_at": self._now()}

        def write(connection: sa.Connection) -> None:
            ended = sa.true() if end_sign_ins else admins.c.kind == "token"
            connection.execute(sa.delete(admins).where(ended))
            connection.execute(sa.insert(admins), [row])

        await self._store.write(write)
        return token

    async def is_admin(self, token: str | None) -> bool:
        """Whether `token` is the admin token."""
        return await self._has_right("token", token)

    async def sign_in(self, token: str) -> str | None:
        """A session token for whoever knows the admin token; None for anybody else."""
        if not await self.is_admin(token):
            return None
        session = new_token()
        row = {"token_hash": _hash(session), "kind": "session", "created_at": self._now()}
        await self._store.write(lambda connection: connection.execute(sa.insert(admins), [row]))
        return session

    async def is_signed_in(self, session: str | None) -> bool:
        """Whether `session` came from `sign_in`, not too long ago."""
        return await self._has_right("session", session)

    async def sign_out(self, session: str) -> None:
        """End one sign-in."""
        statement = sa.delete(admins).where(
            admins.c.token_hash == _hash(session), admins.c.kind == "session"
        )
        await self._store.write(lambda connection: connection.execute(statement))

    async def _has_right(self, kind: str, token: str | None) -> bool:
        if not token:
            return False
        given = self._admin_token if kind == "token" else ""
        if given:
            return hmac.compare_digest(_hash(given), _hash(token))
        oldest = 0 if kind == "token" else self._now() - SESSION_DAYS * _DAY_MS
        query = sa.select(admins.c.token_hash).where(
            admins.c.token_hash == _hash(token),
            admins.c.kind == kind,
            admins.c.created_at > oldest,
        )
        return await self._store.read(lambda c: c.execute(query).first() is not None)


def csrf_token(session: str) -> str:
    """What a form carries to prove that it was made for this very session."""
    return hashlib.sha256(b"csrf:" + session.encode()).hexdigest()


def same_secret(one: str, other: str) -> bool:
    """Compare without telling by the time taken."""
    return hmac.compare_digest(one.encode(), other.encode())


def link_paths(tokens: Mapping[Role, str]) -> dict[str, str]:
    """The paths of an interview's links, by role."""
    return {role.value: f"/join/{token}" for role, token in tokens.items()}
