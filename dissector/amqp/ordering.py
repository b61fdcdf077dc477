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
        self._held: list[Entry] = []
        self._held_bytes = 0
        self._latest_ns = 0

    def feed(self, entries: list[Entry], oldest_held: int | None) -> list[Entry]:
        """Take the events of a batch; give those that nothing can precede any more.

        ``oldest_held`` is the lowest number of a packet whose bytes are held somewhere, or None. What is older than
        the longest that a hole is waited for does not wait, nor do more than `limits.ORDERED_EVENTS` or
        `limits.ORDERED_BYTES`.
        """
        if oldest_held is None and not self._held:
            entries.sort()
            return self._given(entries)
        for entry in entries:
            self._latest_ns = max(self._latest_ns, entry.event.time_ns)
            self._held_bytes += _size(entry.event)
            heappush(self._held, entry)
        ready: list[Entry] = []
        while self._held and self._may_go(oldest_held):
            entry = heappop(self._held)
            self._held_bytes -= _size(entry.event)
            ready.append(entry)
        return self._given(ready)

    def _given(self, entries: list[Entry]) -> list[Entry]:
        """Count those that are late; ``entries`` ascend."""
        if entries:
            if entries[0].number < self._last_number:
                self.untimely += bisect_left(entries, self._last_number, key=attrgetter("number"))
            self._last_number = max(self._last_number, entries[-1].number)
        return entries

    def _may_go(self, oldest_held: int | None) -> bool:
        first = self._held[0]
        return (
            oldest_held is None
            or first.number < oldest_held
            or self._latest_ns - first.event.time_ns > limits.HOLE_NS
            or len(self._held) > limits.ORDERED_EVENTS
            or self._held_bytes > limits.ORDERED_BYTES
        )


def _size(event: AmqpEvent) -> int:
    return len(event.body) if isinstance(event, Message) else 0
