"""CSV that is safe to open: RFC 4180, and no cell that a spreadsheet would run."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from dissector.views.escape import escape

_FORMULA: Final = r"[=+\-@＝＋－＠]"
_RUN: Final = re.compile(rf"(?:\A|(?<=[;|]))[ '\"]*(?={_FORMULA})")
"""Where a formula may begin for a spreadsheet (OWASP, CSV Injection): at the beginning of a cell, and behind what may
be taken for the end of one: in many countries that is ``;``. East Asian editions take the wide signs for the others.
Tabs and carriage returns are escaped."""


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
    return neutral(text)


def neutral(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula: it makes the cell text."""
    return _RUN.sub(r"'\g<0>", text)
