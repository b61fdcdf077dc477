"""What the README and docs/ show is what was found, and nothing is left that was not."""

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from . import growth, svg, table
from .captures import ROOT
from .commands import tshark_fields
from .growth import AXES, Found, Growth, points
from .results import Bench, Machine, Part, Row, Start, ratio

MACHINE = Machine("A processor", 2, 8 << 30, "Linux x86_64", 0.1, {"Python": "3.11.7"})


def row(name: str, *seconds: float, **more: object) -> Row:
    return Row(name, name, 1, list(seconds), [value / 2 for value in seconds], [50_000_000, 60_000_000], **more)


def part() -> Part:
    rows = [row("osloshark stats", 1.0, 0.5, 9.0), row(table.YARDSTICK, 10.0, 11.0, 9.0)]
    return Part(100_000_000, 150_000, 51, 30_000, 75_000_000, [*rows, row("pyshark", 200.0, scaled_from=4000)])


def bench() -> Bench:
    return Bench(MACHINE, 3, [part()], [Start("`osloshark --help`", "osloshark --help", [0.2, 0.1, 0.3])])


def test_the_readme_shows_what_was_found():
    assert table.section(table.README.read_text()) == table.text(table.kept()), "`make bench` writes both"


def test_the_plot_shows_what_was_found():
    assert (ROOT / "docs/bench.svg").read_text() == svg.bench(table.kept())


def test_growth_shows_what_was_found():
    kept = growth.kept()
    assert growth.KEPT.with_suffix(".md").read_text() == growth.text(kept), "`make growth` writes both"
    assert growth.KEPT.with_suffix(".svg").read_text() == growth.plot(kept)


def test_the_kept_bench_is_whole():
    kept = table.kept()
    names = {found.name for found in kept.parts[0].rows}
    assert {"osloshark stats", "osloshark read -T jsonl", table.YARDSTICK, "tshark -T json", "floor"} <= names
    for found in kept.parts[0].rows:
        assert len(found.seconds) == len(found.cpu_seconds) == len(found.peak_bytes) == kept.rounds
        assert str(Path.home()) not in found.command
        assert str(ROOT) not in found.command


def test_table():
    lines = table.table(part()).splitlines()
    assert lines[2] == "| `osloshark stats` | 1.00 s | 0.50 s | 100 | 150,000 | 60 MB | 10.0× |"
    assert lines[4] == "| `pyshark`¹ | 200 s | 100 s | 0.5 | 750 | 60 MB | 0.050× |"
    assert "bodies of 2.5 kB on average" in table.text(bench())
    assert "Medians of 3 rounds, on A processor, 2 cores" in table.text(bench())


def test_ratio_is_of_the_medians():
    slow, fast = row("slow", 8.0, 10.0, 60.0), row("fast", 1.0, 2.0, 3.0)
    assert ratio(slow, fast) == ratio(slow, fast, by_cpu=True) == 5


def test_into_the_readme_and_out():
    readme = f"# x\n\n{table.BEGIN}old\n{table.END}\nmore\n"
    put = table.put(readme, bench())
    assert table.section(put) == table.text(bench())
    assert put.startswith("# x\n\n")
    assert put.endswith("\nmore\n")
    with pytest.raises(ValueError, match="not found"):
        table.put("no markers", bench())


def test_plots_are_well_formed():
    found = [
        Found(axis, value, command, 10**8, 10**5, 10, 10**4, [1.0], [speed], [0.1], [10**8], [0.1])
        for axis in AXES
        for command in ("stats", "calls -T jsonl")
        for value, speed in ((10, 1.0), (1000, 2.0))
    ]
    drawn = [svg.bench(bench()), growth.plot(Growth(MACHINE, 1, found))]
    for picture in drawn:
        root = ElementTree.fromstring(picture)
        assert root.attrib["viewBox"]
    assert drawn[0].count("<rect") == 1 + 3
    assert drawn[1].count("<polyline") == 2 * 2 * len(AXES)


def test_no_capture_is_larger_than_asked():
    assert {point.axis for point in points(10**10)} == set(AXES)
    assert max(point.octets for point in points(10**10)) == 10**10
    assert all(point.octets <= 10**8 for point in points(10**8))


@pytest.mark.tshark
def test_tshark_prints_what_it_is_asked_for():
    done = subprocess.run(tshark_fields(str(ROOT / "pcaps/demo.pcap")), capture_output=True, text=True, check=True)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(lines) > 40
    assert all(number.isdigit() for number, _, _ in lines)
    assert sum(payload != "" for _, _, payload in lines) > 20
