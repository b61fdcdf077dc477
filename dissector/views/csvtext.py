"""CSV that is safe to open: RFC 4180, and no cell that a spreadsheet would run."""

import csv
import io
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from dissector.views.escape import escape

_RUN: Final = ("=", "+", "-", "@")
"""How a cell begins that a spreadsheet takes for a formula."""


def csv_line(values: Iterable[Any]) -> bytes:
    """Write a row. None is an empty cell, an object or array its JSON; text is escaped, and never a formula."""
    row = io.StringIO()
    csv.writer(row, lineterminator="\n").writerow([_cell(value) for value in values])
    return row.getvalue().encode()


def _cell(value: Any) -> str | int | float:  # noqa: ANN401 - any JSON value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    text = escape(value if isinstance(value, str) else msgspec.json.encode(value).decode())
    return "'" + text if text.startswith(_RUN) else text
