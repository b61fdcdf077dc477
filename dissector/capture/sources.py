"""Where a capture's bytes come from: a file, a pipe, standard input."""

import fcntl
import io
import os
import stat
import sys

from dissector.capture.ahead import AheadReader
from dissector.limits import PIPE_BYTES


class RawSource:
    """The bytes of a file or pipe as they lie there.

    A pipe gives what there is as soon as there is something, so that a capture that is still running can be
    followed; a file gives as much as is asked for.
    """

    def __init__(self, path: str | None) -> None:
        """Open a file or pipe by its path, or standard input with None. Raises `OSError`."""
        self._file = io.FileIO(0, closefd=False) if path is None else io.FileIO(path)
        status = os.fstat(self._file.fileno())
        self.is_pipe = not stat.S_ISREG(status.st_mode)
        """Bytes may come later, and only once: a pipe, a socket, a terminal."""
        self.bytes_read = 0
        """Bytes given so far."""
        self._ahead: AheadReader | None = None
        if self.is_pipe:
            widen(self._file.fileno())

    def read(self, size: int) -> bytes:
        """Give the next bytes, at most ``size``; none at the end only. Waits for a pipe. Raises `OSError`."""
        if self.is_pipe and self._ahead is None:
            self._ahead = AheadReader(self._file)
        data = self._file.read(size) if self._ahead is None else self._ahead.read(size)
        self.bytes_read += len(data)
        return data

    def close(self) -> None:
        """Close the file; standard input stays open."""
        (self._ahead or self._file).close()


def widen(descriptor: int) -> None:
    """Ask for a larger pipe: a writer that captures loses less while we are busy. It is no harm if refused."""
    if sys.platform == "linux":
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        except OSError:
            return
