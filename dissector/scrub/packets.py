"""Overwrites what may not be kept of packets, and sets their TCP checksums right again."""

from collections import OrderedDict, deque
from collections.abc import Collection, Sequence
from itertools import chain
from operator import attrgetter
from os import PathLike
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from dissector import limits
from dissector.amqp.constants import FRAME_END, FRAME_TYPES
from dissector.bounded import remember
from dissector.capture import PacketBatch, open_capture
from dissector.net import Malformed, StreamData, StreamEnd, StreamGap, Streams
from dissector.net.halfstream import distance
from dissector.net.ip import SYN, IpCounts, Segments
from dissector.net.link import ip_offsets
from dissector.net.segments import SegmentReader
from dissector.scrub.streams import KEEP, Direction, Kept, KeptRange

_SEQUENCE: Final = 0xFFFF_FFFF
_TCP: Final = 6
_CHECKSUM_AT: Final = 16
_IP_HEADER: Final = {4: 20, 6: 40}


class Scrubber:
    """Takes the secrets out of packets. Reads the captures of a reading once more, for those of some packets."""

    def __init__(
        self,
        captures: Sequence[str | PathLike[str]],
        ports: Collection[int],
        streams: Collection[int],
        packets: Collection[int],
    ) -> None:
        """Find out what the packets (by number) of some connections (by ``tcp.stream``) carry.

        Raises `dissector.UsageError` where a capture cannot be read any more.
        """
        self._kept = Kept(packets)
        self._segments = SegmentReader(IpCounts())
        self._written: OrderedDict[bytes, _Written] = OrderedDict()
        """The last bytes that were written of each direction, by addresses and ports."""
        self.changed = 0
        """Packets so far in which something was overwritten."""
        reader = _Reader(self._kept, frozenset(streams), Streams(ports))
        with open_capture(captures) as capture:
            for batch in capture:
                reader.feed(batch)
        reader.finish()

    @property
    def is_full(self) -> bool:
        """Whether packets were overwritten as a whole, for there were too many (`limits.SCRUBBED_RANGES`)."""
        return self._kept.is_full

    def scrub(self, batch: PacketBatch, indexes: list[int]) -> PacketBatch:
        """Give a batch with what is secret in some of its packets (by index) overwritten."""
        if not indexes:
            return batch
        columns, rows = self._segments.feed(batch)
        ip = ip_offsets(batch, columns)
        row_of = dict(zip(rows.row.tolist(), range(len(rows.row)), strict=True))
        buffer = bytearray(batch.buffer)
        kept = self._kept.of([batch.first_number + index for index in indexes])
        for index, ranges in zip(indexes, kept, strict=True):
            start = int(batch.start[index])
            stop = start + int(batch.captured[index])
            row = row_of.get(index)
            if row is not None and start <= int(rows.payload[row]) <= int(rows.payload[row] + rows.size[row]) <= stop:
                self.changed += _put(buffer, rows, row, stop, self._segment(buffer, rows, row, ranges))
            else:
                # Nothing of it was read as TCP, or only together with others: it is a fragment.
                begin = start if ip[index] < 0 else int(ip[index]) + _IP_HEADER.get(buffer[ip[index]] >> 4, 0)
                buffer[begin:stop] = bytes(stop - begin)
                self.changed += 1
        return replace(batch, buffer=bytes(buffer))

    def _segment(self, buffer: bytearray, rows: Segments, row: int, ranges: list[KeptRange]) -> bytes:
        """Give what may be written of a segment's payload."""
        payload = int(rows.payload[row])
        before = bytes(buffer[payload : payload + int(rows.size[row])])
        first = (int(rows.sequence[row]) + bool(rows.flags[row] & SYN)) & _SEQUENCE
        key = _addresses(buffer, rows, row) + _ports(rows, row)
        written = self._written.get(key) or _Written(first, b"", b"")
        remember(self._written, key, written, limits.SCRUBBED_DIRECTIONS)
        return _scrubbed(before, first, ranges, written)


# --- what was read -----------------------------------------------------------------------------------


_Pair = tuple[Direction, Direction]
"""What the broker sends and what the client sends."""


class _Reader:
    """Reads the streams of some connections; tells `Kept` what their packets carry."""

    def __init__(self, kept: Kept, wanted: frozenset[int], streams: Streams) -> None:
        self._kept = kept
        self._wanted = wanted
        self._streams = streams
        self._segments = SegmentReader(IpCounts())
        self._open: dict[int, _Pair] = {}
        self._closed: OrderedDict[int, _Pair] = OrderedDict()
        """Connections of which both directions have ended; bytes may come all the same."""
        self._held_bytes = 0
        self._recent: deque[tuple[npt.NDArray[np.int64], Segments]] = deque()
        """Numbers and segments of the last packets, as far back as bytes are held behind a hole."""

    def feed(self, batch: PacketBatch) -> None:
        """Read the next packets."""
        _, rows = self._segments.feed(batch)
        self._recent.append((rows.row + batch.first_number, rows))
        for event in self._streams.feed(batch):
            if not isinstance(event, Malformed) and event.connection.stream in self._wanted:
                self._take(event)
        oldest = self._streams.oldest_held
        while self._recent and (
            oldest is None
            or not len(self._recent[0][0])
            or self._recent[0][0][-1] < oldest
            or len(self._recent) > limits.SCRUBBED_BATCHES
        ):
            self._recent.popleft()

    def finish(self) -> None:
        """Learn that no more packets come."""
        for event in self._streams.finish():
            if not isinstance(event, Malformed) and event.connection.stream in self._wanted:
                self._take(event)

    def _take(self, event: StreamData | StreamGap | StreamEnd) -> None:
        stream = event.connection.stream
        pair = self._open.get(stream) or self._closed.pop(stream, None)
        if pair is None:
            pair = Direction(self._kept), Direction(self._kept)
        self._open[stream] = pair
        direction = pair[event.from_client]
        self._held_bytes -= direction.held_bytes
        if isinstance(event, StreamData):
            direction.feed(event, self._sequence(event))
        elif isinstance(event, StreamGap):
            direction.gap(event)
        else:
            direction.end(event)
        self._held_bytes += direction.held_bytes
        if pair[0].ended and pair[1].ended:
            self._close(stream, pair)
        if self._held_bytes > limits.UNFINISHED_BYTES and isinstance(event, StreamData):
            self._make_room()

    def _close(self, stream: int, pair: _Pair) -> None:
        """Put a connection of which both directions have ended among those that are remembered for a while."""
        del self._open[stream]
        forgotten = remember(self._closed, stream, pair, limits.CLOSED_CONNECTIONS)
        if forgotten is not None:
            self._held_bytes -= forgotten[1][0].held_bytes + forgotten[1][1].held_bytes

    def _make_room(self) -> None:
        """Give up the largest of what is unfinished, as the reading before did."""
        pairs = (*self._open.values(), *self._closed.values())
        for direction in sorted(chain.from_iterable(pairs), key=attrgetter("held_bytes"), reverse=True):
            if self._held_bytes <= limits.UNFINISHED_BYTES // 2:
                break
            self._held_bytes -= direction.held_bytes
            direction.drop()
            self._held_bytes += direction.held_bytes

    def _sequence(self, event: StreamData) -> int | None:
        """Tell the sequence number of the first byte: by a packet of which every byte is in the event.

        Of others, what repeats earlier bytes was cut off, who knows where. None where there are no others.
        """
        begin = 0
        for end, number in zip(event.ends, event.numbers, strict=True):
            for numbers, rows in reversed(self._recent):
                at = int(np.searchsorted(numbers, number))
                if at < len(numbers) and numbers[at] == number:
                    if rows.size[at] == end - begin:
                        return (int(rows.sequence[at]) + bool(rows.flags[at] & SYN) - begin) & _SEQUENCE
                    break
            begin = end
        return None


# --- what is written ---------------------------------------------------------------------------------


class _Written(msgspec.Struct):
    """The last bytes of a direction, up to `limits.OVERLAP_BYTES`: who reads them compares repeated ones with them."""

    end: int
    """The sequence number after the last."""
    before: bytes
    after: bytes
    """What was made of them."""

    def repeat(self, first: int, before: bytes, after: bytearray) -> None:
        """Make the same of bytes that are said again, in a segment from a sequence number on."""
        # Where the window begins in the segment, or the segment in the window.
        at = distance((self.end - len(self.before)) & _SEQUENCE, first)
        begin, stop = max(at, 0), min(at + len(self.before), len(before))
        if begin < stop and before[begin:stop] == self.before[begin - at : stop - at]:
            after[begin:stop] = self.after[begin - at : stop - at]

    def add(self, first: int, before: bytes, after: bytearray) -> None:
        """Remember what was made of a segment."""
        ahead = distance((first + len(before)) & _SEQUENCE, self.end)
        if ahead <= 0 and -ahead < len(self.before):
            return  # nothing new
        keep = limits.OVERLAP_BYTES
        if 0 < ahead <= len(before):
            self.before = (self.before + before[-ahead:])[-keep:]
            self.after = (self.after + after[-ahead:])[-keep:]
        else:
            self.before, self.after = before[-keep:], bytes(after[-keep:])
        self.end = (first + len(before)) & _SEQUENCE


def _scrubbed(before: bytes, first: int, ranges: list[KeptRange], written: _Written) -> bytes:
    """Make what may be written of a segment whose first byte has the sequence number ``first``."""
    # Of zeros no frame is made that would swallow those behind it, as it would of a size with asterisks in it.
    after = bytearray(len(before))
    written.repeat(first, before, after)
    for sequence, size, fill in ranges:
        at = (sequence - first) & _SEQUENCE
        if at + size > len(before):
            continue
        after[at : at + size] = before[at : at + size] if fill == KEEP else bytes([fill]) * size
        if at and before[at - 1] == FRAME_END and before[at] in FRAME_TYPES:
            # Behind bytes that are overwritten a frame is found again by the end of the one before it.
            after[at - 1] = FRAME_END
    written.add(first, before, after)
    return bytes(after)


def _put(buffer: bytearray, rows: Segments, row: int, stop: int, after: bytes) -> bool:
    """Put a segment's new payload into its packet, which ends at ``stop``; tell whether that changes it."""
    payload = int(rows.payload[row])
    end = payload + len(after)
    # Behind the segment is what pads the frame; it may be memory of the sender.
    changed = any(buffer[end:stop])
    buffer[end:stop] = bytes(stop - end)
    before = bytes(buffer[payload:end])
    if after == before:
        return changed
    buffer[payload:end] = after
    header = _header_at(buffer, rows, row)
    if header is not None:
        _correct(buffer, rows, row, header, (~_folded(_sum(before)) & 0xFFFF) + _folded(_sum(after)))
    return True


def _addresses(buffer: bytearray, rows: Segments, row: int) -> bytes:
    """Give the addresses of sender and receiver."""
    ip = int(rows.ip[row])
    return bytes(buffer[ip + 8 : ip + 40] if rows.is_ipv6[row] else buffer[ip + 12 : ip + 20])


def _ports(rows: Segments, row: int) -> bytes:
    return (int(rows.source_port[row]) << 16 | int(rows.destination_port[row])).to_bytes(4, "big")


def _header_at(buffer: bytearray, rows: Segments, row: int) -> int | None:
    """Find the TCP header before a payload: it tells its own length (RFC 9293, 3.1)."""
    payload = int(rows.payload[row])
    beginning = _ports(rows, row) + int(rows.sequence[row]).to_bytes(4, "big")
    for size in range(20, 61, 4):
        at = payload - size
        if buffer[at + 12] >> 4 == size // 4 and buffer[at : at + 8] == beginning:
            return at
    return None


def _correct(buffer: bytearray, rows: Segments, row: int, header: int, change: int) -> None:
    """Bring a checksum up to date (RFC 1624, 3): a right one stays right, a wrong one wrong.

    ``change`` is what the sum of the payload's words grew by. Checksums around a tunnel stay right by themselves, as
    that of the segment takes the change up. A sum of the pseudo header alone stays: it was captured before the network
    card completed it.
    """
    at = header + _CHECKSUM_AT
    checksum = int.from_bytes(buffer[at : at + 2], "big")
    length = int(rows.payload[row]) - header + int(rows.sent[row])
    if checksum == _folded(_sum(_addresses(buffer, rows, row)) + _TCP + (length >> 16) + (length & 0xFFFF)):
        return
    corrected = ~_folded((~checksum & 0xFFFF) + change) & 0xFFFF
    buffer[at : at + 2] = corrected.to_bytes(2, "big")


def _sum(data: bytes | bytearray) -> int:
    """Add up words of 16 bits."""
    even = bytes(data) + b"\0" * (len(data) % 2)
    return int(np.frombuffer(even, ">u2").sum(dtype=np.uint64))


def _folded(total: int) -> int:
    """Add the carries in (RFC 1071)."""
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total
