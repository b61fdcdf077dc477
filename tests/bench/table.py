"""What a bench found as a table of Markdown, and its place in the README."""

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from .captures import ROOT
from .results import Bench, Machine, Part, ratio

KEPT: Final = ROOT / "docs" / "bench.json"
README: Final = ROOT / "README.md"
BEGIN: Final = "<!-- what `make bench` found: made of docs/bench.json, not edited -->\n"
END: Final = "<!-- end of what `make bench` found -->\n"
YARDSTICK: Final = "tshark -T fields"
"""The row that others are compared with."""


def markdown(rows: list[list[str]]) -> str:
    """Give a table; the first row is its head, the first column is text."""
    head, *others = rows
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *others))


def seconds(value: float) -> str:
    """Write a time with two digits at least."""
    return f"{value:,.0f} s" if value >= 100 else f"{value:.1f} s" if value >= 10 else f"{value:.2f} s"


def megabytes(octets: float) -> str:
    return f"{octets / 1e6:,.0f} MB"


def times(value: float) -> str:
    """Write a ratio."""
    return f"{value:,.0f}×" if value >= 100 else f"{value:.1f}×" if value >= 0.1 else f"{value:.3f}×"


def table(part: Part) -> str:
    """Give the table of one capture."""
    base = next((row for row in part.rows if row.name == YARDSTICK), None)
    rows = [["", "time", "of it CPU", "MB/s", "packets/s", "memory", f"than {YARDSTICK}"]]
    for row in part.rows:
        taken = median(row.seconds)
        rows.append(
            [
                f"`{row.name}`" + (f", {row.cores} cores" if row.cores > 1 else "") + ("¹" if row.scaled_from else ""),
                seconds(taken),
                seconds(median(row.cpu_seconds)),
                f"{part.octets / taken / 1e6:,.3g}"
                if taken * 1e7 > part.octets
                else f"{part.octets / taken / 1e6:,.0f}",
                f"{part.packets / taken:,.0f}",
                megabytes(max(row.peak_bytes)),
                times(ratio(base, row)) if base else "-",
            ]
        )
    return markdown(rows)


def text(bench: Bench) -> str:
    """Say all that was found."""
    paragraphs = []
    for part in bench.parts:
        average = part.body_octets / max(part.messages, 1) / 1000
        paragraphs.append(
            f"{part.octets / 1e6:,.0f} MB of {part.connections} connections, {part.packets:,} packets, "
            f"{part.messages:,} messages with bodies of {average:.1f} kB on average:\n"
        )
        paragraphs.append(table(part))
        paragraphs.extend(_scaled(part))
    rows = [["", "time"], *([start.name, seconds(median(start.seconds))] for start in bench.starts)]
    paragraphs.append(markdown(rows))
    paragraphs.append(f"Medians of {bench.rounds} rounds, on {machine_text(bench.machine)}.\n")
    return "\n".join(paragraphs)


def machine_text(machine: Machine) -> str:
    """Say where it was measured."""
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    return f"{machine.processor}, {machine.cores} cores, {machine.system}; {versions}"


def _scaled(part: Part) -> Iterable[str]:
    scaled = [row for row in part.rows if row.scaled_from]
    if scaled:
        counts = ", ".join(f"{row.name}'s of the first {row.scaled_from:,}" for row in scaled)
        yield f"¹ Reckoned from the time of fewer packets, {counts}; the memory is for these.\n"


def section(readme: str) -> str:
    """Find what stands between the markers in the README; raises ValueError where they are missing."""
    begin = readme.index(BEGIN) + len(BEGIN)
    return readme[begin : readme.index(END, begin)]


def put(readme: str, bench: Bench) -> str:
    """Give the README with what was found."""
    begin = readme.index(BEGIN) + len(BEGIN)
    return readme[:begin] + text(bench) + readme[readme.index(END, begin) :]


def kept(path: Path = KEPT) -> Bench:
    """Read what was found before."""
    return msgspec.json.decode(path.read_bytes(), type=Bench)
