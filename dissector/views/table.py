"""``-T table``: chosen fields of a message as the columns of a line, as tshark's ``-T fields``."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import msgspec

from dissector.amqp import AmqpEvent, Message
from dissector.errors import UsageError
from dissector.filter import Lookup, Reference, resolve, values_of
from dissector.filter.names import GROUP, NoSuchField
from dissector.views.csvtext import neutral
from dissector.views.escape import escape
from dissector.views.jsonl import json_line
from dissector.views.lookup import lookup_of

_NAMED: Final = {"/t": "\t", "/s": " "}
_CSV_SEPARATORS: Final = (",", ";")
_QUOTES: Final = {"d": '"', "s": "'", "n": ""}


class TableOptions(msgspec.Struct, frozen=True):
    """How a table is written: tshark's ``-E``."""

    separator: str = "\t"
    """Between columns."""
    aggregator: str = ","
    """Between several values of a field."""
    quote: str = ""
    """Around every column that is not empty; doubled within."""
    occurrence: Literal["a", "f", "l"] = "a"
    """Which of several values: all, the first, the last."""
    header: bool = False
    """Whether the first line names the columns."""


def table_options(settings: Sequence[str]) -> TableOptions:
    """Read ``-E`` settings (``header=y``, ``separator=,``); raises `UsageError` where one is not known."""
    options = TableOptions()
    for setting in settings:
        name, _, value = setting.partition("=")
        found: dict[str, Any] = {}
        match name:
            case "separator" | "aggregator" if value in _NAMED or (len(value) == 1 and value.isprintable()):
                found = {name: _NAMED.get(value, value)}
            case "quote" if value in _QUOTES:
                found = {name: _QUOTES[value]}
            case "occurrence" if value in ("a", "f", "l"):
                found = {name: value}
            case "header" if value in ("y", "n"):
                found = {name: value == "y"}
            case _:
                raise UsageError(
                    f"-E {escape(setting)}: not one of separator=CHARACTER (/t a tab, /s a space), "
                    "aggregator=CHARACTER, quote=d|s|n, occurrence=a|f|l, header=y|n"
                )
        options = msgspec.structs.replace(options, **found)
    return options


class Table:
    """Lines with a column for each field.

    A field is any name that filters take, but not a group; raises `UsageError` for others. A column is empty where
    the field is absent. Several values stand one after another, JSON objects and lists as compact JSON, true and
    false as such. What would break a line or command a terminal is escaped; with a comma or a semicolon between
    columns no text is a formula (`dissector.views.csvtext`).
    """

    def __init__(self, fields: Sequence[str], options: TableOptions) -> None:
        self._columns: list[Callable[[Lookup], list[Any]]] = [values_of(_column(field)) for field in fields]
        self._options = options
        self._is_csv = options.separator in _CSV_SEPARATORS
        self.head = self._line(fields) if options.header else b""
        """The header, or nothing."""

    def row(self, lookup: Lookup) -> bytes:
        """Give the line of what a lookup tells."""
        return self._line([self._cell(values(lookup)) for values in self._columns])

    def _cell(self, values: list[Any]) -> str:
        if self._options.occurrence != "a":
            values = values[:1] if self._options.occurrence == "f" else values[-1:]
        cell = self._options.aggregator.join(map(_written, values))
        is_number = len(values) == 1 and isinstance(values[0], int | float)
        return neutral(cell) if self._is_csv and not is_number else cell

    def _line(self, cells: Sequence[str]) -> bytes:
        quote = self._options.quote
        if quote:
            cells = [cell and quote + cell.replace(quote, quote * 2) + quote for cell in cells]
        return (self._options.separator.join(cells) + "\n").encode()


class TableView:
    """Writes a line for each message, and with ``events`` for everything else, too."""

    def __init__(
        self,
        fields: Sequence[str],
        options: TableOptions = TableOptions(),  # noqa: B008 - immutable
        *,
        show_secrets: bool = False,
        events: bool = False,
    ) -> None:
        self._table = Table(fields, options)
        self._show_secrets = show_secrets
        self._events = events
        self._head = self._table.head

    def feed(self, event: AmqpEvent) -> bytes:
        """Give an event's line, the first time with the header before it."""
        return self.write(self.describe(event))

    def describe(self, event: AmqpEvent) -> bytes:
        """Give an event's line; nothing where it has none."""
        if not self._events and not isinstance(event, Message):
            return b""
        return self._table.row(lookup_of(event, show_secrets=self._show_secrets))

    def write(self, line: bytes) -> bytes:
        """Give a line, the first with the header before it."""
        if not line:
            return b""
        head, self._head = self._head, b""
        return head + line

    def finish(self) -> bytes:
        """Give the header, where no line came after which it would stand."""
        head, self._head = self._head, b""
        return head


def _column(field: str) -> Reference:
    if re.search(r"\s", field):
        raise UsageError(f"-e {escape(field)}: a field's name has no spaces")
    try:
        reference = resolve(field)
    except NoSuchField as error:
        raise UsageError(f"-e {escape(field)}: {error}") from None
    if reference.type == GROUP:
        raise UsageError(f"-e {field}: a group of fields; 'osloshark fields {field}.' lists them")
    return reference


def _written(value: Any) -> str:  # noqa: ANN401 - any field's value
    if isinstance(value, str):
        return escape(value)
    return json_line(msgspec.json.encode(value)).decode()[:-1]
