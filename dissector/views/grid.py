"""Tables for people: as wide as the terminal, nothing from the wire unescaped, no name cut."""

import io
from collections.abc import Iterable, Sequence

import msgspec
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dissector.views.escape import escape
from dissector.views.text import shorten

_GAP = 2
"""Columns between two columns: one is padding, one rich's separator."""
_NATURAL_WIDTH = 1 << 20
"""Columns of a line where nothing limits them; rich wants a number."""


class Column(msgspec.Struct, frozen=True):
    """A column of a table."""

    head: str
    rank: int = 0
    """Where the width does not do, columns of the highest rank are left out first; those of rank 0 stay."""
    is_number: bool = False
    most: int | None = None
    """Where there is a width: columns after which a text goes on in the next line."""


class Row(msgspec.Struct, frozen=True):
    """A row of a table, a text for each column."""

    cells: Sequence[str]
    style: str | None = None
    """Colour of the row, where there are colours."""


class GridStyle(msgspec.Struct, frozen=True):
    """How tables are written."""

    width: int | None = None
    """Columns of the terminal; None where lines may have any length."""
    color: bool = False


def grid(title: str, columns: Sequence[Column], rows: Iterable[Row], style: GridStyle) -> bytes:
    """Write a table under its title.

    A column that is empty in every row is left out. With a width, long hexadecimal ids are shortened, columns of the
    highest ranks are left out, which is said, and what is still too long goes on in the next line of its cell.
    """
    shown = [Row([_cell(cell, style) for cell in row.cells], row.style) for row in rows]
    if not shown:
        return f"{escape(title)}: none seen\n\n".encode()
    widths = [max(cell_len(row.cells[at]) for row in shown) for at in range(len(columns))]
    chosen = [at for at in range(len(columns)) if widths[at] or not columns[at].rank]
    if style.width is not None:
        widths = [min(width, column.most or width) for width, column in zip(widths, columns, strict=True)]
    widths = [max(width, len(column.head)) for width, column in zip(widths, columns, strict=True)]
    left_out = []
    while style.width is not None and sum(widths[at] + _GAP for at in chosen) - _GAP > style.width:
        worst = max(chosen, key=lambda at: (columns[at].rank, at))
        if not columns[worst].rank:
            break
        chosen.remove(worst)
        left_out.append(columns[worst].head)
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, _GAP - 1, 0, 0), show_edge=False, header_style="bold"
    )
    for at in chosen:
        justify = "right" if columns[at].is_number else "left"
        most = None if style.width is None else widths[at]
        table.add_column(columns[at].head, justify=justify, overflow="fold", max_width=most)  # type: ignore[arg-type]
    for row in shown:
        table.add_row(*(Text(row.cells[at]) for at in chosen), style=row.style)
    note = f"(no room for: {', '.join(reversed(left_out))}; --wide shows all)\n" if left_out else ""
    head = Text(escape(title), style="bold")
    return _written(head, style) + _written(table, style) + f"{note}\n".encode()


def _cell(text: str, style: GridStyle) -> str:
    return escape(text if style.width is None else shorten(text))


def _written(part: Table | Text, style: GridStyle) -> bytes:
    file = io.StringIO()
    console = Console(
        file=file,
        width=style.width or _NATURAL_WIDTH,
        force_terminal=style.color,
        color_system="standard" if style.color else None,
        no_color=not style.color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
    console.print(part, soft_wrap=isinstance(part, Text))
    return "".join(line.rstrip() + "\n" for line in file.getvalue().splitlines()).encode()
