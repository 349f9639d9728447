"""What an interview came to, read again from its journal. JSON-ready; for tutors only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from server.core.events import Entry, Role, RunFinished, RunStarted
from server.core.room import Room
from server.core.snapshot import snapshot


def report(name: str, room: Room, entries: Sequence[Entry]) -> dict[str, Any]:
    """The interview `name`: who was there, when, what was written, run, noted and scored."""
    state = snapshot(room, Role.TUTOR, present=())
    tutor = state["tutor"]
    return {
        "interview": {
            "id": name,
            **state["interview"],
            "created_at": entries[0].at,
            "ended_at": room.ended_at,
        },
        "participants": state["participants"],
        "clock": state["clock"],
        "documents": state["documents"],
        "titles": state["titles"],
        "problems": {problem["id"]: _problem(problem) for problem in tutor["problems"]},
        "runs": _runs(entries),
        "notes": tutor["notes"],
        "scores": tutor["scores"],
        "hints": tutor["hints_opened"],
    }


def _problem(problem: dict[str, Any]) -> dict[str, Any]:
    """What is needed to read the scores: the problem's title and what each criterion looks for."""
    return {
        "title": problem["title"],
        "criteria": {criterion["id"]: criterion["look_for"] for criterion in problem["rubric"]},
    }


def _runs(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Every run with its verdict, in order; one that never finished has none."""
    finished = {e.event.run: e.event for e in entries if isinstance(e.event, RunFinished)}
    return [
        _run(entry, entry.event, finished.get(entry.event.run))
        for entry in entries
        if isinstance(entry.event, RunStarted)
    ]


def _run(entry: Entry, started: RunStarted, finished: RunFinished | None) -> dict[str, Any]:
    return {
        "run": started.run,
        "what": started.what,
        "doc": started.doc,
        "version": started.version,
        "by": entry.by,
        "at": entry.at,
        "verdict": finished and finished.verdict,
        "passed": finished and finished.passed,
        "total": finished and finished.total,
        "time_ms": finished and finished.time_ms,
    }
