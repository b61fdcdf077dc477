"""Connections in batches: keys, roles, numbers, port reuse, counts; and that batches do not matter."""

import itertools
import random
import struct
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector import limits
from dissector.net import Endpoint, Malformed, StreamData, StreamEnd, StreamGap, Streams, flows

from .packets import (
    ACK,
    BROKER,
    BROKER_6,
    CLIENT,
    CLIENT_6,
    FIN,
    RST,
    SYN,
    Packet,
    batch,
    batches,
    events_of,
    joined,
    one,
    segment,
    single,
)


@pytest.fixture(params=[batches, single], ids=["one batch", "batches of one"])
def cut(request):
    return request.param


def c(sequence, data=b"", **more):
    return segment(True, sequence, data, **more)


def b(sequence, data=b"", **more):
    return segment(False, sequence, data, **more)


def connections(events):
    return sorted({(e.connection.stream, str(e.connection)) for e in events})


# -- who talks to whom -------------------------------------------------------------------------------------


def test_ipv4_and_ipv6_with_the_same_ports(cut):
    # The IPv6 addresses are ::10.0.0.1 and ::10.0.0.2: as numbers they are those of the IPv4 addresses.
    six = {"client": ("::a00:1", CLIENT[1]), "broker": ("::a00:2", BROKER[1])}
    events = events_of(cut([c(1, b"ab"), c(1, b"AB", **six), c(3, b"cd"), b(1, b"12"), b(1, b"34", **six)]))
    said = {key: items[0] for key, items in joined(events).items()}
    assert said == {(0, True): b"abcd", (1, True): b"AB", (0, False): b"12", (1, False): b"34"}
    assert [name for _, name in connections(events)] == [
        "10.0.0.1:40000 -> 10.0.0.2:5672",
        "[::a00:1]:40000 -> [::a00:2]:5672",
    ]


@pytest.mark.parametrize(
    "first",
    [
        c(1, flags=SYN),
        b(1, ack=5, flags=SYN | ACK),
        c(1, b"x"),
        b(1, b"x"),
        b(1, flags=RST | ACK),
    ],
    ids=["SYN", "SYN-ACK", "client's data", "broker's data", "broker's RST"],
)
def test_roles(cut, first):
    events = events_of(cut([first, c(5, b"y"), b(9, b"z")]))
    assert {e.connection.client for e in events} == {Endpoint(*CLIENT)}
    assert all(e.connection.sender(e.from_client) == Endpoint(*CLIENT) for e in events if e.from_client)


def test_roles_by_the_first_to_speak_where_both_ports_are_watched(cut):
    ends = {"client": ("10.0.0.9", 5672), "broker": ("10.0.0.1", 5672)}
    event = next(event for event in events_of(cut([c(1, b"x", **ends)])) if isinstance(event, StreamData))
    assert (event.connection.client, event.from_client) == (Endpoint("10.0.0.9", 5672), True)


def test_role_by_the_syn_where_the_client_has_the_watched_port(cut):
    ends = {"client": ("10.0.0.9", 5672), "broker": ("10.0.0.1", 40000)}
    (event, *_) = events_of(cut([c(1, flags=SYN, **ends), c(2, b"x", **ends)]))
    assert event.connection.client == Endpoint("10.0.0.9", 5672)


@pytest.mark.parametrize(("ports", "expected"), [((5672,), [0]), ((5671,), [1]), ((5671, 5672), [0, 1]), ((1,), [])])
def test_ports(cut, ports, expected):
    other = {"broker": ("10.0.0.2", 5671)}
    events = events_of(cut([c(1, b"x"), c(1, b"y", **other)]), ports=ports)
    assert [stream for stream, _ in connections(events)] == expected


def test_counts():
    streams = Streams()
    packets = [c(1, b"x"), b(1), c(1, b"x", broker=("10.0.0.2", 80)), c(1, b"x", client=("10.0.0.1", 40001))]
    for some in batches(packets, [1, 2]):
        streams.feed(some)
    counts = streams.counts
    assert (counts.packets, counts.segments, counts.connections, counts.evicted) == (4, 3, 2, 0)


def test_empty_batches():
    streams = Streams()
    assert list(streams.feed(batch([]))) == []
    assert list(streams.finish()) == []


# -- ports that are used again -------------------------------------------------------------------------------

OPEN = [c(10, flags=SYN), b(50, ack=11, flags=SYN | ACK), c(11, b"first"), b(51, b"FIRST")]
AGAIN = [c(9000, flags=SYN), b(7000, ack=9001, flags=SYN | ACK), c(9001, b"second"), b(7001, b"SECOND")]
CLOSE = [c(16, flags=FIN | ACK), b(56, flags=FIN | ACK)]


@pytest.mark.parametrize(
    ("close", "reasons"), [([], ["reused"] * 2), (CLOSE, ["fin"] * 2), ([c(16, flags=RST)], ["rst"] * 2)]
)
@pytest.mark.parametrize("cuts", [[], [1], [2], [3], [4], [5], [6], [7], range(12)])
def test_reuse(close, reasons, cuts):
    events = events_of(batches([*OPEN, *close, *AGAIN], cuts))
    assert {key: items[0] for key, items in joined(events).items()} == {
        (0, True): b"first",
        (0, False): b"FIRST",
        (1, True): b"second",
        (1, False): b"SECOND",
    }
    assert [e.reason for e in events if isinstance(e, StreamEnd)] == reasons + ["capture_end"] * 2
    assert all(e.at_start for e in events if isinstance(e, StreamData) and len(cuts) == 0)


def test_reuse_gives_up_what_is_missing(cut):
    said = joined(events_of(cut([*OPEN, c(20, b"held"), *AGAIN])))
    assert said[0, True] == [b"first", ("gap", 4, 5), b"held", ("end", "reused", 6)]


def test_reuse_by_the_other_side(cut):
    back = [b(9000, flags=SYN), c(7000, ack=9001, flags=SYN | ACK), b(9001, b"x")]
    events = events_of(cut([*OPEN, *back]))
    assert {str(e.connection.client) for e in events if e.connection.stream == 1} == {"10.0.0.2:5672"}


def test_syn_ack_with_another_number_opens_nothing(cut):
    said = joined(events_of(cut([*OPEN, b(900, ack=11, flags=SYN | ACK), c(16, b"on")])))
    assert {key: items[0] for key, items in said.items()} == {(0, True): b"firston", (0, False): b"FIRST"}


def test_three_connections_in_a_row(cut):
    third = [c(100, flags=SYN), c(101, b"third")]
    said = joined(events_of(cut([*OPEN, *AGAIN, *third])))
    assert [said[stream, True][0] for stream in range(3)] == [b"first", b"second", b"third"]


# -- too many connections --------------------------------------------------------------------------------------


def test_the_longest_silent_is_evicted(cut, monkeypatch):
    monkeypatch.setattr(limits, "CONNECTIONS", 2)
    a, d, e = ({"client": ("10.0.0.1", port)} for port in (1, 2, 3))
    packets = [c(1, b"a", **a), c(1, b"d", **d), c(2, b"b", **a), c(1, b"e", **e), c(3, b"c", **a), c(2, b"f", **d)]
    events = events_of(cut(packets))
    assert joined(events) == {
        (0, True): [b"abc", ("end", "capture_end", 6)],
        (0, False): [("end", "capture_end", 6)],
        (1, True): [b"d", ("end", "evicted", 4)],
        (1, False): [("end", "evicted", 4)],
        (2, True): [b"e", ("end", "evicted", 6)],
        (2, False): [("end", "evicted", 6)],
        (3, True): [b"f", ("end", "capture_end", 6)],
        (3, False): [("end", "capture_end", 6)],
    }


# -- batches do not matter -----------------------------------------------------------------------------------------

FLAGS = st.sampled_from([ACK] * 12 + [FIN | ACK, RST, SYN, SYN | ACK, 0])
WILD = st.lists(
    st.builds(
        lambda from_client, port, sequence, data, ack, flags, time, cut, six: Packet(
            (
                whole := segment(
                    from_client,
                    sequence,
                    data,
                    ack=ack,
                    flags=flags,
                    client=(CLIENT_6[0] if six else CLIENT[0], port),
                    broker=(BROKER_6[0] if six else BROKER[0], 5672),
                )
            )[: len(whole) - min(cut, len(data))],
            time,
            len(whole),
        ),
        st.booleans(),
        st.sampled_from([1, 2, 3]),
        st.sampled_from([*range(12), 2**32 - 2, 2**32 - 1, 1 << 30]),
        st.binary(max_size=4),
        st.integers(0, 12),
        FLAGS,
        st.integers(0, 3).map(lambda n: n * limits.HOLE_ACKED_NS // 2),
        st.sampled_from([0] * 9 + [1]),
        st.sampled_from([False] * 5 + [True]),
    ),
    max_size=25,
)


def in_order_of_time(packets):
    times = itertools.accumulate(packet.time_ns for packet in packets)
    return [packet._replace(time_ns=time) for packet, time in zip(packets, times, strict=True)]


def facts(events):
    """Everything that must not depend on batches: all but how bytes are cut into events."""
    told = {}
    for event in events:
        rows = told.setdefault((str(event.connection), event.connection.stream, event.from_client), [])
        if isinstance(event, StreamData):
            begin = 0
            for i, end in enumerate(event.ends):
                at_start = event.at_start and i == 0
                known = (event.numbers[i], event.completed[i], event.times_ns[i])
                rows.append(("data", at_start, event.data[begin:end], *known))
                begin = end
        elif isinstance(event, StreamGap):
            rows.append(("gap", event.size, event.number, event.time_ns))
        elif isinstance(event, StreamEnd):
            rows.append(("end", event.reason, event.number, event.time_ns))
        elif isinstance(event, Malformed):
            # Before or after the data of its batch.
            key = (str(event.connection), event.connection.stream, event.from_client, "told")
            told.setdefault(key, []).append((event.reason, event.number))
    return told


@given(WILD, st.lists(st.integers(0, 30), max_size=6))
def test_wild_packets_in_any_batches(packets, cuts):
    packets = in_order_of_time(packets)
    expected = facts(events_of(single(packets)))
    assert facts(events_of(batches(packets))) == expected
    assert facts(events_of(batches(packets, cuts))) == expected


@given(WILD, st.lists(st.integers(0, 30), max_size=6), st.integers(1, 4))
def test_wild_packets_in_any_batches_with_too_many_connections(packets, cuts, most):
    packets = in_order_of_time(packets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "CONNECTIONS", most)
        patch.setattr(limits, "HELD_SEGMENTS", 2)
        expected = facts(events_of(single(packets)))
        assert facts(events_of(batches(packets))) == expected
        assert facts(events_of(batches(packets, cuts))) == expected


def test_what_is_held_is_bounded_over_all_connections(monkeypatch):
    clients = [("10.0.0.7", port) for port in (40_001, 40_002, 40_003)]
    packets = [segment(True, 0, client=client, flags=SYN) for client in clients]
    packets += [segment(True, 9, b"12345678", client=client) for client in clients]
    monkeypatch.setattr(limits, "HELD_TOTAL_BYTES", 17)
    streams = Streams()
    events = list(streams.feed(batch(packets)))
    # The first hole is given up first, and that is enough.
    assert [(type(event), event.connection.stream) for event in events] == [(StreamGap, 0), (StreamData, 0)]


@given(WILD)
def test_hash_collisions_do_not_matter(packets):
    packets = in_order_of_time(packets)
    expected = facts(events_of(batches(packets)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flows, "_FACTORS", [np.uint64(0)] * 6)
        assert facts(events_of(batches(packets))) == expected
        assert facts(events_of(single(packets))) == expected


# -- numbers as Wireshark's ------------------------------------------------------------------------------------------


@pytest.mark.tshark
def test_stream_numbers_are_wiresharks(tmp_path):
    """Random conversations on watched and other ports: opened, joined in the middle, reset, opened again."""
    dice = random.Random(5672)
    ends = [(("10.0.0.1", 40000 + i), ("10.0.0.2", port)) for i in range(6) for port in (5672, 80)]
    ends += [(("fd00::1", 40000 + i), ("fd00::2", port)) for i in range(3) for port in (5672, 443)]
    state: dict = {}
    packets = []
    for _ in range(1500):
        client, broker = who = dice.choice(ends)
        talk = {"client": client, "broker": broker}
        known = state.get(who)
        if known is None or dice.random() < 0.06:
            known = state[who] = [dice.getrandbits(32), dice.getrandbits(32)]
            if dice.random() < 0.8 or len(packets) > 200:  # the capture may begin in the middle of a connection
                packets.append(c(known[0] - 1, flags=SYN, **talk))
                if dice.random() < 0.2:
                    packets.append(packets[-1])
                if dice.random() < 0.9:
                    packets.append(b(known[1] - 1, ack=known[0], flags=SYN | ACK, **talk))
            continue
        from_client = dice.random() < 0.5
        mine, theirs = known if from_client else known[::-1]
        flags = dice.choices([ACK, FIN | ACK, RST | ACK], [30, 1, 1])[0]
        data = b"x" * dice.choice([0, 1, 5])
        packets.append(segment(from_client, mine, data, ack=theirs, flags=flags, **talk))
        known[0 if from_client else 1] = (mine + len(data) + (flags & FIN)) % 2**32
    path = tmp_path / "streams.pcap"
    records = [struct.pack("<IIII", i, 0, len(p), len(p)) + p for i, p in enumerate(packets)]
    path.write_bytes(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101) + b"".join(records))
    fields = ["-T", "fields", "-e", "frame.number", "-e", "tcp.stream", "-e", "tcp.len"]
    command = ["tshark", "-n", "-r", str(path), "-Y", "tcp.port == 5672 && tcp.len > 0", *fields]
    rows = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    theirs = {int(number): int(stream) for number, stream, _ in (row.split("\t") for row in rows)}
    for some in (batches(packets), batches(packets, range(0, 1500, 7))):
        ours = {}
        for event in events_of(some):
            if isinstance(event, StreamData):
                ours.update(dict.fromkeys(event.numbers, event.connection.stream))
        assert len(ours) > 300
        assert ours.items() <= theirs.items()


def test_unwatched_connections_only_count(cut):
    packets = [c(1, b"x", broker=("10.0.0.2", 80)), c(1, b"y"), c(1, flags=SYN, broker=("10.0.0.2", 80))]
    packets += [c(70, flags=SYN, broker=("10.0.0.2", 80)), c(1, b"z", client=("10.0.0.1", 9))]
    events = events_of(cut(packets))
    assert {stream for stream, _ in connections(events)} == {1, 4}
    assert one(events, stream=1) == [b"y"]


def test_half_open_connections_cost_little(monkeypatch):
    """Of SYNs, repeated and answered, no direction is made; what follows is read as ever."""
    made = []

    class Counted(flows.HalfStream):
        __slots__ = ()

        def __init__(self, *of):
            made.append(of)
            super().__init__(*of)

    monkeypatch.setattr(flows, "HalfStream", Counted)
    streams = Streams()
    syn, answer = segment(True, 9, flags=SYN), segment(False, 99, flags=SYN | ACK, ack=10)
    other = segment(True, 7, flags=SYN, client=("10.0.0.9", 1))
    for packets in ([syn], [syn, answer], [answer, other], [syn]):
        assert list(streams.feed(batch(packets))) == []
    assert made == []
    data = [segment(True, 10, b"ab"), segment(False, 100, b"c", ack=12)]
    found = list(streams.feed(batch(data, 10)))
    assert {(event.from_client, event.data, event.at_start) for event in found} == {
        (True, b"ab", True),
        (False, b"c", True),
    }
    assert len(made) == 2
    ends = list(streams.finish())
    assert [(end.connection.stream, end.from_client, end.reason) for end in ends if end.connection.stream] == [
        (1, is_client, "capture_end") for is_client in (False, True)
    ]
    assert len(made) == 2


@pytest.mark.parametrize(
    "third",
    [
        segment(True, 10, b"ab"),
        segment(True, 12, b"ab", ack=100),
        segment(False, 500, flags=SYN | ACK, ack=77),
        segment(True, 9, flags=SYN | FIN),
        segment(True, 9, b"ab", flags=SYN),
        segment(False, 0, flags=RST | ACK, ack=10),
        segment(True, 900, flags=SYN),
        segment(True, 10, ack=100, flags=FIN | ACK),
    ],
)
def test_what_follows_a_half_open_connection_does_not_depend_on_batches(third):
    packets = [
        segment(True, 9, flags=SYN),
        segment(False, 99, flags=SYN | ACK, ack=10),
        third,
        segment(True, 10, b"abc"),
    ]
    results = []
    for cuts in ([4], [1, 3], [2, 2], [1, 1, 1, 1]):
        streams, at, events = Streams(), 0, []
        for size in cuts:
            events += streams.feed(batch(packets[at : at + size], at + 1))
            at += size
        results.append(told([*events, *streams.finish()]))
    assert all(result == results[0] for result in results)


def told(events):
    """Each direction's events, its bytes joined."""
    found = {}
    for event in events:
        mine = found.setdefault((event.connection, event.from_client), [b"", []])
        if isinstance(event, StreamData):
            mine[0] += event.data
        else:
            mine[1].append(event)
    return found
