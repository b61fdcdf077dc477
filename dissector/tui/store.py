"""Where the packets lie, so that some can be looked at again: in the capture itself, or in a temporary file."""

import os
import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path

from dissector import limits
from dissector.capture import PacketBatch
from dissector.capture.files import STANDARD_INPUT
from dissector.explain.carriers import Packet
from dissector.reading import PacketSource


class PacketStore:
    """Gives packets by their numbers. Eight bytes a packet are kept in memory, and the bytes themselves never.

    A single uncompressed file is read again where they lie. Of everything else (compressed files, several, pipes,
    interfaces) the packets are written to a temporary file without a name, up to `limits.SPOOL_BYTES`.
    """

    def __init__(self, files: Sequence[str], capture: PacketSource) -> None:
        self._capture = capture
        is_file = len(files) == 1 and files[0] != STANDARD_INPUT and Path(files[0]).is_file()
        self._path = files[0] if is_file else None
        self._file: int | None = None
        self._spool: int | None = None
        self._spooled = 0
        self.left_out = 0
        """Packets for which there was no room."""
        self._first: list[int] = []
        """Number of the first packet of each batch."""
        self._base: list[int] = []
        """Where the batch's buffer lies; below zero in the temporary file, less one."""
        self._rows: list[int] = []
        """Index of its first packet in the columns."""
        self._link_types: list[int | array[int]] = []
        self._start = array("I")
        self._size = array("I")

    @property
    def memory_bytes(self) -> int:
        """What it takes in memory, about."""
        return len(self._start) * (self._start.itemsize + self._size.itemsize) + 200 * len(self._first)

    def see(self, batch: PacketBatch) -> None:
        """Note where the packets of the next batch are."""
        if not len(batch):
            return
        base = self._place(batch) if len(self._start) < limits.INDEXED_PACKETS else None
        if base is None:
            self.left_out += len(batch)
            return
        kinds = batch.link_type
        self._first.append(batch.first_number)
        self._base.append(base)
        self._rows.append(len(self._start))
        same = bool((kinds == kinds[0]).all())
        self._link_types.append(int(kinds[0]) if same else array("H", kinds.tolist()))
        self._start.frombytes(batch.start.astype("u4").tobytes())
        self._size.frombytes(batch.captured.astype("u4").tobytes())

    def packets(self, numbers: Iterable[int], time_ns: int) -> list[Packet]:
        """Give packets; those that are not kept, or not there any more, are left out. They are given one time."""
        found = []
        for number in numbers:
            at = bisect_right(self._first, number) - 1
            if at < 0:
                continue
            index = number - self._first[at]
            row = self._rows[at] + index
            if row >= (self._rows[at + 1] if at + 1 < len(self._rows) else len(self._start)):
                continue
            base, size = self._base[at], self._size[row]
            file, offset = (self._file, base) if base >= 0 else (self._spool, -1 - base)
            if file is None:
                continue
            try:
                data = os.pread(file, size, offset + self._start[row])
            except OSError:
                continue
            kind = self._link_types[at]
            if len(data) == size:
                found.append(Packet(number, time_ns, kind if isinstance(kind, int) else kind[index], data))
        return found

    def close(self) -> None:
        """Close the files; the temporary one is gone then."""
        for file in (self._file, self._spool):
            if file is not None:
                os.close(file)
        self._file = self._spool = None

    def _place(self, batch: PacketBatch) -> int | None:
        """Find where the buffer of a batch lies; write it where it does not. None where there is no room."""
        if self._path is not None:
            base = self._capture.bytes_read - len(batch.buffer)
            if self._is_at(base, batch):
                return base
        if self._spooled + len(batch.buffer) > limits.SPOOL_BYTES:
            return None
        if self._spool is None:
            with tempfile.TemporaryFile() as file:
                self._spool = os.dup(file.fileno())
        base, data = self._spooled, memoryview(batch.buffer)
        try:
            while data:
                data = data[os.pwrite(self._spool, data, self._spooled) :]
                self._spooled = base + len(batch.buffer) - len(data)
        except OSError:
            return None
        return -1 - base

    def _is_at(self, base: int, batch: PacketBatch) -> bool:
        """Tell whether the capture file has the first and the last packet of a batch where they should be."""
        if self._file is None:
            assert self._path is not None
            try:
                self._file = os.open(self._path, os.O_RDONLY)
            except OSError:
                self._path = None
                return False
        for index in (0, len(batch) - 1):
            offset = base + int(batch.start[index])
            if offset < 0 or os.pread(self._file, int(batch.captured[index]), offset) != batch.packet(index):
                self._path = None  # compressed, say
                return False
        return True
