"""The damage tool's truth is right, and damaged captures are read rightly: a short round of ``make robustness``."""

from collections import Counter
from functools import cache
from pathlib import Path
from random import Random

import pytest

from dissector.amqp import Message

from .amqp.amqp_frames import HEARTBEAT, PROTOCOL_HEADER, deliver, publish
from .damage import check, losses, stock
from .damage.headers import find, head_of
from .damage.kinds import KINDS, damaged
from .damage.sent import frames_of, identity_of
from .damage.talk import Covered, Talk, bare, read, segment, talk_of
from .lab import truth
from .net.packets import ACK, FIN, SYN, Packet
from .net.packets import segment as packet_of


@cache
def undamaged(capture: str) -> Talk:
    return read(truth.captures()[capture])


def conversation(*said: tuple[bool, bytes], client=("10.0.0.1", 40000)) -> list[Packet]:
    """A connection from its SYN on: each packet is (from_client, bytes)."""
    at = {True: 100, False: 2**32 - 5}
    packets = [
        Packet(packet_of(True, at[True], flags=SYN, client=client)),
        Packet(packet_of(False, at[False], flags=SYN | ACK, ack=at[True] + 1, client=client)),
    ]
    at = {side: number + 1 for side, number in at.items()}
    for from_client, octets in said:
        packets.append(Packet(packet_of(from_client, at[from_client], octets, ack=at[not from_client], client=client)))
        at[from_client] += len(octets)
    return [packet._replace(time_ns=1000 * number) for number, packet in enumerate(packets, 1)]


def cut(frames: list[bytes], *places: int) -> list[bytes]:
    octets = b"".join(frames)
    return [octets[begin:end] for begin, end in zip((0, *places), (*places, len(octets)), strict=True)]


ONE, TWO, THREE = (publish(1, octets) for octets in (b"one", b"two", b"three"))
FIRST, SECOND = cut([*ONE, *TWO], len(b"".join(ONE)) + 3)
TINY = talk_of(
    conversation(
        (True, PROTOCOL_HEADER),
        (True, FIRST),  # all of one and the begin of two
        (True, SECOND),
        (False, HEARTBEAT + b"".join(deliver(1, b"one"))),
        (True, b"".join(THREE)[:30]),
        (True, b"".join(THREE)[30:]),
        (True, HEARTBEAT),
    )
)
BODIES = {
    sent.identity: body
    for half in TINY.halves
    for sent, body in zip(half.sent, [b"one", b"two", b"three"], strict=False)
}


def bodies(found) -> list[tuple[str, bytes]]:
    return sorted((identity[3], BODIES[identity]) for identity in found.elements())


def test_all_is_intact_where_nothing_is_damaged(capture_name):
    talk = undamaged(capture_name)
    assert talk.intact() == talk.sent()
    assert talk.split()[1] == []
    shipped = truth.load(capture_name)
    legs = Counter(identity[3] for identity in talk.sent().elements())
    assert legs["publish"] + legs["deliver"] + legs["get"] == len(shipped)


def test_packets_of_messages_are_those_that_the_decoder_names(capture_name):
    """By the streams' bytes alone, each message is in the packets that its decode names."""
    talk = undamaged(capture_name)
    named = Counter(
        (identity_of(event), event.numbers)
        for event in check.decode(truth.captures()[capture_name])
        if isinstance(event, Message)
    )
    carried: Counter = Counter()
    for index, half in enumerate(talk.halves):
        first: dict[tuple[int, int], int] = {}
        for number, packet in enumerate(talk.packets, 1):
            if packet.half == index and packet.begin < packet.end:
                first.setdefault((packet.begin, packet.end), number)
        for sent in half.sent:
            numbers = {
                number
                for (begin, end), number in first.items()
                if any(begin < their_end and their_begin < end for their_begin, their_end in sent.ranges)
            }
            carried[sent.identity, tuple(sorted(numbers))] += 1
    assert carried == named


@pytest.mark.parametrize(
    ("lost", "left"),
    [
        (0, "one two one three"),
        (2, "one two one three"),  # the protocol header
        (3, "one three"),
        (4, "one one three"),
        (5, "one two three"),
        (6, "one two one"),
        (7, "one two one"),
        (8, "one two one three"),
    ],
)
def test_losing_a_packet_damages_the_messages_in_it(lost, left):
    talk = TINY._replace(packets=[packet for at, packet in enumerate(TINY.packets) if at != lost])
    assert Counter(body.decode() for _, body in bodies(talk.intact())) == Counter(left.split())


def test_a_second_copy_makes_up_for_a_lost_one():
    packets = [*TINY.packets[:3], *TINY.packets[4:], TINY.packets[3]]
    assert TINY._replace(packets=packets).intact() == TINY.sent()


def test_what_a_snap_length_leaves():
    headers = 20 + 20
    whole = losses.snap(headers + len(b"".join(ONE)))(TINY, Random(0))
    assert bodies(whole.intact()) == [("publish", b"one"), ("publish", b"three")]
    broken = losses.snap(headers + len(b"".join(ONE)) - 1)(TINY, Random(0))
    assert bodies(broken.intact()) == [("publish", b"three")]


def test_other_bytes_are_no_copy():
    (half,) = {packet.half for packet in TINY.packets[2:3]}
    false = segment(TINY, TINY.packets[3], 8, bytes(len(FIRST)), true=(0, 0))
    true = segment(TINY, TINY.packets[3], 8, FIRST)
    assert false.half == true.half == half
    without = [*TINY.packets[:3], *TINY.packets[4:]]
    assert bodies(TINY._replace(packets=[*without, false]).intact()) == [("deliver", b"one"), ("publish", b"three")]
    assert TINY._replace(packets=[*without, true]).intact() == TINY.sent()
    assert true.data[40:] == TINY.packets[3].data[40:]


def test_same_ports_again_is_another_connection():
    packets = conversation((True, PROTOCOL_HEADER + b"".join(ONE)))
    end = Packet(packet_of(True, 101 + len(PROTOCOL_HEADER + b"".join(ONE)), flags=FIN | ACK), 9000)
    renewed = [
        Packet(packet_of(True, 7000, flags=SYN), 9001),
        Packet(packet_of(False, 8000, flags=SYN | ACK, ack=7001), 9002),
        Packet(packet_of(True, 7001, PROTOCOL_HEADER + b"".join(ONE), ack=8001), 9003),
    ]
    talk = talk_of([*packets, end, *renewed])
    assert len(talk.halves) == 4
    assert list(talk.sent().values()) == [2]
    assert list(talk._replace(packets=talk.packets[:-1]).intact().values()) == [1]


def test_an_aborted_message_is_none():
    interleaved = [TWO[0], ONE[0], ONE[1], HEARTBEAT, ONE[2]]
    assert [(some.channel, some.body) for some in frames_of(b"".join(interleaved))] == [(1, b"one")]
    others = publish(2, b"two", pieces=3)
    interleaved = [ONE[0], others[0], others[1], ONE[1], others[2], ONE[2], others[3], others[4]]
    found = frames_of(b"".join(interleaved))
    assert [(some.channel, some.body) for some in found] == [(1, b"one"), (2, b"two")]
    assert b"".join(b"".join(interleaved)[begin:end] for begin, end in found[1].ranges) == b"".join(others)
    assert len(found[0].ranges) == 3


def test_covered():
    covered = Covered([(5, 7), (0, 2), (2, 4), (6, 9), (20, 30), (22, 24)])
    there = {0, 1, 2, 3, 5, 6, 7, 8, *range(20, 30)}
    for begin in range(32):
        for end in range(begin + 1, 32):
            assert covered.has(begin, end) == (set(range(begin, end)) <= there)
    assert not Covered().has(0, 1)


def test_judgement():
    """What is missing, invented, mistaken: told from the events by content alone."""
    events = check.decode(truth.captures()["demo"])
    talk = undamaged("demo")
    assert check.judge(talk, events)[:3] == (82, 82, Counter())
    at = next(at for at, event in enumerate(events) if isinstance(event, Message))
    identity = identity_of(events[at])
    less = check.judge(talk, events[:at] + events[at + 1 :])
    assert (less.recovered, less.missing, less.invented) == (81, Counter([identity]), Counter())
    more = check.judge(talk, [*events, events[at]])
    assert (more.recovered, more.missing, more.invented) == (82, Counter(), Counter([identity]))
    other = check.decode(truth.captures()["ipv6"])
    assert check.judge(talk, [*events, *other]).invented.total() == 56
    assert check.judge(talk._replace(packets=[]), events).intact == 0


# -- every kind of damage --------------------------------------------------------------------------------------------


def audit(talk: Talk) -> None:
    """What is said to be true of each packet is: read off its bytes; and where copies differ, a true one is first."""
    seen = [bytearray(len(half.stream)) for half in talk.halves]
    for packet in talk.packets:
        place = find(packet.data, packet.link_type)
        assert packet.place == place
        if place is None:
            assert packet.half < 0
            continue
        head = head_of(packet.data, place)
        assert (packet.half < 0) == (5672 not in (head.source[1], head.destination[1]))
        if packet.half < 0:
            continue
        half = talk.halves[packet.half]
        assert (head.source, head.destination) == ((half.client, half.broker)[:: 1 if half.from_client else -1])
        payload = packet.data[place.payload : place.end]
        sent = place.end - place.payload
        assert packet.original == len(packet.data) + sent - len(payload)
        first = half.offset(head.sequence)
        if first < 0 or first > len(half.stream):
            assert len(payload) <= 1 or packet.begin == packet.end
            continue
        true = half.stream[first : first + len(payload)]
        if payload == true:
            assert (packet.begin, packet.end) == (first, first + len(payload)) or packet.begin == packet.end
        else:
            assert payload[packet.begin - first : packet.end - first] == half.stream[packet.begin : packet.end]
        known = seen[packet.half]
        differ = () if payload == true else enumerate(zip(payload, true, strict=False), first)
        for at, (ours, theirs) in differ:
            assert ours == theirs or known[at], "bytes that were not sent come before the true ones"
        known[packet.begin : packet.end] = b"\1" * (packet.end - packet.begin)


def claims_nothing_less(talk: Talk) -> None:
    """No byte that is in the capture at its place for the first time is left out of what is there."""
    covered = talk.covered()
    for packet in talk.packets:
        if packet.half >= 0 and packet.place is not None:
            half = talk.halves[packet.half]
            first = half.offset(head_of(packet.data, packet.place).sequence)
            payload = packet.data[packet.place.payload : packet.place.end]
            if payload and first >= 0 and half.stream[first : first + len(payload)] == payload:
                assert covered[packet.half].has(first, first + len(payload))


@pytest.mark.parametrize("kind", KINDS)
def test_truth_of_damaged_captures(kind):
    for capture in ("channels", "any-twice", "ipv6"):
        talk = damaged(undamaged(capture), kind, capture)
        audit(talk)
        claims_nothing_less(talk)
        assert talk.intact() <= talk.sent()
        assert undamaged(capture).sent() <= talk.sent()
        assert talk == damaged(undamaged(capture), kind, capture)
        assert talk.packets != undamaged(capture).packets or kind.startswith(("loss of 0.1", "snap"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("capture", ["neutron-nova", "channels", "loopback"])
def test_every_intact_message_and_no_other_comes_out(kind, capture, tmp_path: Path):
    for seed in range(2):
        talk = damaged(undamaged(capture), kind, f"{capture}/{seed}")
        path = tmp_path / "damaged.pcap"
        check.write(path, talk.packets)
        verdict = check.judge(talk, check.decode(path))
        assert verdict.missing == Counter()
        assert verdict.invented == Counter()
        assert verdict.mistaken == Counter()


@pytest.mark.tshark
def test_tshark_shows_the_same_of_an_undamaged_capture(tmp_path: Path):
    for capture in ("channels", "ipv6", "loopback"):
        path = tmp_path / "same.pcap"
        check.write(path, undamaged(capture).packets)
        shown = stock.recovered(undamaged(capture), path)
        assert shown == undamaged(capture).sent().total()
    nothing = bare(TINY, TINY.packets[2], 0, ACK)
    check.write(path, [nothing])
    assert stock.recovered(TINY, path) == 0
