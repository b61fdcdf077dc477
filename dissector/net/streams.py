"""From packets to the byte streams of TCP connections.

Batch by batch, and in each all connections: see `dissector.net.join`.
"""

from collections import deque
from collections.abc import Collection, Iterable

import msgspec
import numpy as np

from dissector import limits
from dissector.capture.batch import PacketBatch
from dissector.net.clock import NEVER, Clock
from dissector.net.events import Connection, StreamEvent
from dissector.net.flows import Flow, FlowTable, connection_keys, endpoints
from dissector.net.halfstream import HalfStream
from dissector.net.ip import SYN, IpCounts
from dissector.net.join import Join
from dissector.net.link import SUPPORTED, link_types
from dissector.net.segments import SegmentReader


class StreamCounts(msgspec.Struct):
    """How complete the streams were."""

    packets: int = 0
    segments: int = 0
    """TCP segments on the watched ports."""
    connections: int = 0
    """TCP connections on the watched ports."""
    evicted: int = 0
    """Connections forgotten because there were too many at once (`limits.CONNECTIONS`)."""
    unsupported: dict[int, int] = msgspec.field(default_factory=dict)
    """LINKTYPE_ number of what cannot be read, to packets."""
    ip: IpCounts = msgspec.field(default_factory=IpCounts)


class Streams:
    """Reassembles the TCP streams of the connections that have one end on a watched port.

    ``ports`` are the broker's TCP ports; ``is_live`` says that someone waits for what comes (`limits.HOLE_LIVE_NS`).
    Feed batches in capture order. Events come in stream order within a direction of a connection; what they say does
    not depend on how packets were cut into batches.
    """

    def __init__(self, ports: Collection[int] = (5672,), *, is_live: bool = False) -> None:
        self._is_live = is_live
        self.counts = StreamCounts()
        self._reader = SegmentReader(self.counts.ip)
        self._table = FlowTable(ports)
        self._ports = np.array(sorted(ports), np.uint64)
        self._last = NEVER
        self._recent: deque[tuple[int, list[HalfStream]]] = deque()
        """Directions that keep bytes to compare retransmissions with, by the last packet of their batch."""
        self._waiting: dict[int, Flow] = {}
        """Those of which a direction waits for something, by their numbers."""

    @property
    def oldest_held(self) -> int | None:
        """The lowest number of a packet whose bytes are held behind a hole; None where there is no hole."""
        halves = [half for flow in self._waiting.values() for half in flow.halves]
        numbers = [number for half in halves if (number := half.oldest_held) is not None]
        return min(numbers, default=None)

    def feed(self, batch: PacketBatch) -> Iterable[StreamEvent]:
        """Take the next packets; give what they complete."""
        if not len(batch):
            return []
        clock = Clock(batch, self._last, is_live=self._is_live)
        self._last = clock.at(len(batch) - 1)
        self.counts.packets += len(batch)
        for kind, count in link_types(batch).items():
            if kind not in SUPPORTED:
                self.counts.unsupported[kind] = self.counts.unsupported.get(kind, 0) + count
        columns, rows = self._reader.feed(batch)
        watched = np.isin(rows.source_port, self._ports) | np.isin(rows.destination_port, self._ports)
        self.counts.segments += int(np.count_nonzero(watched))
        events: list[StreamEvent] = []
        for at in range(0, len(rows.row), limits.CONNECTIONS):
            some = rows.select(slice(at, at + limits.CONNECTIONS))
            join = Join(self._table, (batch, columns, clock), some, connection_keys(columns, some))
            events += join.run()
            self._waiting.update(join.waiting)
            self._recent.append((self._last.number, join.recent))
            self.counts.evicted += join.evicted
        self.counts.connections = self._table.watched
        while self._recent and self._last.number - self._recent[0][0] > limits.OVERLAP_PACKETS:
            for half in self._recent.popleft()[1]:
                half.forget(self._last.number)
        return events + self._expire(clock)

    def pass_time(self, time_ns: int) -> Iterable[StreamEvent]:
        """Learn that no packet has come up to a time, in nanoseconds since the epoch; give what waits for no longer."""
        if not self._last.number:
            return []
        none = np.empty(0, np.int64)
        quiet = PacketBatch(b"", none, none, none, np.array([time_ns]), none.astype(np.uint16), self._last.number)
        clock = Clock(quiet, self._last, is_live=self._is_live)
        self._last = clock.at(0)
        return self._expire(clock)

    def _expire(self, clock: Clock) -> list[StreamEvent]:
        """Let the packets of other connections pass, too, for those that wait."""
        events: list[StreamEvent] = []
        flows = [self._waiting[stream] for stream in sorted(self._waiting)]
        halves = [half for flow in flows for half in flow.halves]
        for half in halves:
            half.expire(self._last.number, clock)
        held = sum(half.held_bytes for half in halves)
        for half in halves:
            if held <= limits.HELD_TOTAL_BYTES:
                break
            held -= half.held_bytes
            half.end_waiting(self._last)
            held += half.held_bytes
        for half in halves:
            events += half.take()
        self._waiting = {flow.stream: flow for flow in flows if flow.is_waiting}
        return events

    @property
    def has_fragments(self) -> bool:
        """Whether `with_fragments` has anything to add to packets of late."""
        return self._reader.has_fragments

    def with_fragments(self, numbers: tuple[int, ...]) -> tuple[int, ...]:
        """Add the packets of all IP fragments to those packets, ascending, that completed a fragmented segment."""
        return self._reader.with_fragments(numbers)

    def finish(self) -> Iterable[StreamEvent]:
        """End every stream: what is held comes out, holes told."""
        self._waiting.clear()
        self._recent.clear()
        return (event for flow in self._table.clear() for event in flow.end("capture_end", self._last))


def packets_of_syn(batch: PacketBatch, connections: Collection[Connection]) -> Iterable[tuple[int, Connection]]:
    """Find the packets that open some TCP connections, by their SYN: the index in the batch and the connection."""
    by_ends = {frozenset((tcp.client, tcp.broker)): tcp for tcp in connections}
    columns, rows = SegmentReader(IpCounts()).feed(batch)
    rows = rows.select((rows.flags & SYN) != 0)
    for index, key in zip(rows.row.tolist(), connection_keys(columns, rows).at(np.arange(len(rows.row))), strict=True):
        tcp = by_ends.get(frozenset(endpoints(key)))
        if tcp is not None:
            yield index, tcp
