"""The same bytes in other segments, other bytes in the same places, other sequence numbers."""

from itertools import pairwise
from random import Random

from .headers import ACK, MOST_PAYLOAD, with_numbers
from .talk import Packet, Talk, inserted, segment

_NEAR = 60
"""Packets of the capture within which segments are moved about, and within which bytes are sent again: a sender does
so until they are acknowledged, not minutes later."""


def pieces(octets: bytes, dice: Random, parts: int) -> list[tuple[int, bytes]]:
    """Cut bytes at random places: where each piece begins, and it."""
    cuts = {dice.randrange(len(octets)) for _ in range(parts - 1)} if octets else set()
    cuts |= set(range(0, len(octets), MOST_PAYLOAD))
    return [(begin, octets[begin:end]) for begin, end in pairwise([*sorted(cuts | {0}), len(octets)])]


def resend(talk: Talk, dice: Random) -> Talk:
    """Add segments that carry bytes which were sent before, or will be sent soon, with borders of their own."""
    additions: dict[int, list[Packet]] = {}
    for at in _some_with_data(talk, dice, one_in=15):
        packet = talk.packets[at]
        stream = talk.halves[packet.half].stream
        window = [some for some in talk.packets[max(at - _NEAR, 0) : at] if some.half == packet.half]
        least = max(window[0].begin if window else packet.begin, packet.end - MOST_PAYLOAD)
        back = dice.choice([0, 1, dice.randint(1, 100), dice.randint(1, 3000), dice.randint(1, MOST_PAYLOAD)])
        begin = max(packet.end - back, least)
        ahead = dice.choice([0, 0, dice.randint(1, 100), dice.randint(1, 3000)])
        again = stream[begin : packet.end + ahead]
        some = pieces(again, dice, dice.randint(1, 5)) if again else []
        dice.shuffle(some)
        made = [segment(talk, packet, begin + first, octets) for first, octets in some]
        later = min(at + dice.choice([0, 0, dice.randint(0, 30)]), len(talk.packets) - 1)
        additions.setdefault(later, []).extend(made)
    return talk._replace(packets=inserted(talk, additions))


def recut(talk: Talk, dice: Random) -> Talk:
    """Cut what neighbouring packets of a direction carry into other segments."""
    packets: list[list[Packet]] = [[packet] for packet in talk.packets]
    last = {packet.half: -1 for packet in talk.packets}
    for at in _some_with_data(talk, dice, one_in=4):
        half = talk.packets[at].half
        group = _followers(talk, at, dice.randint(1, 8))
        if at <= last[half]:
            continue
        last[half] = group[-1]
        begin = talk.packets[at].begin
        octets = talk.halves[half].stream[begin : talk.packets[group[-1]].end]
        some = pieces(octets, dice, dice.choice([1, len(group), 3 * len(group), min(len(octets), 100)]))
        for carrier in group:
            packets[carrier] = []
        for number, (first, piece) in enumerate(some):
            where = group[number * len(group) // len(some)]
            packets[where].append(segment(talk, talk.packets[where], begin + first, piece))
    return talk._replace(packets=[packet for some in packets for packet in some])


def contradict_behind(talk: Talk, dice: Random) -> Talk:
    """Add segments that carry other bytes than the ones captured before them at their places."""
    additions: dict[int, list[Packet]] = {}
    for at in _some_with_data(talk, dice, one_in=10):
        packet = talk.packets[at]
        begin = max(packet.begin - dice.choice([0, 0, 1, dice.randint(1, 500)]), 0)
        begin += dice.choice([0, 0, dice.randrange(packet.end - begin)])
        end = min(dice.randint(begin + 1, packet.end), begin + MOST_PAYLOAD)
        made = segment(talk, packet, begin, _altered(talk.halves[packet.half].stream[begin:end], dice), true=(0, 0))
        later = min(at + dice.choice([0, dice.randint(0, 20), dice.randint(0, 500)]), len(talk.packets) - 1)
        additions.setdefault(later, []).append(made)
    return talk._replace(packets=inserted(talk, additions))


def contradict_ahead(talk: Talk, dice: Random) -> Talk:
    """Let a segment come late, or never; meanwhile, behind the hole, come segments with other bytes than the ones
    captured before them, some of which go on with true bytes that come later."""
    additions: dict[int, list[Packet]] = {}
    moved: set[int] = set()
    last = {packet.half: -1 for packet in talk.packets}
    for at in _some_with_data(talk, dice, one_in=20):
        late = talk.packets[at]
        group = _followers(talk, at, dice.randint(3, 12))
        if len(group) < 2 or at <= last[late.half]:
            continue
        last[late.half] = group[-1]
        moved.add(at)
        stream = talk.halves[late.half].stream
        for follower in group[1:]:
            known = talk.packets[follower].end
            begin = dice.randrange(late.end, known)
            end = dice.choice([known, dice.randint(begin + 1, known), min(known + dice.randint(1, 2000), len(stream))])
            end = min(end, begin + MOST_PAYLOAD)
            octets = _altered(stream[begin : min(end, known)], dice) + stream[known:end]
            true = (known, end) if end > known else (0, 0)
            additions.setdefault(follower, []).append(segment(talk, late, begin, octets, true=true))
        if dice.random() < 0.75:
            additions.setdefault(group[-1], []).append(late)
    packets = inserted(talk, additions)
    gone = {id(talk.packets[at]) for at in moved}
    return talk._replace(packets=[packet for packet in packets if id(packet) not in gone])


def wrap(talk: Talk, dice: Random) -> Talk:
    """Let the sequence numbers of each direction begin where they come to their end somewhere in it."""
    halves = [half._replace(initial=2**32 - 1 - dice.randint(0, len(half.stream) + 1)) for half in talk.halves]
    packets: list[Packet] = []
    for packet in talk.packets:
        if packet.half < 0 or packet.place is None:
            packets.append(packet)
            continue
        numbers = {}
        for name, at, half in (("sequence", 4, packet.half), ("acknowledgment", 8, packet.half ^ 1)):
            begin = packet.place.tcp + at
            number = int.from_bytes(packet.data[begin : begin + 4], "big")
            numbers[name] = number - talk.halves[half].initial + halves[half].initial
        if not packet.flags & ACK:
            del numbers["acknowledgment"]
        packets.append(packet._replace(data=with_numbers(packet.data, packet.place, **numbers)))
    return Talk(packets, halves)


def _some_with_data(talk: Talk, dice: Random, *, one_in: int) -> list[int]:
    """Choose some of the packets that carry bytes; two at least."""
    carriers = [at for at, packet in enumerate(talk.packets) if packet.begin < packet.end]
    return sorted(dice.sample(carriers, min(max(len(carriers) // one_in, 2), len(carriers))))


def _followers(talk: Talk, at: int, most: int) -> list[int]:
    """Give a packet and those with data that follow it in its direction, each the next bytes, within a short way."""
    group = [at]
    for later in range(at + 1, min(at + _NEAR, len(talk.packets))):
        packet = talk.packets[later]
        if len(group) == most:
            break
        if packet.half != talk.packets[at].half or packet.is_bare:
            continue
        if packet.begin != talk.packets[group[-1]].end:
            break
        group.append(later)
    return group


def _altered(octets: bytes, dice: Random) -> bytes:
    """Change bytes: all at random, or one, or every letter and digit for another so that frames stay whole."""
    changed = bytearray(octets)
    way = dice.randrange(3)
    if way == 0:
        changed[:] = dice.randbytes(len(octets))
    elif way == 1:
        changed[:] = bytes(octet ^ 1 if octet < 128 and chr(octet).isalnum() else octet for octet in octets)
    if changed == octets:
        changed[dice.randrange(len(changed))] ^= dice.randint(1, 255)
    return bytes(changed)
