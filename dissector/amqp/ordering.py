"""Events in the order of their packets.

What waits behind a hole in its stream, or for the frame that proves it one, comes out late. All else waits for it here,
as long as it may still come, so that whatever is fed with events is fed in time order: the state of a connection, whose
two directions wait for different things; calls, statistics, people. While nothing is held, nothing waits.
"""

from bisect import bisect_left
from operator import itemgetter
from typing import Final

from dissector import limits
from dissector.amqp.connection import ConnectionState
from dissector.amqp.events import AmqpEvent, Message

Entry = tuple[int, int, AmqpEvent, ConnectionState]
"""An event in its place: the packet, `place`, the event, and the state of its connection. No two are equal in the first
two, so entries are compared by these alone. (A plain tuple, for there is one for each event: a named one takes three
times as long to make.)
"""

_NUMBER: Final = itemgetter(0)
_SERIAL_BITS: Final = 48


def place(stream: int, *, from_client: bool) -> int:
    """Give the place of a direction among those that have something at the same packet: the older connection comes
    first, and the client before the broker. Add a serial number to it, ascending within the direction.
    """
    return (stream << 1 | (not from_client)) << _SERIAL_BITS


class InOrder:
    """Sorts events by packet number over batches; those of one packet and direction keep their order."""

    def __init__(self) -> None:
        self.untimely = 0
        """Events given although later ones were given before, for no more can wait."""
        self._last_number = 0
        self._held: list[tuple[int, int, AmqpEvent, ConnectionState, int]] = []
        """Entries, ascending, each with the time of `_clock_ns` at which it came."""
        self._held_bytes = 0
        self._clock_ns = 0
        """Time that has passed, whatever the clock of the capturing machine did (see `limits.CLOCK_STEP_NS`)."""
        self._latest_ns = 0

    def feed(self, entries: list[Entry], oldest_held: int | None, now_ns: int = 0) -> list[Entry]:
        """Take the events of a batch; give those that nothing can precede any more.

        ``oldest_held`` is the lowest number of a packet whose bytes are held somewhere, or None. Nothing waits for
        longer than a hole is waited for, nor do more than `limits.ORDERED_EVENTS` or
        `limits.ORDERED_BYTES`. ``now_ns`` is a time up to which nothing else comes, where that is known.
        """
        if oldest_held is None and not self._held:
            entries.sort()
            return self._given(entries)
        self._pass_time(max((event.time_ns for _, _, event, _ in entries), default=now_ns or self._latest_ns))
        held, clock_ns = self._held, self._clock_ns
        held += [(*entry, clock_ns) for entry in entries]
        held.sort()  # two runs that ascend, most often: they are merged
        self._held_bytes += sum(map(_size, entries))
        ready = len(held) if oldest_held is None else bisect_left(held, oldest_held, key=_NUMBER)
        self._held_bytes -= sum(map(_size, held[:ready]))
        while ready < len(held) and self._waits_no_longer(held[ready][4], len(held) - ready):
            self._held_bytes -= _size(held[ready])
            ready += 1
        given = [entry[:4] for entry in held[:ready]]
        del held[:ready]
        return self._given(given)

    def _pass_time(self, latest_ns: int) -> None:
        if self._latest_ns:
            self._clock_ns += min(max(latest_ns - self._latest_ns, 0), limits.CLOCK_STEP_NS)
        self._latest_ns = latest_ns

    def _given(self, entries: list[Entry]) -> list[Entry]:
        """Count those that are late; ``entries`` ascend."""
        if entries:
            if entries[0][0] < self._last_number:
                self.untimely += bisect_left(entries, self._last_number, key=_NUMBER)
            self._last_number = max(self._last_number, entries[-1][0])
        return entries

    def _waits_no_longer(self, since_ns: int, waiting: int) -> bool:
        """Tell whether the first of so many that wait has waited long enough."""
        return (
            self._clock_ns - since_ns > limits.HOLE_NS
            or waiting > limits.ORDERED_EVENTS
            or self._held_bytes > limits.ORDERED_BYTES
        )


def _size(entry: Entry | tuple[int, int, AmqpEvent, ConnectionState, int]) -> int:
    event = entry[2]
    return len(event.body) if isinstance(event, Message) else 0
