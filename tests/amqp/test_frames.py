"""Frames out of bytes: however they are cut, from wherever they begin, whatever is missing or broken."""

import struct

import msgspec
import pytest
from amqp_frames import (
    HEARTBEAT,
    PROTOCOL_HEADER,
    TCP,
    body,
    cut_frames,
    data_of,
    deliver,
    frames_of,
    header,
    method,
    pieces_of,
    publish,
    real_streams,
)
from hypothesis import example, given
from hypothesis import strategies as st
from pika import BasicProperties, spec

from dissector import limits
from dissector.amqp.constants import FRAME_BODY, FRAME_HEARTBEAT, FRAME_METHOD
from dissector.amqp.frames import FOREIGN, LOST, PROTOCOL, FrameReader
from dissector.net import StreamData

NASTY = [
    b"\xce",
    b"\xce\x01\x00\x01",
    b"\xce" * 9,
    b"\xce\x01\x00\x01\x00\x00\x00\x04\x00\x3c\x00\x28",
    HEARTBEAT[:-1],
    b"\xce" + method(1, spec.Basic.Ack(1))[:-1],
    b"\xce\x02\x00\x01\x00\x00\x00\x0e\x00\x3c\x00\x00" + bytes(10) + b"\xcf",
    "Ελλάδα Ολυμπία".encode(),
    b"\xce\x01\x00\x01\x00\x10\x00\x00\x00\x3c\x00\x28",
]
"""Bodies with what looks like the end or the beginning of a frame, but is not proof of one."""


def mixed(*, protocol=False):
    """A stream with all kinds of frames and nasty bodies."""
    frames = [method(0, spec.Connection.TuneOk(2047, 131072, 60)), HEARTBEAT]
    for channel, octets in enumerate(NASTY, 1):
        frames += publish(channel, (octets + b".") * 3, pieces=channel % 3 + 1)
        frames += [HEARTBEAT] * (channel % 2)
    properties = BasicProperties(content_type="application/json", headers={"x": "\u03ce\x01"}, priority=0xCE & 7)
    frames += [*publish(5, b"", properties=properties), method(5, spec.Basic.Ack(0xCE01))]
    return (PROTOCOL_HEADER if protocol else b"") + b"".join(frames)


def split(octets, spans):
    return [(octets[b], int.from_bytes(octets[b + 1 : b + 3], "big"), octets[b + 7 : e - 1]) for b, e in spans]


def true_frames(octets, begin=0):
    """The frames that can be read where bytes are there from ``begin`` on."""
    return split(octets, [span for span in cut_frames(octets) if span[0] >= begin])


def test_every_kind_is_tried():
    assert {kind for kind, _, _ in true_frames(mixed())} == {1, 2, 3, 8}


@pytest.mark.parametrize("at_start", [True, False])
def test_byte_by_byte(at_start):
    octets = mixed(protocol=True)
    frames, notes, reader = frames_of([octets[i : i + 1] for i in range(len(octets))], at_start=at_start)
    assert frames == [(PROTOCOL, 0, PROTOCOL_HEADER), *true_frames(octets[8:])]
    assert (notes, reader.skipped) == ([], 0)


@given(st.lists(st.integers(0, 2000), max_size=12), st.booleans())
def test_cut_anywhere(cuts, protocol):
    octets = mixed(protocol=protocol)
    frames, _, reader = frames_of(pieces_of(octets, cuts))
    assert frames[1 if protocol else 0 :] == true_frames(octets[8 if protocol else 0 :])
    assert reader.skipped == 0


@pytest.mark.parametrize("size", range(1, 9))
def test_heartbeats_cut_into_pieces(size):
    octets = HEARTBEAT * 5
    pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
    assert frames_of(pieces)[0] == [(FRAME_HEARTBEAT, 0, b"")] * 5


def some_of(octets, most=7000):
    """Whole frames from the beginning of a stream."""
    if octets.startswith(PROTOCOL_HEADER):
        octets = octets[8:]
    return octets[: max(end for _, end in cut_frames(octets) if end <= most)]


STREAMS = {"mixed": mixed(), **{f"real {key}": some_of(octets) for key, octets in list(real_streams().items())[:4]}}
EVERY_STREAM = pytest.mark.parametrize("octets", STREAMS.values(), ids=STREAMS)


@EVERY_STREAM
def test_start_at_every_byte(octets):
    for begin in range(len(octets)):
        frames, notes, reader = frames_of([octets[begin:]], at_start=False)
        expected = true_frames(octets, begin)
        assert frames == expected, begin
        if expected:
            passed_over = len(octets) - begin - sum(len(payload) + 8 for _, _, payload in expected)
            assert [(n.reason, n.passed_over) for n in notes] == [("the capture begins inside a frame", passed_over)]
            assert reader.skipped == passed_over


@EVERY_STREAM
@given(data=st.data())
def test_start_anywhere_cut_anywhere(octets, data):
    begin = data.draw(st.integers(0, len(octets)))
    pieces = pieces_of(octets[begin:], data.draw(st.lists(st.integers(0, len(octets)), max_size=20)))
    assert frames_of(pieces, at_start=False)[0] == true_frames(octets, begin)


@EVERY_STREAM
@given(data=st.data(), is_known=st.booleans())
def test_hole_anywhere(octets, data, is_known):
    begin, end = sorted(data.draw(st.tuples(*[st.integers(0, len(octets))] * 2)))
    before = pieces_of(octets[:begin], data.draw(st.lists(st.integers(0, begin), max_size=5)))
    after = pieces_of(octets[end:], data.draw(st.lists(st.integers(0, len(octets)), max_size=5)))
    size = end - begin if is_known else None
    frames, notes, reader = frames_of([*before, *after], gap_after=len(before), gap_size=size)
    assert frames == split(octets, [span for span in cut_frames(octets) if span[1] <= begin or span[0] >= end])
    assert {note.reason for note in notes} <= {"bytes are missing"}
    read = sum(len(payload) + 8 for _, _, payload in frames)
    assert reader.skipped == len(octets) - (end - begin) - read


TRAP = b"\xce" + b"".join(publish(9, b"inner")) * 3 + HEARTBEAT + b"rest"
"""A body with frames in it."""


@given(
    hole=st.tuples(*[st.integers(8, len(TRAP) + 8)] * 2).map(sorted).filter(lambda h: h[0] < h[1]),
    cuts=st.lists(st.integers(0, 500)),
)
def test_a_hole_in_a_frame_whose_header_was_seen_costs_that_frame_alone(hole, cuts):
    outer = publish(1, TRAP)
    before = b"".join(outer[:2]) + outer[2][: hole[0]]
    rest = outer[2][hole[1] :] + b"".join([HEARTBEAT, *publish(2, b"next")])
    pieces = pieces_of(rest, cuts)
    frames, notes, reader = frames_of([before, *pieces], gap_after=1, gap_size=hole[1] - hole[0])
    assert (frames, notes) == (true_frames(b"".join([*outer[:2], HEARTBEAT, *publish(2, b"next")])), [])
    assert reader.skipped == len(outer[2]) - (hole[1] - hole[0])


def test_two_holes_in_a_frame():
    outer = publish(1, TRAP)[2]
    reader = FrameReader()
    reader.feed(data_of(outer[:20], at_start=True))
    assert reader.gap(10)[2] == 1
    reader.feed(data_of(outer[30:40], 3))
    assert reader.gap(len(outer) - 45)[2] == 1
    run, frames = reader.feed(data_of(outer[-5:] + HEARTBEAT, 5))
    assert [kind for kind, *_ in frames] == [FRAME_HEARTBEAT]
    assert (reader.skipped, run.notes) == (35, [])


def test_a_hole_of_another_size_than_is_said():
    outer, after = publish(1, TRAP)[2], b"".join([HEARTBEAT, *publish(2, b"next")])
    frames, notes, _ = frames_of([outer[:20], after], gap_after=1, gap_size=len(outer) - 40)
    assert frames == true_frames(after)
    assert [note.reason for note in notes] == ["bytes are missing"]


def test_after_a_hole_of_unknown_size_another_maximum_may_hold():
    tune = method(0, spec.Connection.TuneOk(2047, 4096, 60))
    large = b"".join(publish(1, bytes(9000)))
    assert frames_of([tune, large], gap_after=1)[0] == true_frames(tune + large)
    assert frames_of([tune, large], gap_after=1, gap_size=9)[0] != true_frames(tune + large)


@given(st.integers(0, 80), st.integers(0, 80))
def test_a_pause_loses_nothing(first, second):
    octets = b"st\xce" + b"".join([*publish(1, b"one"), HEARTBEAT, *publish(2, b"two")])
    reader, frames = FrameReader(), []
    for at, end in [(0, first), (first, max(first, second)), (max(first, second), len(octets))]:
        for run, found in (reader.feed(data_of(octets[at:end])), reader.pause()) if octets[at:end] else ():
            frames += [(kind, channel, run.data[b:e]) for kind, channel, b, e in found if kind != LOST]
    assert frames == true_frames(octets[3:])


@pytest.mark.parametrize("garbage", [b"\xce", b"GET / HTTP/1.1\r\n\r\n\xce", b"\x00" * 40 + b"\xce"])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_garbage_between_frames(garbage, size):
    first, second = b"".join(publish(1, b"one")), b"".join([*publish(2, b"two"), HEARTBEAT])
    octets = first + garbage + second
    frames, notes, reader = frames_of([octets[at : at + size] for at in range(0, len(octets), size)])
    assert frames == true_frames(first) + true_frames(second)
    expected = ("no AMQP frame where one should begin", len(garbage))
    assert [(note.reason, note.passed_over) for note in notes] == [expected]
    assert reader.skipped == len(garbage)


@pytest.mark.parametrize("at", [0, 6], ids=["type", "size"])
def test_damaged_header_loses_one_frame(at):
    frames = [*publish(1, b"one"), *publish(2, b"two"), HEARTBEAT]
    octets = bytearray(b"".join(frames))
    octets[len(b"".join(frames[:3])) + at] ^= 0x15
    expected = true_frames(b"".join(frames))
    assert frames_of([bytes(octets)])[0] == expected[:3] + expected[4:]


def test_first_candidate_is_waited_for():
    # A true header frame whose properties hold what could be frames: they are not, however late its rest comes.
    inner = b"\xce" + method(3, spec.Basic.Ack(1)) + HEARTBEAT + HEARTBEAT
    outer = header(1, 0, BasicProperties(headers={"inner": inner}))
    octets = outer + method(1, spec.Basic.Ack(9)) + HEARTBEAT
    for cut in range(len(octets)):
        assert frames_of([octets[:cut], octets[cut:]], at_start=False)[0] == true_frames(octets)


FALSE = b"\xce\x02\0\1\0\0\0\x40\0\x3c\0\0" + bytes(9) + b"\xce"
"""What looks like a content header of 64 bytes until its end is there, and may have true frames in it."""


@pytest.mark.parametrize(
    "octets",
    [mixed()[9:], FALSE + HEARTBEAT * 9, b"junkjunk" + mixed(), b"\xcejunk" + mixed()[:400] + b"junk" + mixed()],
)
def test_when_step_is_found_does_not_depend_on_how_bytes_are_cut(octets):
    single = [data_of(octets[i : i + 1], i + 1) for i in range(len(octets))]
    numbers = list(range(1, len(octets) + 1))
    whole = [StreamData(TCP, True, False, octets, numbers, numbers, numbers, numbers)]
    halves = [data_of(octets[:8], 1), data_of(octets[8:], 2)]
    found = []
    for events in (single, whole, halves):
        reader = FrameReader()
        told = [reader.feed(event) for event in events]
        notes = [(note.reason, note.passed_over) for run, _ in told for note in run.notes]
        frames = [(kind, run.data[begin:end]) for run, some in told for kind, _, begin, end in some if kind != LOST]
        found.append((notes, frames, reader.skipped))
    assert found[0] == found[1]
    assert found[0][1:] == found[2][1:]
    assert len(found[0][0]) > 0


def test_a_frame_within_a_body_is_not_seen_in_step():
    inner = b"\xce" + b"".join(publish(9, b"inner")) + HEARTBEAT
    octets = b"".join(publish(1, inner))
    assert frames_of([octets[i : i + 5] for i in range(0, len(octets), 5)])[0] == true_frames(octets)


@pytest.mark.parametrize("garbage", [b"", b"rest\xce"])
def test_a_frame_is_confirmed_by_the_header_that_follows_it(garbage):
    ack, reader = method(1, spec.Basic.Ack(1)), FrameReader()
    assert reader.feed(data_of(garbage + ack + HEARTBEAT[:3], 1))[1] == []
    assert reader.oldest_held == 1
    run, frames = reader.feed(data_of(HEARTBEAT[3:], 2))
    assert [(kind, run.data[begin:end]) for kind, _, begin, end in frames[1:]] == [(1, ack[7:-1]), (8, b"")]
    assert reader.oldest_held is None


def test_a_frame_is_confirmed_by_the_end_of_its_packet():
    ack, reader = method(1, spec.Basic.Ack(1)), FrameReader()
    run, frames = reader.feed(data_of(b"rest\xce" + ack))
    assert [(kind, run.data[begin:end]) for kind, _, begin, end in frames[1:]] == [(1, ack[7:-1])]


def test_what_no_frame_follows_is_none():
    ack = method(1, spec.Basic.Ack(1))
    assert frames_of([b"rest\xce" + ack + b"no frame, as is seen here"], at_start=False)[0] == []


def test_the_last_frame_before_a_hole_needs_no_proof():
    frame = method(1, spec.Basic.Ack(1))
    assert frames_of([b"rest\xce" + frame], at_start=False)[0] == true_frames(frame)
    assert frames_of([b"rest\xce" + frame[:-1]], at_start=False)[0] == []


# -- how a stream begins ---------------------------------------------------------------------------------------

CLIENT_HELLO = b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(range(190))
OTHERS = {
    "AMQP 1.0": b"AMQP\x00\x01\x00\x00",
    "AMQP 1.0 (SASL)": b"AMQP\x03\x01\x00\x00",
    "AMQP 1.0 (TLS)": b"AMQP\x02\x01\x00\x00",
    "AMQP 0-10": b"AMQP\x01\x01\x00\x0a",
    "AMQP 0-9": b"AMQP\x01\x01\x00\x09",
    "AMQP 0-8": b"AMQP\x01\x01\x08\x00",
    "AMQP of an unknown version": b"AMQP\x07\x07\x07\x07",
    "TLS": CLIENT_HELLO,
}


def test_the_middle_of_a_frame_is_no_protocol_header():
    octets = b"AMQPLAIN\xce" + HEARTBEAT * 2
    assert frames_of([octets], at_start=False)[0] == true_frames(HEARTBEAT * 2)
    assert frames_of([octets], at_start=True)[1][0].reason == "AMQP of an unknown version"


@pytest.mark.parametrize(
    ("name", "octets", "at_start"),
    [(*item, True) for item in OTHERS.items()]
    + [(*item, False) for item in OTHERS.items() if "unknown" not in item[0]],
)
@pytest.mark.parametrize("size", [1, 5, 8, 1000])
def test_other_protocols_are_said_once(name, octets, at_start, size):
    octets += b"\x00\x00\x00\x0c\x02\x01" + mixed()
    pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
    frames, notes, reader = frames_of(pieces, at_start=at_start)
    assert (frames, [note.reason for note in notes], reader.skipped) == ([], [name], len(octets))


TLS_RECORDS = b"\x17\x03\x03\x00\x20" + bytes(32) + b"\x17\x03\x03\x01\x00" + bytes(256)


@pytest.mark.parametrize("size", [1, 5, 8, 100, 1000])
def test_tls_is_known_from_its_middle(size):
    pieces = [TLS_RECORDS[at : at + size] for at in range(0, len(TLS_RECORDS), size)]
    frames, notes, reader = frames_of(pieces, at_start=False)
    assert (frames, [note.reason for note in notes]) == ([], ["TLS without its beginning"])
    assert reader.skipped == len(TLS_RECORDS)


@pytest.mark.parametrize(
    ("octets", "at_start"),
    [
        (TLS_RECORDS, True),
        (b"\x17\x02" + TLS_RECORDS[2:], False),
        (b"\x17\x03\x05" + TLS_RECORDS[3:], False),
        (b"\x17\x03\x03\x00\x00" + TLS_RECORDS[5:], False),
        (b"\x17\x03\x03\xff\x00" + TLS_RECORDS[5:], False),
        (TLS_RECORDS[:37] + b"\x01" + TLS_RECORDS[38:], False),
        (TLS_RECORDS[:38] + b"\x01" + TLS_RECORDS[39:], False),
    ],
)
def test_what_only_looks_like_tls_is_searched_for_frames(octets, at_start):
    octets += b"\xce" + HEARTBEAT * 2
    assert frames_of([octets], at_start=at_start)[0] == true_frames(HEARTBEAT * 2)


def test_foreign_is_a_frame_of_its_own_kind():
    run, frames = FrameReader().feed(data_of(CLIENT_HELLO, 7, at_start=True))
    assert frames == [(FOREIGN, 0, 0, 8)]
    assert run.notes[0].reason == "TLS"


@pytest.mark.parametrize("octets", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"AM", b"\x16\x03", b"\x00" * 30, b"AMQ\xce"])
@pytest.mark.parametrize("size", [1, 1000])
def test_what_is_no_protocol_that_is_known(octets, size):
    pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
    frames, notes, reader = frames_of(pieces)
    assert (frames, notes, reader.skipped) == ([], [], len(octets))
    assert (reader.unread(), reader.unread()) == (len(octets), 0)


def test_a_broker_that_begins_with_its_frames():
    start = method(0, spec.Connection.Tune(2047, 131072, 60))
    assert frames_of([start])[0] == true_frames(start)


# -- limits --------------------------------------------------------------------------------------------------------


def test_frames_over_the_limit_are_broken_bytes(monkeypatch):
    monkeypatch.setattr(limits, "FRAME_BYTES", 100)
    big, good = body(1, bytes(101)), b"".join([*publish(2, b"ok"), HEARTBEAT])
    frames, notes, reader = frames_of([body(1, bytes(100)) + big + good])
    assert frames == true_frames(body(1, bytes(100))) + true_frames(good)
    assert reader.skipped == notes[0].passed_over == len(big)


def test_what_claims_to_be_over_the_limit_is_not_waited_for():
    claim = struct.pack(">BHI", FRAME_METHOD, 1, limits.FRAME_BYTES + 1) + b"\xce"
    good = b"".join([*publish(2, b"ok"), HEARTBEAT])
    assert frames_of([HEARTBEAT, claim, good])[0] == true_frames(HEARTBEAT + good)


def test_frames_of_a_megabyte():
    octets = b"".join(publish(1, bytes(3 << 20))) + HEARTBEAT
    pieces = [octets[at : at + 100_000] for at in range(0, len(octets), 100_000)]
    assert frames_of(pieces)[0] == true_frames(octets)


@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_candidates_that_each_need_a_little_more(monkeypatch, limit):
    """What is held is not joined for each of them; the true frame behind them is found all the same."""
    monkeypatch.setattr(limits, "RESYNC_JOINED_BYTES", limit)
    false = b"".join(b"\xce" + struct.pack(">BHI", FRAME_BODY, 1, 403) for _ in range(100))
    octets = false + b"\xce" + method(1, spec.Basic.Ack(1)) + HEARTBEAT * 60
    pieces = [octets[at : at + 16] for at in range(0, len(octets), 16)]
    frames = frames_of(pieces, at_start=False)[0]
    assert frames == true_frames(octets[len(false) + 1 :])


# -- packets ---------------------------------------------------------------------------------------------------------


def test_packets_of_bytes():
    reader = FrameReader()
    frame = deliver(1, b"abcdef")[2]
    for number, at in enumerate(range(0, len(frame) - 1), 1):
        assert reader.feed(data_of(frame[at : at + 1], number, at_start=number == 1))[1] == []
    run, frames = reader.feed(data_of(frame[-1:] + frame, 50))
    assert frames == [(FRAME_BODY, 1, 7, 13), (FRAME_BODY, 1, 21, 27)]
    assert [run.numbers[run.at(offset)] for offset in range(len(run.data))] == [*range(1, 14), *[50] * 15]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5), st.booleans())
def test_random_bytes_never_raise(octets, cuts, at_start):
    frames, _, reader = frames_of(pieces_of(octets, cuts), at_start=at_start)
    read = sum(len(payload) + (0 if kind == PROTOCOL else 8) for kind, _, payload in frames)
    assert read + reader.skipped == len(octets)


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=5), st.lists(st.integers(0, 500))
)
@example([(27, 0), (69, 0)], [69])
def test_damaged_streams_read_the_same_in_one_batch_or_packet_by_packet(changes, cuts):
    """The same packets: out of step, the end of a packet may prove a frame that nothing else does."""
    octets = bytearray(mixed()[:400])
    for at, value in changes:
        octets[at % len(octets)] = value
    packets = pieces_of(bytes(octets), cuts)
    whole = frames_of(packets, in_one_batch=True)
    pieces = frames_of(packets)
    assert pieces[0] == whole[0]
    assert pieces[2].skipped == whole[2].skipped
    assert [(n.reason, n.passed_over) for n in pieces[1]] == [(n.reason, n.passed_over) for n in whole[1]]


@pytest.mark.parametrize("tune", [spec.Connection.Tune, spec.Connection.TuneOk])
def test_a_frame_beyond_the_negotiated_maximum_is_none(tune):
    ack = method(1, spec.Basic.Ack(1))
    broken = body(1, bytes(8000))[:7]
    octets = HEARTBEAT + method(0, tune(2047, 4096, 60)) + ack + broken + HEARTBEAT + ack * 3
    found = frames_of([octets])[0]
    assert sum(1 for kind, _, _ in found if kind == FRAME_METHOD) == 5


def test_without_a_maximum_a_large_frame_is_waited_for():
    octets = HEARTBEAT + method(0, spec.Connection.Tune(2047, 0, 60)) + body(1, bytes(200_000))
    assert [kind for kind, _, _ in frames_of([octets])[0]][-1] == FRAME_BODY


def test_what_was_read_before_the_loss_of_step_keeps_its_packet():
    """The second packet shows that the size of the last frame in the first was none."""
    ack = method(1, spec.Basic.Ack(1))
    first, second = HEARTBEAT + ack + body(1, bytes(20))[:12], bytes(20) + b"\xce" + HEARTBEAT + ack
    octets = first + second
    ends, numbers = [len(first), len(octets)], [1, 2]
    whole = StreamData(TCP, True, True, octets, ends, numbers, numbers, [10, 20])
    halves = [data_of(first, 1, at_start=True), data_of(second, 2)]
    halves = [msgspec.structs.replace(half, times_ns=[10 * half.numbers[0]]) for half in halves]
    for events in ([whole], halves):
        reader = FrameReader()
        found = [
            (kind, run.completed[run.at(end)], run.times_ns[run.at(end)])
            for run, frames in map(reader.feed, events)
            for kind, _, _, end in frames
            if kind != LOST
        ]
        assert found == [(8, 1, 10), (1, 1, 10), (8, 2, 20), (1, 2, 20)]
    assert (whole.numbers, whole.completed) == ([1, 2], [1, 2])
