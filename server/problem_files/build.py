"""A file's models into a `Problem`, with all the checks that take several keys at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox.contract import Limits
from server.core.class_signature import ClassSignature
from server.core.problem import (
    MAIN,
    Compare,
    Criterion,
    Entry,
    Group,
    Hint,
    Localized,
    Part,
    PartMode,
    Problem,
    Solution,
    TalkQuestion,
)
from server.core.signature import (
    Signature,
    SignatureError,
    is_key_name,
    is_type_name,
    parse_type,
)
from server.problem_files.author_code import (
    check_valid,
    checker_compare,
    generator_names,
    given_names,
    with_checker_tests,
)
from server.problem_files.cases import Frame, build_groups, narrowed
from server.problem_files.entries import entry_fits, goes_on_with, parse_entry, starter_of
from server.problem_files.models import (
    CheckerFile,
    FollowUpFile,
    GroupFile,
    LocalizedText,
    ProblemFile,
    StageFile,
    seconds,
)
from server.problem_files.nodes import Path
from server.problem_files.notes import Notes
from server.problem_files.solutions import build_solutions, check_python

_PROGRAM_STARTER = "import sys\n\nfor line in sys.stdin:\n    ...\n"
_LEVELS = ("1", "2", "3", "4")


def build_problem(file: ProblemFile, slug: str, notes: Notes) -> Problem | None:
    """The problem in the file or folder named `slug`; None where there are complaints."""
    if file.id != slug:
        message = f'"id" is "{file.id}", but the file is named "{slug}"'
        notes.at(("id",), message, f"Write  id: {slug}  or rename the file.")
    main = _main_part(file, notes)
    ids = [MAIN, *(followup.id for followup in file.followups)]
    if MAIN in ids[1:]:
        notes.at(("followups", ids.index(MAIN, 1) - 1, "id"), '"main" is the id of part 1')
    notes.twins(("followups",), "id", "the follow-up", ids[1:])
    followups = [
        _followup(followup, main, ("followups", index), notes)
        for index, followup in enumerate(file.followups)
    ]
    problem = Problem(
        id=file.id,
        version=file.version,
        status=file.status,
        title=_checked_text(file.title, ("title",), notes),
        difficulty=file.difficulty,
        minutes=file.minutes,
        topics=tuple(file.topics),
        tags=tuple(file.tags),
        author=file.author,
        licence=file.licence,
        parts=(main, *followups),
        hints=_hints(file, notes),
        rubric=_rubric(file, notes),
        talk=_talk(file, notes),
    )
    return None if notes.complaints else problem


@dataclass(frozen=True, slots=True)
class _Stage:
    """What a part is about, with all that a follow-up takes from part 1 filled in."""

    mode: PartMode
    entry: Entry
    types: dict[str, dict[str, str]]
    signature: Signature | ClassSignature | None
    starter: str
    same_code_as_main: bool
    limits: Limits
    compare: Compare
    generators: str
    valid: str
    generator_names: Sequence[str] | None

    @property
    def frame(self) -> Frame:
        return Frame(self.mode, self.signature, self.limits, self.generator_names)


def _main_part(file: ProblemFile, notes: Notes) -> Part:
    stage = _stage(file, None, (), notes)
    groups, stage = _groups(file.tests, file, stage, (), notes)
    solutions = build_solutions(file.solutions, groups, None, (), notes)
    if not _passing(solutions):
        notes.at(("solutions",), _NO_REFERENCE, "Add one with  expect: pass")
    return Part(
        id=MAIN,
        title=_localized(file.title),
        minutes=file.minutes,
        image=file.image or "",
        statement=_checked_text(file.statement, ("statement",), notes),
        groups=groups,
        solutions=solutions,
        **_shared(stage),
    )


def _followup(file: FollowUpFile, main: Part, path: Path, notes: Notes) -> Part:
    stage = _stage(file, main, path, notes)
    groups, stage = _groups(file.tests, file, stage, path, notes)
    solutions = build_solutions(file.solutions, groups, main, path, notes)
    if not _passing(solutions):
        # What a follow-up does not say is part 1's, its reference too: it must pass here as well.
        if stage.entry != main.entry or stage.mode != main.mode:
            notes.at(path, _NO_REFERENCE, "Add one with  expect: pass")
        solutions = (*_passing(main.solutions)[:1], *solutions)
    return Part(
        id=file.id,
        title=_checked_text(file.title, (*path, "title"), notes),
        minutes=file.minutes or main.minutes,
        image=main.image,
        statement=_checked_text(file.statement, (*path, "statement"), notes),
        groups=groups,
        solutions=solutions,
        **_shared(stage),
    )


def _groups(
    tests: list[GroupFile], said: StageFile, stage: _Stage, path: Path, notes: Notes
) -> tuple[tuple[Group, ...], _Stage]:
    """The part's groups, and the stage with what its checker is tested by."""
    groups = build_groups(tests, stage.frame, path, notes)
    if not isinstance(said.compare, CheckerFile):
        return groups, stage
    here = (*path, "compare")
    compare = with_checker_tests(stage.compare, said.compare, groups, here, notes)
    return groups, replace(stage, compare=compare)


_NO_REFERENCE = "no solution should pass; the first one that does is the reference"


def _passing(solutions: tuple[Solution, ...]) -> tuple[Solution, ...]:
    return tuple(solution for solution in solutions if solution.expect == "pass")


def _shared(stage: _Stage) -> dict[str, Any]:
    names = ("mode", "entry", "types", "starter", "same_code_as_main", "limits", "compare")
    return {name: getattr(stage, name) for name in (*names, "generators", "valid")}


def _stage(said: StageFile, main: Part | None, path: Path, notes: Notes) -> _Stage:
    """What a part says itself, and for the rest what part 1 says, if it is of the same mode."""
    mode = said.mode or (main.mode if main else "function")
    base = main if main and mode == main.mode else None
    entry = said.entry or (base.entry if base else "")
    types = {**(base.types if base else {}), **(said.types or {})}
    fits = entry_fits(mode, entry, path, notes)
    signature = _signature(said, entry if fits else "", types, path, notes)
    goes_on = base is not None and said.starter is None and goes_on_with(base.entry, entry)
    default = Compare(kind="tokens" if mode == "program" else "exact")
    compare = _compare(said, base, entry, path, notes) or default
    if mode != "program" and compare.kind == "tokens":
        mend = f"For a {mode}: exact, unordered, {{float: 1e-6}} or {{checker: ...}}."
        notes.at((*path, "compare"), "tokens are compared in what a program prints", mend)
    generators = said.generators or (base.generators if base else "")
    # What is wrong with part 1's has been told there.
    told = notes if said.generators else Notes(notes.root)
    return _Stage(
        mode=mode,
        entry=entry,
        types=types,
        signature=signature,
        starter=base.starter
        if base and said.starter is None and entry == base.entry
        else _starter(said, entry, types, signature, path, notes),
        same_code_as_main=goes_on,
        limits=narrowed(main.limits if main else Limits(), said.limits),
        compare=compare,
        generators=generators,
        valid=_valid(said, base, entry, signature, path, notes),
        generator_names=generator_names(generators, (*path, "generators"), told),
    )


def _valid(
    said: StageFile,
    base: Part | None,
    entry: Entry,
    signature: Signature | ClassSignature | None,
    path: Path,
    notes: Notes,
) -> str:
    """What the part says, or else part 1 where it takes the same arguments."""
    if said.valid is None:
        return base.valid if base and base.entry == entry else ""
    if signature or not entry:
        check_valid(said.valid, given_names(signature), (*path, "valid"), notes)
    return said.valid


def _compare(
    said: StageFile, base: Part | None, entry: Entry, path: Path, notes: Notes
) -> Compare | None:
    """What the part says, or else part 1; but a checker is made for one entry alone."""
    if isinstance(said.compare, CheckerFile):
        return checker_compare(said.compare, (*path, "compare"), notes)
    if said.compare or base is None:
        return said.compare
    if base.compare.kind != "checker":
        return base.compare
    # Its tests name cases of part 1, and are run there.
    alone = base.compare.model_copy(update={"accepts": (), "rejects": ()})
    return alone if entry == base.entry else None


def _signature(
    said: StageFile, entry: Entry, types: dict[str, dict[str, str]], path: Path, notes: Notes
) -> Signature | ClassSignature | None:
    """The parsed signature; None where there is none, or where it or a type is broken."""
    count = len(notes.complaints)
    for name, fields in (said.types or {}).items():
        if not is_type_name(name):
            notes.at_key((*path, "types", name), f'"{name}" is not a name for a type', _TYPE_NAME)
        for key, text in fields.items():
            if not is_key_name(key):
                message = f'"{key}" cannot be a key of the type {name}'
                notes.at_key((*path, "types", name, key), message, _KEY_NAME)
            try:
                parse_type(text, types, (name,))
            except SignatureError as error:
                notes.at((*path, "types", name, key), f"type of {name}.{key}: {error}")
    if not entry or len(notes.complaints) > count:
        return None
    return parse_entry(entry, types, (*path, "entry"), notes)


_TYPE_NAME = "Such as Device: a Python name that no other type has."
_KEY_NAME = 'A Python name, such as price, or "price?" where it may be absent.'


def _starter(
    said: StageFile,
    entry: Entry,
    types: dict[str, dict[str, str]],
    signature: Signature | ClassSignature | None,
    path: Path,
    notes: Notes,
) -> str:
    if said.starter is not None:
        check_python(said.starter, (*path, "starter"), notes)
        return said.starter
    return starter_of(entry, signature, types) if signature else _PROGRAM_STARTER


def _localized(text: LocalizedText) -> Localized:
    return Localized(en=text.en or "", fr=text.fr or "")


def _checked_text(text: LocalizedText, path: Path, notes: Notes) -> Localized:
    if text.en is None and text.fr is None:
        notes.at(path, "neither English nor French is there", "Add  en: ...  and  fr: ...")
    return _localized(text)


def _hints(file: ProblemFile, notes: Notes) -> tuple[Hint, ...]:
    return tuple(
        Hint(after_s=round(seconds(hint.after)), text=_checked_text(hint, ("hints", index), notes))
        for index, hint in enumerate(file.hints)
    )


def _rubric(file: ProblemFile, notes: Notes) -> tuple[Criterion, ...]:
    notes.twins(("rubric",), "id", "the criterion", [criterion.id for criterion in file.rubric])
    for index, criterion in enumerate(file.rubric):
        missing = [level for level in _LEVELS if level not in criterion.scale]
        if missing:
            message = f'the scale of "{criterion.id}" lacks level {", ".join(missing)}'
            mend = "Each of the levels 1 to 4 says what was seen."
            notes.at(("rubric", index, "scale"), message, mend)
    return tuple(
        Criterion(
            id=criterion.id,
            look_for=criterion.look_for,
            scale={int(level): text for level, text in criterion.scale.items()},
        )
        for criterion in file.rubric
    )


def _talk(file: ProblemFile, notes: Notes) -> tuple[TalkQuestion, ...]:
    return tuple(
        TalkQuestion(
            ask=_checked_text(question.ask, ("talk", index, "ask"), notes),
            listen_for=tuple(question.listen_for),
        )
        for index, question in enumerate(file.talk)
    )
