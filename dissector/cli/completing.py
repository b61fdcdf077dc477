"""What a shell is told when a user presses TAB: files, interfaces, names of fields, lists.

Commands and options it is told by click itself. `osloshark completion` prints what makes a shell ask.
"""

import re
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from dissector.fields import Field

_WORD: Final = re.compile(r"[\w.]*\Z")
"""The end of a filter that may become a field's name."""
_OF_CALLS: Final = "rpc."
"""How the fields begin that calls have; messages have all others."""


def files(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete the name of a file."""
    return [CompletionItem(incomplete, type="file")]


def list_of(*names: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Make what completes the last of some names with commas between."""

    def last(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, begin = incomplete.rpartition(",")
        given = before.split(",")
        return [
            CompletionItem(f"{before}{comma}{name}") for name in names if name.startswith(begin) and name not in given
        ]

    return last


def interfaces(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Give the interfaces of this machine."""
    names = ["any", *(name for _, name in socket.if_nameindex())]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def fields(context: click.Context, _option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Give the fields that a column may show, each with its meaning, where the shell shows that."""
    from dissector.fields import FIELDS  # noqa: PLC0415 - only for who completes them

    of_calls = context.command.name == "calls"
    return _named((one for one in FIELDS.values() if one.name.startswith(_OF_CALLS) is of_calls), incomplete)


def filters(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Give what a filter may become: its last word completed to the name of a field."""
    from dissector.views.fieldsdoc import all_fields  # noqa: PLC0415 - only for who completes them

    begin = _WORD.search(incomplete)
    assert begin is not None, "nothing is a word, too"
    before, word = incomplete[: begin.start()], begin[0]
    if not word and before:
        return []
    return _named(all_fields(), word, before)


def _named(known: Iterable["Field"], begin: str, before: str = "") -> list[CompletionItem]:
    return [CompletionItem(before + field.name, help=field.meaning) for field in known if field.name.startswith(begin)]
