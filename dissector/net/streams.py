"""From packets to the byte streams of TCP connections.

Whole batches are joined by columns: segments are sorted by direction, and where those of a direction follow on from
each other they become one `StreamData`, with no Python object for a packet. Only connections that need it go
through `dissector.net.halfstream`, segment by segment.
"""

from collections import deque
from collections.abc import Collection, Iterable
from functools import cached_property
from heapq import heappop, heappush
from itertools import accumulate
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from dissector import limits
from dissector.capture.batch import PacketBatch
from dissector.net.clock import NEVER, Clock
from dissector.net.events import Connection, StreamData, StreamEvent
from dissector.net.flows import Flow, FlowTable, Key, Keys, connection_keys, endpoints
from dissector.net.halfstream import HalfStream
from dissector.net.ip import ACK, FIN, RST, SYN, IpCounts, Segments
from dissector.net.link import SUPPORTED, Columns
from dissector.net.segments import SegmentReader

_CONTROL: Final = FIN | SYN | RST


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
        for kind, count in zip(*np.unique(batch.link_type, return_counts=True), strict=True):
            if int(kind) not in SUPPORTED:
                self.counts.unsupported[int(kind)] = self.counts.unsupported.get(int(kind), 0) + int(count)
        columns, rows = self._reader.feed(batch)
        watched = np.isin(rows.source_port, self._ports) | np.isin(rows.destination_port, self._ports)
        self.counts.segments += int(np.count_nonzero(watched))
        events: list[StreamEvent] = []
        for at in range(0, len(rows.row), limits.CONNECTIONS):
            some = rows.select(slice(at, at + limits.CONNECTIONS))
            join = _Join(self._table, (batch, columns, clock), some, connection_keys(columns, some))
            events += join.run()
            self._waiting.update(join.waiting)
            self._recent.append((self._last.number, join.recent))
            self.counts.evicted += join.evicted
        self.counts.connections = self._table.watched
        while self._recent and self._last.number - self._recent[0][0] > limits.OVERLAP_PACKETS:
            for half in self._recent.popleft()[1]:
                half.forget(self._last.number)
        return events + self._expire(clock)

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

    def with_fragments(self, numbers: tuple[int, ...]) -> tuple[int, ...]:
        """Add the packets of all IP fragments to those packets, ascending, that completed a fragmented segment."""
        return self._reader.with_fragments(numbers)

    def finish(self) -> Iterable[StreamEvent]:
        """End every stream: what is held comes out, holes told."""
        self._waiting.clear()
        self._recent.clear()
        return (event for flow in self._table.clear() for event in flow.end("capture_end", self._last))


class _Join:
    """The work on one batch: its rows sorted into parts, one for each direction of each connection."""

    def __init__(
        self, table: FlowTable, source: tuple[PacketBatch, Columns, Clock], rows: Segments, keys: Keys
    ) -> None:
        batch, columns, self.clock = source
        self.table = table
        self.buffer = columns.buffer
        self.rows = rows
        self.keys = keys
        self.numbers = rows.row + batch.first_number
        self.times = batch.time_ns[rows.row]

        self.evicted = 0
        """Connections that were pushed out."""
        self.recent: list[HalfStream] = []
        """Directions that keep bytes to compare retransmissions with."""
        self.waiting: dict[int, Flow] = {}
        """Connections that were left waiting for something, by their numbers."""

        self.order = np.argsort(keys.hash, kind="stable")
        changes = np.ones(len(self.order), np.bool_)
        changes[1:] = False
        for column in (*keys.columns, keys.from_low):
            in_order = column[self.order]
            changes[1:] |= in_order[1:] != in_order[:-1]
        starts = np.append(np.flatnonzero(changes), len(changes))
        part_of_row = np.cumsum(changes) - 1
        first, last = self.order[starts[:-1]], self.order[starts[1:] - 1]
        self.part_key = keys.at(first)
        self.part_from_low = keys.from_low[first].tolist()
        self.part_first: list[int] = first.tolist()
        self.part_last: list[int] = last.tolist()

        # Of each part, the rows that say something about what follows what: a bare acknowledgment does not.
        is_control = (rows.flags & _CONTROL) != 0
        is_cut = rows.sent != rows.size
        matters = ((rows.size > 0) | is_control | is_cut)[self.order]
        order, part = self.order[matters], part_of_row[matters]
        sequence, size = rows.sequence[order], rows.size[order]
        follows = np.ones(len(order), np.bool_)
        follows[1:] = (part[1:] != part[:-1]) | (sequence[1:] == sequence[:-1] + size[:-1].astype(np.uint32))
        crooked = np.zeros(len(starts) - 1, np.bool_)
        crooked[part[~follows | (is_control | is_cut)[order]]] = True
        self.is_crooked = crooked.tolist()
        self.acknowledged = self._highest_acknowledgments(starts[:-1], part_of_row, last).tolist()
        self.starts: list[int] = starts.tolist()
        self.data_starts = np.searchsorted(part, np.arange(len(starts))).tolist()
        self.data_sequence = sequence.tolist()
        self.data_size = size.tolist()
        self.data_payload = rows.payload[order].tolist()
        self.data_numbers = self.numbers[order].tolist()
        self.data_times = self.times[order].tolist()

    def _highest_acknowledgments(
        self, starts: npt.NDArray[np.int64], part_of_row: npt.NDArray[np.int64], last: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Give each part's highest acknowledgment number, or -1 where it has none."""
        base = self.rows.acknowledgment[last]
        # The difference as a signed number is the distance: they may wrap around (RFC 9293, 3.4).
        ahead = (self.rows.acknowledgment[self.order] - base[part_of_row]).view(np.int32).astype(np.int64)
        none = np.int64(-1 << 32)
        highest = np.maximum.reduceat(np.where(self.rows.flags[self.order] & ACK, ahead, none), starts)
        return np.where(highest == none, -1, (base + highest) & 0xFFFF_FFFF)

    def run(self) -> list[StreamEvent]:
        """Give the events of all connections in the batch."""
        events: list[StreamEvent] = []
        groups: dict[Key, list[int]] = {}
        for part, key in enumerate(self.part_key):
            # A part for each direction, or more where two keys share a hash.
            groups.setdefault(key, []).append(part)
        flows, reopened = self._flows(groups, events)
        for key, parts in groups.items():
            if not flows[key].halves and key not in reopened:
                continue
            if key in reopened or not self._join(flows[key], parts, events):
                events += self._careful(flows[key], parts, reopened.get(key, {}))
            for flow in (flows[key], *reopened.get(key, {}).values()):
                if flow.is_waiting:
                    self.waiting[flow.stream] = flow
                self.recent += [half for half in flow.halves if half.recent]
            latest = self.table.find(key)
            if latest is not None and latest.is_over:
                self.table.retire(key)
        return events

    # -- connections -------------------------------------------------------------------------------------

    def _flows(
        self, groups: dict[Key, list[int]], events: list[StreamEvent]
    ) -> tuple[dict[Key, Flow], dict[Key, dict[int, Flow]]]:
        """Look the connections up; enter new ones in the order of their packets, as Wireshark numbers them.

        Gives each key's connection at the batch's begin, and by row those that take its place: opened by a SYN
        on ports in use, or by the next packet after the older one was pushed out (whose end goes to ``events``).
        """
        first_rows = {key: min(self.part_first[part] for part in parts) for key, parts in groups.items()}
        flows = {key: flow for key in groups if (flow := self.table.find(key)) is not None}
        current = dict(flows)
        reopened: dict[Key, dict[int, Flow]] = {}
        syn_rows = np.flatnonzero(self.rows.flags & SYN)
        to_do = dict(zip(syn_rows.tolist(), self.keys.at(syn_rows), strict=True))
        to_do.update((row, key) for key, row in first_rows.items() if key not in flows)
        heap = sorted(to_do)
        while heap:
            row = heappop(heap)
            key = to_do[row]
            flags, sequence = int(self.rows.flags[row]), int(self.rows.sequence[row])
            from_low = bool(self.keys.from_low[row])
            flow = current.get(key)
            if flow is None or (
                flags & (SYN | ACK) == SYN and flow.begins_anew(from_low, sequence, int(self.numbers[row]))
            ):
                flow = current[key] = self.table.open(key, from_low, flags, int(self.numbers[row]))
                if key in flows:
                    reopened.setdefault(key, {})[row] = flow
                else:
                    flows[key] = flow
                pushed_out = self.table.make_room(first_rows, row)
                if pushed_out is not None:
                    self.evicted += 1
                    old_key, old = pushed_out
                    events += old.end("evicted", self.clock.at(int(self.rows.row[row])), self.clock)
                    if current.pop(old_key, None) is not None:
                        again = first_rows[old_key]
                        if again not in to_do:
                            to_do[again] = old_key
                            heappush(heap, again)
            acknowledgment = int(self.rows.acknowledgment[row]) if flags & ACK else None
            flow.note(from_low, sequence, acknowledgment, is_syn=bool(flags & SYN))
        last_rows = {key: max(self.part_last[part] for part in parts) for key, parts in groups.items()}
        self.table.touch(sorted(last_rows, key=last_rows.__getitem__))
        return flows, reopened

    # -- in order: whole parts ---------------------------------------------------------------------------

    def _join(self, flow: Flow, parts: list[int], events: list[StreamEvent]) -> bool:
        """Join the parts of a connection that all go straight on; False where one does not."""
        work: list[tuple[HalfStream, int]] = []
        low, high = flow.halves
        if len(parts) > 2 or low.is_waiting or high.is_waiting:
            return False
        acknowledged: list[tuple[HalfStream, int]] = []
        for part in parts:
            if self.is_crooked[part]:
                return False
            half, other = (low, high) if self.part_from_low[part] else (high, low)
            acknowledged.append((other, self.acknowledged[part]))
            first = self.data_starts[part]
            if first == self.data_starts[part + 1]:
                continue
            if half.ended or half.next != self.data_sequence[first]:
                return False
            work.append((half, part))
        if len(work) == 2 and work[0][0] is work[1][0]:
            return False
        events += [self._joined(half, part) for half, part in work]
        for half, acknowledgment in acknowledged:
            if acknowledgment >= 0:
                half.acknowledged(acknowledgment, NEVER)
        return True

    def _joined(self, half: HalfStream, part: int) -> StreamData:
        rows = slice(self.data_starts[part], self.data_starts[part + 1])
        payloads, sizes = self.data_payload[rows], self.data_size[rows]
        buffer = self.buffer
        data = b"".join([buffer[at : at + size] for at, size in zip(payloads, sizes, strict=True)])
        ends = list(accumulate(sizes))
        numbers = self.data_numbers[rows]
        times = self.data_times[rows]
        at_start = half.joined(data, ends, numbers, times[-1])
        return StreamData(
            half.connection,
            half.from_client,
            at_start,
            data,
            ends,
            numbers,
            numbers,
            times,
        )

    # -- out of order: segment by segment ----------------------------------------------------------------

    @cached_property
    def _segments(self) -> list[tuple[int, ...]]:
        """What the careful path needs of each row. Most connections have few rows in a batch: to take these from the
        columns for each connection costs more."""
        rows = self.rows
        columns = (
            rows.row,
            self.keys.from_low,
            rows.sequence,
            rows.acknowledgment,
            rows.flags,
            rows.payload,
            rows.size,
            rows.sent,
        )
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def _careful(self, flow: Flow, parts: list[int], reopened: dict[int, Flow]) -> list[StreamEvent]:
        """Take the segments of a connection one by one, in capture order over both directions."""
        events: list[StreamEvent] = []
        low, high = flow.low, flow.high
        index = np.sort(np.concatenate([self.order[self.starts[p] : self.starts[p + 1]] for p in parts]))
        for row in index.tolist():
            packet, from_low, sequence, acknowledgment, flags, payload, size, sent = self._segments[row]
            now = self.clock.at(packet)
            if row in reopened:
                events += _take(flow) + flow.end("reused", now, self.clock)
                flow = reopened[row]
                low, high = flow.low, flow.high
            if low is None or high is None:
                continue
            half, other = (low, high) if from_low else (high, low)
            half.expire(now.number - 1, self.clock)
            other.expire(now.number - 1, self.clock)
            first = sequence
            if flags & SYN:
                half.syn(sequence, now)
                first = (sequence + 1) & 0xFFFF_FFFF
            if sent:
                half.segment(first, self.buffer[payload : payload + size], sent, now)
            if flags & ACK:
                if flags & SYN:
                    other.syn((acknowledgment - 1) & 0xFFFF_FFFF, now)
                other.acknowledged(acknowledgment, now)
            if flags & FIN:
                half.fin((first + sent) & 0xFFFF_FFFF, now)
            if flags & RST and half.reset(sequence, now):
                other.reset(None, now)
            if half.ended and other.ended:
                # Whatever comes after both ends comes after them in the events too.
                events += _take(flow)
        return events + _take(flow)


def _take(flow: Flow) -> list[StreamEvent]:
    return [event for half in flow.halves for event in half.take()]


def packets_of_syn(batch: PacketBatch, connections: Collection[Connection]) -> Iterable[tuple[int, Connection]]:
    """Find the packets that open some TCP connections, by their SYN: the index in the batch and the connection."""
    by_ends = {frozenset((tcp.client, tcp.broker)): tcp for tcp in connections}
    columns, rows = SegmentReader(IpCounts()).feed(batch)
    rows = rows.select((rows.flags & SYN) != 0)
    for index, key in zip(rows.row.tolist(), connection_keys(columns, rows).at(np.arange(len(rows.row))), strict=True):
        tcp = by_ends.get(frozenset(endpoints(key)))
        if tcp is not None:
            yield index, tcp
