"""How exceptions, missing functions and values that are no JSON are told to their author."""

from __future__ import annotations

import pytest

from sandbox.contract import Ended, ProgramError
from tests.sandbox.running import Runs


async def _error(runs: Runs, source: str, entry: str = "f") -> ProgramError:
    outcome = (await runs.call(source, entry=entry)).outcome
    assert outcome.ended is Ended.RAISED
    assert outcome.value is None
    assert outcome.error is not None
    return outcome.error


async def test_a_traceback_shows_the_candidates_own_lines_only(runs: Runs) -> None:
    source = """import json
def parse(text):
    return json.loads(text)
def f():
    return parse('{')
"""
    error = await _error(runs, source)
    assert error.type == "JSONDecodeError"
    assert error.line == 3
    assert error.traceback.splitlines() == [
        "Traceback (most recent call last):",
        '  File "main.py", line 5, in f',
        "    return parse('{')",
        '  File "main.py", line 3, in parse',
        "    return json.loads(text)",
        "           ~~~~~~~~~~^^^^^^",
        f"json.decoder.JSONDecodeError: {error.message}",
    ]
    assert error.message.startswith("Expecting property name")


async def test_a_cause_is_told_before_its_effect(runs: Runs) -> None:
    source = """def f():
    try:
        1 / 0
    except ZeroDivisionError as error:
        raise KeyError('x') from error
"""
    error = await _error(runs, source)
    first, _, second = error.traceback.partition("direct cause")
    assert "ZeroDivisionError: division by zero" in first
    assert "KeyError: 'x'" in second
    assert (error.type, error.message, error.line) == ("KeyError", "'x'", 5)


async def test_endless_recursion_is_told_briefly(runs: Runs) -> None:
    error = await _error(
        runs, "def a(n):\n    return b(n)\ndef b(n):\n    return a(n)\ndef f():\n    a(1)"
    )
    assert error.type == "RecursionError"
    assert "more frames]" in error.traceback
    assert len(error.traceback.splitlines()) < 100
    simple = await _error(runs, "def f():\n    return f()")
    assert "[Previous line repeated" in simple.traceback
    assert len(simple.traceback.splitlines()) < 10


async def test_a_syntax_error_names_its_line(runs: Runs) -> None:
    error = await _error(runs, "def f():\n    return 1 +\n")
    assert error.type == "SyntaxError"
    assert error.line == 2
    assert error.message == "invalid syntax (line 2)"
    assert error.traceback.startswith('  File "main.py", line 2\n    return 1 +\n')


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("def f(): return '\ud800'\n\ud800", "SyntaxError"),
        ("x = 1\0", "SyntaxError"),
        ("(" * 5000 + ")" * 5000, "SyntaxError"),
        ("-" * 200_000 + "1", "SyntaxError"),
    ],
)
async def test_a_source_that_cannot_be_compiled_is_a_syntax_error(
    runs: Runs, source: str, kind: str
) -> None:
    assert (await _error(runs, source)).type == kind


async def test_a_missing_function_is_told_in_plain_words(runs: Runs) -> None:
    error = await _error(runs, "def alocate(): pass", entry="allocate")
    assert error.message == "`allocate` is not defined; the tests call `allocate(…)`"
    assert error.type == "NameError"
    assert error.line is None


async def test_a_call_that_does_not_fit_says_how_the_tests_call(runs: Runs) -> None:
    error = await _error(runs, "def f(stock): pass")
    assert error.message == (
        "f() missing 1 required positional argument: 'stock'; the tests call `f(…)`"
    )


async def test_something_else_under_the_functions_name_is_told(runs: Runs) -> None:
    error = await _error(runs, "f = 3")
    assert error.message == "`f` is of type int, not a function; the tests call `f(…)`"


async def test_a_value_that_is_no_json_is_told_in_plain_words(runs: Runs) -> None:
    cannot = "`f` returned a value that the tests cannot compare: "
    told = {
        "{1, 2}": "`f` returned a set, which the tests cannot compare; return a list",
        "[{1}]": (
            "`f` returned a list with a set in it, which the tests cannot compare; return a list"
        ),
        "object()": "`f` returned an object, which the tests cannot compare",
        "b'x'": "`f` returned a bytes, which the tests cannot compare",
        "{(1, 2): 3}": f"{cannot}keys must be str",
        "float('nan')": cannot,
        "10 ** 5000": cannot,
        "'x' * 2_000_000": "`f` returned 2,000,002 characters of JSON",
    }
    source = "def f(text):\n    return eval(text)"
    outcomes = (await runs.call(source, *[[value] for value in told])).outcomes
    for message, outcome in zip(told.values(), outcomes, strict=True):
        assert outcome.ended is Ended.RAISED
        assert outcome.error is not None
        assert outcome.error.message.startswith(message)
    kinds = [outcome.error.type for outcome in outcomes if outcome.error]
    assert kinds == ["TypeError"] * 5 + ["ValueError"] * 3


async def test_cyclic_and_deep_values_are_refused(runs: Runs) -> None:
    cyclic = await _error(runs, "def f():\n    a = []\n    a.append(a)\n    return a")
    assert "Circular" in cyclic.message
    deep = await _error(
        runs, "def f():\n    a = []\n    for _ in range(100_000): a = [a]\n    return a"
    )
    assert deep.message == "`f` returned a value nested too deeply to compare"


async def test_messages_and_tracebacks_are_bounded(runs: Runs) -> None:
    error = await _error(runs, "def f():\n    raise ValueError('é' * 3_000_000)")
    assert len(error.message.encode()) <= 4 * 1024
    assert len(error.traceback.encode()) <= 32 * 1024
    assert error.message.startswith("éé")
    assert error.line == 2


async def test_an_exception_that_cannot_be_printed_is_still_told(runs: Runs) -> None:
    source = """
class Shy(Exception):
    def __str__(self): raise RuntimeError
def f():
    raise Shy
"""
    assert (await _error(runs, source)).type == "Shy"


async def test_a_programs_uncaught_exception_is_raised_too(runs: Runs) -> None:
    outcome = (await runs.program("print('a')\nraise OSError(2, 'no')")).outcome
    assert outcome.ended is Ended.RAISED
    assert outcome.error is not None
    assert outcome.error.traceback.splitlines()[1] == '  File "main.py", line 2, in <module>'
    assert outcome.stdout == "a\n"
    assert outcome.exit_code == 1
