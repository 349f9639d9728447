"""Problems as interviews froze them: by content, so that editing a file changes no interview.

Beside them, what problems' own code has made of their files, so that it need not be made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from server.core.problem import Problem
from server.store import Store, frozen_problems, made_problems


class Archive:
    """The tables of frozen and of made problems."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def freeze(self, problems: Iterable[Problem]) -> None:
        """Keep these problems as they are now."""
        bodies = {problem.content_hash(): problem.model_dump_json() for problem in problems}
        column = frozen_problems.c.hash

        def write(connection: sa.Connection) -> None:
            known = connection.scalars(sa.select(column).where(column.in_(bodies)))
            fresh = bodies.keys() - set(known)
            rows = [{"hash": digest, "body": bodies[digest]} for digest in fresh]
            if rows:
                connection.execute(sa.insert(frozen_problems), rows)

        await self._store.write(write)

    async def thaw(self, digests: Iterable[str]) -> list[Problem]:
        """The problems with these content hashes, in that order; `KeyError` for an unknown one."""
        wanted = list(digests)
        query = sa.select(frozen_problems).where(frozen_problems.c.hash.in_(wanted))
        rows = await self._store.read(lambda connection: connection.execute(query).all())
        bodies = {row.hash: row.body for row in rows}
        return [Problem.model_validate_json(bodies[digest]) for digest in wanted]

    async def keep_made(self, digest: str, problem: Problem) -> None:
        """Keep a complete problem in place of what was kept of the same id before.

        `digest` is the content hash of what was read, before anything was made.
        """
        row = {"problem": problem.id, "hash": digest, "body": problem.model_dump_json()}

        def write(connection: sa.Connection) -> None:
            connection.execute(
                sa.delete(made_problems).where(made_problems.c.problem == problem.id)
            )
            connection.execute(sa.insert(made_problems), [row])

        await self._store.write(write)

    async def made(self, digests: Iterable[str]) -> Mapping[str, Problem]:
        """What was kept by these content hashes; one of which there is nothing is left out."""
        query = sa.select(made_problems).where(made_problems.c.hash.in_(list(digests)))
        rows = await self._store.read(lambda connection: connection.execute(query).all())
        return {row.hash: Problem.model_validate_json(row.body) for row in rows}
