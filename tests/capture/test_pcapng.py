import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector.capture import PcapngReader
from dissector.limits import PACKET_BYTES, PCAPNG_BLOCK_BYTES, PCAPNG_INTERFACES

from .build import (
    ENHANCED,
    INTERFACE,
    NAMES,
    STATISTICS,
    Packet,
    block,
    enhanced,
    interface,
    obsolete,
    packets_of,
    section,
    simple,
    split,
    statistics,
)

NOW_US = 1_700_000_000_123_456
NOW = NOW_US * 1000
DATA = st.binary(max_size=30)


def read(pieces):
    reader = PcapngReader()
    batches = [batch for piece in pieces for batch in reader.feed(piece)]
    batches += reader.finish()
    packets = packets_of(batches)
    assert reader.packets == len(packets)
    return packets, reader.notices, reader.drops


@pytest.mark.parametrize("order", "<>")
def test_all_packet_blocks_in_file_order(order):
    data = section(order) + interface(order, link_type=113, snap_length=8)
    data += enhanced(NOW_US, b"first", order, original=1500, comment=b"hello")
    data += obsolete(NOW_US + 1, b"second", order) + simple(b"thirdly ", order, original=99)
    data += simple(b"4", order) + enhanced(NOW_US + 2, b"", order)
    assert read([data]) == (
        [
            Packet(NOW, 1500, b"first", 113),
            Packet(NOW + 1000, 6, b"second", 113),
            Packet(0, 99, b"thirdly ", 113),
            Packet(0, 1, b"4", 113),
            Packet(NOW + 2000, 0, b"", 113),
        ],
        [],
        None,
    )


def test_sections_of_both_byte_orders_and_wrong_lengths():
    data = section("<", length=4) + interface("<", link_type=1) + enhanced(NOW_US, b"little", "<")
    data += section(">", length=1 << 40) + interface(">", link_type=276) + enhanced(NOW_US, b"big", ">")
    data += section("<", length=0) + interface("<", link_type=101) + enhanced(NOW_US, b"again", "<")
    packets, notices, _ = read([data])
    assert [(packet.data, packet.link_type) for packet in packets] == [(b"little", 1), (b"big", 276), (b"again", 101)]
    assert notices == []


@pytest.mark.parametrize(
    ("resolution", "ticks", "time_ns"),
    [
        (None, NOW_US, NOW),
        (0, 1_700_000_000, 1_700_000_000 * 10**9),
        (3, 1_700_000_000_123, 1_700_000_000_123 * 10**6),
        (6, NOW_US, NOW),
        (9, NOW + 7, NOW + 7),
        (12, 12_345_678_901_234_567_890, 12_345_678_901_234_567),
        (30, 12_345_678_901_234_567_890, 0),
        (0x80, 1_700_000_000, 1_700_000_000 * 10**9),
        (0x80 | 10, (1_700_000_000 << 10) + 513, 1_700_000_000 * 10**9 + 513 * 10**9 // 1024),
        (0x80 | 32, (1_700_000_000 << 32) + 3, 1_700_000_000 * 10**9),
        (0x80 | 127, 2**64 - 1, 0),
        (0, 2**64 - 1, 1 << 62),
    ],
)
def test_clock_resolutions(resolution, ticks, time_ns):
    data = section() + interface(resolution=resolution) + enhanced(ticks, b"x")
    assert read([data])[0][0].time_ns == time_ns


def test_clock_offsets_and_several_interfaces():
    data = section() + interface(link_type=1, offset_s=1_700_000_000)
    data += interface(link_type=113, resolution=9) + interface(link_type=101, resolution=0x80 | 20, offset_s=-1)
    data += b"".join(enhanced(5 << 20, b"%d" % i, number=i % 3) for i in range(6))
    expected = {0: (1_700_000_000 * 10**9 + (5 << 20) * 1000, 1), 1: (5 << 20, 113), 2: (4 * 10**9, 101)}
    packets, notices, _ = read([data])
    assert [(p.time_ns, p.link_type) for p in packets] == [expected[i % 3] for i in range(6)]
    assert notices == []
    extreme = section() + interface(offset_s=2**63 - 1) + enhanced(2**64 - 1, b"x")
    assert len(read([extreme])[0]) == 1


def test_a_packet_of_an_interface_not_yet_described_is_skipped_and_told():
    data = section() + interface(link_type=1) + enhanced(1, b"early", number=1) + enhanced(2, b"fine")
    data += interface(link_type=113) + enhanced(3, b"now", number=1)
    packets, notices, _ = read([data])
    assert [packet.data for packet in packets] == [b"fine", b"now"]
    assert notices == ["damaged packet blocks skipped: 1"]


def test_blocks_that_contradict_themselves_are_skipped_and_told():
    lying = struct.pack("<IIIII", 0, 0, 0, 100, 100) + b"short"
    huge = struct.pack("<IIIII", 0, 0, 0, PACKET_BYTES + 1, 9) + bytes(PACKET_BYTES + 4)
    data = section() + interface() + block(ENHANCED, lying) + block(ENHANCED, b"") + block(ENHANCED, huge)
    data += enhanced(1, b"good")
    packets, notices, _ = read([data])
    assert ([packet.data for packet in packets], notices) == ([b"good"], ["damaged packet blocks skipped: 3"])


def test_unknown_blocks_are_skipped():
    data = block(0x0BAD, b"vendor") + block(0x4000_0BAD, b"") + block(NAMES, bytes(500)) + block(10, bytes(70000))
    data = section() + data + interface() + data + enhanced(1, b"a") + data + enhanced(2, b"b") + data
    assert [packet.data for packet in read([data])[0]] == [b"a", b"b"]


def test_statistics_are_the_latest_of_each_interface_summed():
    data = section() + interface() + interface() + statistics(ifdrop=3) + statistics(ifdrop=5, osdrop=2)
    data += statistics(number=1) + statistics(number=9, ifdrop=100)
    assert read([data])[2] == 7
    data += statistics(number=1, osdrop=10) + section(">") + interface(">") + statistics(">", osdrop=0)
    assert read([data])[2] == 17
    assert read([section() + interface() + statistics()])[2] is None


@pytest.mark.parametrize(
    ("tail", "what"),
    [
        (struct.pack("<II", 6, 0) + bytes(40), "a block claims 0 bytes"),
        (struct.pack("<II", 6, 35) + bytes(40), "a block claims 35 bytes"),
        (struct.pack("<II", 99, PCAPNG_BLOCK_BYTES + 4) + bytes(40), "a block claims 67,108,868 bytes"),
        (section(major=2), "a section of version 2, which is unknown"),
        (struct.pack("<III", 0x0A0D0D0A, 28, 0) + bytes(40), "a block claims 0 bytes"),
        (block(0x0A0D0D0A, b"\x4d\x3c\x2b\x1a"), "a section header that is none"),
    ],
)
def test_damage_ends_the_file(tail, what):
    data = section() + interface() + enhanced(1, b"good") + tail + enhanced(2, b"never seen")
    packets, notices, _ = read([data])
    assert [packet.data for packet in packets] == [b"good"]
    assert notices == [f"damaged: {what}; the 1 packet before it was read, nothing after it"]
    assert read([data[i : i + 1] for i in range(len(data))])[:2] == (packets, notices)


@pytest.mark.parametrize(
    ("lost", "notice"),
    [
        (4, "the last block is cut off after 36 of 40 bytes; the 1 packet before it was read"),
        (33, "the last block is cut off after 7 bytes; the 1 packet before it was read"),
    ],
)
def test_a_file_cut_off_is_told(lost, notice):
    data = (section() + interface() + enhanced(1, b"goodgood") + enhanced(2, b"cut off!"))[:-lost]
    packets, notices, _ = read([data])
    assert ([packet.data for packet in packets], notices) == ([b"goodgood"], [notice])


def test_more_interfaces_than_are_remembered():
    data = section() + interface() * (PCAPNG_INTERFACES + 3)
    data += enhanced(1, b"last", number=PCAPNG_INTERFACES - 1) + enhanced(1, b"gone", number=PCAPNG_INTERFACES)
    packets, notices, _ = read([data])
    assert [packet.data for packet in packets] == [b"last"]
    assert len(notices) == 2
    assert "65,536 interfaces" in notices[0]


def test_descriptions_that_are_too_short():
    data = section() + block(INTERFACE, b"\1\0") + block(STATISTICS, bytes(8)) + enhanced(1, b"good")
    assert read([data]) == ([Packet(1000, 4, b"good", 0)], [], None)


ORDERS = st.sampled_from("<>")
NUMBERS = st.integers(0, 2)
BLOCKS = st.one_of(
    st.builds(
        lambda ticks, data, n: lambda o: enhanced(ticks, data, o, number=n), st.integers(0, 2**60), DATA, NUMBERS
    ),
    st.builds(
        lambda ticks, data, n: lambda o: obsolete(ticks, data, o, number=n), st.integers(0, 2**60), DATA, NUMBERS
    ),
    st.builds(lambda data: lambda o: simple(data, o), DATA),
    st.builds(
        lambda link, res, offset: lambda o: interface(o, link_type=link, resolution=res, offset_s=offset),
        st.integers(0, 300),
        st.integers(0, 255),
        st.none() | st.integers(-(2**63), 2**63 - 1),
    ),
    st.builds(lambda n, drops: lambda o: statistics(o, number=n, ifdrop=drops), NUMBERS, st.integers(0, 2**64 - 1)),
    st.builds(lambda body: lambda o: block(0x1234, body, o), DATA),
    st.builds(lambda junk: lambda o: junk, st.binary(max_size=20)),
)
SECTIONS = st.lists(st.tuples(ORDERS, st.lists(BLOCKS, max_size=8)), min_size=1, max_size=3)


@given(SECTIONS, st.lists(st.integers(0, 1 << 16), max_size=8))
def test_the_cut_of_the_bytes_does_not_matter(sections, cuts):
    data = b"".join(section(order) + b"".join(make(order) for make in blocks) for order, blocks in sections)
    whole = read([data])
    assert read(split(data, cuts)) == whole
    assert read([data[i : i + 1] for i in range(len(data))]) == whole
