"""One test as PID 1 sees it: fork, relay what is printed, keep the time, kill, measure, sweep up.

The test is over when its own process exits, not at the end of its output: a daemon that holds the
pipe cannot prolong it. Then everything else is killed and reaped and every writable place emptied,
and only then is the test acknowledged.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress

from sandbox import wire
from sandbox.harness import child, kernel
from sandbox.harness.spare import Spare

READ_BYTES = 64 * 1024
FLOOD_BYTES = 16 * 1024 * 1024
"""A program that has printed so much past its cap will not stop by itself: it is ended."""
MAX_TYPED = 1024 * 1024
"""How much typed input may wait for a program that does not read it; the rest is dropped."""
WAITS_AFTER_S = 0.02
"""A program that has been quiet for so long may be waiting for input: the kernel is asked."""
GATHER_S = 0.005
"""After a piece of output, how long the next gathers: few frames, yet at once to the eye."""
PEAK_SLACK_BYTES = 32 * 1024 * 1024
"""The interpreter itself, and libraries, which RLIMIT_DATA does not count but peak memory does."""


def send(kind: int, body: bytes = b"") -> None:
    """Write a frame to the host. Raises OSError where the host is gone."""
    send_raw(wire.encode(kind, body))


def send_raw(frames: bytes) -> None:
    """Write whole frames to the host. Raises OSError where it is gone."""
    view = memoryview(frames)
    while view:
        view = view[os.write(1, view) :]


class Watch:
    """A test under way."""

    def __init__(self, mode: str, record: wire.TestRecord, wakeup: int) -> None:
        self._is_called = child.is_called(mode)
        self._is_typed_into = mode == "interactive"
        self._record = record
        self._wakeup = wakeup
        self._usage = kernel.Usage()
        self._oom_kills = kernel.oom_kills()
        self._sent_bytes = 0
        self._dropped_bytes = 0
        self._report = bytearray()
        self._typed = bytearray()
        self._typing_ended = False
        self._cut_short = ""
        self._waited_for_input = False
        self._told_of_waiting = False
        self._read_again_at = 0.0
        self._poll = select.poll()

    def run(self, spare: Spare) -> None:
        """See a test that was handed in to its outcome."""
        self._begin(spare)
        while self._pid not in self._usage.statuses and not self._cut_short:
            self._step()
        self._ended = time.monotonic()
        kernel.kill_everything(self._usage)
        self._drain()
        send(wire.OUTCOME, self._outcome().pack() + self._valid_report())

    def _begin(self, spare: Spare) -> None:
        self._pid, self._stdin = spare.pid, spare.stdin
        self._stdout, self._stderr, self._reports = spare.stdout, spare.stderr, spare.report
        self._printing = {self._stdout, self._stderr}
        spare.await_taken()
        self._began = time.monotonic()
        for descriptor in (0, self._wakeup, self._reports):
            self._poll.register(descriptor, select.POLLIN)
        if self._is_typed_into:
            os.set_blocking(self._stdin, False)
        else:
            os.close(self._stdin)
            self._stdin = -1

    def _step(self) -> None:
        """Wait for one thing to happen, and see to it."""
        now = time.monotonic()
        left_s = self._record.time_ms / 1000 - (now - self._began)
        if left_s <= 0:
            self._waited_for_input = self._is_waiting_for_input()
            self._cut_short = "time_limit"
            return
        paused_s = self._read_again_at - now
        self._listen(paused_s <= 0)
        may_wait = self._stdin >= 0 and not self._told_of_waiting
        rest_s = min(left_s, WAITS_AFTER_S) if may_wait else left_s
        happened = self._poll.poll(1000 * min(rest_s, max(paused_s, 0) or rest_s))
        for descriptor, _ in happened:
            self._see_to(descriptor)
        if may_wait and not happened and paused_s <= 0:
            self._tell_of_waiting()
        while self._usage.reap(os.WNOHANG):
            pass

    def _listen(self, listen: bool) -> None:
        """Look at what is printed, or leave it in its pipes so that small pieces gather there."""
        for descriptor in self._printing:
            self._poll.register(descriptor, select.POLLIN if listen else 0)

    def _see_to(self, descriptor: int) -> None:
        if descriptor == 0:
            self._obey()
        elif descriptor == self._wakeup:
            os.read(self._wakeup, READ_BYTES)
        elif descriptor == self._stdin:
            self._type()
        elif not self._read(descriptor):
            self._forget(descriptor)
            self._printing.discard(descriptor)

    def _obey(self) -> None:
        """One frame of the host's: typed input, its end, or Stop."""
        kind, length = wire.HEADER.unpack(child.read_exactly(0, wire.HEADER.size))
        if length > wire.MAX_TO_HARNESS:
            raise wire.WireError(f"a frame of {length} bytes")
        body = child.read_exactly(0, length)
        if kind == wire.STOP:
            self._cut_short = "stopped"
        elif kind == wire.STDIN:
            self._typed += body[: MAX_TYPED - len(self._typed)]
            self._told_of_waiting = False
            self._type()
        elif kind == wire.EOF:
            self._typing_ended = True
            self._type()
        else:
            raise wire.WireError(f"a frame of kind {kind} during a test")

    def _type(self) -> None:
        """Hand typed input to the program, as much as its pipe takes."""
        if self._stdin < 0:
            return
        try:
            written = os.write(self._stdin, self._typed) if self._typed else 0
        except BlockingIOError:
            written = 0
        except BrokenPipeError:
            self._close_stdin()  # the program has closed its end
            return
        del self._typed[:written]
        if self._typed:
            self._poll.register(self._stdin, select.POLLOUT)
        elif self._typing_ended:
            self._close_stdin()
        else:
            self._forget(self._stdin)

    def _close_stdin(self) -> None:
        self._forget(self._stdin)
        os.close(self._stdin)
        self._stdin = -1

    def _forget(self, descriptor: int) -> None:
        """Poll it no more: one that hung up would be reported again and again."""
        with suppress(KeyError):
            self._poll.unregister(descriptor)

    def _read(self, descriptor: int) -> bool:
        """Relay what can be read now. False at the end of that stream."""
        data = os.read(descriptor, READ_BYTES)
        if descriptor == self._reports:
            # One byte past the bound is kept, so that an overlong report is seen to be one.
            self._report += data[: wire.MAX_REPORT + 1 - len(self._report)]
        elif data:
            self._relay(wire.STDOUT if descriptor == self._stdout else wire.STDERR, data)
        return bool(data)

    def _relay(self, kind: int, data: bytes) -> None:
        kept = data[: self._record.output_bytes - self._sent_bytes]
        if kept:
            send(kind, kept)
            self._read_again_at = time.monotonic() + GATHER_S
        self._sent_bytes += len(kept)
        self._dropped_bytes += len(data) - len(kept)
        if self._dropped_bytes > FLOOD_BYTES and not self._cut_short:
            self._cut_short = "output_limit"

    def _drain(self) -> None:
        """Read what is left in the pipes; every writer is dead, so each comes to its end."""
        for descriptor in (self._stdout, self._stderr, self._reports):
            while self._read(descriptor):
                pass
            os.close(descriptor)
        if self._stdin >= 0:
            os.close(self._stdin)

    def _tell_of_waiting(self) -> None:
        if self._is_waiting_for_input():
            send(wire.WAITING)
            self._told_of_waiting = True

    def _is_waiting_for_input(self) -> bool:
        return self._stdin >= 0 and not self._typed and kernel.is_reading_stdin(self._pid)

    def _valid_report(self) -> bytes:
        """The program's own report, if it is one whole frame; anything else counts as none."""
        report = bytes(self._report)
        return report if wire.is_report(report) else b""

    def _outcome(self) -> wire.OutcomeRecord:
        status = os.waitstatus_to_exitcode(self._usage.statuses[self._pid])
        return wire.OutcomeRecord(
            ended=self._how_it_ended(status),
            waited_for_input=self._waited_for_input,
            time_us=int((self._ended - self._began) * 1e6),
            cpu_us=int(self._usage.cpu_s * 1e6),
            memory_bytes=self._usage.memory_bytes,
            exit_code=status if status >= 0 else None,
            signal=-status if status < 0 else None,
            dropped_bytes=self._dropped_bytes,
        )

    def _how_it_ended(self, status: int) -> str:
        """The first that applies, in the order in which the judge ranks them."""
        report = self._report[0] if self._valid_report() else 0
        if self._cut_short in ("stopped", "time_limit"):
            return self._cut_short
        if status == -signal.SIGXCPU or self._usage.cpu_s > self._record.time_ms / 1000 + 1:
            return "time_limit"
        if report == wire.OUT_OF_MEMORY or self._ran_out_of_memory():
            return "memory_limit"
        if self._dropped_bytes:
            return "output_limit"
        if status < 0:
            return "signalled"
        if report == wire.RAISED and status == 1:
            return "raised"
        if report == wire.VALUE and status == 0 and self._is_called:
            return "returned"
        return "exited"

    def _ran_out_of_memory(self) -> bool:
        peak = self._record.memory_bytes + PEAK_SLACK_BYTES
        return kernel.oom_kills() > self._oom_kills or self._usage.memory_bytes > peak
