"""Packets in another order, more than once, or with times that are wrong."""

from operator import itemgetter
from random import Random

from .talk import Damage, Packet, Talk, in_time, inserted

_SECOND = 10**9


def again_at_once(talk: Talk, dice: Random) -> Talk:
    """Repeat one packet in five at once."""
    return talk._replace(packets=[p for p in talk.packets for _ in range(1 + (dice.random() < 0.2))])


def again_later(talk: Talk, dice: Random) -> Talk:
    """Repeat one packet in ten somewhere later."""
    additions: dict[int, list[Packet]] = {}
    for at, packet in enumerate(talk.packets):
        if dice.random() < 0.1:
            later = min(at + dice.choice([dice.randint(1, 100), dice.randint(1, 2000)]), len(talk.packets) - 1)
            additions.setdefault(later, []).append(packet)
    return talk._replace(packets=inserted(talk, additions))


def reorder(most: int) -> Damage:
    """Let packets come up to so many packets late."""

    def shuffle(talk: Talk, dice: Random) -> Talk:
        often = dice.choice([0.05, 0.3, 1.0])
        late = [at + (dice.uniform(0, most) if dice.random() < often else 0) for at in range(len(talk.packets))]
        order = sorted(range(len(late)), key=late.__getitem__)
        return talk._replace(packets=in_time([talk.packets[at] for at in order]))

    return shuffle


def two_interfaces(talk: Talk, dice: Random) -> Talk:
    """Capture every packet on two interfaces, the second later by what varies, and lose 1 % of each."""
    delay, jitter = dice.randint(0, 8), dice.choice([1, 4, 24])
    places = [(float(at), packet) for at, packet in enumerate(talk.packets) if dice.random() >= 0.01]
    places += [
        (at + dice.uniform(delay, delay + jitter), packet)
        for at, packet in enumerate(talk.packets)
        if dice.random() >= 0.01
    ]
    places.sort(key=itemgetter(0))
    return talk._replace(packets=in_time([packet for _, packet in places]))


def clock_steps(step_s: int) -> Damage:
    """Let the clock step back, at some places, and sometimes forward again."""

    def stepped(talk: Talk, dice: Random) -> Talk:
        places = {dice.randrange(len(talk.packets)) for _ in range(dice.randint(2, 5))}
        packets: list[Packet] = []
        offset = 0
        for at, packet in enumerate(talk.packets):
            if at in places:
                offset += dice.choice([-step_s, -step_s, step_s]) * _SECOND
            packets.append(packet._replace(time_ns=packet.time_ns + offset))
        return talk._replace(packets=packets)

    return stepped
