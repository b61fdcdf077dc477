"""Text from the wire made safe to write: it may neither command a terminal nor break a line, nor hide in it."""

import re
import unicodedata
from collections.abc import Callable
from typing import Final

_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""What Python calls printable and nobody sees: the rest of Unicode's default ignorable code points
(``Default_Ignorable_Code_Point`` in DerivedCoreProperties.txt), and the empty Braille pattern."""

_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")


def escape(text: str) -> str:
    r"""Write out what is not printable: controls, line breaks, bidirectional overrides, unassigned characters.

    They become Python's escapes (``\n``, ``\x1b``, ``\u202e``); a text without any is given back as it is.
    """
    return escape_with(text, _python_escape)


def escape_with(text: str, write: Callable[[str], str]) -> str:
    """Write out what `escape` does, in the notation of another language: ``write`` gives that of one character."""
    if text.isprintable() and (text.isascii() or not _UNSEEN.search(text)):
        return text
    return "".join(char if char.isprintable() and not _UNSEEN.match(char) else write(char) for char in text)


def _python_escape(char: str) -> str:
    return char.encode("unicode_escape").decode()


def columns(text: str) -> int:
    """Give the columns that escaped text takes on a terminal: two for wide characters, none for combining marks."""
    found = len(text)
    for char in () if text.isascii() else _NOT_ASCII.findall(text):
        if unicodedata.combining(char):
            found -= 1
        elif unicodedata.east_asian_width(char) in "WF":
            found += 1
    return found


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Fill escaped text up with spaces to so many columns; with ``right`` it stands at their end."""
    if text.isascii():
        return text.rjust(width) if right else text.ljust(width)
    fill = " " * (width - columns(text))
    return fill + text if right else text + fill


def cut(text: str, width: int) -> str:
    """Cut escaped text that takes more than so many columns, and say so with an ellipsis."""
    if columns(text) <= width:
        return text
    if text.isascii():
        return text[: width - 1] + "…"
    taken, kept = 0, []
    for char in text:
        taken += columns(char)
        if taken > width - 1:
            break
        kept.append(char)
    return "".join(kept) + "…"
