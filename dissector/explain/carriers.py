"""From the packets of one message back to its AMQP frames, each byte with its place in a packet."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from dissector.amqp.constants import FRAME_HEADER_BYTES
from dissector.amqp.frames import PROTOCOL, Frame, FrameReader
from dissector.amqp.runs import Run
from dissector.capture import PacketBatch
from dissector.net import Connection, StreamData
from dissector.net.halfstream import distance
from dissector.net.ip import SYN, IpCounts
from dissector.net.segments import SegmentReader

_SEQUENCE: Final = 0xFFFF_FFFF


class Packet(msgspec.Struct, frozen=True):
    """A packet, as it was captured."""

    number: int
    """``frame.number``."""
    time_ns: int
    link_type: int
    """LINKTYPE_ number."""
    data: bytes


class Segment(msgspec.Struct):
    """A TCP segment in a packet."""

    packet: int
    """Index of the packet that gave it, or completed its fragments."""
    ip: int
    """Offset of the IP header that addresses it, in the packet or in `joined`."""
    payload: int
    """Offset of its payload, likewise."""
    size: int
    sequence: int
    """Of its first payload byte."""
    joined: bytes | None = None
    """The datagram that was put together from IP fragments, where it came so."""


class Placed(msgspec.Struct, frozen=True, gc=False):
    """Bytes of the stream with their place."""

    start: int
    """Offset in the stream; that of the first packet's first byte is 0."""
    size: int
    segment: int
    """Index of the segment."""
    at: int
    """Offset in the packet, or in what was put together."""


class WireFrame(msgspec.Struct):
    """An AMQP frame, or a protocol header."""

    kind: int
    """As in `dissector.amqp.frames.Frame`; never `LOST` or `FOREIGN`."""
    channel: int
    data: bytes
    """All of it, with the seven octets before its payload and the one behind."""
    start: int
    """Offset in the stream."""

    @property
    def payload(self) -> bytes:
        """What it carries."""
        return self.data if self.kind == PROTOCOL else self.data[FRAME_HEADER_BYTES:-1]


def segments_of(packets: Sequence[Packet], connection: Connection, from_client: bool) -> list[Segment]:
    """Find the segments of one direction of a connection in packets, which are in the order of their numbers."""
    if not packets:
        return []
    sizes = np.array([len(packet.data) for packet in packets], np.int64)
    starts = np.cumsum(sizes) - sizes
    buffer = b"".join(packet.data for packet in packets)
    batch = PacketBatch(
        buffer,
        starts,
        sizes,
        sizes,
        np.array([packet.time_ns for packet in packets], np.int64),
        np.array([packet.link_type for packet in packets], np.uint16),
        1,
    )
    columns, rows = SegmentReader(IpCounts()).feed(batch)
    sender, receiver = connection.sender(from_client), connection.sender(not from_client)
    found = []
    for at in range(len(rows.row)):
        if (int(rows.source_port[at]), int(rows.destination_port[at])) != (sender.port, receiver.port):
            continue
        row, ip, payload = int(rows.row[at]), int(rows.ip[at]), int(rows.payload[at])
        sequence = (int(rows.sequence[at]) + bool(rows.flags[at] & SYN)) & _SEQUENCE
        segment = Segment(row, ip, payload, int(rows.size[at]), sequence)
        if ip >= len(buffer):
            segment.joined = bytes(columns.buffer[ip : payload + segment.size])
            segment.payload -= ip
            segment.ip = 0
        else:
            segment.ip -= int(starts[row])
            segment.payload -= int(starts[row])
            if segment.payload + segment.size > len(packets[row].data):
                continue  # cut off within its headers
        found.append(segment)
    return found


class Stream:
    """The bytes of one direction that some segments hold, and the frames in them."""

    def __init__(
        self, packets: Sequence[Packet], segments: Sequence[Segment], connection: Connection, from_client: bool
    ) -> None:
        self._packets = packets
        self._segments = segments
        self._connection = connection
        self._from_client = from_client
        self._reader = FrameReader()
        self._fed = 0
        self.placed: list[Placed] = []
        self.frames: list[WireFrame] = []
        """The whole frames, in order."""
        self._read()

    def places(self, start: int, end: int) -> list[Placed]:
        """Tell where a stretch of the stream lies, in order."""
        found = []
        for placed in self.placed:
            begin, stop = max(start, placed.start), min(end, placed.start + placed.size)
            if begin < stop:
                found.append(Placed(begin, stop - begin, placed.segment, placed.at + begin - placed.start))
        return found

    def _read(self) -> None:
        segments = self._segments
        if not segments:
            return
        first = segments[0].sequence
        order = sorted(range(len(segments)), key=lambda at: distance(segments[at].sequence, first))
        base = distance(segments[order[0]].sequence, first)
        for index in order:
            segment = segments[index]
            start = distance(segment.sequence, first) - base
            skip = self._fed - start
            if skip >= segment.size:
                continue
            if skip < 0:
                run, frames, _ = self._reader.gap(-skip)
                self._take(run, frames)
                self._fed = start
                skip = 0
            packet = self._packets[segment.packet]
            where = packet.data if segment.joined is None else segment.joined
            data = where[segment.payload + skip : segment.payload + segment.size]
            self.placed.append(Placed(self._fed, len(data), index, segment.payload + skip))
            self._fed += len(data)
            event = StreamData(
                self._connection, self._from_client, False, data, [len(data)], [index], [index], [packet.time_ns]
            )
            self._take(*self._reader.feed(event))
        self._take(*self._reader.pause())

    def _take(self, run: Run, frames: list[Frame]) -> None:
        begin = self._fed - len(run.data)
        for kind, channel, start, end in frames:
            if kind > 0:
                start, end = start - FRAME_HEADER_BYTES, end + 1  # noqa: PLW2901 - with what is around the payload
            elif kind != PROTOCOL:
                continue
            self.frames.append(WireFrame(kind, channel, run.data[start:end], begin + start))
