"""``docs/cli.md``: the reference of the command line."""

import re

from docs.generate.clitree import STATUS, Command, Section, commands, whole

_HEAD = """\
# Command line

What `osloshark COMMAND --help` tells, and the man pages (`man osloshark-read`).

Generated from the command line by `make generate`; never edit it by hand.

"""


def render() -> str:
    """Write the whole page."""
    every = commands()
    rows = "".join(
        f"| [`{command.name}`](#{_anchor(command.name)}) | {_text(command.summary)} |\n" for command in every
    )
    all_of_them = whole()
    sections = "".join(map(_section, all_of_them.sections))
    listed = f"| command | what it does |\n|---|---|\n{rows}\n"
    return _HEAD + listed + sections.rstrip("\n") + "\n" + "".join(map(_command, every))


def _anchor(name: str) -> str:
    return name.replace(" ", "-")


def _command(command: Command) -> str:
    parts = [f"\n## {command.name}\n\n```text\n{command.name} {command.usage}\n```\n\n"]
    parts += [f"{_text(paragraph)}\n\n" for paragraph in command.description]
    parts.append("| option | meaning |\n|---|---|\n")
    parts += [f"| `{names.replace('|', chr(92) + '|')}` | {_text(meaning)} |\n" for names, meaning in command.options]
    parts.append("\n")
    parts += map(_section, command.sections)
    return "".join(parts).rstrip("\n") + "\n"


def _section(section: Section) -> str:
    if section.title is None and not any(line.startswith(" ") for line in section.lines):
        return f"{_text(' '.join(section.lines))}\n\n"
    title = f"{_text(section.title)}:\n\n" if section.title else ""
    if len(section.lines) == 1 and section.title == STATUS:
        return f"{_text(section.title)}: {_text(section.lines[0])}\n\n"
    return f"{title}```text\n" + "\n".join(section.lines) + "\n```\n\n"


def _text(text: str) -> str:
    """Escape what Markdown would take for its own."""
    return re.sub(r"([*_<>|`\\\[\]])", r"\\\1", " ".join(text.split()))
