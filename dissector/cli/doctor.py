"""``osloshark doctor``: what is there of what osloshark can use, and what helps."""

import platform
import shutil
from collections.abc import Iterator
from typing import Final

import click
import msgspec

from dissector._version import __version__
from dissector.cli import checks
from dissector.cli.checks import Check
from dissector.cli.main import EXIT_DAMAGED
from dissector.cli.options import CONTEXT, is_colored
from dissector.cli.output import Output, OutputClosed
from dissector.views.escape import columns, escape
from dissector.views.grid import folded

_COLORS: Final = {"ok": "green", "off": None, "missing": "yellow", "outdated": "yellow", "denied": "yellow"}
"""Of states; what is none of these is red."""
_STATE_WIDTH: Final = 10
_LEAST_WIDTH: Final = 40
"""Columns that a text has on the narrowest terminal; longer lines go beyond its edge."""

EPILOG: Final = """\b
THING is one of these, or an extra (tui, live …); all are looked at unless some
are named:
  core        what everything needs: Python, packages, one message decoded
  extras      what pip can add
  capture     dumpcap, tcpdump, the right to capture, interfaces
  wireshark   tshark, and the plugin in it
  terminal    where output goes
\b
It needs no right and changes nothing. To see whether you may capture, it has
dumpcap or tcpdump open the interfaces, as for their link types (-L).
\b
Examples:
  osloshark doctor
  osloshark doctor capture && osloshark live eth0
  osloshark doctor -T jsonl | jq 'select(.remedy) | .remedy'
\b
Exit status: 0 when what was named works, or the core where nothing was; 1 when
it does not.
"""


@click.command("doctor", epilog=EPILOG, context_settings=CONTEXT)
@click.argument("things", metavar="[THING...]", nargs=-1, type=click.Choice([*checks.GROUPS, *checks.EXTRAS]))
@click.option(
    "-T",
    "format_",
    metavar="FORMAT",
    default="text",
    help="text (the default) or jsonl, a JSON object a line.",
    type=click.Choice(["text", "jsonl"]),
)
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Colour lines; auto: on a terminal that can, unless NO_COLOR is set.",
)
def command(things: tuple[str, ...], *, format_: str, color: str) -> int:
    """Tell what is there of what osloshark can use, what is not, and what helps."""
    works = True
    found: list[Check] = []
    try:
        with Output(None) as out:
            look = _Text(out, colored=is_colored(color, out))
            for name, (purpose, check) in checks.GROUPS.items():
                extras = [thing for thing in things if thing in checks.EXTRAS] if name == "extras" else []
                if things and name not in things and not extras:
                    continue
                seen = [one for one in check() if name in things or not extras or one.name in extras]
                found += seen
                if things or name == "core":
                    works = works and all(one.is_ok for one in seen)
                if format_ == "jsonl":
                    out.write(b"".join(msgspec.json.encode(one) + b"\n" for one in seen))
                else:
                    look.group(name, purpose, seen)
            if format_ == "text":
                look.end(found)
    except OutputClosed:
        pass
    return 0 if works else EXIT_DAMAGED


class _Text:
    """Writes checks for people."""

    def __init__(self, out: Output, *, colored: bool) -> None:
        self._out = out
        self._is_colored = colored
        self._width = shutil.get_terminal_size().columns if out.is_terminal else None
        system = f"{platform.system()} {platform.release()} {platform.machine()}"
        self._is_first = True
        self._head = f"osloshark {__version__}, Python {platform.python_version()}, {system}"

    def group(self, name: str, purpose: str, found: list[Check]) -> None:
        """Write a group, as soon as it has been looked at: other programs take their time."""
        lines = [self._styled(self._head, bold=True)] if self._is_first else []
        self._is_first = False
        lines += ["", f"{self._styled(name, bold=True)}: {purpose}"]
        shown = _together(found)
        width = max((columns(escape(check.name)) for check in shown), default=0) + 2
        for check in shown:
            lines += self._check(check, width)
        self._write(lines)

    def _check(self, check: Check, width: int) -> Iterator[str]:
        state = self._styled(check.state.ljust(_STATE_WIDTH), _COLORS.get(check.state, "red"))
        begin = f"  {state}{escape(check.name).ljust(width)}"
        indent = 2 + _STATE_WIDTH + width
        for line in self._folded(escape(check.detail), indent):
            yield begin + line
            begin = " " * indent
        if check.remedy:
            # In one piece, so that it can be copied.
            yield f"{' ' * (indent - 2)}{self._styled('→', 'cyan')} {escape(check.remedy)}"

    def _folded(self, text: str, indent: int) -> list[str]:
        return [text] if self._width is None else folded(text, max(self._width - indent, _LEAST_WIDTH))

    def end(self, found: list[Check]) -> None:
        """Say in a line what it comes to."""
        groups = dict.fromkeys(check.group for check in found)
        unwell = [name for name in groups if not all(one.is_ok for one in found if one.group == name)]
        remedies = sum(check.remedy is not None for check in found)
        said = "All of it works."
        if unwell:
            told = f"; {remedies} {'remedy' if remedies == 1 else 'remedies'} above (→)" if remedies else ""
            rest = ", ".join(unwell)
            core_is_well = "core" in groups and "core" not in unwell
            said = f"The core works, but not all of: {rest}{told}." if core_is_well else f"Not all works: {rest}{told}."
        self._write(["", said])

    def _styled(self, text: str, color: str | None = None, *, bold: bool = False) -> str:
        return click.style(text, fg=color, bold=bold or None) if self._is_colored and (color or bold) else text

    def _write(self, lines: list[str]) -> None:
        self._out.write("".join(f"{line}\n" for line in lines).encode())


def _together(found: list[Check]) -> list[Check]:
    """Put what is well of the core's packages into one line."""
    well = [one for one in found if one.group == "core" and one.state == "ok" and one.name not in ("python", "decode")]
    rest = [one for one in found if one not in well]
    if not well:
        return rest
    told = ", ".join(f"{check.name} {check.detail}" for check in well)
    return [*rest[:1], Check("core", "packages", "ok", told), *rest[1:]]
