"""Writes packets as pcapng (draft-ietf-opsawg-pcapng): one section, an interface for each link type, nanoseconds."""

import struct
from typing import Final, Protocol

from dissector._version import __version__
from dissector.capture.batch import PacketBatch

_SECTION: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_ENHANCED_PACKET: Final = 6
_BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D
_SHB_USERAPPL: Final = 4
_IF_TSRESOL: Final = 9
_NANOSECONDS: Final = b"\x09"


class Writable(Protocol):
    """What takes bytes: a binary file, say."""

    def write(self, data: bytes, /) -> object:
        """Take bytes."""
        ...


class PcapngWriter:
    """Writes to a binary file that its owner opens and closes, a block at a time for each batch."""

    def __init__(self, file: Writable) -> None:
        self.packets = 0
        """Packets written so far."""
        self._file = file
        self._interfaces: dict[int, int] = {}
        # The section's length is not known beforehand: -1.
        body = struct.pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1)
        file.write(_block(_SECTION, body + _options((_SHB_USERAPPL, f"osloshark {__version__}".encode()))))

    def write(self, batch: PacketBatch, indexes: list[int]) -> None:
        """Write some packets of a batch, given by their indexes in it."""
        blocks: list[bytes] = []
        for index in indexes:
            link_type = int(batch.link_type[index])
            interface = self._interfaces.get(link_type)
            if interface is None:
                interface = self._interfaces[link_type] = len(self._interfaces)
                # A snap length of 0 is no limit.
                description = struct.pack("<HHI", link_type, 0, 0) + _options((_IF_TSRESOL, _NANOSECONDS))
                blocks.append(_block(_INTERFACE, description))
            data = batch.packet(index)
            time_ns = int(batch.time_ns[index])
            head = struct.pack(
                "<IIIII", interface, time_ns >> 32, time_ns & 0xFFFF_FFFF, len(data), int(batch.original[index])
            )
            blocks.append(_block(_ENHANCED_PACKET, head + _padded(data)))
        self.packets += len(indexes)
        if blocks:
            self._file.write(b"".join(blocks))


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _options(*options: tuple[int, bytes]) -> bytes:
    written = b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options)
    return written + struct.pack("<HH", 0, 0)
