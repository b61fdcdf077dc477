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

from .damage.templates import ID_DIGITS, Octets, Record, Template, template

CAPTURES: Final = ("demo", "verdicts", "old-releases", "neutron-nova")
"""Where the conversations are from."""
GROUP: Final = 128
"""Copies of a capture that go on together, packet by packet: so many are made by one numpy operation."""
PIECE_BYTES: Final = 1 << 20
"""Octets written at once."""
BEGIN_NS: Final = 1_700_000_000 * 10**9
"""When the capture begins, nanoseconds since the epoch."""
SPACING_NS: Final = 500
"""From one packet to the next in a group."""
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


class _Group:
    """Copies of the connections of one capture, in step with each other."""

    def __init__(self, source: Template, first: int, copies: int, begin_ns: int, dice: np.random.Generator) -> None:
        self.source = source
        self.copies = copies
        self._dice = dice
        number = np.arange(first, first + copies)
        octets = np.stack([number >> 8, number & 0xFF], axis=1).astype(np.uint8)
        self._addresses = np.tile(octets, 2)
        self._number = number
        self._own_digits = _digits(number << 16)
        self._new_digits = self._own_digits
        self._offsets = dice.integers(0, 2**32, (len(source.advance), copies), np.int64)
        """Of each direction and copy, how far its sequence numbers are from those of the capture."""
        self._begin_ns = begin_ns
        self._records = source.opening
        self._at = 0
        self._times = 0
        """How often the steady part was said."""
        self._advance = np.zeros_like(source.advance)

    @property
    def due_ns(self) -> int:
        """When the next packet is due."""
        return self._begin_ns + self._records[self._at].time_ns

    def step(self, time_ns: int, loss: float) -> tuple[Octets, int]:
        """Give the next packet of all copies, from a time on, and how many were not lost."""
        record = self._records[self._at]
        rows = self._rows(record, time_ns)
        self._at += 1
        if self._at == len(self._records):
            self._again()
        if loss:
            rows = rows[self._dice.random(self.copies) >= loss]
        return rows, len(rows)

    def _again(self) -> None:
        if self._records is self.source.opening:
            self._begin_ns += self.source.opening_ns
            self._records = self.source.steady
        else:
            self._begin_ns += self.source.steady_ns
            self._times += 1
            self._advance = self._advance + self.source.advance
        self._begin_ns += GROUP * SPACING_NS
        self._new_digits = _digits(self._number << 16 | self._times + 1 & 0xFFFF)
        self._at = 0

    def _rows(self, record: Record, time_ns: int) -> Octets:
        rows = np.empty((self.copies, len(record.octets)), np.uint8)
        rows[:] = record.octets
        times = time_ns + SPACING_NS * np.arange(self.copies)
        rows[:, :8] = np.stack([times // 10**9, times % 10**9], axis=1).astype("<u4").view(np.uint8)
        rows[:, record.addresses] = self._addresses
        at = record.sequence_at
        rows[:, at : at + 4] = self._numbers(record.sequence, record.half)
        if record.acknowledgment is not None:
            rows[:, at + 4 : at + 8] = self._numbers(record.acknowledgment, record.half ^ 1)
        if len(record.own_ids):
            rows[:, record.own_ids] = self._own_digits[:, record.own_digits]
        if len(record.new_ids):
            rows[:, record.new_ids] = self._new_digits[:, record.new_digits]
        for tag in record.tags:
            octets = struct.pack(">Q", tag.value + self._times * tag.each)
            rows[:, tag.places] = np.frombuffer(octets, np.uint8)[tag.octets]
        return rows

    def _numbers(self, number: int, half: int) -> Octets:
        """Give a sequence number of a direction as each copy has it."""
        numbers = (number + self._advance[half] + self._offsets[half]) & 0xFFFF_FFFF
        return numbers.astype(">u4").view(np.uint8).reshape(-1, 4)


def _digits(numbers: np.ndarray) -> Octets:
    shifts = np.arange(4 * (ID_DIGITS - 1), -1, -4)
    return _HEX[(numbers[:, None] >> shifts) & 0xF]


def _groups(plan: Plan) -> list[_Group]:
    """Make the groups: as many copies of the captures as have the wanted connections."""
    dice = np.random.default_rng(plan.seed)
    shares: list[tuple[Template, int]] = []
    left, at = plan.connections, 0
    while left > 0:
        source = template(CAPTURES[at % len(CAPTURES)])
        copies = min(GROUP, -(-left // source.connections))
        shares.append((source, copies))
        left -= copies * source.connections
        at += 1
    rate = sum(copies * sum(len(some.octets) for some in s.steady) / s.steady_ns for s, copies in shares)
    opening_ns = plan.size / (rate * (1 - OPENING_SHARE / 2)) * OPENING_SHARE
    groups, first = [], 0
    for number, (source, copies) in enumerate(shares):
        begin_ns = BEGIN_NS + int(opening_ns * number / len(shares))
        groups.append(_Group(source, first, copies, begin_ns, dice))
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
        rows, count = group.step(clock, plan.loss)
        clock += group.copies * SPACING_NS
        heapreplace(heap, (group.due_ns, number))
        if number not in begun:
            begun.add(number)
            written.connections += group.copies * group.source.connections
        written.packets += count
        written.lost += group.copies - count
        written.octets += rows.size
        piece += rows.tobytes()
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
    options = parser.parse_args(arguments)
    written = Written()
    for piece in generate(Plan(options.size, options.connections, options.loss, options.seed), written):
        at = 0
        while at < len(piece):
            at += os.write(sys.stdout.fileno(), piece[at:])
    print(msgspec.json.encode(written).decode(), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
