"""``docs/man``: a man page for the command line and one for each command (man(7))."""

import re
import textwrap
from collections.abc import Iterator

from dissector._version import __version__
from docs.generate.clitree import STATUS, Command, Section, commands, whole

DATE = "2026-11-22"
"""When the version was made that the pages are of; changed with it."""

_NOTES = ".SH NOTES"
_SITE = "The pages under docs/ of the source, as a site: make docs."
_ENVIRONMENT = (
    ("NO_COLOR", "Where it is set and not empty, nothing is coloured."),
    ("TERM", "Where it is dumb, neither; what is on a screen then is plain text."),
    (
        "OSLOSHARK_DEBUG",
        "Where it is set, an internal error is told with its trace, which holds no values of the wire.",
    ),
)


def pages() -> dict[str, str]:
    """Give the pages by the names of their files."""
    every = commands()
    found = {"osloshark.1": _page(whole(), [command.name for command in every], _overview(every))}
    for command in every:
        found[f"{command.name.replace(' ', '-')}.1"] = _page(command, ["osloshark"], [])
    return found


def _page(command: Command, related: list[str], more: list[str]) -> str:
    title = command.name.replace(" ", "-")
    notes = [section for section in command.sections if section.title is None]
    lines = [
        '.\\" Made of the command line by `make generate`; never edit it by hand.',
        f'.TH "{_text(title.upper())}" "1" "{DATE}" "osloshark {__version__}" "osloshark"',
        ".SH NAME",
        f"{_text(title)} \\- {_text(_lowered(command.summary).rstrip('.'))}",
        ".SH SYNOPSIS",
        f"\\fB{_text(command.name)}\\fR {_text(command.usage)}",
        ".SH DESCRIPTION",
        *_paragraphs(command.description),
        *more,
    ]
    if command.options:
        lines.append(".SH OPTIONS")
        for names, meaning in command.options:
            lines += [".TP", f"\\fB{_text(names)}\\fR", *_lines(meaning)]
    for section in [*notes, *(section for section in command.sections if section not in notes)]:
        lines += _section(section)
    first = lines.index(_NOTES) + 1 if notes else 0
    lines[first:] = [".PP" if line == _NOTES else line for line in lines[first:]]
    if not command.name.count(" "):
        lines.append(".SH ENVIRONMENT")
        for name, meaning in _ENVIRONMENT:
            lines += [".TP", f"\\fB{_text(name)}\\fR", *_lines(meaning)]
    lines += [".SH SEE ALSO"]
    others = [*(f"\\fB{_text(name.replace(' ', '-'))}\\fR(1)" for name in related), "\\fBtshark\\fR(1)"]
    lines += [f"{other}," for other in others[:-1]] + others[-1:]
    if not command.name.count(" "):
        lines += [".PP", *_lines(_SITE)]
    return "\n".join(lines) + "\n"


def _overview(every: list[Command]) -> list[str]:
    lines = [".SH COMMANDS"]
    for command in every:
        lines += [".TP", f"\\fB{_text(command.name.replace(' ', '-'))}\\fR(1)", *_lines(command.summary)]
    return lines


def _paragraphs(paragraphs: list[str]) -> Iterator[str]:
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ".PP"
        yield from _lines(paragraph)


def _section(section: Section) -> Iterator[str]:
    if section.title is None and not any(line.startswith(" ") for line in section.lines):
        yield _NOTES
        yield from _lines(" ".join(section.lines))
        return
    if section.title is None:
        yield _NOTES
    else:
        name, bracket, option = section.title.partition(" (")
        yield f".SH {_text(name.upper() + bracket + option)}"
    if section.title == STATUS and len(section.lines) == 1:
        yield from _lines(section.lines[0])
        return
    lead = [line for line in section.lines if not line.startswith(" ")] if section.title is None else []
    if lead:
        yield from _lines(" ".join(lead))
        yield ".PP"
    yield ".nf"
    for line in section.lines:
        if line not in lead:
            yield _line(line)
    yield ".fi"


def _lowered(summary: str) -> str:
    return summary[:1].lower() + summary[1:]


def _lines(text: str) -> list[str]:
    """Write a text that troff fills, in lines of the usual length."""
    return [_line(line) for line in textwrap.wrap(text, 66, break_long_words=False, break_on_hyphens=False)]


def _line(text: str) -> str:
    """Write a line of text, which is no request even where it begins like one."""
    written = _text(text)
    return f"\\&{written}" if written.startswith((".", "'")) else written


def _text(text: str) -> str:
    """Escape what troff would take for its own, and what is not ASCII."""
    written = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    written = written.replace('"', "\\(dq").replace("^", "\\(ha").replace("~", "\\(ti")
    return re.sub(r"[^\x00-\x7f]", lambda found: f"\\[u{ord(found[0]):04X}]", written)
