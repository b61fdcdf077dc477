import csv
import io
import json
import re
from functools import cache

import msgspec
import pytest
from pika import spec

from dissector.rpc.records import AgentRecord, CallerRecord

from ..amqp.amqp_frames import content
from ..lab import truth
from ..test_against_tshark import GREETING, write
from .command import osloshark


@cache
def agents(*arguments):
    return osloshark("agents", *arguments)


DEMO = truth.captures()["demo"]
HOSTILE = "\x1b[31mred\nline\u202e"


@pytest.fixture
def hostile(tmp_path):
    """A capture of agents whose names would command a terminal, and run in a spreadsheet."""
    octets = []
    for host in ("=cmd()", "+1", "-1", "@x", "\t=1", HOSTILE):
        state = {"agent_state": {"agent_state": {"host": host, "binary": host, "agent_type": host}}}
        inner = {"method": "report_state", "args": state, "_unique_id": host}
        body = json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(inner)}).encode()
        octets += content(1, spec.Basic.Publish(exchange="neutron", routing_key=HOSTILE), body)
    return write(tmp_path / "hostile.pcap", [*GREETING, (True, b"".join(octets))])


def test_agents_then_who_calls_whom():
    done = agents(DEMO)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0
    assert b"82 messages; complete" in done.stderr
    assert [line for line in lines if re.fullmatch(r"[A-Z][\w ]+ \(\d+\)", line)] == [
        "Agents (2)",
        "Who calls whom (20)",
    ]
    (dhcp,) = [line for line in lines if line.startswith("DHCP agent")]
    assert dhcp.split() == [
        *("DHCP", "agent", "network1", "neutron-dhcp-agent", "neutron-dhcp-agent:20882", "10.99.0.21"),
        *("3", "1.7", "s", "?", "3.483904", "2.0", "s", "1", "report_state"),
    ]
    (build,) = [line for line in lines if "schedule_and_build_instances" in line]
    assert build.split()[:5] == [
        *("nova-api", "compute_task.schedule_and_build_instances", "conductor", "nova", "cast"),
    ]


def test_one_of_the_two():
    first = agents("--agents", DEMO).stdout
    matrix = agents("--matrix", DEMO).stdout
    assert first + matrix == agents(DEMO).stdout
    assert first.startswith(b"Agents (2)")
    assert matrix.startswith(b"Who calls whom (20)")


def test_jsonl_is_records():
    lines = agents("-T", "jsonl", "-q", DEMO).stdout.splitlines()
    found = [msgspec.json.decode(line, type=AgentRecord | CallerRecord) for line in lines]
    assert [type(one) for one in found] == [AgentRecord] * 2 + [CallerRecord] * 20


@pytest.mark.parametrize(("option", "kind"), [("--agents", AgentRecord), ("--matrix", CallerRecord)])
def test_csv_has_the_fields_of_the_records(option, kind):
    rows = list(csv.DictReader(io.StringIO(agents("-T", "csv", option, DEMO).stdout.decode())))
    lines = agents("-T", "jsonl", option, DEMO).stdout.splitlines()
    assert tuple(rows[0]) == kind.__struct_fields__
    for row, line in zip(rows, map(json.loads, lines), strict=True):
        for name, value in row.items():
            told = line[name]
            assert value == ("" if told is None else str(told).lower() if isinstance(told, bool) else str(told))


def test_csv_is_of_the_agents_unless_asked_otherwise():
    assert agents("-T", "csv", DEMO).stdout == agents("-T", "csv", "--agents", DEMO).stdout


def test_no_cell_is_run_by_a_spreadsheet(hostile):
    rows = list(csv.reader(io.StringIO(agents("-T", "csv", hostile).stdout.decode())))
    assert [row[1] for row in rows[1:]] == ["'=cmd()", "'+1", "'-1", "'@x", r"\t=1", r"\x1b[31mred\nline\u202e"]


@pytest.mark.parametrize("arguments", [[], ["-T", "jsonl"], ["-T", "csv"], ["-T", "csv", "--matrix"]])
def test_nothing_from_the_wire_commands_the_terminal(hostile, arguments):
    done = agents(*arguments, hostile)
    assert done.returncode == 0
    assert "red" in done.stdout.decode()
    assert done.stdout.decode().replace("\n", "").isprintable()


def test_nothing_seen_is_said():
    done = agents(truth.captures()["channels"])
    assert done.stdout == b"Agents: none seen\n\nWho calls whom: none seen\n\n"


def test_a_filter_chooses_what_is_looked_at():
    done = osloshark(
        "agents", "--agents", "-T", "jsonl", "-Y", 'oslo.args.agent_state.agent_state.host == "network1"', DEMO
    )
    assert [json.loads(line)["host"] for line in done.stdout.splitlines()] == ["network1"]


def test_not_both():
    done = agents("--agents", "--matrix", DEMO)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)


def test_help_has_examples_and_fits_a_terminal():
    text = agents("--help").stdout.decode()
    assert "Examples:" in text
    assert all(len(line) <= 80 for line in text.splitlines())
