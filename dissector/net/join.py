"""The work on one batch: from its segments to the events of all connections in it.

Segments are sorted by direction, and where those of a direction follow on from each other they become one
`StreamData`, with no Python object for a packet. What does not follow on goes through `dissector.net.halfstream`,
segment by segment, and what comes behind it is joined again.
"""

from functools import cached_property, partial
from heapq import heappop, heappush
from itertools import accumulate
from typing import Final

import numpy as np
import numpy.typing as npt

from dissector.capture.batch import PacketBatch
from dissector.net.clock import NEVER, Clock
from dissector.net.events import StreamData, StreamEvent
from dissector.net.flows import Flow, FlowTable, Key, Keys
from dissector.net.halfstream import HalfStream
from dissector.net.ip import ACK, FIN, RST, SYN, Segments
from dissector.net.link import Columns

_CONTROL: Final = FIN | SYN | RST
_NONE: Final[dict[int, Flow]] = {}
_NO_ROW: Final = -1
"""Comes before every row of a batch."""


class Join:
    """Its rows sorted into parts, one for each direction of each connection. `run` does the work."""

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
        self.part_by_last: list[int] = np.argsort(last).tolist()

        # Of each part, the rows that say something about what follows what: a bare acknowledgment does not.
        is_control = (rows.flags & _CONTROL) != 0
        is_cut = rows.sent != rows.size
        matters = ((rows.size > 0) | is_control | is_cut)[self.order]
        order, part = self.order[matters], part_of_row[matters]
        sequence, size = rows.sequence[order], rows.size[order]
        follows = np.ones(len(order), np.bool_)
        follows[1:] = (part[1:] != part[:-1]) | (sequence[1:] == sequence[:-1] + size[:-1].astype(np.uint32))
        crooked = ~follows | (is_control | is_cut)[order]
        last_crooked = np.full(len(starts) - 1, _NO_ROW)
        last_crooked[part[crooked]] = order[crooked]  # of a part's rows, which ascend, the last one stays
        self.last_crooked: list[int] = last_crooked.tolist()
        is_syn = (((rows.flags & _CONTROL) == SYN) & (rows.sent == 0))[self.order]
        in_order = rows.sequence[self.order]
        is_syn[1:] &= changes[1:] | (in_order[1:] == in_order[:-1])
        self.is_syn: list[bool] = np.logical_and.reduceat(is_syn, starts[:-1]).tolist()
        """Of each part, whether it is nothing but a SYN, repeated perhaps."""
        self.acknowledged = self._highest_acknowledgments(starts[:-1], part_of_row, last).tolist()
        self.starts: list[int] = starts.tolist()
        self.data_starts = np.searchsorted(part, np.arange(len(starts))).tolist()
        self.data_rows = order
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
            flow, again = flows[key], reopened.get(key, _NONE)
            every = (flow, *again.values())
            for each in every:
                if each.is_half_open and (again or not self._stays_half_open(each, parts)):
                    each.make_halves()
            if not again and not flow.halves:
                continue
            if again or not self._join(flow, parts, events):
                events += self._careful(flow, parts, again)
                self.waiting.update((each.stream, each) for each in every if each.is_waiting)
            self.recent += [half for each in every for half in each.halves if half.recent]
            latest = self.table.find(key) if again else flow
            if latest is not None and latest.is_over:
                self.table.retire(key, latest)
        return events

    # -- connections -------------------------------------------------------------------------------------

    def _flows(
        self, groups: dict[Key, list[int]], events: list[StreamEvent]
    ) -> tuple[dict[Key, Flow], dict[Key, dict[int, Flow]]]:
        """Look the connections up; enter new ones in the order of their packets, as Wireshark numbers them.

        Gives each key's connection at the batch's begin, and by row those that take its place: opened by a SYN
        on ports in use, or by the next packet after the older one was pushed out (whose end goes to ``events``).
        """
        flows = {key: flow for key in groups if (flow := self.table.find(key)) is not None}
        for key, flow in flows.items():
            if flow.is_half_open and not self._stays_half_open(flow, groups[key]):
                flow.go_on(NEVER)
        current = dict(flows)
        reopened: dict[Key, dict[int, Flow]] = {}
        syn_rows = np.flatnonzero(self.rows.flags & SYN)
        to_do = dict(zip(syn_rows.tolist(), self.keys.at(syn_rows), strict=True))
        if len(flows) < len(groups):
            to_do.update((self._first_row(parts), key) for key, parts in groups.items() if key not in flows)
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
                pushed_out = self.table.make_room(partial(self._has_spoken, groups, row))
                if pushed_out is not None:
                    self.evicted += 1
                    old_key, old = pushed_out
                    events += old.end("evicted", self.clock.at(int(self.rows.row[row])), self.clock)
                    if current.pop(old_key, None) is not None:
                        again = self._first_row(groups[old_key])
                        if again not in to_do:
                            to_do[again] = old_key
                            heappush(heap, again)
            acknowledgment = int(self.rows.acknowledgment[row]) if flags & ACK else None
            flow.note(from_low, sequence, acknowledgment, is_syn=bool(flags & SYN))
        self.table.touch([self.part_key[part] for part in self.part_by_last])
        return flows, reopened

    def _first_row(self, parts: list[int]) -> int:
        return min([self.part_first[part] for part in parts])

    def _has_spoken(self, groups: dict[Key, list[int]], row: int, key: Key) -> bool:
        """Tell whether a connection has a row up to this one."""
        return key in groups and self._first_row(groups[key]) <= row

    def _stays_half_open(self, flow: Flow, parts: list[int]) -> bool:
        """Tell whether the parts of a half-open connection are nothing but the SYNs that it knows and their answers."""
        for part in parts:
            from_low, acknowledged = self.part_from_low[part], self.acknowledged[part]
            mine, other = flow.initial[from_low], flow.initial[not from_low]
            if not self.is_syn[part] or mine not in (None, int(self.rows.sequence[self.part_first[part]])):
                return False
            if acknowledged >= 0 and (other is None or acknowledged != (other + 1) & 0xFFFF_FFFF):
                return False
        return True

    # -- in order: whole parts ---------------------------------------------------------------------------

    def _join(self, flow: Flow, parts: list[int], events: list[StreamEvent], after: int = _NO_ROW) -> bool:
        """Join the parts of a connection, behind a row, that all go straight on; False where one does not."""
        work: list[tuple[HalfStream, slice]] = []
        low, high = flow.halves
        if len(parts) > 2 or low.is_waiting or high.is_waiting:
            return False
        acknowledged: list[tuple[HalfStream, int]] = []
        for part in parts:
            if self.last_crooked[part] > after:
                return False
            half, other = (low, high) if self.part_from_low[part] else (high, low)
            acknowledged.append((other, self.acknowledged[part]))
            first, end = self.data_starts[part], self.data_starts[part + 1]
            if after != _NO_ROW:
                first += int(self.data_rows[first:end].searchsorted(after, "right"))
            if first == end:
                continue
            if half.ended or half.next != self.data_sequence[first]:
                return False
            work.append((half, slice(first, end)))
        if len(work) == 2 and work[0][0] is work[1][0]:
            return False
        events += [self._joined(half, rows) for half, rows in work]
        for half, acknowledgment in acknowledged:
            if acknowledgment >= 0:
                half.acknowledged(acknowledgment, NEVER)
        return True

    def _joined(self, half: HalfStream, rows: slice) -> StreamData:
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
        """Take the segments of a connection one by one, in capture order over both directions, until what is left
        goes straight on."""
        events: list[StreamEvent] = []
        low, high = flow.low, flow.high
        crooked = max(*(self.last_crooked[part] for part in parts), *reopened, _NO_ROW)
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
            if row >= crooked and not low.is_waiting and not high.is_waiting:
                events += _take(flow)
                if self._join(flow, parts, events, row):
                    break
                crooked = int(index[-1]) + 1
        return events + _take(flow)


def _take(flow: Flow) -> list[StreamEvent]:
    return [event for half in flow.halves for event in half.take()]
