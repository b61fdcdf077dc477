"""Erlang terms as ``io_lib:format("~p")`` writes them: what RabbitMQ's own logs are made of.

A term is `Atom` (one that needs no quotes), `int`, `float`, `bytes` (a binary), `list` or `tuple`. The text is
Latin-1, an octet a character, for Erlang/OTP counts columns and judges what is printable by octets. The rules
are those of ``io_lib`` and ``io_lib_pretty`` in OTP 25 for these terms; the tests compare with what it wrote.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec

LINE_COLUMNS: Final = 80
"""Line length that ``~p`` keeps to unless told otherwise."""
_TAG_COLUMN: Final = LINE_COLUMNS // 2
"""A tagged tuple that is wrapped and whose elements would begin behind this column has them indented instead."""
_INDENTED: Final = 4
_LEAST_OCTETS: Final = 8
"""Columns that the numbers of a binary get at least."""

_PRINTABLE: Final = bytes({*range(0x20, 0x7F), *range(0xA0, 0x100), *b"\n\r\t\v\b\f\x1b"})
_ESCAPES: Final = str.maketrans(
    {
        '"': '\\"',
        "\\": "\\\\",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\v": "\\v",
        "\b": "\\b",
        "\f": "\\f",
        "\x1b": "\\e",
    }
)


class Atom(str):
    """An atom of lower-case letters, digits and underscores."""

    __slots__ = ()


Term = Atom | int | float | bytes | list[Any] | tuple[Any, ...]
"""What can be written; elements are terms."""


class _Node(msgspec.Struct, frozen=True):
    """A term, and what one must know of it to place it."""

    length: int
    """Characters of it on one line."""
    text: str = ""
    """A leaf's."""
    parts: tuple["_Node", ...] = ()
    opening: str = ""
    closing: str = ""
    leaf: bool = True
    """It stays on the line that it begins on, and may follow another element there."""
    tagged: bool = False
    """A tuple with an atom before other elements."""


def pretty(term: Term, column: int) -> str:
    """Write a term that begins after ``column`` characters of its line; lines after its first are indented."""
    node = _node(term)
    for tag_indent in (None, _INDENTED):
        try:
            return _Layout(node.length, column + 1, tag_indent, strict=True).place(node, column + 1, 0, column + 1)
        except _TooFarRight:
            continue
    return _Layout(node.length, column + 1, 1, strict=False).place(node, column + 1, 0, column + 1)


def _node(term: Term) -> _Node:
    if isinstance(term, Atom):
        return _Node(len(term), term)
    if isinstance(term, bytes):
        return _binary(term)
    if isinstance(term, int):
        return _leaf(str(term))
    if isinstance(term, float):
        return _leaf(_float(term))
    parts = tuple(map(_node, term))
    opening, closing = "{}" if isinstance(term, tuple) else "[]"
    if not parts:
        return _leaf(opening + closing)
    length = 1 + sum(part.length + 1 for part in parts)
    tagged = isinstance(term, tuple) and isinstance(term[0], Atom) and len(parts) > 1
    return _Node(length, "", parts, opening, closing, leaf=False, tagged=tagged)


def _leaf(text: str) -> _Node:
    return _Node(len(text), text)


def _binary(octets: bytes) -> _Node:
    if not octets:
        return _leaf("<<>>")
    if not octets.translate(None, _PRINTABLE):
        return _leaf(f'<<"{octets.decode("latin-1").translate(_ESCAPES)}">>')
    text = f"<<{','.join(map(str, octets))}>>"
    return _Node(len(text), text, leaf=False)


def _float(value: float) -> str:
    """Write a float with the fewest digits that mean it, in the shorter of the two notations.

    Erlang has neither NaN nor infinity; they become the atoms ``nan`` and ``inf``.
    """
    if not math.isfinite(value):
        return str(value)
    digits, exponent = _shortest(value)
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    figures = digits.replace(".", "").rstrip("0") or "0"
    scientific = f"{figures[0]}.{figures[1:] or '0'}e{exponent}"
    if exponent < 0:
        plain = "0." + "0" * (-exponent - 1) + figures
    else:
        padded = figures.ljust(exponent + 1, "0")
        plain = f"{padded[: exponent + 1]}.{padded[exponent + 1 :] or '0'}"
    return sign + (plain if len(plain) <= len(scientific) and abs(value) < 2**53 else scientific)


def _shortest(value: float) -> tuple[str, int]:
    """Give the fewest digits that mean a float, and its exponent."""
    digits, exponent = "0", "0"
    for precision in range(17):
        digits, _, exponent = f"{value:.{precision}e}".partition("e")
        if float(f"{digits}e{exponent}") == value:
            break
    return digits, int(exponent)


def _flat(node: _Node) -> str:
    return node.opening + ",".join(map(_flat, node.parts)) + node.closing if node.parts else node.text


class _TooFarRight(Exception):
    """A tagged tuple would begin its elements behind `_TAG_COLUMN`."""


class _Layout:
    """One attempt to break a term into lines. Columns count from 1."""

    def __init__(self, length: int, start: int, tag_indent: int | None, *, strict: bool) -> None:
        self._length = length
        self._start = start
        self._tag_indent = tag_indent
        self._strict = strict

    def place(self, node: _Node, column: int, closers: int, line: int) -> str:
        """Write a node at ``column``, with ``closers`` brackets right after it, on a line begun at ``line``."""
        if node.length < LINE_COLUMNS - column - closers:
            return _flat(node)
        if node.tagged:
            return self._tagged(node, column, closers, line)
        if node.parts:
            return node.opening + self._elements(node.parts, column + 1, closers, line) + node.closing
        return node.text if node.leaf else self._numbers(node.text, column + 2, closers, column - line)

    def _tagged(self, node: _Node, column: int, closers: int, line: int) -> str:
        tag, *rest = node.parts
        after = column + tag.length + 2
        if self._tag_indent is not None and tag.length + 2 > self._tag_indent:
            column += self._tag_indent
            self._check(column <= _TAG_COLUMN)
            elements = self._more(rest, column, after, closers)
            return node.opening + tag.text + elements + node.closing
        self._check(after < _TAG_COLUMN)
        return node.opening + tag.text + "," + self._elements(rest, after, closers, line) + node.closing

    def _check(self, fits: bool) -> None:
        if self._strict and not fits:
            raise _TooFarRight

    def _elements(self, parts: Sequence[_Node], column: int, closers: int, line: int) -> str:
        first, *rest = parts
        text, after = self._element(first, column, 0 if rest else closers + 1, line)
        return text + self._more(rest, column, after, closers)

    def _element(self, part: _Node, column: int, closers: int, line: int) -> tuple[str, int]:
        """Write an element; give it and the column after it, which is off the line unless it is a leaf."""
        if part.leaf and part.length < LINE_COLUMNS - column - closers:
            return part.text, column + part.length
        return self.place(part, column, closers, line), column + LINE_COLUMNS

    def _more(self, parts: Sequence[_Node], column: int, after: int, closers: int) -> str:
        """Write the elements that follow one that ended at ``after``; new lines begin at ``column``."""
        texts = []
        for index, part in enumerate(parts):
            closing = closers + 1 if index == len(parts) - 1 else 0
            if part.leaf and part.length + 1 < LINE_COLUMNS - after - max(closing, 1):
                texts.append("," + part.text)
                after += part.length + 1
            else:
                text, after = self._element(part, column, closing, column)
                texts.append(",\n" + " " * (column - 1) + text)
        return "".join(texts)

    def _numbers(self, text: str, column: int, closers: int, used: int) -> str:
        """Write a binary's octets as numbers, lines of them in one column."""
        room = max(_LEAST_OCTETS, min(LINE_COLUMNS - column, self._length - 4 - used) - closers)
        *octets, last = text[2:-2].split(",")
        lines, left = ["<<"], room
        for octet in octets:
            left -= len(octet) + 1
            if left < 0:
                lines.append(" " * (column - 1))
                left = room - len(octet) - 1
            lines[-1] += octet + ","
        if len(last) > left:
            lines.append(" " * (column - 1))
        return "\n".join(lines) + last + ">>"
