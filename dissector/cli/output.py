"""Where output goes: standard output or a file, and what happens when it cannot go there.

A file that is there already is replaced at the end, in one step: until then it stays as it is. A new one is written
where it will be, so that it can be followed. What is no regular file (a pipe, a device) is written to.
"""

import os
import signal
import stat
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import FrameType, TracebackType
from typing import BinaryIO, Final, NoReturn, Self

from dissector.errors import UsageError

_MODE: Final = 0o600
"""Of new files: what was captured may be secret."""
OWN_DESCRIPTORS: Final = ("/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/self/fd/")
"""Names of what is open already."""
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)


class OutputError(Exception):
    """Output could not be written: a full disk, say. The message is one line."""


class OutputClosed(Exception):
    """Whoever read the output has gone, as ``head`` does; there is no point in going on, and nothing to tell."""


class Output:
    """Writes bytes to standard output, or to the file at ``path``. A context manager.

    An error inside of it leaves a file that was there before as it was.
    """

    def __init__(self, path: str | None, inputs: Iterable[str] = ()) -> None:
        """Open the output; ``inputs`` are the files that it must not overwrite.

        Raises `UsageError` where it cannot be opened.
        """
        self._name = path or "standard output"
        self._target: Target | None = None
        if path == "":
            raise UsageError("the output file's name is empty; name a file, or - for standard output")
        if path is None or path == "-":
            if sys.stdout is None:
                raise UsageError("standard output is closed; name a file with -o")
            # sys.stdout may be unbuffered (python -u), and then writes only as much as a pipe takes.
            self._file: BinaryIO = open(sys.stdout.fileno(), "wb", closefd=False)  # noqa: SIM115
        else:
            if any(_is_same(path, name) for name in inputs):
                raise UsageError(f"{path}: is one of the captures; write to another file")
            try:
                self._target = Target(path)
            except OSError as error:
                raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
            self._file = os.fdopen(self._target.descriptor, "wb")
        self.is_terminal = self._file.isatty()

    def write(self, data: bytes) -> None:
        """Write and pass on at once, so that a reader at the other end of a pipe sees it."""
        try:
            self._file.write(data)
            self._file.flush()
        except BrokenPipeError:
            self._abandon()
            raise OutputClosed from None
        except OSError as error:
            self._abandon()
            raise self._cannot(error) from None

    def _abandon(self) -> None:
        # What the buffer still holds would fail once more when it is closed.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._file.fileno())
        os.close(null)

    def _cannot(self, error: OSError) -> OutputError:
        return OutputError(f"{self._name}: cannot be written: {error.strerror}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._target is not None:
                self._target.settle()
            self._file.close()
            if kind is None and self._target is not None:
                self._target.put_in_place()
        except OSError as problem:
            if kind is None:
                raise self._cannot(problem) from None
        finally:
            if self._target is not None:
                self._target.clear()


class Target:
    """The file that output goes to, and where it is until it is whole."""

    def __init__(self, path: str) -> None:
        """Open it. Raises `OSError`, and `UsageError` where it is not safe to write there."""
        self._path = path
        self._temporary: str | None = None
        self._handlers: dict[int, object] = {}
        self.is_regular = True
        """A file on a disk, not a pipe or a device."""
        if path.startswith(OWN_DESCRIPTORS):
            self.is_regular = False
            self.descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
            return
        if Path(path).is_symlink():
            self._path = _followed(path)
        try:
            self.descriptor = os.open(self._path, _NEW, _MODE)
        except FileExistsError:
            self._open_existing()

    def _open_existing(self) -> None:
        status = os.stat(self._path, follow_symlinks=False)  # noqa: PTH116
        if stat.S_ISREG(status.st_mode):
            self._open_beside(status)
            return
        if stat.S_ISFIFO(status.st_mode) and status.st_uid not in (os.geteuid(), 0):
            raise UsageError(f"{self._path}: a pipe of another user; write to another file")
        self.is_regular = False
        self.descriptor = os.open(self._path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def _open_beside(self, status: os.stat_result) -> None:
        """Open a file that nobody can have foreseen, in the folder of the one that it will replace."""
        if not os.access(self._path, os.W_OK):
            raise UsageError(f"{self._path}: cannot be written: it is write-protected")
        folder, name = os.path.split(self._path)
        # A name may have 255 bytes; the longest that fits is not needed to tell whose it is.
        temporary = str(Path(folder) / f".{name[:32]}.{os.urandom(8).hex()}")
        try:
            self.descriptor = os.open(temporary, _NEW, _MODE)
        except PermissionError:
            reason = "cannot be replaced: its folder cannot be written to; write to another file"
            raise UsageError(f"{self._path}: {reason}") from None
        self._temporary = temporary
        self._handlers = {number: signal.signal(number, _end) for number in _ENDING if _is_free(number)}
        # One of somebody else may have been put there for us: it does not say who may read what we write.
        if status.st_uid == os.geteuid():
            os.fchmod(self.descriptor, stat.S_IMODE(status.st_mode) & 0o777)

    def settle(self) -> None:
        """See that what was written is on the disk."""
        if self.is_regular:
            os.fsync(self.descriptor)

    def put_in_place(self) -> None:
        """Replace what was there before."""
        if self._temporary is not None:
            os.replace(self._temporary, self._path)  # noqa: PTH105
            self._temporary = None
        if self.is_regular:
            folder = os.open(Path(self._path).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def clear(self) -> None:
        """Leave nothing behind but the file itself."""
        if self._temporary is not None:
            Path(self._temporary).unlink(missing_ok=True)
            self._temporary = None
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave
        self._handlers = {}


def _followed(path: str) -> str:
    """Give what a symbolic link means. Root follows none but to a device or a pipe: anybody may have made it."""
    meant = os.path.realpath(path)
    is_file = not Path(meant).exists() or Path(meant).is_file()
    if is_file and os.geteuid() == 0:
        raise UsageError(f"{path}: a symbolic link, which root does not follow; write to {meant} itself")
    return meant


def _is_free(number: int) -> bool:
    """Tell whether a signal would just end the program, and we may say otherwise."""
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and signal.getsignal(number) is signal.SIG_DFL


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _is_same(path: str, other: str) -> bool:
    try:
        mine, theirs = os.stat(path), os.fstat(0) if other == "-" else os.stat(other)  # noqa: PTH116
    except OSError:
        return False
    return stat.S_ISREG(mine.st_mode) and os.path.samestat(mine, theirs)
