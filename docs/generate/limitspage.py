"""``docs/limits.md``: every bound of every buffer, as ``dissector/limits.py`` has it."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from dissector import limits

_HEAD = """\
# Limits

Whatever is on the wire, memory and time stay bounded: each buffer and each table has a limit. Reaching one is counted
and told, in the closing line or on a line of its own; it is never an error. These are constants: who needs another
value changes `dissector/limits.py`.

Generated from `dissector/limits.py` by `make generate`; never edit it by hand.
"""
_SECTION = re.compile(r"^# --- (.+?) -+$")


class Limit(NamedTuple):
    """One of them."""

    room: str
    name: str
    meaning: str


def every() -> Iterator[Limit]:
    """Read them in their order."""
    text = Path(limits.__file__).read_text(encoding="utf-8")
    rooms = {number: found[1] for number, line in enumerate(text.splitlines(), 1) if (found := _SECTION.match(line))}
    body = ast.parse(text).body
    for statement, after in pairwise(body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            told = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else None
            if not isinstance(told, str):
                raise ValueError(f"limits.{statement.target.id} has no docstring")
            room = next(name for number, name in reversed(rooms.items()) if number < statement.lineno)
            yield Limit(room, statement.target.id, " ".join(told.split()))


def value_of(name: str) -> str:
    """Say a limit's value with its unit, which its name ends with."""
    value = getattr(limits, name)
    if name.endswith("_NS"):
        return f"{value / 1e9:g} s"
    if name.endswith("_S"):
        return f"{value:g} s"
    if name.endswith(("_BYTES", "_CHARS")):
        for power, unit in ((30, "Gi"), (20, "Mi"), (10, "Ki")):
            if value >= 1 << power and value % (1 << power) == 0:
                return f"{value >> power:,} {unit}{'B' if name.endswith('_BYTES') else ' characters'}"
        return f"{value:,} {'bytes' if name.endswith('_BYTES') else 'characters'}"
    return f"{value:,}"


def render() -> str:
    """Write the whole page."""
    parts = [_HEAD]
    room = None
    for limit in every():
        if limit.room != room:
            room = limit.room
            parts.append(f"\n## {room}\n\n| limit | value | what it bounds, and why |\n|---|---|---|\n")
        meaning = limit.meaning.replace("``", "`").replace("|", "\\|")
        parts.append(f"| `{limit.name}` | {value_of(limit.name)} | {meaning} |\n")
    return "".join(parts)
