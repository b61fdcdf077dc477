"""The classic pcap format, read from bytes as they come.

A file header of 24 bytes, then records: a header of 16 bytes and the packet. The magic number gives the byte
order and the unit of the times; a third magic, of Alexey Kuznetzov's modified libpcap, has record headers of
24 bytes. Source: draft-ietf-opsawg-pcap; wiretap/libpcap.h for the modified format.
"""

import struct
from typing import Final

import numpy as np

from dissector.capture.batch import PacketBatch
from dissector.capture.linktypes import link_type_in_file
from dissector.limits import PACKET_BYTES

_FILE_HEADER_BYTES: Final = 24

_KINDS: Final = {0xA1B2C3D4: (16, 1000), 0xA1B23C4D: (16, 1), 0xA1B2CD34: (24, 1000)}
"""Magic number → (bytes of a record header, nanoseconds in a unit of the time's fraction)."""

_MAGICS: Final = {
    magic.to_bytes(4, "little" if order == "<" else "big"): (order, *kind)
    for magic, kind in _KINDS.items()
    for order in "<>"
}


def is_pcap(head: bytes) -> bool:
    """Tell whether a file that starts with these bytes (at least 4) is a classic pcap."""
    return head[:4] in _MAGICS


def packets_before(count: int) -> str:
    """Say in words how much of a capture that breaks off was read."""
    if count == 0:
        return "no packet came before it"
    if count == 1:
        return "the 1 packet before it was read"
    return f"the {count:,} packets before it were read"


class PcapReader:
    """Turns the bytes of one classic pcap file, in pieces of any size, into batches of packets.

    A batch has only whole records; what is begun waits for its rest (at most `PACKET_BYTES` and a header).
    The same packets come out however the bytes are cut. Nothing on the bytes' side raises: where the file is
    damaged, reading ends there and `notices` says so.
    """

    def __init__(self) -> None:
        self.packets = 0
        """Packets given so far."""
        self.notices: list[str] = []
        """What was wrong with the file, one line each, without the file's name."""
        self.drops: int | None = None
        """Packets that the capturing system lost: None, the format has no place for it."""
        self.ended = False
        """The file is damaged: further bytes are not looked at."""
        self._tail = bytearray()
        self._need = _FILE_HEADER_BYTES
        self._in_records = False

    def feed(self, data: bytes) -> list[PacketBatch]:
        """Take the next bytes of the file; give the packets that they complete, as at most one batch."""
        if self.ended:
            return []
        if len(self._tail) + len(data) < self._need:
            self._tail += data
            return []
        buffer = b"".join((self._tail, data)) if self._tail else data
        self._tail.clear()
        if self._in_records:
            return self._records(buffer, 0)
        if not self._file_header(buffer):
            return []
        return self._records(buffer, _FILE_HEADER_BYTES)

    def finish(self) -> list[PacketBatch]:
        """End the file: tell of a record that is cut off. Gives no packets; what was whole has been given."""
        have = len(self._tail)
        if self.ended or (self._in_records and have == 0):
            return []
        self.ended = True
        if not self._in_records:
            self.notices.append(f"the file header is cut off after {have} of {_FILE_HEADER_BYTES} bytes")
        elif have < self._header_bytes:
            what = f"the last record's header is cut off after {have} of {self._header_bytes} bytes"
            self.notices.append(f"{what}; {packets_before(self.packets)}")
        else:
            have -= self._header_bytes
            captured = self._need - self._header_bytes
            what = f"the last record is cut off after {have} of {captured:,} bytes"
            self.notices.append(f"{what}; {packets_before(self.packets)}")
        self._tail.clear()
        return []

    def _file_header(self, buffer: bytes) -> bool:
        """Read the file header: byte order, unit of time, link type. False where it is none."""
        kind = _MAGICS.get(buffer[:4])
        if kind is None:
            self.ended = True
            self.notices.append("not a classic pcap")
            return False
        self._order, self._header_bytes, self._unit_ns = kind
        (field,) = struct.unpack_from(self._order + "I", buffer, 20)
        self._link_type = link_type_in_file(field)
        self._captured_from = struct.Struct(self._order + "I").unpack_from
        self._in_records = True
        return True

    def _records(self, buffer: bytes, offset: int) -> list[PacketBatch]:
        """Walk the records from ``offset`` on; keep the one that is not whole."""
        header_bytes, captured_from = self._header_bytes, self._captured_from
        end = len(buffer)
        last = end - header_bytes
        offsets: list[int] = []
        append = offsets.append
        while offset <= last:
            append(offset)
            offset += header_bytes + captured_from(buffer, offset + 8)[0]
        self._need = header_bytes
        if not offsets:
            self._tail += buffer[offset:]
            return []

        record = np.array(offsets, dtype=np.int64)
        # One overlapping view with a header at every byte: taking rows out of it copies each header once.
        every = np.ndarray((last + 1,), dtype="V16", buffer=buffer, strides=(1,))
        columns = every[record].view(self._order + "u4").reshape(-1, 4)
        captured = columns[:, 2].astype(np.int64)

        count = len(record)
        damaged = captured > PACKET_BYTES
        if damaged.any():
            count = int(damaged.argmax())
            self.ended = True
            self.notices.append(
                f"damaged: a record claims {int(captured[count]):,} bytes; "
                f"{packets_before(self.packets + count)}, nothing after it"
            )
        elif offset > end:
            count -= 1
            self._tail += buffer[offsets[count] :]
            self._need = offset - offsets[count]
        else:
            self._tail += buffer[offset:]
        if count == 0:
            return []
        columns = columns[:count]
        batch = PacketBatch(
            buffer=buffer,
            start=record[:count] + header_bytes,
            captured=captured[:count],
            original=columns[:, 3].astype(np.int64),
            time_ns=columns[:, 0].astype(np.int64) * 1_000_000_000 + columns[:, 1].astype(np.int64) * self._unit_ns,
            link_type=np.full(count, self._link_type, dtype=np.uint16),
            first_number=self.packets + 1,
        )
        self.packets += count
        return [batch]
