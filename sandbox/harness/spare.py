"""A process forked before there is anything to run, so that a test need not wait for it.

It has given up what it inherited, opened its streams, and is blocked on a pipe. A test is handed in
by writing an `Order` there; its input the process reads off the host's stream itself.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from sandbox.harness import child
from sandbox.harness.child import Ends


class Spare(NamedTuple):
    """A process that waits for an order; the descriptors are the harness's ends of its pipes."""

    pid: int
    order: int
    stdin: int
    stdout: int
    stderr: int
    report: int

    def give(self, order: child.Order) -> None:
        """Hand a test in; the process sets to work."""
        _write(self.order, order.pack())
        os.close(self.order)

    def await_taken(self) -> None:
        """Wait until it has read its input off the host's stream."""
        if os.read(self.report, 1) != child.TAKEN:
            raise EOFError("a test's process ended before its program began")


def fork() -> Spare:
    """Fork a process that waits for an order; returns in the harness only."""
    order, stdin, stdout, stderr, report = (os.pipe() for _ in range(5))
    pid = os.fork()
    if pid == 0:
        child.main(Ends(order[0], stdin[0], stdout[1], stderr[1], report[1]))
    for end in (order[0], stdin[0], stdout[1], stderr[1], report[1]):
        os.close(end)
    return Spare(pid, order[1], stdin[1], stdout[0], stderr[0], report[0])


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
