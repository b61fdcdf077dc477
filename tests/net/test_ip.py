"""IP and TCP headers: options, extension headers, fragments, padding, snap lengths, impossible lengths."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector import limits
from dissector.net import StreamData, Streams
from dissector.net.ip import IpCounts
from dissector.net.segments import SegmentReader

from .packets import (
    ACK,
    BROKER,
    BROKER_6,
    CLIENT,
    CLIENT_6,
    PSH,
    Packet,
    batch,
    ethernet,
    ipv4,
    ipv6,
    segment,
    tcp,
)

TCP = tcp(40000, 5672, 77, b"hello", ack=99, flags=ACK | PSH)
HOP_BY_HOP, ROUTING, FRAGMENT, AH, DESTINATION, NO_NEXT, ESP = 0, 43, 44, 51, 60, 59, 50


def v4(payload=TCP, **more):
    return ipv4(CLIENT[0], BROKER[0], payload, **more)


def v6(payload=TCP, **more):
    return ipv6(CLIENT_6[0], BROKER_6[0], payload, **more)


def options(size):
    """An extension header of 8 bytes or a multiple."""
    return bytes([0, size // 8 - 1]) + bytes(size - 2)


def fragment(offset, more):
    return struct.pack(">BBHI", 0, 0, offset << 3 | more, 1)


AUTHENTICATION = bytes([0, 4]) + bytes(22)


def rows_of(*packets):
    """The segment table of some packets, and the counts."""
    some = batch(packets)
    counts = IpCounts()
    _, rows = SegmentReader(counts).feed(some)
    return rows, counts, some


WHOLE = {
    "IPv4": v4(),
    "IPv4 with options": v4(options=b"\x94\x04\0\0" + b"\x07\x27" + bytes(34)),
    "IPv6": v6(),
    "hop-by-hop": v6(extensions=[(HOP_BY_HOP, options(8))]),
    "routing": v6(extensions=[(ROUTING, options(24))]),
    "destination": v6(extensions=[(DESTINATION, options(16))]),
    "authentication": v6(extensions=[(AH, AUTHENTICATION)]),
    "atomic fragment": v6(extensions=[(FRAGMENT, fragment(0, 0))]),
    "all": v6(
        extensions=[
            (HOP_BY_HOP, options(16)),
            (DESTINATION, options(8)),
            (ROUTING, options(24)),
            (FRAGMENT, fragment(0, 0)),
            (AH, AUTHENTICATION),
            (DESTINATION, options(8)),
        ]
    ),
}


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("link", [101, 1])
@pytest.mark.parametrize("padding", [0, 6])
def test_segment_is_found(data, link, padding):
    rows, counts, some = rows_of(Packet((ethernet(data) if link == 1 else data) + bytes(padding), link_type=link))
    assert counts == IpCounts()
    at = int(rows.payload[0])
    assert some.buffer[at : at + int(rows.size[0])] == b"hello"
    assert (rows.source_port[0], rows.destination_port[0], rows.sequence[0]) == (40000, 5672, 77)
    assert (rows.acknowledgment[0], rows.flags[0], rows.sent[0]) == (99, ACK | PSH, 5)


@pytest.mark.parametrize("size", range(4, 44, 4))
def test_tcp_options(size):
    rows, _, some = rows_of(v4(tcp(40000, 5672, 1, b"hello", options=b"\x01" * size)))
    assert some.buffer[int(rows.payload[0]) :] == b"hello"


@pytest.mark.parametrize("cut", range(6))
def test_snap_length_cuts_the_payload(cut):
    data = v4()
    rows, counts, _ = rows_of(Packet(data[: len(data) - cut], original=len(data)))
    assert (rows.size.tolist(), rows.sent.tolist(), counts.malformed) == ([5 - cut], [5], 0)


def test_snap_length_cuts_the_tcp_options():
    data = v4(tcp(40000, 5672, 1, b"hello", options=bytes(12)))
    rows, _, _ = rows_of(Packet(data[:45], original=len(data)))
    assert (rows.size.tolist(), rows.sent.tolist()) == ([0], [5])


@pytest.mark.parametrize("data", [v4(length=0), v6(length=0)], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("cut", [0, 3])
def test_length_left_to_the_network_card(data, cut):
    rows, counts, _ = rows_of(Packet(ethernet(data)[: 14 + len(data) - cut], 0, 14 + len(data), 1))
    assert (rows.size.tolist(), rows.sent.tolist(), counts.malformed) == ([5 - cut], [5], 0)


FRAGMENTS = {
    "first": v4(TCP + bytes(7), fragment=0x2000),
    "last": v4(fragment=0x0010),
    "first, IPv6": v6(TCP + bytes(7), extensions=[(FRAGMENT, fragment(0, 1))]),
    "last, IPv6": v6(extensions=[(HOP_BY_HOP, options(8)), (FRAGMENT, fragment(9, 0))]),
}


@pytest.mark.parametrize("data", FRAGMENTS.values(), ids=FRAGMENTS)
def test_fragments_are_counted(data):
    rows, counts, _ = rows_of(data)
    assert (len(rows.row), counts) == (0, IpCounts(fragments=1))


def test_do_not_fragment_is_no_fragment():
    rows, counts, _ = rows_of(v4(fragment=0x4000))
    assert (len(rows.row), counts.fragments) == (1, 0)


NOT_TCP = {
    "UDP": v4(protocol=17),
    "ICMPv6": v6(protocol=58),
    "no next header": v6(protocol=NO_NEXT),
    "ESP": v6(protocol=ESP),
    "a fragment of ICMP": v4(protocol=1, fragment=0x0010),
    "too many extension headers": v6(extensions=[(DESTINATION, options(8))] * (limits.IPV6_EXTENSION_HEADERS + 1)),
}


@pytest.mark.parametrize("data", NOT_TCP.values(), ids=NOT_TCP)
def test_what_is_no_tcp_is_counted(data):
    rows, counts, _ = rows_of(data)
    assert (len(rows.row), counts) == (0, IpCounts(not_tcp=1))


MALFORMED = {
    "version 0": bytes([0x05]) + v4()[1:],
    "version 15": bytes([0xF5]) + v4()[1:],
    "header length below 5": bytes([0x44]) + v4()[1:],
    "header length beyond the end": bytes([0x4F]) + v4()[1:44],
    "total length below the headers": v4(length=39),
    "total length below the IP header": v4(length=7),
    "payload length below the TCP header": v6(length=19),
    "first fragment that leaves a hole": v4(fragment=0x2000),
    "first fragment that leaves a hole, IPv6": v6(extensions=[(FRAGMENT, fragment(0, 1))]),
    "fragment of nothing": v4(b"", fragment=0x0010),
    "fragment beyond 64 KiB": v4(bytes(8), fragment=0x1FFE),
    "fragment beyond 64 KiB, IPv6": v6(bytes(8), extensions=[(FRAGMENT, fragment(0x1FFF, 0))]),
    "data offset below 5": v4(TCP[:12] + b"\x40" + TCP[13:]),
    "data offset beyond the datagram": v4(TCP[:12] + b"\xf0" + TCP[13:]),
    "extension header cut off": v6(extensions=[(DESTINATION, options(64))])[:44],
    "extension header runs past the end": v6(extensions=[(DESTINATION, bytes([0, 255]) + bytes(6))]),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_contradictions_are_counted(data):
    rows, counts, _ = rows_of(data)
    assert (len(rows.row), counts) == (0, IpCounts(malformed=1))


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_no_prefix_raises(data):
    for size in range(len(data)):
        rows, counts, _ = rows_of(Packet(data[:size], original=len(data)))
        assert len(rows.row) + counts.malformed + counts.not_ip == 1, size
        assert rows.size.tolist() in ([], [max(0, size - len(data) + 5)])


def test_rows_stay_together():
    good = segment(True, 5, b"hello")
    rows, counts, _ = rows_of(MALFORMED["version 0"], good, NOT_TCP["UDP"], v6(), FRAGMENTS["first"], good)
    assert rows.row.tolist() == [1, 3, 5]
    assert rows.is_ipv6.tolist() == [False, True, False]
    assert np.array_equal(rows.sequence, [5, 77, 5])
    assert counts == IpCounts(not_tcp=1, fragments=1, malformed=1)


@given(
    st.sampled_from([*WHOLE.values(), *FRAGMENTS.values(), *MALFORMED.values()]),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6),
)
def test_damaged_headers_never_raise(data, changes):
    damaged = bytearray(data)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    streams = Streams((5672, 40000))
    events = [*streams.feed(batch([bytes(damaged)])), *streams.finish()]
    counts = streams.counts.ip
    assert sum(isinstance(event, StreamData) for event in events) <= 1
    assert counts.not_tcp + counts.fragments + counts.malformed + counts.not_ip <= 1
