"""The file format's own models: what a problem file may say, key by key.

They check shape and single values, and the JSON Schema for editors is made from them. What takes
several keys at once to judge (arguments against the signature, names that must exist) is `build`'s.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from sandbox.contract import KIB, MIB
from server.core.problem import Compare, Entry

_DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(ms|s|m)")
_SIZE = re.compile(r"(\d{1,6})(KB|MB)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_BYTES = {"KB": KIB, "MB": MIB}


def _wrong(message: str, mend: str = "") -> PydanticCustomError:
    """An error whose words are the file's own; `explain` puts the key before them."""
    return PydanticCustomError("problem_file", "{words}", {"words": message, "mend": mend})


def seconds(text: str) -> float:
    """`2s`, `500ms` or `5m` in seconds; the models have checked the form."""
    number, unit = _DURATION.fullmatch(text).groups()  # type: ignore[union-attr]
    return float(number) * _SECONDS[unit]


def size_bytes(text: str) -> int:
    """`256MB` or `64KB` in bytes; the models have checked the form."""
    number, unit = _SIZE.fullmatch(text).groups()  # type: ignore[union-attr]
    return int(number) * _BYTES[unit]


def _duration(text: str) -> str:
    if not _DURATION.fullmatch(text):
        raise _wrong(f'should be a time, got "{text}"', "Such as 2s, 500ms or 5m.")
    return text


def _time_limit(text: str) -> str:
    if not 0.01 <= seconds(_duration(text)) <= 30:
        raise _wrong(f"should be between 10ms and 30s, got {text}")
    return text


def _size(low: int, high: int) -> AfterValidator:
    def check(text: str) -> str:
        if not _SIZE.fullmatch(text):
            raise _wrong(f'should be a size, got "{text}"', "Such as 256MB or 64KB.")
        if not low <= size_bytes(text) <= high:
            least = f"{low // MIB}MB" if low >= MIB else f"{low // KIB}KB"
            raise _wrong(f"should be between {least} and {high // MIB}MB, got {text}")
        return text

    return AfterValidator(check)


def _compare(value: Any) -> Compare:
    if isinstance(value, str) and value in ("exact", "unordered", "tokens"):
        return Compare(kind=value)  # type: ignore[arg-type]
    if isinstance(value, dict) and list(value) == ["float"]:
        tolerance = value["float"]
        if isinstance(tolerance, float) and 0 < tolerance < 1:
            return Compare(kind="float", tolerance=tolerance)
        raise _wrong("needs a tolerance between 0 and 1", "Such as {float: 1e-6}.")
    raise _wrong("is not a way to compare", "One of: exact, unordered, tokens, {float: 1e-6}.")


_FILE_REFERENCE = {
    "type": "object",
    "properties": {"file": {"type": "string"}},
    "required": ["file"],
    "additionalProperties": False,
}
SLUG_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
Slug: TypeAlias = Annotated[str, Field(pattern=SLUG_PATTERN, max_length=60)]
Text: TypeAlias = Annotated[str, Field(min_length=1)]
_TEXT_OR_FILE = WithJsonSchema({"anyOf": [{"type": "string"}, _FILE_REFERENCE]})
FileText: TypeAlias = Annotated[Text, _TEXT_OR_FILE]
"""A text, or `{file: name}` in the folder form; references are read before the models see them."""
InputText: TypeAlias = Annotated[str, _TEXT_OR_FILE]
Arguments: TypeAlias = Annotated[
    list[JsonValue], WithJsonSchema({"anyOf": [{"type": "array"}, _FILE_REFERENCE]})
]
Duration: TypeAlias = Annotated[str, AfterValidator(_duration)]
CompareText: TypeAlias = Annotated[
    Compare,
    BeforeValidator(_compare),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["exact", "unordered", "tokens"]},
                {
                    "type": "object",
                    "properties": {"float": {"type": "number"}},
                    "required": ["float"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
Level: TypeAlias = Literal["1", "2", "3", "4"]


def _entry(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, list) and value and all(isinstance(one, str) and one for one in value):
        return tuple(value)
    raise _wrong(
        "should be a signature, or for a class a list of signatures",
        'Such as  "double(n: int) -> int"  or  ["Limiter(most: int)", "allow(shop: str) -> bool"]',
    )


EntryText: TypeAlias = Annotated[
    Entry,
    BeforeValidator(_entry),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
            ]
        }
    ),
]


class FileModel(BaseModel):
    """What all of a file's mappings share."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LocalizedText(FileModel):
    """English, French, or both."""

    en: FileText | None = None
    fr: FileText | None = None


class LimitsFile(FileModel):
    """What a test case may use; what is not said is the enclosing level's."""

    time: Annotated[str, AfterValidator(_time_limit)] | None = None
    memory: Annotated[str, _size(16 * MIB, 1024 * MIB)] | None = None
    output: Annotated[str, _size(KIB, 4 * MIB)] | None = None


class CaseFile(FileModel):
    """A test case: its input, and `expect` or `raises`."""

    name: Text | None = None
    args: Arguments | None = None
    calls: Arguments | None = None
    stdin: InputText | None = None
    expect: JsonValue = None
    raises: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    limits: LimitsFile | None = None


class GroupFile(FileModel):
    """Test cases that are scored together."""

    group: Slug
    visible: bool = False
    points: Annotated[int, Field(ge=0, le=1000)] = 0
    score: Literal["all", "each"] = "all"
    limits: LimitsFile | None = None
    cases: list[CaseFile]


class SolutionFile(FileModel):
    """A program and what becomes of it."""

    name: Text
    expect: Literal["pass", "slow", "wrong"]
    fails: list[str] = []
    code: FileText | None = None
    same_as: str | None = None


class StageFile(FileModel):
    """What part 1 and the follow-ups have in common."""

    mode: Literal["function", "class", "program"] | None = None
    entry: EntryText | None = None
    types: dict[str, dict[str, str]] | None = None
    starter: FileText | None = None
    limits: LimitsFile | None = None
    compare: CompareText | None = None
    solutions: list[SolutionFile] = []


class FollowUpFile(StageFile):
    """A further part; what it does not say is part 1's."""

    id: Slug
    title: LocalizedText
    minutes: Annotated[int, Field(ge=1, le=180)] | None = None
    statement: LocalizedText
    tests: list[GroupFile]


class HintFile(LocalizedText):
    """A hint, and how long into the part it is of use."""

    after: Duration


class CriterionFile(FileModel):
    """What to look for, and what was seen at each level."""

    id: Slug
    look_for: Text
    scale: dict[Level, Text]


class QuestionFile(FileModel):
    """A question for the talk after the code."""

    ask: LocalizedText
    listen_for: list[Text] = []


class ProblemFile(StageFile):
    """A whole problem file."""

    format: Literal[1]
    id: Slug
    version: Annotated[int, Field(ge=1)]
    status: Literal["draft", "ready", "retired"]
    title: LocalizedText
    difficulty: Annotated[int, Field(ge=1, le=5)]
    minutes: Annotated[int, Field(ge=1, le=180)]
    topics: list[Text] = []
    tags: list[Text] = []
    author: str = ""
    licence: str = ""
    mode: Literal["function", "class", "program"]
    image: Literal["data"] | None = None
    statement: LocalizedText
    tests: list[GroupFile]
    followups: list[FollowUpFile] = []
    hints: list[HintFile] = []
    rubric: list[CriterionFile] = []
    talk: list[QuestionFile] = []


def schema_text() -> str:
    """The JSON Schema of a problem file, kept for editors in `problems/schema`."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **ProblemFile.model_json_schema(),
        "title": "A Viva problem, format 1",
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
