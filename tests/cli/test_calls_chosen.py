"""Display filters and saving on the commands that show calls."""

import json

import pytest

from ..lab import truth
from .command import osloshark

DEMO = truth.captures()["demo"]


def calls(*arguments):
    done = osloshark("calls", "-q", "-T", "jsonl", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["rpc"] for line in done.stdout.splitlines()]


def test_a_filter_chooses_calls():
    every = calls(DEMO)
    chosen = calls("-Y", 'rpc.kind == "call" && rpc.latency_s > 0.005', DEMO)
    assert chosen == [rpc for rpc in every if rpc["kind"] == "call" and (rpc["latency_s"] or 0) > 0.005]
    assert 0 < len(chosen) < len(every)


@pytest.mark.parametrize("command", ["calls", "stats", "trace"])
@pytest.mark.parametrize("expression", ['oslo.metod == "x"', "rpc.metod", "rpc.kind =="])
def test_what_is_no_filter_of_calls_is_told(command, expression):
    wanted = ["req-12345678"] if command == "trace" else []
    done = osloshark(command, *wanted, "-Y", expression, DEMO)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"osloshark: ")
    assert b"Traceback" not in done.stderr


def test_a_filter_chooses_what_is_counted():
    done = osloshark("stats", "-q", "-T", "jsonl", "-Y", 'rpc.kind == "notification"', DEMO)
    counted = sum(json.loads(line)["count"] for line in done.stdout.splitlines())
    assert counted == sum(rpc["kind"] == "notification" for rpc in calls(DEMO))


@pytest.mark.parametrize("handshake", [[], ["--handshake"]])
def test_saved_calls_are_the_same_calls(tmp_path, handshake):
    small = tmp_path / "small.pcapng"
    chosen = calls("--status", "timed_out,failed", DEMO)
    done = osloshark("calls", "--status", "timed_out,failed", "-w", small, *handshake, DEMO)
    assert done.returncode == 0
    assert b" packets of " in done.stderr
    ids = ("unique_id", "msg_id", "publish_time", "deliver_time", "reply_deliver_time", "latency_s", "failure")
    key = [[rpc[name] for name in ids] for rpc in chosen]
    assert sorted([[rpc[name] for name in ids] for rpc in calls(small)], key=str) == sorted(key, key=str)


def test_standard_input_cannot_be_saved_from():
    done = osloshark("calls", "-w", "/dev/null", "-", stdin=DEMO.read_bytes())
    assert done.returncode == 2
    assert b"-w reads the captures twice" in done.stderr


def test_sorting():
    by_latency = calls("--sort", "latency", DEMO)
    latencies = [rpc["latency_s"] or -1 for rpc in by_latency]
    assert latencies == sorted(latencies, reverse=True)


def test_a_filter_may_ask_about_the_request():
    every = calls(DEMO)
    asked = calls("-Y", 'oslo.args.instance && ip.addr == 10.99.0.11 && amqp.exchange == "nova"', DEMO)
    assert {rpc["method"] for rpc in asked} == {"get_console_output", "attach_interface", "build_and_run_instance"}
    both = calls("-Y", 'oslo.method == "attach_interface" && rpc.status == "failed"', DEMO)
    assert both == [rpc for rpc in every if rpc["status"] == "failed"]


@pytest.mark.parametrize("command", [["read"], ["topology"], ["agents"], ["read", "-T", "table", "-e", "frame.number"]])
def test_messages_have_no_fields_of_calls(command):
    done = osloshark(*command, "-Y", 'rpc.status == "failed"', DEMO)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"messages have no rpc.* fields" in done.stderr


def test_columns_of_calls():
    done = osloshark("calls", "-q", "-T", "table", "-e", "rpc.method", "-e", "rpc.latency_s", DEMO)
    rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert [row[0] for row in rows] == [rpc["method"] for rpc in calls(DEMO)]
    assert [row[1] for row in rows] == [json.dumps(rpc["latency_s"]) if rpc["latency_s"] else "" for rpc in calls(DEMO)]


@pytest.mark.parametrize(
    "options",
    [["-e", "oslo.method"], ["-e", "rpc"], ["-T", "csv", "-e", "rpc.method"], ["-T", "jsonl", "-E", "header=y"]],
)
def test_columns_that_calls_do_not_have(options):
    done = osloshark("calls", *options, DEMO)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1
