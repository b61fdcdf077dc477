"""The tab of messages: list, tree, bytes."""

from bisect import bisect_left
from typing import ClassVar, Final

import msgspec
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static, Tree

from dissector.amqp import Message
from dissector.errors import UsageError
from dissector.explain.message import explain
from dissector.explain.tree import Explained, Node
from dissector.fields import OsloFields
from dissector.filter import Filter
from dissector.tui.detail import BytesPane, ExplainedTree
from dissector.tui.dialogs import Ask
from dissector.tui.listing import VirtualList
from dissector.tui.pane import Following, ListPane, Said
from dissector.tui.rows import Clock, MessageRows
from dissector.tui.saving import save_rows
from dissector.tui.search import Search, search_messages
from dissector.tui.session import Session
from dissector.views.escape import cut, escape
from dissector.views.record import decode_body, record

_ROOM: Final = 120
"""Columns from which on a row of bytes has sixteen."""
_LARGE: Final = 128 << 10
"""Bytes of a body from which on it is taken apart beside the screen: it takes 0.1 s and more."""
_ZOOMS: Final = {"message-list": "zoom-list", "tree": "zoom-tree", "bytes": "zoom-bytes"}


class MessagesPane(ListPane):
    """Messages, and the one under the cursor taken apart."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "mark", "Mark", show=False),
        Binding("n", "next_mark(1)", "Next mark", show=False),
        Binding("p", "next_mark(-1)", "Previous mark", show=False),
        Binding("w", "save", "Save", show=False),
        Binding("f", "follow", "Follow request", show=False),
        Binding("z", "zoom", "Pane alone", show=False),
    ]
    what = "messages"

    def __init__(self, session: Session, clock: Clock, *, id: str) -> None:
        super().__init__(session, clock, id=id)
        self.marked: set[int] = set()
        """Rows that are marked."""
        self._explained: Explained | None = None
        self._title = ""
        self._shown: int | None = None

    def compose(self) -> ComposeResult:
        """Make the list, and tree and bytes below it."""
        yield Static(id="messages-head", classes="head")
        yield VirtualList(self._rows(), id="message-list")
        with Horizontal(id="detail"):
            with Vertical(id="tree-side"):
                yield Static(id="tree-head", classes="head")
                yield ExplainedTree(id="tree")
            with Vertical(id="bytes-side"):
                yield Static(id="bytes-head", classes="head")
                yield BytesPane(id="bytes")

    def on_resize(self) -> None:
        """Give the bytes what they need, where there is room."""
        self.query_one("#bytes-side").set_class(self.size.width >= _ROOM, "wide")
        self.call_after_refresh(self.draw)

    def draw(self) -> None:
        """Write what is over the panes."""
        pane = self.query_one(BytesPane)
        heads = (
            ("#messages-head", MessageRows.head(self.list.size.width)),
            ("#tree-head", escape(self._title)),
            ("#bytes-head", cut(pane.said, max(pane.size.width, 1))),
        )
        for selector, text in heads:
            self.query_one(selector, Static).update(Content.from_rich_text(Text(text, style="dim")))

    # -- list ----------------------------------------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """How many messages there are."""
        return len(self.session.index)

    def make_search(self, compiled: Filter) -> Search:
        """Look for messages that match."""
        return search_messages(self.session.index, compiled, show_secrets=self.session.show_secrets)

    def show_rows(self, row: int | None) -> None:
        """Show what the search finds, or all."""
        self.list.show(self._rows(), 0 if self.search is not None or row is None else row)
        self._open()

    def _rows(self) -> MessageRows:
        rows = MessageRows(
            self.session.index,
            self.clock,
            None if self.search is None else self.search.rows,
            show_secrets=self.session.show_secrets,
        )
        rows.marked = self.marked
        return rows

    def message(self) -> Message | None:
        """Give the message under the cursor; None where there is none, or its packets are gone."""
        row = self.cursor_row()
        return None if row is None else self.session.index.message(row)

    def oslo(self) -> OsloFields | None:
        """Decode the message under the cursor; None where it is none of oslo.messaging's."""
        message = self.message()
        return None if message is None else decode_body(message, show_secrets=self.session.show_secrets).oslo

    # -- tree and bytes ------------------------------------------------------------------------------------------------

    def on_virtual_list_moved(self) -> None:
        """Take the message under the cursor apart."""
        self._open()

    def on_virtual_list_chosen(self) -> None:
        """Go into the tree."""
        self.screen.set_focus(self.query_one(ExplainedTree))

    def _open(self) -> None:
        row = self.cursor_row()
        if row is not None and row == self._shown:
            return
        self._shown = row
        if row is not None and self.session.index.body_size(row) > _LARGE:
            self._show(None, "taking it apart …")
            self._explain_large(row)
        else:
            self._show(None if row is None else self._explain(row))

    @work(thread=True, exclusive=True, group="explaining")
    def _explain_large(self, row: int) -> None:
        explained = self._explain(row)

        def show() -> None:
            if self._shown == row:
                self._show(explained)

        self.app.call_from_thread(show)

    def _explain(self, row: int) -> Explained | None:
        """Take a message apart; None where its packets are gone."""
        message = self.session.index.message(row)
        if message is None:
            return None
        return explain(message, self.session.index.packets(row), show_secrets=self.session.show_secrets)

    def _show(self, explained: Explained | None, title: str = "") -> None:
        self._explained = explained
        self._title = title if explained is None else explained.title
        self.query_one(ExplainedTree).load(explained)
        pane = self.query_one(BytesPane)
        pane.load(explained)
        if self._explained is not None:
            body = [node for node in self._explained.nodes if node.name == "body"]
            for node in body:
                pane.mark(node)
        self.draw()

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[Node]) -> None:
        """Mark the bytes of the node under the cursor."""
        if event.node.data is not None and self.query_one(ExplainedTree).has_focus:
            self.query_one(BytesPane).mark(event.node.data)
            self.draw()

    def on_bytes_pane_pointed(self, event: BytesPane.Pointed) -> None:
        """Find the node that a byte belongs to."""
        path = [] if self._explained is None else self._explained.path_at(event.source, event.offset)
        if path:
            self.query_one(BytesPane).mark(path[-1])
            self.query_one(ExplainedTree).reveal(path)
        self.draw()

    def action_zoom(self) -> None:
        """Give a pane all the room, or as much as before."""
        zoomed = any(self.has_class(name) for name in _ZOOMS.values())
        self.remove_class(*_ZOOMS.values())
        focused = self.app.focused
        if not zoomed and focused is not None and focused.id in _ZOOMS:
            self.add_class(_ZOOMS[focused.id])

    def leave(self) -> bool:
        """Go one step back; False where there is none."""
        if any(self.has_class(name) for name in _ZOOMS.values()):
            self.remove_class(*_ZOOMS.values())
        elif not self.list.has_focus:
            self.screen.set_focus(self.list)
        else:
            return False
        return True

    # -- requests, marks, copies, files --------------------------------------------------------------------------------

    def action_follow(self) -> None:
        """Show all messages of a request, and of what other services did for it."""
        oslo = self.oslo()
        context = {} if oslo is None else oslo.context or {}
        ids = [context.get(name) for name in ("request_id", "global_request_id")]
        self.post_message(Following([one for one in ids if isinstance(one, str) and one]))

    def action_mark(self) -> None:
        """Mark a message, or take its mark away."""
        row = self.cursor_row()
        if row is not None:
            self.marked.symmetric_difference_update((row,))
            self.list.refresh()
            self.list.action_move(1)

    def action_next_mark(self, way: int) -> None:
        """Go to the next message that is marked, or the one before."""
        positions = sorted(one for row in self.marked if (one := self._position(row)) is not None)
        cursor = self.list.cursor
        ahead = [one for one in positions if (one > cursor if way > 0 else one < cursor)]
        if ahead:
            self.list.move_to(ahead[0] if way > 0 else ahead[-1])
        else:
            self.post_message(Said("no mark there"))

    def _position(self, row: int) -> int | None:
        """Give the position of a row in the list; None where it is not in it."""
        if self.search is None:
            return row
        at = bisect_left(self.search.rows, row)
        return at if at < len(self.search.rows) and self.search.rows[at] == row else None

    def copied(self) -> str | None:
        """Give what is to be copied: the value of a part, bytes, or the message as JSON."""
        tree, pane = self.query_one(ExplainedTree), self.query_one(BytesPane)
        if tree.has_focus and tree.cursor_node is not None and tree.cursor_node.data is not None:
            return tree.cursor_node.data.value or tree.cursor_node.data.name
        if pane.has_focus:
            return pane.marked_bytes.hex()
        message = self.message()
        if message is None:
            return None
        return msgspec.json.encode(record(message, show_secrets=self.session.show_secrets)).decode()

    def action_save(self) -> None:
        """Ask for a file, and save what is marked, else what the filter lets through."""
        rows = sorted(self.marked) or ([] if self.search is None else list(self.search.rows))
        if not rows:
            self.post_message(Said("mark messages with m, or filter them with /, to save them"))
            return

        def save(path: str | None) -> None:
            if path is not None:
                self.post_message(Said(f"saving {len(rows):,} messages …"))
                self._save(rows, path)

        question = f"Save {len(rows):,} messages: raw packets, secrets included. File:"
        self.app.push_screen(Ask(question, "chosen.pcapng"), save)

    @work(thread=True, group="saving")
    def _save(self, rows: list[int], path: str) -> None:
        try:
            said = Said(save_rows(self.session, rows, path))
        except UsageError as error:
            said = Said(error.reason, "red")
        self.post_message(said)
