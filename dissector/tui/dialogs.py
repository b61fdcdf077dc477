"""What comes up over the lists: texts, help, a question."""

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from dissector.tui.listing import Line, TextPane

HELP: list[Line] = [
    ("Lists", "bold"),
    ("  ↑ ↓ j k PgUp PgDn ^u ^d g G  move; G at the end: stay there as lines come", ""),
    ("  1 2 3 4 5    messages, calls, methods, topology, agents", ""),
    ("  Enter l →    open: tree of a message, ladder of a call, calls of a method", ""),
    ("  Tab          next pane", ""),
    ("  z            the pane alone, a table with all columns; and back", ""),
    ("  t            times: since the first packet, since the line before, time of", ""),
    ("               day, UTC, seconds since the epoch", ""),
    ("", ""),
    ("What is shown", "bold"),
    ("  /            display filter; Tab completes, Esc leaves it as it was; calls", ""),
    ("               have rpc.* and the fields of their requests", ""),
    ("  c            no filter", ""),
    ("  f            everything of this request id, over all services", ""),
    ("  m  n p       mark a message; next and previous mark", ""),
    ("  w            save marked messages, else those shown, as pcapng", ""),
    ("  y            copy: message or call as JSON, value of a part, bytes", ""),
    ("", ""),
    ("Calls", "bold"),
    ("  x            the bodies of a call's legs", ""),
    ("  d            compare what two calls were asked with: d on each of them", ""),
    ("", ""),
    ("Else", "bold"),
    ("  Esc          back; while a file is read: stop reading", ""),
    ("  P            hold the lists, and go on", ""),
    ("  ?  q         this help; end", ""),
    ("", ""),
    ("In the tree h and l close and open. A byte that is pointed at, with keys or", ""),
    ("with the mouse, is found in the tree.", ""),
]
"""The keys."""


class Pager(ModalScreen[None]):
    """A text that fills the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,left,h", "back", "Back"),
    ]

    def __init__(self, title: str, lines: Callable[[int], list[Line]], hint: str = "") -> None:
        """``lines`` gives the text for so many columns; ``title`` is escaped."""
        super().__init__()
        self._said = title
        self._hint = hint
        self._lines = lines

    def compose(self) -> ComposeResult:
        """Make title, text and a line of keys."""
        yield Static(Text(self._said), classes="bar")
        yield TextPane(id="pager")
        yield Static(Text(f"Esc back{self._hint}   ↑ ↓ ← → scroll"), classes="bar")

    def on_mount(self) -> None:
        """Show it."""
        self.query_one(TextPane).focus()

    def on_resize(self) -> None:
        """Draw it anew for the width that there is."""
        self.query_one(TextPane).show(self._lines(self.size.width - 1))

    def action_back(self) -> None:
        """Go back."""
        self.dismiss(None)


class Ask(ModalScreen[str | None]):
    """Asks for one line of text."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel")]

    def __init__(self, question: str, value: str) -> None:
        super().__init__()
        self._question = question
        self._value = value

    def compose(self) -> ComposeResult:
        """Make the question and the line."""
        yield Static(Text(self._question), id="question")
        yield Input(self._value, id="answer", compact=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give the answer."""
        self.dismiss(event.value.strip() or None)

    def action_cancel(self) -> None:
        """Give none."""
        self.dismiss(None)
