"""The pcapng format, read from bytes as they come.

Blocks, each with its type and its length, in sections of either byte order. An interface description block
gives its interface's link type and clock, packet blocks refer to it by number. Section lengths are not used:
many writers leave them at -1, and the blocks say where they end. Source: draft-ietf-opsawg-pcapng.
"""

import struct
from typing import Final

import numpy as np
import numpy.typing as npt

from dissector.capture.batch import PacketBatch
from dissector.capture.keylog import SECRETS_BLOCK, keys_in
from dissector.capture.pcap import packets_before
from dissector.capture.pcapng_interface import Interface, by_interface, read_interface, read_statistics
from dissector.limits import PACKET_BYTES, PCAPNG_BLOCK_BYTES, PCAPNG_INTERFACES, TLS_SECRETS_BYTES

_SECTION_HEADER: Final = 0x0A0D0D0A
_INTERFACE_DESCRIPTION: Final = 1
_OBSOLETE_PACKET: Final = 2
_SIMPLE_PACKET: Final = 3
_INTERFACE_STATISTICS: Final = 5
_ENHANCED_PACKET: Final = 6

_BYTE_ORDER_MAGICS: Final = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}

_SHORTEST_BLOCK: Final = 12
_SECTION_HEADER_BYTES: Final = 28

_PACKET_HEADERS: Final = {
    _ENHANCED_PACKET: (
        ("block", "u4"),
        ("total", "u4"),
        ("interface", "u4"),
        ("ticks_high", "u4"),
        ("ticks_low", "u4"),
        ("captured", "u4"),
        ("original", "u4"),
    ),
    _OBSOLETE_PACKET: (
        ("block", "u4"),
        ("total", "u4"),
        ("interface", "u2"),
        ("drops", "u2"),
        ("ticks_high", "u4"),
        ("ticks_low", "u4"),
        ("captured", "u4"),
        ("original", "u4"),
    ),
    _SIMPLE_PACKET: (("block", "u4"), ("total", "u4"), ("original", "u4")),
}
"""Block type → the fields before the packet's bytes (sections 4.3, 4.4 and appendix A)."""

_HEADER_TYPES: Final = {
    order: {
        block: np.dtype([(name, order + width) for name, width in header]) for block, header in _PACKET_HEADERS.items()
    }
    for order in "<>"
}

_SHORTEST_PACKET_BLOCK: Final = {block: dtype.itemsize + 4 for block, dtype in _HEADER_TYPES["<"].items()}
"""Block type → bytes of a block with an empty packet: the fields and the length again at the end."""

_DESCRIPTIONS: Final = frozenset((_SECTION_HEADER, _INTERFACE_DESCRIPTION, _INTERFACE_STATISTICS))

_Columns = tuple[
    npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint16]
]
"""start, captured, original, time_ns, link_type of a `PacketBatch`."""


def is_pcapng(head: bytes) -> bool:
    """Tell whether a file that starts with these bytes (at least 12) is a pcapng."""
    return head[:4] == b"\x0a\x0d\x0d\x0a" and head[8:12] in _BYTE_ORDER_MAGICS


def _section_header_length(buffer: bytes, offset: int) -> int:
    """Read a section header's length, which is in the byte order that it sets itself; 0 where it sets none."""
    order = _BYTE_ORDER_MAGICS.get(buffer[offset + 8 : offset + 12])
    if order is None:
        return 0
    length: int = struct.unpack_from(order + "I", buffer, offset + 4)[0]
    return length


class PcapngReader:
    """Turns the bytes of one pcapng file, in pieces of any size, into batches of packets.

    A batch has only whole blocks; what is begun waits for its rest (at most `PCAPNG_BLOCK_BYTES`). The same
    packets come out however the bytes are cut. Nothing on the bytes' side raises: a packet block that
    contradicts itself is skipped and counted; where a block's length cannot be, reading ends; both are told
    in `notices`.
    """

    def __init__(self) -> None:
        self.packets = 0
        """Packets given so far."""
        self.notices: list[str] = []
        """What was wrong with the file, one line each, without the file's name."""
        self.ended = False
        """The file is damaged: further bytes are not looked at."""
        self.keys = bytearray()
        """The lines of TLS key logs that the file holds, as far as it was read and up to `TLS_SECRETS_BYTES`."""
        self._tail = bytearray()
        self._need = _SHORTEST_BLOCK
        self._order = "<"
        self._interfaces: list[Interface] = []
        self._interfaces_seen = 0
        self._past_drops: int | None = None
        self._skipped = 0

    @property
    def drops(self) -> int | None:
        """Packets that the capturing system lost, by the interface statistics so far; None where none tell."""
        known = [interface.drops for interface in self._interfaces if interface.drops is not None]
        if self._past_drops is not None:
            known.append(self._past_drops)
        return sum(known) if known else None

    def feed(self, data: bytes) -> list[PacketBatch]:
        """Take the next bytes of the file; give the packets that they complete, as at most one batch."""
        if self.ended:
            return []
        if len(self._tail) + len(data) < self._need:
            self._tail += data
            return []
        buffer = b"".join((self._tail, data)) if self._tail else data
        self._tail.clear()
        parts: list[_Columns] = []
        count_before = self.packets
        offset = self._blocks(buffer, parts)
        if not self.ended:
            self._tail += buffer[offset:]
        if self.packets == count_before:
            return []
        columns = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
        start, captured, original, time_ns, link_type = columns
        return [PacketBatch(buffer, start, captured, original, time_ns, link_type, count_before + 1)]

    def finish(self) -> list[PacketBatch]:
        """End the file: tell what was cut off or skipped. Gives no packets; what was whole has been given."""
        have = len(self._tail)
        if have and not self.ended:
            known = f" of {self._need:,}" if have >= _SHORTEST_BLOCK else ""
            self.notices.append(f"the last block is cut off after {have}{known} bytes; {packets_before(self.packets)}")
        self._tail.clear()
        self.ended = True
        if self._skipped:
            self.notices.append(f"damaged packet blocks skipped: {self._skipped:,}")
            self._skipped = 0
        return []

    def _damaged(self, what: str) -> None:
        self.ended = True
        self.notices.append(f"damaged: {what}; {packets_before(self.packets)}, nothing after it")

    def _blocks(self, buffer: bytes, parts: list[_Columns]) -> int:
        """Walk the whole blocks of ``buffer``, appending the packets' columns; return where the rest begins.

        Packet blocks are gathered in runs of one type, within which no interface is added: a run becomes
        columns at once, with the interfaces known by then, so that the cut of the bytes cannot matter.
        """
        end = len(buffer)
        last = end - _SHORTEST_BLOCK
        offset = 0
        run: list[int] = []
        run_type = _ENHANCED_PACKET
        shortest = _SHORTEST_PACKET_BLOCK[run_type]
        unpack = struct.Struct(self._order + "II").unpack_from
        self._need = _SHORTEST_BLOCK
        while offset <= last:
            block, total = unpack(buffer, offset)
            if block == _SECTION_HEADER:
                total = _section_header_length(buffer, offset)
            if total < _SHORTEST_BLOCK or total & 3 or total > PCAPNG_BLOCK_BYTES:
                self._packets(buffer, run_type, run, parts)
                self._damaged(f"a block claims {total:,} bytes")
                return offset
            following = offset + total
            if following > end:
                self._need = total
                break
            if block == run_type:
                if total >= shortest:
                    run.append(offset)
                else:
                    self._skipped += 1
            elif block in _PACKET_HEADERS:
                self._packets(buffer, run_type, run, parts)
                run, run_type, shortest = [], block, _SHORTEST_PACKET_BLOCK[block]
                continue
            elif block == SECRETS_BLOCK:
                self._keys(buffer[offset + 8 : following - 4])
            elif block in _DESCRIPTIONS:
                self._packets(buffer, run_type, run, parts)
                run = []
                self._description(block, buffer[offset + 8 : following - 4])
                if self.ended:
                    return offset
                unpack = struct.Struct(self._order + "II").unpack_from
            offset = following
        self._packets(buffer, run_type, run, parts)
        return offset

    def _keys(self, body: bytes) -> None:
        """Keep the keys of a decryption secrets block (section 4.7)."""
        keys = keys_in(body, self._order)
        if len(self.keys) + len(keys) <= TLS_SECRETS_BYTES:
            self.keys += keys + b"\n"

    def _description(self, block: int, body: bytes) -> None:
        """Take in a block that says something about the packets after it."""
        if block == _SECTION_HEADER:
            self._section(body)
        elif block == _INTERFACE_DESCRIPTION:
            self._interface(body)
        else:
            read_statistics(body, self._order, self._interfaces)

    def _section(self, body: bytes) -> None:
        """Begin a section (section 4.1): its byte order, no interfaces yet."""
        order = _BYTE_ORDER_MAGICS.get(body[:4])
        if order is None or len(body) < _SECTION_HEADER_BYTES - _SHORTEST_BLOCK:
            self._damaged("a section header that is none")
            return
        (major,) = struct.unpack_from(order + "H", body, 4)
        if major != 1:
            self._damaged(f"a section of version {major}, which is unknown")
            return
        self._past_drops = self.drops
        self._order = order
        self._interfaces = []
        self._interfaces_seen = 0

    def _interface(self, body: bytes) -> None:
        """Add an interface to the section; numbers go up even where it cannot be kept."""
        if len(self._interfaces) == PCAPNG_INTERFACES:
            if self._interfaces_seen == PCAPNG_INTERFACES:
                self.notices.append(f"a section has more than {PCAPNG_INTERFACES:,} interfaces; the rest is skipped")
            self._interfaces_seen += 1
            return
        self._interfaces_seen += 1
        self._interfaces.append(read_interface(body, self._order))

    def _packets(self, buffer: bytes, block: int, run: list[int], parts: list[_Columns]) -> None:
        """Turn a run of packet blocks of one type into columns, leaving out those that contradict themselves."""
        if not run:
            return
        header_type = _HEADER_TYPES[self._order][block]
        header_bytes = header_type.itemsize
        offsets = np.array(run, dtype=np.int64)
        # One overlapping view with a header at every byte: taking rows out of it copies each header once.
        every = np.ndarray((len(buffer) - header_bytes + 1,), dtype=f"V{header_bytes}", buffer=buffer, strides=(1,))
        header = every[offsets].view(header_type)
        room = header["total"].astype(np.int64) - (header_bytes + 4)
        original = header["original"].astype(np.int64)
        if block == _SIMPLE_PACKET:
            interface = np.zeros(len(run), dtype=np.int64)
            limit = self._interfaces[0].snap_length if self._interfaces else 0
            captured = np.minimum(np.minimum(original, limit or PACKET_BYTES), room)
        else:
            interface = header["interface"].astype(np.int64)
            captured = header["captured"].astype(np.int64)

        sound = (captured <= room) & (captured <= PACKET_BYTES) & (interface < len(self._interfaces))
        if not sound.all():
            self._skipped += len(run) - int(np.count_nonzero(sound))
            offsets, captured, original = offsets[sound], captured[sound], original[sound]
            interface, header = interface[sound], header[sound]
            if not len(offsets):
                return
        if block == _SIMPLE_PACKET:
            ticks = np.zeros(len(offsets), dtype=np.uint64)
        else:
            ticks = (header["ticks_high"].astype(np.uint64) << np.uint64(32)) | header["ticks_low"]
        time_ns, link_type = by_interface(ticks, interface, self._interfaces)
        if block == _SIMPLE_PACKET:
            time_ns[:] = 0
        parts.append((offsets + header_bytes, captured, original, time_ns, link_type))
        self.packets += len(offsets)
