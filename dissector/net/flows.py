"""The table of TCP connections, and the keys by which segments find theirs."""

import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from dissector import limits
from dissector.bounded import remember
from dissector.net.clock import Clock, Moment
from dissector.net.events import Connection, Endpoint, StreamEnd, StreamEvent
from dissector.net.halfstream import HalfStream, distance
from dissector.net.ip import ACK, SYN, Segments
from dissector.net.link import Columns

_U64 = npt.NDArray[np.uint64]

Key = tuple[int, ...]
"""Both ends of a connection in a fixed order: high and low half of the address, then the port, of each.
The port's bit 16 tells IPv6 from IPv4."""

_FACTORS: Final = [np.uint64(int.from_bytes(os.urandom(8)) | 1) for _ in range(6)]
"""Odd factors of this run's hash. It only brings a connection's rows together, so neither a collision nor the
factors show in the output; drawing them anew keeps a hostile sender from aiming at collisions."""


class Keys(msgspec.Struct):
    """The connection that each segment belongs to, by columns."""

    hash: _U64
    """Equal for equal keys; the lowest bit is the direction."""
    columns: tuple[_U64, ...]
    """The key's parts."""
    from_low: npt.NDArray[np.bool_]
    """Whether the sender is the end that comes first in the key."""

    def at(self, indices: npt.NDArray[np.int64]) -> list[Key]:
        """Give the keys of some segments."""
        return list(zip(*(column[indices].tolist() for column in self.columns), strict=True))


def connection_keys(columns: Columns, rows: Segments) -> Keys:
    """Make the keys of the segments of a batch, the same for both directions of a connection."""
    six = rows.is_ipv6
    at = rows.ip
    version = six.astype(np.uint64) << np.uint64(16)
    zero = np.uint64(0)
    source = (
        np.where(six, columns.u64[np.where(six, at + 8, at)], zero),
        np.where(six, columns.u64[np.where(six, at + 16, at)], columns.u32[at + 12].astype(np.uint64)),
        rows.source_port | version,
    )
    destination = (
        np.where(six, columns.u64[np.where(six, at + 24, at)], zero),
        np.where(six, columns.u64[np.where(six, at + 32, at)], columns.u32[at + 16].astype(np.uint64)),
        rows.destination_port | version,
    )
    from_low = _less(source, destination)
    low = [np.where(from_low, a, b).astype(np.uint64) for a, b in zip(source, destination, strict=True)]
    high = [np.where(from_low, b, a).astype(np.uint64) for a, b in zip(source, destination, strict=True)]
    mixed = np.zeros(len(at), np.uint64)
    for part, factor in zip((*low, *high), _FACTORS, strict=True):
        mixed = (mixed ^ part) * factor
        mixed ^= mixed >> np.uint64(29)
    return Keys((mixed & ~np.uint64(1)) | from_low, (*low, *high), from_low)


def _less(a: tuple[_U64, ...], b: tuple[_U64, ...]) -> npt.NDArray[np.bool_]:
    less: npt.NDArray[np.bool_] = a[-1] < b[-1]
    for left, right in zip(reversed(a[:-1]), reversed(b[:-1]), strict=True):
        less = (left < right) | ((left == right) & less)
    return less


def endpoints(key: Key) -> tuple[Endpoint, Endpoint]:
    """Give the two ends of a connection's key."""
    ends = []
    for high, low, port in (key[:3], key[3:]):
        packed = high.to_bytes(8, "big") + low.to_bytes(8, "big") if port >> 16 else low.to_bytes(4, "big")
        ends.append(Endpoint.from_packed(packed, port & 0xFFFF))
    return ends[0], ends[1]


class Flow:
    """A TCP connection in the table. Those on no watched port are only counted, for ``tcp.stream``.

    What its directions need is made when there is more than SYNs: of half-open connections there may be many.
    """

    __slots__ = ("_has_ended", "_key", "_low_is_client", "_opened", "_stream", "first_number", "high", "initial", "low")

    def __init__(self, number: int, key: Key, stream: int, low_is_client: bool) -> None:
        self.first_number = number
        """The first packet."""
        self._key = key
        self._stream = stream
        """Its number, or -1 where it is not watched."""
        self._low_is_client = low_is_client
        self._has_ended = False
        """Whether it ended half-open."""
        self.initial: list[int | None] = [None, None]
        """The SYN's sequence number of the high end and the low end (True); where no SYN was seen, the number before
        the first that was sent or acknowledged; None where nothing was."""
        self._opened = 0
        """Whether the SYN of the high end (bit 0), and of the low end (bit 1), was seen."""
        self.low: HalfStream | None = None
        """What the end that comes first in the key sends; None where the connection is half-open, or not watched."""
        self.high: HalfStream | None = None

    @property
    def is_half_open(self) -> bool:
        """Whether nothing but SYNs, and what acknowledges them, was seen of a connection that is watched."""
        return self.low is None and self._stream >= 0 and not self._has_ended

    def make_halves(self) -> None:
        """Make the directions of a half-open connection, for more than SYNs comes from its first packet on."""
        connection = self._connection()
        self.low = HalfStream(connection, self._low_is_client)
        self.high = HalfStream(connection, not self._low_is_client)

    def go_on(self, now: Moment) -> None:
        """Make them where it was half-open up to a moment, and more comes after that."""
        self.make_halves()
        for half, initial in zip(self.halves, reversed(self.initial), strict=True):
            if initial is not None:
                half.syn(initial, now)

    def _connection(self) -> Connection:
        ends = endpoints(self._key)
        client, broker = ends if self._low_is_client else ends[::-1]
        return Connection(self._stream, client, broker)

    @property
    def is_over(self) -> bool:
        """Whether both directions have ended; never for a connection that is not watched."""
        low, high = self.low, self.high
        return low is not None and high is not None and low.ended and high.ended and not self.is_waiting

    @property
    def is_waiting(self) -> bool:
        """Whether a direction waits for something (see `HalfStream`)."""
        low, high = self.low, self.high
        return low is not None and high is not None and (low.is_waiting or high.is_waiting)

    @property
    def stream(self) -> int:
        """Its number (`Connection.stream`); -1 where the connection is not watched."""
        return self._stream

    @property
    def halves(self) -> tuple[HalfStream, ...]:
        """Both directions, or none where the connection is half-open, or not watched."""
        return (self.low, self.high) if self.low is not None and self.high is not None else ()

    def begins_anew(self, from_low: bool, sequence: int, number: int) -> bool:
        """Tell whether a SYN, in packet ``number``, opens another connection on the same ports.

        It does not where it repeats the one that did, nor where it came late for one whose first packets it precedes
        by its sequence number: what is captured may be out of order by `limits.HOLE_PACKETS`.
        """
        initial = self.initial[from_low]
        if initial is None:
            return False
        late = not self._opened >> from_low & 1 and number - self.first_number < limits.HOLE_PACKETS
        return not 0 <= distance(initial, sequence) <= (limits.WINDOW_BYTES if late else 0)

    def note(self, from_low: bool, sequence: int, acknowledgment: int | None, *, is_syn: bool) -> None:
        """Learn where the directions begin from a SYN, or from the first packet that was captured."""
        if is_syn:
            self._opened |= 1 << from_low
            self.initial[from_low] = sequence
        if self.initial[from_low] is None:
            self.initial[from_low] = (sequence - 1) & 0xFFFF_FFFF
        if acknowledgment is not None and self.initial[not from_low] is None:
            self.initial[not from_low] = (acknowledgment - 1) & 0xFFFF_FFFF

    def end(self, reason: str, now: Moment, clock: Clock | None = None) -> list[StreamEvent]:
        """End both directions; ``clock`` is that of the batch in which packets have passed unnoticed."""
        events: list[StreamEvent] = []
        if self.is_half_open:
            self._has_ended, connection = True, self._connection()
            for from_client in (self._low_is_client, not self._low_is_client):
                events.append(StreamEnd(connection, from_client, reason, now.number, now.time_ns))
        for half in self.halves:
            if clock is not None:
                half.expire(now.number - 1, clock)
            if not half.ended or half.is_waiting:
                half.end(reason, now)
            events += half.take()
        return events


class FlowTable:
    """All TCP connections, the longest silent first; at most `limits.CONNECTIONS`.

    The order is that of the last batch, with new connections at the end, until `touch` tells of this one.
    """

    def __init__(self, ports: Collection[int]) -> None:
        self.watched = 0
        """Connections on watched ports so far."""
        self._ports = frozenset(ports)
        self._flows: OrderedDict[Key, Flow] = OrderedDict()
        self._over: OrderedDict[Key, Flow] = OrderedDict()
        """Those that are closed, the first closed first."""
        self._streams = 0

    def find(self, key: Key) -> Flow | None:
        """Look a connection up."""
        return self._flows.get(key)

    def touch(self, keys: Iterable[Key]) -> None:
        """Note that connections are not silent, in the order in which they spoke last."""
        for key in keys:
            if key in self._flows:
                self._flows.move_to_end(key)

    def retire(self, key: Key, flow: Flow) -> None:
        """Note that a connection has closed; the first one closed is forgotten where there are too many."""
        oldest = remember(self._over, key, flow, limits.CLOSED_CONNECTIONS)
        if oldest is not None and oldest[1].is_over and self._flows.get(oldest[0]) is oldest[1]:
            del self._flows[oldest[0]]

    def make_room(self, has_spoken: Callable[[Key], bool]) -> tuple[Key, Flow] | None:
        """Push out the longest silent connection where there are too many; None where there are not.

        It is none that ``has_spoken`` in this batch so far, which has no more rows than `limits.CONNECTIONS`: so there
        is another.
        """
        while len(self._flows) > limits.CONNECTIONS:
            key, flow = self._flows.popitem(last=False)
            if not has_spoken(key):
                return key, flow
            self._flows[key] = flow
        return None

    def open(self, key: Key, from_low: bool, flags: int, number: int) -> Flow:
        """Enter a connection by its first packet, in place of an older one on the same ports."""
        low, high = key[2] & 0xFFFF in self._ports, key[5] & 0xFFFF in self._ports
        is_watched = low or high
        self.watched += is_watched
        # Without a SYN the ports tell; where they do not, the one who speaks first is taken for the client.
        by_port = from_low if low == high else high
        low_is_client = from_low is not bool(flags & ACK) if flags & SYN else by_port
        flow = Flow(number, key, self._streams if is_watched else -1, low_is_client)
        self._streams += 1
        self._flows.pop(key, None)
        self._flows[key] = flow
        return flow

    def clear(self) -> Iterator[Flow]:
        """Empty the table, and give what was in it one by one."""
        self._over.clear()
        while self._flows:
            yield self._flows.popitem(last=False)[1]
