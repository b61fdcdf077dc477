"""The application: tabs, the line of state, what keys do everywhere."""

import json
import os
from pathlib import Path
from typing import ClassVar, Final, TypeVar

from rich.text import Text
from textual import events, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.css.query import NoMatches
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Input, Static

from dissector.tui.callpane import CallsPane
from dissector.tui.dialogs import HELP, Pager
from dissector.tui.filterbar import FilterBar
from dissector.tui.listing import Line, TextPane, VirtualList
from dissector.tui.messages import MessagesPane
from dissector.tui.pane import Following, ListPane, Said
from dissector.tui.rows import TIMES, Clock, MethodRows
from dissector.tui.search import search_requests
from dissector.tui.session import Session
from dissector.tui.tables import agents_lines, topology_lines
from dissector.views.escape import cut, escape
from dissector.views.times import TIME_FORMATS

W = TypeVar("W", bound=Widget)

_NAME: Final = " osloshark "
_TABS: Final = ("messages", "calls", "methods", "topology", "agents")
_TABLES: Final = _TABS[2:]
_TICK_S: Final = 0.2
"""How often the screen asks what is new."""
_TABLES_S: Final = 2.0
"""How often tables are made anew while packets come."""


class OslosharkApp(App[None]):
    """Shows a session."""

    CSS = (Path(__file__).parent / "app.tcss").read_text()  # at once: who runs this may become somebody else
    ENABLE_COMMAND_PALETTE = False
    TITLE = "osloshark"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(number), f"tab('{name}')", name, show=False) for number, name in enumerate(_TABS, 1)),
        # Before any widget sees a key, so that what is typed right after it, or pasted with it, goes into the line.
        Binding("slash", "filter", "Filter", show=False, priority=True),
        Binding("c", "clear", "No filter", show=False),
        Binding("t", "times", "Times", show=False),
        Binding("y", "copy", "Copy", show=False),
        Binding("z", "columns", "All columns", show=False),
        Binding("P", "hold", "Hold", show=False),
        Binding("question_mark", "help", "Keys", show=False),
        Binding("escape", "leave", "Back", show=False),
        Binding("q,ctrl+c", "end", "End", show=False),
    ]

    def __init__(self, session: Session, *, expression: str | None = None) -> None:
        super().__init__(ansi_color=True)
        self._session = session
        self._expression = expression
        self._clock = Clock(lambda: session.reading.first_time_ns)
        self._held = False
        self._is_whole = False
        """Whether tables have all their columns, and scroll."""
        self._notice: Line | None = None
        self._tables_due = 0.0
        self._served_by = os.getppid()

    def compose(self) -> ComposeResult:
        """Make everything."""
        yield Static(id="tabs", classes="bar")
        with ContentSwitcher(initial=_TABS[0]):
            yield MessagesPane(self._session, self._clock, id="messages")
            yield CallsPane(self._session, self._clock, id="calls")
            with Vertical(id="methods"):
                yield Static(id="methods-head", classes="head")
                yield VirtualList(MethodRows([]), id="method-list")
            with Vertical(id="topology"):
                yield TextPane(id="topology-text")
            with Vertical(id="agents"):
                yield TextPane(id="agents-text")
        yield FilterBar(id="filter")
        yield Static(id="status", classes="bar")

    def on_mount(self) -> None:
        """Begin."""
        self.theme = "ansi-dark"
        self._find(FilterBar).display = False
        self._session.start()
        if self._expression:
            self._find(MessagesPane).apply(self._expression)
        self._focus(self._find(MessagesPane).list)
        self._draw()
        self.set_interval(_TICK_S, self._tick)

    def on_unmount(self) -> None:
        """End the reading."""
        self._session.close()

    # -- widgets, which are on the screen below all others ------------------------------------------------------------

    def _find(self, kind: type[W], selector: str = "") -> W:
        base = self.screen_stack[0]
        return base.query_one(selector, kind) if selector else base.query_one(kind)

    def _focus(self, widget: Widget) -> None:
        """Let keys go to a widget, the very next one already."""
        self.screen_stack[0].set_focus(widget)

    @property
    def _tab(self) -> str:
        return self._find(ContentSwitcher).current or _TABS[0]

    @property
    def _panes(self) -> tuple[ListPane, ListPane]:
        return self._find(MessagesPane), self._find(CallsPane)

    @property
    def _pane(self) -> ListPane | None:
        """The tab that is shown, if it has a filter."""
        return next((pane for pane in self._panes if pane.id == self._tab), None)

    def _put(self, selector: str, text: Text) -> None:
        self._find(Static, selector).update(Content.from_rich_text(text))

    # -- what is new --------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        if self.is_web and os.getppid() != self._served_by:
            self.exit()  # who served it is gone, and nobody sees it any more
        try:
            if not self._held:
                self._grow()
            self._draw()
        except NoMatches:
            return  # the screen is being taken down

    def _grow(self) -> None:
        for pane in self._panes:
            pane.tick()
        if self._tab in _TABLES and (self._tables_due <= 0 or not self._session.is_done):
            self._tables_due -= _TICK_S
            if self._tables_due <= 0:
                self._tables_due = _TABLES_S
                self._make_tables(self._tab)

    @work(thread=True, exclusive=True, group="tables")
    def _make_tables(self, tab: str) -> None:
        session, width = self._session, None if self._is_whole else self.size.width - 1
        if tab == "methods":
            with session.lock:
                records = session.statistics.finish(session.seconds)
            self.call_from_thread(self._show_methods, MethodRows(records))
        else:
            lines = (topology_lines if tab == "topology" else agents_lines)(session, width)
            self.call_from_thread(self._find(TextPane, f"#{tab}-text").show, lines)

    def _show_methods(self, rows: MethodRows) -> None:
        shown = self._find(VirtualList, "#method-list")
        shown.show(rows, shown.cursor)
        self._put("#methods-head", Text(rows.head(shown.size.width), style="dim"))

    # -- bars ---------------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        tabs = Text(_NAME, style="bold")
        for number, name in enumerate(_TABS, 1):
            tabs.append(f" {number} {name.capitalize()} ", style="bold reverse" if name == self._tab else "")
        self._put("#tabs", tabs)
        self._put("#status", self._status(self.size.width))

    def _status(self, width: int) -> Text:
        """Say how far the reading is, how complete it is, what is shown; or what was just done."""
        if self._notice is not None:
            return Text(cut(self._notice[0], max(width, 1)), style=self._notice[1])
        session = self._session
        pane = self._pane or self._panes[0]
        parts = [self._state(), pane.said()]
        completeness = session.reading.completeness
        if session.is_live:
            drops = (completeness.kernel_drops or 0) + completeness.own_drops
            parts.insert(1, f"{drops:,} dropped, {completeness.amqp.gaps:,} gaps")
        elif missing := completeness.missing():
            parts.append(f"not complete: {', '.join(missing)}")
        if marked := len(self._find(MessagesPane).marked):
            parts.append(f"{marked:,} marked")
        if left_out := session.index.left_out + session.calls.left_out:
            parts.append(f"{left_out:,} too many to be listed")
        if session.store.left_out:
            parts.append(f"{session.store.left_out:,} packets not kept")
        hint = " ? keys"
        room = max(width - len(hint), 1)
        return Text(f"{cut(escape(' · '.join(parts)), room):<{room}}{hint}")

    def _state(self) -> str:
        session = self._session
        if session.error is not None:
            return f"ended by an error: {session.error}"
        if session.is_live:
            return "ended" if session.is_done else "held" if self._held else "live"
        if not session.is_done:
            progress = session.progress
            return "reading" if progress is None else f"reading {progress * 100:.0f} %, Esc stops"
        return "stopped" if session.is_stopped else "all read"

    def on_said(self, event: Said) -> None:
        """Say something until the next key."""
        self._notice = escape(event.text), event.style
        self._draw()

    def _say(self, text: str) -> None:
        self.on_said(Said(text))

    def on_key(self, _event: events.Key) -> None:
        """Whatever is pressed, what was said is read."""
        self._notice = None

    # -- keys ---------------------------------------------------------------------------------------------------------

    def action_tab(self, name: str) -> None:
        """Show a tab."""
        self._find(ContentSwitcher).current = name
        if (pane := self._pane) is not None:
            self._focus(pane.list)
        else:
            self._focus(self._find(Widget, "#method-list" if name == "methods" else f"#{name}-text"))
            self._tables_due = 0.0
            self._tick()
        self._draw()

    def on_click(self, event: events.Click) -> None:
        """Show the tab whose name was clicked."""
        if event.widget is None or event.widget.id != "tabs":
            return
        at = len(_NAME)
        for number, name in enumerate(_TABS, 1):
            size = len(f" {number} {name} ")
            if at <= event.x < at + size:
                self.action_tab(name)
            at += size

    def action_columns(self) -> None:
        """Show tables with all their columns, or those that there is room for."""
        self._is_whole = not self._is_whole
        if self._tab in _TABLES:
            self._make_tables(self._tab)

    def action_leave(self) -> None:
        """Go one step back; from the first one, stop the reading."""
        if self._tab == "messages" and self._find(MessagesPane).leave():
            return
        if not self._session.is_done and not self._session.is_live:
            self._session.stop()
            self._say("stopped; what was read is shown")

    def action_hold(self) -> None:
        """Let lists stand still, or go on."""
        self._held = not self._held
        self._say("held: lists stand still, packets are taken in all the same" if self._held else "lists go on")

    def action_end(self) -> None:
        """End the program."""
        self.exit()

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(Pager("Keys", lambda _: HELP))

    def action_times(self) -> None:
        """Tell times in another way."""
        self._clock.next()
        for pane in self._panes:
            pane.list.refresh()
        self._say(f"times: {TIME_FORMATS[self._clock.name]} ({len(TIMES)} formats; t goes on)")

    def action_copy(self) -> None:
        """Copy what is under the cursor."""
        text: str | None
        if self._tab == "messages":
            text = self._find(MessagesPane).copied()
        elif self._tab == "calls":
            text = self._find(CallsPane).copied()
        else:
            text = self.focused.text if isinstance(self.focused, TextPane) else None
        if text is None:
            self._say("nothing to copy here")
        else:
            self.copy_to_clipboard(text)
            self._say(f"copied {len(text):,} characters, if the terminal allows it")

    def on_virtual_list_chosen(self, event: VirtualList.Chosen) -> None:
        """Show the calls of a method."""
        rows = event.source.lines
        if isinstance(rows, MethodRows):
            namespace, _, method = rows.records[event.source.cursor].key.rpartition(".")
            text = f"rpc.method == {_quoted(method)}"
            # A namespace may have dots, and so may a method: of a notification it is the event type.
            whole = f"rpc.method == {_quoted(rows.records[event.source.cursor].key)}"
            if namespace:
                text = f"({text} && rpc.namespace == {_quoted(namespace)}) || {whole}"
            self.action_tab("calls")
            self._find(CallsPane).apply(text)

    # -- filters ------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave a slash to the lines in which one writes."""
        return action != "filter" or not isinstance(self.focused, Input)

    def action_filter(self) -> None:
        """Write a filter."""
        if self._pane is None:
            self.action_tab("messages")
        pane = self._pane or self._panes[0]
        self._find(FilterBar).open(pane.text, calls=pane.of_calls)

    def action_clear(self) -> None:
        """Show everything."""
        if (pane := self._pane) is not None:
            pane.apply("")

    def on_filter_bar_given(self, event: FilterBar.Given) -> None:
        """Show what matches."""
        self._close_filter()
        if (pane := self._pane) is not None:
            pane.apply(event.text)

    def on_filter_bar_cancelled(self, _event: FilterBar.Cancelled) -> None:
        """Leave what is shown."""
        self._close_filter()

    def _close_filter(self) -> None:
        self._find(FilterBar).display = False
        if (pane := self._pane) is not None:
            self._focus(pane.list)

    def on_following(self, event: Following) -> None:
        """Show all messages of some requests, with the answers to them."""
        ids = [one for one in event.request_ids if one.isprintable()]
        if not ids:
            self._say("nothing to follow: no request id here")
            return
        said = ", ".join(map(_quoted, ids))
        text = f"oslo.request_id in {{{said}}} || oslo.context.global_request_id in {{{said}}}"
        session = self._session
        self.action_tab("messages")
        self._find(MessagesPane).apply(
            text,
            lambda compiled: search_requests(session.index, ids, compiled, show_secrets=session.show_secrets),
            f"of {', '.join(ids)}, with their answers",
        )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
