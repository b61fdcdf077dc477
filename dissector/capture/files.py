"""One capture file, pipe or standard input, as batches of packets."""

import os
import stat
from collections import deque
from typing import Final

from dissector.capture.batch import PacketBatch
from dissector.capture.compressed import ByteSource
from dissector.capture.pcap import PcapReader, is_pcap, packets_before
from dissector.capture.pcapng import PcapngReader, is_pcapng
from dissector.capture.sources import RawSource
from dissector.errors import UsageError

STANDARD_INPUT: Final = "-"

_HEAD_BYTES: Final = 12
"""As many first bytes tell the format: pcapng's byte order is in the last 4 of them."""

_PEEK_BYTES: Final = 1 << 14
"""Read at once where only the first packet is looked for; it is nearly always in there."""


class CaptureFile:
    """One capture: its format and compression found out, its packets read in batches, from the first on."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Look at a path, or ``-`` for standard input, without opening it.

        Raises `UsageError` where there is nothing, or a directory.
        """
        text = os.fspath(path)
        self._path = None if text == STANDARD_INPUT else text
        self.name = "standard input" if self._path is None else text
        """What messages call it."""
        try:
            status = os.fstat(0) if self._path is None else os.stat(text)  # noqa: PTH116 - a pathlike of any kind
        except OSError as error:
            raise self._cannot(error) from error
        if stat.S_ISDIR(status.st_mode):
            raise UsageError(f"{self.name}: a directory; give the capture files in it")
        if self._path is None and stat.S_ISCHR(status.st_mode) and os.isatty(0):
            raise UsageError("standard input is a terminal; pipe a capture into it (tcpdump -U -w - | …)")
        regular = stat.S_ISREG(status.st_mode)
        self.size: int | None = status.st_size if regular else None
        """Bytes of the file, compressed where it is; None for a pipe."""
        self.reopens = regular and self._path is not None
        """It can be looked into, closed, and read again from its first byte."""
        self.notices: list[str] = []
        """What was wrong with it, one line each, with its name; grows while reading."""
        self._first_time: int | None = None
        self._looked = False
        self._begin()

    def _begin(self) -> None:
        self._source: ByteSource | None = None
        self._reader: PcapReader | PcapngReader | None = None
        self._ready: deque[PacketBatch] = deque()
        self._finished = False
        self._bytes_read = 0

    @property
    def bytes_read(self) -> int:
        """Bytes of the file (compressed, where it is) that were read so far."""
        return self._bytes_read if self._source is None else self._source.bytes_read

    @property
    def drops(self) -> int | None:
        """Packets that the capturing system lost, where the file tells so far; None where it does not."""
        return None if self._reader is None else self._reader.drops

    def take_keys(self) -> bytes:
        """Give the lines of TLS key logs in the file, as far as it was read, that were not given yet."""
        if not isinstance(self._reader, PcapngReader):
            return b""
        keys = bytes(self._reader.keys)
        self._reader.keys.clear()
        return keys

    def first_time(self) -> int | None:
        """Find the time of the first packet, in nanoseconds since the epoch; None where there is no packet.

        A file is left as if it had not been opened; of a pipe nothing is lost either. Raises `UsageError`
        where it cannot be read or is no capture.
        """
        if not self._looked:
            while not self._ready and not self._finished:
                self._advance(_PEEK_BYTES)
            self._looked = True
            self._first_time = int(self._ready[0].time_ns[0]) if self._ready else None
            if self.reopens:
                self.close()
                self.notices.clear()
                self._begin()
        return self._first_time

    def read(self, size: int) -> PacketBatch | None:
        """Read on, about ``size`` bytes at a time, until there are packets; None at the end.

        Packets are numbered from 1 in each file. Raises `UsageError` where it cannot be opened or is no
        capture.
        """
        while not self._ready:
            if self._finished:
                return None
            self._advance(size)
        return self._ready.popleft()

    def close(self) -> None:
        """Close the file, wherever reading stands; what was counted and noticed stays."""
        self._finished = True
        self._ready.clear()
        self._close_source()

    def _close_source(self) -> None:
        if self._source is not None:
            self._bytes_read = self._source.bytes_read
            self._source.close()
            self._source = None

    def _advance(self, size: int) -> None:
        """Read once, or end."""
        if self._source is None:
            try:
                self._source = ByteSource(RawSource(self._path))
            except OSError as error:
                raise self._cannot(error) from error
        if self._reader is None:
            try:
                self._reader, data = self._start(self._source, size)
            except UsageError:
                self.close()
                raise
        else:
            data = self._read_source(self._source, size)
        if data:
            self._ready.extend(self._reader.feed(data))
        if not data or self._reader.ended:
            self._ready.extend(self._reader.finish())
            self._notice(self._source.notices + self._reader.notices)
            self._finished = True
            self._close_source()

    def _start(self, source: ByteSource, size: int) -> tuple[PcapReader | PcapngReader, bytes]:
        """Find out the format by the first bytes; give its reader and those bytes."""
        head = b""
        while len(head) < _HEAD_BYTES:
            try:
                data = source.read(size)
            except OSError as error:
                raise self._cannot(error) from error
            if not data:
                break
            head += data
        if is_pcap(head):
            return PcapReader(), head
        if is_pcapng(head):
            return PcapngReader(), head
        whose = "" if source.compression is None else f"its {source.compression} data "
        if head:
            first = head[:4].hex(" ")
            raise UsageError(f"{self.name}: not a pcap or pcapng capture ({whose}starts with {first})")
        raise UsageError(f"{self.name}: not a pcap or pcapng capture ({whose or 'it '}is empty)")

    def _read_source(self, source: ByteSource, size: int) -> bytes:
        try:
            return source.read(size)
        except OSError as error:
            count = 0 if self._reader is None else self._reader.packets
            self._notice([f"reading failed: {error.strerror}; {packets_before(count)}"])
            return b""

    def _notice(self, texts: list[str]) -> None:
        self.notices.extend(f"{self.name}: {text}" for text in texts)

    def _cannot(self, error: OSError) -> UsageError:
        return UsageError(f"{self.name}: {error.strerror}")
