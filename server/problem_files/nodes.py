"""YAML text into nodes that know where they stand.

Values are those of YAML 1.2's core schema and of JSON alone: `no`, `12:30:45` and dates are text.
Anchors, aliases, merge keys, tags and directives are refused, so nothing can refer, expand or
construct; depth and size are bounded while reading. The nodes are made from the parser's events
in one loop, without recursion.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scanner import Scanner

MAX_CHARACTERS = 256 * 1024
MAX_LINE_CHARACTERS = 10_000
MAX_DEPTH = 32
MAX_NODES = 20_000
MAX_PROBLEMS = 25
MAX_INTEGER = 2**63 - 1

Path: TypeAlias = tuple[str | int, ...]


class Mark(NamedTuple):
    """A place in a file, counted from 1."""

    line: int
    column: int


class Complaint(NamedTuple):
    """Something wrong at a place, and how to mend it."""

    mark: Mark
    message: str
    mend: str = ""


@dataclass(slots=True)
class Node:
    """A value in the text. A container's children stand in `items`, by key or position."""

    mark: Mark
    kind: Literal["scalar", "sequence", "mapping"]
    scalar: Any = None
    """Text, a number, a boolean or None; or whatever JSON a file held in its place."""
    is_block: bool = False
    """A literal or folded block: its text begins on the next line."""
    items: dict[str | int, Node] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)

    @property
    def plain(self) -> Any:
        """The value as JSON's types."""
        if self.kind == "scalar":
            return self.scalar
        if self.kind == "sequence":
            return [item.plain for item in self.items.values()]
        return {key: item.plain for key, item in self.items.items()}

    def get(self, *path: str | int) -> Node | None:
        """The node at a path from here, where there is one."""
        node: Node | None = self
        for step in path:
            node = node.items.get(step) if node else None
        return node

    def mark_of(self, path: Sequence[str | int]) -> Mark:
        """Where the node at a path stands, or the last one on the way that exists."""
        node = self
        for step in path:
            if step not in node.items:
                break
            node = node.items[step]
        return node.mark

    def key_mark_of(self, path: Sequence[str | int]) -> Mark:
        """Where the key stands that ends a path."""
        parent = self.get(*path[:-1])
        key = parent.keys.get(str(path[-1])) if parent else None
        return key.mark if key else self.mark_of(path)

    def children(self) -> Iterator[Node]:
        """What this container holds, in the text's order."""
        yield from self.items.values()

    def remove(self, key: str) -> None:
        """Take a key and its value out."""
        del self.items[key]
        self.keys.pop(key, None)


class Key(NamedTuple):
    """A mapping's key: where it stands, and whether YAML would read it as text."""

    mark: Mark
    is_text: bool


class BrokenYamlError(Exception):
    """A text that is no YAML, or not the YAML that is read here."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        super().__init__(complaints[0].message)
        self.complaints = tuple(complaints)


def read_nodes(text: str) -> Node:
    """The root node of a YAML text; raises `BrokenYamlError` with all that is wrong with it."""
    too_large = _too_large(text)
    if too_large:
        raise BrokenYamlError([too_large])
    builder = _Builder()
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner = _BoundedScanner
    try:
        for event in yaml.parse(text):
            builder.take(event)
    except _TooDeepError as error:
        builder.complaints.append(Complaint(error.mark, _TOO_DEEP))
    except YAMLError as error:
        builder.complaints.append(_syntax_complaint(text, error))
    except _EnoughError:
        pass  # the complaint that ends the reading has been noted
    if builder.complaints:
        raise BrokenYamlError(builder.complaints)
    return builder.root or Node(Mark(1, 1), "scalar")


def _too_large(text: str) -> Complaint | None:
    mend = "Keep long code and data in files beside problem.yaml: {file: name}"
    if len(text) > MAX_CHARACTERS:
        return Complaint(Mark(1, 1), f"larger than {MAX_CHARACTERS // 1024} KiB", mend)
    for number, line in enumerate(text.splitlines(), start=1):
        if len(line) > MAX_LINE_CHARACTERS:
            message = f"a line of more than {MAX_LINE_CHARACTERS:,} characters"
            return Complaint(Mark(number, 1), message, mend)
    return None


def _mark_at(text: str, position: int) -> Mark:
    before = text[:position]
    return Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))


_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"


class _TooDeepError(Exception):
    """More brackets are open than may be."""

    def __init__(self, mark: Mark) -> None:
        super().__init__(_TOO_DEEP)
        self.mark = mark


class _BoundedScanner(Scanner):
    """Stops at the bracket that is one too many.

    The scanner runs ahead of its parser, by a thousand characters where each bracket may turn out
    to be a key, and for every token it looks at all brackets that are open: what is nested deep
    in one line would cost the square of its depth before the parser told of the first level.
    """

    def fetch_flow_collection_start(self, token_class: Any, to_push: str) -> None:
        """One more [ or {."""
        if len(self.flow_context) >= MAX_DEPTH:
            raise _TooDeepError(_mark(self.reader.get_mark()))
        super().fetch_flow_collection_start(token_class, to_push)


class _EnoughError(Exception):
    """Reading on would serve nobody."""


@dataclass(slots=True)
class _Open:
    """A container under way, and in a mapping the key whose value comes next."""

    node: Node
    key: str | None = None
    discard: bool = False
    """The key is refused; its value is read and dropped."""


class _Builder:
    """Takes the parser's events, and builds nodes and complaints of them."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.complaints: list[Complaint] = []
        self._stack: list[_Open] = []
        self._count = 0

    def take(self, event: Any) -> None:
        """One more event."""
        mark = _mark(event.start_mark)
        match event:
            case MappingEndEvent() | SequenceEndEvent():
                self._stack.pop()
            case AliasEvent():
                self._refuse(mark, "anchors and aliases are not read", _WRITE_IT_OUT)
                self._place(Node(mark, "scalar"), is_text=True)
            case MappingStartEvent() | SequenceStartEvent():
                self._check_properties(event, mark)
                is_mapping = isinstance(event, MappingStartEvent)
                self._open(Node(mark, "mapping" if is_mapping else "sequence"))
            case ScalarEvent():
                self._check_properties(event, mark)
                self._scalar(event, mark)
            case DocumentStartEvent():
                self._check_document(event, mark)

    def _check_document(self, event: Any, mark: Mark) -> None:
        if event.version or event.tags:
            self._refuse(mark, "YAML directives are not read", "Take the line with % out.")
        if self.root is not None:
            self._refuse(mark, "a second document in the file", "One file holds one problem.")
            raise _EnoughError

    def _check_properties(self, event: Any, mark: Mark) -> None:
        if event.anchor is not None:
            self._refuse(mark, "anchors and aliases are not read", _WRITE_IT_OUT)
        if event.ctag is not None:
            self._refuse(mark, f"the tag {_tag(event.ctag)} is not read", "Take the tag out.")

    def _open(self, node: Node) -> None:
        if self._expects_key():
            self._refuse(node.mark, "a key should be text, got a list or a mapping")
            raise _EnoughError
        self._place(node, is_text=False)
        self._stack.append(_Open(node))
        if len(self._stack) > MAX_DEPTH:
            self._refuse(node.mark, _TOO_DEEP)
            raise _EnoughError

    def _scalar(self, event: Any, mark: Mark) -> None:
        is_plain = bool(event.implicit[0])
        if self._expects_key():
            self._key(event.value, mark, is_text=not is_plain or _is_text(event.value))
            return
        node = Node(mark, "scalar", event.value, is_block=event.style in ("|", ">"))
        if is_plain:
            complaint = _resolve(node, event.value)
            if complaint:
                self._refuse(*complaint)
        self._place(node, is_text=True)

    def _expects_key(self) -> bool:
        return bool(self._stack) and (
            self._stack[-1].node.kind == "mapping" and self._stack[-1].key is None
        )

    def _key(self, text: str, mark: Mark, *, is_text: bool) -> None:
        top = self._stack[-1]
        top.key = text
        top.discard = text == "<<" or text in top.node.items
        if text == "<<":
            self._refuse(mark, "merge keys are not read", _WRITE_IT_OUT)
        elif top.discard:
            first = top.node.keys[text].mark
            self._refuse(mark, f'the key "{text}" stands twice', f"First in line {first.line}.")
        else:
            top.node.keys[text] = Key(mark, is_text)

    def _place(self, node: Node, *, is_text: bool) -> None:
        """Put a node where it belongs: under the pending key, at the list's end, or at the root."""
        self._count += 1
        if self._count > MAX_NODES:
            self._refuse(node.mark, f"more than {MAX_NODES:,} values")
            raise _EnoughError
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        if top.node.kind == "sequence":
            top.node.items[len(top.node.items)] = node
        elif top.key is None:
            self._key(f"*{node.mark.line}:{node.mark.column}", node.mark, is_text=is_text)
        else:
            if not top.discard:
                top.node.items[top.key] = node
            top.key = None

    def _refuse(self, mark: Mark, message: str, mend: str = "") -> None:
        self.complaints.append(Complaint(mark, message, mend))
        if len(self.complaints) >= MAX_PROBLEMS:
            raise _EnoughError


_WRITE_IT_OUT = "Write the value out wherever it is needed."

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def _is_text(plain: str) -> bool:
    patterns = (_NULL, _BOOL, _INT, _FLOAT, _NOT_FINITE)
    return not any(pattern.fullmatch(plain) for pattern in patterns)


def _resolve(node: Node, plain: str) -> Complaint | None:
    """Type an unquoted scalar by YAML 1.2's core schema (10.3.2), within JSON's bounds."""
    if _NULL.fullmatch(plain):
        node.scalar = None
    elif _BOOL.fullmatch(plain):
        node.scalar = plain.lower() == "true"
    elif _NOT_FINITE.fullmatch(plain):
        return Complaint(node.mark, f"{plain} is not a number that JSON has", _QUOTE_IT)
    elif _INT.fullmatch(plain):
        return _resolve_int(node, plain)
    elif _FLOAT.fullmatch(plain):
        node.scalar = float(plain)
        if not math.isfinite(node.scalar):
            return Complaint(node.mark, "a number too large for a float", _QUOTE_IT)
    return None


_QUOTE_IT = "In quotes it is text."


def _resolve_int(node: Node, plain: str) -> Complaint | None:
    base = {"0o": 8, "0x": 16}.get(plain[:2], 10)
    digits = plain.lstrip("+-")
    if base == 10 and digits != "0" and digits.startswith("0"):
        return Complaint(node.mark, f"{plain[:40]} is a number that begins with 0", _QUOTE_IT)
    # 64 bits need at most 22 characters, in base 8; int() of far longer texts is slow.
    number = int(plain, 0 if base != 10 else 10) if len(plain) <= 24 else MAX_INTEGER + 1
    if abs(number) > MAX_INTEGER:
        return Complaint(node.mark, "a whole number of more than 64 bits", _QUOTE_IT)
    node.scalar = number
    return None


def _mark(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)


def _tag(tag: Any) -> str:
    return str(tag).replace("tag:yaml.org,2002:", "!!")


_SYNTAX_MENDS = (
    (
        "mapping values are not allowed",
        'Text holding ": " needs quotes, or a block: '
        'write "en: |" and the text below it, indented.',
    ),
    ("'\\t'", "Indent with spaces; YAML forbids tabs there."),
    ("cannot start any token", "Text that begins with this character needs quotes."),
    ("expected ',' or", "Inside { } and [ ] a bare , ? or : ends the text: put prose in quotes."),
    ("unexpected end of stream", "A quote is opened here and never closed."),
    ("unknown escape character", "In single quotes a backslash is only a backslash."),
    ("<block end>", "Look at the indentation: keys of one mapping stand in one column."),
    ("could not find expected ':'", "A line of a mapping reads  key: value"),
)


def _syntax_complaint(text: str, error: YAMLError) -> Complaint:
    if isinstance(error, ReaderError):
        mark = _mark_at(text, error.position)
        return Complaint(mark, f"not YAML: the character U+{ord(text[error.position]):04X}")
    if not isinstance(error, MarkedYAMLError):
        return Complaint(Mark(1, 1), f"not YAML: {error}")
    problem = str(error.problem or error.context)
    mend = next((mend for sign, mend in _SYNTAX_MENDS if sign in problem), "")
    opened = error.context_mark if "unexpected end of stream" in problem else None
    place = opened or error.problem_mark or error.context_mark
    return Complaint(_mark(place) if place else Mark(1, 1), f"not YAML: {problem}", mend)
