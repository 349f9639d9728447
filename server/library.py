"""The problems on disk: read, and read again when a file changes.

A problem is `<slug>.yaml` or `<slug>/problem.yaml`. Broken files are left out and told about; they
never stop the others. What the folder form refers to is read from inside that folder alone.
A problem whose cases are still to be made by its own code waits until it is handed in complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path, PurePosixPath
from threading import Lock
from types import MappingProxyType

from watchfiles import awatch

from server.core.problem import MAIN, Problem
from server.problem_files.prepare import FileRefusedError
from server.problem_files.read import (
    BrokenProblemError,
    ProblemFileError,
    ReadProblem,
    read_problem,
)

MAX_FILE_BYTES = 1024 * 1024


class Library:
    """All the problems below one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = Lock()
        """`reload` works in a thread of its own."""
        self._made: dict[str, Problem] = {}
        self._refused: dict[str, tuple[tuple[ProblemFileError, ...], bool]] = {}
        self.sources: Mapping[str, ReadProblem] = MappingProxyType({})
        """The valid problems with their places in their files, by slug."""
        self.problems: Mapping[str, Problem] = MappingProxyType({})
        """The valid problems that are complete, by slug."""
        self.waiting: Mapping[str, ReadProblem] = MappingProxyType({})
        """Those that are still to be made complete, by the content hash of what was read."""
        self.errors: tuple[ProblemFileError, ...] = ()
        """What is wrong with the files left out."""
        self.not_ready: tuple[ProblemFileError, ...] = ()
        """Why valid problems are not complete."""
        self.reload()

    def reload(self) -> None:
        """Read everything again. Takes some 100 ms per problem, so not on an event loop."""
        sources: dict[str, ReadProblem] = {}
        errors: list[ProblemFileError] = []
        for path in self._files():
            try:
                source = _read(path, self._shown(path))
            except BrokenProblemError as error:
                errors.extend(error.errors)
                continue
            first = sources.setdefault(source.problem.id, source)
            if first is not source:
                message = f'the problem "{source.problem.id}" is also in {first.file}'
                errors.append(ProblemFileError(source.file, 1, 1, message, "Keep one of the two."))
        if not self._root.is_dir():
            mend = "Make it, or name another one: VIVA_PROBLEMS, or --problems."
            errors.append(ProblemFileError(str(self._root), 1, 1, "there is no such folder", mend))
        with self._lock:
            self.sources = MappingProxyType(sources)
            self.errors = tuple(errors)
            self._join()

    def complete(self, digest: str, problem: Problem) -> None:
        """Take in what became of the waiting problem whose content hash is `digest`."""
        with self._lock:
            self._made[digest] = problem
            self._join()

    def refuse(self, digest: str, *reasons: ProblemFileError, for_good: bool) -> None:
        """Say why a waiting problem is not complete; `for_good`, until its file changes."""
        with self._lock:
            self._refused[digest] = (reasons, for_good)
            self._join()

    def _join(self) -> None:
        """Sort the sources into those that are complete and those that are not."""
        digests = {
            slug: source.problem.content_hash()
            for slug, source in self.sources.items()
            if not source.problem.is_complete
        }
        # What no file gives any more is forgotten.
        wanted = set(digests.values())
        for kept in (self._made, self._refused):
            for digest in kept.keys() - wanted:
                del kept[digest]
        problems: dict[str, Problem] = {}
        waiting: dict[str, ReadProblem] = {}
        not_ready: list[ProblemFileError] = []
        for slug, source in self.sources.items():
            digest = digests.get(slug, "")
            problem = self._made.get(digest) if digest else source.problem
            if problem is not None:
                problems[slug] = problem
                continue
            reasons, for_good = self._refused.get(digest, ((_still_to_be_made(source),), False))
            not_ready += reasons
            if not for_good:
                waiting[digest] = source
        self.problems = MappingProxyType(problems)
        self.waiting = MappingProxyType(waiting)
        self.not_ready = tuple(not_ready)

    async def watch(self) -> AsyncGenerator[None, None]:
        """Reload whenever something below the folder changes, and yield after each time.

        Ends at once where there is no such folder.
        """
        if not self._root.is_dir():
            return
        async for _ in awatch(self._root):
            await asyncio.to_thread(self.reload)
            yield

    def _files(self) -> list[Path]:
        if not self._root.is_dir():
            return []
        flat = self._root.glob("*.yaml")
        folders = self._root.glob("*/problem.yaml")
        return sorted([*flat, *folders], key=_slug)

    def _shown(self, path: Path) -> str:
        """The file as a message calls it: with the library's own folder before it."""
        return str(PurePosixPath(self._root.name, *path.relative_to(self._root).parts))


def not_ready(source: ReadProblem, why: str) -> ProblemFileError:
    """That a problem cannot be set yet, and why, for its author and for tutors."""
    line, column = source.place(MAIN, ("generators",))
    message = f'the problem "{source.problem.id}" is not ready: {why}'
    return ProblemFileError(source.file, line, column, message, severity="warning")


def _still_to_be_made(source: ReadProblem) -> ProblemFileError:
    return not_ready(source, "its generated cases are being made")


def _slug(path: Path) -> str:
    return path.parent.name if path.name == "problem.yaml" else path.stem


def _read(path: Path, shown: str) -> ReadProblem:
    try:
        text = _text(path)
    except FileRefusedError as error:
        message = f"the file {error}"
        raise BrokenProblemError((ProblemFileError(shown, 1, 1, message),)) from error
    is_folder = path.name == "problem.yaml"
    return read_problem(text, shown, _slug(path), _reader(path.parent) if is_folder else _no_files)


def _no_files(_name: str) -> str:
    raise FileRefusedError("needs the folder form: <slug>/problem.yaml with the file beside it")


def _reader(folder: Path) -> Callable[[str], str]:
    """Reads files by their names inside `folder`, and refuses every way out of it."""

    def read(name: str) -> str:
        parts = PurePosixPath(name).parts
        if not parts or PurePosixPath(name).is_absolute() or ".." in parts or "\0" in name:
            raise FileRefusedError("should stand inside the problem's folder")
        path = folder
        for part in parts:
            path = path / part
            if path.is_symlink():
                raise FileRefusedError("is, or is behind, a symbolic link")
        return _text(path)

    return read


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise FileRefusedError("is not there")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise FileRefusedError(f"is larger than {MAX_FILE_BYTES // 1024} KiB")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefusedError(f"is not UTF-8 (byte {error.start + 1})") from error
    except OSError as error:
        raise FileRefusedError(f"cannot be read: {error.strerror}") from error
