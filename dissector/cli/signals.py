"""SIGHUP, where it means that files are to be opened anew, as logrotate means it."""

import signal
import sys
from types import FrameType

_count = 0


def watch_hangups() -> None:
    """Count SIGHUPs from now on; on a terminal, or where it is ignored, it keeps its meaning."""
    is_free = signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    if is_free and not (sys.stderr is not None and sys.stderr.isatty()):
        signal.signal(signal.SIGHUP, _note)


def _note(_signal: int, _frame: FrameType | None) -> None:
    global _count  # noqa: PLW0603 - a process has one SIGHUP
    _count += 1


class Hangups:
    """Tells its owner of each SIGHUP once."""

    def __init__(self) -> None:
        self._seen = _count

    def is_new(self) -> bool:
        """Tell whether there was a SIGHUP since the last call."""
        new, self._seen = _count != self._seen, _count
        return new
