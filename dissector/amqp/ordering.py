"""Events in the order of their packets.

What waits behind a hole in its stream, or for the frame that proves it one, comes out late. All else waits for it here,
as long as it may still come, so that whatever is fed with events is fed in time order: the state of a connection, whose
two directions wait for different things; calls, statistics, people. While nothing is held, nothing waits.
"""

from bisect import bisect_left
from heapq import heappop, heappush
from operator import attrgetter
from typing import NamedTuple

from dissector import limits
from dissector.amqp.connection import ConnectionState
from dissector.amqp.events import AmqpEvent, Message


class Entry(NamedTuple):
    """An event in its place. Where several have something at one packet, the older connection comes first, and the
    client before the broker.
    """

    number: int
    stream: int
    is_brokers: bool
    serial: int
    """Ascending within a direction; no two are equal."""
    event: AmqpEvent
    state: ConnectionState


class InOrder:
    """Sorts events by packet number over batches; those of one packet and direction keep their order."""

    def __init__(self) -> None:
        self.untimely = 0
        """Events given although later ones were given before, for no more can wait."""
        self._last_number = 0
        self._held: list[tuple[Entry, int]] = []
        """Each with the time of `_clock_ns` at which it came."""
        self._held_bytes = 0
        self._clock_ns = 0
        """Time that has passed, whatever the clock of the capturing machine did (see `limits.CLOCK_STEP_NS`)."""
        self._latest_ns = 0

    def feed(self, entries: list[Entry], oldest_held: int | None) -> list[Entry]:
        """Take the events of a batch; give those that nothing can precede any more.

        ``oldest_held`` is the lowest number of a packet whose bytes are held somewhere, or None. Nothing waits for
        longer than a hole is waited for, nor do more than `limits.ORDERED_EVENTS` or
        `limits.ORDERED_BYTES`.
        """
        if oldest_held is None and not self._held:
            entries.sort()
            return self._given(entries)
        self._pass_time(max((entry.event.time_ns for entry in entries), default=self._latest_ns))
        for entry in entries:
            self._held_bytes += _size(entry.event)
            heappush(self._held, (entry, self._clock_ns))
        ready: list[Entry] = []
        while self._held and self._may_go(oldest_held):
            entry, _ = heappop(self._held)
            self._held_bytes -= _size(entry.event)
            ready.append(entry)
        return self._given(ready)

    def _pass_time(self, latest_ns: int) -> None:
        if self._latest_ns:
            self._clock_ns += min(max(latest_ns - self._latest_ns, 0), limits.CLOCK_STEP_NS)
        self._latest_ns = latest_ns

    def _given(self, entries: list[Entry]) -> list[Entry]:
        """Count those that are late; ``entries`` ascend."""
        if entries:
            if entries[0].number < self._last_number:
                self.untimely += bisect_left(entries, self._last_number, key=attrgetter("number"))
            self._last_number = max(self._last_number, entries[-1].number)
        return entries

    def _may_go(self, oldest_held: int | None) -> bool:
        first, since_ns = self._held[0]
        return (
            oldest_held is None
            or first.number < oldest_held
            or self._clock_ns - since_ns > limits.HOLE_NS
            or len(self._held) > limits.ORDERED_EVENTS
            or self._held_bytes > limits.ORDERED_BYTES
        )


def _size(event: AmqpEvent) -> int:
    return len(event.body) if isinstance(event, Message) else 0
