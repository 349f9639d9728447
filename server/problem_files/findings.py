"""What is found in a problem by running it, and where in its file that stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from server.problem_files.nodes import Path
from server.problem_files.read import ProblemFileError, ReadProblem


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the author should know."""

    severity: Literal["error", "warning"]
    part: str
    path: Path
    """What of the part it is about, e.g. `("solutions", "heaps")`."""
    message: str
    mend: str = ""
    line: int | None = None
    """The line of the code that stands at `path`, from 1, where it is about one."""


def placed(finding: Finding, source: ReadProblem) -> ProblemFileError:
    """A finding at its place in the file."""
    line, column = source.place(finding.part, finding.path, finding.line)
    return ProblemFileError(
        source.file, line, column, finding.message, finding.mend, finding.severity
    )
