"""The capture's clock: how much time has passed, whatever the clock of the capturing machine did."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dissector import limits
from dissector.capture.batch import PacketBatch


class Moment(NamedTuple):
    """When a packet was captured."""

    number: int
    """The packet."""
    time_ns: int
    """Its time, nanoseconds since the epoch."""
    clock_ns: int
    """Its time on the capture's clock, nanoseconds: see `Clock`."""


NEVER = Moment(0, 0, 0)
"""Before the first packet."""


class Clock:
    """The clock of one batch of packets. It begins at 0 and never goes back; between two packets, no more than
    `limits.CLOCK_STEP_NS` pass on it: so a machine that is set right, or that slept, does not end every wait.
    """

    def __init__(self, batch: PacketBatch, before: Moment, *, is_live: bool) -> None:
        """``before`` is the last packet of the batch before, or `NEVER`; ``is_live`` where someone waits."""
        self._is_live = is_live
        self._first_number = batch.first_number
        self._time_ns = batch.time_ns
        steps = np.diff(batch.time_ns, prepend=before.time_ns if before.number else batch.time_ns[0])
        self._clock_ns: npt.NDArray[np.int64] = before.clock_ns + np.cumsum(np.clip(steps, 0, limits.CLOCK_STEP_NS))

    def at(self, index: int) -> Moment:
        """Give the moment of a packet of the batch."""
        return Moment(self._first_number + index, int(self._time_ns[index]), int(self._clock_ns[index]))

    def after(self, since: Moment, least_ns: int, live_ns: int, last: int) -> Moment | None:
        """Give the first packet of the batch that comes `limits.HOLE_PACKETS` and ``least_ns`` after a moment, or on a
        live clock ``live_ns`` after it; None where none does up to the one numbered ``last``.
        """
        size = min(last - self._first_number + 1, len(self._clock_ns))
        by_number = since.number + limits.HOLE_PACKETS - self._first_number
        if by_number >= size and not self._is_live:
            return None  # so it is nearly always: to search would cost more than all the rest
        clock_ns = self._clock_ns
        index = max(by_number, int(clock_ns.searchsorted(since.clock_ns + least_ns)))
        if self._is_live:
            index = min(index, int(clock_ns.searchsorted(since.clock_ns + live_ns)))
        return self.at(index) if index < size else None
