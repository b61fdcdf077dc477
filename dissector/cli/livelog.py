"""Where the output of a live capture goes: a file that grows over runs, or a pipe that may stall."""

import os
import select
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from dissector.capture.live import Account
from dissector.cli.output import OWN_DESCRIPTORS, Output, OutputClosed, OutputError
from dissector.cli.signals import Hangups
from dissector.cli.telling import tell
from dissector.errors import UsageError

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_MODE: Final = 0o600
_PIECE_BYTES: Final = select.PIPE_BUF
"""As much goes into a pipe that takes something, without waiting (pipe(7))."""
_WAIT_MS: Final = 200
_END_S: Final = 1.0
"""How long what is left may wait for its reader once the capture is to end."""


class LiveLog(Output):
    """Appends to a file, opened anew on SIGHUP; or writes to a pipe, and never waits for its reader without end."""

    def __init__(self, path: str | None, whom: Account | None, is_ending: Callable[[], bool]) -> None:
        """Open the output; ``whom`` is who we become, and gets a new file. ``is_ending`` says that the capture ends.

        Raises `UsageError` where it cannot be opened, or belongs to somebody else.
        """
        self._path = path if path and path != "-" and _is_file(path) else None
        self._whom = whom
        self._is_ending = is_ending
        self._hangups = Hangups()
        if self._path is None:
            super().__init__(path)
        else:
            self._name = self._path
            self._target = None
            try:
                self._file: BinaryIO = self._open(self._path)
            except OSError as error:
                raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
            self.is_terminal = self._file.isatty()
        mode = os.fstat(self._file.fileno()).st_mode
        self._can_stall = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)

    def _open(self, path: str) -> BinaryIO:
        is_root = os.geteuid() == 0
        if is_root and Path(path).is_symlink():
            raise UsageError(f"{path}: a symbolic link, which root does not follow; write to the file itself")
        descriptor = os.open(path, _FLAGS | (os.O_NOFOLLOW if is_root else 0), _MODE)
        try:
            status = os.fstat(descriptor)
            owners = {os.geteuid()} if self._whom is None else {os.geteuid(), self._whom.uid}
            if not stat.S_ISREG(status.st_mode) or status.st_uid not in owners:
                raise UsageError(f"{path}: belongs to another user; write to another file")
            if self._whom is not None and is_root:
                os.fchown(descriptor, self._whom.uid, self._whom.gid)
            return os.fdopen(descriptor, "wb")
        except BaseException:
            os.close(descriptor)
            raise

    def write(self, data: bytes) -> None:
        """Write, and pass on at once; after a SIGHUP to a new file of the same name."""
        if self._path is not None and self._hangups.is_new():
            self._reopen(self._path)
        if self._can_stall:
            self._write_slowly(data)
        elif self._path is not None:
            self._append(data)
        else:
            super().write(data)

    def _append(self, data: bytes) -> None:
        """Write to the file, whole lines only: where the disk is full, what is half there is taken back."""
        descriptor = self._file.fileno()
        written = 0
        try:
            while written < len(data):
                written += os.write(descriptor, memoryview(data)[written:])
        except OSError as error:
            half = written - (data.rfind(b"\n", 0, written) + 1)
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - half)
            raise OutputError(
                f"{self._name}: cannot be written: {error.strerror}; it ends with the last whole line"
            ) from None

    def _reopen(self, path: str) -> None:
        try:
            new = self._open(path)
        except (OSError, UsageError) as error:
            reason = error.strerror if isinstance(error, OSError) else error.reason
            tell(f"{path}: cannot be opened anew: {reason}; going on with the old file")
            return
        self._file.close()
        self._file = new

    def _write_slowly(self, data: bytes) -> None:
        """Write to a pipe as much as it takes at a time, and give up where nobody takes it and all is to end."""
        descriptor = self._file.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        rest = memoryview(data)
        give_up_at: float | None = None
        while rest:
            ready = poll.poll(_WAIT_MS)
            if ready and ready[0][1] & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                self._abandon()
                raise OutputClosed
            if ready:
                try:
                    rest = rest[os.write(descriptor, rest[:_PIECE_BYTES]) :]
                except BrokenPipeError:
                    self._abandon()
                    raise OutputClosed from None
                except BlockingIOError:  # the reader made it non-blocking, and another writer was faster
                    continue
                give_up_at = None
            elif self._is_ending():
                give_up_at = give_up_at or time.monotonic() + _END_S
                if time.monotonic() >= give_up_at:
                    self._abandon()
                    raise OutputError(f"{self._name}: nobody takes what is written; the rest is lost")


def _is_file(path: str) -> bool:
    """Tell whether a path is, or will be, that of a file on a disk."""
    return not path.startswith(OWN_DESCRIPTORS) and (not Path(path).exists() or Path(path).is_file())
