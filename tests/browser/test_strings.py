"""Every word of the pages is in the French catalogue, with the same placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from server.settings import ROOT
from server.strings import Strings

WEB = ROOT / "web"
IN_SCRIPTS = re.compile(r'\bt\(\s*"((?:[^"\\]|\\.)*)"')
IN_TEMPLATES = re.compile(r"""\b_\(\s*(?:"([^"]*)"|'([^']*)')""")
PLACEHOLDER = re.compile(r"\{\w+\}")


def literals() -> Iterator[tuple[str, str]]:
    """Each English text and the file that it stands in."""
    for path in sorted(WEB.glob("src/**/*.ts")):
        for text in IN_SCRIPTS.findall(path.read_text("utf-8")):
            yield text, path.name
    for path in sorted(WEB.glob("templates/*.html")):
        for double, single in IN_TEMPLATES.findall(path.read_text("utf-8")):
            yield double or single, path.name


@pytest.fixture(scope="module")
def french() -> dict[str, str]:
    """English text -> French text."""
    return dict(Strings.load(WEB / "locale").catalogue("fr"))


def test_every_text_has_a_translation(french: dict[str, str]) -> None:
    """None is missing, so nobody reads half a page in each language."""
    found = list(literals())
    assert len(found) > 200
    assert sorted({(file, text) for text, file in found if text not in french}) == []


def test_a_translation_fills_in_the_same_values(french: dict[str, str]) -> None:
    """A placeholder that only one side has would show as it stands."""
    differing = {
        english: text
        for english, text in french.items()
        if sorted(PLACEHOLDER.findall(english)) != sorted(PLACEHOLDER.findall(text))
    }
    assert differing == {}


def test_the_catalogue_differs_from_english(french: dict[str, str]) -> None:
    """A catalogue of copies would pass the other tests."""
    same = [text for english, text in french.items() if english == text]
    assert len(same) < len(french) / 10
