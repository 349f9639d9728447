"""From one test's frames to `Output` and `Outcome`. Pure: any frames give events or a `WireError`.

What a harness sends is not believed beyond what it can be: output past the cap, records that
contradict the mode, or reports that are none end the container. What the *program* claims about
itself (its report) is expected to be forged now and then and only ever becomes a value or an error
text, both bounded.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field

from sandbox import wire
from sandbox.contract import (
    Ended,
    InputWanted,
    Limits,
    Mode,
    Outcome,
    Output,
    ProgramError,
    RunEvent,
    Stream,
    TestInput,
)
from sandbox.wire import WireError

_STREAMS: dict[int, Stream] = {wire.STDOUT: "stdout", wire.STDERR: "stderr"}


def _decoder() -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder("utf-8")("replace")


@dataclass
class Transcript:
    """What one test has printed so far, and how its frames are to be read."""

    test: TestInput
    mode: Mode
    limits: Limits
    ended: bool = False
    """Its outcome has been read."""
    _printed_bytes: int = 0
    _stdout: list[str] = field(default_factory=list)
    _decoders: dict[Stream, codecs.IncrementalDecoder] = field(
        default_factory=lambda: {"stdout": _decoder(), "stderr": _decoder()}
    )

    def read(self, frame: wire.Frame) -> list[RunEvent]:
        """What a frame means; the last event of a test is its `Outcome`.

        Raises `WireError` for a frame that no harness sends during a test.
        """
        if frame.kind in _STREAMS:
            return self._output(_STREAMS[frame.kind], frame.body)
        if frame.kind == wire.OUTCOME:
            record, report = _split(frame.body)
            self.ended = True
            rest = self._rest()
            return [*rest, self._outcome(record, report)]
        if frame.kind == wire.WAITING and self.mode is Mode.INTERACTIVE:
            return [InputWanted(self.test.id)]
        raise WireError(f"a frame of kind {frame.kind} during a test")

    def cut_short(self, ended: Ended, time_ms: float) -> Outcome:
        """The outcome of a test that the host had to end, its container with it.

        What it used was not measured: the harness that would have done so did not answer.
        """
        return Outcome(
            test=self.test.id,
            ended=ended,
            time_ms=time_ms,
            cpu_ms=0.0,
            memory_bytes=0,
            stdout=self._kept_stdout(),
        )

    def _rest(self) -> list[RunEvent]:
        """What unfinished characters at the end of the streams come to."""
        return self._output("stdout", b"", final=True) + self._output("stderr", b"", final=True)

    def _output(self, stream: Stream, data: bytes, final: bool = False) -> list[RunEvent]:
        self._printed_bytes += len(data)
        if self._printed_bytes > self.limits.output_bytes:
            raise WireError("more output than the harness lets through")
        text = self._decoders[stream].decode(data, final)
        if not text:
            return []
        if stream == "stdout" and not self.mode.is_called:
            self._stdout.append(text)
        return [Output(self.test.id, stream, text)]

    def _outcome(self, record: wire.OutcomeRecord, report: wire.Frame | None) -> Outcome:
        ended = Ended(record.ended)
        return Outcome(
            test=self.test.id,
            ended=ended,
            time_ms=record.time_us / 1000,
            cpu_ms=record.cpu_us / 1000,
            memory_bytes=record.memory_bytes,
            value=_value(ended, report),
            stdout=self._kept_stdout(),
            error=_error(ended, report),
            exit_code=record.exit_code,
            signal=record.signal,
            output_dropped_bytes=record.dropped_bytes,
            waited_for_input=record.waited_for_input,
        )

    def _kept_stdout(self) -> str:
        return "".join(self._stdout)


def shared_outcome(test: TestInput, frame: wire.Frame) -> Outcome:
    """The outcome of a test that shared its process: it returned a value, and nothing else.

    Raises `WireError` for a frame that no harness sends then.
    """
    if frame.kind != wire.OUTCOME:
        raise WireError(f"a frame of kind {frame.kind} during a batch")
    record, report = _split(frame.body)
    if record.ended != Ended.RETURNED:
        raise WireError(f"a test of a batch that ended as {record.ended}")
    return Outcome(
        test=test.id,
        ended=Ended.RETURNED,
        time_ms=record.time_us / 1000,
        cpu_ms=record.cpu_us / 1000,
        memory_bytes=record.memory_bytes,
        value=_value(Ended.RETURNED, report),
        exit_code=record.exit_code,
    )


def _split(body: bytes) -> tuple[wire.OutcomeRecord, wire.Frame | None]:
    if len(body) < wire.OUTCOME_SIZE:
        raise WireError(f"an outcome of {len(body)} bytes")
    record = wire.OutcomeRecord.unpack(body[: wire.OUTCOME_SIZE])
    report = body[wire.OUTCOME_SIZE :]
    if not report:
        return record, None
    if not wire.is_report(report):
        raise WireError("a report that the harness would not have passed on")
    return record, wire.Frame(report[0], report[wire.HEADER.size :])


def _value(ended: Ended, report: wire.Frame | None) -> str | None:
    if ended is not Ended.RETURNED:
        return None
    if report is None or report.kind != wire.VALUE:
        raise WireError("a return without a value")
    return report.body.decode("utf-8", "replace")


def _error(ended: Ended, report: wire.Frame | None) -> ProgramError | None:
    """The program's account of its exception; None also where it is not a well-formed one."""
    if report is None or report.kind == wire.VALUE:
        return None
    if ended not in (Ended.RAISED, Ended.MEMORY_LIMIT):
        return None
    try:
        told = wire.ErrorReport.unpack(report.body)
    except WireError:
        return ProgramError("Error", "the program garbled its own error", "")
    return ProgramError(told.type, told.message, told.traceback, told.line or None)
