"""Options that several commands have, declared once."""

import os
import shutil
from collections.abc import Callable
from typing import Any, Final

import click

from dissector import limits
from dissector.capture import open_capture
from dissector.cli import completing
from dissector.cli.interface import interface_options, open_live
from dissector.cli.output import Output
from dissector.cli.via import via_of, via_options
from dissector.reading import Reading
from dissector.views.times import TIME_FORMATS

_ENOUGH_COLUMNS: Final = 120
"""Columns that a line needs to say something; a narrower terminal gives it several rows."""

Command = Callable[..., Any]

CONTEXT: Final = {"help_option_names": ["-h", "--help"]}
TIMES: Final = "".join(f"  {name:<11} {meaning}\n" for name, meaning in TIME_FORMATS.items())
"""What ``-t`` takes, for a command's epilog."""


def capture_options(command: Command) -> Command:
    """Add what every command has that reads captures: FILE..., -i, --port, -o, --show-secrets, -q."""
    command = common_options(command)
    return interface_options(
        click.argument("files", metavar="FILE...", nargs=-1, shell_complete=completing.files)(command)
    )


def common_options(command: Command) -> Command:
    """Add what commands have that read captures or interfaces: --via, --port, -o, --show-secrets, -q."""
    for option in (
        via_options,
        click.option("-q", "--quiet", is_flag=True, help="No closing line about completeness."),
        click.option("--show-secrets", is_flag=True, help="Do not mask passwords, tokens and the like as ***."),
        click.option(
            "--port",
            "ports",
            metavar="PORT",
            multiple=True,
            type=click.IntRange(1, 65535),
            help="The broker's TCP port; may be given several times.  [default: 5672]",
        ),
        click.option(
            "-o",
            "output",
            metavar="FILE",
            shell_complete=completing.files,
            help="Write to FILE instead of standard output. A new file is for its owner alone (0600); one that is "
            "there is replaced at the end (on Ctrl-C by what there is), and keeps its mode if it is yours. Root "
            "follows no symbolic link. What comes live is appended to it.",
        ),
    ):
        command = option(command)
    return command


def jobs_option(default: str) -> Callable[[Command], Command]:
    """Add --jobs; ``default`` says what it is unless it is given."""
    return click.option(
        "--jobs",
        metavar="N",
        type=click.IntRange(1, limits.MOST_JOBS),
        help="Decode messages in N processes beside this one; 1: in this one. What comes out is the same.  "
        f"[default: {default}]",
    )


def line_options(command: Command) -> Command:
    """Add what commands have that write lines for people: -t, --color, --wide."""
    for option in (
        click.option("--wide", is_flag=True, help="On a terminal, neither cut lines nor shorten ids."),
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="Colour lines; auto: on a terminal that can, unless NO_COLOR is set.",
        ),
        click.option(
            "-t",
            "times",
            metavar="TIME",
            default="r",
            help="How lines tell times, see below.",
            type=click.Choice(list(TIME_FORMATS)),
        ),
    ):
        command = option(command)
    return command


def open_reading(files: tuple[str, ...], ports: tuple[int, ...], jobs: int | None = 1) -> Reading:
    """Open the captures of a command, or the interfaces of its -i; raises `click.UsageError` where none is given.

    ``jobs`` is as for `Reading`; interfaces are read by one process.
    """
    via = via_of()
    ports = tuple(via.ports(ports or None))
    live = open_live(files, ports)
    if live is not None:
        return live
    if not files:
        raise click.UsageError("no capture given; name a file, or - for standard input", click.get_current_context())
    via.prepare(grows=False)
    source, streams = via.through(open_capture(files), ports)
    return Reading(source, ports=ports, jobs=jobs, streams=streams)


def is_colored(color: str, out: Output) -> bool:
    """Tell whether lines are coloured, by what ``--color`` says."""
    is_plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return color == "always" or (color == "auto" and out.is_terminal and not is_plain)


def line_width(out: Output, *, wide: bool) -> int | None:
    """Give the columns at which lines are cut: whole rows of the terminal; None where they are not cut."""
    if wide or not out.is_terminal:
        return None
    columns = shutil.get_terminal_size().columns
    return columns * -(-_ENOUGH_COLUMNS // columns)
