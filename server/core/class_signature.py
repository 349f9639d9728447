"""A class's signature strings: the constructor's and each method's, parsed once for all uses.

They give the starter, the check of every call, and the words of the messages. The constructor's is
the class's name and what it takes; it returns nothing, and the tests call it `new`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.core.signature import (
    Signature,
    SignatureError,
    TypeDeclarations,
    declarations_for,
    parse_constructor,
    parse_signature,
)

NEW = "new"
"""The call that makes an object."""


@dataclass(frozen=True, slots=True)
class ClassSignature:
    """The class that a candidate writes."""

    new: Signature
    """The constructor, under the class's name."""
    methods: tuple[Signature, ...]

    @property
    def name(self) -> str:
        """The class's name."""
        return self.new.name

    @property
    def call(self) -> str:
        """How the tests make an object, e.g. `Limiter(most, window)`."""
        return self.new.call

    def called(self, name: str) -> Signature | None:
        """What a call of this name calls: the constructor for `new`, or a method; else None."""
        if name == NEW:
            return self.new
        return next((method for method in self.methods if method.name == name), None)


def parse_class(texts: Sequence[str], types: TypeDeclarations) -> ClassSignature:
    """`["Limiter(most: int)", "allow(shop: str) -> bool"]`; raises `SignatureError`."""
    constructor, *methods = texts
    return ClassSignature(
        parse_constructor(constructor, types),
        tuple(parse_method(method, types) for method in methods),
    )


def parse_method(text: str, types: TypeDeclarations) -> Signature:
    """A method's signature, without `self`; raises `SignatureError`."""
    method = parse_signature(text, types)
    if method.name == "__init__":
        raise SignatureError("the constructor comes first, under the class's name")
    if method.name == NEW:
        raise SignatureError(f'"{NEW}" is the call that makes an object; name the method otherwise')
    return method


def class_starter(signature: ClassSignature, types: TypeDeclarations) -> str:
    """What the editor begins with: the TypedDicts, and the class with a body for each method."""
    used = [
        kind.text
        for one in (signature.new, *signature.methods)
        for kind in (*(parameter.type for parameter in one.parameters), one.returns)
    ]
    bodies = [_body(signature.new, "__init__"), *(_body(m, m.name) for m in signature.methods)]
    written = f"class {signature.name}:\n" + "\n".join(bodies)
    return "\n\n".join([*declarations_for(" ".join(used), types), written])


def _body(signature: Signature, name: str) -> str:
    parameters = ["self", *(f"{one.name}: {one.type.text}" for one in signature.parameters)]
    return f"    def {name}({', '.join(parameters)}) -> {signature.returns.text}:\n        ...\n"
