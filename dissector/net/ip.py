"""IP and TCP headers by columns, IPv6 extension headers packet by packet: from IP offsets to a table of segments."""

from typing import Final, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from dissector import limits
from dissector.net.link import Columns, Offsets

TCP: Final = 6
FRAGMENT: Final = 44
EXTENSIONS: Final = frozenset({0, 43, 51, 60, 135, 139, 140})
"""Hop-by-hop options, routing, authentication, destination options, mobility, HIP, shim6 (RFC 7045, section 4)."""


FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
ACK: Final = 0x10


class IpCounts(msgspec.Struct):
    """What did not become a segment, in packets."""

    not_ip: int = 0
    not_tcp: int = 0
    fragments: int = 0
    """IP fragments that are not put together: the others did not come, or not yet."""
    contradictions: int = 0
    """Datagrams given up because bytes of their fragments contradict each other."""
    too_deep: int = 0
    """Packets in more tunnels than are taken off (`limits.TUNNELS`)."""
    malformed: int = 0
    """Headers that contradict themselves or are cut off by the snap length."""


_R = TypeVar("_R", bound="Rows")


class Rows(msgspec.Struct):
    """A table by columns, all of the same length."""

    def select(self: _R, keep: npt.NDArray[np.bool_] | npt.NDArray[np.int64] | slice) -> _R:
        """Give some rows: those for which ``keep`` is true, those it names, or a stretch."""
        return type(self)(*(getattr(self, name)[keep] for name in self.__struct_fields__))

    @classmethod
    def joined(cls: type[_R], tables: "list[_R]") -> _R:
        """Put tables together, one or more, in their order."""
        if len(tables) == 1:
            return tables[0]
        return cls(*(np.concatenate([getattr(some, name) for some in tables]) for name in cls.__struct_fields__))


class Datagrams(Rows):
    """IP packets, or what is taken for them, in capture order."""

    row: npt.NDArray[np.int64]
    """Index of the packet in its batch."""
    ip: Offsets
    """Absolute offset of the IP header."""
    end: Offsets
    """One past its last captured byte."""
    sent_end: Offsets
    """Where that would be had the snap length not cut it; at or after ``end``."""


class Payloads(Rows):
    """What IP datagrams carry, one row each."""

    row: npt.NDArray[np.int64]
    ip: Offsets
    is_ipv6: npt.NDArray[np.bool_]
    protocol: npt.NDArray[np.uint8]
    """Protocol number of the payload, behind all extension headers; 44 where it is a fragment of an IPv6 datagram."""
    is_fragment: npt.NDArray[np.bool_]
    at: Offsets
    """Absolute offset of the payload, or of the fragment header of IPv6."""
    end: Offsets
    """One past its last captured byte."""
    sent_end: Offsets
    """One past its last byte as the IP header has it; at or after ``end``."""


class Segments(Rows):
    """The TCP segments of a batch, one row each, in capture order; a packet gives one row at most.

    Of what came in a tunnel all columns but ``row`` tell of what is inside. A segment that came in fragments is in
    the row of the packet that completed it.
    """

    row: npt.NDArray[np.int64]
    """Index of the packet in its batch."""
    ip: Offsets
    """Absolute offset of the IP header that addresses it."""
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


def read_ip(columns: Columns, some: Datagrams, counts: IpCounts) -> Payloads:
    """Read IP headers. What holds no whole one is counted in ``counts`` and gives no row.

    Sources: RFC 791, 3.1; RFC 8200, 3 and 4.
    """
    version = columns.u8[np.minimum(some.ip, columns.size)] >> 4
    is_ipv6 = version == 6
    room = some.end - some.ip
    sound = np.where(is_ipv6, room >= 40, (version == 4) & (room >= 20))
    if not sound.all():
        counts.malformed += len(sound) - int(np.count_nonzero(sound))
        some, is_ipv6 = some.select(sound), is_ipv6[sound]

    ip, end = some.ip, some.end
    header, length, protocol, fragment = _ipv4(columns, ip, some.sent_end)
    six = np.flatnonzero(is_ipv6)
    if len(six):
        header[six], length[six], protocol[six], fragment[six] = _ipv6(columns, ip[six], end[six], some.sent_end[six])
    # A header length below the least is a contradiction: an IP header is no payload of itself.
    too_short = header < 20
    sent_end = ip + length
    # What follows the IP datagram is Ethernet padding; what is missing of it was cut by the snap length.
    found = Payloads(some.row, ip, is_ipv6, protocol, fragment, ip + header, np.minimum(end, sent_end), sent_end)
    if too_short.any():
        counts.malformed += int(np.count_nonzero(too_short))
        found = found.select(~too_short)
    return found


def read_tcp(columns: Columns, some: Payloads, counts: IpCounts) -> Segments:
    """Read TCP headers (RFC 9293, 3.1). What holds no whole one is counted in ``counts`` and gives no row."""
    whole = some.at + 20 <= some.end
    if not whole.all():
        counts.malformed += len(whole) - int(np.count_nonzero(whole))
        some = some.select(whole)
    tcp = some.at
    data_offset = (columns.u8[tcp + 12] >> 4).astype(np.int64) * 4
    payload = tcp + data_offset
    sent = some.sent_end - payload
    sound = (data_offset >= 20) & (sent >= 0)
    found = Segments(
        row=some.row,
        ip=some.ip,
        is_ipv6=some.is_ipv6,
        source_port=columns.u16[tcp].astype(np.uint64),
        destination_port=columns.u16[tcp + 2].astype(np.uint64),
        sequence=columns.u32[tcp + 4].astype(np.uint32),
        acknowledgment=columns.u32[tcp + 8].astype(np.uint32),
        flags=columns.u8[tcp + 13],
        payload=payload,
        size=np.maximum(some.end - payload, 0),
        sent=sent,
    )
    if sound.all():
        return found
    counts.malformed += len(sound) - int(np.count_nonzero(sound))
    return found.select(sound)


_IpColumns = tuple[Offsets, Offsets, npt.NDArray[np.uint8], npt.NDArray[np.bool_]]
"""Header length (0 where none can be told), datagram length, payload protocol, whether it is a fragment."""


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
    extended = np.flatnonzero(np.isin(protocol, (FRAGMENT, *EXTENSIONS)))
    for at in extended.tolist():
        header[at], protocol[at], fragment[at] = _extensions(columns.u8, int(ip[at]), int(protocol[at]), int(end[at]))
    return header, length, protocol, fragment


def _extensions(u8: npt.NDArray[np.uint8], ip: int, kind: int, end: int) -> tuple[int, int, bool]:
    """Walk one packet's IPv6 extension headers to (header length, protocol, whether it is a fragment)."""
    at = ip + 40
    for _ in range(limits.IPV6_EXTENSION_HEADERS):
        if kind not in EXTENSIONS and kind != FRAGMENT:
            break
        if at + 8 > end:
            return 0, TCP, False  # cut off: there is no saying what follows, which no header length says
        if kind == FRAGMENT:
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
