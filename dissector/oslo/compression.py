"""Bodies that kombu compressed (``headers.compression``), undone with a bounded output.

Source: kombu's ``compression.py``, whose names and aliases these are. ``application/x-gzip`` is a zlib stream
there, in spite of its name; a real gzip stream is accepted too.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Final

from dissector import limits
from dissector.oslo.undecodable import Undecodable

_ZSTD_STEP_BYTES: Final = 256
"""Input given to the zstd decoder at once. Its output cannot be bounded, but a block of 4 bytes gives at most
128 KiB: one step overshoots the limit by less than 8 MiB."""


def decompress(body: bytes, compression: str | None) -> bytes:
    """Give the body as its sender had it.

    ``compression`` is the value of the header of that name; None or empty means not compressed. Raises
    `Undecodable` with the reason: the codec is unknown or its package missing, the body is damaged or cut
    short, or the output exceeds `limits.DECOMPRESSED_BYTES` or `limits.DECOMPRESSION_RATIO`.
    """
    if not compression:
        return body
    decoder = _DECODERS.get(compression) if isinstance(compression, str) else None
    if decoder is None:
        raise Undecodable(f"unknown compression {str(compression)[:64]!r}")
    limit = min(
        limits.DECOMPRESSED_BYTES,
        max(limits.DECOMPRESSION_FREE_BYTES, len(body) * limits.DECOMPRESSION_RATIO),
    )
    try:
        output = decoder(body, limit)
    except ImportError as error:
        raise Undecodable(f"compression {compression} needs the Python package {error.name}") from error
    except MemoryError as error:
        raise Undecodable(f"compression {compression}: out of memory") from error
    if output is None:
        raise Undecodable(f"compression {compression}: the body is damaged or cut short")
    if len(output) > limit:
        raise Undecodable(f"compression {compression}: the body exceeds {limit} bytes when decompressed")
    return output


def _zlib(body: bytes, limit: int) -> bytes | None:
    decoder = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # 32: zlib or gzip, by its header
    try:
        output = decoder.decompress(body, limit + 1)
    except zlib.error:
        return None
    return output if decoder.eof or len(output) > limit else None


def _bz2(body: bytes, limit: int) -> bytes | None:
    decoder = bz2.BZ2Decompressor()
    try:
        output = decoder.decompress(body, limit + 1)
    except (OSError, ValueError):
        return None
    return output if decoder.eof or len(output) > limit else None


def _lzma(body: bytes, limit: int) -> bytes | None:
    decoder = lzma.LZMADecompressor(memlimit=limits.DECOMPRESSION_WINDOW_BYTES)
    try:
        output = decoder.decompress(body, limit + 1)
    except (lzma.LZMAError, EOFError):
        return None
    return output if decoder.eof or len(output) > limit else None


def _brotli(body: bytes, limit: int) -> bytes | None:
    import brotli  # type: ignore[import-untyped]  # noqa: PLC0415 - few captures need it

    decoder = brotli.Decompressor()
    output = bytearray()
    try:
        step = decoder.process(body, output_buffer_limit=limit + 1)
        while True:
            output += step
            if decoder.is_finished() or len(output) > limit:
                return bytes(output)
            step = decoder.process(b"", output_buffer_limit=limit + 1 - len(output))
            if not step:  # all input is used up, and it wants more
                return None
    except brotli.error:
        return None


def _zstd(body: bytes, limit: int) -> bytes | None:
    import zstandard  # noqa: PLC0415 - few captures need it

    decoder = zstandard.ZstdDecompressor(max_window_size=limits.DECOMPRESSION_WINDOW_BYTES).decompressobj()
    output = bytearray()
    try:
        for start in range(0, len(body), _ZSTD_STEP_BYTES):
            output += decoder.decompress(body[start : start + _ZSTD_STEP_BYTES])
            if decoder.eof or len(output) > limit:
                return bytes(output)
    except zstandard.ZstdError:
        return None
    return None


_DECODERS: Final[dict[str, Callable[[bytes, int], bytes | None]]] = {
    name: decoder
    for names, decoder in (
        (("application/x-gzip", "gzip", "zlib"), _zlib),
        (("application/x-bz2", "bzip2", "bzip"), _bz2),
        (("application/x-lzma", "lzma", "xz"), _lzma),
        (("application/x-brotli", "brotli"), _brotli),
        (("application/zstd", "zstd", "zstandard"), _zstd),
    )
    for name in names
}
"""By kombu's content type and aliases: (body, limit) → the output, at most little more than the limit;
None where the body is damaged or cut short."""
