"""The headers of a captured packet, found and edited byte for byte.

It knows nothing of `dissector.net`: what damages captures must not share the mistakes of what reads them.
"""

import struct
from ipaddress import ip_address
from typing import Final, NamedTuple

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
PSH: Final = 0x08
ACK: Final = 0x10

_LINK_HEADERS: Final = {1: 14, 101: 0, 113: 16, 276: 20}
"""Link type to size of its header: Ethernet, raw IP, Linux cooked v1 and v2."""

MOST_PAYLOAD: Final = 60_000
"""Largest payload of a made segment, in bytes: IPv4's total length has 16 bits, and the headers need some of it."""


class Place(NamedTuple):
    """Where the headers of a TCP segment begin in the packet's bytes."""

    ip: int
    tcp: int
    payload: int
    end: int
    """One past the last payload byte as sent; beyond the packet's bytes where a snap length cut it."""


class Head(NamedTuple):
    """What a TCP segment's headers say."""

    source: tuple[str, int]
    destination: tuple[str, int]
    sequence: int
    acknowledgment: int
    flags: int


def find(data: bytes, link_type: int) -> Place | None:
    """Find the headers of a TCP segment; None where the packet holds none."""
    ip = _LINK_HEADERS[link_type]
    version = data[ip] >> 4 if len(data) > ip else 0
    if version == 4 and data[ip + 9] == 6:
        tcp = ip + (data[ip] & 0x0F) * 4
        end = ip + int.from_bytes(data[ip + 2 : ip + 4], "big")
    elif version == 6 and data[ip + 6] == 6:
        tcp = ip + 40
        end = tcp + int.from_bytes(data[ip + 4 : ip + 6], "big")
    else:
        return None
    return Place(ip, tcp, tcp + (data[tcp + 12] >> 4) * 4, end)


def head_of(data: bytes, place: Place) -> Head:
    """Read a TCP segment's headers."""
    source_port, destination_port, sequence, acknowledgment = struct.unpack_from(">HHII", data, place.tcp)
    at, size = _addresses(data, place)
    source, destination = (str(ip_address(data[begin : begin + size])) for begin in (at, at + size))
    return Head((source, source_port), (destination, destination_port), sequence, acknowledgment, data[place.tcp + 13])


def with_numbers(
    data: bytes,
    place: Place,
    *,
    sequence: int | None = None,
    acknowledgment: int | None = None,
    flags: int | None = None,
) -> bytes:
    """Change a segment's numbers and flags; None leaves one as it is."""
    octets = bytearray(data)
    if sequence is not None:
        struct.pack_into(">I", octets, place.tcp + 4, sequence % 2**32)
    if acknowledgment is not None:
        struct.pack_into(">I", octets, place.tcp + 8, acknowledgment % 2**32)
    if flags is not None:
        octets[place.tcp + 13] = flags
    return bytes(octets)


def with_ends(data: bytes, place: Place, source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    """Change a segment's addresses, to ones of the same IP version, and its ports."""
    octets = bytearray(data)
    at, size = _addresses(data, place)
    octets[at : at + 2 * size] = ip_address(source[0]).packed + ip_address(destination[0]).packed
    struct.pack_into(">HH", octets, place.tcp, source[1], destination[1])
    return bytes(octets)


def with_payload(data: bytes, place: Place, payload: bytes) -> bytes:
    """Change a segment's payload; IP's length goes with it."""
    octets = bytearray(data[: place.payload])
    if octets[place.ip] >> 4 == 4:
        struct.pack_into(">H", octets, place.ip + 2, place.payload - place.ip + len(payload))
    else:
        struct.pack_into(">H", octets, place.ip + 4, place.payload - place.ip - 40 + len(payload))
    return bytes(octets) + payload


def _addresses(data: bytes, place: Place) -> tuple[int, int]:
    """Give where the source address begins, which the destination's follows, and their size."""
    return (place.ip + 12, 4) if data[place.ip] >> 4 == 4 else (place.ip + 8, 16)
