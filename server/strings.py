"""The words that people read, in their language: one catalogue for pages and browser code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from babel import negotiate_locale
from babel.messages.pofile import read_po

LANGUAGES = ("en", "fr")


@dataclass(frozen=True, slots=True)
class Strings:
    """English text -> text, by language. English needs no catalogue: it is the key."""

    catalogues: Mapping[str, Mapping[str, str]]

    @classmethod
    def load(cls, folder: Path) -> Strings:
        """Read `folder/<language>.po` for every language but English."""
        return cls({name: _read(folder / f"{name}.po") for name in LANGUAGES if name != "en"})

    def catalogue(self, language: str) -> Mapping[str, str]:
        """All that is translated into `language`."""
        return self.catalogues.get(language, {})

    def translate(self, language: str, text: str, values: Mapping[str, object]) -> str:
        """`text` in `language`, with `{name}` replaced by the value of that name."""
        translated = self.catalogue(language).get(text, text)
        for name, value in values.items():
            translated = translated.replace(f"{{{name}}}", str(value))
        return translated


def _read(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        catalogue = read_po(file)
    return {
        str(message.id): str(message.string)
        for message in catalogue
        if message.id and message.string
    }


def preferred_language(accept_language: str) -> str:
    """The best of our languages for an `Accept-Language` header; English where none fits."""
    wanted = [part.split(";")[0].strip() for part in accept_language.split(",")]
    return negotiate_locale(wanted, LANGUAGES, sep="-") or "en"
