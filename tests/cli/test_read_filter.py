"""``-Y`` and ``-T table``."""

import json
import subprocess
import sys

import pytest

from dissector import read

from ..lab import truth
from .command import osloshark

DEMO = truth.captures()["demo"]
MESSAGES = list(read(DEMO))


def numbers(*arguments):
    done = osloshark("read", "-T", "fields", "-e", "frame.number", *arguments, DEMO)
    assert done.returncode == 0
    return [int(line) for line in done.stdout.split()]


def test_only_what_matches_is_shown():
    wanted = [m.frame.number for m in MESSAGES if m.oslo and m.oslo.failure]
    assert wanted
    assert numbers("-Y", "oslo.failure") == wanted
    assert [
        int(line.split()[0]) for line in osloshark("read", "-Y", "oslo.failure", DEMO).stdout.splitlines()
    ] == wanted
    agents = [(m.frame.number, (m.oslo.args or {}).get("agent_state")) for m in MESSAGES if m.oslo]
    assert numbers("-Y", 'oslo.args.agent_state.agent_state.host == "network1"') == [
        number for number, agent in agents if agent and agent["agent_state"]["host"] == "network1"
    ]


def test_count_counts_what_matches():
    replies = [m.frame.number for m in MESSAGES if m.oslo and m.oslo.kind == "reply"]
    assert numbers("-c", "2", "-Y", 'oslo.kind == "reply"') == replies[:2]


@pytest.mark.parametrize("format_", ["jsonl", "firehose", "trace-json", "trace-text"])
def test_on_every_format(format_):
    whole = osloshark("read", "-T", format_, DEMO).stdout
    assert osloshark("read", "-T", format_, "-Y", "frame", DEMO).stdout == whole
    assert osloshark("read", "-T", format_, "-Y", "!frame", DEMO).stdout == b""


def test_tracing_learns_queues_from_deliveries_that_are_not_shown():
    whole = osloshark("read", "-T", "trace-json", DEMO).stdout.splitlines()
    only = osloshark("read", "-T", "trace-json", "-Y", 'amqp.leg == "publish"', DEMO).stdout.splitlines()
    assert only == [line for line in whole if json.loads(line)["type"] == "published"]
    assert any(json.loads(line)["routed_queues"] for line in only)


def test_events_match_by_their_fields():
    def names(*arguments):
        lines = osloshark("read", "-T", "jsonl", "--events", *arguments, DEMO).stdout.splitlines()
        return [json.loads(line).get("event", {}).get("name") for line in lines]

    assert set(names("-Y", 'event.name matches "declare"')) >= {"queue.declare", "queue.declare-ok"}
    assert None not in names("-Y", "event")
    assert set(names("-Y", "amqp")) == {None}
    assert len(names("-Y", "frame")) == len(names())


def test_what_is_malformed_is_hidden_unless_it_matches(tmp_path):
    path = tmp_path / "broken.pcap"
    path.write_bytes(DEMO.read_bytes().replace(b"\x00\x3c\x00\x28\x00\x00", b"\x00\x3c\x77\x28\x00\x00", 1))
    assert b" malformed " in osloshark("read", path).stdout
    assert b" malformed " not in osloshark("read", "-Y", "oslo", path).stdout
    lines = osloshark("read", "-Y", 'event.name == "malformed"', path).stdout.splitlines()
    assert lines
    assert all(b" malformed " in line for line in lines)


def test_a_wrong_filter_is_told_with_a_caret():
    done = osloshark("read", "-Y", 'ip && oslo.metod == "x"', DEMO)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().splitlines() == [
        "osloshark: no field oslo.metod; nearest: oslo.method",
        '    ip && oslo.metod == "x"',
        "          ^~~~~~~~~~",
    ]


def test_a_table():
    done = osloshark(
        "read", "-T", "table", "-E", "header=y", "-E", "separator=,", "-e", "oslo.kind", "-e", "ip.src", DEMO
    )
    head, *lines = done.stdout.decode().splitlines()
    assert head == "oslo.kind,ip.src"
    assert lines == [f"{m.oslo.kind if m.oslo else ''},{m.ip.src}" for m in MESSAGES]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["-T", "table"], "-T table needs a column; name one with -e"),
        (["-T", "fields"], "-T fields needs a column"),
        (["-e", "frame.number"], "-e and -E go with -T table"),
        (["-T", "jsonl", "-E", "header=y"], "-e and -E go with -T table"),
        (["-T", "table", "-e", "oslo.metod"], "-e oslo.metod: no field oslo.metod; nearest: oslo.method"),
        (["-T", "table", "-e", "oslo.kind", "-E", "x"], "-E x: not one of separator="),
        (["-T", "table", "-V", "-e", "oslo.kind"], "-V goes with -T text"),
    ],
)
def test_errors(arguments, error):
    done = osloshark("read", *arguments, DEMO)
    assert (done.returncode, done.stdout) == (2, b"")
    assert error in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_no_filter_loads_no_grammar():
    code = "import sys, dissector.cli.read, dissector.views.lookup; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"lark", "re2"}.intersection(loaded)
