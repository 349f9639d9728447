"""Pydantic's errors in the words of somebody who writes a problem twice a year."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from server.core.signature import looks_like_a_number
from server.problem_files import models
from server.problem_files.nodes import Complaint, Node, Path

_THINGS: Mapping[str, tuple[str, type[BaseModel]]] = {
    "": ("the problem", models.ProblemFile),
    "followups": ("a follow-up", models.FollowUpFile),
    "tests": ("a group of tests", models.GroupFile),
    "cases": ("a case", models.CaseFile),
    "solutions": ("a solution", models.SolutionFile),
    "compare": ("a checker", models.CheckerFile),
    "accepts": ("a test of the checker", models.CheckerTestFile),
    "rejects": ("a test of the checker", models.CheckerTestFile),
    "limits": ("limits", models.LimitsFile),
    "hints": ("a hint", models.HintFile),
    "rubric": ("a criterion", models.CriterionFile),
    "talk": ("a question", models.QuestionFile),
    "title": ("a title", models.LocalizedText),
    "statement": ("a statement", models.LocalizedText),
    "ask": ("a question's text", models.LocalizedText),
}
"""By the key that leads to a mapping: what a message calls it, and what it may hold."""

_EXAMPLES = {
    "format": "format: 1",
    "id": "id: grade-sheet",
    "version": "version: 1",
    "status": "status: draft",
    "title": "title: {en: Grade sheet, fr: Feuille de notes}",
    "difficulty": "difficulty: 2",
    "minutes": "minutes: 20",
    "mode": "mode: function",
    "statement": "statement: {en: What to write., fr: Ce qu'il faut écrire.}",
    "tests": "tests: [{group: examples, visible: true, points: 10, cases: [...]}]",
    "group": "group: examples",
    "cases": "cases: [{args: [1, 2], expect: 3}]",
    "name": "name: sorts first",
    "case": "case: sorts first",
    "got": "got: [1, 2]",
    "expect": "expect: pass",
    "after": "after: 5m",
    "look_for": "look_for: Asks about the edges before coding.",
    "scale": "scale: {1: guesses, 2: asks late, 3: asks, 4: asks and tests}",
    "ask": 'ask: {en: "What if two come at once?"}',
}


def explain(error: ValidationError, root: Node) -> Iterator[Complaint]:
    """A complaint for each of pydantic's errors, at its place in the text."""
    errors = [_untagged(details) for details in error.errors(include_url=False)]
    misspelt = {_meant(details["loc"]) for details in errors if _is_unknown(details)}
    for details in errors:
        # What is missing only because it is misspelt is told about once.
        if details["type"] != "missing" or details["loc"] not in misspelt:
            yield _explain_one(details, root)


def _untagged(details: ErrorDetails) -> ErrorDetails:
    loc = tuple(step for step in details["loc"] if step not in models.TAGS)
    return {**details, "loc": loc}


def _is_unknown(details: ErrorDetails) -> bool:
    return details["type"] == "extra_forbidden"


def _meant(path: Path) -> Path:
    """The path with the key that an unknown one was probably meant to be."""
    _, model = _thing(path[:-1])
    near = difflib.get_close_matches(str(path[-1]), list(model.model_fields), 1)
    return (*path[:-1], *near)


def _explain_one(details: ErrorDetails, root: Node) -> Complaint:
    path = tuple(step for step in details["loc"] if step != "[key]")
    if _is_unknown(details):
        return _unknown_key(path, root)
    if details["type"] == "missing":
        return _missing_key(path, root)
    if details["loc"] and details["loc"][-1] == "[key]":
        return _bad_key(path, root)
    words, mend = _words(details)
    return Complaint(root.mark_of(path), f"{_label(path)} {words}", mend)


def _thing(path: Path) -> tuple[str, type[BaseModel]]:
    """What the mapping at `path` is."""
    names = [step for step in path if isinstance(step, str)]
    return _THINGS.get(names[-1] if names else "", ("a mapping", models.FileModel))


def _unknown_key(path: Path, root: Node) -> Complaint:
    thing, model = _thing(path[:-1])
    key = str(path[-1])
    return Complaint(
        root.key_mark_of(path),
        f'unknown key "{key}" in {thing}',
        did_you_mean(key, list(model.model_fields)),
    )


def _missing_key(path: Path, root: Node) -> Complaint:
    thing, _ = _thing(path[:-1])
    key = str(path[-1])
    example = _EXAMPLES.get(key, f"{key}: ...")
    return Complaint(root.mark_of(path[:-1]), f'"{key}" is missing in {thing}', f"Add  {example}")


def _bad_key(path: Path, root: Node) -> Complaint:
    """The only mapping whose keys are checked by themselves is a criterion's scale."""
    message = f'a scale has no level "{path[-1]}"'
    return Complaint(root.key_mark_of(path), message, "The levels are 1, 2, 3 and 4.")


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """`Did you mean "expect"? Allowed: …`, the first part only where something is near."""
    near = difflib.get_close_matches(word, known, 1)
    allowed = f"Allowed: {', '.join(known)}" if known else ""
    return f'Did you mean "{near[0]}"? {allowed}' if near else allowed


def _label(path: Path) -> str:
    if not path:
        return "the file"
    if isinstance(path[-1], str):
        return f'"{path[-1]}"'
    names = [step for step in path if isinstance(step, str)]
    return f'item {path[-1] + 1} of "{names[-1]}"' if names else f"item {path[-1] + 1}"


def _words(details: ErrorDetails) -> tuple[str, str]:
    """What is wrong with a value, to follow its label, and how to mend it."""
    context, value = details.get("ctx", {}), details["input"]
    if details["type"] == "problem_file":
        return context["words"], context["mend"]
    describe = _WORDS.get(details["type"])
    if describe is None:
        return f"is wrong: {details['msg']}", ""
    return describe(value, context)


_Describe: TypeAlias = Callable[[Any, dict[str, Any]], tuple[str, str]]


def _should_be(what: str, mend: str = "") -> _Describe:
    return lambda value, _: (f"should be {what}, got {_shown(value)}", mend)


def _literal(value: Any, context: dict[str, Any]) -> tuple[str, str]:
    expected = str(context["expected"]).replace("'", "")
    near = difflib.get_close_matches(str(value), expected.replace(" or ", ", ").split(", "), 1)
    return f"should be {expected}, got {_shown(value)}", (
        f'Did you mean "{near[0]}"?' if near else ""
    )


_QUOTES = 'In YAML 250 is a number and "250" is text.'


def _whole_number(value: Any, _: dict[str, Any]) -> tuple[str, str]:
    is_quoted = isinstance(value, str) and looks_like_a_number(value)
    return f"should be a whole number, got {_shown(value)}", _QUOTES if is_quoted else ""


def _pattern(value: Any, context: dict[str, Any]) -> tuple[str, str]:
    if context["pattern"] == models.SLUG_PATTERN:
        mend = "Small letters, digits and single hyphens, such as grade-sheet."
        return f"should be a plain name, got {_shown(value)}", mend
    return f"should be the name of an exception, got {_shown(value)}", "Such as ValueError."


_WORDS: Mapping[str, _Describe] = {
    "literal_error": _literal,
    "string_type": _should_be("text", _QUOTES),
    "int_type": _whole_number,
    "bool_type": _should_be("true or false", "In YAML 1.2 yes, no, on and off are text."),
    "list_type": _should_be("a list", "A list reads  [a, b]  or one  - item  a line."),
    "dict_type": _should_be("a mapping", "A mapping reads  key: value."),
    "model_type": _should_be("a mapping", "A mapping reads  key: value."),
    "model_attributes_type": _should_be("a mapping", "A mapping reads  key: value."),
    "string_too_short": lambda _, __: ("is empty", ""),
    "string_too_long": lambda _, context: (f"is over {context['max_length']} characters", ""),
    "greater_than_equal": lambda value, context: (
        f"should be at least {context['ge']}, got {value}",
        "",
    ),
    "less_than_equal": lambda value, context: (
        f"should be at most {context['le']}, got {value}",
        "",
    ),
    "string_pattern_mismatch": _pattern,
}


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:58]}…"
