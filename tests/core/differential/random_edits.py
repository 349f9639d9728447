"""Random documents and edits, emoji and newlines included."""

from random import Random

from server.core.text import Units

PIECES = ["a", "b", " ", "(", "\n", "\t", "é", "漢", "😀", "😁", "\U0001f469\u200d\U0001f4bb", "🇫🇷"]


def seeded(seed: int) -> Random:
    """Chance that a failure can be repeated with."""
    return Random(seed)  # noqa: S311 -- makes test data, not secrets


def random_text(random: Random, max_pieces: int) -> str:
    """Up to ``max_pieces`` characters, or sequences that show as one."""
    return "".join(random.choices(PIECES, k=random.randint(0, max_pieces)))


def random_changes(random: Random, units: Units) -> list[object]:
    """An edit of ``units`` in JSON, not always in its shortest form, never through a character."""
    parts: list[object] = []
    position = 0
    while position < len(units) or random.random() < 0.4:
        end = _boundary(units, min(len(units), position + random.choice([0, 1, 1, 2, 3, 5, 8])))
        parts.append(_random_part(random, end - position))
        position = end
    return parts


def _random_part(random: Random, length: int) -> object:
    kind = random.random()
    if kind < 0.5:
        return length
    if kind < 0.7:
        return [length]
    return [length, *random_text(random, 3).split("\n")]


def _boundary(units: Units, position: int) -> int:
    inside = position < len(units) and "\udc00" <= units[position] <= "\udfff"
    return position + 1 if inside else position
