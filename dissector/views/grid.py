"""Tables for people: as wide as the terminal, nothing from the wire unescaped, no name cut.

Every cell is looked at a few times, and no object is made for it: tables have as many rows as a cloud has consumers.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

import click
import msgspec

from dissector.views.escape import columns as columns_of
from dissector.views.escape import escape, pad
from dissector.views.text import shorten

_GAP = 2
"""Spaces between two columns."""


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
    shown = [([_cell(cell, style) for cell in row.cells], row.style) for row in rows]
    if not shown:
        return f"{escape(title)}: none seen\n\n".encode()
    widths = [max(map(columns_of, cells)) for cells in zip(*(cells for cells, _ in shown), strict=True)]
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
    widths = [widths[at] for at in chosen]
    if style.width is not None:
        widths = _narrowed(widths, style.width - _GAP * (len(widths) - 1))
    is_number = [columns[at].is_number for at in chosen]
    head = _lines([columns[at].head for at in chosen], widths, is_number)
    lines = [_colored(escape(title), style, bold=True)]
    lines += [_colored(line, style, bold=True) for line in head]
    lines.append("─" * (sum(widths) + _GAP * (len(widths) - 1)))
    for cells, color in shown:
        lines += [_colored(line, style, color) for line in _lines([cells[at] for at in chosen], widths, is_number)]
    if left_out:
        lines.append(f"(no room for: {', '.join(reversed(left_out))}; --wide shows all)")
    return "".join(f"{line}\n" for line in (*lines, "")).encode()


def aligned(cells: Iterable[str], widths: Iterable[int], is_number: Iterable[bool]) -> str:
    """Write escaped cells into a line, numbers to the right, without spaces at its end."""
    some = zip(cells, widths, is_number, strict=True)
    return (" " * _GAP).join([pad(cell, width, right=number) for cell, width, number in some]).rstrip()


def _cell(text: str, style: GridStyle) -> str:
    return escape(text if style.width is None else shorten(text))


def _colored(line: str, style: GridStyle, color: str | None = None, *, bold: bool = False) -> str:
    return click.style(line, fg=color, bold=bold or None) if style.color and (color or bold) else line


def _narrowed(widths: list[int], room: int) -> list[int]:
    """Take from the widest columns what there is no room for."""
    widths = list(widths)
    while sum(widths) > max(room, len(widths)):
        most = max(widths)
        widest = [at for at, width in enumerate(widths) if width == most]
        next_ = max((width for width in widths if width < most), default=1)
        excess = sum(widths) - max(room, len(widths))
        less = min(most - next_, max(excess // len(widest), 1))
        for at in widest[: -(-excess // less)]:
            widths[at] -= less
    return widths


def _lines(cells: list[str], widths: list[int], is_number: list[bool]) -> Iterator[str]:
    """Give the lines of a row: one, unless a cell is too long."""
    if all(columns_of(cell) <= width for cell, width in zip(cells, widths, strict=True)):
        yield aligned(cells, widths, is_number)
        return
    pieces = [folded(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for parts in zip_longest(*pieces, fillvalue=""):
        yield aligned(parts, widths, is_number)


def folded(text: str, width: int) -> list[str]:
    """Break escaped text into lines between its words, and within those that are longer than a line."""
    if columns_of(text) <= width:
        return [text]
    lines, line, taken = [], "", 0
    for word in text.split(" "):
        size = columns_of(word)
        if line and taken + 1 + size <= width:
            line, taken = f"{line} {word}", taken + 1 + size
            continue
        if line:
            lines.append(line)
        line, taken = word, size
        if size > width:
            *whole, line = _chopped(word, width)
            lines += whole
            taken = columns_of(line)
    return [*lines, line]


def _chopped(word: str, width: int) -> list[str]:
    """Cut a word into pieces of at most so many columns, a character each at the least."""
    pieces, piece, taken = [], "", 0
    for char in word:
        size = columns_of(char)
        if piece and taken + size > width:
            pieces.append(piece)
            piece, taken = "", 0
        piece, taken = piece + char, taken + size
    return [*pieces, piece]
