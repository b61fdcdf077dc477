"""Byte streams of TCP connections out of what tshark says of each packet.

Who talks to whom, which bytes a segment has and what TLS was decrypted, tshark tells; segments are put in order as
always (`dissector.net.halfstream`). What was decrypted takes the place of the bytes that it was in.
"""

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable
from ipaddress import ip_address
from itertools import accumulate
from typing import Final, Literal

from dissector import limits
from dissector.bounded import remember
from dissector.capture.batch import PacketBatch
from dissector.capture.tsharkrows import DissectedBatch, Row
from dissector.net.clock import Clock, Moment
from dissector.net.events import Connection, StreamData, StreamEnd, StreamEvent, StreamGap
from dissector.net.flows import Flow, Key
from dissector.net.ip import ACK, FIN, RST, SYN
from dissector.net.streams import Streams

_RECORD_TYPES: Final = range(20, 25)
"""Content types of TLS records (RFC 8446, 5.1; RFC 6520)."""
_APPLICATION_DATA: Final = 23
_MAJOR_VERSION: Final = 3
"""The first octet of a record's version, SSL 3.0 to TLS 1.3."""
_RECORD_HEADER_BYTES: Final = 5
_SEGMENT_BYTES: Final = 512
"""Memory that a segment takes beside its payload."""


class DissectedStreams(Streams):
    """As `Streams`, for the batches that `dissector.capture.tshark.TsharkCapture` gives.

    ``tcp.stream`` is tshark's.
    """

    def __init__(self, ports: Collection[int], *, is_live: bool = False) -> None:
        super().__init__(ports, is_live=is_live)
        self._watched = frozenset(ports)
        self._talks: OrderedDict[int, _Talk] = OrderedDict()
        """Connections by ``tcp.stream``, the longest silent first."""
        self._closed: OrderedDict[int, None] = OrderedDict()
        """Those that are over, the first closed first."""
        self._fragments: OrderedDict[int, tuple[int, ...]] = OrderedDict()
        self._openings: OrderedDict[int, int] = OrderedDict()
        """What connections hold of their openings (`_Talk.opening_bytes`), where they do, the longest silent first."""
        self._openings_bytes = 0

    def feed(self, batch: PacketBatch) -> Iterable[StreamEvent]:
        """Take the next packets; give what they complete."""
        if not len(batch):
            return []
        clock = Clock(batch, self._last, is_live=self._is_live)
        self._last = clock.at(len(batch) - 1)
        self.counts.packets += len(batch)
        events: list[StreamEvent] = []
        for row in batch.rows if isinstance(batch, DissectedBatch) else ():
            index = row.number - batch.first_number
            is_watched = row.source[1] in self._watched or row.destination[1] in self._watched
            if is_watched and 0 <= index < len(batch):
                events += self._take(row, clock.at(index), clock)
        return events + self._expire(clock)

    @property
    def has_fragments(self) -> bool:
        """Whether `with_fragments` has anything to add to packets of late."""
        return bool(self._fragments)

    def with_fragments(self, numbers: tuple[int, ...]) -> tuple[int, ...]:
        """Add the packets of all IP fragments to those packets, ascending, that completed a fragmented segment."""
        if self._fragments.keys().isdisjoint(numbers):
            return numbers
        return tuple(sorted({each for number in numbers for each in self._fragments.get(number, (number,))}))

    def finish(self) -> Iterable[StreamEvent]:
        """End every stream: what is held comes out, holes told."""
        self._waiting.clear()
        talks = list(self._talks.values())
        self._talks.clear()
        return (event for talk in talks for event in talk.through(talk.flow.end("capture_end", self._last)))

    def _take(self, row: Row, now: Moment, clock: Clock) -> list[StreamEvent]:
        self.counts.segments += 1
        if row.fragments:
            remember(self._fragments, row.number, row.fragments, limits.FRAGMENTED_DATAGRAMS)
        events: list[StreamEvent] = []
        talk = self._talks.get(row.stream)
        if talk is None:
            talk = self._talks[row.stream] = _Talk(row, self._watched)
            self.counts.connections += 1
            events += self._make_room(now)
        self._talks.move_to_end(row.stream)
        events += talk.take(row, now, clock)
        events += self._bound_openings(row.stream, talk)
        if talk.flow.is_waiting:
            self._waiting[row.stream] = talk.flow
        elif talk.flow.is_over:
            oldest = remember(self._closed, row.stream, None, limits.CLOSED_CONNECTIONS)
            if oldest is not None and oldest[0] in self._talks and self._talks[oldest[0]].flow.is_over:
                self._forget(oldest[0])
        return events

    def _bound_openings(self, stream: int, talk: "_Talk") -> list[StreamEvent]:
        """Note what a connection holds of its opening; give what others held where all hold too much."""
        before, held = self._openings.pop(stream, 0), talk.opening_bytes
        self._openings_bytes += held - before
        if held:
            self._openings[stream] = held
        events: list[StreamEvent] = []
        while self._openings_bytes > limits.TLS_OPENINGS_BYTES:
            oldest, bytes_ = self._openings.popitem(last=False)
            self._openings_bytes -= bytes_
            events += self._talks[oldest].seal()
        return events

    def _forget(self, stream: int) -> "_Talk":
        self._waiting.pop(stream, None)
        self._openings_bytes -= self._openings.pop(stream, 0)
        return self._talks.pop(stream)

    def _make_room(self, now: Moment) -> list[StreamEvent]:
        if len(self._talks) <= limits.CONNECTIONS:
            return []
        talk = self._forget(next(iter(self._talks)))
        self.counts.evicted += not talk.flow.is_over
        return talk.through(talk.flow.end("evicted", now))

    def _expire(self, clock: Clock) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        for event in super()._expire(clock):
            stream = event.connection.stream
            talk = self._talks[stream]
            events += talk.through([event])
            events += self._bound_openings(stream, talk)
        return events


class _Talk:
    """A connection: its segments put in order, and what was decrypted of each direction."""

    __slots__ = ("_client", "_ways", "flow")

    def __init__(self, row: Row, ports: Collection[int]) -> None:
        """Begin with its first segment. The client is who sends the SYN, else the end on no watched port."""
        from_source = row.destination[1] in ports if not row.flags & SYN else not row.flags & ACK
        self._client, broker = (row.source, row.destination) if from_source else (row.destination, row.source)
        self.flow = Flow(row.number, _key(self._client) + _key(broker), row.stream, True)
        self.flow.make_halves()
        low, high = self.flow.halves
        self._ways = {half.from_client: _Way(half.connection, half.from_client) for half in (low, high)}

    def take(self, row: Row, now: Moment, clock: Clock) -> list[StreamEvent]:
        low, high = self.flow.halves
        half, other = (low, high) if row.source == self._client else (high, low)
        for each in (half, other):
            each.expire(now.number - 1, clock)
        first = row.sequence
        if row.flags & SYN:
            half.syn(first, now)
            first = (first + 1) & 0xFFFF_FFFF
        if row.sent:
            half.segment(first, row.payload[: row.sent], row.sent, now)
        # A segment's bytes come before what was decrypted with it, and that before the end which it may be.
        ends: list[StreamEvent] = []
        events: list[StreamEvent] = []
        for event in (*half.take(), *other.take()):
            (ends if isinstance(event, StreamEnd) else events).append(event)
        way = self._ways[half.from_client]
        told = [*way.resumed(row, now), *self.through(events), *way.decrypted(row, now)]
        if row.flags & ACK:
            if row.flags & SYN:
                other.syn((row.acknowledgment - 1) & 0xFFFF_FFFF, now)
            other.acknowledged(row.acknowledgment, now)
        if row.flags & FIN:
            half.fin((first + row.sent) & 0xFFFF_FFFF, now)
        if row.flags & RST and half.reset(row.sequence, now):
            other.reset(None, now)
        return told + self.through([*ends, *half.take(), *other.take()])

    @property
    def opening_bytes(self) -> int:
        """Memory of what is held until it is known whether it is decrypted."""
        return sum(way.held_bytes for way in self._ways.values())

    def seal(self) -> list[StreamEvent]:
        """Wait for that no longer; give what was held."""
        return [event for way in self._ways.values() if way.held_bytes for event in way.seal()]

    def through(self, events: Iterable[StreamEvent]) -> list[StreamEvent]:
        """Give what is to be told of what the segments gave."""
        return [told for event in events for told in self._ways[event.from_client].of_segments(event)]


def _key(end: tuple[str, int]) -> Key:
    """Give an end as connections have it in their keys."""
    address = ip_address(end[0].partition("%")[0])
    high, low = divmod(int(address), 1 << 64)
    return (high, low, end[1] | 1 << 16) if address.version == 6 else (0, low, end[1])


_Sight = Literal["unknown", "plain", "decrypted", "sealed"]
"""What is known of a direction: nothing yet; that it is no TLS; that it is and was decrypted, or was not."""


class _Way:
    """One direction of a connection: of its segments' bytes, or of what was decrypted of them."""

    __slots__ = ("_carriers", "_connection", "_from_client", "_held", "_last", "_owed", "_sight", "held_bytes")

    def __init__(self, connection: Connection, from_client: bool) -> None:
        self._connection = connection
        self._from_client = from_client
        self._sight: _Sight = "unknown"
        self._held: list[StreamData] = []
        """Bytes of segments, while nothing is known."""
        self.held_bytes = 0
        """How much memory they take."""
        self._carriers: deque[tuple[int, int]] = deque()
        """Packets, each with how many of its bytes are in no record that was whole so far."""
        self._owed = 0
        """Bytes of records that were whole before they came by their segments."""
        self._last = 0
        """When the last byte came, in nanoseconds since the epoch."""

    # -- what the segments say -----------------------------------------------------------------------

    def of_segments(self, event: StreamEvent) -> list[StreamEvent]:
        """Take what the segments gave; give what is to be told of it."""
        if isinstance(event, StreamData):
            return self._bytes(event)
        if isinstance(event, StreamGap):
            return self._gap(event)
        if isinstance(event, StreamEnd) and self._sight == "unknown" and not self._begins_tls():
            return [*self._seen("plain"), event]
        return [event]

    def _bytes(self, event: StreamData) -> list[StreamEvent]:
        if self._sight in ("plain", "sealed"):
            return [event]
        begin = 0
        for end, number in zip(event.ends, event.numbers, strict=True):
            self._carry(number, end - begin)
            begin = end
        if self._sight == "decrypted":
            return []
        self._held.append(event)
        self.held_bytes += _SEGMENT_BYTES + len(event.data)
        if not self._begins_tls():
            return self._seen("plain")
        return self.seal() if self.held_bytes > limits.TLS_OPENING_BYTES else []

    def _gap(self, event: StreamGap) -> list[StreamEvent]:
        self._carriers.clear()
        self._owed = 0
        if self._sight == "unknown":
            return [*self._seen("sealed" if self._held and self._begins_tls() else "plain"), event]
        if self._sight == "decrypted":
            # What is behind it cannot be decrypted, nor can anybody tell how much was in it.
            self._sight = "sealed"
            event.size = None
        return [event]

    def _begins_tls(self) -> bool:
        """Tell whether the bytes held may begin a TLS record: as far as there are any."""
        begin = b"".join([event.data for event in self._held[:3]])[:2]
        return (not begin or begin[0] in _RECORD_TYPES) and begin[1:] in (b"", bytes([_MAJOR_VERSION]))

    def _seen(self, sight: _Sight) -> list[StreamEvent]:
        """Learn what it is; give what was held for that."""
        self._sight = sight
        held: list[StreamEvent] = list(self._held)
        self._held.clear()
        self.held_bytes = 0
        return held

    def seal(self) -> list[StreamEvent]:
        """Take it for TLS that is not decrypted, as nothing is known yet; give what was held."""
        return self._seen("sealed")

    def _carry(self, number: int, size: int) -> None:
        paid = min(self._owed, size)
        self._owed -= paid
        if size > paid:
            self._carriers.append((number, size - paid))
        if len(self._carriers) > limits.TLS_CARRIERS:
            self._carriers.clear()

    # -- what tshark decrypted -------------------------------------------------------------------------

    def resumed(self, row: Row, now: Moment) -> list[StreamEvent]:
        """Learn that a direction is decrypted again: before its segment's bytes are taken for what was not."""
        if self._sight != "sealed" or not _is_decrypted(row):
            return []
        self._sight = "decrypted"
        self._carriers.clear()
        self._owed = 0
        return [self._lost(now)]

    def decrypted(self, row: Row, now: Moment) -> list[StreamEvent]:
        """Take the TLS records that end in a segment; give what is to be told of them."""
        if self._sight == "plain" or not row.sizes:
            return []
        carriers = [self._carriers_of(_RECORD_HEADER_BYTES + size, row.number) for size in row.sizes]
        if len(row.types) == len(row.sizes):
            kinds = zip(row.types, carriers, strict=True)
            carriers = [of for kind, of in kinds if kind == _APPLICATION_DATA]
        told: list[StreamEvent] = []
        if _is_decrypted(row):
            told.append(self._data(row, now, carriers))
        # Of TLS 1.3 what was not decrypted has no type; of earlier versions it has its type and no data.
        if len(row.types) < len(row.sizes) or row.types.count(_APPLICATION_DATA) > len(row.decrypted):
            if self._sight == "unknown":
                told += self._seen("sealed")
            elif self._sight == "decrypted":
                self._sight = "sealed"
                told.append(self._lost(now))
        return told

    def _data(self, row: Row, now: Moment, carriers: list[list[tuple[int, int]]]) -> StreamData:
        at_start = False
        if self._sight == "unknown":
            at_start = bool(self._held) and self._held[0].at_start
            self._seen("decrypted")
        ends: list[int] = []
        numbers: list[int] = []
        if len(carriers) != len(row.decrypted):
            carriers = [[(row.number, 1)]] * len(row.decrypted)
        before = 0
        for data, of in zip(row.decrypted, carriers, strict=True):
            for number, end in _shared_out(len(data), of):
                ends.append(before + end)
                numbers.append(number)
            before += len(data)
        self._last = now.time_ns
        all_ = b"".join(row.decrypted)
        completed, times_ns = [row.number] * len(ends), [now.time_ns] * len(ends)
        return StreamData(self._connection, self._from_client, at_start, all_, ends, numbers, completed, times_ns)

    def _lost(self, now: Moment) -> StreamGap:
        return StreamGap(self._connection, self._from_client, None, now.number, now.time_ns, self._last)

    def _carriers_of(self, size: int, number: int) -> list[tuple[int, int]]:
        """Give the packets that carry the next bytes of the stream, with how many each; ``number`` where it is not
        known.
        """
        found: list[tuple[int, int]] = []
        while size and self._carriers:
            carrier, left = self._carriers.popleft()
            taken = min(left, size)
            found.append((carrier, taken))
            size -= taken
            if left > taken:
                self._carriers.appendleft((carrier, left - taken))
        self._owed += size
        return found or [(number, 1)]


def _is_decrypted(row: Row) -> bool:
    return bool(row.decrypted) and _APPLICATION_DATA in row.types


def _shared_out(size: int, carriers: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Give each packet of a record its part of the bytes that were in it: the packet, and where its part ends.

    A record can be read only when all of its packets are there, so each gets some, as far as there are bytes.
    """
    whole = sum(part for _, part in carriers)
    ends = [end * size // whole for end in accumulate(part for _, part in carriers)]
    shares: list[tuple[int, int]] = []
    before = 0
    for (number, _), end in zip(carriers, ends, strict=True):
        if end > before:
            shares.append((number, end))
            before = end
    return shares
