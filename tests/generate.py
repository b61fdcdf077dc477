"""Writes a capture without end to standard output: tens of thousands of connections that talk for as long as wanted.

``python -m tests.generate --size 5G | osloshark calls -``. The conversations are those of shipped captures, said by
other clients with other ids, again and again; see `tests.damage.templates`.
"""

import argparse
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from heapq import heapify, heapreplace
from typing import Final, NamedTuple

import msgspec
import numpy as np

from .damage.blocks import SPACING_NS, Block, Repetition, blocks
from .damage.templates import AS_CAPTURED, ID_DIGITS, Octets, Said, Template, template

CAPTURES: Final = ("demo", "verdicts", "old-releases", "neutron-nova")
"""Where the conversations are from, unless others are named."""
GROUP: Final = 128
"""Copies of a capture, at most, that go on together, packet by packet."""
GROUP_BYTES: Final = 32 << 20
"""Octets of such a group at most, unless one copy has more."""
PIECE_BYTES: Final = 1 << 20
"""Octets written at once."""
BEGIN_NS: Final = 1_700_000_000 * 10**9
"""When the capture begins, nanoseconds since the epoch."""
TURN_NS: Final = 20_000_000
"""In which time every group has a turn: so late a packet may be."""
OPENING_SHARE: Final = 0.4
"""Within which part of the capture all connections open."""

_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8)
_FILE_HEADER: Final = struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 1 << 18, 1)


class Written(msgspec.Struct):
    """What was written."""

    packets: int = 0
    octets: int = 0
    connections: int = 0
    """Those of the groups that have begun; each has spoken once its group's opening is over."""
    lost: int = 0
    """Packets that were left out."""


class Plan(NamedTuple):
    """What to write."""

    size: int
    """Octets, about."""
    connections: int
    loss: float
    seed: int
    captures: tuple[str, ...] = CAPTURES
    said: Said = AS_CAPTURED


class _Group:
    """Copies of the connections of one capture, in step with each other."""

    def __init__(self, source: Template, first: int, parts: "_Parts", begin_ns: int, dice: np.random.Generator) -> None:
        self.source = source
        self.copies = parts.copies
        self._parts = parts
        self._dice = dice
        self._number = np.arange(first, first + self.copies)
        octets = np.stack([self._number >> 8, self._number & 0xFF], axis=1).astype(np.uint8)
        self._addresses = np.tile(octets, 2)
        self._own_digits = _digits(self._number << 16)
        self._new_digits = self._own_digits
        self._shift = dice.integers(0, 2**32, (len(source.advance), self.copies), np.int64)
        """Of each direction and copy, how far its sequence numbers are from those of the capture."""
        self._begin_ns = begin_ns
        self._blocks = parts.opening or parts.steady
        self._at = 0
        self._times = 0
        """How often the steady part was said."""

    @property
    def due_ns(self) -> int:
        """When the next packets are due."""
        return self._begin_ns + self._blocks[self._at].begin_ns

    def step(self, time_ns: int, loss: float) -> tuple[Octets, Block, int]:
        """Give the octets of the next packets of all copies, from a time on; which they are; how many were lost."""
        block = self._blocks[self._at]
        octets = block.render(
            Repetition(time_ns, self._addresses, self._shift, self._own_digits, self._new_digits, self._times)
        )
        self._at += 1
        if self._at == len(self._blocks):
            self._again()
        if not loss:
            return octets, block, 0
        is_kept = self._dice.random(len(block)) >= loss
        return block.without(octets, is_kept), block, len(block) - int(is_kept.sum())

    def _again(self) -> None:
        if self._blocks is self._parts.steady:
            self._begin_ns += self.source.steady_ns
            self._times += 1
            self._shift += self.source.advance[:, None]
        else:
            self._begin_ns += self.source.opening_ns
            self._blocks = self._parts.steady
        self._begin_ns += self.copies * SPACING_NS
        self._new_digits = _digits(self._number << 16 | self._times + 1 & 0xFFFF)
        self._at = 0


class _Parts(NamedTuple):
    """A capture's conversations in so many copies, shared by all groups of as many."""

    copies: int
    opening: list[Block]
    steady: list[Block]


def _digits(numbers: np.ndarray) -> Octets:
    shifts = np.arange(4 * (ID_DIGITS - 1), -1, -4)
    return _HEX[(numbers[:, None] >> shifts) & 0xF]


def _groups(plan: Plan) -> list[_Group]:
    """Make the groups: as many copies of the captures as have the wanted connections."""
    dice = np.random.default_rng(plan.seed)
    shares: list[tuple[Template, int]] = []
    left, at = plan.connections, 0
    while left > 0:
        source = template(plan.captures[at % len(plan.captures)], plan.said)
        copies = min(GROUP, max(GROUP_BYTES // source.octets, 1), -(-left // source.connections))
        shares.append((source, copies))
        left -= copies * source.connections
        at += 1
    rate = sum(copies * sum(len(some.octets) for some in s.steady) / s.steady_ns for s, copies in shares)
    opening_ns = plan.size / (rate * (1 - OPENING_SHARE / 2)) * OPENING_SHARE
    turn_ns = TURN_NS // len(shares) if len(shares) > 1 else None
    parts: dict[tuple[int, int], _Parts] = {}
    groups, first = [], 0
    for number, (source, copies) in enumerate(shares):
        begin_ns = BEGIN_NS + (int(opening_ns * number / len(shares)) if source.opening else 0)
        shared = parts.get((id(source), copies))
        if shared is None:
            both = (blocks(records, copies, turn_ns) for records in (source.opening, source.steady))
            shared = parts[id(source), copies] = _Parts(copies, *both)
        groups.append(_Group(source, first, shared, begin_ns, dice))
        first += copies
    return groups


def generate(plan: Plan, written: Written) -> Iterator[bytes]:
    """Give the octets of a capture, counting them in ``written``."""
    groups = _groups(plan)
    heap = [(group.due_ns, number) for number, group in enumerate(groups)]
    heapify(heap)
    begun: set[int] = set()
    clock = BEGIN_NS
    written.octets = len(_FILE_HEADER)
    piece = bytearray(_FILE_HEADER)
    while written.octets < plan.size:
        due_ns, number = heap[0]
        group = groups[number]
        clock = max(clock, due_ns)
        made, block, lost = group.step(clock, plan.loss)
        clock += block.duration_ns
        heapreplace(heap, (group.due_ns, number))
        if number not in begun:
            begun.add(number)
            written.connections += group.copies * group.source.connections
        written.packets += len(block) - lost
        written.lost += lost
        written.octets += len(made)
        piece += made.data
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


def octets(text: str) -> int:
    """Read a size: 200M is 200 million octets."""
    factor = {"k": 10**3, "M": 10**6, "G": 10**9}.get(text[-1:], 1)
    return int(float(text.rstrip("kMG")) * factor)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.generate", description=__doc__)
    parser.add_argument("--size", type=octets, default="200M", help="octets to write, as 200M or 5G")
    parser.add_argument("--connections", type=int, default=50_000, help="how many, about")
    parser.add_argument("--loss", type=float, default=0.01, help="share of the packets that is left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--capture", action="append", help="a shipped capture to repeat; may be given several times")
    parser.add_argument("--body", type=int, help="octets of a body on average")
    parser.add_argument("--mtu", type=int, help="octets of an IP packet at most")
    parser.add_argument("--most", type=int, help="connections at most that one copy of a capture has")
    parser.add_argument("--open", type=int, help="every so manyth connection was opened before the capture begins")
    options = parser.parse_args(arguments)
    written = Written()
    captures = tuple(options.capture or CAPTURES)
    said = Said(options.body, options.mtu, options.most, options.open)
    for piece in generate(Plan(options.size, options.connections, options.loss, options.seed, captures, said), written):
        at = 0
        while at < len(piece):
            at += os.write(sys.stdout.fileno(), piece[at:])
    print(msgspec.json.encode(written).decode(), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
