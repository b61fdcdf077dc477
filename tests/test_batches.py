"""What comes out does not depend on how packets were cut into batches: neither the events nor their order."""

import random
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector import limits
from dissector.amqp import AmqpCounts, AmqpEvent, Dissection, Event, Message
from dissector.capture import open_capture
from dissector.net import Malformed, StreamCounts, Streams

from .amqp.amqp_frames import HEARTBEAT, publish
from .lab import truth
from .net.packets import ACK, FIN, RST, Packet, batches, segment, single


def packets_of(path) -> list[Packet]:
    with open_capture([str(path)]) as capture:
        return [
            Packet(some.packet(i), int(some.time_ns[i]), int(some.original[i]), int(some.link_type[i]))
            for some in capture
            for i in range(len(some))
        ]


def dissect(packet_batches) -> tuple[list[AmqpEvent], StreamCounts, AmqpCounts]:
    streams, dissection = Streams(), Dissection()
    events: list[AmqpEvent] = []
    for some in packet_batches:
        stream_events = streams.feed(some)
        events += dissection.feed(stream_events, streams.oldest_held)
    events += dissection.feed(streams.finish())
    return events, streams.counts, dissection.counts


def assert_same(packets, *cuts):
    expected, *counts = dissect(single(packets))
    for each in ((), *cuts):
        found, *found_counts = dissect(batches(packets, each))
        for ours, theirs in zip(found, expected, strict=False):
            assert ours == theirs
        assert len(found) == len(expected)
        assert found_counts == counts
    return expected


def test_shipped_captures(capture_name):
    packets = packets_of(truth.captures()[capture_name])[:1200]
    dice = random.Random(capture_name)
    events = assert_same(packets, [dice.randrange(len(packets)) for _ in range(12)])
    assert any(isinstance(event, Message) for event in events)


DEMO = packets_of(truth.captures()["demo"])
SLOW = settings(max_examples=40)


@SLOW
@given(
    first=st.integers(0, len(DEMO) - 200),
    lost=st.sets(st.integers(0, 199), max_size=12),
    again=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 199)), max_size=6),
    swapped=st.sets(st.integers(0, 180), max_size=8),
    cuts=st.lists(st.integers(0, 210), max_size=8),
)
def test_lost_repeated_reordered_and_cut_packets(first, lost, again, swapped, cuts):
    packets = DEMO[first : first + 200]
    for at in range(3, first % 1000, 41):  # a snap length
        packet = packets[at % 200]
        packets[at % 200] = packet._replace(data=packet.data[: len(packet.data) * 2 // 3])
    for at in swapped:
        packets[at], packets[at + at % 19 + 1] = packets[at + at % 19 + 1], packets[at]
    for source, at in again:
        packets.insert(at, packets[source])
    packets = [packet for at, packet in enumerate(packets) if at not in lost]
    times = sorted(packet.time_ns for packet in packets)
    packets = [packet._replace(time_ns=time) for packet, time in zip(packets, times, strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "HOLE_PACKETS", 20)
        assert_same(packets, cuts)


@SLOW
@given(
    changes=st.lists(st.tuples(st.integers(0, 250), st.integers(0, 9999), st.integers(0, 255)), max_size=20),
    cuts=st.lists(st.integers(0, 250), max_size=8),
)
def test_damaged_packets(changes, cuts):
    packets = DEMO[:250]
    for number, at, value in changes:
        if number < len(packets):
            data = bytearray(packets[number].data)
            data[at % len(data)] = value
            packets[number] = packets[number]._replace(data=bytes(data))
    assert_same(packets, cuts)


HOSTILE = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"\xce",
                b"\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x50\x00\x00\x00\x00\x00\x00\x00\x01\x00\xce",
                b"\x01\x00\x01\x00\x00\x00\x0b\x00\x3c\x00\x28\x00\x00\x01x\x01k\x00\xce",
                b"\x02\x00\x01\x00\x00\x00\x0e\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\xce",
                b"\x03\x00\x01\x00\x00\x00\x03abc\xce",
                b"\x08\x00\x00\x00\x00\x00\x00\xce",
                b"AMQP\x00\x00\x09\x01",
                b"AMQP\x00\x01\x00\x00",
                b"\x16\x03\x01\x00\xc8\x01\x00\x00",
            ]
        ),
        st.binary(max_size=6),
    ),
    max_size=14,
).map(b"".join)


FLAGS = st.sampled_from([ACK] * 12 + [ACK | RST, ACK | FIN])


@settings(max_examples=150)
@given(
    octets=st.tuples(HOSTILE, HOSTILE),
    order=st.lists(st.tuples(st.booleans(), st.integers(1, 30), st.integers(0, 8), FLAGS), max_size=30),
    syn=st.booleans(),
    cuts=st.lists(st.integers(0, 30), max_size=5),
)
def test_hostile_bytes_with_holes(octets, order, syn, cuts):
    at = [0, 0]
    packets = [segment(True, 99, flags=2), segment(False, 99, flags=0x12, ack=100)] if syn else []
    for from_client, size, hole, flags in order:
        begin = at[from_client] + (hole if hole > 5 else 0)
        at[from_client] = begin + size
        data = octets[from_client][begin : begin + size]
        packets.append(segment(from_client, 100 + begin, data, flags=flags, ack=100 + at[not from_client]))
        at[from_client] += flags & FIN
    assert_same(packets, cuts)


def test_bytes_after_both_ends():
    """A connection that goes on after its end is the same, whatever its packets share a batch with."""
    message = b"".join(publish(1, b"x"))
    packets = [segment(True, 1, message), segment(False, 1, HEARTBEAT), segment(False, 9, flags=RST)]
    packets += [segment(True, 1 + len(message), message + HEARTBEAT), segment(False, 9, HEARTBEAT)]
    for client in (("10.0.0.1", 1), ("10.0.0.3", 1)):  # the lower and the higher end
        talk = [Packet(p.replace(b"\n\0\0\1", ip_address(client[0]).packed)) for p in packets]
        events = assert_same(talk, [3], [4])
        assert [e.ordinal for e in events if isinstance(e, Message)] == [0, 1]


def test_capture_begins_anywhere():
    for first in range(0, len(DEMO), 37):
        events, _, _ = dissect(batches(DEMO[first:]))
        assert not [e for e in events if isinstance(e, Malformed) and "no AMQP frame" in e.reason]
        names = [e.name for e in events if isinstance(e, Event)]
        assert names.count("end") > 0
