"""Write ``docs/fields.md``, the reference of all fields, from the registry.

``python -m dissector.views.fieldsdoc`` rewrites the file. ``--check`` only compares: exit status 0 where it is
what the registry says, 1 with a diff where it is not, 2 where it could not be read.
"""

import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from dissector import drift
from dissector.fields import FIELDS, Field
from dissector.filter.names import ALIASES, alias_field

TARGET: Final = Path(__file__).resolve().parents[2] / "docs" / "fields.md"

_HEAD: Final = """\
# Fields

Every field of every record, under its one name: the path in the JSON of `-T jsonl`, the attribute path in Python, the
name in filters (`-Y`) and of columns (`-T table -e`). `osloshark fields` shows the same.

Generated from `dissector/fields.py` by `make generate`; never edit it by hand.

A type with `[]` has several values. Below a field of type `json` any path of keys is a name, too: `oslo.args.host`; a
key with other characters than letters, digits, `_` and `-` is put in quotes: `oslo.args."nova_object.data".uuid`; a
list stands for each of its elements.
"""

_TABLE_HEAD: Final = "| field | type | unit | meaning |\n|---|---|---|---|\n"
_TITLES: Final = {
    "frame": "`frame`: the packets",
    "ip": "`ip`: the addresses",
    "tcp": "`tcp`: the ports and the connection",
    "amqp": "`amqp`: the AMQP side of a message",
    "oslo": "`oslo`: the oslo.messaging side of a message",
    "body": "`body`: a body that is no oslo message",
    "event": "`event`: what is no message (`--events`)",
    "rpc": "`rpc`: a call with all its legs",
}


def all_fields() -> list[Field]:
    """List the registry's fields, and behind each group the aliases of the group."""
    fields = [*FIELDS.values(), *map(alias_field, ALIASES)]
    groups = list(dict.fromkeys(map(_group, fields)))
    return sorted(fields, key=lambda field: groups.index(_group(field)))


def _group(field: Field) -> str:
    return field.name.partition(".")[0]


def render() -> str:
    """Write the whole page."""
    parts = [_HEAD]
    for group, fields in groupby(all_fields(), _group):
        parts.append(
            f"\n## {_TITLES.get(group, f'`{group}`')}\n\n| field | type | unit | meaning |\n|---|---|---|---|\n"
        )
        parts += (
            f"| `{field.name}` | {field.type} | {field.unit or ''} | {field.meaning.replace('|', chr(92) + '|')} |\n"
            for field in fields
        )
    return "".join(parts)


def main(arguments: Sequence[str]) -> int:
    """Rewrite the page, or compare it; give the exit status (`dissector.drift.main`)."""
    return drift.main(TARGET, "the field registry", render, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
