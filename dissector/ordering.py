"""Events in the order of their packets.

What waits behind a hole in its stream comes out of the amqp room late: when the hole is filled or given up. Here all
else waits for it, as long as it may still come, so that what follows in time order (calls, statistics, people) is fed
in time order. While no stream has a hole nothing waits.
"""

from heapq import heappop, heappush
from operator import attrgetter

from dissector import limits
from dissector.amqp import AmqpEvent


class InOrder:
    """Sorts events by packet number over batches; those of one packet keep their order."""

    def __init__(self) -> None:
        self._held: list[tuple[int, int, AmqpEvent]] = []
        self._serial = 0
        self._latest_ns = 0

    def feed(self, events: list[AmqpEvent], oldest_held: int | None) -> list[AmqpEvent]:
        """Take the events of a batch; give those that nothing can precede any more.

        ``oldest_held`` is the lowest number of a packet whose bytes are held behind a hole, or None. What is older
        than the longest that a hole is waited for does not wait, nor do more than `limits.ORDERED_EVENTS`.
        """
        if oldest_held is None and not self._held:
            return sorted(events, key=attrgetter("number"))
        for event in events:
            self._serial += 1
            self._latest_ns = max(self._latest_ns, event.time_ns)
            heappush(self._held, (event.number, self._serial, event))
        ready: list[AmqpEvent] = []
        while self._held and self._may_go(oldest_held):
            ready.append(heappop(self._held)[2])
        return ready

    def _may_go(self, oldest_held: int | None) -> bool:
        number, _, event = self._held[0]
        return (
            oldest_held is None
            or number < oldest_held
            or self._latest_ns - event.time_ns > limits.HOLE_NS
            or len(self._held) > limits.ORDERED_EVENTS
        )
