"""``osloshark fields``: the field registry."""

from collections.abc import Iterator, Sequence

import click
import msgspec

from dissector.cli.output import Output, OutputClosed
from dissector.errors import UsageError
from dissector.fields import Field
from dissector.views.fieldsdoc import all_fields

EPILOG = """\b
Examples:
  osloshark fields             all of them
  osloshark fields oslo.       those whose name begins with it
  osloshark fields latency     those whose name has it
  osloshark fields -T jsonl | jq -r .name
"""


@click.command("fields", epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("part", metavar="[NAME]", default="")
@click.option(
    "-T",
    "format_",
    metavar="FORMAT",
    default="text",
    help="text (the default) or jsonl, a JSON object a line.",
    type=click.Choice(["text", "jsonl"]),
)
def command(part: str, *, format_: str) -> int:
    """List the fields: name, type, unit, meaning.

    They are the names in filters (-Y) and of columns (-e), and the paths in the JSON of -T jsonl.
    """
    fields = chosen(part)
    if not fields:
        raise UsageError(f"no field has {part!a} in its name; 'osloshark fields' lists them all")
    lines = [msgspec.json.encode(field).decode() for field in fields] if format_ == "jsonl" else _aligned(fields)
    try:
        with Output(None) as output:
            output.write("".join(line + "\n" for line in lines).encode())
    except OutputClosed:
        pass
    return 0


def chosen(part: str) -> list[Field]:
    """Give the fields whose names begin with a part; where none does, those that have it anywhere."""
    fields = all_fields()
    return [field for field in fields if field.name.startswith(part)] or [
        field for field in fields if part.lower() in field.name
    ]


def _aligned(fields: Sequence[Field]) -> Iterator[str]:
    rows = [(field.name, field.type, field.unit or "") for field in fields]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row, field in zip(rows, fields, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width]
        yield "  ".join([*cells, field.meaning])
