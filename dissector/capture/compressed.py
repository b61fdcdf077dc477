"""Captures that are compressed: gzip (RFC 1952) and zstd (RFC 8878), known by their first bytes.

Input goes to the decompressor in pieces so small that even a file made to expand as far as its format allows
gives a bounded output for each (`GZIP_PIECE_BYTES`, `ZSTD_PIECE_BYTES`). What goes on expanding as no capture does is
read no further (`EXPANSION_RATIO`).
"""

import zlib
from typing import TYPE_CHECKING, Final, Protocol

from dissector.capture.sources import RawSource
from dissector.limits import EXPANSION_FREE_BYTES, EXPANSION_RATIO, GZIP_PIECE_BYTES, PIPE_BYTES, ZSTD_PIECE_BYTES

if TYPE_CHECKING:
    import zstandard

_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW_BITS: Final = 31
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE_MAGIC: Final = b"\x2a\x4d\x18"
"""The upper bytes of a skippable frame's magic number; the lowest is 50 to 5f. pzstd begins with one."""

HEAD_BYTES: Final = 4
"""As many first bytes tell whether a file is compressed."""


class _Decoder(Protocol):
    """What zlib's and zstandard's decompression objects have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


_Gzip: Final = type(zlib.decompressobj())


def compression_of(head: bytes) -> str | None:
    """Name the compression of a file that starts with these bytes: ``gzip``, ``zstd``, or None."""
    if head.startswith(_GZIP_MAGIC):
        return "gzip"
    if head.startswith(_ZSTD_MAGIC) or (head[1:4] == _ZSTD_SKIPPABLE_MAGIC and head[0] & 0xF0 == 0x50):
        return "zstd"
    return None


class ByteSource:
    """The bytes of a capture, decompressed where they are compressed."""

    def __init__(self, raw: RawSource) -> None:
        """Take over a file or pipe; nothing is read yet."""
        self._raw = raw
        self.compression: str | None = None
        """``gzip``, ``zstd``, or None; known once something was read."""
        self.notices: list[str] = []
        """What was wrong with the compressed data, one line each, without the file's name."""
        self._started = False
        self._ended = False
        self._input = b""
        self._at = 0
        self._decoder: _Decoder | None = None
        self._zstd: zstandard.ZstdDecompressor | None = None
        self._damage: tuple[type[Exception], ...] = (zlib.error,)
        """What decoders raise."""
        self._members = 0
        self._member_bytes = 0
        self._bytes = 0

    @property
    def bytes_read(self) -> int:
        """Bytes of the file (compressed, where it is) that were read so far."""
        return self._raw.bytes_read

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    def read(self, size: int) -> bytes:
        """Give the next bytes; none at the end only. Waits for a pipe. Raises `OSError`.

        At most ``size`` of them, but for the output of one piece of compressed input.
        """
        if not self._started:
            self._start(size)
        if self.compression is not None:
            return self._decompressed(size)
        data, self._input = self._input, b""
        return data or self._raw.read(size)

    def _start(self, size: int) -> None:
        self._started = True
        size = max(size, HEAD_BYTES)
        while len(self._input) < HEAD_BYTES:
            data = self._raw.read(size - len(self._input))
            if not data:
                break
            self._input += data
        self.compression = compression_of(self._input)

    def _decompressed(self, size: int) -> bytes:
        """Decompress until there are ``size`` bytes; on a pipe, as long as nothing has to be waited for."""
        output: list[bytes] = []
        have = 0
        while have < size and not self._ended:
            if self._at == len(self._input):
                if have and self._raw.is_pipe:
                    break
                self._input, self._at = self._raw.read(PIPE_BYTES), 0
                if not self._input:
                    self._ended = True
                    if self._decoder is not None:
                        self.notices.append(
                            f"the {self.compression} data is cut off after {self._raw.bytes_read:,} bytes; "
                            f"what came before was read"
                        )
                    break
            data = self._piece()
            if data:
                output.append(data)
                have += len(data)
                self._bytes += len(data)
                self._check_expansion()
        return output[0] if len(output) == 1 else b"".join(output)

    def _check_expansion(self) -> None:
        """End where more came out than can be true."""
        taken = self._raw.bytes_read - len(self._input) + self._at
        if not self._ended and self._bytes > max(EXPANSION_FREE_BYTES, EXPANSION_RATIO * taken):
            self._ended = True
            self.notices.append(
                f"the {self.compression} data expands more than {EXPANSION_RATIO} times: reading stops after "
                f"{self._bytes:,} bytes; if it is no mistake, decompress it to a file first"
            )

    def _piece(self) -> bytes:
        """Decompress one piece of the input, up to where it is damaged; none where it gives nothing."""
        piece_bytes = GZIP_PIECE_BYTES if self.compression == "gzip" else ZSTD_PIECE_BYTES
        piece = self._input[self._at : self._at + piece_bytes]
        self._at += len(piece)
        if self._decoder is None:
            if self.compression == "gzip" and self._members:
                piece = piece.lstrip(b"\0")  # padding after the last member, as on tapes
                if not piece:
                    return b""
            self._decoder = self._new_decoder()
            self._member_bytes = 0
        # What a decoder that meets an error had made of the piece before it is lost. zlib's can go back.
        before = self._decoder.copy() if isinstance(self._decoder, _Gzip) else None
        try:
            data = self._decoder.decompress(piece)
        except self._damage as error:
            self._ended = True
            data = b"" if before is None else _until_damage(before, piece)
            if self._members and self._member_bytes == 0 and not data:
                self.notices.append(f"what follows the {self.compression} data is no {self.compression}: ignored")
            else:
                self.notices.append(f"the {self.compression} data is damaged ({error}); what came before was read")
            return data
        self._member_bytes += len(piece)
        if self._decoder.eof:
            self._at -= len(self._decoder.unused_data)
            self._decoder = None
            self._members += 1
        return data

    def _new_decoder(self) -> _Decoder:
        if self.compression == "gzip":
            return zlib.decompressobj(_GZIP_WINDOW_BITS)
        if self._zstd is None:
            import zstandard  # noqa: PLC0415 - slow to import, and few captures need it

            self._zstd, self._damage = zstandard.ZstdDecompressor(), (zstandard.ZstdError,)
        return self._zstd.decompressobj()


def _until_damage(decoder: _Decoder, piece: bytes) -> bytes:
    """Decompress what stands before the damage that is in a piece."""
    found = bytearray()
    try:
        for octet in piece:
            found += decoder.decompress(bytes([octet]))
    except zlib.error:
        pass
    return bytes(found)
