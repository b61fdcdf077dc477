"""TLS key logs: the keys of connections, as those who speak TLS write them where SSLKEYLOGFILE says.

Lines of a label, the client's random and a secret, both hexadecimal. Source: the NSS Key Log Format
(draft-ietf-tls-keylogfile).
"""

import re
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dissector.errors import UsageError
from dissector.limits import KEY_LOG_BYTES, SECRETS_BLOCK_BYTES

SECRETS_BLOCK: Final = 10
"""Type of pcapng's decryption secrets block (draft-ietf-opsawg-pcapng, 4.7)."""
_TLS_KEY_LOG: Final = 0x544C534B
_HEAD: Final = struct.Struct("<II")
_KEY: Final = re.compile(rb"[A-Z][A-Z0-9_]* [0-9A-Fa-f]{16,64} [0-9A-Fa-f]{32,}[ \t\r]*\Z")


def keys_in(block: bytes, order: str) -> bytes:
    """Give the key log in the body of a decryption secrets block of one byte order; nothing where it is another's."""
    if len(block) < _HEAD.size:
        return b""
    kind, size = struct.unpack_from(order + "II", block)
    return block[_HEAD.size : _HEAD.size + size] if kind == _TLS_KEY_LOG else b""


def key_blocks(keys: bytes) -> Iterator[bytes]:
    """Give the bodies, little-endian, of the blocks that hold the key lines among some text; no other line."""
    lines = [line.strip() + b"\n" for line in keys.splitlines() if _KEY.match(line)]
    piece: list[bytes] = []
    size = 0
    for line in lines:
        if size + len(line) > SECRETS_BLOCK_BYTES and piece:
            yield _body(b"".join(piece))
            piece, size = [], 0
        piece.append(line)
        size += len(line)
    if piece:
        yield _body(b"".join(piece))


def _body(keys: bytes) -> bytes:
    return _HEAD.pack(_TLS_KEY_LOG, len(keys)) + keys + bytes(-len(keys) % 4)


class KeyLog:
    """A key log that is open, and may still grow. Open it while there is the right to: it is for its owner alone."""

    def __init__(self, path: str, *, grows: bool) -> None:
        """Open a key log; ``grows`` where keys may come later, so that it may be empty yet. A pipe is read to its end,
        so it does not go with ``grows``.

        Raises `UsageError` where it cannot be read, is no key log, or is too large.
        """
        self._path = path
        self._rest = b""
        self._size = 0
        try:
            if grows and not stat.S_ISREG(Path(path).stat().st_mode):
                raise UsageError(f"key log {path}: no file; what is read while it grows has to be one")
            self._file = Path(path).open("rb")  # noqa: SIM115 - closed in `close`
        except OSError as error:
            raise UsageError(f"key log {path}: {error.strerror}") from None
        try:
            self._first = self.read()
            if not any(key_blocks(self._first + self._rest)) and (self._first or self._rest or not grows):
                what = "no TLS key in it" if self._first or self._rest else "it is empty"
                raise UsageError(f"key log {path}: {what}; see docs/tls.md")
        except BaseException:
            self._file.close()
            raise
        if not grows:
            self._first, self._rest = self._first + self._rest, b""

    def read(self) -> bytes:
        """Give the whole lines that have come since the last call; raises `UsageError` where it is too large."""
        if self._file.closed:
            return b""
        try:
            new = self._file.read(KEY_LOG_BYTES + 1 - self._size)
        except OSError as error:
            raise UsageError(f"key log {self._path}: {error.strerror}") from None
        self._size += len(new)
        if self._size > KEY_LOG_BYTES:
            raise UsageError(
                f"key log {self._path}: larger than {KEY_LOG_BYTES >> 20} MiB; take out the lines of other connections"
            )
        whole, found, self._rest = (self._rest + new).rpartition(b"\n")
        return whole + found

    def take(self) -> bytes:
        """Give what has not been given yet."""
        first, self._first = self._first, b""
        return first + self.read()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
