"""One direction, segment by segment: what is missing, repeated, overlapping, and when a hole is given up.

Everything goes in twice: all packets in one batch, and each in a batch of its own.
"""

from functools import partial
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector import limits
from dissector.net import Malformed, StreamData, StreamEnd, StreamGap
from dissector.net.halfstream import distance

from .packets import (
    ACK,
    FIN,
    RST,
    SECOND,
    SYN,
    Packet,
    batches,
    events_of,
    joined,
    one,
    opened,
    provenance,
    segment,
    single,
)


@pytest.fixture(params=[batches, single], ids=["one batch", "batches of one"])
def cut(request):
    return request.param


def said_by_client(cut, *packets):
    """What comes of a client's packets, whose first byte has sequence number 1."""
    return one(events_of(opened(cut, packets)))


def c(sequence, data=b"", **more):
    return segment(True, sequence, data, **more)


def b(acknowledgment, **more):
    """The broker's acknowledgment."""
    return segment(False, 9000, ack=acknowledgment, **more)


@pytest.mark.parametrize(
    ("later", "earlier", "expected"),
    [(5, 3, 2), (3, 5, -2), (1, 2**32 - 1, 2), (2**32 - 1, 1, -2), (2**31, 0, -(2**31)), (2**31 - 1, 0, 2**31 - 1)],
)
def test_distance(later, earlier, expected):
    assert distance(later, earlier) == expected


def test_in_order(cut):
    assert said_by_client(cut, c(1, b"ab"), c(3, b"cd"), c(5, b"e")) == [b"abcde"]


@pytest.mark.parametrize("start", [2**32 - 5, 2**32 - 1, 2**31 - 3, 0])
def test_sequence_numbers_wrap_around(cut, start):
    packets = [c(start - 1, flags=SYN), *(c(start + at, bytes([at]) * 2) for at in (0, 2, 4, 8, 6, 10))]
    assert said_by_client(cut, *packets) == [bytes(at for at in (0, 2, 4, 6, 8, 10) for _ in range(2))]


@pytest.mark.parametrize("again", [c(1, b"abcd"), c(1, b"ab"), c(3, b"cd"), c(2, b"bc")])
def test_retransmission(cut, again):
    assert said_by_client(cut, c(1, b"abcd"), again, c(5, b"ef")) == [b"abcdef"]


def apart(said):
    """The bytes, and what was told: one comes before the other as packets are cut into batches."""
    told = [item for item in said if not isinstance(item, bytes)]
    return b"".join(item for item in said if isinstance(item, bytes)), told


def test_retransmission_that_differs_is_told_and_the_first_copy_kept(cut):
    said = said_by_client(cut, c(1, b"abcd"), c(2, b"bX"), c(5, b"ef"))
    assert apart(said) == (b"abcdef", [("differs", 2)])


def test_retransmission_older_than_what_is_kept_is_not_compared(cut, monkeypatch):
    monkeypatch.setattr(limits, "OVERLAP_BYTES", 4)
    packets = [c(1, b"abcdefgh"), c(1, b"XXXX"), c(3, b"XXef"), c(3, b"XXeX")]
    assert apart(said_by_client(cut, *packets)) == (b"abcdefgh", [("differs", 4)])


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("others", [False, True])
def test_retransmission_long_after_is_not_compared(cut, monkeypatch, late, others):
    monkeypatch.setattr(limits, "OVERLAP_PACKETS", 4)
    first = [c(1, b"abcd"), *([b(0)] * 4), c(5, b"ef")] if others else [c(1, b"abcd"), c(5, b"ef")]
    packets = [*first, *([b(0)] * (4 if late else 3)), c(1, b"XbcdeX")]
    told = [] if late else [("differs", len(packets))]
    assert apart(said_by_client(cut, *packets)) == (b"abcdef", told)


# Held: bytes 4 to 7 and 10 to 13 of the alphabet; then one more segment in every geometry.
@pytest.mark.parametrize("begin", range(18))
@pytest.mark.parametrize("size", [1, 2, 4, 7, 12])
@pytest.mark.parametrize("differs", [False, True])
def test_overlap_with_what_is_held(cut, begin, size, differs):
    text = b"abcdefghijklmnopqrstuvwxyzabcdef"
    end = begin + size
    new = bytes(x ^ 0x20 for x in text[begin:end]) if differs else text[begin:end]
    held = [(4, text[4:8]), (10, text[10:14])]
    packets = [c(99, flags=SYN), *(c(100 + at, data) for at, data in held), c(100 + begin, new)]
    expected = bytearray(text)
    known = {at + i for at, data in held for i in range(len(data))}
    for at in range(begin, end):
        if at not in known:
            expected[at] = new[at - begin]
    packets += [
        c(100 + at, bytes(expected[at : at + 1])) for at in range(20) if at not in known | set(range(begin, end))
    ]
    said = said_by_client(cut, *packets)
    told = [item for item in said if not isinstance(item, bytes)]
    assert b"".join(item for item in said if isinstance(item, bytes))[:20] == expected[: max(20, end)][:20]
    assert told == ([("differs", 4)] if differs and known & set(range(begin, end)) else [])


def test_out_of_order(cut):
    packets = [c(0, flags=SYN), c(7, b"g"), c(3, b"cd"), c(5, b"ef"), c(1, b"ab")]
    assert said_by_client(cut, *packets) == [b"abcdefg"]


def test_provenance_of_a_hole_filled_late(cut):
    events = events_of(cut([c(1, b"ab"), c(5, b"ef"), c(3, b"cd"), c(7, b"g")]))
    numbers = [1, 1, 3, 3, 2, 2, 4]
    completed = [1, 1, 3, 3, 3, 3, 4]
    assert provenance(events) == list(zip(b"abcdefg", numbers, completed, strict=True))


def test_provenance_of_a_hole_given_up(cut):
    last = Packet(c(7, b"g"), limits.HOLE_NS)
    events = events_of(cut([c(1, b"ab"), c(5, b"ef"), last]))
    assert provenance(events) == list(zip(b"abefg", [1, 1, 2, 2, 3], [1, 1, 2, 2, 3], strict=True))
    assert one(events) == [b"ab", ("gap", 2, 2), b"efg"]


def test_times_are_those_of_the_packet_that_made_it_readable(cut):
    events = events_of(cut([Packet(c(1, b"a"), 10), Packet(c(3, b"c"), 30), Packet(c(2, b"b"), 40)]))
    assert [time for e in events if isinstance(e, StreamData) for time in e.times_ns] == [10, 40, 40]


# -- keepalives and probes -----------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\0", b"b"], ids=["empty", "another byte", "the byte again"])
def test_keepalive(cut, data):
    assert said_by_client(cut, c(1, b"ab"), c(2, data), b(3), c(2, data), c(3, b"cd")) == [b"abcd"]


def test_zero_window_probe(cut):
    assert said_by_client(cut, c(1, b"ab"), c(3, b"c"), b(3), c(3, b"c"), b(4), c(3, b"cdef")) == [b"abcdef"]


# -- begin and end ---------------------------------------------------------------------------------------


def test_syn_makes_the_start(cut):
    events = [e for e in events_of(cut([c(0, flags=SYN), c(1, b"ab"), c(3, b"cd")])) if isinstance(e, StreamData)]
    assert [event.at_start for event in events] == [True] + [False] * (len(events) - 1)


@pytest.mark.parametrize("packets", [[c(1, b"ab")], [c(0, flags=SYN), c(2, b"b")]], ids=["no SYN", "hole at the start"])
def test_no_start(cut, packets):
    assert not any(event.at_start for event in events_of(cut(packets)) if isinstance(event, StreamData))


def test_data_on_the_syn(cut):
    assert said_by_client(cut, c(0, b"ab", flags=SYN), c(3, b"cd")) == [b"abcd"]


def test_syn_again(cut):
    packets = [c(0, flags=SYN), c(0, flags=SYN), c(1, b"ab"), c(0, flags=SYN), c(3, b"cd")]
    assert said_by_client(cut, *packets) == [b"abcd"]


def ends(events):
    return [(e.from_client, e.reason, e.number) for e in events if isinstance(e, StreamEnd)]


def test_fin_ends_one_direction(cut):
    events = events_of(opened(cut, [c(1, b"ab"), c(3, b"cd", flags=FIN | ACK), b(6), c(5, flags=FIN | ACK)]))
    assert one(events) == [b"abcd"]
    assert ends(events) == [(True, "fin", 2), (False, "capture_end", 4)]


def test_fin_waits_for_what_is_missing(cut):
    packets = [c(1, b"ab"), c(5, b"ef", flags=FIN | ACK), c(3, b"cd"), c(7, b"beyond")]
    events = events_of(opened(cut, packets))
    # A FIN that was sent by another: the stream goes on behind it.
    assert joined(events)[0, True] == [b"abcdef", ("end", "fin", 3), b"beyond", ("end", "capture_end", 4)]


def test_fin_behind_a_hole(cut):
    events = events_of(opened(cut, [c(1, b"ab"), c(5, flags=FIN | ACK)]))
    assert joined(events)[0, True] == [b"ab", ("gap", 2, 2), ("end", "fin", 2)]


def test_rst_ends_both_directions(cut):
    events = events_of(opened(cut, [c(1, b"ab"), c(5, b"ef"), segment(False, 9000, flags=RST)]))
    assert one(events) == [b"ab", ("gap", 2, 2), b"ef"]
    assert sorted(ends(events)) == [(False, "rst", 3), (True, "rst", 3)]


def test_bytes_after_a_rst_are_taken_and_ended_again(cut):
    events = events_of(opened(cut, [c(1, b"ab"), segment(False, 9000, flags=RST), c(3, b"cd"), c(3, b"cd")]))
    expected = [b"ab", ("end", "rst", 2), b"cd", ("end", "capture_end", 4)]
    assert joined(events) == {(0, True): expected, (0, False): [("end", "rst", 2)]}


# -- holes -------------------------------------------------------------------------------------------------


def idle(count):
    """Packets of another connection."""
    return [segment(True, 1, client=("10.0.0.9", 1))] * count


@pytest.fixture
def counting(monkeypatch):
    """Let packets alone, and fewer, decide when a hole that was acknowledged is given up."""
    monkeypatch.setattr(limits, "HOLE_PACKETS", 100)
    monkeypatch.setattr(limits, "HOLE_ACKED_NS", 0)


@pytest.mark.usefixtures("counting")
def test_hole_that_was_acknowledged_is_given_up_after_so_many_packets(cut):
    hole = [c(1, b"ab"), c(5, b"ef"), b(7)]
    early = said_by_client(cut, *hole, *idle(limits.HOLE_PACKETS - 2), b(7), c(3, b"cd"))
    assert early == [b"abcdef"]
    late = said_by_client(cut, *hole, *idle(limits.HOLE_PACKETS - 1), b(7), c(3, b"cd"))
    assert late == [b"ab", ("gap", 2, 2), b"ef"]


@pytest.mark.usefixtures("counting")
def test_acknowledgment_may_come_before_what_is_behind_the_hole(cut):
    hole = [c(1, b"ab"), b(7), c(5, b"ef"), *idle(limits.HOLE_PACKETS - 1)]
    assert said_by_client(cut, *hole, c(3, b"cd")) == [b"abcdef"]
    assert said_by_client(cut, *hole, b(7), c(3, b"cd")) == [b"ab", ("gap", 2, 3), b"ef"]


@pytest.mark.usefixtures("counting")
@pytest.mark.parametrize("cuts", [[], [3], range(109)])
def test_acknowledgments_may_be_reordered(cuts):
    packets = [c(1, b"ab"), b(7), b(3), c(5, b"ef"), *idle(limits.HOLE_PACKETS - 1), b(3), c(3, b"cd")]
    assert one(events_of(opened(partial(batches, cuts=cuts), packets))) == [b"ab", ("gap", 2, 4), b"ef"]


@pytest.mark.usefixtures("counting")
def test_acknowledgment_before_the_first_segment(cut):
    packets = [b(3), b(7), b(6), c(1, b"ab"), c(5, b"ef"), *idle(limits.HOLE_PACKETS - 1), b(3), c(3, b"cd")]
    assert said_by_client(cut, *packets) == [b"ab", ("gap", 2, 5), b"ef"]


@pytest.mark.usefixtures("counting")
def test_acknowledgment_of_one_hole_says_nothing_of_the_next(cut):
    holes = [c(1, b"ab"), c(5, b"ef"), c(9, b"ij"), b(7), c(3, b"cd")]
    packets = [*holes, *idle(limits.HOLE_PACKETS), b(7), c(7, b"gh")]
    assert said_by_client(cut, *packets) == [b"abcdefghij"]


def after(time_ns, *packets):
    return [Packet(packet, SECOND + time_ns) for packet in packets]


@pytest.fixture
def long_steps(monkeypatch):
    """Let the time between two packets count in full."""
    monkeypatch.setattr(limits, "CLOCK_STEP_NS", 100 * SECOND)


LIVE = partial(events_of, is_live=True)


def test_clock_that_is_set_ends_no_wait(cut):
    hole = after(0, c(1, b"ab"), c(5, b"ef"), b(7))
    jumps = [Packet(c(7, b"g"), time) for time in (3600 * SECOND, 5, 3600 * SECOND - 1)]
    for packets, expected in [
        ([*hole, jumps[0], *after(5, c(3, b"cd"))], [b"abcdefg"]),
        ([*hole, *jumps, c(3, b"cd")], [b"ab", ("gap", 2, 2), b"efg"]),
    ]:
        assert one(LIVE(opened(cut, packets))) == expected


@pytest.mark.usefixtures("long_steps")
def test_packets_and_time_must_both_pass(cut, monkeypatch):
    monkeypatch.setattr(limits, "HOLE_PACKETS", 5)
    hole = after(0, c(1, b"ab"), c(5, b"ef"), b(7))
    late = limits.HOLE_ACKED_NS
    filler = after(late, c(3, b"cd"))
    assert said_by_client(cut, *hole, *after(late - 1, *idle(9)), *filler) == [b"abcdef"]
    assert said_by_client(cut, *hole, *after(late, *idle(4)), *filler) == [b"abcdef"]
    assert said_by_client(cut, *hole, *after(late, *idle(5)), *filler) == [b"ab", ("gap", 2, 2), b"ef"]


@pytest.mark.usefixtures("long_steps")
@pytest.mark.parametrize(("seen", "limit"), [([b(7)], limits.HOLE_LIVE_NS), ([], limits.HOLE_NS)])
def test_hole_is_given_up_after_some_time_where_someone_waits(cut, seen, limit):
    hole = after(0, c(1, b"ab"), c(5, b"ef"), *seen)
    early = [*hole, *after(limit - 1, c(7, b"g"), c(3, b"cd"))]
    assert one(LIVE(opened(cut, early))) == [b"abcdefg"]
    late = [*hole, *after(limit, c(7, b"g"), c(3, b"cd"))]
    assert one(LIVE(opened(cut, late))) == [b"ab", ("gap", 2, 2), b"efg"]
    assert said_by_client(cut, *late) == [b"abcdefg"]


@pytest.mark.usefixtures("long_steps")
def test_hole_that_the_receiver_has_too_is_waited_for(cut):
    hole = after(0, c(1, b"ab"), c(5, b"ef"), b(3))
    later = [packet for time in (1, 2, 3) for packet in after(time * limits.HOLE_NS - time, b(3))]
    assert said_by_client(cut, *hole, *later, *after(3 * limits.HOLE_NS, c(3, b"cd"))) == [b"abcdef"]


@pytest.mark.usefixtures("long_steps")
def test_each_hole_has_its_own_time(cut):
    packets = [c(0, flags=SYN), c(2, b"b"), Packet(c(4, b"d"), 5), Packet(c(1, b"a"), limits.HOLE_NS - 1)]
    packets += [Packet(c(5, b"e"), 2 * limits.HOLE_NS - 2), Packet(c(6, b"f"), 2 * limits.HOLE_NS - 1)]
    assert one(LIVE(opened(cut, packets))) == [b"ab", ("gap", 1, 3), b"def"]
    packets.insert(-1, Packet(c(3, b"c"), 2 * limits.HOLE_NS - 2))
    assert one(LIVE(opened(cut, packets))) == [b"abcdef"]


def test_held_bytes_are_bounded(cut, monkeypatch):
    monkeypatch.setattr(limits, "HELD_BYTES", 10)
    packets = [c(0, flags=SYN), c(3, b"cdefg"), c(10, b"jklmn"), c(20, b"t")]
    expected = [("gap", 2, 2), b"cdefg", ("gap", 2, 3), b"jklmn", ("gap", 5, 4), b"t"]
    assert said_by_client(cut, *packets, *idle(1)) == expected


def test_held_segments_are_bounded(cut, monkeypatch):
    monkeypatch.setattr(limits, "HELD_SEGMENTS", 3)
    packets = [c(0, flags=SYN), c(2, b"b"), c(4, b"d"), c(6, b"f"), c(8, b"h"), c(5, b"e")]
    assert said_by_client(cut, *packets)[:2] == [("gap", 1, 2), b"b"]


def test_bytes_cut_by_the_snap_length_are_a_hole(cut):
    data = c(3, b"cdef")
    packets = [c(1, b"ab"), Packet(data[:-2], original=len(data)), c(7, b"gh")]
    assert said_by_client(cut, *packets) == [b"abcd", ("gap", 2, 3), b"gh"]


@pytest.mark.parametrize("kept", [0, 1])
def test_bytes_cut_by_the_snap_length_at_the_end_are_told(cut, kept):
    data = c(1, b"abcd")
    packets = [Packet(data[: len(data) - 4 + kept], original=len(data))]
    assert said_by_client(cut, *packets) == [b"a", ("gap", 4 - kept, 1)][1 - kept :]


STRANGE = "the sequence number in packet {} is far from its stream's: its bytes are left out"


@pytest.mark.parametrize("start", [3_000_000_000, 1 + limits.WINDOW_BYTES + 9])
def test_another_connection_on_the_same_ports_whose_syn_is_missing(cut, start):
    other = [c(start + 2, b"ef"), c(start, b"cd"), c(start + 4, b"gh")]
    assert said_by_client(cut, c(1, b"ab"), *other) == [b"ab", ("gap", None, 2), b"cdefgh"]


def test_another_connection_after_a_fin_whose_syn_is_missing(cut):
    packets = [c(1, b"ab", flags=FIN | ACK), c(4 + limits.WINDOW_BYTES, b"cd"), c(6 + limits.WINDOW_BYTES, b"ef")]
    directions = joined(events_of(opened(cut, packets)))
    assert directions[0, True] == [b"ab", ("end", "fin", 1), ("gap", None, 2), b"cdef", ("end", "capture_end", 3)]


@pytest.mark.parametrize("ahead", [0, 1])
def test_another_connection_begins_near_one_that_has_ended(cut, ahead):
    start = 3 + limits.AFTER_END_BYTES + ahead
    packets = [c(1, b"ab", flags=FIN | ACK), c(start, b"cd"), c(start + 2, b"ef")]
    gap = next(event for event in events_of(opened(cut, packets)) if isinstance(event, StreamGap))
    assert gap.size == (None if ahead else limits.AFTER_END_BYTES)


def test_a_single_segment_far_from_its_stream_is_left_out(cut):
    packets = [c(1, b"ab"), c(3_000_000_000, b"XX"), c(3, b"cd"), c(2_000_000_000, b"YY"), c(5, b"ef")]
    events = events_of(opened(cut, packets))
    assert b"".join(item for item in one(events) if isinstance(item, bytes)) == b"abcdef"
    told = [(e.number, e.reason) for e in events if isinstance(e, Malformed)]
    assert told == [(4, STRANGE.format(2)), (5, STRANGE.format(4))]


# -- the beginning of what was open already ------------------------------------------------------------------


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_first_segments_out_of_order(cut, order):
    text = b"abcdefgh"
    packets = [segment(True, 2**32 - 3 + 2 * at, text[2 * at : 2 * at + 2]) for at in order]
    assert one(events_of(cut(packets))) == [text]


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("flags", [SYN, SYN | ACK])
def test_syn_after_what_follows_it(cut, place, flags):
    syn = c(0, flags=SYN) if flags == SYN else b(1, flags=flags)
    packets = [c(3, b"cd"), c(1, b"ab"), c(5, b"ef")]
    packets.insert(place, syn)
    events = events_of(cut(packets))
    assert {event.connection.stream for event in events} == {0}
    assert one(events) == [b"abcdef"]
    assert next(event.at_start for event in events if isinstance(event, StreamData))


@pytest.mark.usefixtures("counting")
def test_first_segments_wait_for_so_many_packets(cut):
    packets = [c(5, b"ef"), *idle(limits.HOLE_PACKETS - 1)]
    assert one(events_of(cut([*packets, c(3, b"cd"), c(7, b"gh")]))) == [b"cdefgh"]
    events = events_of(cut([*packets, *idle(1), c(3, b"cd"), c(7, b"gh")]))
    assert one(events) == [b"efgh"]


def test_first_segments_wait_for_so_long_where_someone_waits(cut):
    due = limits.BEGIN_LIVE_NS
    packets = [c(5, b"ef"), Packet(idle(1)[0], due - 1)]
    assert one(LIVE(cut([*packets, Packet(c(3, b"cd"), due)]))) == [b"cdef"]
    late = [*packets, Packet(idle(1)[0], due), Packet(c(3, b"cd"), due)]
    assert one(LIVE(cut(late))) == [b"ef"]
    assert one(events_of(cut(late))) == [b"cdef"]


@given(st.integers(1, 60).map(lambda size: [segment(False, 9000 + 2 * at, b"xy") for at in range(size)]), st.randoms())
def test_first_segments_in_any_order(packets, dice):
    dice.shuffle(packets)
    assert one(events_of(batches(packets, [dice.randrange(99)])), from_client=False) == [b"xy" * len(packets)]


# -- the model ---------------------------------------------------------------------------------------------


@st.composite
def traffic(draw, lossy):
    """A stream, and packets that carry it: cut, duplicated, overlapping, shuffled within a window; bytes lost."""
    text = draw(st.binary(min_size=1, max_size=120))
    start = draw(st.sampled_from([1, 2**32 - 30, 2**31 - 30]))
    pieces, at = [], 0
    while at < len(text):
        end = min(len(text), at + draw(st.integers(1, 20)))
        pieces.append((at, end))
        at = end
    lost = draw(st.sets(st.sampled_from(range(len(pieces))))) if lossy else set()
    kept = [piece for i, piece in enumerate(pieces) if i not in lost]
    missing = {at for i in lost for at in range(*pieces[i])}
    extra = draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(1, 30)), max_size=5))
    for at, size in extra:
        end = next((x for x in range(at, min(len(text), at + size)) if x in missing), min(len(text), at + size))
        if at < end:
            kept.insert(draw(st.integers(0, len(kept))), (at, end))
    order = sorted(range(len(kept)), key=lambda i: i + draw(st.integers(0, 6)))
    sent = [segment(True, start + begin, text[begin:end]) for begin, end in (kept[i] for i in order)]
    packets = [segment(True, start - 1, flags=SYN), *sent]
    return text, missing, packets, draw(st.lists(st.integers(0, 60), max_size=4))


@given(traffic(lossy=False))
def test_what_comes_out_is_what_was_sent(case):
    text, _, packets, cuts = case
    assert one(events_of(batches(packets, cuts))) == [text]


@given(traffic(lossy=True))
def test_what_comes_out_is_what_was_not_lost(case):
    text, missing, packets, cuts = case
    expected, end = [], max((at for at in range(len(text)) if at not in missing), default=-1) + 1
    for at in range(end):  # nobody can tell of bytes lost at the very end
        if at in missing:
            if expected and not isinstance(expected[-1], bytes):
                expected[-1] += 1
            else:
                expected.append(1)
        elif expected and isinstance(expected[-1], bytes):
            expected[-1] += text[at : at + 1]
        else:
            expected.append(text[at : at + 1])
    events = events_of(batches(packets, cuts))
    assert [item if isinstance(item, bytes) else item[1] for item in one(events)] == expected
    for gap, data in pairwise(events):
        if isinstance(gap, StreamGap):
            assert gap.number == data.numbers[0]
