import csv
import io
import json
import subprocess

import pytest

from ..lab import truth
from ..rpc.cuts import whole
from .command import COMMAND, osloshark

VERDICTS = truth.captures()["verdicts"]


def records(*options: object) -> list[dict]:
    done = osloshark("calls", "-q", "-T", "jsonl", *options, VERDICTS)
    assert (done.returncode, done.stderr) == (0, b"")
    return [json.loads(line)["rpc"] for line in done.stdout.splitlines()]


def test_a_table_is_the_default():
    done = osloshark("calls", VERDICTS)
    head, *lines = done.stdout.decode().splitlines()
    assert done.returncode == 0
    assert head.split()[:2] == ["time", "latency"]
    assert len(lines) == 56
    assert sum("timed_out: no_reply" in line for line in lines) == 3
    assert b"complete" in done.stderr


def test_json_lines_are_the_library_s_records():
    told = {rpc["msg_id"]: (rpc["status"], rpc["cause"], rpc["latency_s"]) for rpc in records() if rpc["msg_id"]}
    known = whole("verdicts").values()
    assert told == {rpc.msg_id: (rpc.status, rpc.cause, rpc.latency_s) for rpc in known if rpc.msg_id}


def test_csv():
    done = osloshark("calls", "-q", "-T", "csv", VERDICTS)
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert len(rows) == 56
    assert sum(row["rpc.cause"] == "late_reply" for row in rows) == 3


@pytest.mark.parametrize(
    ("statuses", "count"), [("failed", 5), ("failed,timed_out", 18), ("sent", 10), ("undelivered,pending", 8)]
)
def test_status(statuses, count):
    found = records("--status", statuses)
    assert len(found) == count
    assert {rpc["status"] for rpc in found} == set(statuses.split(","))


@pytest.mark.parametrize("statuses", ["", "good", "failed,", "failed,good"])
def test_a_status_that_there_is_not(statuses):
    done = osloshark("calls", "--status", statuses, VERDICTS)
    assert done.returncode == 2
    assert b"choose from ok, failed, timed_out, sent, undelivered, pending" in done.stderr


@pytest.mark.parametrize(
    ("key", "value", "is_descending"),
    [
        ("latency", lambda rpc: rpc["latency_s"], True),
        ("queue_wait", lambda rpc: rpc["queue_wait_s"], True),
        ("bytes", lambda rpc: (rpc["request_bytes"] or 0) + (rpc["reply_bytes"] or 0), True),
        ("time", lambda rpc: rpc["publish_time"], False),
    ],
)
def test_sort(key, value, is_descending):
    found = [value(rpc) for rpc in records("--sort", key)]
    known = [one for one in found if one is not None]
    assert len(found) == 56
    assert known == sorted(known, reverse=is_descending)
    assert found[: len(known)] == known  # what has none comes last


def test_slower():
    found = records("--slower", "0.5", "--sort", "latency")
    assert [rpc["cause"] for rpc in found] == ["late_reply"] * 3


def test_nothing_chosen_is_a_table_with_a_head():
    done = osloshark("calls", "-q", "--slower", "100", VERDICTS)
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 1)


def test_both_sides_of_a_proxy_are_told():
    done = osloshark("calls", truth.captures()["any-twice"])
    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 10


def test_a_call_is_shown_once_its_verdict_is_known_while_the_pipe_is_open():
    whole_capture = VERDICTS.read_bytes()
    shown = osloshark("calls", "-q", "-T", "jsonl", VERDICTS).stdout.splitlines(keepends=True)
    process = subprocess.Popen(
        [COMMAND, "calls", "-q", "-T", "jsonl", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        process.stdin.write(whole_capture[: len(whole_capture) // 2])
        process.stdin.flush()
        first = [process.stdout.readline() for _ in range(20)]
        process.stdin.write(whole_capture[len(whole_capture) // 2 :])
        process.stdin.close()
        rest = process.stdout.read().splitlines(keepends=True)
    finally:
        process.stdout.close()
        process.wait()
    assert process.returncode == 0
    assert first == shown[:20]
    assert sorted(first + rest) == sorted(shown)


def test_a_sorted_pipe_waits_for_its_end():
    piped = osloshark("calls", "-q", "-T", "jsonl", "--sort", "time", "-", stdin=VERDICTS.read_bytes())
    assert piped.stdout == osloshark("calls", "-q", "-T", "jsonl", "--sort", "time", VERDICTS).stdout


def test_no_capture():
    done = osloshark("calls")
    assert done.returncode == 2
    assert b"no capture given" in done.stderr


def test_a_broken_pipe_ends_quietly():
    command = f"{COMMAND} calls -q -T jsonl {VERDICTS} | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, check=False)
    assert (done.returncode, done.stdout.count(b"\n"), done.stderr) == (0, 1, b"")
