"""Lists and texts of any length, of which only what is on screen is drawn."""

from typing import ClassVar, Protocol

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

Line = tuple[str, str]
"""An escaped text, and the style that it is drawn in (`rich.style.Style`)."""


class Lines(Protocol):
    """What a list shows."""

    def __len__(self) -> int: ...

    def line(self, position: int, width: int) -> Line:
        """Give a line, no wider than so many columns where it does not scroll to the side."""
        ...


class TextLines:
    """Lines that are all there."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines

    def __len__(self) -> int:
        return len(self.lines)

    def line(self, position: int, _width: int) -> Line:
        """Give a line."""
        return self.lines[position]


_UP_AND_DOWN: list[BindingType] = [
    Binding("up,k", "move(-1)", "Up", show=False),
    Binding("down,j", "move(1)", "Down", show=False),
    Binding("pageup,ctrl+b", "page(-1.0)", "Page up", show=False),
    Binding("pagedown,ctrl+f,space", "page(1.0)", "Page down", show=False),
    Binding("ctrl+u", "page(-0.5)", "Half a page up", show=False),
    Binding("ctrl+d", "page(0.5)", "Half a page down", show=False),
    Binding("home,g", "first", "First", show=False),
    Binding("end,G", "last", "Last", show=False),
]


class VirtualList(ScrollView, can_focus=True):
    """A list with a cursor. What is added at its end moves nothing, unless the cursor was sent to the end."""

    BINDINGS: ClassVar[list[BindingType]] = [*_UP_AND_DOWN, Binding("enter,l,right", "choose", "Open", show=False)]

    class Moved(Message):
        """The cursor stands elsewhere, or there is another line under it."""

        def __init__(self, source: "VirtualList") -> None:
            super().__init__()
            self.source = source

    class Chosen(Message):
        """A line was opened."""

        def __init__(self, source: "VirtualList") -> None:
            super().__init__()
            self.source = source

    def __init__(self, lines: Lines, *, id: str) -> None:
        super().__init__(id=id)
        self.lines = lines
        self.cursor = 0
        self.follows = False
        """Whether the cursor stays at the end."""
        self._count = 0
        self._nothing = ""

    def say_nothing(self, text: str) -> None:
        """Set what is shown while there are no lines; it is escaped."""
        if text != self._nothing:
            self._nothing = text
            self.refresh()

    def show(self, lines: Lines, cursor: int = 0) -> None:
        """Show other lines."""
        self.lines = lines
        self._count = len(lines)
        self.virtual_size = Size(0, self._count)
        self.follows = False
        self.cursor = -1
        self.move_to(cursor)
        self.refresh()

    def grown(self) -> None:
        """Learn that there may be more lines."""
        count = len(self.lines)
        if count == self._count:
            return
        before, self._count = self._count, count
        self.virtual_size = Size(0, count)
        if self.follows:
            self.move_to(count - 1)
            self.follows = True
        elif not before:
            self.cursor = -1
            self.move_to(0)
        if before < self.scroll_offset.y + self.size.height:
            self.refresh()

    def move_to(self, position: int) -> None:
        """Put the cursor on a line, and bring it on screen."""
        position = max(min(position, len(self.lines) - 1), 0)
        self.follows = False
        top, height = self.scroll_offset.y, self.size.height
        if height and not top <= position < top + height:
            self.scroll_to(y=position if position < top else position - height + 1, animate=False, force=True)
        if position != self.cursor:
            before, self.cursor = self.cursor, position
            self.refresh_line(before)
            self.refresh_line(position)
            self.post_message(self.Moved(self))

    def action_move(self, lines: int) -> None:
        """Go some lines down."""
        self.move_to(self.cursor + lines)

    def action_page(self, pages: float) -> None:
        """Go some pages down."""
        self.move_to(self.cursor + int(pages * max(self.size.height - 1, 1)))

    def action_first(self) -> None:
        """Go to the beginning."""
        self.move_to(0)

    def action_last(self) -> None:
        """Go to the end, and stay there as lines come."""
        self.move_to(len(self.lines) - 1)
        self.follows = True

    def action_choose(self) -> None:
        """Open the line."""
        if len(self.lines):
            self.post_message(self.Chosen(self))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where it was clicked; a second click opens the line."""
        position = self.scroll_offset.y + event.y
        if position < len(self.lines):
            self.move_to(position)
            if event.chain == 2:
                self.action_choose()

    def on_resize(self) -> None:
        """Keep the cursor on screen."""
        self.grown()
        self.call_after_refresh(self.move_to, self.cursor)

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        position, width = self.scroll_offset.y + y, self.size.width
        if position >= min(self._count, len(self.lines)):
            said = self._nothing if not position else ""
            return Strip([Segment(said, self.rich_style + Style(dim=True))]).adjust_cell_length(width, self.rich_style)
        text, style = self.lines.line(position, width)
        drawn = self.rich_style + Style.parse(style)
        if position == self.cursor:
            drawn += Style(reverse=True) if self.has_focus else Style(reverse=True, dim=True)
        return Strip([Segment(text, drawn)]).adjust_cell_length(width, drawn)


class TextPane(ScrollView, can_focus=True):
    """A text that scrolls both ways."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", show=False),
        Binding("down,j", "scroll_down", "Down", show=False),
        Binding("left,h", "sideways(-8)", "Left", show=False),
        Binding("right,l", "sideways(8)", "Right", show=False),
        Binding("pageup,ctrl+b,ctrl+u", "page_up", "Page up", show=False),
        Binding("pagedown,ctrl+f,ctrl+d,space", "page_down", "Page down", show=False),
        Binding("home,g", "scroll_home", "First", show=False),
        Binding("end,G", "scroll_end", "Last", show=False),
    ]

    def __init__(self, lines: list[Line] | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._strips: list[Strip] = []
        self.show(lines or [])

    def show(self, lines: list[Line]) -> None:
        """Show other lines; what is on screen stays where it is."""
        self._strips = [Strip([Segment(text, Style.parse(style))]) for text, style in lines]
        self.virtual_size = Size(max((strip.cell_length for strip in self._strips), default=0), len(lines))
        self.refresh()

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(strip.text for strip in self._strips)

    def action_sideways(self, columns: int) -> None:
        """Scroll to the side."""
        self.scroll_to(x=self.scroll_offset.x + columns, animate=False)

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        left, top = self.scroll_offset
        width = self.size.width
        if top + y >= len(self._strips):
            return Strip.blank(width, self.rich_style)
        return self._strips[top + y].crop_extend(left, left + width, self.rich_style).apply_style(self.rich_style)
