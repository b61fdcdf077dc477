import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector.capture import PcapReader
from dissector.limits import PACKET_BYTES

from .build import PCAP_MICRO, PCAP_MODIFIED, PCAP_NANO, Packet, packets_of, pcap, split

NOW = 1_700_000_000 * 10**9
TIMES = st.integers(0, 2**32 - 1).flatmap(lambda s: st.integers(0, 999_999).map(lambda u: s * 10**9 + u * 1000))
PACKETS = st.lists(st.tuples(TIMES, st.binary(max_size=70)), max_size=12)


def read(pieces):
    reader = PcapReader()
    batches = [batch for piece in pieces for batch in reader.feed(piece)]
    batches += reader.finish()
    packets = packets_of(batches)
    assert reader.packets == len(packets)
    return packets, reader.notices


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("magic", "unit"), [(PCAP_MICRO, 1000), (PCAP_NANO, 1), (PCAP_MODIFIED, 1000)])
def test_byte_orders_and_units(order, magic, unit):
    time_ns = (2**32 - 1) * 10**9 + 999_999_999
    data = pcap([(NOW, b"first"), (time_ns, b""), (time_ns, b"third")], order=order, magic=magic)
    kept = time_ns // unit * unit
    assert read([data]) == ([Packet(NOW, 5, b"first"), Packet(kept, 0, b""), Packet(kept, 5, b"third")], [])


def test_snap_length_is_seen():
    data = pcap([]) + struct.pack("<IIII", 1, 2, 4, 1500) + b"abcd"
    assert read([data]) == ([Packet(1_000_002_000, 1500, b"abcd")], [])


@pytest.mark.parametrize(
    ("field", "link_type"),
    [(1, 1), (0x24000001, 1), (276, 276), (101, 101), (12, 101), (14, 101), (0xF000_0000 | 228, 228)],
)
def test_link_type_without_the_other_bits(field, link_type):
    assert read([pcap([(0, b"x")], link_type=field)])[0][0].link_type == link_type


@given(
    PACKETS,
    st.sampled_from("<>"),
    st.sampled_from((PCAP_MICRO, PCAP_NANO, PCAP_MODIFIED)),
    st.lists(st.integers(0, 1 << 16), max_size=8),
    st.integers(0, 100),
)
def test_the_cut_of_the_bytes_does_not_matter(packets, order, magic, cuts, lost):
    data = pcap(packets, order=order, magic=magic)
    data = data[: max(0, len(data) - lost)]
    whole = read([data])
    assert read(split(data, cuts)) == whole
    assert read([data[i : i + 1] for i in range(len(data))]) == whole
    if not lost:
        assert whole == ([Packet(time_ns, len(packet), packet) for time_ns, packet in packets], [])


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
def test_any_bytes_are_read_without_raising_and_alike(junk, cuts):
    data = pcap([(NOW, b"good")]) + junk
    packets, notices = read([data])
    assert packets[0] == Packet(NOW, 4, b"good")
    assert read(split(data, cuts)) == (packets, notices)


def test_bytes_that_are_no_pcap():
    assert read([b"#!/bin/sh\n" * 10]) == ([], ["not a classic pcap"])


@pytest.mark.parametrize(
    ("count", "lost", "notice"),
    [
        (3, 40, "the last record is cut off after 60 of 100 bytes; the 2 packets before it were read"),
        (2, 100, "the last record is cut off after 0 of 100 bytes; the 1 packet before it was read"),
        (1, 1, "the last record is cut off after 99 of 100 bytes; no packet came before it"),
        (3, 111, "the last record's header is cut off after 5 of 16 bytes; the 2 packets before it were read"),
        (0, 4, "the file header is cut off after 20 of 24 bytes"),
    ],
)
def test_a_file_cut_off_is_told(count, lost, notice):
    data = pcap([(NOW, b"p" * 100)] * count)[:-lost]
    packets, notices = read([data])
    assert packets == [Packet(NOW, 100, b"p" * 100)] * max(0, count - 1)
    assert notices == [notice]


def test_a_damaged_record_ends_the_file():
    good = [(NOW + i * 1000, bytes([i])) for i in range(5)]
    data = pcap(good) + struct.pack("<IIII", 1, 1, PACKET_BYTES + 1, 60) + bytes(PACKET_BYTES + 1)
    data += pcap([(NOW, b"never seen")])[24:]
    packets, notices = read([data])
    assert [packet.data for packet in packets] == [data for _, data in good]
    assert notices == ["damaged: a record claims 4,194,305 bytes; the 5 packets before it were read, nothing after it"]
    assert read(split(data, [30, 109, 110, 111, 120, 1 << 20])) == (packets, notices)


def test_the_largest_packet_that_is_believed():
    data = pcap([(NOW, bytes(PACKET_BYTES)), (NOW, b"next")])
    packets, notices = read([data[i : i + 65536] for i in range(0, len(data), 65536)])
    assert ([packet.original for packet in packets], notices) == ([PACKET_BYTES, 4], [])


def test_whole_records_come_at_once():
    reader = PcapReader()
    data = pcap([(NOW, b"one"), (NOW, b"two")])
    assert reader.feed(data[:24]) == []
    assert packets_of(reader.feed(data[24:45])) == [Packet(NOW, 3, b"one")]
    (batch,) = reader.feed(data[45:])
    assert (batch.first_number, batch.packet(0)) == (2, b"two")
