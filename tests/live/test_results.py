"""What the README says of live captures is what was measured."""

import pytest

from ..bench.results import Machine
from .results import ALONE, BEGIN, END, FIREHOSE, README, Found, Latency, Overhead, Rate, kept, put, text

FOUND = Found(
    Machine("A processor", 2, 8 << 30, "Linux x86_64", 0.1, {"Python": "3.11.7"}),
    3,
    3,
    6,
    [Rate("scapy", 40_000, 1000, 0, 0, 1.2), Rate("dumpcap", 80_000, 5000, 1, 2, 3.0)],
    [Latency("dumpcap", [float(number) for number in range(101)])],
    [Overhead(ALONE, [100, 200, 400]), Overhead(FIREHOSE, [50]), Overhead("scapy", [150], [90], [10])],
)


def test_the_readme_shows_what_was_found():
    readme = README.read_text()
    assert put(readme, kept()) == readme, "`make live-bench` writes both"


def test_what_is_kept_is_whole():
    found = kept()
    assert {each.way for each in found.latencies} == {"scapy", "dumpcap", "tcpdump"}
    assert all(len(each.milliseconds) >= 200 for each in found.latencies)
    assert all(len(each.messages_per_s) == found.rounds for each in found.overheads)
    assert [each.kernel_drops + each.own_drops for each in found.rates if each.packets < 10**6] == [0, 0]


def test_it_is_said_as_a_table():
    lines = text(FOUND).splitlines()
    assert "| dumpcap | 50 ms | 95 ms | 100 ms |" in lines
    assert "| `osloshark live -T jsonl` | 40,000 | 1,000 | 0 | 1 s |" in lines
    assert "| `osloshark live -T jsonl` | 150 | 75% | 10.0% |" in lines
    assert "| `trace_on` and a consumer of the firehose | 50 | 25% |  |" in lines
    assert "A processor, 2 cores" in lines[-1]


def test_into_the_readme():
    assert put(f"a\n{BEGIN}old\n{END}b\n", FOUND) == f"a\n{BEGIN}{text(FOUND)}{END}b\n"
    with pytest.raises(ValueError, match="not found"):
        put("no markers", FOUND)
