"""The command line as data: what its reference and its man pages are made of."""

import inspect
from collections.abc import Iterator
from textwrap import dedent
from typing import NamedTuple

import click

from dissector.cli.main import group

NAME = "osloshark"
STATUS = "Exit status"


class Section(NamedTuple):
    """A part of what stands below a command's options."""

    title: str | None
    lines: list[str]
    """As they stand in the help, without a common indent."""


class Command(NamedTuple):
    """A command, or all of them together."""

    name: str
    """As it is called: ``osloshark read``."""
    usage: str
    """What follows the name."""
    summary: str
    """One line."""
    description: list[str]
    """Paragraphs, each one line."""
    options: list[tuple[str, str]]
    """How each is written, and what it means."""
    sections: list[Section]


def whole() -> Command:
    """Give what ``osloshark --help`` tells."""
    return _command(group, NAME, group.get_short_help_str(200))


def commands() -> list[Command]:
    """Give the commands in the order of ``osloshark --help``."""
    context = click.Context(group, info_name=NAME)
    found = []
    formatter = click.HelpFormatter(width=500)
    group.format_commands(context, formatter)
    summaries = dict(line.strip().split(None, 1) for line in formatter.getvalue().splitlines()[1:] if line.strip())
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found.append(_command(command, f"{NAME} {name}", summaries[name]))
    return found


def _command(command: click.Command, name: str, summary: str) -> Command:
    context = click.Context(command, info_name=name, **command.context_settings)
    options = [
        record for option in command.get_params(context) if (record := option.get_help_record(context)) and record[1]
    ]
    usage = " ".join(command.collect_usage_pieces(context))
    description = [" ".join(part.split()) for part in inspect.cleandoc(command.help or "").split("\n\n")]
    return Command(name, usage, summary.strip(), description, options, list(_sections(command.epilog or "")))


def _sections(epilog: str) -> Iterator[Section]:
    """Take an epilog apart: its parts begin with a line of ``\\b``, which keeps click from filling them."""
    for part in inspect.cleandoc(epilog).split("\b\n"):
        lines = dedent(part).strip("\n").splitlines()
        if not lines:
            continue
        if len(lines) > 1 and lines[0].endswith(":") and lines[1].startswith(" "):
            yield Section(lines[0][:-1], dedent("\n".join(lines[1:])).splitlines())
        elif lines[0].startswith(f"{STATUS}: "):
            yield Section(STATUS, [" ".join(lines).removeprefix(f"{STATUS}: ")])
        else:
            yield Section(None, lines)
