"""Packets of many copies of a conversation that follow each other, changed for each repetition by few operations of
numpy."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from .templates import ID_DIGITS, Octets, Places, Record

BLOCK_BYTES: Final = 1 << 18
"""Octets of a block after which the next one begins."""
SPACING_NS: Final = 500
"""From one packet to the next, where the conversation does not say more."""


class Repetition(NamedTuple):
    """What changes from copy to copy and from time to time."""

    time_ns: int
    """When the block's first packet is captured."""
    addresses: Octets
    """A row a copy."""
    shift: Places
    """How far sequence numbers are from the conversation's, a row a direction, a column a copy."""
    own_digits: Octets
    """A row a copy, `ID_DIGITS` columns."""
    new_digits: Octets
    times: int
    """How often the steady part was said."""


class Block:
    """Some records of a conversation, each as often as there are copies, one after the other."""

    def __init__(self, records: list[Record], copies: int) -> None:
        self.begin_ns = records[0].time_ns
        """When it is due, since the begin of its part of the conversation."""
        self.copies = copies
        self._octets = np.concatenate([np.tile(record.octets, copies) for record in records])
        self._lengths = np.repeat(np.array([len(record.octets) for record in records], np.int64), copies)
        self._times_ns = np.fromiter(_times(records, copies), np.int64, len(records) * copies)
        begins = np.concatenate([[0], np.cumsum(self._lengths)[:-1]])
        self._time_places = _spread(begins, 8)
        some = begins.reshape(-1, copies)
        """Where each packet begins: a row a record, a column a copy."""
        copy = np.arange(copies)
        self._addresses = _Patch(some, [r.addresses for r in records], [np.arange(4)] * len(records), 4 * copy)
        self._own = _Patch(some, [r.own_ids for r in records], [r.own_digits for r in records], ID_DIGITS * copy)
        self._new = _Patch(some, [r.new_ids for r in records], [r.new_digits for r in records], ID_DIGITS * copy)
        self._sequences = _Numbers(some, [(r.sequence_at, r.sequence, r.half) for r in records])
        self._acknowledgments = _Numbers(
            some,
            [None if r.acknowledgment is None else (r.sequence_at + 4, r.acknowledgment, r.half ^ 1) for r in records],
        )
        tags = [tag for record in records for tag in record.tags]
        self._tag_values = np.array([tag.value for tag in tags], np.int64)
        self._tag_steps = np.array([tag.each for tag in tags], np.int64)
        rows = [row for row, record in enumerate(records) for _ in record.tags]
        sources = [np.arange(tag.octets.start, tag.octets.stop) + 8 * at for at, tag in enumerate(tags)]
        self._tags = _Patch(some[rows], [tag.places for tag in tags], sources, 0 * copy)

    @property
    def duration_ns(self) -> int:
        """How long it takes until the next packet may follow."""
        return int(self._times_ns[-1]) + SPACING_NS

    def __len__(self) -> int:
        return len(self._lengths)

    def render(self, repetition: Repetition) -> Octets:
        """Give the octets as they are this time; they change with the next call."""
        octets = self._octets
        times = np.stack(np.divmod(repetition.time_ns + self._times_ns, 10**9), axis=1)
        octets[self._time_places] = times.astype("<u4").view(np.uint8).ravel()
        self._addresses.apply(octets, repetition.addresses)
        self._own.apply(octets, repetition.own_digits)
        self._new.apply(octets, repetition.new_digits)
        self._sequences.apply(octets, repetition.shift)
        self._acknowledgments.apply(octets, repetition.shift)
        tags = (self._tag_values + repetition.times * self._tag_steps).astype(">u8")
        self._tags.apply(octets, tags.view(np.uint8))
        return octets

    def without(self, octets: Octets, is_kept: np.ndarray) -> Octets:
        """Leave out packets."""
        return octets[np.repeat(is_kept, self._lengths)]


class _Patch:
    """Single octets that are taken from a table."""

    def __init__(self, begins: Places, places: list[Places], sources: list[Places], each_copy: Places) -> None:
        """``begins``: a row for each of the others; ``each_copy``: where a copy's part of the table begins."""
        at = [begin[:, None] + some for begin, some in zip(begins, places, strict=True)]
        source = [each_copy[:, None] + some for some in sources]
        self._places = _flat(at)
        self._sources = _flat(source)

    def apply(self, octets: Octets, table: Octets) -> None:
        octets[self._places] = table.ravel()[self._sources]


class _Numbers:
    """Sequence numbers of 32 bits, big end first."""

    def __init__(self, begins: Places, numbers: list[tuple[int, int, int] | None]) -> None:
        """``numbers``: place, value and direction for each record, or None where it has none."""
        copies = begins.shape[1]
        there = [(row, *number) for row, number in zip(begins, numbers, strict=True) if number is not None]
        self._places = _spread(_flat([row + place for row, place, _, _ in there]), 4)
        self._values = np.repeat(np.array([value for _, _, value, _ in there], np.int64), copies)
        self._sources = _flat([half * copies + np.arange(copies) for _, _, _, half in there])

    def apply(self, octets: Octets, shift: Places) -> None:
        numbers = (self._values + shift.ravel()[self._sources]) & 0xFFFF_FFFF
        octets[self._places] = numbers.astype(">u4").view(np.uint8)


def blocks(records: list[Record], copies: int, longest_ns: int | None) -> list[Block]:
    """Cut a part of a conversation into blocks of some `BLOCK_BYTES` and at most so long; None is any length."""
    made: list[Block] = []
    some: list[Record] = []
    size = 0
    for record in records:
        if some and (size >= BLOCK_BYTES or (longest_ns is not None and record.time_ns - some[0].time_ns > longest_ns)):
            made.append(Block(some, copies))
            some, size = [], 0
        some.append(record)
        size += copies * len(record.octets)
    return [*made, Block(some, copies)] if some else made


def _times(records: list[Record], copies: int) -> Iterator[int]:
    """Say when each packet is captured since the first one: when it is due, but one after the other."""
    clock = 0
    for record in records:
        clock = max(clock, record.time_ns - records[0].time_ns)
        for _ in range(copies):
            yield clock
            clock += SPACING_NS


def _spread(begins: Places, width: int) -> Places:
    spread: Places = (begins[:, None] + np.arange(width)).ravel()
    return spread


def _flat(arrays: list[Places]) -> Places:
    return np.concatenate([some.ravel() for some in arrays]) if arrays else np.zeros(0, np.int64)
