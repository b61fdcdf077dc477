"""What the tabs with a list and a filter have in common."""

from collections.abc import Callable

from textual.containers import Vertical
from textual.message import Message as TextualMessage

from dissector.filter import Filter
from dissector.tui.listing import VirtualList
from dissector.tui.rows import Clock
from dissector.tui.search import Search, compile_for
from dissector.tui.session import Session

MakeSearch = Callable[[Filter], Search]


class Said(TextualMessage):
    """Something that the status line is to say."""

    def __init__(self, text: str, style: str = "bold") -> None:
        super().__init__()
        self.text = text
        self.style = style


class Following(TextualMessage):
    """All messages of some requests are to be shown."""

    def __init__(self, request_ids: list[str]) -> None:
        super().__init__()
        self.request_ids = request_ids


class ListPane(Vertical):
    """A list of what a session has, all or what a filter lets through."""

    what = ""
    """What is listed, in plural."""
    of_calls = False
    """Whether filters are over calls."""

    def __init__(self, session: Session, clock: Clock, *, id: str) -> None:
        super().__init__(id=id)
        self.session = session
        self.clock = clock
        self.text = ""
        """The filter; empty is none."""
        self.search: Search | None = None
        self._label: str | None = None

    @property
    def list(self) -> VirtualList:
        """The list."""
        return self.query_one(VirtualList)

    @property
    def total(self) -> int:
        """How many there are without a filter."""
        raise NotImplementedError

    def make_search(self, compiled: Filter) -> Search:
        """Begin to look for what matches."""
        raise NotImplementedError

    def show_rows(self, row: int | None) -> None:
        """Show what the search finds, or all; ``row`` is where the cursor was."""
        raise NotImplementedError

    def cursor_row(self) -> int | None:
        """Give what is under the cursor, by its row without filter; None where there is nothing."""
        cursor = self.list.cursor
        if not 0 <= cursor < len(self.list.lines):
            return None
        return cursor if self.search is None else self.search.rows[cursor]

    def apply(self, text: str, make: MakeSearch | None = None, label: str | None = None) -> None:
        """Show what matches an expression, all where it is empty; ``label`` is what the status line calls it.

        Raises `UsageError` where it has no meaning.
        """
        compiled = compile_for(text, calls=self.of_calls) if text else None
        row = self.cursor_row()
        self.end_search()
        self.text, self._label = text, label
        if compiled is not None:
            self.search = (make or self.make_search)(compiled)
        self.show_rows(row)

    def on_unmount(self) -> None:
        """Look no further."""
        self.end_search()

    def end_search(self) -> None:
        """Look no further."""
        if self.search is not None:
            self.search.stop()
            self.search = None

    def tick(self) -> None:
        """Show what is new."""
        if self.search is not None:
            self.search.wake()
        self.list.grown()
        self.list.say_nothing(self._nothing())

    def _nothing(self) -> str:
        """Say why there is nothing in the list."""
        if self.search is not None and self.total:
            return f"  no {self.what} that match; c shows all" if self.search.is_current else ""
        if not self.session.is_done:
            return f"  no {self.what} yet"
        packets = f"{self.session.reading.completeness.packets:,} packets"
        return f"  no {self.what} in {packets}; --port names a broker's port other than 5672"

    def said(self) -> str:
        """Say how many are shown."""
        total = self.total
        if self.search is None:
            return f"{total:,} {self.what}"
        going = "" if self.search.is_current else f" ({self.search.looked * 100 // max(total, 1)} % looked at)"
        return f"{len(self.search.rows):,} of {total:,} {self.what}{going}: {self._label or self.text}"
