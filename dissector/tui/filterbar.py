"""The line in which display filters are written: completion while one writes, errors in their place."""

import re
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Static

from dissector.errors import UsageError
from dissector.fields import FIELDS
from dissector.tui.search import compile_for
from dissector.views.escape import cut, escape

_NAME = re.compile(r"[a-z_][a-z0-9_.]*$")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*$')
_OPERATORS = ("==", "!=", "contains", "matches", "in {", ">", "<")


def candidates(text: str, *, calls: bool) -> list[str]:
    """Give the names of fields that what stands at the end of an expression may become."""
    if _QUOTED.search(re.sub(r'"(?:[^"\\]|\\.)*"', "", text)):
        return []
    name = _NAME.search(text)
    if name is None:
        return []
    begun = name.group()
    names = [field for field in FIELDS if calls or not field.startswith("rpc.")]
    return [field for field in names if field.startswith(begun) and field != begun]


class _Fields(Suggester):
    """Completes names of fields."""

    def __init__(self, bar: "FilterBar") -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._bar = bar

    async def get_suggestion(self, value: str) -> str | None:
        found = candidates(value, calls=self._bar.calls)
        name = _NAME.search(value)
        return value[: name.start()] + found[0] if found and name else None


class _Line(Input):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "cursor_right", "Complete", show=False),
        Binding("escape", "cancel", "Cancel", show=False),
    ]

    def action_cancel(self) -> None:
        """Leave everything as it was."""
        self.post_message(FilterBar.Cancelled())


class FilterBar(Vertical):
    """Where a filter is written."""

    class Given(Message):
        """A filter was given that has a meaning; it may be empty."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Cancelled(Message):
        """Nothing is to change."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.calls = False
        """Whether it is for calls."""

    def compose(self) -> ComposeResult:
        """Make the line, and one below it."""
        yield _Line(
            id="filter-input", placeholder="display filter, as oslo.method == …", compact=True, suggester=_Fields(self)
        )
        yield Static(id="filter-note")

    def open(self, text: str, *, calls: bool) -> None:
        """Begin to write, from a text on."""
        self.calls = calls
        self.display = True
        line = self.query_one(_Line)
        line.value = text
        line.cursor_position = len(text)
        self.screen.set_focus(line)  # at once: keys may have been typed ahead, or pasted
        self._note(text)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say what may come, or what is wrong."""
        self._note(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Hand the filter on, if it has a meaning."""
        text = event.value.strip()
        try:
            if text:
                compile_for(text, calls=self.calls)
        except UsageError as error:
            self.query_one("#filter-note", Static).update(Text(_one_line(error), style="red"))
            return
        self.post_message(self.Given(text))

    def _note(self, text: str) -> None:
        found = candidates(text, calls=self.calls)
        width = max(self.size.width, 40)
        note = Text("Enter: show what matches   Esc: as before   Tab: complete", style="dim")
        if found:
            note = Text(cut("  ".join(found), width), style="dim")
        elif text.strip():
            try:
                compile_for(text, calls=self.calls)
            except UsageError as error:
                note = Text(cut(_one_line(error), width), style="red")
            else:
                if text.rstrip() in FIELDS:
                    note = Text(f"{FIELDS[text.rstrip()].meaning}   {' '.join(_OPERATORS)}"[:width], style="dim")
        self.query_one("#filter-note", Static).update(note)


def _one_line(error: UsageError) -> str:
    return escape(error.reason)
