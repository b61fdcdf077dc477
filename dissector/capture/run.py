"""A run over captures: their packets in time order, numbered, and what is known about completeness."""

import os
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import msgspec
import numpy as np

from dissector.capture.batch import PacketBatch
from dissector.capture.files import STANDARD_INPUT, CaptureFile
from dissector.capture.merge import merge
from dissector.errors import UsageError


class Capture:
    """The packets of one or more captures, in time order, as `PacketBatch` es; to be iterated over once.

    A context manager that closes what is open. The attributes are right at any time, while reading and after.
    """

    def __init__(self, files: Sequence[CaptureFile]) -> None:
        """Make a run over captures that were looked at; use `open_capture`."""
        self._files = files
        self.packets = 0
        """Packets given so far; the number of the last."""
        self.truncated_packets = 0
        """Packets given so far of which the capture has less than was on the wire (``tcpdump -s``)."""
        sizes = [file.size for file in files]
        self.bytes_total: int | None = None if None in sizes else sum(size for size in sizes if size is not None)
        """Bytes of all files, compressed where they are; None where one is a pipe. `bytes_read` may pass it
        where a file is still being written."""
        self.own_drops = 0
        """Packets that came too fast: none, files wait."""
        self.is_live = self.is_ending = False
        self._batches = self._read()

    @property
    def bytes_read(self) -> int:
        """Bytes of the files (compressed, where they are) that were read so far."""
        return sum(file.bytes_read for file in self._files)

    @property
    def kernel_drops(self) -> int | None:
        """Packets that the capturing systems lost, as pcapng statistics told so far; None where none told."""
        known = [drops for file in self._files if (drops := file.drops) is not None]
        return sum(known) if known else None

    @property
    def notices(self) -> list[str]:
        """What was wrong with the captures so far, one line each that begins with the capture's name."""
        return [notice for file in self._files for notice in file.notices]

    def __iter__(self) -> Iterator[PacketBatch]:
        """Give the batches. Raises `UsageError` where a pipe turns out to be no capture."""
        return self._batches

    def _read(self) -> Iterator[PacketBatch]:
        for batch in merge(self._files):
            number = self.packets + 1
            self.packets += len(batch)
            self.truncated_packets += int(np.count_nonzero(batch.captured < batch.original))
            yield batch if batch.first_number == number else msgspec.structs.replace(batch, first_number=number)

    def take_keys(self) -> bytes:
        """Give the lines of TLS key logs in the captures, as far as they were read, that were not given yet."""
        return b"\n".join(file.take_keys() for file in self._files)

    def stop(self) -> bool:
        """Do nothing, and say so: captures are read to their end."""
        return False

    def close(self) -> None:
        """Close what is open; there are no more packets then."""
        self._batches = iter(())
        for file in self._files:
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_capture(paths: Sequence[str | os.PathLike[str]]) -> Capture:
    """Open captures to be read as one run, in time order; ``-`` is standard input.

    Each may be pcap or pcapng, plain or compressed with gzip or zstd: known by its bytes, not its name. Their
    order does not matter where the packets' times tell. Files are looked into at once; a pipe only when it
    comes to reading.

    Raises `UsageError`, with one line that names the file, where one cannot be read or is no capture, where
    standard input is given twice, and where there is no path.
    """
    names = [os.fspath(path) for path in paths]
    if not names:
        raise UsageError("no capture given; name a file, or - for standard input")
    if names.count(STANDARD_INPUT) > 1:
        raise UsageError("standard input is given twice; it can be read once")
    files = [CaptureFile(name) for name in names]
    for file in files:
        if file.reopens:
            file.first_time()
    return Capture(files)
