"""All calls of a run, out of memory: each in a temporary file, read again when it is shown."""

import os
import tempfile
from array import array

import msgspec

from dissector import limits
from dissector.fields import CallRecord

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(CallRecord).decode
_GATHERED_BYTES = 1 << 20


class CallList:
    """The calls in the order in which they ended. One thread adds, others read."""

    def __init__(self) -> None:
        self.left_out = 0
        """Calls for which there was no room (`limits.SHOWN_CALLS`)."""
        self._begin = array("q", [0])
        self._tail = 0, bytearray()
        """Bytes that are in the file, and those after them; one value, so that who reads has both or neither."""
        with tempfile.TemporaryFile() as file:
            self._file: int | None = os.dup(file.fileno())

    def __len__(self) -> int:
        return len(self._begin) - 1

    def add(self, call: CallRecord) -> None:
        """Add a call."""
        if len(self) >= limits.SHOWN_CALLS or self._file is None:
            self.left_out += 1
            return
        data = _encode(call)
        if len(self._tail[1]) > _GATHERED_BYTES:
            self._write(self._file)
        self._tail[1].extend(data)
        self._begin.append(self._begin[-1] + len(data))

    def __getitem__(self, row: int) -> CallRecord:
        begin, end = self._begin[row], self._begin[row + 1]
        written, gathered = self._tail
        if begin >= written:
            return _decode(bytes(gathered[begin - written : end - written]))
        if self._file is None:
            raise IndexError(row)
        return _decode(os.pread(self._file, end - begin, begin))

    def close(self) -> None:
        """Close the file; it is gone then."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, file: int) -> None:
        written, gathered = self._tail
        data = bytes(gathered)
        done = 0
        while done < len(data):
            done += os.pwrite(file, data[done:], written + done)
        self._tail = written + done, bytearray()
