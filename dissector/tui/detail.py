"""A message taken apart: its tree, and its bytes; each shows where the other one stands."""

from collections.abc import Iterator
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from dissector.explain.tree import Explained, Node
from dissector.views.explained import node_text

_OPENED = frozenset({"body", "decompressed", "oslo.message", "args", "payload", "failure"})
"""What is opened at first, where it is on the way down."""
_WIDE_ROW, _NARROW_ROW = 16, 8
_LABEL_CHARS = 1000


class ExplainedTree(Tree[Node]):
    """The parts of a message; what is below one is made when it is opened."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "cursor_up", "Up", show=False),
        Binding("j", "cursor_down", "Down", show=False),
        Binding("l,right", "open", "Open", show=False),
        Binding("h,left", "close", "Close", show=False),
        Binding("g", "scroll_home", "First", show=False),
        Binding("G", "scroll_end", "Last", show=False),
    ]

    def __init__(self, *, id: str) -> None:
        super().__init__("", id=id)
        self.show_root = False
        self.guide_depth = 2
        self.auto_expand = False

    def load(self, explained: Explained | None) -> None:
        """Show another message: what it carries first, then its frames, then its packets."""
        self.clear()
        self.root.expand()
        nodes = [] if explained is None else sorted(explained.nodes, key=_rank)
        for node in nodes:
            self._add(self.root, node)
        self._open_first(self.root)

    def on_focus(self) -> None:
        """Begin at the first node, where it stands nowhere."""
        if self.cursor_node is None and self.root.children:
            self.move_cursor(self.root.children[0])

    def reveal(self, path: list[Node]) -> None:
        """Open the way to a node, and go there."""
        at: TreeNode[Node] = self.root
        for node in path:
            found = next((child for child in at.children if child.data is node), None)
            if found is None:
                break
            at = found
            if node is not path[-1]:
                self._fill(at)
                at.expand()
        if at is not self.root:
            self.call_after_refresh(self.move_cursor, at)

    def action_open(self) -> None:
        """Open a node, or go to its first part."""
        node = self.cursor_node
        if node is not None and node.allow_expand and not node.is_expanded:
            node.expand()
        elif node is not None and node.children:
            self.move_cursor(node.children[0])

    def action_close(self) -> None:
        """Close a node, or go to the one that it is a part of."""
        node = self.cursor_node
        if node is not None and node.is_expanded and node.allow_expand:
            node.collapse()
        elif node is not None and node.parent is not None and node.parent is not self.root:
            self.move_cursor(node.parent)

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[Node]) -> None:
        """Make what is below an opened node."""
        self._fill(event.node)

    def _open_first(self, at: TreeNode[Node]) -> None:
        for child in at.children:
            if child.data is not None and child.data.name in _OPENED:
                self._fill(child)
                child.expand()
                self._open_first(child)

    def _fill(self, at: TreeNode[Node]) -> None:
        if at.data is not None and not at.children:
            for part in at.data.parts:
                self._add(at, part)

    @staticmethod
    def _add(at: TreeNode[Node], node: Node) -> None:
        label = Text(node_text(node)[:_LABEL_CHARS], style="red" if node.reason else "")
        at.add(label, node, allow_expand=bool(node.parts))


def _rank(node: Node) -> int:
    if node.name.startswith(("packet ", "datagram ")):
        return 3
    return {"malformed": 0, "incomplete": 0, "body": 1, "frame": 2, "connection": 4}.get(node.name, 2)


class BytesPane(ScrollView, can_focus=True):
    """Bytes of one source, the stretch of the chosen node marked; a cursor goes from byte to byte."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "go(-1, 0)", "Left", show=False),
        Binding("right,l", "go(1, 0)", "Right", show=False),
        Binding("up,k", "go(0, -1)", "Up", show=False),
        Binding("down,j", "go(0, 1)", "Down", show=False),
        Binding("pageup,ctrl+b,ctrl+u", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f,ctrl+d", "page(1)", "Page down", show=False),
        Binding("home,g", "first", "First", show=False),
        Binding("end,G", "last", "Last", show=False),
    ]

    class Pointed(Message):
        """The cursor was put on a byte."""

        def __init__(self, source: int, offset: int) -> None:
            super().__init__()
            self.source = source
            self.offset = offset

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._explained: Explained | None = None
        self.source = 0
        self.marked = (0, 0)
        """The stretch that is marked."""
        self.cursor = 0

    def load(self, explained: Explained | None) -> None:
        """Show another message."""
        self._explained = explained
        self.source, self.marked, self.cursor = 0, (0, 0), 0
        self._resize()
        self.scroll_to(0, 0, animate=False, force=True)

    def mark(self, node: Node) -> None:
        """Mark the bytes of a node, and bring them on screen."""
        if node.source is None or self._explained is None:
            return
        if node.source != self.source:
            self.source = node.source
            self._resize()
        self.marked = node.start, node.end
        if not node.start <= self.cursor < node.end:
            self.cursor = node.start
        self._bring()
        self.refresh()

    @property
    def said(self) -> str:
        """What the pane shows, in some words."""
        if self._explained is None or not self._explained.sources:
            return ""
        source = self._explained.sources[self.source]
        begin, end = self.marked
        stretch = f", {begin:,} to {end:,}" if begin < end else ""
        wire = self._explained.on_wire(self.source, begin, end) if begin < end and source.pieces else []
        names = list(dict.fromkeys(self._explained.sources[at].name for at, _, _ in wire))
        where = f" in {names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}" if names else ""
        return f"{source.name}: {len(source.data):,} bytes{stretch}{where}"

    @property
    def marked_bytes(self) -> bytes:
        """The bytes that are marked."""
        return self._data[slice(*self.marked)]

    def action_go(self, columns: int, rows: int) -> None:
        """Move the cursor."""
        self._point(self.cursor + columns + rows * self._row)

    def action_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        self._point(self.cursor + pages * self._row * max(self.size.height - 1, 1))

    def action_first(self) -> None:
        """Go to the first byte."""
        self._point(0)

    def action_last(self) -> None:
        """Go to the last byte."""
        self._point(len(self._data) - 1)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on a byte."""
        left, top = self.scroll_offset
        column, row = event.x + left - self._digits - 2, event.y + top
        hex_width = self._row * 3 + (1 if self._row == _WIDE_ROW else 0)
        if 0 <= column < hex_width:
            column -= 1 if self._row == _WIDE_ROW and column >= _NARROW_ROW * 3 else 0
            self._point(row * self._row + column // 3)
        elif hex_width < column <= hex_width + self._row:
            self._point(row * self._row + column - hex_width - 1)

    def on_resize(self) -> None:
        """Put as many bytes into a row as there is room for."""
        self._resize()

    def render_line(self, y: int) -> Strip:
        """Draw one row of bytes."""
        left, top = self.scroll_offset
        width = self.size.width
        start = (top + y) * self._row
        if start >= len(self._data):
            return Strip.blank(width, self.rich_style)
        return Strip(self._segments(start)).simplify().crop_extend(left, left + width, self.rich_style)

    # -- drawing -------------------------------------------------------------------------------------------------------

    @property
    def _data(self) -> bytes:
        if self._explained is None or not self._explained.sources:
            return b""
        return self._explained.sources[self.source].data

    @property
    def _row(self) -> int:
        """Bytes in a row."""
        return _WIDE_ROW if self.size.width >= self._row_width(_WIDE_ROW) else _NARROW_ROW

    def _row_width(self, row: int) -> int:
        """Give the columns of a row of so many bytes."""
        return self._digits + 2 + row * 3 + (row == _WIDE_ROW) + 1 + row

    @property
    def _digits(self) -> int:
        return max(len(f"{len(self._data):x}"), 4)

    def _segments(self, start: int) -> Iterator[Segment]:
        plain = self.rich_style
        data, row = self._data, self._row
        hidden = self._explained.sources[self.source].hidden if self._explained is not None else ()
        yield Segment(f"{start:0{self._digits}x}  ", plain + Style(dim=True))
        chars: list[Segment] = []
        for at in range(start, start + row):
            if at >= len(data):
                yield Segment("   ", plain)
                continue
            is_hidden = any(begin <= at < end for begin, end in hidden)
            style = plain
            if self.marked[0] <= at < self.marked[1]:
                style += Style(reverse=True)
            if at == self.cursor and self.has_focus:
                style += Style(underline=True, bold=True)
            if is_hidden:
                style += Style(dim=True)
            yield Segment("··" if is_hidden else f"{data[at]:02x}", style)
            is_last = at + 1 in (self.marked[1], start + row)
            yield Segment(" ", plain if is_last or at < self.marked[0] or at >= self.marked[1] else style)
            if row == _WIDE_ROW and at == start + _NARROW_ROW - 1:
                yield Segment(" ", plain)
            char = chr(data[at]) if 0x20 <= data[at] < 0x7F and not is_hidden else "·"
            chars.append(Segment(char, style))
        if row == _WIDE_ROW and len(data) - start < _NARROW_ROW:
            yield Segment(" ", plain)
        yield Segment(" ", plain)
        yield from chars

    def _resize(self) -> None:
        rows = -(-len(self._data) // self._row)
        self.virtual_size = Size(self._row_width(self._row), rows)
        self.refresh()

    def _point(self, offset: int) -> None:
        if not self._data:
            return
        self.cursor = max(min(offset, len(self._data) - 1), 0)
        self._bring()
        self.refresh()
        self.post_message(self.Pointed(self.source, self.cursor))

    def _bring(self) -> None:
        self.scroll_to_region(Region(0, self.cursor // self._row, 1, 1), animate=False, force=True)
