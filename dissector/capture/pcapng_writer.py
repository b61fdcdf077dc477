"""Writes packets as pcapng (draft-ietf-opsawg-pcapng): one section, nanoseconds, an interface for each link type.

Where the interfaces that packets come from are known, there is one for each of those instead, with its name.
"""

import struct
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from dissector._version import __version__
from dissector.capture.batch import PacketBatch

_SECTION: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_STATISTICS: Final = 5
_ENHANCED_PACKET: Final = 6
_BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D
_SHB_USERAPPL: Final = 4
_IF_NAME: Final = 2
_IF_TSRESOL: Final = 9
_ISB_IFRECV: Final = 4
_ISB_IFDROP: Final = 5
_NANOSECONDS: Final = b"\x09"

_HEAD: Final = np.dtype("<u4")
_HEAD_FIELDS: Final = 7
"""Type, length, interface, time (high, low), captured and original length of an enhanced packet block."""
_AROUND_BYTES: Final = 4 * (_HEAD_FIELDS + 1)
"""Those, and the length again at the end."""


class Writable(Protocol):
    """What takes bytes: a binary file, say."""

    def write(self, data: bytes, /) -> object:
        """Take bytes."""
        ...


class PcapngWriter:
    """Writes to a binary file that its owner opens and closes, once for each batch."""

    def __init__(self, file: Writable, names: Sequence[str] = ()) -> None:
        """Write the head of the file; ``names`` are those of the interfaces, where these are known."""
        self.packets = 0
        """Packets written so far."""
        self._file = file
        self._names = names
        self._interfaces: dict[tuple[int, int], int] = {}
        """Index of the name and link type, to the interface's number in the file."""
        # The section's length is not known beforehand: -1.
        body = struct.pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1)
        file.write(block(_SECTION, body + _options((_SHB_USERAPPL, f"osloshark {__version__}".encode()))))

    def write(
        self,
        batch: PacketBatch,
        indexes: Sequence[int] | npt.NDArray[np.int64],
        interface: npt.NDArray[np.uint16] | None = None,
    ) -> None:
        """Write some packets of a batch, given by their indexes in it.

        ``interface`` holds, of each packet of the batch, the index of its interface's name; None where there are no
        names.
        """
        rows = np.asarray(indexes, np.int64)
        if not len(rows):
            return
        link_type = batch.link_type[rows].astype(np.int64)
        of_name = np.zeros(len(rows), np.int64) if interface is None else interface[rows].astype(np.int64)
        key = of_name << 16 | link_type
        pieces: list[bytes] = []
        interfaces = dict(self._interfaces)
        number = np.empty(len(rows), np.int64)
        firsts = np.unique(key, return_index=True)[1]
        for first in np.sort(firsts).tolist():
            known = (int(of_name[first]), int(link_type[first]))
            if known not in interfaces:
                interfaces[known] = len(interfaces)
                pieces.append(self._description(*known))
            number[key == key[first]] = interfaces[known]

        captured = batch.captured[rows]
        padding = -captured & 3
        time_ns = batch.time_ns[rows].astype(np.uint64)
        heads = np.empty((len(rows), _HEAD_FIELDS), _HEAD)
        heads[:, 0] = _ENHANCED_PACKET
        heads[:, 1] = total = captured + padding + _AROUND_BYTES
        heads[:, 2] = number
        heads[:, 3] = time_ns >> np.uint64(32)
        heads[:, 4] = time_ns & np.uint64(0xFFFF_FFFF)
        heads[:, 5] = captured
        heads[:, 6] = batch.original[rows]
        # Of each packet's, the last bytes are taken: as many zeros as it needs, and the length.
        tails = np.zeros((len(rows), 2), _HEAD)
        tails[:, 1] = total
        head, tail, buffer = heads.tobytes(), tails.tobytes(), batch.buffer
        start = batch.start[rows]
        at = 0
        for number_, (begin, end, pad) in enumerate(
            zip(start.tolist(), (start + captured).tolist(), padding.tolist(), strict=True)
        ):
            stop = 8 * number_ + 8
            pieces += (head[at : at + 4 * _HEAD_FIELDS], buffer[begin:end], tail[stop - 4 - pad : stop])
            at += 4 * _HEAD_FIELDS
        self._file.write(b"".join(pieces))
        # Where that failed, nothing of it was written.
        self._interfaces = interfaces
        self.packets += len(rows)

    def statistics(self, time_ns: int, counts: Sequence[tuple[int, int]]) -> None:
        """Write how many packets came up to a time, by the indexes of the names, and how many of these were dropped."""
        ticks = struct.pack("<II", time_ns >> 32, time_ns & 0xFFFF_FFFF)
        blocks: list[bytes] = []
        for index, (received, dropped) in enumerate(counts):
            for (of_name, _), number in self._interfaces.items():
                if of_name == index:
                    told = ((_ISB_IFRECV, struct.pack("<Q", received)), (_ISB_IFDROP, struct.pack("<Q", dropped)))
                    blocks.append(block(_STATISTICS, struct.pack("<I", number) + ticks + _options(*told)))
                    break
        self._file.write(b"".join(blocks))

    def _description(self, of_name: int, link_type: int) -> bytes:
        options = [(_IF_TSRESOL, _NANOSECONDS)]
        if self._names:
            options.insert(0, (_IF_NAME, self._names[of_name].encode(errors="surrogateescape")))
        # A snap length of 0 is no limit.
        return block(_INTERFACE, struct.pack("<HHI", link_type, 0, 0) + _options(*options))


def block(kind: int, body: bytes) -> bytes:
    """Make a block of its type and its body, whose length is a multiple of 4."""
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _options(*options: tuple[int, bytes]) -> bytes:
    written = b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options)
    return written + struct.pack("<HH", 0, 0)
