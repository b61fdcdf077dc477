"""Capture files of every format, whole and in pieces, plain and compressed."""

import gzip
import os
import struct
import zlib
from random import Random

import zstandard

from dissector.capture import PcapngReader, PcapReader, open_capture
from dissector.capture.compressed import compression_of
from dissector.capture.pcap import is_pcap
from dissector.capture.pcapng import is_pcapng
from dissector.errors import UsageError

from ..target import Mutate, Target, pieces_of, spliced

_FILE = os.memfd_create("capture")
_PATH = f"/proc/self/fd/{_FILE}"
_MAGICS = {0xA1B2C3D4: 16, 0xA1B23C4D: 16, 0xA1B2CD34: 24}


def packets_of(batches):
    """Every packet with its columns; packets lie in their buffers, and their numbers go on."""
    found, number = [], 1
    for batch in batches:
        assert len(batch) > 0
        assert batch.first_number == number
        number += len(batch)
        columns = (batch.start, batch.captured, batch.original, batch.time_ns, batch.link_type)
        assert {len(column) for column in columns} == {len(batch)}
        for row in zip(*(column.tolist() for column in columns), strict=True):
            start, captured = row[:2]
            assert 0 <= start <= start + captured <= len(batch.buffer)
            found.append((batch.buffer[start : start + captured], *row[1:]))
    return found


def _read(reader, pieces):
    batches = [batch for piece in pieces for batch in reader.feed(piece)]
    assert not reader.finish()
    packets = packets_of(batches)
    assert reader.packets == len(packets)
    assert all("\n" not in notice for notice in reader.notices)
    return packets, reader.notices, reader.drops


def run(data: bytes) -> None:
    expected = None
    kind = PcapReader if is_pcap(data[:12]) else PcapngReader if is_pcapng(data[:12]) else None
    if kind is not None:
        expected = _read(kind(), [data])
        assert sum(len(packet) for packet, *_ in expected[0]) <= len(data)
        check = zlib.crc32(data)
        assert _read(kind(), pieces_of(data, check)) == expected
        if check % 8:
            return  # the file around it costs more than what is in it
    os.ftruncate(_FILE, 0)
    os.pwrite(_FILE, data, 0)
    try:
        capture = open_capture([_PATH])
    except UsageError as error:
        refused = error.reason
    else:
        refused = None
        with capture:
            packets = packets_of(capture)
        assert capture.packets == len(packets)
        assert capture.bytes_read <= len(data)
        if expected is not None:
            assert packets == expected[0]
            assert len(capture.notices) == len(expected[1])
            assert capture.bytes_read == len(data)
    assert refused is None or (expected is None and "\n" not in refused)


# --- mutation -------------------------------------------------------------------------------------------------------


def _packed(data: bytes, compression: str, dice: Random) -> bytes:
    if compression == "zstd":
        return zstandard.ZstdCompressor(level=1).compress(data)
    middle = dice.randrange(len(data) + 1) if dice.random() < 0.2 else 0
    members = [data[:middle], data[middle:]] if middle else [data]
    return b"".join(gzip.compress(member, 1, mtime=0) for member in members)


def _unpacked(data: bytes, compression: str) -> bytes:
    try:
        if compression == "zstd":
            return zstandard.ZstdDecompressor().decompressobj().decompress(data)[:4096]
        return zlib.decompressobj(31).decompress(data, 4096)
    except (zlib.error, zstandard.ZstdError):
        return b""


def records(data: bytes, order: str, header: int) -> list[bytes]:
    """Cut a classic pcap into its records."""
    found, at = [], 24
    while at + header <= len(data):
        end = at + header + min(struct.unpack_from(order + "I", data, at + 8)[0], 1 << 16)
        found.append(data[at:end])
        at = end
    return found


def _blocks(data: bytes, order: str) -> list[bytes]:
    found, at = [], 0
    while at + 12 <= len(data):
        end = at + max(12, min(struct.unpack_from(order + "I", data, at + 4)[0], 1 << 16))
        found.append(data[at:end])
        at = end
    return found


def mutate(data: bytes, max_size: int, dice: Random, change: Mutate) -> bytes:
    compression = compression_of(data[:4])
    if compression is not None and dice.random() < 0.7:
        inside = _unpacked(data, compression)
        if inside:
            return _packed(mutate(inside, max_size, dice, change), compression, dice)
    if dice.random() < 0.02:
        return _packed(data, dice.choice(("gzip", "zstd")), dice)
    if dice.random() < 0.3 or len(data) < 28:
        return change(data, max_size)
    for order in "<>":
        header = _MAGICS.get(struct.unpack_from(order + "I", data)[0])
        if header is not None:
            return _with_records(data, order, header, dice, change)
        if data[8:12] == struct.pack(order + "I", 0x1A2B3C4D):
            return _with_blocks(data, order, dice, change)
    return change(data, max_size)


def _with_records(data: bytes, order: str, header: int, dice: Random, change: Mutate) -> bytes:
    cut = records(data, order, header)
    if not cut:
        return change(data, len(data) + 40)
    if dice.random() < 0.4:
        return data[:24] + b"".join(spliced(cut, dice))
    at = dice.randrange(len(cut))
    head, packet = cut[at][:header], cut[at][header:]
    if dice.random() < 0.5:
        packet = change(packet, len(packet) + 16) if packet else b"\0"
    else:
        head = change(head, header).ljust(header, b"\0")
    cut[at] = head[:8] + struct.pack(order + "I", len(packet)) + head[12:] + packet
    return data[:24] + b"".join(cut)


def _with_blocks(data: bytes, order: str, dice: Random, change: Mutate) -> bytes:
    blocks = _blocks(data, order)
    if dice.random() < 0.4:
        return b"".join(spliced(blocks, dice))
    at = dice.randrange(len(blocks))
    kind, body = blocks[at][:4], blocks[at][8:-4]
    if dice.random() < 0.2:
        kind = struct.pack(order + "I", dice.choice((0x0A0D0D0A, 1, 2, 3, 4, 5, 6)))
    body = change(body, len(body) + 16) if body else b"\0"
    body += bytes(-len(body) % 4)
    total = struct.pack(order + "I", len(body) + 12)
    blocks[at] = kind + total + body + total
    return b"".join(blocks)


TARGET = Target(
    run,
    max_len=700,
    mutate=mutate,
    words=(
        b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\x34\xcd\xb2\xa1", b"\x0a\x0d\x0d\x0a",
        b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18",
        b"\x00\x00\x40\x00", b"\x00\x40\x00\x00",
    ),
)  # fmt: skip
