"""How the coverage-guided fuzzer's bytes are read: `make fuzz` finds little if they say little."""

from __future__ import annotations

import random

from tests.fuzz.reading import MAX_STEPS, steps_of


class Numbers:
    """Draws from a fixed sequence, as many bytes' worth as it is given."""

    def __init__(self, count: int) -> None:
        self._random = random.Random(7)  # noqa: S311 – these are no secrets
        self._left = count

    def ConsumeIntInRange(self, low: int, high: int) -> int:  # noqa: N802 – the fuzzer's own name
        """Any number in the range, for a byte."""
        self._left -= 1
        return self._random.randint(low, high) if self._left >= 0 else low

    def ConsumeBytes(self, count: int) -> bytes:  # noqa: N802
        """So many bytes, or what is left."""
        taken = max(0, min(count, self._left))
        self._left -= taken
        return self._random.randbytes(taken)

    def remaining_bytes(self) -> int:
        """How many are left."""
        return max(0, self._left)


def test_every_kind_of_step_is_read() -> None:
    """Connecting, leaving, resting, typing, sending: all come out of a few hundred bytes."""
    steps = [step for _ in range(10) for step in steps_of(Numbers(400))]
    kinds = {type(step).__name__ for step in steps}
    assert kinds == {"Connect", "Leave", "Rest", "Breathe", "Send", "Type"}


def test_no_bytes_are_a_conversation_of_nothing() -> None:
    """Both come, and that is all."""
    assert len(steps_of(Numbers(0))) == 3


def test_a_conversation_has_an_end() -> None:
    """However many bytes there are."""
    assert len(steps_of(Numbers(1_000_000))) == MAX_STEPS
