"""Problem files made to harm: refused with their place, after a bounded amount of work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.problems.making import MINIMAL, changed
from tests.problems.test_library import library, told, write
from tests.problems.test_yaml_nodes import Work

MAX_CALLS = 150_000
"""Function calls that a refusal may cost; a good small problem takes some ten thousand."""

LAUGHS = "\n".join(
    ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 2_000))]
)
MERGES = "\n".join(["a0: &a0 {x: 1}", *(f"a{n}: {{<<: *a{n - 1}}}" for n in range(1, 2_000))])

BOMBS = {
    "aliases that double two thousand times": (LAUGHS, r"1:5: .*anchors and aliases"),
    "an alias of itself": ("a: &a [*a]", r"1:4: .*anchors and aliases"),
    "merge keys, one in another": (MERGES, r"1:5: .*anchors and aliases"),
    "a merge key": ("a: {x: 1}\n<<: {y: 2}", r"2:1: .*merge keys"),
    "brackets in one line": ("a: " + "[" * 9_000, r"1:36: .*nested deeper"),
    "brackets with something in between": ("a: " + "[x, " * 2_400, r"1:132: .*nested deeper"),
    "braces in one line": ("a: " + "{b: " * 2_400, r"1:128: .*nested deeper"),
    "brackets, a line each": ("a:\n" + " [\n" * 9_000, r"\d+:2: .*nested deeper"),
    "lists in one line": ("- " * 4_900, r"1:65: .*nested deeper"),
    "mappings, a line each": (
        "\n".join(" " * n + "a:" for n in range(500)),
        r"33:33: .*nested deeper",
    ),
    "a tag that would run a program": (
        "a: !!python/object/apply:os.system [id]",
        r"1:4: .*python/object/apply:os\.system is not read",
    ),
    "a tag of its own": ("a: !x 1", r"1:4: .*the tag !x is not read"),
    "a key twice": ("id: a\nid: b", r'2:1: .*"id" stands twice'),
    "a number of ten thousand digits": ("a: " + "9" * 9_900, r"1:4: .*more than 64 bits"),
    "a number of ten thousand hex digits": ("a: 0x" + "f" * 9_900, r"1:4: .*more than 64 bits"),
    "a number that is none": ("a: .nan", r"1:4: .*not a number"),
    "a line without an end": ("a: " + "x" * 100_000, r"1:1: .*a line of more than"),
    "a file without an end": ("# x\n" * 100_000, r"1:1: .*larger than 256 KiB"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_with_its_place_and_without_its_work(tmp_path: Path, bomb: str) -> None:
    """The first complaint names file, line and column."""
    text, expected = BOMBS[bomb]
    write(tmp_path, "bomb.yaml", text)
    with Work() as work:
        found = told(tmp_path)
    assert re.match(rf"problems/bomb\.yaml:{expected}", found[0]), found[0]
    assert work.calls < MAX_CALLS


def test_a_word_that_older_yaml_takes_for_false_is_text(tmp_path: Path) -> None:
    """`NO` is a name like any other; nothing turns into a truth value behind an author's back."""
    write(tmp_path, "doubles.yaml", changed(("name: one item", "name: NO")))
    found = library(tmp_path)
    assert found.errors == ()
    assert found.problems["doubles"].parts[0].groups[0].cases[0].name == "NO"


def test_a_good_problem_costs_as_little(tmp_path: Path) -> None:
    """So the bound above is one that bombs would break, and files do not."""
    write(tmp_path, "doubles.yaml", MINIMAL)
    with Work() as work:
        assert told(tmp_path) == []
    assert 1_000 < work.calls < MAX_CALLS


@pytest.mark.parametrize("name", ["../../evil", "/evil", "evil.yaml/..", "a/b", "a b", "é"])
def test_an_id_that_is_a_path_is_refused(tmp_path: Path, name: str) -> None:
    """It would be part of documents' names, and of what pages ask for."""
    write(tmp_path, "doubles.yaml", changed(("id: doubles", f"id: {name}")))
    assert library(tmp_path).problems == {}
    assert re.match(r"problems/doubles\.yaml:\d+:\d+: error: ", told(tmp_path)[0])
