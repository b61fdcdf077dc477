import bz2
import gzip
import lzma
import sys
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from kombu import compression as kombu

from dissector import limits
from dissector.oslo.compression import decompress
from dissector.oslo.undecodable import Undecodable

from .wire import SAMPLES

CODECS = {
    "application/x-gzip": zlib.compress,
    "application/x-bz2": bz2.compress,
    "application/x-lzma": lzma.compress,
    "application/x-brotli": brotli.compress,
    "application/zstd": zstandard.compress,
}
ALIASES = ["gzip", "zlib", "bzip2", "bzip", "lzma", "xz", "brotli", "zstd", "zstandard"]


def test_kombu_has_no_codec_and_no_alias_that_is_not_known_here():
    assert set(kombu.encoders()) <= set(CODECS)
    assert set(kombu._aliases) <= set(ALIASES)
    assert {"application/x-gzip", "application/x-bz2", "application/x-lzma"} <= set(kombu.encoders())


@given(st.binary(max_size=2000))
def test_what_kombu_compresses(body):
    for name in kombu.encoders():
        compressed, header = kombu.compress(body, name)
        assert decompress(compressed, header) == body


@pytest.mark.parametrize("one", [one for one in SAMPLES if one.compression], ids=lambda one: one.name)
def test_captured(one):
    assert decompress(one.body, one.compression) == kombu.decompress(one.body, one.compression)


@pytest.mark.parametrize("name", CODECS)
def test_every_codec(name):
    body = bytes(range(256)) * 4000
    compressed = CODECS[name](body)
    assert decompress(compressed, name) == body
    assert decompress(CODECS[name](b""), name) == b""
    for damaged in (compressed[:-1], compressed[: len(compressed) // 2], b"", b"\xff" * 40, b"{}"):
        with pytest.raises(Undecodable, match="damaged or cut short"):
            decompress(damaged, name)


@pytest.mark.parametrize("name", CODECS)
@given(data=st.binary(max_size=64))
def test_any_bytes(name, data):
    try:
        assert isinstance(decompress(data, name), bytes)
    except Undecodable:
        return


@pytest.mark.parametrize(
    ("alias", "compress"),
    [("gzip", zlib.compress), ("zlib", zlib.compress), ("gzip", gzip.compress), ("application/x-gzip", gzip.compress),
     ("bzip", bz2.compress), ("bzip2", bz2.compress), ("lzma", lzma.compress), ("xz", lzma.compress),
     ("brotli", brotli.compress), ("zstd", zstandard.compress), ("zstandard", zstandard.compress),
     ("lzma", lambda data: lzma.compress(data, lzma.FORMAT_ALONE))],
)  # fmt: skip
def test_aliases_and_variants(alias, compress):
    assert decompress(compress(b"body"), alias) == b"body"


@pytest.mark.parametrize("name", CODECS)
def test_bomb_by_ratio(name, monkeypatch):
    monkeypatch.setattr(limits, "DECOMPRESSION_RATIO", 50)
    body = CODECS[name](bytes(4 << 20))
    with pytest.raises(Undecodable, match="exceeds"):
        decompress(body, name)
    small = bytes(limits.DECOMPRESSION_FREE_BYTES)
    assert decompress(CODECS[name](small), name) == small


@pytest.mark.parametrize("name", CODECS)
def test_bomb_by_size(name, monkeypatch):
    monkeypatch.setattr(limits, "DECOMPRESSED_BYTES", 1000)
    assert decompress(CODECS[name](bytes(1000)), name) == bytes(1000)
    with pytest.raises(Undecodable, match="exceeds 1000 bytes"):
        decompress(CODECS[name](bytes(1001)), name)


@pytest.mark.parametrize(("name", "package"), [("brotli", "brotli"), ("zstd", "zstandard")])
def test_missing_package_is_told(name, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(Undecodable, match=f"needs the Python package {package}"):
        decompress(b"x", name)


def test_no_and_unknown_compression():
    assert decompress(b"x", None) == decompress(b"x", "") == b"x"
    with pytest.raises(Undecodable, match="unknown compression 'application/x-foo'"):
        decompress(b"x", "application/x-foo")
    with pytest.raises(Undecodable, match="unknown compression '5'"):
        decompress(b"x", 5)
    with pytest.raises(Undecodable, match=r"unknown compression 'a{64}'$"):
        decompress(b"x", "a" * 70_000)
