"""IP and TCP headers by columns: from IP offsets to the rows of a segment table."""

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from dissector import limits
from dissector.net.link import Columns, Offsets

_TCP: Final = 6
_FRAGMENT: Final = 44
_EXTENSIONS: Final = frozenset({0, 43, 51, 60, 135, 139, 140})
"""Hop-by-hop options, routing, authentication, destination options, mobility, HIP, shim6 (RFC 7045, section 4)."""

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
ACK: Final = 0x10


class Segments(msgspec.Struct):
    """The TCP segments of a batch, one row each, in capture order; all columns have the same length."""

    row: npt.NDArray[np.int64]
    """Index of the packet in its batch."""
    ip: Offsets
    """Absolute offset of the IP header."""
    is_ipv6: npt.NDArray[np.bool_]
    source_port: npt.NDArray[np.uint64]
    destination_port: npt.NDArray[np.uint64]
    sequence: npt.NDArray[np.uint32]
    acknowledgment: npt.NDArray[np.uint32]
    flags: npt.NDArray[np.uint8]
    payload: Offsets
    """Absolute offset of the first payload byte."""
    size: npt.NDArray[np.int64]
    """Payload bytes that are in the capture; fewer than were sent where a snap length cut the packet."""
    sent: npt.NDArray[np.int64]
    """Payload bytes that were sent."""

    def select(self, keep: npt.NDArray[np.bool_] | slice) -> "Segments":
        """Give the rows for which ``keep`` is true, or a stretch of them."""
        return Segments(*(getattr(self, name)[keep] for name in self.__struct_fields__))


class IpCounts(msgspec.Struct):
    """What did not become a segment, in packets."""

    not_ip: int = 0
    not_tcp: int = 0
    fragments: int = 0
    """IP fragments, which are not put together."""
    malformed: int = 0
    """Headers that contradict themselves or are cut off by the snap length."""


def segments(columns: Columns, ip: Offsets, end: Offsets, sent_end: Offsets, counts: IpCounts) -> Segments:
    """Read the IP and TCP headers of the packets of a batch.

    ``ip`` is each packet's IP header (`dissector.net.link.ip_offsets`), ``end`` one past its last captured byte,
    ``sent_end`` where that would be had the snap length not cut it, all absolute. Packets that hold no whole TCP
    header are counted in ``counts`` and give no row.
    Sources: RFC 791, 3.1; RFC 8200, 3; RFC 9293, 3.1.
    """
    row = np.flatnonzero(ip >= 0)
    counts.not_ip += len(ip) - len(row)
    ip, end, sent_end = ip[row], end[row], sent_end[row]
    version = columns.u8[np.minimum(ip, columns.size)] >> 4
    is_ipv6 = version == 6
    room = end - ip
    sound = np.where(is_ipv6, room >= 40, (version == 4) & (room >= 20))
    counts.malformed += len(row) - int(np.count_nonzero(sound))
    row, ip, end, sent_end, is_ipv6 = (a[sound] for a in (row, ip, end, sent_end, is_ipv6))

    header, length, protocol, fragment = _ipv4(columns, ip, sent_end)
    six = np.flatnonzero(is_ipv6)
    if len(six):
        header[six], length[six], protocol[six], fragment[six] = _ipv6(columns, ip[six], end[six], sent_end[six])

    tcp = ip + header
    is_tcp = protocol == _TCP
    whole = (header >= 20) & (tcp + 20 <= end) & (tcp + 20 <= ip + length)
    keep = is_tcp & ~fragment & whole
    counts.not_tcp += int(np.count_nonzero(~is_tcp & ~fragment))
    counts.fragments += int(np.count_nonzero(fragment))
    counts.malformed += int(np.count_nonzero(is_tcp & ~fragment & ~whole))
    row, ip, end, is_ipv6, tcp, length = (a[keep] for a in (row, ip, end, is_ipv6, tcp, length))

    data_offset = (columns.u8[tcp + 12] >> 4).astype(np.int64) * 4
    payload = tcp + data_offset
    # What follows the IP datagram is Ethernet padding; what is missing of it was cut by the snap length.
    sent = ip + length - payload
    size = np.minimum(ip + length, end) - payload
    sound = (data_offset >= 20) & (sent >= 0)
    counts.malformed += len(row) - int(np.count_nonzero(sound))
    found = Segments(
        row=row,
        ip=ip,
        is_ipv6=is_ipv6,
        source_port=columns.u16[tcp].astype(np.uint64),
        destination_port=columns.u16[tcp + 2].astype(np.uint64),
        sequence=columns.u32[tcp + 4].astype(np.uint32),
        acknowledgment=columns.u32[tcp + 8].astype(np.uint32),
        flags=columns.u8[tcp + 13],
        payload=payload,
        size=np.maximum(size, 0),
        sent=sent,
    )
    return found if sound.all() else found.select(sound)


_IpColumns = tuple[Offsets, Offsets, npt.NDArray[np.uint8], npt.NDArray[np.bool_]]
"""Header length, datagram length, payload protocol, whether it is a fragment."""


def _ipv4(columns: Columns, ip: Offsets, sent_end: Offsets) -> _IpColumns:
    header = (columns.u8[ip] & 0x0F).astype(np.int64) * 4
    length = columns.u16[ip + 2].astype(np.int64)
    # A sender that leaves segmentation to its network card is captured with a total length of 0.
    length = np.where(length == 0, sent_end - ip, length)
    fragment = (columns.u16[ip + 6].astype(np.uint16) & 0x3FFF) != 0
    return header, length, columns.u8[ip + 9].copy(), fragment


def _ipv6(columns: Columns, ip: Offsets, end: Offsets, sent_end: Offsets) -> _IpColumns:
    header = np.full(len(ip), 40, np.int64)
    payload_length = columns.u16[ip + 4].astype(np.int64)
    # 0 is a jumbogram or, as captured from Linux BIG TCP, a segment longer than the field can say.
    length = np.where(payload_length == 0, sent_end - ip, payload_length + 40)
    protocol = columns.u8[ip + 6].copy()
    fragment = np.zeros(len(ip), np.bool_)
    for at in np.flatnonzero(protocol != _TCP).tolist():
        header[at], protocol[at], fragment[at] = _extensions(columns.u8, int(ip[at]), int(protocol[at]), int(end[at]))
    return header, length, protocol, fragment


def _extensions(u8: npt.NDArray[np.uint8], ip: int, kind: int, end: int) -> tuple[int, int, bool]:
    """Walk one packet's IPv6 extension headers to (header length, protocol, whether it is a fragment)."""
    at = ip + 40
    for _ in range(limits.IPV6_EXTENSION_HEADERS):
        if kind not in _EXTENSIONS and kind != _FRAGMENT:
            break
        if at + 8 > end:
            return 0, _TCP, False  # cut off: there is no saying what follows, which no header length says
        if kind == _FRAGMENT:
            # An atomic fragment (offset 0, no more to come) is a whole packet (RFC 6946).
            if (int(u8[at + 2]) << 8 | int(u8[at + 3])) & 0xFFF9:
                return at - ip, kind, True
            size = 8
        elif kind == 51:
            size = (int(u8[at + 1]) + 2) * 4
        else:
            size = (int(u8[at + 1]) + 1) * 8
        kind = int(u8[at])
        at += size
    return at - ip, kind, False
