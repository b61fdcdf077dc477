"""Link-layer headers off, by columns: where in each packet its IP header starts."""

from typing import Final

import numpy as np
import numpy.typing as npt

from dissector import limits
from dissector.capture.batch import PacketBatch

Offsets = npt.NDArray[np.int64]
"""Absolute offsets into a batch's buffer."""
EtherTypes = npt.NDArray[np.uint16]

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

IPV4: Final = 0x0800
IPV6: Final = 0x86DD
ETHERNET: Final = 0x6558
"""EtherType of a whole Ethernet frame (Transparent Ethernet Bridging, RFC 1701)."""
MPLS: Final = 0x8847
_MPLS_MULTICAST: Final = 0x8848
_PPPOE_SESSION: Final = 0x8864
_VLANS: Final = (0x8100, 0x88A8, 0x9100)
_PPP: Final = {0x0021: IPV4, 0x0057: IPV6, 0x0281: MPLS}
"""PPP protocol numbers to the EtherTypes of the same."""
_UNKNOWN: Final = 0
"""No EtherType: what follows is nothing that leads to IP."""

_FAMILIES: Final = np.array([2, 10, 24, 28, 30], dtype=np.uint32)
"""AF_INET, and AF_INET6 as Linux, NetBSD, FreeBSD and Darwin number it."""


_PADDING: Final = 8


class Columns:
    """A batch's buffer seen as one big-endian number at every byte offset: a column is one indexed read.

    Reads at offsets beyond the buffer's end are the caller's mistake: check lengths first.
    """

    def __init__(self, *buffers: bytes, spare: int = 0) -> None:
        """See some buffers as one, in their order; the last ends with so many bytes that are nobody's."""
        # The padding lets a number be read at the very last byte; its value is then masked by length checks. Where a
        # buffer has it, as those of large files do, it need not be copied: a fiftieth of the time of stats.
        has_padding = len(buffers) == 1 and spare >= _PADDING
        padded = buffers[0] if has_padding else b"".join((*buffers, bytes(_PADDING)))
        size = len(padded) - _PADDING
        self.size = size
        self.buffer = padded
        """The bytes, with 8 after them that are nobody's."""
        self.u8 = np.frombuffer(padded, np.uint8)
        self.u16 = np.ndarray(size + 1, ">u2", padded, 0, (1,))
        self.u32 = np.ndarray(size + 1, ">u4", padded, 0, (1,))
        self.u64 = np.ndarray(size + 1, ">u8", padded, 0, (1,))


def link_types(batch: PacketBatch) -> dict[int, int]:
    """Count a batch's packets by LINKTYPE_ number. Nearly always there is one, and nothing needs to be sorted."""
    kinds = batch.link_type
    if len(kinds) and (kinds == kinds[0]).all():
        return {int(kinds[0]): len(kinds)}
    return dict(zip(*(column.tolist() for column in np.unique(kinds, return_counts=True)), strict=True))


def ip_offsets(batch: PacketBatch, columns: Columns) -> Offsets:
    """Find each packet's IP header: its absolute offset, or -1 where the packet holds no IP or is too short.

    Takes off Ethernet II, Linux cooked v1 and v2, and what `ip_after` knows behind them, BSD loopback, and nothing
    at all for raw IP.
    """
    found = np.full(len(batch), -1, np.int64)
    kinds = link_types(batch)
    for kind in kinds:
        rows = slice(None) if len(kinds) == 1 else np.flatnonzero(batch.link_type == kind)
        start, captured = batch.start[rows], batch.captured[rows]
        if kind in _ETHERTYPE_AT:
            found[rows] = _by_ethertype(columns, start, captured, *_ETHERTYPE_AT[kind])
        elif kind in (LINKTYPE_NULL, LINKTYPE_LOOP):
            found[rows] = _by_family(columns, start, captured)
        elif kind in _RAW_ALIASES:
            found[rows] = start
    return found


def ip_after(columns: Columns, at: Offsets, kind: EtherTypes, end: Offsets) -> Offsets:
    """Find the IP headers behind what an EtherType announced: their absolute offsets, or -1 as `ip_offsets`.

    ``at`` is where the protocol ``kind`` begins, ``end`` is one past the packet's last captured byte. Takes off
    802.1Q and 802.1ad tags, PPPoE sessions (RFC 2516), MPLS label stacks (RFC 3032) with IP or an Ethernet
    pseudowire below them (RFC 4448), and whole Ethernet frames, `limits.LINK_HEADERS` of them at most.
    """
    is_ip = (kind == IPV4) | (kind == IPV6)
    if is_ip.all():
        return at
    at, kind = at.copy(), kind.copy()
    rows = np.flatnonzero(~is_ip)
    for _ in range(limits.LINK_HEADERS):
        at[rows], kind[rows] = _behind(columns, at[rows], kind[rows], end[rows])
        now = kind[rows]
        rows = rows[(now != IPV4) & (now != IPV6) & (now != _UNKNOWN)]
        if not len(rows):
            break
    return np.where((kind == IPV4) | (kind == IPV6), at, -1)


def _by_ethertype(columns: Columns, start: Offsets, captured: Offsets, type_at: int, header: int) -> Offsets:
    enough = captured >= header
    kind = columns.u16[np.where(enough, start + type_at, 0)].astype(np.uint16)
    if not enough.all():
        kind[~enough] = _UNKNOWN
    return ip_after(columns, start + header, kind, start + captured)


def _by_family(columns: Columns, start: Offsets, captured: Offsets) -> Offsets:
    enough = captured >= 4
    family = columns.u32[np.where(enough, start, 0)].astype(np.uint32)
    # NULL is in the byte order of the machine that captured, LOOP in network order.
    known = np.isin(family, _FAMILIES) | np.isin(family.byteswap(), _FAMILIES)
    return np.where(enough & known, start + 4, -1)


# -- one header -------------------------------------------------------------------------------------------------------


def _behind(columns: Columns, at: Offsets, kind: EtherTypes, end: Offsets) -> tuple[Offsets, EtherTypes]:
    """Take one header off: where the next one begins, and its EtherType or `_UNKNOWN`."""
    next_at, next_kind = at.copy(), np.zeros(len(kind), np.uint16)
    for some, take_off in (
        (np.isin(kind, _VLANS), _behind_vlan_tag),
        (kind == ETHERNET, _behind_ethernet),
        ((kind == MPLS) | (kind == _MPLS_MULTICAST), _behind_mpls),
        (kind == _PPPOE_SESSION, _behind_pppoe),
    ):
        rows = np.flatnonzero(some)
        if len(rows):
            next_at[rows], next_kind[rows] = take_off(columns, at[rows], end[rows])
    return next_at, next_kind


def _behind_vlan_tag(columns: Columns, at: Offsets, end: Offsets) -> tuple[Offsets, EtherTypes]:
    enough = at + 4 <= end
    return at + 4, np.where(enough, columns.u16[np.where(enough, at + 2, 0)], _UNKNOWN).astype(np.uint16)


def _behind_ethernet(columns: Columns, at: Offsets, end: Offsets) -> tuple[Offsets, EtherTypes]:
    enough = at + 14 <= end
    return at + 14, np.where(enough, columns.u16[np.where(enough, at + 12, 0)], _UNKNOWN).astype(np.uint16)


def _behind_pppoe(columns: Columns, at: Offsets, end: Offsets) -> tuple[Offsets, EtherTypes]:
    enough = at + 8 <= end
    begin = np.where(enough, at, 0)
    is_data = enough & (columns.u16[begin] == 0x1100)  # version 1, type 1, code 0: session data
    protocol = columns.u16[np.where(enough, at + 6, 0)]
    kind = np.zeros(len(at), np.uint16)
    for number, ethertype in _PPP.items():
        kind[is_data & (protocol == number)] = ethertype
    return at + 8, kind


def _behind_mpls(columns: Columns, at: Offsets, end: Offsets) -> tuple[Offsets, EtherTypes]:
    """Take a label stack off. What is below it no label says: the first nibble tells IPv4, IPv6, and the control
    word of a pseudowire (RFC 4385), of which Ethernet alone leads to IP.
    """
    at, at_bottom = at.copy(), np.zeros(len(at), np.bool_)
    rows = np.arange(len(at))
    for _ in range(limits.MPLS_LABELS):
        rows = rows[at[rows] + 4 <= end[rows]]
        is_last = (columns.u8[at[rows] + 2] & 1) != 0
        at[rows] += 4
        at_bottom[rows[is_last]] = True
        rows = rows[~is_last]
        if not len(rows):
            break
    kind = np.zeros(len(at), np.uint16)
    below = np.flatnonzero(at_bottom & (at < end))
    nibble = columns.u8[at[below]] >> 4
    kind[below[nibble == 4]] = IPV4
    kind[below[nibble == 6]] = IPV6
    # RFC 4448, 4.6: 16 zero bits and a sequence number. A frame without this word whose address begins with zeros
    # looks the same, so the EtherType must say what is known.
    wire = below[nibble == 0]
    wire = wire[at[wire] + 18 <= end[wire]]
    wire = wire[columns.u16[at[wire]] == 0]
    wire = wire[np.isin(columns.u16[at[wire] + 16], (IPV4, IPV6, *_VLANS))]
    at[wire] += 4
    kind[wire] = ETHERNET
    return at, kind
