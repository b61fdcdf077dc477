"""The screen of ``top``: what keys do, and when and where it is drawn."""

import contextlib
import io
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final, NoReturn, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.text import Text

from dissector import limits
from dissector.api.filtering import CallFilter
from dissector.cli.keys import Keyboard
from dissector.errors import UsageError
from dissector.rpc.statistics import GROUPS
from dissector.rpc.window import Snapshot
from dissector.views.top import COLUMNS, Line, State, screen

_BUSY: Final = 0.2
"""Part of the time that drawing may take: where there is much to sum up, it is drawn less often."""
_NOTE_S: Final = 10.0
"""How long it is shown what was told."""
_TICK_S: Final = 0.1
_STEPS: Final = {"up": -1, "down": 1, "page up": -10, "page down": 10}
_MARGIN: Final = 4
"""Spaces before an expression, and the caret under it, in what a `UsageError` shows."""


class Notes(io.StringIO):
    """Stands in for standard error while the screen is up, and keeps the last lines that are written."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=limits.TOP_NOTES)
        self._at = 0.0

    def write(self, written: str, /) -> int:
        """Keep it."""
        self.lines.extend(line for line in str.splitlines(written) if line)  # a TypeError for bytes: click asks
        self._at = time.monotonic()
        return len(written)

    @property
    def latest(self) -> str | None:
        """The last line, while it is new."""
        is_new = self.lines and time.monotonic() - self._at < _NOTE_S
        return self.lines[-1].removeprefix("osloshark: ") if is_new else None


class Screen:
    """A screen with its keys.

    ``take`` gives a new snapshot, and may note in the state what goes with it; ``choose`` is told when something else
    is to be counted.
    """

    def __init__(
        self,
        state: State,
        keyboard: Keyboard,
        live: Live,
        notes: Notes,
        *,
        interval_s: float,
        take: Callable[[], Snapshot],
        choose: Callable[[str, str], None],
    ) -> None:
        """Use `screen_for`."""
        self.state = state
        self.has_quit = False
        self.taken = 0
        """Snapshots taken at their time, ``interval_s`` after the one before."""
        self._keyboard = keyboard
        self._live = live
        self._notes = notes
        self._interval_s = interval_s
        self._take = take
        self._choose = choose
        self._snapshot = take()
        self._take_at = time.monotonic() + interval_s
        self._draw_s = 0.0
        self._size: tuple[int, int] = (0, 0)
        self._draw()

    def tend(self, wait_s: float = 0.0) -> None:
        """Do what keys say, waiting for one at most so long, and draw where it is time."""
        keys = self._keyboard.read(wait_s)
        for key in keys:
            self._press(key)
        begin = time.monotonic()
        is_due = begin >= self._take_at
        if not keys and not is_due and tuple(self._live.console.size) == self._size:
            return
        if is_due:
            self.take()
        self._draw()
        if is_due:
            spent_s = time.monotonic() - begin
            self._take_at = begin + max(self._interval_s, spent_s / _BUSY)
            self.taken += 1

    def take(self) -> None:
        """Have a new snapshot shown, unless it is paused."""
        if not self.state.is_paused:
            self._snapshot = self._take()

    def stay(self) -> None:
        """Show what there is in the end until somebody quits."""
        self.state.is_ended = True
        self.take()
        self._draw()
        with contextlib.suppress(KeyboardInterrupt):
            while not self.has_quit and self._keyboard.is_there:
                self._take_at = float("inf")
                self.tend(_NOTE_S / 50)

    def _draw(self) -> None:
        self.state.note = self._notes.latest
        width, height = self._live.console.size
        self._size = (width, height)
        lines = screen(self._snapshot, self.state, width, height)
        self._live.update(_rich(lines), refresh=True)

    # -- keys ------------------------------------------------------------------------------------------

    def _press(self, key: str) -> None:
        state = self.state
        if key == "quit":
            self.has_quit = True
        elif state.typed is not None:
            self._type(key, state.typed)
        elif state.is_help:
            state.is_help = False
        elif key == "q":
            self.has_quit = True
        elif key in ("?", "h"):
            state.is_help = True
        elif key in ("p", " "):
            state.is_paused = not state.is_paused
            self.take()
        elif key in ("right", ">", "left", "<"):
            state.sort = (state.sort + (1 if key in ("right", ">") else -1)) % len(COLUMNS)
        elif key == "r":
            state.is_reversed = not state.is_reversed
        elif key == "b":
            state.by = GROUPS[(GROUPS.index(state.by) + 1) % len(GROUPS)]
            self._chosen()
        elif key == "/":
            state.typed = state.filter
            self._check(state.typed)
        elif key == "escape" and state.filter:
            state.filter = ""
            self._chosen()
        elif key in _STEPS:
            last = max(len(self._snapshot.groups) - 1, 0)
            state.scroll = min(max(state.scroll + _STEPS[key], 0), last)
        elif key == "home":
            state.scroll = 0

    def _type(self, key: str, typed: str) -> None:
        state = self.state
        if key == "escape":
            state.typed = state.error = None
            return
        if key == "enter":
            self._check(typed)
            if state.error is None:
                state.filter, state.typed = typed.strip(), None
                self._chosen()
            return
        if key == "backspace":
            typed = typed[:-1]
        elif key == "clear":
            typed = ""
        elif len(key) == 1 and len(typed) < limits.FILTER_CHARS:
            typed += key
        state.typed = typed
        self._check(typed)

    def _check(self, typed: str) -> None:
        """Note what is wrong with a filter."""
        self.state.error = None
        if not typed.strip():
            return
        try:
            CallFilter(typed)
        except UsageError as error:
            self.state.error = error.reason
            self.state.error_at = max(error.shown[-1].find("^") - _MARGIN, 0) if error.shown else 0

    def _chosen(self) -> None:
        self._choose(self.state.by, self.state.filter)
        self.state.scroll = 0
        self._snapshot = self._take()


@contextlib.contextmanager
def screen_for(
    state: State,
    *,
    interval_s: float,
    color: bool,
    take: Callable[[], Snapshot],
    choose: Callable[[str, str], None],
) -> Iterator[Screen]:
    """Take over the terminal, and give it back however this ends. What is told meanwhile is told once more then."""
    # Wide characters and filters load modules when they are first met, which who we become may not be able to.
    cell_len("東")
    CallFilter('rpc.method matches "x"')
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(open(sys.stdout.fileno(), "w", encoding="utf-8", errors="replace", closefd=False))
        # COLUMNS and LINES may be those of a shell that had another size; the terminal knows its own at any time.
        environ = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        console = Console(file=out, force_terminal=True, no_color=not color, highlight=False, _environ=environ)
        notes = Notes()
        if sys.stderr is not None and sys.stderr.isatty():
            stack.callback(_tell_again, notes, sys.stderr)
            stack.enter_context(contextlib.redirect_stderr(notes))
        stack.enter_context(_ends())
        keyboard = stack.enter_context(Keyboard())
        live = Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        stack.enter_context(live)
        yield Screen(state, keyboard, live, notes, interval_s=interval_s, take=take, choose=choose)


@contextlib.contextmanager
def ticking(act: Callable[[], None]) -> Iterator[None]:
    """Do something every tenth of a second, also while this thread waits for a pipe: from a signal handler."""

    def tick(_signal: int, _frame: FrameType | None) -> None:
        act()

    before = signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, _TICK_S, _TICK_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _rich(lines: list[Line]) -> Text:
    text = Text(no_wrap=True, overflow="crop", end="")
    for number, line in enumerate(lines):
        if number:
            text.append("\n")
        for piece, style in line:
            text.append(piece, style or None)
    return text


def _tell_again(notes: Notes, errors: TextIO) -> None:
    for line in notes.lines:
        print(line, file=errors)


@contextlib.contextmanager
def _ends() -> Iterator[None]:
    """Let what would just end the program give the terminal back first."""
    free = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in free:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in free:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
