"""Bytes of one direction with the packets that they came in, and what is said of those that are no frames."""

from bisect import bisect_right
from typing import Final

import msgspec

UNKNOWN: Final = 1 << 62
"""Bytes that were not seen, where nobody can tell how many: more than any hole has."""


class Note(msgspec.Struct, gc=False):
    """What a `frames.LOST` or `frames.FOREIGN` frame says."""

    reason: str
    """Why bytes were passed over, or which protocol it is."""
    passed_over: int
    """Bytes since the last frame, or 0 where nothing is lost but the proof had to be waited for."""
    unseen: int
    """Bytes since the last frame in which there may be frames that were not seen, or `UNKNOWN`."""
    known_with: tuple[int, int]
    """The packet, and its time, that showed that what was taken for a frame is none; what follows in the run was not
    readable before. (0, 0) where step was lost otherwise."""


class Run(msgspec.Struct, gc=False):
    """Bytes of one direction with the packets that they came in (see `dissector.net.StreamData`)."""

    data: bytes
    ends: list[int]
    numbers: list[int]
    completed: list[int]
    times_ns: list[int]
    notes: list[Note]

    def at(self, offset: int) -> int:
        """Give the index, in ``numbers`` and its like, of the packet that carries the byte at ``offset``."""
        return bisect_right(self.ends, offset)

    def when(self, offset: int) -> tuple[int, int]:
        """Give the packet with which the byte at ``offset`` became readable, and its time."""
        packet = self.at(offset)
        return self.completed[packet], self.times_ns[packet]


EMPTY: Final = Run(b"", [], [], [], [], [])
"""No bytes."""
