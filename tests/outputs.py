"""Every output of every command: command lines made from the tree of commands itself, and a way to run them quickly."""

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from dissector.cli.main import group, main
from dissector.fields import FIELDS

FORMAT = "-T"
NOT_RUN = {
    "completion": "it takes no capture",
    "doctor": "it takes no capture",
    "live": "it takes an interface, and shows there what read shows",
    "lua": "it takes no capture",
    "tui": "it is a screen; its own tests look at it",
}
"""Commands that cannot be run on a capture, and why."""

_MESSAGES = [name for name in FIELDS if not name.startswith("rpc.")]
_CALLS = [name for name in FIELDS if name.startswith("rpc.")]
_SHOWS = ("show_secrets",)
"""What shows secrets is not asked for here."""


class Sample(NamedTuple):
    """What options that take a value are given."""

    captures: list[Path]
    folder: Path
    wanted: str
    """An id for ``trace``."""
    queue: str
    filters: list[str]

    def of(self, command: str, name: str) -> list[str]:
        known = {
            "expression": self.filters,
            "count": ["3"],
            "settings": ["header=y", "separator=,", "separator=;", "quote=d"],
            "ports": ["5672"],
            "keylog": [],  # of TLS: of its own test
            "output": [str(self.folder / "output")],
            "saved": [],  # packets as captured: of its own test
            **{name: [] for name in ("names", "known", "duration_s", "user", "more", "nice")},  # of an interface
            "status": ["failed", "ok,sent,pending,undelivered,timed_out"],
            "slower": ["0"],
            "jobs": ["2"],
            "sections": ["connections", "queues,bindings"],
            "queue": [self.queue, "no-such"],
            "fields": [],
            "window_s": ["3600"],
            "interval_s": ["1"],
        }
        assert name in known, f"osloshark {command} has a new option, {name}: say here what the tests give it"
        return known[name]


def commands() -> dict[str, click.Command]:
    """The commands by name."""
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None and name not in NOT_RUN}


def command_lines(sample: Sample, name: str) -> Iterator[list[str]]:
    """For each format of a command: it alone, and with each of its other options and their choices."""
    command = commands()[name]
    arguments = [one.name for one in command.params if isinstance(one, click.Argument)]
    options = [one for one in command.params if isinstance(one, click.Option)]
    given = [sample.wanted] if "wanted" in arguments else []
    files = list(map(str, sample.captures)) if "files" in arguments else []
    assert set(arguments) <= {"wanted", "files", "part"}, f"osloshark {name} has a new argument"
    formats = next((one.type.choices for one in options if FORMAT in one.opts), [None])
    for number, chosen in enumerate(formats):
        base = [name] if chosen is None else [name, FORMAT, str(chosen)]
        if name == "read" and chosen in ("table", "fields"):
            base += [f"-e{field}" for field in _MESSAGES]
        yield [*base, *given, *files]
        if name == "calls" and chosen == "table":
            yield [*base, *[f"-e{field}" for field in _CALLS], *given, *files]
        for option in options:
            if FORMAT in option.opts or option.name in _SHOWS:
                continue
            if option.is_flag:
                yield [*base, option.opts[-1], *given, *files]
            elif not isinstance(option.type, click.Choice):
                yield from ([*base, option.opts[0], value, *given, *files] for value in sample.of(name, option.name))
            elif not number or option.name not in ("times", "program"):
                yield from ([*base, option.opts[0], str(one), *given, *files] for one in option.type.choices)


class Done(NamedTuple):
    status: int
    output: bytes
    errors: bytes


def run(words: list[str], output: Path | None = None) -> Done:
    """Run a command line in this process; what it wrote to the file ``output`` counts as output."""
    before = sys.stdout, sys.stderr, sys.argv
    status = 0
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        sys.stdout, sys.stderr = io.TextIOWrapper(os.fdopen(os.dup(out.fileno()), "wb")), _text(err)
        sys.argv = ["osloshark", *words]
        try:
            main()
        except SystemExit as error:
            status = int(error.code or 0)
        finally:
            sys.stdout.close()
            sys.stderr.close()
            sys.stdout, sys.stderr, sys.argv = before
        out.seek(0)
        err.seek(0)
        written = out.read()
        if output is not None and output.exists():
            written += output.read_bytes()
            output.unlink()
        return Done(status, written, err.read())


def _text(file: "tempfile._TemporaryFileWrapper[bytes]") -> io.TextIOWrapper:
    return io.TextIOWrapper(os.fdopen(os.dup(file.fileno()), "wb"))
