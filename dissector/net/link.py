"""Link-layer headers off, by columns: where in each packet its IP header starts."""

from typing import Final

import numpy as np
import numpy.typing as npt

from dissector import limits
from dissector.capture.batch import PacketBatch

Offsets = npt.NDArray[np.int64]
"""Absolute offsets into a batch's buffer."""

LINKTYPE_NULL: Final = 0
LINKTYPE_ETHERNET: Final = 1
LINKTYPE_RAW: Final = 101
LINKTYPE_LOOP: Final = 108
LINKTYPE_LINUX_SLL: Final = 113
LINKTYPE_IPV4: Final = 228
LINKTYPE_IPV6: Final = 229
LINKTYPE_LINUX_SLL2: Final = 276
_RAW_ALIASES: Final = (12, 14, LINKTYPE_RAW, LINKTYPE_IPV4, LINKTYPE_IPV6)
"""Some systems write their DLT_RAW value instead of LINKTYPE_RAW."""

SUPPORTED: Final = frozenset(
    {LINKTYPE_NULL, LINKTYPE_ETHERNET, LINKTYPE_LOOP, LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2, *_RAW_ALIASES}
)
"""LINKTYPE_ numbers that `ip_offsets` understands (https://www.tcpdump.org/linktypes.html)."""

_ETHERTYPE_AT: Final = {
    LINKTYPE_ETHERNET: (12, 14),
    LINKTYPE_LINUX_SLL: (14, 16),
    LINKTYPE_LINUX_SLL2: (0, 20),
}
"""Link type to (offset of the EtherType, offset of what follows the header)."""

_VLAN: Final = np.array([0x8100, 0x88A8, 0x9100], dtype=np.uint16)
_IP: Final = np.array([0x0800, 0x86DD], dtype=np.uint16)
_FAMILIES: Final = np.array([2, 10, 24, 28, 30], dtype=np.uint32)
"""AF_INET, and AF_INET6 as Linux, NetBSD, FreeBSD and Darwin number it."""


class Columns:
    """A batch's buffer seen as one big-endian number at every byte offset: a column is one indexed read.

    Reads at offsets beyond the buffer's end are the caller's mistake: check lengths first.
    """

    def __init__(self, buffer: bytes) -> None:
        # The padding lets a number be read at the very last byte; its value is then masked by length checks.
        size = len(buffer)
        padded = buffer + bytes(8)
        self.size = size
        self.u8 = np.frombuffer(padded, np.uint8)
        self.u16 = np.ndarray(size + 1, ">u2", padded, 0, (1,))
        self.u32 = np.ndarray(size + 1, ">u4", padded, 0, (1,))
        self.u64 = np.ndarray(size + 1, ">u8", padded, 0, (1,))


def ip_offsets(batch: PacketBatch, columns: Columns) -> Offsets:
    """Find each packet's IP header: its absolute offset, or -1 where the packet holds no IP or is too short.

    Takes off Ethernet II, 802.1Q and 802.1ad tags, Linux cooked v1 and v2, BSD loopback, and nothing at all
    for raw IP.
    """
    found = np.full(len(batch), -1, np.int64)
    kinds = np.unique(batch.link_type)
    for kind in kinds.tolist():
        rows = slice(None) if len(kinds) == 1 else np.flatnonzero(batch.link_type == kind)
        start, captured = batch.start[rows], batch.captured[rows]
        if kind in _ETHERTYPE_AT:
            found[rows] = _by_ethertype(columns, start, captured, *_ETHERTYPE_AT[kind])
        elif kind in (LINKTYPE_NULL, LINKTYPE_LOOP):
            found[rows] = _by_family(columns, start, captured)
        elif kind in _RAW_ALIASES:
            found[rows] = start
    return found


def _by_ethertype(columns: Columns, start: Offsets, captured: Offsets, type_at: int, header: int) -> Offsets:
    enough = captured >= header
    kind = columns.u16[np.where(enough, start + type_at, 0)].astype(np.uint16)
    size = np.full(len(start), header, np.int64)
    for _ in range(limits.VLAN_TAGS):
        tagged = np.flatnonzero(enough & np.isin(kind, _VLAN) & (captured >= size + 4))
        if not len(tagged):
            break
        kind[tagged] = columns.u16[start[tagged] + size[tagged] + 2]
        size[tagged] += 4
    return np.where(enough & np.isin(kind, _IP), start + size, -1)


def _by_family(columns: Columns, start: Offsets, captured: Offsets) -> Offsets:
    enough = captured >= 4
    family = columns.u32[np.where(enough, start, 0)].astype(np.uint32)
    # NULL is in the byte order of the machine that captured, LOOP in network order.
    known = np.isin(family, _FAMILIES) | np.isin(family.byteswap(), _FAMILIES)
    return np.where(enough & known, start + 4, -1)
