"""`make fuzz`: a coverage-guided fuzzer against the real connection code, for a bounded time.

First it has to find faults that are planted between the server and its clients; then it searches
the server as it is. A finding is kept in .fuzz/ and can be played again:
`make fuzz ARGS=".fuzz/connection-…"`.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KEPT = Path(".fuzz")
FOUND = 77
"""The exit code of a fuzzer that has found something."""

PLANTED = ("tells-another-text", "loses-an-edit", "breaks-on-a-late-edit")
PLANTED_S = 120
"""How long a planted fault may stay hidden; it is found in seconds."""

CHANGES_SHARE = 6
"""One second in so many goes to change sets alone, which are quick."""


SEEDS = 8
LENGTH = 400
"""How many bytes say what is done, at most: about as many steps as are taken of them."""


def seed(corpus: Path) -> str:
    """A corpus to begin with: a few conversations of full length, the same ones each time."""
    chosen = random.Random(4)  # noqa: S311 – these are no secrets
    corpus.mkdir(parents=True, exist_ok=True)
    for number in range(SEEDS):
        (corpus / f"seed-{number}").write_bytes(chosen.randbytes(LENGTH))
    return str(corpus)


def limits(seconds: int, findings: str) -> tuple[str, ...]:
    """libFuzzer's arguments."""
    return (
        f"-max_total_time={seconds}",
        f"-max_len={LENGTH}",
        "-len_control=0",
        "-timeout=60",
        f"-artifact_prefix={findings}",
    )


def run(target: str, fault: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One fuzzer from its start to its end, over a data folder of its own."""
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-m", "tests.fuzz.harness", target, fault, data, *arguments]
        return subprocess.run(
            command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )


def find_planted(fault: str) -> None:
    """Raise `SystemExit` where a fault that is there on purpose is not found."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as kept:
        arguments = (*limits(PLANTED_S, f"{kept}/"), seed(Path(kept) / "corpus"))
        ended = run("connection", fault, *arguments)
    if ended.returncode != FOUND:
        sys.exit(f"{ended.stdout}\nThe planted fault {fault} was not found in {PLANTED_S} s.")
    print(f"planted fault {fault}: found after {time.monotonic() - began:.0f} s", flush=True)


def search(target: str, seconds: int) -> None:
    """Search the server as it is. Raises `SystemExit` with what was found."""
    corpus = seed(KEPT / f"{target}-corpus")
    ended = run(target, "none", *limits(seconds, f"{KEPT}/{target}-"), corpus)
    if ended.returncode:
        sys.exit(f"{ended.stdout}\nThe search of {target} ended with exit code {ended.returncode}.")
    last = [line for line in ended.stdout.splitlines() if line.startswith(("#", "Done"))][-1]
    print(f"{target}: nothing found in {seconds} s ({last})", flush=True)


def play_again(kept: str) -> None:
    """One kept input: its traceback, or that it does no harm any more."""
    ended = run(Path(kept).name.split("-")[0], "none", kept)
    print(ended.stdout)
    sys.exit(ended.returncode)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long to search")
    parser.add_argument("kept", nargs="?", help="a finding to play again")
    chosen = parser.parse_args()
    if chosen.kept:
        play_again(chosen.kept)
    for fault in PLANTED:
        find_planted(fault)
    short = max(1, chosen.seconds // CHANGES_SHARE)
    search("changes", short)
    search("connection", max(1, chosen.seconds - short))


if __name__ == "__main__":
    main()
