"""Every kind of damage by its name."""

from collections.abc import Iterator
from random import Random
from typing import Final

from . import endings, losses, orders, segments
from .headers import FIN, RST
from .talk import Damage, Talk


def _then(*damages: Damage) -> Damage:
    """Do one kind of damage after the other."""

    def do(talk: Talk, dice: Random) -> Talk:
        for damage in damages:
            talk = damage(talk, dice)
        return talk

    return do


def _all() -> Iterator[tuple[str, Damage]]:
    for percent in (0.1, 0.5, 1, 2, 5, 10, 20):
        yield f"loss of {percent} %", losses.loss(percent / 100)
    yield "burst loss", losses.bursts
    yield "client's packets lost", losses.one_way(True)
    yield "broker's packets lost", losses.one_way(False)
    yield "start at any packet", losses.start
    yield "start inside a packet", losses.start_inside
    for length in (96, 128, 262, 512, 1000, 1500):
        yield f"snap length {length}", losses.snap(length)
    yield "duplicates at once", orders.again_at_once
    yield "duplicates later", orders.again_later
    yield "reordered by up to 8", orders.reorder(8)
    yield "reordered by up to 64", orders.reorder(64)
    yield "retransmissions recut", segments.resend
    yield "retransmissions recut, 1 % loss", _then(losses.loss(0.01), segments.resend)
    yield "segments recut", segments.recut
    yield "segments recut, 1 % loss", _then(segments.recut, losses.loss(0.01))
    yield "overlap that differs", segments.contradict_behind
    yield "overlap that differs, at holes", segments.contradict_ahead
    yield "sequence wrap", segments.wrap
    yield "sequence wrap, 1 % loss", _then(segments.wrap, losses.loss(0.01))
    yield "two interfaces, 1 % loss each", orders.two_interfaces
    yield "no bare ACKs", losses.no_acknowledgments
    yield "no bare ACKs, 1 % loss", _then(losses.no_acknowledgments, losses.loss(0.01))
    yield "FIN in the middle", endings.cut_off(FIN)
    yield "RST in the middle", endings.cut_off(RST)
    yield "FIN spoofed", endings.spoofed(FIN)
    yield "RST spoofed", endings.spoofed(RST)
    for with_syn in (True, False):
        for with_close in (True, False):
            seen = f"{'' if with_syn else ', no SYN'}{'' if with_close else ', no FIN or RST'}"
            yield f"ports reused{seen}", endings.reused(with_syn=with_syn, with_close=with_close)
    yield "clock steps of 5 s, 1 % loss", _then(orders.clock_steps(5), losses.loss(0.01))
    yield "clock steps of 1 h, 1 % loss", _then(orders.clock_steps(3600), losses.loss(0.01))
    yield "loss, reordered, duplicates", _then(losses.loss(0.02), orders.again_later, orders.reorder(32))
    yield "bursts, start inside, snap length", _then(losses.bursts, losses.start_inside, losses.snap(512))
    yield (
        "recut, duplicates, reordered, loss",
        _then(segments.recut, orders.again_at_once, orders.reorder(16), losses.loss(0.01)),
    )


KINDS: Final[dict[str, Damage]] = dict(_all())
"""Name to damage. The name is that of a row of the table."""


EVERY_START: Final = ("start at every packet", "start inside every packet")
"""Kinds that are not drawn but counted through: the seed is the index of the first packet."""


def every_start(talk: Talk, kind: str, first: int) -> Talk:
    """Begin at the packet with that index, or inside it."""
    kept = losses.start_at(first)(talk, Random(first))
    return kept if kind == EVERY_START[0] else losses.inside(kept, Random(first))


def damaged(talk: Talk, kind: str, seed: str) -> Talk:
    """Damage a capture; the same for the same seed."""
    return KINDS[kind](talk, Random(f"{kind}/{seed}"))
