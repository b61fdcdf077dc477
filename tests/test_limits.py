"""Every limit is reached by a test; reaching one is told, or changes nothing that is shown, and never raises."""

import ast
import lzma
import struct
from pathlib import Path

import pytest
import zstandard

from dissector import limits
from dissector.amqp.resync import Search
from dissector.cli.main import group
from dissector.filter.predicates import equal, network
from dissector.net.events import Endpoint, _text
from dissector.oslo.compression import decompress
from dissector.oslo.undecodable import Undecodable
from dissector.rpc.clients import ConnectionEntry
from dissector.rpc.heartbeats import read_beat
from dissector.rpc.hot import hot_of
from dissector.rpc.parties import Published, note, published
from dissector.rpc.sight import Process

from .lab.truth import captures
from .rpc.story import Rpc, Story, body

SOURCES = Path(limits.__file__).parent
TESTS = Path(__file__).parent
NAMES = [name for name in vars(limits) if name.isupper()]
UNSAID = (
    "ADDRESS_CACHE_ENTRIES",
    "DECODED_BODIES_BYTES",
    "FIRST_BATCH_BYTES",
    "FRAGMENTED_PACKETS",
    "GZIP_PIECE_BYTES",
    "HOT_BODIES_BYTES",
    "KEY_CACHE_CHARS",
    "KEY_CACHE_ENTRIES",
    "MERGE_READ_BYTES",
    "OVERLAP_PACKETS",
    "PIPE_BYTES",
    "PROPERTIES_MEMO_BYTES",
    "PROPERTIES_MEMO_ENTRIES",
    "SHARED_VALUES",
    "TEXT_CACHE_CHARS",
    "TEXT_CACHE_ENTRIES",
    "VOID_APPOINTMENTS",
    "WHOLE_DATAGRAMS",
    "ZSTD_PIECE_BYTES",
)
"""Those of caches and pieces: they cost time or keep memory, and nobody can see them in what is shown."""


def names_in(root: Path) -> set[str]:
    """All names, attributes and parts of dotted strings in the sources under a folder."""
    found: set[str] = set()
    for path in root.rglob("*.py"):
        if path != Path(limits.__file__):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Name):
                    found.add(node.id)
                elif isinstance(node, ast.Attribute):
                    found.add(node.attr)
                elif isinstance(node, ast.alias):
                    found.add(node.name)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.update(node.value.split("."))
    return found


def test_every_limit_is_used():
    assert set(NAMES) - names_in(SOURCES) == set()


def test_every_limit_is_reached_by_a_test():
    """Times are tested as what happens before and after them."""
    assert {name for name in NAMES if not name.endswith("_NS")} - names_in(TESTS) == set()


@pytest.fixture
def run(capfd):
    """Runs a command here, so that limits can be lowered; gives what it wrote and what it told."""

    def run_it(*words: object) -> tuple[str, str]:
        group.main([str(word) for word in words], "osloshark", standalone_mode=False)
        written = capfd.readouterr()
        return written.out, written.err

    return run_it


@pytest.mark.parametrize(
    "case",
    [
        ("CONNECTIONS", 1, "read", "demo", "connections too many at once"),
        ("CHANNELS", 1, "read", "channels", "frames on too many channels at once"),
        ("CONSUMERS", 1, "read", "old-releases", "too many at once"),
        ("UNSETTLED", 0, "read", "demo", "messages too many unsettled at once"),
        ("SHARED_BYTES", 100, "read", "demo", "connections with properties too large"),
        ("BODY_BYTES", 100, "read", "demo", "places with what is no whole message"),
        ("FRAME_BYTES", 100, "read", "demo", "bytes undecoded"),
        ("OPEN_CALLS", 1, "calls", "demo", "requests given out before their verdict, as too many were open"),
        ("UNSETTLED_LEGS", 1, "calls", "demo", "whose acks are not told, as too many were waited for"),
        ("DECLARED_QUEUES", 1, "calls", "demo", "declared queues that were forgotten"),
        ("TOPOLOGY_CONNECTIONS", 1, "topology", "demo", "connections are left out: there were too many"),
        ("TOPOLOGY_CHANNELS", 1, "topology", "demo", "channels are left out: there were too many"),
        ("TOPOLOGY_EXCHANGES", 1, "topology", "demo", "exchanges are left out: there were too many"),
        ("TOPOLOGY_QUEUES", 1, "topology", "demo", "queues are left out: there were too many"),
        ("TOPOLOGY_BINDINGS", 1, "topology", "demo", "bindings are left out: there were too many"),
        ("TOPOLOGY_CONSUMERS", 1, "topology", "demo", "consumers are left out: there were too many"),
        ("TOPOLOGY_FLOWS", 1, "topology", "demo", "flows are left out: there were too many"),
        ("AGENTS", 0, "agents", "neutron-nova", "agents are left out: there were too many"),
        ("CALLERS", 1, "agents", "demo", "callers are left out: there were too many"),
    ],
)
def test_reaching_a_limit_is_told(monkeypatch, run, case):
    name, value, command, capture, told = case
    path = captures()[capture]
    assert told not in run(command, path)[1]
    monkeypatch.setattr(limits, name, value)
    assert told in run(command, path)[1]


@pytest.mark.parametrize(("allowance", "ratio"), [(0, 0), (0, 1 << 20), (1 << 20, 0)])
def test_looking_for_frames_costs_in_proportion(monkeypatch, allowance, ratio):
    monkeypatch.setattr(limits, "RESYNC_DECODED_BYTES", allowance)
    monkeypatch.setattr(limits, "RESYNC_DECODED_RATIO", ratio)
    ack = struct.pack(">BHIHHQB", 1, 1, 13, 60, 80, 7, 0) + b"\xce"
    data = b"no frame\xce" + ack + ack
    place = Search().find(data, 0, [len(data)], at_hole=False, is_last=True)
    assert place.is_frame is bool(allowance or ratio)


def test_openings(monkeypatch, run, tmp_path):
    words = ("calls", "--status", "failed", "--handshake", "-w")
    run(*words, tmp_path / "whole.pcapng", captures()["demo"])
    monkeypatch.setattr(limits, "OPENING_PACKETS", 3)
    run(*words, tmp_path / "short.pcapng", captures()["demo"])
    messages = [run("read", "-T", "jsonl", tmp_path / name)[0].count("\n") for name in ("whole.pcapng", "short.pcapng")]
    assert messages[0] == messages[1] > 0
    assert (tmp_path / "short.pcapng").stat().st_size < (tmp_path / "whole.pcapng").stat().st_size


def test_scrubbed_directions(monkeypatch, run, tmp_path):
    words = ("calls", "--scrub", "-w")
    run(*words, tmp_path / "all.pcapng", captures()["demo"])
    monkeypatch.setattr(limits, "SCRUBBED_DIRECTIONS", 1)
    run(*words, tmp_path / "one.pcapng", captures()["demo"])
    assert (tmp_path / "one.pcapng").read_bytes() == (tmp_path / "all.pcapng").read_bytes()


def test_sorted_calls(monkeypatch, run):
    monkeypatch.setattr(limits, "SORTED_CALLS", 2)
    shown, told = run("calls", "--sort", "latency", "-T", "jsonl", captures()["demo"])
    assert len(shown.splitlines()) == 2
    assert "calls that would stand further down are left out" in told


def test_failures_of_sorted_calls(monkeypatch, run):
    monkeypatch.setattr(limits, "FAILURE_CHARS", 1)
    shown, told = run("calls", "--sort", "time", "-T", "jsonl", captures()["demo"])
    assert b'"failure":{' not in shown.encode()
    assert "calls that would stand further down are left out" in told


@pytest.mark.parametrize("by", ["method", "exchange", "topic", "queue", "client", "server"])
def test_statistics_count_the_rest_together(monkeypatch, run, by):
    path = captures()["verdicts"]
    counted = [line.split(",")[2] for line in run("stats", "--by", by, "-T", "csv", path)[0].splitlines()[1:]]
    monkeypatch.setattr(limits, "STATISTICS_KEYS", 1)
    rows = [line.split(",") for line in run("stats", "--by", by, "-T", "csv", path)[0].splitlines()[1:]]
    assert len(rows) == 2
    assert "(other)" in [row[1] for row in rows]
    assert sum(int(row[2]) for row in rows) == sum(map(int, counted))


def test_what_is_unsaid_changes_nothing(monkeypatch, run):
    words = ("read", "-T", "jsonl", captures()["neutron-nova"], captures()["big-bodies"])
    expected = run(*words)
    for name in UNSAID:
        monkeypatch.setattr(limits, name, 1)
    assert run(*words) == expected


def test_no_limit_raises(monkeypatch, run):
    for name in NAMES:
        with monkeypatch.context() as patch:
            patch.setattr(limits, name, 1)
            run("calls", "-q", captures()["demo"])


def test_addresses_are_remembered_within_a_bound():
    ends = [Endpoint.from_packed(number.to_bytes(4, "big"), 1) for number in range(limits.ADDRESS_CACHE_ENTRIES + 9)]
    assert (ends[0].ip, ends[258].ip) == ("0.0.0.0", "0.0.1.2")
    assert _text.cache_info().currsize == limits.ADDRESS_CACHE_ENTRIES


def test_processes_of_a_thing_are_bounded():
    processes: dict[Process, None] = {}
    publishers: dict[Process, Published] = {}
    for number in range(limits.TOPOLOGY_PARTIES + 9):
        note(processes, (f"10.0.0.{number}", None))
        published(publishers, (f"10.0.0.{number}", None), 1, 1)
    assert len(processes) == len(publishers) == limits.TOPOLOGY_PARTIES


def test_texts_of_peers_and_agents_are_cut():
    connection = Story().connection(name="x" * 9_000)
    assert connection.client_properties is not None
    entry = ConnectionEntry(connection, 0, 0)
    connection.client_properties["product"] = "p" * 9_000
    assert len(entry.record(1.0).product or "") == limits.TOPOLOGY_TEXT_CHARS
    story = Story()
    state = {"agent_state": {"agent_state": {"host": "h" * 9_000, "agent_type": "L3 agent"}}}
    report = story.message(story.connection(), "publish", body(method="report_state", args=state), 0)
    beat = read_beat(report, "report_state")
    assert beat is not None
    assert beat.host == "h" * limits.AGENT_NAME_CHARS


def test_what_is_too_long_is_no_address():
    address = network("::1")
    assert address is not None
    assert equal(address)("::1%" + "x" * (limits.ADDRESS_CHARS - 4))
    assert not equal(address)("::1%" + "x" * (limits.ADDRESS_CHARS - 3))


@pytest.mark.parametrize("name", ["lzma", "zstd"])
def test_decoders_allocate_within_a_bound(monkeypatch, name):
    content = bytes(range(256)) * 4096
    packed = lzma.compress(content) if name == "lzma" else zstandard.compress(content)
    assert decompress(packed, name) == content
    monkeypatch.setattr(limits, "DECOMPRESSION_WINDOW_BYTES", 1 << 10)
    with pytest.raises(Undecodable):
        decompress(packed, name)


def test_long_names_are_cut_and_stay_distinct():
    story = Story()
    found = []
    for end in "ab":
        Rpc(story, end).publish(0)
        message = story.events[-1]
        message.body = message.body.replace(b"unique-" + end.encode(), b"x" * 200_000 + end.encode())
        found.append(hot_of(message))
    assert found[0].unique_id != found[1].unique_id
    assert [len(hot.unique_id) for hot in found] == [limits.NAME_CHARS] * 2
    assert found[0].method == "echo"
