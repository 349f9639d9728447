"""A problem as the server uses it: checked, complete, immutable, and free of its YAML.

`Problem.model_dump_json` and `Problem.model_validate_json` are each other's inverse: an interview
keeps the problems that it began with as this JSON.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from sandbox.contract import ImageName, Limits
from server.core.class_signature import ClassSignature, parse_class
from server.core.signature import Signature, parse_signature

Language: TypeAlias = Literal["en", "fr"]
PartMode: TypeAlias = Literal["function", "class", "program"]
Entry: TypeAlias = str | tuple[str, ...]
"""A function's signature, or those of a class: the constructor's, then each method's."""
Level: TypeAlias = Annotated[int, Field(ge=1, le=4)]

MAIN = "main"
"""The id of every problem's first part."""


class Model(BaseModel):
    """What all of a problem's models share."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Localized(Model):
    """A text in English, in French, or in both."""

    en: str = ""
    fr: str = ""

    def in_language(self, language: str) -> str:
        """The text in `language` ("en" or "fr"), or else in the other one."""
        return (self.fr or self.en) if language == "fr" else (self.en or self.fr)


class Compare(Model):
    """How an answer is compared with the expected one."""

    kind: Literal["exact", "unordered", "float", "tokens"]
    tolerance: float = 0.0
    """For `float`: how far off, absolutely, and relatively to numbers above 1."""


class TestCase(Model):
    """One test: its input, and the answer, which never enters a sandbox."""

    __test__ = False  # pytest collects classes named Test...; this is not one

    id: str
    """The group's name and the position in it from 1, e.g. `rules/2`."""
    name: str
    args: tuple[JsonValue, ...] = ()
    """Function mode: one value per parameter. Class mode: one list per call, its name first."""
    stdin: str = ""
    """Program mode: all of standard input."""
    expect: JsonValue = None
    """Function mode: any JSON value. Class mode: a list of what each call returns. Program mode:
    what is printed."""
    raises: str | None = None
    """In place of `expect`: the class name of the exception that must come."""
    limits: Limits = Limits()

    @property
    def calls(self) -> tuple[Any, ...]:
        """Class mode: each call, a list of its name and its arguments."""
        return self.args


class Group(Model):
    """Test cases that are scored together."""

    name: str
    visible: bool = False
    points: int = 0
    score: Literal["all", "each"] = "all"
    limits: Limits = Limits()
    cases: tuple[TestCase, ...]


class Solution(Model):
    """A program whose fate the problem's author foretells."""

    name: str
    expect: Literal["pass", "slow", "wrong"]
    fails: tuple[str, ...] = ()
    """The names of exactly the groups that it must fail."""
    code: str


class Part(Model):
    """A stage of a problem: part 1 has the id `main`, each follow-up one of its own."""

    id: str
    title: Localized
    minutes: int
    mode: PartMode
    image: ImageName = ""
    """What its programs may import; the same for all parts of a problem."""
    entry: Entry = ""
    """Function and class mode: the signature or signatures as the author wrote them."""
    types: dict[str, dict[str, str]] = {}
    starter: str
    same_code_as_main: bool = False
    """A follow-up that goes on with the code of part 1 rather than with its own starter."""
    statement: Localized
    limits: Limits = Limits()
    compare: Compare
    groups: tuple[Group, ...]
    solutions: tuple[Solution, ...] = ()

    @cached_property
    def signature(self) -> Signature | ClassSignature | None:
        """What `entry` says, parsed; None in program mode."""
        if isinstance(self.entry, tuple):
            return parse_class(self.entry, self.types)
        return parse_signature(self.entry, self.types) if self.entry else None

    @property
    def cases(self) -> tuple[TestCase, ...]:
        """Every test case, in the author's order."""
        return tuple(case for group in self.groups for case in group.cases)

    @property
    def visible_cases(self) -> tuple[TestCase, ...]:
        """The cases that the candidate may see."""
        return tuple(case for group in self.groups if group.visible for case in group.cases)

    def case(self, case_id: str) -> TestCase:
        """The case with this id; raises `KeyError`."""
        return self._by_id[case_id][1]

    def group_of(self, case_id: str) -> Group:
        """The group that holds the case with this id; raises `KeyError`."""
        return self._by_id[case_id][0]

    @cached_property
    def _by_id(self) -> dict[str, tuple[Group, TestCase]]:
        return {case.id: (group, case) for group in self.groups for case in group.cases}


class Hint(Model):
    """A nudge that the tutor may give; never shown to a candidate by itself."""

    after_s: int
    """From when on it is of use, in seconds since the part was opened."""
    text: Localized


class Criterion(Model):
    """One thing to look for, with what was seen at each of four levels."""

    id: str
    look_for: str
    scale: dict[Level, str]


class TalkQuestion(Model):
    """An open question for after the code."""

    ask: Localized
    listen_for: tuple[str, ...] = ()


class Problem(Model):
    """A task with its follow-ups and all that a tutor needs to run it."""

    id: str
    version: int
    status: Literal["draft", "ready", "retired"]
    title: Localized
    difficulty: int
    minutes: int
    topics: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    author: str = ""
    licence: str = ""
    parts: tuple[Part, ...]
    hints: tuple[Hint, ...] = ()
    rubric: tuple[Criterion, ...] = ()
    talk: tuple[TalkQuestion, ...] = ()

    def part(self, part_id: str) -> Part:
        """The part with this id; raises `KeyError`."""
        for part in self.parts:
            if part.id == part_id:
                return part
        raise KeyError(part_id)

    def content_hash(self) -> str:
        """SHA-256, in hex, of the problem's canonical JSON: changes when anything does."""
        content = self.model_dump(mode="json")
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()
