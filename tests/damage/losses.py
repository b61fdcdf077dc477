"""Packets, and parts of packets, that are not in the capture."""

from random import Random

from .headers import FIN, RST, SYN, with_numbers, with_payload
from .talk import Damage, Packet, Talk


def loss(rate: float) -> Damage:
    """Lose each packet with a probability."""

    def lose(talk: Talk, dice: Random) -> Talk:
        return talk._replace(packets=[packet for packet in talk.packets if dice.random() >= rate])

    return lose


def bursts(talk: Talk, dice: Random) -> Talk:
    """Lose runs of 2 to 200 packets."""
    packets = list(talk.packets)
    for _ in range(len(packets) // 500 + dice.randint(1, 3)):
        begin = dice.randrange(len(packets))
        del packets[begin : begin + dice.randint(2, 200)]
        if not packets:
            break
    return talk._replace(packets=packets)


def one_way(lost_from_client: bool) -> Damage:
    """Lose all packets of one direction."""

    def lose(talk: Talk, dice: Random) -> Talk:
        return talk._replace(packets=[p for p in talk.packets if p.half < 0 or p.half % 2 == lost_from_client])

    return lose


def start(talk: Talk, dice: Random) -> Talk:
    """Begin at any packet."""
    return start_at(dice.randrange(len(talk.packets) * 9 // 10))(talk, dice)


def start_at(first: int) -> Damage:
    """Begin at the packet with that index."""

    def begin(talk: Talk, dice: Random) -> Talk:
        return talk._replace(packets=talk.packets[first:])

    return begin


def start_inside(talk: Talk, dice: Random) -> Talk:
    """Begin at any packet, and inside it."""
    return inside(start(talk, dice), dice)


def inside(kept: Talk, dice: Random) -> Talk:
    """Of the connections that are already there at the first packet, lose the first bytes of the first packet with
    data of each direction, so that the capture begins anywhere in a frame."""
    packets: list[Packet] = []
    begun = {half for half in range(len(kept.halves)) if not _opens(kept, half)}
    for packet in kept.packets:
        if packet.half in begun and not packet.is_bare:
            begun.remove(packet.half)
            size = packet.end - packet.begin
            if size > 1:
                packet = _without_begin(packet, kept, dice.randint(1, size - 1))  # noqa: PLW2901
        packets.append(packet)
    return kept._replace(packets=packets)


def _opens(talk: Talk, half: int) -> bool:
    return any(packet.half == half and packet.flags & SYN for packet in talk.packets)


def _without_begin(packet: Packet, talk: Talk, size: int) -> Packet:
    assert packet.place is not None
    begin = packet.begin + size
    payload = packet.data[packet.place.payload + size : packet.place.end]
    data = with_numbers(packet.data, packet.place, sequence=talk.halves[packet.half].sequence(begin))
    data = with_payload(data, packet.place, payload)
    place = packet.place._replace(end=packet.place.end - size)
    return packet._replace(data=data, original=len(data), place=place, begin=begin)


def snap(length: int) -> Damage:
    """Keep only the first bytes of each packet; its original length is told."""

    def cut(packet: Packet) -> Packet:
        if len(packet.data) <= length:
            return packet
        lost = 0
        if packet.place is not None:
            lost = max(packet.place.end - max(length, packet.place.payload), 0)
        # Bytes that are not true, as those of a segment made to contradict, stand before the true ones.
        return packet._replace(data=packet.data[:length], end=max(packet.end - lost, packet.begin))

    def cut_all(talk: Talk, dice: Random) -> Talk:
        return talk._replace(packets=[cut(packet) for packet in talk.packets])

    return cut_all


def no_acknowledgments(talk: Talk, dice: Random) -> Talk:
    """Lose all packets that do nothing but acknowledge."""
    return talk._replace(packets=[p for p in talk.packets if not p.is_bare or p.flags & (SYN | FIN | RST)])
