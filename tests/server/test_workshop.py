"""Problems whose cases are made by their own code: made once, kept, and never in mid-interview."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.contract import Outcome, Submission
from sandbox.pool import Pool
from server.api import UnknownProblemError, chosen_problems
from server.app import open_parts
from server.archive import Archive
from server.core.problem import Problem
from server.library import Library
from server.no_sandbox import NoSandbox
from server.settings import Settings
from server.store import open_store
from server.workshop import Workshop
from tests.problems import author_code
from tests.problems.in_process import InProcessRun, InProcessSandbox
from tests.serving import serving

FOLDER = Path(author_code.__file__).parent
SLUG = "two-for-a-voucher"
DOC = f"{SLUG}/main"
AWAY = NoSandbox("The engine is away.")


class CountingSandbox(InProcessSandbox):
    """Keeps what was run."""

    def __init__(self) -> None:
        self.submissions: list[Submission] = []

    @asynccontextmanager
    async def run(
        self,
        submission: Submission,
        *,
        owner: str = "",
        on_waiting: Callable[[int], None] | None = None,
        accepts: Callable[[Outcome], bool] | None = None,
    ) -> AsyncIterator[InProcessRun]:
        """As ever, and keep the submission."""
        self.submissions.append(submission)
        async with super().run(
            submission, owner=owner, on_waiting=on_waiting, accepts=accepts
        ) as run:
            yield run


@pytest.fixture
async def archive(path: Path) -> AsyncIterator[Archive]:
    """An archive on the disk."""
    async with open_store(f"sqlite:///{path}") as store:
        yield Archive(store)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A library of the test's own, with the one problem."""
    copied = tmp_path / "problems"
    copied.mkdir()
    shutil.copy(FOLDER / f"{SLUG}.yaml", copied)
    return copied


async def test_a_problem_waits_until_its_cases_are_made(archive: Archive, folder: Path) -> None:
    """Then it is complete: arguments and answers stand in it."""
    library = Library(folder)
    assert (list(library.problems), list(library.sources)) == ([], [SLUG])
    (told,) = library.not_ready
    assert str(told) == (
        f'problems/{SLUG}.yaml:23:13: warning: the problem "{SLUG}" is not ready: '
        "its generated cases are being made"
    )
    with pytest.raises(UnknownProblemError, match="its generated cases are being made"):
        chosen_problems(library, [SLUG])
    await Workshop(library, archive, InProcessSandbox()).make_waiting()
    problem = library.problems[SLUG]
    assert (problem.is_complete, library.not_ready, dict(library.waiting)) == (True, (), {})
    made = problem.parts[0].case("hidden/3")
    assert made.name == "shop(n=60, seed=1)"
    assert [len(shown) for shown in (made.args[0], made.expect) if isinstance(shown, list)] == [
        60,
        2,
    ]


async def test_what_was_made_is_kept_over_a_restart_without_an_engine(
    archive: Archive, folder: Path
) -> None:
    """Nothing is run again, and the content hash, by which interviews know it, is the same."""
    before, after = Library(folder), Library(folder)
    await Workshop(before, archive, InProcessSandbox()).make_waiting()
    await Workshop(after, archive, AWAY).recall()
    assert after.problems[SLUG] == before.problems[SLUG]
    assert after.problems[SLUG].content_hash() == before.problems[SLUG].content_hash()


async def test_making_twice_makes_the_same(folder: Path, tmp_path: Path) -> None:
    """On two machines, say."""
    hashes = set()
    for name in ("one", "other"):
        library = Library(folder)
        async with open_store(f"sqlite:///{tmp_path / name}.db") as store:
            await Workshop(library, Archive(store), InProcessSandbox()).make_waiting()
        hashes.add(library.problems[SLUG].content_hash())
    assert len(hashes) == 1


async def test_an_engine_that_is_away_is_told_and_asked_again(
    archive: Archive, folder: Path
) -> None:
    """The problem goes on waiting."""
    library = Library(folder)
    await Workshop(library, archive, AWAY).make_waiting()
    (told,) = library.not_ready
    assert told.message == (
        f'the problem "{SLUG}" is not ready: its cases cannot be generated: The engine is away.'
    )
    assert library.waiting
    await Workshop(library, archive, InProcessSandbox()).make_waiting()
    assert list(library.problems) == [SLUG]


async def test_what_an_author_has_to_mend_is_told_once_until_the_file_changes(
    archive: Archive, folder: Path
) -> None:
    """Nothing is run for it again until then."""
    file = folder / f"{SLUG}.yaml"
    good = file.read_text()
    file.write_text(good.replace('price": rng.randrange(20', 'price": rng.randrange(-20'))
    library, sandbox = Library(folder), CountingSandbox()
    workshop = Workshop(library, archive, sandbox)
    await workshop.make_waiting()
    assert 'case "shop(n=60, seed=1)" is not valid: prices are above 0' in [
        one.message for one in library.not_ready
    ]
    run = len(sandbox.submissions)
    await workshop.make_waiting()
    assert len(sandbox.submissions) == run
    file.write_text(good)
    library.reload()
    await workshop.make_waiting()
    assert list(library.problems) == [SLUG]


class TellingLibrary(Library):
    """Says when something was handed in."""

    def __init__(self, root: Path) -> None:
        self.taken_in = asyncio.Event()
        super().__init__(root)

    def complete(self, digest: str, problem: Problem) -> None:
        """As ever, and say so."""
        super().complete(digest, problem)
        self.taken_in.set()


async def test_the_workshop_works_by_itself_whenever_the_library_changes(
    archive: Archive, folder: Path
) -> None:
    """At the start, and again when it is told to look."""
    library = TellingLibrary(folder)
    workshop = Workshop(library, archive, InProcessSandbox())
    working = asyncio.create_task(workshop.work())
    try:
        async with asyncio.timeout(20):
            await library.taken_in.wait()
            file = folder / f"{SLUG}.yaml"
            file.write_text(file.read_text().replace("seed=1", "seed=11"))
            library.taken_in.clear()
            library.reload()
            assert not library.problems
            workshop.look_again()
            await library.taken_in.wait()
    finally:
        working.cancel()
    assert library.problems[SLUG].parts[0].case("hidden/3").name == "shop(n=60, seed=11)"


async def test_one_problem_has_one_place_in_the_database(archive: Archive, folder: Path) -> None:
    """An edited file takes the place of what was made of it before."""
    file = folder / f"{SLUG}.yaml"
    library = Library(folder)
    workshop = Workshop(library, archive, InProcessSandbox())
    (first,) = library.waiting
    await workshop.make_waiting()
    file.write_text(file.read_text().replace("seed=1", "seed=11"))
    library.reload()
    (second,) = library.waiting
    await workshop.make_waiting()
    assert list(await archive.made([first, second])) == [second]


async def test_a_server_starts_without_an_engine_and_tells_which_problem_is_not_ready(
    settings: Settings, folder: Path
) -> None:
    """On the tutor's page and in the API; an interview with it is refused in one line."""
    chosen = replace(settings, problems=folder, sandbox=False)
    async with serving(chosen, open_parts) as running:
        listed = (await running.http.get("/api/problems")).json()
        assert listed["problems"] == []
        (error,) = listed["errors"]
        assert f'"{SLUG}" is not ready' in error["message"]
        body = {"title": "T", "candidate": "C", "format": "technical-45", "problems": [SLUG]}
        answer = await running.http.post("/api/interviews", json=body)
        assert answer.status_code == 422
        assert "not ready" in answer.json()["detail"]


# In real containers.


async def test_generated_cases_are_played_in_a_room_and_after_a_restart(
    settings: Settings, folder: Path
) -> None:
    """Made in containers, answered by the reference, and the same to whoever comes back."""
    chosen = replace(settings, problems=folder)
    async with open_store(chosen.database) as store, Pool(warm=2) as pool:
        await Workshop(Library(folder), Archive(store), pool).make_waiting()
    async with serving(chosen, open_parts) as running:
        part = running.parts.library.problems[SLUG].parts[0]
        digest = running.parts.library.problems[SLUG].content_hash()
        right = next(s.code for s in part.solutions if s.name == "from the end")
        _, links = await running.create(SLUG)
        async with running.enter(links["candidate"], "Camille") as camille:
            await camille.replace(DOC, right, ref="r1")
            await camille.send(type="run", doc=DOC, what="tests")
            finished = await camille.event("run_finished")
            assert (finished["verdict"], finished["total"]) == ("accepted", len(part.cases))
    (folder / f"{SLUG}.yaml").unlink()
    async with (
        serving(replace(chosen, sandbox=False), open_parts) as again,
        again.enter(links["tutor"].replace(running.url, again.url), "Ada") as ada,
    ):
        assert DOC in ada.state["documents"]
        assert running.parts.library.problems != again.parts.library.problems
        rooms = await again.parts.host.interviews(0, 10)
        assert [one.hash for one in rooms[0].created.problems] == [digest]
