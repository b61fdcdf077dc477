import gzip
import os
import random
import subprocess
import tracemalloc
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.capture.compressed import ByteSource, compression_of
from dissector.capture.sources import RawSource

RANDOM = random.Random(7)
DATA = b"".join(RANDOM.randbytes(40) + b"x" * 60 for _ in range(20_000))


def zstd(data):
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


COMPRESS = {"gzip": gzip.compress, "zstd": zstd}


@pytest.fixture
def source(tmp_path):
    opened = []

    def make(data):
        path = tmp_path / f"file{len(opened)}"
        path.write_bytes(data)
        opened.append(ByteSource(RawSource(str(path))))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def read(source, size=1 << 16):
    pieces = iter(lambda: source.read(size), b"")
    return b"".join(pieces)


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("size", [1, 4096, 1 << 23])
def test_whole(source, kind, size):
    data = DATA if size > 1 else DATA[:3000]
    compressed = COMPRESS[kind](data)
    stream = source(compressed)
    assert read(stream, size) == data
    assert (stream.compression, stream.notices, stream.bytes_read) == (kind, [], len(compressed))


@pytest.mark.parametrize("data", [b"", b"a", b"plain bytes", DATA])
def test_plain_bytes_pass(source, data):
    stream = source(data)
    assert read(stream) == data
    assert (stream.compression, stream.notices, stream.bytes_read) == (None, [], len(data))


@pytest.mark.parametrize("kind", COMPRESS)
def test_several_members(source, kind):
    compress = COMPRESS[kind]
    stream = source(compress(b"one") + compress(b"") + compress(DATA) + compress(b"four"))
    assert read(stream) == b"one" + DATA + b"four"
    assert stream.notices == []


@given(st.lists(st.binary(max_size=600), min_size=1, max_size=5), st.sampled_from(sorted(COMPRESS)))
def test_members_of_any_size_split_anywhere_over_a_pipe(members, kind):
    compressed = b"".join(map(COMPRESS[kind], members))
    reading, writing = os.pipe()
    os.write(writing, compressed)
    os.close(writing)
    stream = ByteSource(RawSource(f"/dev/fd/{reading}"))
    os.close(reading)
    try:
        assert (read(stream), stream.notices) == (b"".join(members), [])
    finally:
        stream.close()


def test_the_programs_files(source, tmp_path):
    path = tmp_path / "data"
    path.write_bytes(DATA)
    for command in (["gzip", "-k"], ["zstd", "-q"]):
        subprocess.run([*command, str(path)], check=True)
    for suffix in (".gz", ".zst"):
        stream = source(path.with_suffix(suffix).read_bytes())
        assert (read(stream), stream.notices) == (DATA, [])


def test_a_skippable_frame_first(source):
    stream = source(b"\x50\x2a\x4d\x18\x04\0\0\0size" + zstd(DATA))
    assert (read(stream), stream.compression, stream.notices) == (DATA, "zstd", [])


def test_padding_after_gzip(source):
    stream = source(gzip.compress(b"data") + bytes(10_000))
    assert (read(stream), stream.notices) == (b"data", [])


@pytest.mark.parametrize("kind", COMPRESS)
def test_cut_off_keeps_what_came_before(source, kind):
    compressed = COMPRESS[kind](DATA)
    half = compressed[: len(compressed) // 2]
    stream = source(half)
    got = read(stream)
    assert DATA.startswith(got)
    assert len(got) > len(DATA) // 4
    assert stream.notices == [f"the {kind} data is cut off after {len(half):,} bytes; what came before was read"]


@pytest.mark.parametrize("kind", COMPRESS)
def test_damage_keeps_what_came_before(source, kind):
    compressed = bytearray(COMPRESS[kind](DATA))
    middle = len(compressed) // 2
    compressed[middle : middle + 64] = b"\xff" * 64
    stream = source(bytes(compressed))
    got = read(stream)
    assert len(got) > len(DATA) // 4
    assert DATA.startswith(got[: len(DATA) // 4])
    assert len(stream.notices) == 1
    assert stream.notices[0].startswith(f"the {kind} data is damaged (")


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("data", [DATA, b"short"])
def test_a_wrong_checksum_loses_nothing(source, data, members):
    compressed = bytearray(gzip.compress(data) * members)
    compressed[-8] ^= 1
    stream = source(bytes(compressed))
    assert read(stream) == data * members
    (notice,) = stream.notices
    assert notice.startswith("the gzip data is damaged (")
    assert notice.endswith("incorrect data check); what came before was read")


@given(st.integers(0, 2**32), st.integers(10, 60_000))
@settings(max_examples=20)
def test_what_gzip_says_before_it_is_cut_off_or_damaged(tmp_path_factory, seed, at):
    """As much comes out as zlib gives when it is fed octet by octet."""
    compressed = bytearray(gzip.compress(DATA[:100_000]))
    at = max(at % len(compressed), 10)
    for damaged in (
        bytes(compressed[:at]),
        bytes(compressed[:at] + random.Random(seed).randbytes(20) + compressed[at:]),
    ):
        decoder, expected = zlib.decompressobj(31), b""
        try:
            for octet in damaged:
                expected += decoder.decompress(bytes([octet]))
        except zlib.error:
            pass
        path = tmp_path_factory.mktemp("gz") / "a.gz"
        path.write_bytes(damaged)
        stream = ByteSource(RawSource(str(path)))
        assert read(stream) == expected
        stream.close()


@pytest.mark.parametrize("kind", COMPRESS)
def test_something_else_after_it_is_told(source, kind):
    stream = source(COMPRESS[kind](b"data") + b"and a letter")
    assert read(stream) == b"data"
    assert stream.notices == [f"what follows the {kind} data is no {kind}: ignored"]


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_bomb_is_read_in_bounded_memory(source, kind):
    size = 1 << 27
    if kind == "gzip":
        packer = zlib.compressobj(9, wbits=31)
        bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()
    else:
        bomb = zstandard.ZstdCompressor().compress(bytes(size))
    stream = source(bomb)
    tracemalloc.start()
    try:
        total = sum(map(len, iter(lambda: stream.read(1 << 20), b"")))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == size
    assert peak < size // 2


def endless(kind, size, block=bytes(1 << 20)):
    """Compress a block over and over."""
    packer = zlib.compressobj(9, wbits=31) if kind == "gzip" else zstandard.ZstdCompressor(level=9).compressobj()
    return b"".join(packer.compress(block) for _ in range(size // len(block))) + packer.flush()


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("block", [bytes(1 << 20), RANDOM.randbytes(82) * 10_000])
def test_what_expands_without_end_is_read_no_further(source, monkeypatch, kind, block):
    monkeypatch.setattr("dissector.capture.compressed.EXPANSION_FREE_BYTES", 1 << 24)
    monkeypatch.setattr("dissector.capture.compressed.EXPANSION_RATIO", 100)
    stream = source(endless(kind, 1 << 27, block))
    total = len(read(stream, 1 << 20))
    assert 1 << 24 < total < 1 << 26
    assert stream.notices == [
        f"the {kind} data expands more than 100 times: reading stops after {total:,} bytes; if it is no mistake, "
        "decompress it to a file first"
    ]
    assert stream.read(1) == b""


@pytest.mark.parametrize("kind", COMPRESS)
def test_what_expands_as_captures_do_is_read_to_its_end(source, monkeypatch, kind):
    monkeypatch.setattr("dissector.capture.compressed.EXPANSION_FREE_BYTES", 1000)
    monkeypatch.setattr("dissector.capture.compressed.EXPANSION_RATIO", 4)
    stream = source(COMPRESS[kind](DATA) * 3)
    assert (read(stream), stream.notices) == (DATA * 3, [])


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_bomb_of_many_members(source, monkeypatch, kind):
    monkeypatch.setattr("dissector.capture.compressed.EXPANSION_FREE_BYTES", 1 << 24)
    stream = source(endless(kind, 1 << 20) * 100)
    assert len(read(stream, 1 << 20)) < 1 << 26
    assert len(stream.notices) == 1


def test_members_without_content(source):
    skippable = b"\x50\x2a\x4d\x18\0\0\0\0"
    for data in (gzip.compress(b"") * 20_000, zstd(b"") * 20_000, zstd(b"") + skippable * 20_000):
        stream = source(data)
        assert (read(stream), stream.notices) == (b"", [])


def test_magic_numbers():
    heads = (b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\x5f\x2a\x4d\x18", b"\x60\x2a\x4d\x18", b"", b"\x1f")
    assert [compression_of(head) for head in heads] == ["gzip", "zstd", "zstd", None, None, None]
