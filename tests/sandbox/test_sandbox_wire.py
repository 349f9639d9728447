"""The frame decoder, the engine's stream and a test's transcript, fed with anything at all."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sandbox import wire
from sandbox.contract import Ended, Limits, Mode, Outcome, Output, RunEvent, TestInput
from sandbox.demultiplexer import Demultiplexer
from sandbox.outcomes import Transcript

KINDS = [wire.READY, wire.STDOUT, wire.STDERR, wire.OUTCOME, wire.WAITING, wire.CLEAN]
FRAMES = st.lists(st.builds(wire.Frame, st.sampled_from(KINDS), st.binary(max_size=200)))
TEXTS = st.text(max_size=50)
RECORDS = st.builds(
    wire.OutcomeRecord,
    st.sampled_from(wire.ENDINGS),
    st.booleans(),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.none() | st.integers(0, 255),
    st.none() | st.integers(0, 64),
    st.integers(0, 2**64 - 1),
)


def _decoder() -> wire.Decoder:
    return wire.Decoder(frozenset(KINDS), wire.MAX_TO_HOST)


def _in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def _multiplexed(pieces: list[bytes], stream: int = 1) -> bytes:
    return b"".join(struct.pack(">BxxxI", stream, len(piece)) + piece for piece in pieces)


@given(FRAMES, st.integers(1, 50))
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    frames: list[wire.Frame], size: int
) -> None:
    data = b"".join(wire.encode(*frame) for frame in frames)
    decoder = _decoder()
    assert [f for piece in _in_pieces(data, size) for f in decoder.feed(piece)] == frames


@given(FRAMES, st.integers(1, 50), st.integers(1, 50))
def test_the_engines_stream_is_cut_into_the_same_frames(
    frames: list[wire.Frame], inner: int, outer: int
) -> None:
    pieces = _in_pieces(b"".join(wire.encode(*frame) for frame in frames), inner)
    data = _multiplexed(pieces) + _multiplexed([b"last words"], stream=2)
    stream = Demultiplexer()
    assert [f for piece in _in_pieces(data, outer) for f in stream.feed(piece)] == frames
    assert stream.last_words == b"last words"


@given(st.lists(st.binary(max_size=300)))
@example([b"\xff" * 20])
@example([wire.encode(wire.STDOUT), struct.pack(">BI", wire.STDOUT, wire.MAX_TO_HOST + 1)])
def test_any_bytes_give_frames_or_a_typed_error(pieces: list[bytes]) -> None:
    for decode in (_decoder().feed, Demultiplexer().feed):
        try:
            for piece in pieces:
                assert all(frame.kind in KINDS for frame in decode(piece))
        except wire.WireError:
            pass  # the typed error: this container is dead


@given(st.sampled_from(list(Mode)), st.lists(FRAMES | RECORDS.map(lambda r: r.pack()), max_size=5))
@settings(max_examples=300)
def test_any_frames_give_events_or_a_typed_error(
    mode: Mode, groups: list[list[wire.Frame] | bytes]
) -> None:
    transcript = Transcript(TestInput("t"), mode, Limits(output_bytes=500))
    events: list[RunEvent] = []
    try:
        for group in groups:
            frames = [wire.Frame(wire.OUTCOME, group)] if isinstance(group, bytes) else group
            for frame in frames:
                events += transcript.read(frame)
    except wire.WireError:
        pass  # the typed error: this container is dead
    texts = [event.text for event in events if isinstance(event, Output)]
    assert sum(map(len, texts)) <= 500 + 2
    assert all(event.value is None for event in events if isinstance(event, Outcome))


@given(RECORDS, st.sampled_from(sorted(wire.REPORTS)), st.binary(max_size=300))
def test_any_report_becomes_a_value_an_error_text_or_nothing(
    record: wire.OutcomeRecord, kind: int, body: bytes
) -> None:
    transcript = Transcript(TestInput("t"), Mode.FUNCTION, Limits())
    frame = wire.Frame(wire.OUTCOME, record.pack() + wire.encode(kind, body))
    try:
        (outcome,) = transcript.read(frame)
    except wire.WireError:
        assert record.ended == "returned"
        assert kind != wire.VALUE
        return
    assert isinstance(outcome, Outcome)
    assert outcome.ended.value == record.ended
    assert (outcome.value is not None) == (outcome.ended is Ended.RETURNED)


@given(RECORDS)
def test_outcome_records_survive_the_wire(record: wire.OutcomeRecord) -> None:
    assert wire.OutcomeRecord.unpack(record.pack()) == record


@given(TEXTS, TEXTS, TEXTS, st.integers(0, 2**31 - 1))
def test_error_reports_survive_the_wire(kind: str, message: str, text: str, line: int) -> None:
    report = wire.ErrorReport(kind, message, text, line)
    assert wire.ErrorReport.unpack(report.pack()) == report


@given(st.text(min_size=1).map(lambda text: text * 10_000))
@settings(max_examples=20, deadline=None)
def test_long_error_texts_are_cut_to_their_bounds(text: str) -> None:
    report = wire.ErrorReport.unpack(wire.ErrorReport(text, text, text, 1).pack())
    assert len(report.type.encode()) <= wire.MAX_TYPE
    assert len(report.message.encode()) <= wire.MAX_MESSAGE
    assert len(report.traceback.encode()) <= wire.MAX_TRACEBACK


@given(st.binary(max_size=400))
def test_any_bytes_give_an_error_report_or_a_typed_error(data: bytes) -> None:
    try:
        report = wire.ErrorReport.unpack(data)
    except wire.WireError:
        return
    assert len(report.message.encode()) <= 3 * wire.MAX_MESSAGE


def test_the_endings_of_wire_and_contract_are_the_same() -> None:
    assert tuple(ended.value for ended in Ended) == wire.ENDINGS


@pytest.mark.parametrize("kind", [wire.READY, wire.CLEAN])
def test_a_frame_out_of_place_is_an_error(kind: int) -> None:
    transcript = Transcript(TestInput("t"), Mode.PROGRAM, Limits())
    with pytest.raises(wire.WireError, match="during a test"):
        transcript.read(wire.Frame(kind, b""))
