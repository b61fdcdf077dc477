"""What ``make live-bench`` found, as it is kept in `docs/`, and as the README shows it."""

from statistics import median
from typing import Final

import msgspec

from ..bench.captures import ROOT
from ..bench.results import Machine
from ..bench.table import machine_text, markdown

KEPT: Final = ROOT / "docs" / "live-bench.json"
README: Final = ROOT / "README.md"
BEGIN: Final = "<!-- what `make live-bench` found: made of docs/live-bench.json, not edited -->\n"
END: Final = "<!-- end of what `make live-bench` found -->\n"
ALONE: Final = "alone"
FIREHOSE: Final = "firehose"
WAYS: Final = {"scapy": "`osloshark live -T jsonl`", "dumpcap": "`osloshark live -T jsonl --capture child` (dumpcap)"}
_MODES: Final = {ALONE: "alone", FIREHOSE: "`trace_on` and a consumer of the firehose", **WAYS}
_LATENCIES: Final = {
    "scapy": "a socket of its own (root; `--capture scapy`)",
    "dumpcap": "dumpcap",
    "tcpdump": "tcpdump",
}


class Rate(msgspec.Struct):
    """A replay."""

    way: str
    packets_per_s: int
    packets: int
    kernel_drops: int
    own_drops: int
    later_s: float
    """Time from the end of the replay until all was decoded."""


class Latency(msgspec.Struct):
    """From a message's last packet to its line."""

    way: str
    milliseconds: list[float]

    def summary(self) -> tuple[float, float, float]:
        """Give the median, the 95th percentile and the maximum, milliseconds."""
        found = sorted(self.milliseconds)
        return median(found), found[int(len(found) * 0.95)], found[-1]


class Overhead(msgspec.Struct):
    """What went through the broker; a value a round."""

    mode: str
    messages_per_s: list[int] = []
    packets: list[int] = []
    """Packets that osloshark decoded,"""
    dropped: list[int] = []
    """and those that it told to be dropped."""


class Found(msgspec.Struct):
    """All of it."""

    machine: Machine
    rounds: int
    clients: int
    round_s: int
    rates: list[Rate]
    latencies: list[Latency]
    overheads: list[Overhead]


def text(found: Found) -> str:
    """Say all that was found."""
    paragraphs = []
    if found.latencies:
        rows = [["from a message's last packet to its line", "median", "95 %", "longest"]]
        for latency in found.latencies:
            rows.append([_LATENCIES[latency.way], *(f"{value:,.0f} ms" for value in latency.summary())])
        paragraphs.append(markdown(rows))
    if found.rates:
        rows = [["100 MB replayed with tcpreplay", "packets/s", "packets", "dropped, all told", "decoded later by"]]
        for rate in found.rates:
            dropped = f"{rate.kernel_drops + rate.own_drops:,}"
            row = [f"{rate.packets_per_s:,}", f"{rate.packets:,}", dropped, f"{rate.later_s:.0f} s"]
            rows.append([WAYS[rate.way], *row])
        paragraphs.append(markdown(rows))
    if found.overheads:
        alone = next(median(each.messages_per_s) for each in found.overheads if each.mode == ALONE)
        rows = [["messages through a broker as busy as it goes", "messages/s", "of alone", "packets not seen"]]
        for each in found.overheads:
            taken = median(each.messages_per_s)
            total = sum(each.packets) + sum(each.dropped)
            missed = f"{sum(each.dropped) / total:.1%}" if total else ""
            rows.append([_MODES[each.mode], f"{taken:,.0f}", f"{taken / alone:.0%}", missed])
        paragraphs.append(markdown(rows))
    paragraphs.append(
        f"Medians of {found.rounds} alternating rounds of {found.round_s} s, {found.clients} clients, bodies of 1 kB; "
        f"broker, clients and osloshark share the processors of {machine_text(found.machine)}.\n"
    )
    return "\n".join(paragraphs)


def put(readme: str, found: Found) -> str:
    """Give the README with what was found; raises ValueError where the markers are missing."""
    begin = readme.index(BEGIN) + len(BEGIN)
    return readme[:begin] + text(found) + readme[readme.index(END, begin) :]


def kept() -> Found:
    """Read what was found before."""
    return msgspec.json.decode(KEPT.read_bytes(), type=Found)
