"""What tshark says of a packet, ``-T fields``: which fields it is asked for, and how a line of them is read."""

from functools import lru_cache
from ipaddress import ip_address
from typing import Final

import msgspec

from dissector import limits
from dissector.capture.batch import PacketBatch

FIELDS: Final = (
    "frame.number",
    "frame.protocols",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.stream",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.flags",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.len",
    "tcp.payload",
    "tls.record.content_type",
    "tls.record.length",
    "data.data",
    "ip.fragment",
    "ipv6.fragment",
)
"""What tshark is asked for. All are numbers, addresses and hexadecimal digits, so nothing from the wire can pass for a
separator; several values of a field are joined by commas."""

_IN_ERRORS: Final = ("icmp", "icmpv6")
"""Protocols that quote a packet: its TCP header is no segment of the connection."""


class Row(msgspec.Struct, gc=False):
    """A TCP segment as tshark found it, the innermost where there are tunnels."""

    number: int
    """The packet, that with the last fragment where IP fragments carry it."""
    stream: int
    """``tcp.stream``."""
    source: tuple[str, int]
    """Address and port."""
    destination: tuple[str, int]
    flags: int
    """Of the TCP header, as on the wire."""
    sequence: int
    acknowledgment: int
    sent: int
    """Bytes of payload that the segment had."""
    payload: bytes
    """Those of them that were captured."""
    types: list[int]
    """Content types of the TLS records that end in this segment, in order (RFC 8446, 5.1). Those of TLS 1.3 that could
    not be decrypted have none."""
    sizes: list[int]
    """Bytes of each of these records, behind its header of 5."""
    decrypted: list[bytes]
    """The application data of those that were decrypted, in order."""
    fragments: tuple[int, ...]
    """The packets with its IP fragments, where there are several."""


class DissectedBatch(PacketBatch, frozen=True):
    """A batch of packets, and what tshark says of those that hold a TCP segment, in their order."""

    rows: list[Row]


def read_row(line: bytes) -> tuple[int, Row | None]:
    """Read a line: the number of its packet, and the segment where there is one.

    Raises `ValueError` where it is none.
    """
    columns = line.decode("ascii").split("\t")
    number = int(columns[0])
    if len(columns) != len(FIELDS):
        raise ValueError(f"{len(columns)} columns instead of {len(FIELDS)}")
    if not columns[6]:
        return number, None
    protocols, ipv4_from, ipv4_to, ipv6_from, ipv6_to = columns[1:6]
    layers = protocols.split(":")
    while layers and layers.pop() != "tcp":
        pass
    if any(layer in _IN_ERRORS for layer in layers):
        return number, None
    carriers = [layer for layer in layers if layer in ("ip", "ipv6")]
    source, destination = (ipv6_from, ipv6_to) if carriers[-1:] == ["ipv6"] else (ipv4_from, ipv4_to)
    stream, source_port, destination_port, flags, sequence, acknowledgment, sent, payload = map(_last, columns[6:14])
    if not (source and destination and source_port and destination_port and flags and sequence):
        return number, None  # cut off by the snap length
    return number, Row(
        number,
        int(stream),
        (_address(_last(source)), int(source_port)),
        (_address(_last(destination)), int(destination_port)),
        int(flags, 0),
        int(sequence),
        int(acknowledgment or 0),
        int(sent or 0),
        _octets(payload),
        _numbers(columns[14]),
        _numbers(columns[15]),
        [_octets(data) for data in columns[16].split(",") if data],
        tuple(sorted({*_numbers(columns[17]), *_numbers(columns[18])})),
    )


@lru_cache(limits.ADDRESS_CACHE_ENTRIES)
def _address(text: str) -> str:
    ip_address(text)
    return text


def _last(values: str) -> str:
    return values.rpartition(",")[2]


def _numbers(values: str) -> list[int]:
    return [int(value) for value in values.split(",")] if values else []


def _octets(digits: str) -> bytes:
    return bytes.fromhex(digits.replace(":", ""))
