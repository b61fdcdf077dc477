"""Packets of every link type, in tunnels and in fragments: the TCP segments that are found in them.

An input is a row of packets, each behind four octets: its link type, its size (16 bits), and its time and snap length.
"""

import struct
import zlib
from random import Random

from dissector.net.ip import IpCounts
from dissector.net.segments import SegmentReader

from ...net import encapsulation
from ...net.packets import Packet, batch
from ..target import Mutate, Tape, Target, spliced

_LINK_TYPES = (101, 1, 113, 276, 0, 108, 228, 147)
_STEPS_NS = (0, 1, 10**6, 6 * 10**9)
_MOST = 8


def parsed(data: bytes) -> list[tuple[bytes, bytes]]:
    """The packets in an input, each with the four octets before it."""
    tape, found = Tape(data), []
    while tape and len(found) < _MOST:
        head = tape.take(4).ljust(4, b"\0")
        found.append((head, tape.take(int.from_bytes(head[1:3], "big"))))
    return found


def joined(packets: list[tuple[bytes, bytes]]) -> bytes:
    """The input for some packets, their sizes made right."""
    return b"".join(head[:1] + struct.pack(">H", len(data)) + head[3:] + data for head, data in packets)


def _packets(data: bytes) -> list[Packet]:
    time_ns, found = 10**18, []
    for head, octets in parsed(data):
        time_ns += _STEPS_NS[head[3] & 3]
        cut = (head[3] >> 2 & 0x1F) * 7 if head[0] & 0x80 else 0
        found.append(Packet(octets, time_ns, len(octets) + cut, _LINK_TYPES[head[0] & 7]))
    return found


def _segments(batches):
    """What is found, without the offsets, which depend on how packets share a buffer."""
    counts = IpCounts()
    reader = SegmentReader(counts)
    found = []
    for some in batches:
        columns, rows = reader.feed(some)
        before = -1
        table = zip(*(getattr(rows, name).tolist() for name in rows.__struct_fields__), strict=True)
        for row, ip, is_ipv6, source, destination, sequence, acknowledgment, flags, payload, size, sent in table:
            assert before < row < len(some)
            before = row
            assert 0 <= size <= sent
            # Within its packet, or in what was put together behind all of them.
            begin, end = int(some.start[row]), int(some.start[row] + some.captured[row])
            if ip >= len(some.buffer):
                begin, end = len(some.buffer), columns.size
            assert begin <= ip < payload
            assert size == 0 or payload + size <= end
            number = some.first_number + row
            numbers = reader.with_fragments((number,))
            assert numbers == tuple(sorted(set(numbers)))
            assert numbers[0] >= 1
            assert numbers[-1] == number
            addresses = columns.buffer[ip + 8 : ip + 40] if is_ipv6 else columns.buffer[ip + 12 : ip + 20]
            octets = columns.buffer[payload : payload + size]
            found.append((numbers, addresses, source, destination, sequence, acknowledgment, flags, octets, sent))
    return found, counts, reader


def run(data: bytes) -> None:
    packets = _packets(data)
    if not packets:
        return
    found, counts, reader = _segments([batch(packets)])
    told = counts.not_ip + counts.not_tcp + counts.fragments + counts.too_deep + counts.malformed
    assert len(found) + told <= len(packets)
    if not reader._tables:  # without fragments every packet is a segment, or is told why not
        assert len(found) + told == len(packets)
    check = zlib.crc32(data)
    if len(packets) > 1 and check & 0x10000:  # half of them is enough: a batch costs more than what is in it
        cut = 1 + check % (len(packets) - 1)
        again, counts_again, _ = _segments([batch(packets[:cut]), batch(packets[cut:], cut + 1)])
        assert again == found
        assert counts_again == counts


# --- mutation -------------------------------------------------------------------------------------------------------

_TUNNELS, _LINKS = tuple(encapsulation.TUNNELS.values()), tuple(encapsulation.LINKS.values())


def _is_ip(head: bytes, data: bytes) -> bool:
    return head[0] & 7 == 0 and len(data) >= 20 and (data[0] == 0x45 or (data[0] >> 4 == 6 and len(data) >= 40))


def mutate(data: bytes, max_size: int, dice: Random, change: Mutate) -> bytes:
    if dice.random() < 0.3:
        return change(data, max_size)
    packets = parsed(data)
    if not packets:
        return change(data, max_size)
    at = dice.randrange(len(packets))
    head, octets = packets[at]
    chance = dice.random()
    if chance < 0.25:
        packets = spliced(packets, dice)
    elif chance < 0.5 or not _is_ip(head, octets):
        packets[at] = (head, change(octets, len(octets) + 8) if octets else b"\x45")
    elif chance < 0.65 and len(octets) < 500:
        packets[at] = (head, dice.choice(_TUNNELS)(octets))
    elif chance < 0.75:
        packets[at] = (bytes([head[0] & 0x80 | 1]) + head[1:], dice.choice(_LINKS)(octets))
    elif chance < 0.9:
        size = dice.choice((8, 16, 24, 40))
        pieces = encapsulation.fragments(octets, size, dice.randrange(3))[:6]
        if dice.random() < 0.3:
            dice.shuffle(pieces)
        packets[at : at + 1] = [(head, piece) for piece in pieces]
    else:
        where, size = (2, len(octets)) if octets[0] >> 4 == 4 else (4, len(octets) - 40)
        size = max(0, size + dice.choice((0, 0, -1, 1, 8)))
        packets[at] = (head, octets[:where] + struct.pack(">H", size & 0xFFFF) + octets[where + 2 :])
    return joined(packets)


TARGET = Target(
    run,
    max_len=500,
    mutate=mutate,
    words=(
        b"\x81\x00", b"\x88\xa8", b"\x08\x00\x45\x00", b"\x86\xdd\x60\x00", b"\x88\x47", b"\x88\x64\x11\x00",
        b"\x65\x58",
        b"\x88\xbe", b"\x22\xeb", b"\x12\xb5", b"\x21\x18", b"\x17\xc1", b"\x16\x28", b"\x00\x21", b"\x00\x57",
        b"\x02\x81",
    ),
    limits={
        "FRAGMENTED_DATAGRAMS": 2, "DATAGRAM_FRAGMENTS": 5, "FRAGMENT_BYTES": 2500, "WHOLE_DATAGRAMS": 1, "TUNNELS": 3,
    },
)  # fmt: skip
