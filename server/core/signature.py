"""A problem's signature string: parsed once, it gives the starter, the argument check, the call.

The types are those that JSON can carry: int, float, str, bool, None, Any, list, tuple, dict with
text keys, unions of these, and the TypedDicts that a problem declares under `types`.
"""

from __future__ import annotations

import ast
import difflib
import json
import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

TypeDeclarations: TypeAlias = Mapping[str, Mapping[str, str]]
"""TypedDicts by name, each a mapping of key ("key?" where it may be absent) to type."""

_SIMPLE = ("int", "float", "str", "bool", "None", "Any")
_CONTAINERS = ("list", "tuple", "dict")
_MAX_SIGNATURE_CHARACTERS = 1_000


class SignatureError(ValueError):
    """A signature or a type that cannot be understood; the message says why."""


@dataclass(frozen=True, slots=True)
class TypeExpression:
    """A type: `name` is a simple type, a container, "|" for a union, or a TypedDict's name."""

    name: str
    arguments: tuple[TypeExpression, ...] = ()
    fields: tuple[Field, ...] = ()
    """The keys of a TypedDict."""
    text: str = ""
    """As the author wrote it."""


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a TypedDict."""

    key: str
    type: TypeExpression
    required: bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the function to write."""

    name: str
    type: TypeExpression


@dataclass(frozen=True, slots=True)
class Signature:
    """The function that a candidate writes."""

    name: str
    parameters: tuple[Parameter, ...]
    returns: TypeExpression

    @property
    def call(self) -> str:
        """How the tests call it, e.g. `allocate(stock, orders)`."""
        return f"{self.name}({', '.join(p.name for p in self.parameters)})"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Where a value is not of its type, and how."""

    path: tuple[str | int, ...]
    """Keys and positions (from 0) on the way to it."""
    problem: str
    mend: str = ""

    def __str__(self) -> str:
        """`, item 1: "budget" should be int, got str "180"`, to follow the argument's name."""
        if self.path and isinstance(self.path[-1], str):
            return f"{_steps(self.path[:-1])}: {_step(self.path[-1])} {self.problem}"
        return f"{_steps(self.path)}: {self.problem}"


def _steps(path: tuple[str | int, ...]) -> str:
    return "".join(f", {_step(step)}" for step in path)


def _step(step: str | int) -> str:
    return f"item {step + 1}" if isinstance(step, int) else f'"{step}"'


def parse_signature(text: str, types: TypeDeclarations) -> Signature:
    """`f(a: int) -> str` with the types that it may name; raises `SignatureError`."""
    function = _function(text)
    parameters = _parameters(function.args, types)
    if function.returns is None:
        raise SignatureError('no return type; end it with e.g. "-> list[str]"')
    return Signature(function.name, parameters, _expression(function.returns, types, ()))


def parse_constructor(text: str, types: TypeDeclarations) -> Signature:
    """`Limiter(most: int)`, which returns nothing and does not say so; raises `SignatureError`."""
    function = _function(text)
    if function.name in types:
        raise SignatureError(f'"{function.name}" is the name of a type already')
    if function.returns is not None:
        raise SignatureError("making an object returns nothing; leave the return type out")
    nothing = TypeExpression("None", text="None")
    return Signature(function.name, _parameters(function.args, types), nothing)


def parse_type(text: str, types: TypeDeclarations, seen: tuple[str, ...] = ()) -> TypeExpression:
    """A type as it stands under `types`; raises `SignatureError`."""
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SignatureError(f'"{text}" is not a type') from error
    return _expression(node, types, seen)


def is_type_name(name: str) -> bool:
    """Whether a TypedDict may have this name."""
    taken = name in (*_SIMPLE, *_CONTAINERS, "NotRequired", "TypedDict")
    return name.isidentifier() and not keyword.iskeyword(name) and not taken


def is_key_name(key: str) -> bool:
    """Whether a TypedDict may have this key, which may end in "?"."""
    name = key.removesuffix("?")
    return name.isidentifier() and not keyword.iskeyword(name)


def _function(text: str) -> ast.FunctionDef:
    if len(text) > _MAX_SIGNATURE_CHARACTERS:
        raise SignatureError(f"longer than {_MAX_SIGNATURE_CHARACTERS} characters")
    try:
        body = ast.parse(f"def {text}: ...").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SignatureError("not a Python signature") from error
    if len(body) != 1 or not isinstance(body[0], ast.FunctionDef):
        raise SignatureError("not a Python signature")
    return body[0]


def _parameters(arguments: ast.arguments, types: TypeDeclarations) -> tuple[Parameter, ...]:
    if (
        arguments.vararg
        or arguments.kwarg
        or arguments.kwonlyargs
        or arguments.posonlyargs
        or arguments.defaults
    ):
        raise SignatureError("parameters are plain names with a type: no *, **, / or defaults")
    return tuple(_parameter(argument, types) for argument in arguments.args)


def _parameter(argument: ast.arg, types: TypeDeclarations) -> Parameter:
    if argument.arg == "self":
        raise SignatureError('leave "self" out: parameters are what the tests give')
    if argument.annotation is None:
        raise SignatureError(f'parameter "{argument.arg}" has no type')
    return Parameter(argument.arg, _expression(argument.annotation, types, ()))


def _expression(node: ast.expr, types: TypeDeclarations, seen: tuple[str, ...]) -> TypeExpression:
    text = ast.unparse(node)
    match node:
        case ast.Constant(value=None):
            return TypeExpression("None", text=text)
        case ast.Name(id=name):
            return _named(name, types, seen)
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            sides = (_expression(left, types, seen), _expression(right, types, seen))
            return TypeExpression("|", sides, text=text)
        case ast.Subscript(value=ast.Name(id=name), slice=inner) if name in _CONTAINERS:
            return _container(name, inner, types, seen, text)
    raise SignatureError(f'"{text}" is not a type that JSON can carry')


def _named(name: str, types: TypeDeclarations, seen: tuple[str, ...]) -> TypeExpression:
    if name in _SIMPLE:
        return TypeExpression(name, text=name)
    if name in _CONTAINERS:
        anything = TypeExpression("Any", text="Any")
        inner = (anything,) if name == "list" else ()
        return TypeExpression(name, inner, text=name)
    if name not in types:
        known = [*_SIMPLE, *_CONTAINERS, *types]
        near = difflib.get_close_matches(name, known, 1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise SignatureError(f'unknown type "{name}"{hint}')
    if name in seen:
        raise SignatureError(f'type "{name}" contains itself')
    fields = tuple(
        Field(key.removesuffix("?"), parse_type(text, types, (*seen, name)), not key.endswith("?"))
        for key, text in types[name].items()
    )
    return TypeExpression(name, fields=fields, text=name)


def _container(
    name: str, inner: ast.expr, types: TypeDeclarations, seen: tuple[str, ...], text: str
) -> TypeExpression:
    nodes = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name == "tuple" and len(nodes) == 2 and _is_ellipsis(nodes[1]):
        return TypeExpression("list", (_expression(nodes[0], types, seen),), text=text)
    arguments = tuple(_expression(node, types, seen) for node in nodes)
    if name == "list" and len(arguments) != 1:
        raise SignatureError(f'"{text}": list takes one type')
    if name == "dict" and (len(arguments) != 2 or arguments[0].name != "str"):
        raise SignatureError(f'"{text}": dict takes str and a type; the keys of JSON are text')
    return TypeExpression(name, arguments, text=text)


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def mismatch(value: Any, wanted: TypeExpression) -> Mismatch | None:
    """The first place where a JSON value is not of the type; None where it fits."""
    match wanted.name:
        case "Any":
            return None
        case "|":
            return _union_mismatch(value, wanted)
        case "list" | "tuple" | "dict":
            return next(_container_mismatches(value, wanted), None)
    if wanted.name not in _SIMPLE:
        return next(_fields_mismatches(value, wanted), None)
    return None if _is_simple(value, wanted.name) else _should_be(value, wanted)


def _is_simple(value: Any, name: str) -> bool:
    match name:
        case "None":
            return value is None
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str)


def _union_mismatch(value: Any, wanted: TypeExpression) -> Mismatch | None:
    """A lone container or TypedDict of the union says best what is wrong inside a value of it."""
    found = [mismatch(value, side) for side in wanted.arguments]
    if None in found:
        return None
    deeper = [problem for problem in found if problem and problem.path]
    return deeper[0] if len(deeper) == 1 else _should_be(value, wanted)


def _container_mismatches(value: Any, wanted: TypeExpression) -> Iterator[Mismatch]:
    if not isinstance(value, dict if wanted.name == "dict" else list):
        yield _should_be(value, wanted)
        return
    if wanted.name == "tuple" and wanted.arguments and len(value) != len(wanted.arguments):
        yield Mismatch((), f"should have {len(wanted.arguments)} items, got {len(value)}")
        return
    for step, item, kind in _items(value, wanted):
        inner = mismatch(item, kind)
        if inner:
            yield Mismatch((step, *inner.path), inner.problem, inner.mend)


def _items(value: Any, wanted: TypeExpression) -> Iterator[tuple[str | int, Any, TypeExpression]]:
    if not wanted.arguments:
        return
    if wanted.name == "dict":
        yield from ((key, item, wanted.arguments[1]) for key, item in value.items())
    elif wanted.name == "list":
        yield from ((index, item, wanted.arguments[0]) for index, item in enumerate(value))
    else:
        pairs = zip(value, wanted.arguments, strict=True)
        yield from ((index, item, kind) for index, (item, kind) in enumerate(pairs))


def _fields_mismatches(value: Any, wanted: TypeExpression) -> Iterator[Mismatch]:
    if not isinstance(value, dict):
        yield _should_be(value, wanted)
        return
    known = {field.key: field for field in wanted.fields}
    for key in value:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            allowed = f"Allowed: {', '.join(known)}"
            mend = f'Did you mean "{near[0]}"? {allowed}' if near else allowed
            yield Mismatch((), f'unknown key "{key}"', mend)
    for field in wanted.fields:
        if field.key in value:
            inner = mismatch(value[field.key], field.type)
            if inner:
                yield Mismatch((field.key, *inner.path), inner.problem, inner.mend)
        elif field.required:
            yield Mismatch((field.key,), "is missing", f'A key that may be absent: "{field.key}?"')


def _should_be(value: Any, wanted: TypeExpression) -> Mismatch:
    return Mismatch((), f"should be {wanted.text}, got {_shown(value)}", _mend(value, wanted))


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    text = json.dumps(value, ensure_ascii=False)
    shown = text if len(text) <= 40 else f"{text[:38]}…"
    return f"{type(value).__name__} {shown}"


def _mend(value: Any, wanted: TypeExpression) -> str:
    names = {wanted.name, *(side.name for side in wanted.arguments)}
    if isinstance(value, str) and names & {"int", "float"} and looks_like_a_number(value):
        return 'In YAML 250 is a number and "250" is text.'
    if isinstance(value, int | float) and not isinstance(value, bool) and "str" in names:
        return 'In YAML 250 is a number and "250" is text.'
    if isinstance(value, str) and "bool" in names:
        return "In YAML 1.2 only true and false are booleans; yes, no, on and off are text."
    return ""


def looks_like_a_number(text: str) -> bool:
    """Whether a text in quotes was probably meant as a number."""
    return text.strip().lstrip("+-").replace(".", "", 1).isdecimal()


def starter_for(text: str, types: TypeDeclarations) -> str:
    """What the editor begins with: the TypedDicts that the signature needs, and the function."""
    return "\n\n".join([*declarations_for(text, types), f"def {text}:\n    ...\n"])


def declarations_for(text: str, types: TypeDeclarations) -> list[str]:
    """What stands above code that uses the types in `text`: imports, and a class per TypedDict."""
    classes = [_typed_dict(name, fields) for name, fields in types.items()]
    imports = _typing_imports(text, types)
    head = [f"from typing import {', '.join(imports)}\n"] if imports else []
    return [*head, *classes]


def _typing_imports(text: str, types: TypeDeclarations) -> list[str]:
    everything = " ".join([text, *(t for fields in types.values() for t in fields.values())])
    optional = any(key.endswith("?") for fields in types.values() for key in fields)
    wanted = {
        "Any": re.search(r"\bAny\b", everything) is not None,
        "NotRequired": optional,
        "TypedDict": bool(types),
    }
    return [name for name, needed in wanted.items() if needed]


def _typed_dict(name: str, fields: Mapping[str, str]) -> str:
    lines = [
        f"    {key.removesuffix('?')}: " + (f"NotRequired[{kind}]" if key.endswith("?") else kind)
        for key, kind in fields.items()
    ]
    return "\n".join([f"class {name}(TypedDict):", *lines, ""])
