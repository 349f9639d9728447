"""A part's `entry`: a function's signature, or a list of them for a class."""

from __future__ import annotations

from server.core.class_signature import ClassSignature, class_starter, parse_method
from server.core.problem import Entry, PartMode
from server.core.signature import (
    Signature,
    SignatureError,
    TypeDeclarations,
    parse_constructor,
    parse_signature,
    starter_for,
)
from server.problem_files.nodes import Path
from server.problem_files.notes import Notes

_CLASS_SUCH_AS = '["Limiter(most: int)", "allow(shop: str) -> bool"]'


def entry_fits(mode: PartMode, entry: Entry, path: Path, notes: Notes) -> bool:
    """Whether the part at `path` has the kind of entry that its mode needs; complains if not."""
    key = (*path, "entry")
    count = len(notes.complaints)
    match mode, entry:
        case "program", str() | tuple() if entry:
            notes.at_key(key, '"entry" is for functions and classes; a program has none')
        case "function", "":
            mend = 'Add  entry: "grade(sheet: list[str]) -> str"'
            notes.at((*path, "mode"), '"entry" is missing: a function needs its signature', mend)
        case "class", "":
            message = '"entry" is missing: a class needs its signatures'
            notes.at((*path, "mode"), message, f"Add  entry: {_CLASS_SUCH_AS}")
        case "function", tuple():
            message = '"entry" is a list of signatures, but a function has one'
            notes.at(
                key, message, 'Write  entry: "grade(sheet: list[str]) -> str"  or  mode: class'
            )
        case "class", str():
            message = "\"entry\" should be a list: the constructor's signature, then each method's"
            notes.at(key, message, f"Such as  {_CLASS_SUCH_AS}")
        case "class", (_,):
            notes.at(key, '"entry" names no method', f"Such as  {_CLASS_SUCH_AS}")
    return len(notes.complaints) == count


def parse_entry(
    entry: Entry, types: TypeDeclarations, path: Path, notes: Notes
) -> Signature | ClassSignature | None:
    """The parsed signatures; None where one is broken, which is complained of at its place."""
    if isinstance(entry, tuple):
        return _parse_class(entry, types, path, notes)
    try:
        return parse_signature(entry, types)
    except SignatureError as error:
        notes.at(path, f'"entry": {error}', "Such as  find(shelf: list[str]) -> int")
        return None


def _parse_class(
    texts: tuple[str, ...], types: TypeDeclarations, path: Path, notes: Notes
) -> ClassSignature | None:
    count = len(notes.complaints)
    parsed: list[Signature] = []
    for index, text in enumerate(texts):
        try:
            parsed.append((parse_method if index else parse_constructor)(text, types))
        except SignatureError as error:
            mend = "Such as  allow(shop: str) -> bool" if index else "Such as  Limiter(most: int)"
            notes.at((*path, index), f'item {index + 1} of "entry": {error}', mend)
    if len(notes.complaints) > count:
        return None
    constructor, *methods = parsed
    notes.twins(path, "", "the signature of", [one.name for one in parsed])
    return ClassSignature(constructor, tuple(methods))


def starter_of(entry: Entry, signature: Signature | ClassSignature, types: TypeDeclarations) -> str:
    """What the editor begins with where the author gives nothing else."""
    if isinstance(signature, ClassSignature):
        return class_starter(signature, types)
    return starter_for(str(entry), types)


def goes_on_with(before: Entry, entry: Entry) -> bool:
    """Whether code for one entry is a beginning for the other: the same, or with more methods."""
    if isinstance(before, tuple) and isinstance(entry, tuple):
        return before[0] == entry[0] and set(before) <= set(entry)
    return before == entry
