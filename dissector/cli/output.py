"""Where output goes: standard output or a file, and what happens when it cannot go there."""

import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from dissector.errors import UsageError


class OutputError(Exception):
    """Output could not be written: a full disk, say. The message is one line."""


class OutputClosed(Exception):
    """Whoever read the output has gone, as ``head`` does; there is no point in going on, and nothing to tell."""


class Output:
    """Writes bytes to standard output, or to the file at ``path``. A context manager."""

    def __init__(self, path: str | None, inputs: Iterable[str] = ()) -> None:
        """Open the output; ``inputs`` are the files that it must not overwrite.

        Raises `UsageError` where it cannot be opened.
        """
        self._name = path or "standard output"
        if path is None or path == "-":
            if sys.stdout is None:
                raise UsageError("standard output is closed; name a file with -o")
            # sys.stdout may be unbuffered (python -u), and then writes only as much as a pipe takes.
            self._file = open(sys.stdout.fileno(), "wb", closefd=False)  # noqa: SIM115
        else:
            if any(_is_same(path, name) for name in inputs):
                raise UsageError(f"{path}: is one of the captures; write to another file")
            try:
                self._file = Path(path).open("wb")  # noqa: SIM115 - closed by __exit__
            except OSError as error:
                raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
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
            raise OutputError(f"{self._name}: cannot be written: {error.strerror}") from None

    def _abandon(self) -> None:
        # What the buffer still holds would fail once more when it is closed.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._file.fileno())
        os.close(null)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError as problem:
            if kind is None:
                raise OutputError(f"{self._name}: cannot be written: {problem.strerror}") from None


def _is_same(path: str, other: str) -> bool:
    try:
        mine, theirs = os.stat(path), os.stat(other)  # noqa: PTH116
    except OSError:
        return False
    return stat.S_ISREG(mine.st_mode) and os.path.samestat(mine, theirs)
