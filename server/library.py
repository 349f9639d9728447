"""The problems on disk: read, and read again when a file changes.

A problem is `<slug>.yaml` or `<slug>/problem.yaml`. Broken files are left out and told about; they
never stop the others. What the folder form refers to is read from inside that folder alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from watchfiles import awatch

from server.core.problem import Problem
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
        self.sources: Mapping[str, ReadProblem] = MappingProxyType({})
        """The valid problems with their places in their files, by slug."""
        self.problems: Mapping[str, Problem] = MappingProxyType({})
        """The valid problems, by slug."""
        self.errors: tuple[ProblemFileError, ...] = ()
        """What is wrong with the files left out."""
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
        self.sources = MappingProxyType(sources)
        self.problems = MappingProxyType({slug: s.problem for slug, s in sources.items()})
        self.errors = tuple(errors)

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
