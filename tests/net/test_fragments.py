"""Fragments: any order, twice, contradicting, hostile; what is held is bounded, what is not put together is counted."""

import itertools
import random
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP
from scapy.layers.inet import fragment as scapy_fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6

from dissector import limits
from dissector.net import Streams
from dissector.net.fragments import FragmentTable, read_fragment
from dissector.net.ip import IpCounts
from dissector.net.segments import SegmentReader

from .encapsulation import fragment, fragments
from .packets import (
    ACK,
    BROKER_6,
    CLIENT_6,
    PSH,
    SECOND,
    Packet,
    batches,
    events_of,
    one,
    provenance,
    segment,
    single,
)
from .pcap import payloads, theirs, write

TEXT = bytes(range(200)) * 5
FOUR = segment(True, 77, TEXT, flags=ACK | PSH)
SIX = segment(True, 77, TEXT, client=CLIENT_6, broker=BROKER_6)
BOTH = pytest.mark.parametrize("whole", [FOUR, SIX], ids=["IPv4", "IPv6"])


def read(*packets, cuts=None):
    """The segments of packets as (packet, sequence number, payload, bytes sent), and the counts."""
    reader, found = SegmentReader(IpCounts()), []
    for some in single(packets) if cuts is None else batches(packets, cuts):
        columns, rows = reader.feed(some)
        for row, sequence, at, size, sent in zip(
            *(c.tolist() for c in (rows.row, rows.sequence, rows.payload, rows.size, rows.sent)), strict=True
        ):
            found.append((some.first_number + row, sequence, columns.buffer[at : at + size], sent))
    return found, reader.counts


@BOTH
@pytest.mark.parametrize("size", [8, 16, 24, 400, 1016])
@pytest.mark.parametrize("cuts", [None, (), (1, 5)], ids=["each", "one", "some"])
def test_fragments_are_put_together(whole, size, cuts):
    pieces = fragments(whole, size)
    found, counts = read(*pieces, cuts=cuts)
    assert found == [(len(pieces), 77, TEXT, len(TEXT))]
    assert counts == IpCounts()


@BOTH
@given(order=st.permutations(range(6)), again=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99)), max_size=5))
def test_any_order_and_captured_twice(whole, order, again):
    pieces = fragments(whole, 176)
    assert len(pieces) == 6
    sent = list(order)
    for which, at in again:
        sent.insert(at, which)
    seen: set[int] = set()
    completing = next(at for at, which in enumerate(sent) if seen.add(which) or len(seen) == 6) + 1
    for cuts in (None, ()):
        found, counts = read(*(pieces[which] for which in sent), cuts=cuts)
        assert found == [(completing, 77, TEXT, len(TEXT))]
        assert counts == IpCounts()


def test_as_scapy_makes_them():
    four = [bytes(p) for p in scapy_fragment(IP(FOUR), 200)]
    packet = IPv6(SIX)
    headed = IPv6(src=packet.src, dst=packet.dst) / IPv6ExtHdrFragment() / packet.payload
    six = [bytes(p) for p in fragment6(headed, 300)]
    found, counts = read(*(p for pair in itertools.zip_longest(four, six) for p in pair if p))
    assert [payload for _, _, payload, _ in found] == [TEXT, TEXT]
    assert counts == IpCounts()


def test_datagrams_are_told_apart():
    """By addresses, identification and protocol; with IPv6 not by protocol."""
    texts = [bytes([65 + n]) * 100 for n in range(8)]
    wholes = [segment(n % 2 == 0, 5, text, client=("10.0.0.1", 40000 + n // 4)) for n, text in enumerate(texts)]
    pieces = [fragments(whole, 64, n // 2) for n, whole in enumerate(wholes)]
    found, counts = read(*itertools.chain.from_iterable(zip(*pieces, strict=True)))
    assert [payload for _, _, payload, _ in found] == texts
    other = fragment(FOUR[:9] + b"\x11" + FOUR[10:], 0, bytes(512), True)
    found, counts = read(other, *fragments(FOUR, 512))
    assert (len(found), counts.fragments) == (1, 1)
    first, last = fragments(SIX, 512)
    found, _ = read(first, last[:40] + b"\x11" + last[41:])
    assert len(found) == 1, "the first fragment says the protocol (RFC 8200, 4.5)"


@BOTH
def test_what_is_incomplete_is_counted(whole):
    pieces = fragments(whole, 400)
    for lost in range(3):
        found, counts = read(*(p for at, p in enumerate(pieces) if at != lost))
        assert (found, counts) == ([], IpCounts(fragments=2))


@BOTH
@pytest.mark.parametrize("begin", [0, 392, 400, 408, 792])
@pytest.mark.parametrize("place", range(4))
def test_contradicting_bytes_are_never_mixed(whole, begin, place):
    """The datagram is given up (RFC 5722); its rest waits in vain, or completes nothing that was not sent."""
    pieces = fragments(whole, 400)
    false = fragment(whole, begin, b"\xff" * 16, True)
    sent = [*pieces[:place], false, *pieces[place:]]
    found, counts = read(*sent)
    if place == 3:  # whole before it came
        assert ([payload for _, _, payload, _ in found], counts) == ([TEXT], IpCounts(fragments=1))
    else:
        assert found == []
        assert counts.contradictions == 1
        assert counts.fragments == 4


@BOTH
def test_overlaps_that_agree(whole):
    """As where a path was cut smaller behind the one interface and before the other."""
    pieces = fragments(whole, 400) + fragments(whole, 304)
    for seed in range(20):
        random.Random(seed).shuffle(pieces)
        found, counts = read(*pieces)
        assert {payload for _, _, payload, _ in found} == {TEXT}
        assert (counts.contradictions, counts.malformed) == (0, 0)


@BOTH
def test_ends_that_contradict_each_other(whole):
    size = len(whole) - (20 if whole is FOUR else 40)
    last = fragment(whole, 800, whole[-(size - 800) :], False)
    for other in (
        fragment(whole, 800, bytes(8), False),  # another end
        fragment(whole, 1200, bytes(8), False),
        fragment(whole, 1200, bytes(8), True),  # more behind the end
    ):
        for both in ((last, other), (other, last)):
            found, counts = read(*both)
            assert (found, counts) == ([], IpCounts(fragments=2, contradictions=1))


def test_the_snap_length_cuts_fragments():
    first, second, third = fragments(FOUR, 400)
    cut = [Packet(p[:120], 0, len(p)) for p in (first, second, third)]
    found, counts = read(cut[0], second, third)
    assert found == [(3, 77, TEXT[:80], len(TEXT))]
    found, counts = read(first, second, cut[2])
    assert found == [(3, 77, TEXT[: 780 + 100], len(TEXT))]
    found, counts = read(*cut)
    assert found == [(3, 77, TEXT[:80], len(TEXT))]
    assert counts == IpCounts()
    headless = Packet(first[:30], 0, len(first))
    assert read(headless, second, third) == ([], IpCounts(malformed=1))


@BOTH
def test_identification_comes_round(whole):
    """A lost rest does not meet the fragments of a later datagram."""
    first, second, third = fragments(whole, 400)
    later = limits.FRAGMENT_NS + 1
    found, counts = read(Packet(first), Packet(second, later), Packet(third, later))
    assert (found, counts) == ([], IpCounts(fragments=3))
    found, _ = read(Packet(first), Packet(second, later - 1), Packet(third, later - 1))
    assert len(found) == 1
    # Of two whole ones the second is no copy of the first.
    other = segment(True, 1077, TEXT, **({} if whole is FOUR else {"client": CLIENT_6, "broker": BROKER_6}))
    found, counts = read(first, second, third, *fragments(other, 400))
    assert [(number, sequence) for number, sequence, _, _ in found] == [(3, 77), (6, 1077)]
    assert counts == IpCounts()


def test_clock_steps_back():
    first, second, third = fragments(FOUR, 400)
    found, counts = read(Packet(first, 100 * SECOND), Packet(second, 90 * SECOND), Packet(third, 3 * SECOND))
    assert (len(found), counts) == (1, IpCounts())


# -- bounds ------------------------------------------------------------------------------------------------------------


def flood(table, counts, count, data, begin=lambda n: 0):
    for n in range(count):
        raw = fragment(FOUR, begin(n), data, True, n)
        got = read_fragment(raw, 0, 20, len(raw), len(raw), is_ipv6=False)
        assert table.add(got, (n + 1,), n) is None
    return table, counts


def test_flood_of_datagrams_is_bounded():
    counts = IpCounts()
    table, _ = flood(FragmentTable(counts), counts, limits.FRAGMENTED_DATAGRAMS + 500, bytes(8))
    assert len(table) == limits.FRAGMENTED_DATAGRAMS
    assert counts.fragments == limits.FRAGMENTED_DATAGRAMS + 500


def test_flood_of_bytes_is_bounded():
    counts = IpCounts()
    table, _ = flood(FragmentTable(counts), counts, 3000, bytes(1480))
    assert limits.FRAGMENT_BYTES - 2000 < table.held <= limits.FRAGMENT_BYTES
    assert len(table) < 3000


def test_tiny_fragments_are_bounded():
    counts = IpCounts()
    table = FragmentTable(counts)
    whole = fragments(segment(True, 1, bytes(60_000)), 8)
    for n, raw in enumerate(reversed(whole)):
        table.add(read_fragment(raw, 0, 20, len(raw), len(raw), is_ipv6=False), (n + 1,), 0)
        assert table.held <= (limits.DATAGRAM_FRAGMENTS + 1) * 500
    assert counts.fragments == len(whole)


def test_lying_lengths_cost_no_time():
    """Small packets that claim to have all of a datagram, over many small fragments: each is looked at in no time."""
    counts = IpCounts()
    table = FragmentTable(counts)
    for raw in fragments(segment(True, 1, bytes(8 * limits.DATAGRAM_FRAGMENTS)), 8)[: limits.DATAGRAM_FRAGMENTS]:
        table.add(read_fragment(raw, 0, 20, len(raw), len(raw), is_ipv6=False), (1,), 0)
    raw = fragment(FOUR, 8, b"", True)
    liar = read_fragment(raw, 0, 20, len(raw), 20 + 8 * (limits.DATAGRAM_FRAGMENTS - 1), is_ipv6=False)
    began = time.process_time()
    for _ in range(5000):
        assert table.add(liar, (2,), 0) is None
    assert time.process_time() - began < 5
    assert counts.fragments == limits.DATAGRAM_FRAGMENTS + 5000


def test_largest_datagram():
    whole = segment(True, 1, bytes(65_000))
    pieces = fragments(whole, 512)
    found, counts = read(*reversed(pieces), cuts=())
    assert len(pieces) == limits.DATAGRAM_FRAGMENTS - 1
    assert found == [(len(pieces), 1, bytes(65_000), 65_000)]
    assert counts == IpCounts()


def test_nothing_stays_held_of_what_was_put_together():
    counts = IpCounts()
    table = FragmentTable(counts)
    for n in range(3000):
        for raw in fragments(FOUR, 400, n):
            table.add(read_fragment(raw, 0, 20, len(raw), len(raw), is_ipv6=False), (n,), n)
    assert (len(table), table.held, counts.fragments) == (0, 0, 0)


@BOTH
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([*range(0, 64, 8), 5, 65528, 70000]),
            st.integers(0, 40),
            st.booleans(),
            st.integers(0, 2),
            st.integers(0, 3).map(lambda n: n * limits.FRAGMENT_NS // 2),
            st.integers(0, 1),
        ),
        max_size=30,
    ),
    st.lists(st.integers(0, 30), max_size=6),
)
def test_wild_fragments_in_any_batches(whole, wild, cuts):
    """Never raises, counts each packet once at most, and does not depend on batches."""
    packets, now = [], 0
    for identification, begin, size, more, cut, wait, other in wild:
        now += wait
        data = (whole[20 if whole is FOUR else 40 :])[begin : begin + size] if not other else bytes([other]) * size
        try:
            raw = fragment(whole, begin, data, more, identification)
        except struct.error:  # no such offset fits the field
            continue
        packets.append(Packet(raw[: len(raw) - cut], now, len(raw)))
    expected, counts = read(*packets)
    assert read(*packets, cuts=()) == (expected, counts)
    assert read(*packets, cuts=cuts) == (expected, counts)
    told = counts.not_ip + counts.not_tcp + counts.malformed + counts.fragments + counts.too_deep
    assert told + len(expected) <= len(packets)


# -- in streams --------------------------------------------------------------------------------------------------------


def test_bytes_are_of_the_packet_that_completed_them():
    pieces = fragments(FOUR, 400)
    packets = [pieces[2], pieces[0], segment(False, 1, b"x"), pieces[1], segment(True, 77 + len(TEXT), b"next")]
    for cuts in ((), range(5)):
        events = events_of(batches(packets, cuts))
        assert one(events) == [TEXT + b"next"]
        assert provenance(events) == [(byte, 4, 4) for byte in TEXT] + [(byte, 5, 5) for byte in b"next"]


def test_all_packets_of_fragments_are_named():
    streams = Streams()
    first = fragments(FOUR, 400)
    second = fragments(segment(True, 1077, b"y" * 300), 80, 8)
    packets = [*first[:2], second[1], first[2], second[0], second[2], second[1], second[3]]
    for some in single(packets):
        streams.feed(some)
    assert streams.with_fragments((4,)) == (1, 2, 4)
    assert streams.with_fragments((4, 8)) == (1, 2, 3, 4, 5, 6, 8)
    assert streams.with_fragments((5, 7)) == (5, 7)


def test_names_are_forgotten_far_back(monkeypatch):
    monkeypatch.setattr(limits, "FRAGMENTED_PACKETS", 10)
    streams = Streams()
    packets = fragments(FOUR, 400) + [segment(True, 1077 + n, b"x") for n in range(30)]
    for some in batches(packets, range(0, 40, 4)):
        streams.feed(some)
        for last in range(max(some.first_number, 4), some.first_number + len(some)):
            assert streams.with_fragments((3, last)) == ((1, 2, 3, last) if last < 13 else (3, last))


@pytest.mark.tshark
def test_tshark_finds_the_same(tmp_path):
    dice = random.Random(9)
    packets, sequence = [], 1
    for n in range(120):
        data = bytes([n]) * dice.randrange(1, 3000)
        ends = {} if n % 3 else {"client": CLIENT_6, "broker": BROKER_6}
        pieces = fragments(segment(True, sequence, data, **ends), dice.choice([64, 256, 1400]), n)
        if n % 5 == 0:
            pieces.reverse()
        if n % 7 == 0:
            del pieces[dice.randrange(len(pieces))]
        packets += [Packet(p, (len(packets) + at) * 1000) for at, p in enumerate(pieces)]
        sequence += len(data)
    path = write(tmp_path / "fragments.pcap", packets)
    expected = theirs(path)
    assert len(expected) > 100
    assert payloads(path) == expected
