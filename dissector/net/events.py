"""What the network room gives: TCP connections and the events of their byte streams."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

import msgspec

from dissector import limits


@lru_cache(limits.ADDRESS_CACHE_ENTRIES)
def _text(address: bytes) -> str:
    return str(IPv4Address(address) if len(address) == 4 else IPv6Address(address))


class Endpoint(msgspec.Struct, frozen=True, gc=False):
    """One end of a TCP connection."""

    ip: str
    """IPv4 or IPv6 address in its usual text form."""
    port: int

    @classmethod
    def from_packed(cls, address: bytes, port: int) -> "Endpoint":
        """Make an endpoint of 4 or 16 address bytes in network order."""
        return cls(_text(address), port)

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


class Connection(msgspec.Struct, frozen=True, gc=False):
    """A TCP connection: who talks to whom."""

    stream: int
    """Index over all TCP connections of the capture in the order of their first packets (``tcp.stream``)."""
    client: Endpoint
    """Who opened it: the sender of the SYN, else the end whose port is not among the watched ones."""
    broker: Endpoint

    def sender(self, from_client: bool) -> Endpoint:
        """Say who sends in a direction."""
        return self.client if from_client else self.broker

    def __str__(self) -> str:
        return f"{self.client} -> {self.broker}"


class StreamData(msgspec.Struct, gc=False):
    """Bytes of one direction of a connection, next in stream order.

    ``ends``, ``numbers``, ``completed`` and ``times_ns`` have one entry for each run of bytes that one packet
    gave, in stream order: run ``i`` is ``data[ends[i - 1] : ends[i]]``.
    """

    connection: Connection
    from_client: bool
    at_start: bool
    """True where the first byte is the first that the sender sent (its SYN was seen)."""
    data: bytes
    ends: list[int]
    numbers: list[int]
    """The packet that carries the run; where IP fragments do, the one that completed them (`Streams.with_fragments`
    names the others)."""
    completed: list[int]
    """The packet with which the run became readable: the carrier, or the later packet that filled a hole before it."""
    times_ns: list[int]
    """When that packet was captured, nanoseconds since the epoch."""


class StreamGap(msgspec.Struct, gc=False):
    """Bytes of one direction that the sender sent and the capture does not hold."""

    connection: Connection
    from_client: bool
    size: int | None
    """Missing bytes, or None where nobody can tell."""
    number: int
    """The packet that carries the next byte that is there; where none is, that at which the stream ended."""
    time_ns: int
    """When that was captured."""
    since_ns: int = 0
    """When the packet that gave the last byte before the hole was captured; 0 where there was none."""


class StreamEnd(msgspec.Struct, gc=False):
    """One direction of a connection has ended; no more of its bytes come, unless a RST was not the end after all."""

    connection: Connection
    from_client: bool
    reason: str
    """``fin``, ``rst``, ``reused`` (a new connection took the ports), ``evicted`` (too many), ``capture_end``."""
    number: int
    """The packet that ended it; the last packet of the capture at ``capture_end``."""
    time_ns: int


class Malformed(msgspec.Struct, gc=False):
    """Bytes that are not what they should be; what came before and after them is decoded all the same."""

    layer: str
    """The room that met them: ``tcp``, ``amqp`` …"""
    connection: Connection
    from_client: bool
    number: int
    """The packet in which they are."""
    time_ns: int
    offset: int | None
    """Bytes into the frame or segment at which decoding stopped, or None where that says nothing."""
    reason: str


StreamEvent = StreamData | StreamGap | StreamEnd | Malformed
"""What `dissector.net.Streams` gives."""
