"""``live -w``: the packets as they are captured, in one file or in many, as tcpdump rotates them."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from dissector.capture.live import Account, Captured, can_create_in
from dissector.capture.pcapng_writer import PcapngWriter
from dissector.cli.output import Target
from dissector.cli.signals import Hangups
from dissector.errors import UsageError

_AGAIN_S: Final = 10.0
"""How long after an error to try again: somebody may make room on the disk."""
_MEGABYTE: Final = 1_000_000
"""As tcpdump counts for -C."""

Statistics = Sequence[tuple[int, int]]
"""Of each interface, how many packets came and how many of them were dropped, since the capture began."""


class Rotation(msgspec.Struct, frozen=True):
    """When a new file is begun, if ever; the names are tcpdump's."""

    megabytes: int | None = None
    """When one is larger than so many. The second file ends in 1."""
    seconds: int | None = None
    """After so long. The time goes into the name (strftime(3))."""
    files: int | None = None
    """With ``megabytes``, how many there are, ending in 0, 1 …, before the first one comes again; with ``seconds``
    alone, how many there may be before the capture ends."""

    @property
    def is_any(self) -> bool:
        """Whether there is more than one file."""
        return self.megabytes is not None or self.seconds is not None


_NO_ROTATION: Final = Rotation()


class SaveFile:
    """Writes pcapng files, one after the other where they are to be rotated.

    A file that cannot be written on (a full disk, say) is told of and cut to its last whole packet. After a while it
    is tried again: what came in between is counted as ``unwritten``.
    """

    def __init__(
        self,
        path: str,
        names: Sequence[str],
        rotation: Rotation = _NO_ROTATION,
        *,
        whom: Account | None = None,
        tell: Callable[[str], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        """Make the first file; ``names`` are the interfaces', ``whom`` is who we become and gets the files.

        Raises `UsageError` where it cannot be made, or that user could not make the next ones.
        """
        self.path = path
        self.unwritten = 0
        """Packets that were not written, for an error."""
        self.is_over = False
        """As many files as asked for are there: the capture shall end."""
        self._names = names
        self._limit = None if rotation.megabytes is None else rotation.megabytes * _MEGABYTE
        self._seconds = rotation.seconds
        self._files = files = rotation.files
        self._digits = len(str(files - 1)) if files is not None and self._limit is not None else 0
        self._whom = whom
        self._tell = tell
        self._now = now
        self._hangups = Hangups()
        self._count = 0
        """Files that were begun since the name was last made of the time."""
        self._made = 0
        self._named_at = now()
        self._before: Statistics = [(0, 0)] * len(names)
        self._failed_at: float | None = None
        """When it could not be written; None where it can."""
        self._file: _File | None = None
        self._writer: PcapngWriter | None = None
        folder = Path(path).parent
        if rotation.seconds is not None and time.strftime(str(folder), time.localtime(0)) != str(folder):
            raise UsageError(
                f"-w {path}: with -G the time goes into the file's name, not its folder's, as no folders are made; "
                "name one that there is, as in FOLDER/rabbit-%Y-%m-%d.pcapng"
            )
        if rotation.is_any and whom is not None and folder.is_dir() and not can_create_in(folder, whom):
            raise UsageError(
                f"{folder}: {whom.name}, who osloshark becomes, cannot make the next files there; "
                f"chown the folder to {whom.name}, or name another user with --user"
            )
        try:
            self._begin()
        except OSError as error:
            raise UsageError(f"{self._name()}: cannot be written: {error.strerror}") from None

    def write(self, captured: Captured, statistics: Callable[[], Statistics]) -> None:
        """Write packets; ``statistics`` are asked for when a file ends."""
        if self.is_over:
            return
        if self._failed_at is not None and time.monotonic() - self._failed_at < _AGAIN_S:
            self.unwritten += len(captured.batch)
            return
        try:
            if (self._file is None or self._is_due()) and not self._next(statistics):
                return
            assert self._writer is not None
            self._writer.write(captured.batch, np.arange(len(captured.batch)), captured.interface)
        except (OSError, UsageError) as error:
            self._fail(error)
            self.unwritten += len(captured.batch)
            return
        if self._failed_at is not None:
            self._failed_at = None
            self._tell(f"{self._name()}: is written again; {self.unwritten:,} packets are not in it")

    def close(self, statistics: Callable[[], Statistics]) -> None:
        """End the last file."""
        if self.is_over:
            return
        try:
            self._end(statistics)
        except OSError as error:
            if self._failed_at is None:
                self._fail(error)

    def _is_due(self) -> bool:
        assert self._file is not None
        if self._hangups.is_new() and not self._file.is_in_place():
            return True
        is_large = self._limit is not None and self._file.size > self._limit
        return is_large or (self._seconds is not None and self._now() - self._named_at >= self._seconds)

    def _next(self, statistics: Callable[[], Statistics]) -> bool:
        """Begin the next file; False where there shall be no more."""
        self._end(statistics)
        self._before = statistics()
        if self._seconds is not None and self._now() - self._named_at >= self._seconds:
            self._named_at, self._count = self._now(), 0
            if self._limit is None and self._files is not None and self._made >= self._files:
                self.is_over = True
                return False
        elif self._limit is not None and self._writer is not None:
            self._count += 1
            if self._files is not None:
                self._count %= self._files
        self._begin()
        return True

    def _name(self) -> str:
        name = self.path
        if self._seconds is not None:
            name = time.strftime(name, time.localtime(self._named_at))
        if self._digits:
            return f"{name}{self._count:0{self._digits}}"
        return f"{name}{self._count}" if self._count else name

    def _begin(self) -> None:
        self._file = _File(self._name(), self._whom)
        self._writer = PcapngWriter(self._file, self._names)
        self._made += 1

    def _end(self, statistics: Callable[[], Statistics]) -> None:
        file, self._file = self._file, None
        if file is None or self._writer is None:
            return
        try:
            since = zip(statistics(), self._before, strict=True)
            counts = [(came - came_before, lost - lost_before) for (came, lost), (came_before, lost_before) in since]
            self._writer.statistics(time.time_ns(), counts)
        finally:
            file.close()

    def _fail(self, error: OSError | UsageError) -> None:
        reason = error.strerror if isinstance(error, OSError) else error.reason
        self._tell(f"{self._name()}: cannot be written: {reason}; decoding goes on")
        self._failed_at = time.monotonic()


class _File:
    """One file, whole packets only."""

    def __init__(self, path: str, whom: Account | None) -> None:
        """Make it, by the rules of `Target`; what was there before goes at once. Raises `OSError`, `UsageError`."""
        self._path = path
        target = Target(path)
        try:
            self._descriptor = target.descriptor
            if target.is_regular and whom is not None and os.geteuid() == 0:
                os.fchown(self._descriptor, whom.uid, whom.gid)
            target.put_in_place()
        except BaseException:
            os.close(target.descriptor)
            raise
        finally:
            target.clear()
        self._is_regular = target.is_regular
        self.size = 0
        """Bytes written."""

    def write(self, data: bytes) -> None:
        """Write all of it, or nothing. Raises `OSError`."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            if self._is_regular:
                os.ftruncate(self._descriptor, self.size)
                os.lseek(self._descriptor, self.size, os.SEEK_SET)
            raise
        self.size += len(data)

    def is_in_place(self) -> bool:
        """Tell whether its path still leads to it: nobody has moved it away."""
        try:
            there = Path(self._path).lstat()
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(self._descriptor))

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)
