"""Tunnel headers off, by columns: where the IP header of the packet inside starts."""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from dissector.net.link import ETHERNET, IPV4, MPLS, Columns, EtherTypes, Offsets, ip_after

IPIP: Final = 4
UDP: Final = 17
IPV6_IN_IP: Final = 41
GRE: Final = 47
MPLS_IN_IP: Final = 137
PROTOCOLS: Final = (IPIP, UDP, IPV6_IN_IP, GRE, MPLS_IN_IP)
"""Protocol numbers of IP that may lead to another IP header."""

NO_TUNNEL: Final = -1
"""It is no tunnel."""
NO_IP: Final = -2
"""It is a tunnel with something inside that does not lead to IP."""
BROKEN: Final = -3
"""The tunnel's header is cut off."""

_ERSPAN: Final = 0x88BE
"""EtherType of ERSPAN type II; of type I too, which has no sequence number in GRE and no header of its own."""
_ERSPAN_III: Final = 0x22EB
_CHECKSUM: Final = 0x8000
_ROUTING: Final = 0x4000
_KEY: Final = 0x2000
_SEQUENCE: Final = 0x1000
_VERSION: Final = 0x0007


def inner_ip(columns: Columns, protocol: npt.NDArray[np.uint8], at: Offsets, end: Offsets) -> Offsets:
    """Look for an IP packet inside the payloads of IP packets, and give the absolute offset of its header.

    ``protocol`` is the IP protocol number, ``at`` the absolute offset of the payload, ``end`` one past its last
    captured byte. `NO_TUNNEL`, `NO_IP` or `BROKEN` say why there is none. Knows IP in IP (RFC 2003, RFC 4213), GRE
    and what it carries, VXLAN, Geneve, and MPLS in IP (RFC 4023). Virtual network identifiers are passed over.
    """
    found = np.full(len(at), NO_TUNNEL, np.int64)
    for number, look in _INSIDE.items():
        rows = np.flatnonzero(protocol == number)
        if len(rows):
            found[rows] = look(columns, at[rows], end[rows])
    return found


def _in_ip(columns: Columns, at: Offsets, end: Offsets) -> Offsets:
    return np.where(at < end, at, BROKEN)


def _in_mpls(columns: Columns, at: Offsets, end: Offsets) -> Offsets:
    return _after(columns, at, np.full(len(at), MPLS, np.uint16), end, at + 4 <= end)


def _in_udp(columns: Columns, at: Offsets, end: Offsets) -> Offsets:
    """VXLAN or Geneve by the port that it is sent to; the port that it is sent from is a hash."""
    found = np.full(len(at), NO_TUNNEL, np.int64)
    port = columns.u16[np.where(at + 8 <= end, at + 2, 0)]
    for number, look in _BY_PORT.items():
        rows = np.flatnonzero((port == number) & (at + 8 <= end))
        if len(rows):
            found[rows] = look(columns, at[rows] + 8, end[rows])
    return found


def _in_vxlan(columns: Columns, at: Offsets, end: Offsets) -> Offsets:
    """VXLAN (RFC 7348, 5), also with a group policy. Without the I flag it is something else on that port."""
    whole = at + 8 <= end
    flags = columns.u8[np.where(whole, at, 0)]
    found = _after(columns, at + 8, np.full(len(at), ETHERNET, np.uint16), end, whole)
    # With the P flag (VXLAN-GPE) the last byte of the flags says what is inside, which need not be Ethernet.
    return np.where(whole & ((flags & 0x0C) != 0x08), NO_TUNNEL, found)


def _in_geneve(columns: Columns, at: Offsets, end: Offsets) -> Offsets:
    """Geneve (RFC 8926, 3.4): its options are passed over."""
    whole = at + 8 <= end
    safe = np.where(whole, at, 0)
    first = columns.u8[safe]
    header = 8 + (first & 0x3F).astype(np.int64) * 4
    kind = columns.u16[np.where(whole, at + 2, 0)].astype(np.uint16)
    found = _after(columns, at + header, kind, end, whole & (at + header <= end))
    return np.where(whole & (first >> 6 != 0), NO_TUNNEL, found)


def _in_gre(columns: Columns, at: Offsets, end: Offsets) -> Offsets:
    """GRE (RFC 2784, RFC 2890) and in it anything that has an EtherType, or ERSPAN (draft-foschiano-erspan).

    Not version 1 (PPTP), nor source routes (RFC 1701), which nobody uses.
    """
    whole = at + 4 <= end
    flags = columns.u16[np.where(whole, at, 0)].astype(np.uint16)
    kind = columns.u16[np.where(whole, at + 2, 0)].astype(np.uint16)
    header = np.full(len(at), 4, np.int64)
    for flag in (_CHECKSUM, _KEY, _SEQUENCE):
        header[(flags & flag) != 0] += 4
    inside = at + header
    whole &= inside <= end

    mirrored = np.flatnonzero(whole & (kind == _ERSPAN))
    if len(mirrored):
        is_two = (flags[mirrored] & _SEQUENCE) != 0
        inside[mirrored] += np.where(is_two, 8, 0)
        kind[mirrored] = ETHERNET
    mirrored = np.flatnonzero(whole & (kind == _ERSPAN_III))
    if len(mirrored):
        inside[mirrored], kind[mirrored] = _in_erspan_3(columns, inside[mirrored], end[mirrored])
    found = _after(columns, inside, kind, end, whole & (inside <= end))
    return np.where((flags & (_ROUTING | _VERSION)) != 0, NO_TUNNEL, found)


def _in_erspan_3(columns: Columns, at: Offsets, end: Offsets) -> tuple[Offsets, EtherTypes]:
    """ERSPAN type III: 12 bytes, and 8 more of the platform's where the last bit (O) says so."""
    whole = at + 12 <= end
    last = columns.u16[np.where(whole, at + 10, 0)]
    frame_type = (last >> 10) & 0x1F
    # A frame of type 2 is an IP packet: which version, its own header says again.
    kind = np.select([frame_type == 0, frame_type == 2], [ETHERNET, IPV4], 0).astype(np.uint16)
    return at + 12 + np.where(last & 1, 8, 0), kind


def _after(columns: Columns, at: Offsets, kind: EtherTypes, end: Offsets, whole: npt.NDArray[np.bool_]) -> Offsets:
    """Find the IP header behind an EtherType, as `inner_ip` says it; ``whole`` where the tunnel's header is."""
    found = ip_after(columns, np.where(whole, at, 0), np.where(whole, kind, 0).astype(np.uint16), end)
    return np.where(whole, np.where(found < 0, NO_IP, found), BROKEN)


_BY_PORT: Final[dict[int, Callable[[Columns, Offsets, Offsets], Offsets]]] = {
    4789: _in_vxlan,
    8472: _in_vxlan,
    6081: _in_geneve,
}
"""UDP port to who looks inside: IANA's ports, and that of VXLAN which Linux used before there was one, and still uses
by default."""

_INSIDE: Final[dict[int, Callable[[Columns, Offsets, Offsets], Offsets]]] = {
    UDP: _in_udp,
    GRE: _in_gre,
    IPIP: _in_ip,
    IPV6_IN_IP: _in_ip,
    MPLS_IN_IP: _in_mpls,
}
"""Protocol number of IP to who looks inside."""
