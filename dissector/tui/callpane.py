"""The tab of calls: list, ladder, bodies, comparison."""

from typing import ClassVar

import msgspec
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from dissector.fields import CallRecord, OsloFields
from dissector.filter import Filter
from dissector.tui.dialogs import Pager
from dissector.tui.ladder import contents_lines, difference_lines, ladder_lines, messages_of, raw_lines
from dissector.tui.listing import Line, VirtualList
from dissector.tui.pane import Following, ListPane, Said
from dissector.tui.rows import CallRows, Clock, method_name
from dissector.tui.search import Search, search_calls
from dissector.tui.session import Session
from dissector.views.escape import escape
from dissector.views.record import decode_body


class CallsPane(ListPane):
    """Calls, as their verdicts come."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "raw", "Bodies", show=False),
        Binding("d", "compare", "Compare", show=False),
        Binding("f", "follow", "Follow request", show=False),
    ]
    what = "calls"
    of_calls = True

    def __init__(self, session: Session, clock: Clock, *, id: str) -> None:
        super().__init__(session, clock, id=id)
        self._compared: CallRecord | None = None

    def compose(self) -> ComposeResult:
        """Make the list."""
        yield Static(id="calls-head", classes="head")
        yield VirtualList(CallRows(self.session.calls, self.clock, None), id="call-list")

    def on_resize(self) -> None:
        """Name the columns that there are."""
        self.call_after_refresh(self.draw)

    def draw(self) -> None:
        """Write what is over the list."""
        head = Text(CallRows.head(self.list.size.width), style="dim")
        self.query_one("#calls-head", Static).update(Content.from_rich_text(head))

    @property
    def total(self) -> int:
        """How many calls there are."""
        return len(self.session.calls)

    def make_search(self, compiled: Filter) -> Search:
        """Look for calls that match."""
        session = self.session
        return search_calls(session.calls, session.index, compiled, show_secrets=session.show_secrets)

    def show_rows(self, row: int | None) -> None:
        """Show what the search finds, or all."""
        rows = CallRows(self.session.calls, self.clock, None if self.search is None else self.search.rows)
        self.list.show(rows, 0 if self.search is not None or row is None else row)

    def call(self) -> CallRecord | None:
        """Give the call under the cursor."""
        row = self.cursor_row()
        return None if row is None else self.session.calls[row]

    def copied(self) -> str | None:
        """Give what is to be copied: the call as JSON."""
        call = self.call()
        return None if call is None else msgspec.json.encode(call).decode()

    def on_virtual_list_chosen(self) -> None:
        """Draw the call's ladder."""
        call = self.call()
        if call is None:
            return
        rpc = call.rpc
        legs = messages_of(rpc, self.session.index)
        contents = contents_lines(legs, show_secrets=self.session.show_secrets)

        def lines(width: int) -> list[Line]:
            return [*ladder_lines(rpc, self.clock, width), *contents]

        self.app.push_screen(Pager(escape(f"{rpc.kind} {method_name(rpc)}"), lines))

    def action_raw(self) -> None:
        """Show the bodies of a call's legs."""
        call = self.call()
        if call is None:
            return
        legs = messages_of(call.rpc, self.session.index)
        lines = raw_lines(legs, show_secrets=self.session.show_secrets) or [("none of its messages is there", "")]
        self.app.push_screen(Pager(escape(f"{call.rpc.kind} {method_name(call.rpc)}: bodies"), lambda _: lines))

    def action_compare(self) -> None:
        """Compare the call under the cursor with the one before."""
        call = self.call()
        if call is None:
            return
        if self._compared is None:
            self._compared = call
            self.post_message(Said(f"{method_name(call.rpc)} is compared with the call on which you press d next"))
            return
        first, self._compared = self._compared, None
        asked = [self._asked(first), self._asked(call)]
        if asked[0] is None or asked[1] is None:
            self.post_message(Said("what they were called with is not there"))
            return
        lines = difference_lines(asked[0], asked[1])
        self.app.push_screen(Pager(escape(f"{method_name(first.rpc)} and {method_name(call.rpc)}"), lambda _: lines))

    def _asked(self, call: CallRecord) -> OsloFields | None:
        legs = messages_of(call.rpc, self.session.index)
        found = (decode_body(message, show_secrets=self.session.show_secrets).oslo for _, message in legs)
        return next((oslo for oslo in found if oslo is not None and oslo.kind not in ("reply", "heartbeat")), None)

    def action_follow(self) -> None:
        """Show all messages of the call's request."""
        call = self.call()
        request_id = None if call is None else call.rpc.request_id
        self.post_message(Following([] if request_id is None else [request_id]))
