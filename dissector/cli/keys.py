"""Keys as they are pressed, from a terminal."""

import codecs
import contextlib
import os
import select
import sys
import termios
import tty
from types import TracebackType
from typing import Final, Self

_READ_BYTES: Final = 1024
_ESCAPE_S: Final = 0.05
"""How long the rest of a key's sequence may take to come; after that it was the key Esc."""

_SEQUENCES: Final = {
    "[A": "up",
    "[B": "down",
    "[C": "right",
    "[D": "left",
    "[H": "home",
    "[F": "end",
    "[1~": "home",
    "[4~": "end",
    "[5~": "page up",
    "[6~": "page down",
    "OA": "up",
    "OB": "down",
    "OC": "right",
    "OD": "left",
    "OH": "home",
    "OF": "end",
}
"""What follows ESC, as xterm and those that follow it send it, in both modes of its cursor keys."""
_CONTROLS: Final = {"\r": "enter", "\n": "enter", "\x7f": "backspace", "\x08": "backspace", "\x15": "clear"}


class Keyboard:
    """The keys of standard input or, where that is no terminal, of the terminal of this process. A context manager.

    Inside it keys come at once and unseen; Ctrl-C is still a signal, Ctrl-Z is nothing.
    """

    def __init__(self) -> None:
        """Find the terminal; there may be none, and then no keys ever come."""
        self._descriptor: int | None = None
        self._owned: int | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        if sys.stdin is not None and sys.stdin.isatty():
            self._descriptor = sys.stdin.fileno()
        else:
            try:
                self._descriptor = self._owned = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
            except OSError:
                return
        self._before = termios.tcgetattr(self._descriptor)

    def __enter__(self) -> Self:
        if self._descriptor is not None:
            tty.setcbreak(self._descriptor, termios.TCSANOW)
            mode = termios.tcgetattr(self._descriptor)
            mode[6][termios.VSUSP] = b"\0"  # _POSIX_VDISABLE on Linux
            termios.tcsetattr(self._descriptor, termios.TCSANOW, mode)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(termios.error):  # the terminal is gone
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._before)
        if self._owned is not None:
            os.close(self._owned)

    @property
    def is_there(self) -> bool:
        """Whether keys can come."""
        return self._descriptor is not None

    def read(self, timeout_s: float = 0.0) -> list[str]:
        """Give the keys that were pressed, waiting for one at most so long: characters, or names such as ``up``.

        ``quit`` where the terminal is gone.
        """
        if self._descriptor is None or not _is_ready(self._descriptor, timeout_s):
            return []
        data = self._take(self._descriptor)
        while data is not None and data.endswith("\x1b") and _is_ready(self._descriptor, _ESCAPE_S):
            more = self._take(self._descriptor)
            if more is None:
                break
            data += more
        return ["quit"] if data is None else keys_in(data)

    def _take(self, descriptor: int) -> str | None:
        """Read what has come; None where nothing ever will."""
        try:
            data = os.read(descriptor, _READ_BYTES)
        except OSError:
            return None
        return self._decoder.decode(data) if data else None


def _is_ready(descriptor: int, timeout_s: float) -> bool:
    return bool(select.select([descriptor], [], [], timeout_s)[0])


def keys_in(data: str) -> list[str]:
    """Take what a terminal sent apart into keys; sequences of unknown ones are left out."""
    keys: list[str] = []
    at = 0
    while at < len(data):
        char = data[at]
        at += 1
        if char == "\x1b":
            size = _sequence_size(data, at)
            if not size:
                keys.append("escape")
            elif (name := _SEQUENCES.get(data[at : at + size])) is not None:
                keys.append(name)
            at += size
        elif char in _CONTROLS:
            keys.append(_CONTROLS[char])
        elif char.isprintable():
            keys.append(char)
    return keys


def _sequence_size(data: str, at: int) -> int:
    """Give the length of what follows an ESC (ECMA-48, 5.4: parameters up to a final byte); 0 where nothing does."""
    if data[at : at + 1] == "O":
        return min(2, len(data) - at)
    if data[at : at + 1] != "[":
        return 0
    end = at + 1
    while end < len(data) and not "@" <= data[end] <= "~":
        end += 1
    return min(end + 1, len(data)) - at
