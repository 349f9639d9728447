"""Talks to peer.mjs: the browser's side of the edits, in Node."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any


class Peer:
    """One Node process; a line to it holds requests, the line back the answer to the last."""

    def __init__(self, node: Popen[bytes]) -> None:
        assert node.stdin is not None
        assert node.stdout is not None
        self._to_node, self._from_node = node.stdin, node.stdout
        self._waiting: list[dict[str, object]] = []

    def tell(self, what: str, **arguments: object) -> None:
        """Have it do something before the next ``ask``, where a failure would show."""
        self._waiting.append({"ask": what, **arguments})

    def ask(self, what: str, **arguments: object) -> Any:
        """Have it answer; raises AssertionError with its stack where anything failed."""
        self.tell(what, **arguments)
        self._to_node.write(json.dumps(self._waiting).encode() + b"\n")
        self._to_node.flush()
        self._waiting = []
        answer = json.loads(self._from_node.readline())
        assert "error" not in answer, answer["error"]
        return answer["value"]


@contextmanager
def running_peer(bundle: Path) -> Iterator[Peer]:
    """A peer for as long as the block lasts."""
    with Popen(["node", bundle], stdin=PIPE, stdout=PIPE) as node:
        yield Peer(node)
