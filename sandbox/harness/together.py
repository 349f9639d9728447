"""Several tests of one function in one process, as PID 1 sees it: the cheap way for tiny tests.

Only what returns in silence comes of it. At the first thing that is anything else (an exception,
an exit, output, a thread left behind, too long, too much memory) the process is ended, and the host
hands that test in alone. Reports are read a few times in a hundredth of a second, not one by one;
a test's time is its share of what passed in between. All of them together have the time of one.
"""

from __future__ import annotations

import os
import select
import signal
import time

from sandbox import wire
from sandbox.harness import child, kernel
from sandbox.harness.spare import Spare
from sandbox.harness.watching import PEAK_SLACK_BYTES, READ_BYTES, send_raw

GATHER_S = 0.004


class Together:
    """A batch under way."""

    def __init__(self, record: wire.TestRecord, wakeup: int) -> None:
        self._record = record
        self._wakeup = wakeup
        self._usage = kernel.Usage()
        self._reports = wire.Decoder(frozenset({wire.VALUE}), wire.MAX_VALUE)
        self._cpu_s = 0.0
        self._over = False

    def run(self, spare: Spare) -> None:
        """See a batch that was handed in to its end, telling each outcome."""
        self._pid, self._report = spare.pid, spare.report
        self._printed = [spare.stdout, spare.stderr]
        os.close(spare.stdin)
        spare.await_taken()
        self._began = self._told_at = time.monotonic()
        while not self._over:
            self._step()
        kernel.kill_everything(self._usage)
        for descriptor in (*self._printed, self._report):
            os.close(descriptor)

    def _step(self) -> None:
        left_s = self._began + self._record.time_ms / 1000 - time.monotonic()
        wanted = [0, self._wakeup, self._report, *self._printed]
        found = select.select(wanted, [], [], max(left_s, 0))[0]
        ended = self._wakeup in found and self._has_ended()
        if 0 in found:
            # Stop is all that the host sends now; anything else would be nobody's.
            child.read_exactly(0, wire.HEADER.unpack(child.read_exactly(0, wire.HEADER.size))[1])
        if self._report in found and not ended:
            # More will follow at once, or the process's end, which cuts this short.
            select.select([self._wakeup], [], [], GATHER_S)
            ended = self._has_ended()
        if ended:
            kernel.kill_everything(self._usage)  # a child left behind could report without end
        # What a test printed was written before its report: silence now is silence until then.
        self._tell(self._read(to_its_end=ended))
        self._over = self._over or ended or 0 in found or not found or self._has_spoken()

    def _has_ended(self) -> bool:
        if select.select([self._wakeup], [], [], 0)[0]:
            os.read(self._wakeup, READ_BYTES)
        while self._usage.reap(os.WNOHANG):
            pass
        return self._pid in self._usage.statuses

    def _final_peak_bytes(self) -> int:
        """As `kernel.peak_bytes`, of a process whose first thread is over, and so the batch."""
        if self._pid not in self._usage.statuses:
            os.kill(self._pid, signal.SIGKILL)  # others of its threads may go on
        while self._pid not in self._usage.statuses:
            self._usage.reap(0)
        return self._usage.memory_bytes

    def _has_spoken(self) -> bool:
        """Whether anything was printed; the end of a stream that nobody holds is no speech."""
        return any(
            select.select([one], [], [], 0)[0] and os.read(one, 1) != b"" for one in self._printed
        )

    def _read(self, *, to_its_end: bool) -> list[wire.Frame]:
        """The reports that are whole by now; none after one that is no report."""
        frames: list[wire.Frame] = []
        try:
            while select.select([self._report], [], [], 0)[0]:
                data = os.read(self._report, READ_BYTES)
                frames += self._reports.feed(data)
                if not data:
                    self._over = True
                if not data or not to_its_end:
                    break
        except wire.WireError:
            self._over = True
        return frames

    def _tell(self, reports: list[wire.Frame]) -> None:
        if not reports:
            return
        now, cpu_s = time.monotonic(), kernel.cpu_s(self._pid) or self._usage.cpu_s
        memory = kernel.peak_bytes(self._pid) or self._final_peak_bytes()
        if self._has_spoken() or memory > self._record.memory_bytes + PEAK_SLACK_BYTES:
            self._over = True
            return
        outcome = wire.OutcomeRecord(
            ended="returned",
            waited_for_input=False,
            time_us=int((now - self._told_at) * 1e6 / len(reports)),
            cpu_us=int(max(cpu_s - self._cpu_s, 0) * 1e6 / len(reports)),
            memory_bytes=memory,
            exit_code=None,
            signal=None,
            dropped_bytes=0,
        ).pack()
        send_raw(
            b"".join(wire.encode(wire.OUTCOME, outcome + wire.encode(*one)) for one in reports)
        )
        self._told_at, self._cpu_s = now, cpu_s
