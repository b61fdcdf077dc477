"""Captures in tunnels and fragments, in any nesting, say what the plain capture says, packet by packet."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector import limits
from dissector.amqp import AmqpEvent, Dissection, Message
from dissector.capture import open_capture
from dissector.net import Streams
from dissector.net.ip import IpCounts
from dissector.net.segments import SegmentReader
from dissector.reading import Reading
from dissector.saving import Selection

from ..lab import truth
from .encapsulation import LINKS, TUNNELS, fragments, gre, vxlan
from .packets import ETHERNET, Packet, batch, batches, segment
from .pcap import payloads, theirs, write


def ip_packets(name):
    """The IP packets of a shipped capture on Ethernet, with their times."""
    with open_capture([str(truth.captures()[name])]) as capture:
        return [(some.packet(at)[14:], int(some.time_ns[at])) for some in capture for at in range(len(some))]


DEMO = ip_packets("demo")


def wrap(packet, tunnels, sizes, identification):
    """Put an IP packet into tunnels, each after it was cut into fragments where its size is not 0."""
    pieces = [packet]
    for depth, (tunnel, size) in enumerate(zip(tunnels, sizes, strict=True)):
        if size:
            pieces = [p for n, piece in enumerate(pieces) for p in fragments(piece, size, identification + 999 * n)]
        pieces = [TUNNELS[tunnel](piece) for piece in pieces] if tunnel else pieces
        assert depth < limits.TUNNELS
    return pieces


def messages_of(packet_batches) -> tuple[list[Message], IpCounts]:
    streams, dissection = Streams(), Dissection()
    events: list[AmqpEvent] = []
    for some in packet_batches:
        stream_events = streams.feed(some)
        events += dissection.feed(stream_events, streams.oldest_held)
    events += dissection.feed(streams.finish())
    messages = [event for event in events if isinstance(event, Message)]
    for message in messages:
        message.numbers = streams.with_fragments(message.numbers)
    return messages, streams.counts.ip


def said(message):
    return message.leg, message.method, message.properties, message.body, message.time_ns, message.connection


TUNNEL = st.sampled_from(list(TUNNELS))
SIZE = st.sampled_from([0, 0, 256, 1400])


@settings(max_examples=30)
@given(
    first=st.integers(0, len(DEMO) - 50),
    ways=st.lists(
        st.lists(st.tuples(TUNNEL, SIZE), max_size=2).flatmap(
            lambda way: st.one_of(st.just(way), SIZE.map(lambda size: [*way, ("", size)]))
        ),
        min_size=1,
        max_size=5,
    ),
    seed=st.integers(0, 999),
    cuts=st.lists(st.integers(0, 999), max_size=6),
)
def test_wrapped_packets_say_the_same(first, ways, seed, cuts):
    """Also with fragments in any order and captured twice."""
    dice = random.Random(seed)
    some = DEMO[first : first + 50]
    links = list(LINKS.values())
    packets: list[Packet] = []
    numbers: dict[int, set[int]] = {}
    completing: dict[int, int] = {}
    for number, (packet, time_ns) in enumerate(some, 1):
        way = dice.choice(ways)
        pieces = wrap(packet, [t for t, _ in way], [s for _, s in way], number)
        order = list(range(len(pieces)))
        if dice.random() < 0.3:
            dice.shuffle(order)
        seen: set[int] = set()
        for which in [*order, *order] if len(order) > 1 and dice.random() < 0.2 else order:
            if which not in seen:
                numbers.setdefault(number, set()).add(len(packets) + 1)
            if seen != (seen := seen | {which}) and len(seen) == len(pieces):
                completing[len(packets) + 1] = number
            packets.append(Packet(dice.choice(links)(pieces[which]), time_ns, link_type=ETHERNET))
    plain, _ = messages_of([batch([Packet(packet, time_ns) for packet, time_ns in some])])
    for each in ((), cuts, range(len(packets))):
        found, counts = messages_of(batches(packets, each))
        assert [said(message) for message in found] == [said(message) for message in plain]
        assert counts == IpCounts()
        for mine, theirs_ in zip(found, plain, strict=True):
            assert completing[mine.number] == theirs_.number
            assert set(mine.numbers) == set().union(*(numbers[number] for number in theirs_.numbers))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(TUNNEL, SIZE), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 300), st.integers(0, 255)), min_size=1, max_size=8),
    st.lists(st.integers(0, 60), max_size=5),
)
def test_damaged_packets_never_raise_and_are_counted(way, changes, cuts):
    pieces = [p for n in range(4) for p in wrap(DEMO[40 + n][0], [t for t, _ in way], [s for _, s in way], n)]
    for which, at, value in changes:
        damaged = bytearray(pieces[which % len(pieces)])
        damaged[at % len(damaged)] = value
        pieces[which % len(pieces)] = bytes(damaged)
    expected = read(batches(pieces, range(len(pieces))))
    for each in ((), cuts):
        assert read(batches(pieces, each)) == expected
    found, counts = expected
    told = counts.not_ip + counts.not_tcp + counts.malformed + counts.fragments + counts.too_deep
    assert told + len(found) <= len(pieces)


def read(packet_batches):
    reader, found = SegmentReader(IpCounts()), []
    for some in packet_batches:
        columns, rows = reader.feed(some)
        found += [
            (some.first_number + row, columns.buffer[at : at + size])
            for row, at, size in zip(rows.row.tolist(), rows.payload.tolist(), rows.size.tolist(), strict=True)
        ]
    return found, reader.counts


def test_depth_is_that_of_tunnels():
    data = segment(True, 1, b"hello" * 100)
    for depth in range(limits.TUNNELS + 2):
        pieces = [data]
        for n in range(depth):
            pieces = [vxlan(p) for at, piece in enumerate(pieces) for p in fragments(piece, 256 + 64 * n, at)]
        found, counts = read([batch(pieces)])
        assert len(found) == (depth <= limits.TUNNELS), depth
        assert counts.too_deep == (depth > limits.TUNNELS) * 3


def test_small_fragments_need_not_be_cut_again():
    """Only what is too large for the outer path comes in fragments there: the others come on a shorter way."""
    first, last = fragments(segment(True, 1, b"x" * 1500), 1480)
    outer = fragments(vxlan(first), 1480)
    assert len(outer) == 2
    for cuts in ((), range(3)):
        found, counts = read(batches([*outer, vxlan(last)], cuts))
        assert (found, counts) == ([(3, b"x" * 1500)], IpCounts())


def test_wrapped_capture_is_read_and_saved_whole(tmp_path):
    """What is saved of a message has all fragments, and so can be read again."""
    packets = []
    for number, (packet, time_ns) in enumerate(DEMO):
        for at, piece in enumerate(wrap(packet, ["VXLAN", ""], [0, 400], number)):
            packets.append(Packet(LINKS["Ethernet"](piece), time_ns + at, link_type=ETHERNET))
    path = write(tmp_path / "wrapped.pcap", packets)
    reading, selection = Reading([path]), Selection()
    messages = [event for event in reading if isinstance(event, Message)]
    kept = [message for message in messages if message.leg == "publish" and len(message.body) > 800]
    assert len(kept) > 15
    assert reading.completeness.missing() == []
    for message in kept:
        selection.choose(message)
    small = tmp_path / "small.pcapng"
    with small.open("wb") as file:
        selection.save([path], file)
    again = [event for event in Reading([small]) if isinstance(event, Message)]
    assert [m.body for m in kept] == [m.body for m in again if m.body in {k.body for k in kept}]


def test_closing_line_tells_what_was_not_put_together(tmp_path):
    whole = segment(True, 1, b"x" * 900)
    deep = whole
    for _ in range(limits.TUNNELS + 1):
        deep = gre(deep, 0x0800)
    first, last = fragments(whole, 512)
    other = first[:-1] + b"y"
    path = write(tmp_path / "odd.pcap", [Packet(p) for p in (first, deep, other, last)])
    reading = Reading([path])
    list(reading)
    assert reading.completeness.missing() == [
        "3 IP fragments not put together",
        "1 datagram whose IP fragments contradict each other",
        f"1 packet in more than {limits.TUNNELS} tunnels",
    ]


@pytest.mark.tshark
def test_tshark_finds_the_same(tmp_path):
    dice = random.Random(3)
    packets = []
    for number, (packet, _) in enumerate(DEMO):
        depth = dice.choice([1, 1, 2])
        tunnels = [dice.choice(list(TUNNELS)) for _ in range(depth)]
        pieces = wrap(packet, [*tunnels, ""], [dice.choice([0, 0, 600]) for _ in range(depth + 1)], number)
        link = dice.choice(list(LINKS.values()))
        packets += [Packet(link(piece), len(packets) * 10**6, link_type=ETHERNET) for piece in pieces]
    path = write(tmp_path / "wrapped.pcap", packets)
    expected = theirs(path)
    assert len(expected) > 600
    assert payloads(path) == expected
