"""How the tests call a program: a function with arguments, or an object's methods one by one.

What does not fit is told in plain words. Results are made JSON at once, so that a list which an
object goes on changing counts as it was when it was returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from sandbox.harness import telling
from sandbox.harness.telling import PlainError
from sandbox.wire import MAX_VALUE

NEW = "new"
"""The call that makes an object, in class mode."""


def call_function(function: str, signature: str, module: ModuleType, args: list[Any]) -> bytes:
    """What the module's function returns, as JSON. Raises `PlainError` where it does not fit."""
    wanted = f"the tests call `{signature or function}`"
    found = _found(module, function, wanted)
    if not callable(found):
        kind = type(found).__name__
        raise PlainError("TypeError", f"`{function}` is of type {kind}, not a function; {wanted}")
    return telling.value_as_json(_called(found, args, wanted), function)


def call_methods(name: str, signature: str, module: ModuleType, calls: list[list[Any]]) -> bytes:
    """The list of what an object's methods returned, as JSON; see `contract.Mode.CLASS`."""
    wanted = f"the tests make `{signature or name}`"
    found = _found(module, name, wanted)
    if not isinstance(found, type):
        kind = type(found).__name__
        raise PlainError("TypeError", f"`{name}` is of type {kind}, not a class; {wanted}")
    text = b"[" + b",".join(_results(found, wanted, calls)) + b"]"
    if len(text) > MAX_VALUE:
        raise PlainError(
            "ValueError",
            f"the methods of `{name}` returned {len(text):,} characters of JSON together; the "
            f"tests take {MAX_VALUE:,}",
        )
    return text


def _results(made_from: type, wanted: str, calls: list[list[Any]]) -> Iterator[bytes]:
    target: object = None
    for number, (method, *args) in enumerate(calls, start=1):
        if method == NEW:
            with _told_by(number, made_from.__name__):
                target = _called(made_from, args, wanted)
            yield b"null"
            continue
        name = f"{made_from.__name__}.{method}"
        count = "1 argument" if len(args) == 1 else f"{len(args)} arguments"
        asked = f"the tests call `{method}` with {count}"
        bound = getattr(target, method, None)
        if bound is None:
            raise PlainError("AttributeError", f"`{name}` is not defined; {asked}")
        if not callable(bound):
            kind = type(bound).__name__
            raise PlainError("TypeError", f"`{name}` is of type {kind}, not a method; {asked}")
        with _told_by(number, method):
            result = _called(bound, args, asked)
        yield telling.value_as_json(result, name)


@contextmanager
def _told_by(number: int, method: str) -> Iterator[None]:
    """The program's exceptions get a note that says in which call they came."""
    try:
        yield
    except PlainError:
        raise
    except Exception as error:
        # Not the object's own `add_note`: a program may have put anything there.
        BaseException.add_note(error, f"in call {number}, `{method}`")
        raise


def _found(module: ModuleType, name: str, wanted: str) -> object:
    if name not in module.__dict__:
        raise PlainError("NameError", f"`{name}` is not defined; {wanted}")
    return module.__dict__[name]


def _called(target: Callable[..., object], args: list[Any], wanted: str) -> object:
    try:
        return target(*args)
    except TypeError as error:
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise
        # No frame but this one: the call itself did not fit what the program defines.
        raise PlainError("TypeError", f"{error}; {wanted}") from None
