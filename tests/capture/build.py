"""Captures built by hand, byte for byte, and what is compared of them."""

import struct
import subprocess
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from dissector.capture import Capture, PacketBatch

PCAP_MICRO, PCAP_NANO, PCAP_MODIFIED = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34
SECTION, INTERFACE, OBSOLETE, SIMPLE, NAMES, STATISTICS, ENHANCED = 0x0A0D0D0A, 1, 2, 3, 4, 5, 6


class Packet(NamedTuple):
    time_ns: int
    original: int
    data: bytes
    link_type: int = 1


def pcap(
    packets: Iterable[tuple[int, bytes]], *, order: str = "<", magic: int = PCAP_MICRO, link_type: int = 1
) -> bytes:
    """Build a classic pcap of (time in ns, bytes)."""
    pieces = [struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, 262144, link_type)]
    for time_ns, data in packets:
        seconds, rest = divmod(time_ns, 10**9)
        fraction = rest if magic == PCAP_NANO else rest // 1000
        pieces.append(struct.pack(order + "IIII", seconds, fraction, len(data), len(data)))
        if magic == PCAP_MODIFIED:
            pieces.append(struct.pack(order + "IHBx", 1, 0x0800, 0))
        pieces.append(data)
    return b"".join(pieces)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    total = 12 + len(body)
    return struct.pack(order + "II", kind, total) + body + struct.pack(order + "I", total)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<", *, length: int = -1, major: int = 1) -> bytes:
    return block(SECTION, struct.pack(order + "IHHq", 0x1A2B3C4D, major, 0, length), order)


def interface(
    order: str = "<",
    *,
    link_type: int = 1,
    snap_length: int = 0,
    resolution: int | None = None,
    offset_s: int | None = None,
) -> bytes:
    body = struct.pack(order + "HHI", link_type, 0, snap_length)
    body += option(2, b"eth0", order)
    if resolution is not None:
        body += option(9, bytes([resolution]), order)
    if offset_s is not None:
        body += option(14, struct.pack(order + "q", offset_s), order)
    return block(INTERFACE, body + option(0, b"", order), order)


def enhanced(
    ticks: int, data: bytes, order: str = "<", *, number: int = 0, original: int | None = None, comment: bytes = b""
) -> bytes:
    length = len(data) if original is None else original
    body = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), length)
    body += data + bytes(-len(data) % 4)
    if comment:
        body += option(1, comment, order) + option(0, b"", order)
    return block(ENHANCED, body, order)


def obsolete(ticks: int, data: bytes, order: str = "<", *, number: int = 0) -> bytes:
    body = struct.pack(order + "HHIIII", number, 0xFFFF, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return block(OBSOLETE, body + data, order)


def simple(data: bytes, order: str = "<", *, original: int | None = None) -> bytes:
    return block(SIMPLE, struct.pack(order + "I", len(data) if original is None else original) + data, order)


def statistics(order: str = "<", *, number: int = 0, ifdrop: int | None = None, osdrop: int | None = None) -> bytes:
    body = struct.pack(order + "III", number, 0, 0)
    for code, count in ((5, ifdrop), (7, osdrop)):
        if count is not None:
            body += option(code, struct.pack(order + "Q", count), order)
    return block(STATISTICS, body + option(0, b"", order), order)


def packets_of(batches: Iterable[PacketBatch]) -> list[Packet]:
    """Take batches apart; their numbers must go on without a gap, and their columns agree in length."""
    packets: list[Packet] = []
    number: int | None = None
    for batch in batches:
        assert len(batch) > 0
        assert number is None or batch.first_number == number
        number = batch.first_number + len(batch)
        columns = (batch.start, batch.captured, batch.original, batch.time_ns, batch.link_type)
        assert {len(column) for column in columns} == {len(batch)}
        assert [column.dtype.str for column in columns] == ["<i8", "<i8", "<i8", "<i8", "<u2"]
        for i in range(len(batch)):
            data = batch.packet(i)
            assert len(data) == batch.captured[i]
            packets.append(Packet(int(batch.time_ns[i]), int(batch.original[i]), data, int(batch.link_type[i])))
    return packets


def read_all(capture: Capture) -> list[Packet]:
    with capture:
        packets = packets_of(capture)
    assert capture.packets == len(packets)
    return packets


def split(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Cut bytes at the given places (taken modulo their length)."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[begin:end] for begin, end in pairwise(places)]


def tshark_rows(path: Path) -> list[tuple[int, int, int, int]]:
    """Let tshark list a capture: number, time in ns (0 where there is none), captured and original length."""
    fields = ("frame.number", "frame.time_epoch", "frame.cap_len", "frame.len")
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", *(arg for field in fields for arg in ("-e", field))]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = []
    for line in output.splitlines():
        number, time, captured, original = line.split("\t")
        seconds, _, fraction = time.partition(".")
        time_ns = int(seconds or 0) * 10**9 + int((fraction or "0").ljust(9, "0"))
        rows.append((int(number), time_ns, int(captured), int(original)))
    return rows


def rows_of(packets: Sequence[Packet]) -> list[tuple[int, int, int, int]]:
    """List packets in the manner of `tshark_rows`."""
    return [(i, packet.time_ns, len(packet.data), packet.original) for i, packet in enumerate(packets, 1)]
