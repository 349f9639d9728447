"""A room as one role sees it: the `state` of a `welcome` frame. JSON-ready, filtered."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from server.core.events import Role
from server.core.problem import Problem
from server.core.roles import view_event
from server.core.room import Room, RunState

PALETTE_SIZE = 8
"""How many colours the browsers have for cursors."""


def snapshot(room: Room, role: Role, present: Collection[str]) -> dict[str, Any]:
    """The whole state; `present` are the ids of those who are connected now."""
    state = {
        "interview": _interview(room),
        "documents": {
            name: {"version": document.version, "text": document.text}
            for name, document in room.documents.items()
        },
        "titles": {name: document.title for name, document in room.documents.items()},
        **_opened(room),
        "participants": participants(room, present),
        "clock": _clock(room),
        "runs": {doc: _run(run, role) for doc, run in room.runs.items()},
        "locked": room.locked,
        "ended": room.ended_at is not None,
    }
    return {**state, "tutor": _for_tutors(room)} if role is Role.TUTOR else state


def participants(room: Room, present: Collection[str]) -> list[dict[str, Any]]:
    """Everybody who ever joined, in order; the colour is a palette index that the server gives."""
    return [
        {
            "id": person.id,
            "name": person.name,
            "role": person.role,
            "present": person.id in present,
            "palette": number % PALETTE_SIZE,
            "shut_out": person.id in room.shut_out,
        }
        for number, person in enumerate(room.participants.values())
    ]


def palette(room: Room, participant: str) -> int:
    """The colour of one participant."""
    return list(room.participants).index(participant) % PALETTE_SIZE


def _interview(room: Room) -> dict[str, Any]:
    created = room.interview
    return {
        "title": created.title if created else "",
        "candidate": created.candidate if created else "",
        "format": room.format.name,
        "language": room.language,
        "minutes": room.format.minutes,
        "phases": [{"name": p.name, "minutes": p.minutes} for p in room.format.phases],
    }


def _opened(room: Room) -> dict[str, Any]:
    opened = room.opened
    if opened is None:
        return {"problem": None, "part": None, "doc": None, "statement": None}
    return {
        "problem": opened.problem,
        "part": opened.part,
        "doc": opened.doc,
        "statement": {"title": opened.title, "html": opened.statement, "mode": opened.mode},
    }


def _clock(room: Room) -> dict[str, Any]:
    clock = room.clock
    return {
        "phase": clock.phase,
        "started_at": clock.started_at,
        "ends_at": clock.ends_at,
        "phase_ends_at": clock.phase_ends_at,
        "paused": clock.paused,
        "paused_at": clock.paused_at,
    }


def _run(run: RunState, role: Role) -> dict[str, Any]:
    return {
        "run": run.started.run,
        "what": run.started.what,
        "doc": run.started.doc,
        "version": run.started.version,
        "by": run.by,
        "at": run.at,
        "finished": run.finished,
        "place": run.place,
        "events": [seen for event in run.log if (seen := view_event(event, role))],
    }


def _for_tutors(room: Room) -> dict[str, Any]:
    scores: dict[str, dict[str, Any]] = {}
    for (problem, criterion), scored in room.scores.items():
        entry = {"level": scored.level, "comment": scored.comment}
        scores.setdefault(problem, {})[criterion] = entry
    return {
        "problems": [_problem(room, problem) for problem in room.problems.values()],
        "hints_opened": [{"problem": given.problem, "hint": given.hint} for given in room.hints],
        "notes": [
            {"at": entry.at, "by": entry.by, "text": getattr(entry.event, "text", "")}
            for entry in room.notes
        ],
        "scores": scores,
        "revoked": {role.value: at for role, at in room.revoked.items()},
    }


def _problem(room: Room, problem: Problem) -> dict[str, Any]:
    language = room.language
    return {
        "id": problem.id,
        "title": problem.title.in_language(language),
        "minutes": problem.minutes,
        "parts": [
            {
                "id": part.id,
                "title": part.title.in_language(language),
                "minutes": part.minutes,
                "opened": f"{problem.id}/{part.id}" in room.documents,
            }
            for part in problem.parts
        ],
        "hints": [hint.text.in_language(language) for hint in problem.hints],
        "rubric": [
            {
                "id": criterion.id,
                "look_for": criterion.look_for,
                "scale": {str(level): text for level, text in criterion.scale.items()},
            }
            for criterion in problem.rubric
        ],
        "talk": [
            {"ask": question.ask.in_language(language), "listen_for": list(question.listen_for)}
            for question in problem.talk
        ],
    }
