"""Cases that an author's generator makes: the call in the file, its sandbox, what comes of it.

A generator draws from the `rng` that it is given and from nothing else. To prove it, it is run in
several interpreters whose sets and hashes order differently, and must make the same in each.
"""

from __future__ import annotations

import ast
import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.contract import Ended, Limits, Mode, Outcome, Submission, TestInput
from server.core.judge import reason_of
from server.core.problem import Part
from server.core.values import MAX_VALUE_CHARACTERS, ValueRefusedError, decode, difference, shown

GENERATORS_FILE = "generators.py"
GENERATOR_LIMITS = Limits(time_s=20.0)


@dataclass(frozen=True, slots=True)
class Call:
    """A generator's call, such as `shop(n=60, seed=1)`: plain data, nothing to evaluate."""

    name: str
    args: list[Any]
    options: dict[str, Any]
    seed: int


class CallRefusedError(ValueError):
    """A text that is no call of a generator; says what is wrong with it, and how to mend it."""

    def __init__(self, message: str, mend: str) -> None:
        super().__init__(message)
        self.mend = mend


_SUCH_AS = "Such as  gen: shop(n=60, seed=1)"


def parse_call(text: str) -> Call:
    """What a case's `gen` says. Raises `CallRefusedError`."""
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CallRefusedError("is not a call", _SUCH_AS) from error
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise CallRefusedError("is not a call", _SUCH_AS)
    args = [_literal(argument) for argument in node.args]
    options = {keyword.arg or "**": _literal(keyword.value) for keyword in node.keywords}
    if "**" in options:
        raise CallRefusedError("unpacks a dict", "Write each option out: n=60, models=4")
    if "seed" not in options:
        mend = "Add  seed=1: one seed always makes the same case, another one another."
        raise CallRefusedError("has no seed", mend)
    seed = options.pop("seed")
    if type(seed) is not int:
        raise CallRefusedError(f"should have a whole number as its seed, got {seed!r}", "")
    return Call(node.func.id, args, options, seed)


def _literal(node: ast.expr) -> Any:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        mend = "Numbers, texts, lists and dicts are; the rng is given by itself."
        written = ast.unparse(node)
        raise CallRefusedError(f"holds {written}, which is not plain data", mend) from error
    if not _is_json(value):
        mend = "Numbers, texts, true and false as True and False, None, lists and dicts are."
        raise CallRefusedError(f"holds {ast.unparse(node)}, which JSON does not have", mend)
    return value


def _is_json(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_json, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    return value is None or isinstance(value, bool | int | float | str)


_CHILD = """
import json, random, sys
job = json.load(sys.stdin)
out, sys.stdout = sys.stdout, sys.stderr
try:
    names = {"__name__": "generators"}
    exec(compile(job["source"], job["file"], "exec"), names)
    made = names[job["name"]](random.Random(job["seed"]), *job["args"], **job["options"])
    text = json.dumps({"made": made}, allow_nan=False)
except BaseException as error:
    line, frame = None, error.__traceback__
    while frame:
        if frame.tb_frame.f_code.co_filename == job["file"]:
            line = frame.tb_lineno
        frame = frame.tb_next
    text = json.dumps({"error": type(error).__name__ + ": " + str(error)[:2000], "line": line})
out.write(text)
"""
_PARENT = """
import base64, json, os, subprocess, sys, zlib

def generate(child, job):
    first, *others = [run(child, json.dumps(job), hash_seed) for hash_seed in "1234"]
    different = [text for text in others if text != first]
    texts = [first, *different[:1]]
    return [base64.b64encode(zlib.compress(text)).decode() for text in texts]

def run(child, job, hash_seed):
    done = subprocess.run(
        [sys.executable, "-s", "-B", "-c", child],
        input=job.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )
    if done.returncode == 0 and done.stdout:
        return done.stdout
    status = f"it ended with status {done.returncode} and made nothing"
    return json.dumps({"error": status, "line": None}).encode()
"""
"""What runs in the container: the generator in four fresh interpreters, one after the other.

Two would find too little: a set of three comes in the same order every sixth time. Of the others'
results only one that differs comes along. Packed, a large case fits into what one test may return.
They have `site` and the image's environment, or they could import none of the image's packages.
"""


def generator_submission(part: Part, calls: Mapping[str, Call]) -> Submission:
    """Make these cases with a part's generators, by case."""
    jobs = {
        case: {
            "source": part.generators,
            "file": GENERATORS_FILE,
            "name": call.name,
            "seed": call.seed,
            "args": call.args,
            "options": call.options,
        }
        for case, call in calls.items()
    }
    return Submission(
        source=_PARENT,
        mode=Mode.FUNCTION,
        tests=tuple(TestInput(case, [_CHILD, job]) for case, job in jobs.items()),
        limits=GENERATOR_LIMITS,
        entry="generate",
        image=part.image,
    )


class NotMadeError(Exception):
    """A generator that made nothing of use; says why, and how to mend it."""

    def __init__(self, message: str, mend: str = "", line: int | None = None) -> None:
        super().__init__(message)
        self.mend = mend
        self.line = line
        """The line of the generators' source where it failed, from 1."""


_DETERMINED = "Draw from rng alone, and sort what comes out of a set: its order changes."


def made_by(outcome: Outcome | None) -> Any:
    """What a generator made. Raises `NotMadeError`."""
    if outcome is None:
        raise NotMadeError("the sandbox gave no outcome")
    if outcome.ended is not Ended.RETURNED or outcome.value is None:
        raise NotMadeError(
            reason_of(outcome), "A generator is run four times, and has 20 s and 256 MB for that."
        )
    try:
        first, *others = [_made(text) for text in _packed_texts(decode(outcome.value))]
    except ValueRefusedError as error:
        raise NotMadeError(f"what it made {error}", "Make it smaller.") from error
    for other in others:
        found = difference(first, other)
        where = (
            f"{found.path or 'the whole'} is {found.expected} in one run and {found.got} in another"
            if found
            else "the keys of a dict come in another order in another run"
        )
        raise NotMadeError(f"it does not make the same each time: {where}", _DETERMINED)
    return first


def _packed_texts(value: Any) -> list[str]:
    """The unpacked texts, one or two; anything else is refused."""
    if not isinstance(value, list) or len(value) not in (1, 2):
        raise ValueRefusedError("is not what the harness makes")
    return [_unpacked(text) for text in value]


def _unpacked(text: Any) -> str:
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(text, validate=True), MAX_VALUE_CHARACTERS + 1)
        return data.decode()
    except (TypeError, ValueError, binascii.Error, zlib.error) as error:
        raise ValueRefusedError("is not what the harness makes") from error


def _made(text: str) -> Any:
    said = decode(text)
    if isinstance(said, dict) and "made" in said:
        return said["made"]
    if isinstance(said, dict) and isinstance(said.get("error"), str):
        line = said.get("line")
        raise NotMadeError(said["error"], line=line if type(line) is int and line > 0 else None)
    raise ValueRefusedError(f"is {shown(said)}")
