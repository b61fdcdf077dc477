"""Connections that end, or seem to, and others on their ports."""

from random import Random

from .headers import ACK, FIN, RST, SYN, with_ends, with_numbers
from .talk import Damage, Half, Packet, Talk, bare, connections, inserted

_FAR = 2**27
"""How far new initial sequence numbers are at least from the old bytes, where they are drawn at random: nothing that
old packets could reach."""


def cut_off(flag: int) -> Damage:
    """End connections in the middle by a FIN or a RST of one end; a few packets of the other are still on their way."""

    def end(talk: Talk, dice: Random) -> Talk:
        additions: dict[int, list[Packet]] = {}
        gone: set[int] = set()
        for members in connections(talk).values():
            if len(members) < 8 or dice.random() < 0.3:
                continue
            last = dice.randrange(4, len(members) - 1)
            half = talk.packets[members[dice.randrange(last + 1)]].half
            like = next(talk.packets[at] for at in reversed(members[: last + 1]) if talk.packets[at].half == half)
            additions[members[last]] = [bare(talk, like, like.end, flag | ACK)]
            late = dice.randint(1, 5)
            for at in members[last + 1 :]:
                is_late = talk.packets[at].half != half and late > 0
                late -= is_late
                if not is_late:
                    gone.add(at)
        packets = inserted(talk, additions)
        dropped = {id(talk.packets[at]) for at in gone}
        return talk._replace(packets=[packet for packet in packets if id(packet) not in dropped])

    return end


def spoofed(flag: int) -> Damage:
    """Put in FINs or RSTs, at the next sequence number or beside it; the connections simply go on."""

    def put(talk: Talk, dice: Random) -> Talk:
        additions: dict[int, list[Packet]] = {}
        for members in connections(talk).values():
            for _ in range(dice.randint(0, 3)):
                at = dice.choice(members)
                like = talk.packets[at]
                off = dice.choice([0, 0, 1, -1, 1000, -1000, dice.randint(-(2**31), 2**31 - 1)])
                made = bare(talk, like, like.end + off, flag | dice.choice([0, ACK]))
                additions.setdefault(at, []).append(made)
        return talk._replace(packets=inserted(talk, additions))

    return put


def reused(*, with_syn: bool, with_close: bool) -> Damage:
    """Let another connection take the ports of one that is over, at once.

    ``with_syn``: its SYNs are in the capture; ``with_close``: the FINs and RSTs of the first one are.
    """

    def reuse(talk: Talk, dice: Random) -> Talk:
        known = connections(talk)
        halves = list(talk.halves)
        additions: dict[int, list[Packet]] = {}
        for first, members in known.items():
            if dice.random() < 0.5 and additions:
                continue
            second = dice.choice([other for other in known if other != first])
            base = len(halves)
            halves += _renewed(talk, first, second, dice)
            at = members[-1]
            for packet in (talk.packets[index] for index in known[second]):
                if with_syn or not packet.flags & SYN:
                    additions.setdefault(at, []).append(_moved(packet, talk.halves, halves, base))
                    at = min(at + dice.choice([0, 0, 1, 3]), len(talk.packets) - 1)
        packets = inserted(talk, additions)
        if not with_close:
            ending = {id(p) for p in talk.packets if p.flags & (FIN | RST)}
            packets = [packet for packet in packets if id(packet) not in ending]
        return Talk(packets, halves)

    return reuse


def _renewed(talk: Talk, first: int, second: int, dice: Random) -> list[Half]:
    """Give the directions of connection ``second`` as they are on the ports of ``first``, with other numbers."""
    ahead = dice.choice([None, dice.randint(2**20, 2**26)])
    made = []
    for side in (0, 1):
        before, half = talk.halves[2 * first + side], talk.halves[2 * second + side]
        # Linux lets the initial number of the same ports run ahead with the clock (RFC 6528); others draw it.
        behind = len(before.stream) + (dice.randint(_FAR, 2**32 - 2 * _FAR) if ahead is None else ahead)
        ends = (f"{before.client[0]}:{before.client[1]}", f"{before.broker[0]}:{before.broker[1]}")
        if ":" in before.client[0]:
            ends = (f"[{before.client[0]}]:{before.client[1]}", f"[{before.broker[0]}]:{before.broker[1]}")
        sent = tuple(some._replace(identity=(*ends, *some.identity[2:])) for some in half.sent)
        initial = (before.initial + behind) % 2**32
        made.append(Half(before.client, before.broker, half.from_client, initial, half.stream, sent))
    return made


def _moved(packet: Packet, old: list[Half], new: list[Half], base: int) -> Packet:
    """Give a packet of a connection as one of that whose directions begin at ``base``."""
    assert packet.place is not None
    side = packet.half % 2
    here, there = new[base + side], new[base + 1 - side]
    ends = (here.client, here.broker) if here.from_client else (here.broker, here.client)
    data = with_ends(packet.data, packet.place, *ends)
    at = packet.place.tcp
    sequence, acknowledgment = (int.from_bytes(data[at + some : at + some + 4], "big") for some in (4, 8))
    sequence += here.initial - old[packet.half].initial
    acknowledgment += there.initial - old[packet.half ^ 1].initial
    has_acknowledgment = bool(packet.flags & ACK)
    data = with_numbers(
        data, packet.place, sequence=sequence, acknowledgment=acknowledgment if has_acknowledgment else None
    )
    return packet._replace(data=data, half=base + side)
