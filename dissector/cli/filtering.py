"""``-Y``: the display filter of commands that show messages, events and calls."""

from typing import Final

import click

from dissector.cli import completing

filter_option: Final = click.option(
    "-Y",
    "expression",
    metavar="FILTER",
    shell_complete=completing.filters,
    help="""Only what matches, in Wireshark's language: 'oslo.method == "ping"'.""",
)
"""The option, the same on all commands."""
