import csv
import io
import json

import pytest

from dissector.rpc.statistics import GROUPS

from ..lab import truth
from ..rpc.cuts import whole
from .command import osloshark

VERDICTS = truth.captures()["verdicts"]


def records(*options: object) -> dict[str, dict]:
    done = osloshark("stats", "-q", "-T", "jsonl", *options, VERDICTS)
    assert (done.returncode, done.stderr) == (0, b"")
    return {record["key"]: record for record in map(json.loads, done.stdout.splitlines())}


def test_by_method_is_the_default():
    found = records()
    assert {key: (r["count"], r["errors"], r["timeouts"]) for key, r in found.items()} == {
        "echo": (27, 0, 3),
        "get_host_uptime": (17, 3, 10),
        "get_diagnostics": (5, 5, 0),
        "compute.instance.update": (3, 0, 0),
        "port_update": (3, 0, 0),
        "instance.update": (1, 1, 0),
    }
    assert {record["by"] for record in found.values()} == {"method"}


def test_rates_are_requests_a_second_of_the_capture():
    found = records()
    rates = {round(record["count"] / record["rate"], 3) for record in found.values()}
    times = [t for rpc in whole("verdicts").values() for t in (rpc.publish_time, rpc.reply_deliver_time) if t]
    assert max(rates) - min(rates) < 0.01
    assert max(times) - min(times) <= max(rates) < max(times) - min(times) + 5


@pytest.mark.parametrize("by", GROUPS)
def test_each_group(by):
    found = records("--by", by)
    assert sum(record["count"] for record in found.values()) == (59 if by in ("queue", "server") else 56)
    assert sum(record["timeouts"] for record in found.values()) == 13
    expected = {"exchange": "nova", "topic": "compute", "queue": "compute.compute1"}.get(by)
    if expected:
        assert next(iter(found)) == expected


def test_table_and_csv_have_the_same_rows():
    table = osloshark("stats", "-q", VERDICTS).stdout.decode().splitlines()
    rows = list(csv.DictReader(io.StringIO(osloshark("stats", "-q", "-T", "csv", VERDICTS).stdout.decode())))
    assert [line.split()[0] for line in table] == ["method", *(row["key"] for row in rows)]
    assert [line.split()[1] for line in table[1:]] == [row["count"] for row in rows]


def test_a_group_that_there_is_not():
    done = osloshark("stats", "--by", "colour", VERDICTS)
    assert done.returncode == 2
    assert b"'method', 'exchange'" in done.stderr


def test_output_to_a_file(tmp_path):
    path = tmp_path / "stats.csv"
    done = osloshark("stats", "-q", "-T", "csv", "-o", path, VERDICTS)
    assert (done.returncode, done.stdout) == (0, b"")
    assert path.read_text().startswith("by,key,count,rate,")


def test_a_capture_without_requests():
    done = osloshark("stats", truth.captures()["channels"])
    assert done.returncode == 0
    assert done.stdout.decode().count("\n") == 1
