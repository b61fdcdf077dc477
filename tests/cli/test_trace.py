import json
import re

import pytest

from ..lab import truth
from ..rpc.cuts import whole
from .command import osloshark

DEMO = truth.captures()["demo"]


def request_id() -> str:
    (found,) = {rpc.request_id for rpc in whole("demo").values() if rpc.method == "schedule_and_build_instances"}
    return found


def test_a_request_through_all_services():
    done = osloshark("trace", request_id(), DEMO)
    assert done.returncode == 0
    head, *lines = done.stdout.decode().splitlines()
    assert [name.partition(":")[0] for name in head.split()] == [
        *("nova-api", "nova-conductor", "nova-scheduler", "nova-compute")
    ]
    ladder = lines[: lines.index("")]
    assert [re.sub(r".*(cast|call|reply) (\S+?):?( .*|$)", r"\1 \2", line) for line in ladder] == [
        "cast compute_task.schedule_and_build_instances",
        "call select_destinations",
        "reply select_destinations",
        "cast build_and_run_instance",
        "call object_action",
        "reply object_action",
        "call object_action",
        "reply object_action",
    ]


def test_the_beginning_of_an_id_is_enough():
    assert osloshark("trace", request_id()[:12], DEMO).stdout == osloshark("trace", request_id(), DEMO).stdout


def test_secrets_are_masked_unless_asked_for():
    masked = osloshark("trace", request_id(), DEMO).stdout
    shown = osloshark("trace", "--show-secrets", request_id(), DEMO).stdout
    assert b'"admin_password": "***"' in masked
    assert b'"admin_password": "osloshark-lab"' not in masked
    assert b'"admin_password": "osloshark-lab"' in shown


def test_a_failed_call_with_its_remote_traceback():
    (failed,) = {rpc.msg_id for rpc in whole("demo").values() if rpc.status == "failed"}
    text = osloshark("trace", failed, DEMO).stdout.decode()
    assert "failure: PortBindingFailed: Binding failed for port" in text
    assert "Traceback (most recent call last):" in text


def test_json_lines_are_its_messages_and_calls():
    done = osloshark("trace", "-q", "-T", "jsonl", request_id(), DEMO)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["type"] for record in found] == ["message"] * 16 + ["call"] * 5
    assert {record["rpc"]["request_id"] for record in found[16:]} == {request_id()}


def test_color():
    late = next(rpc.msg_id for rpc in whole("demo").values() if rpc.cause == "late_reply")
    assert b"\x1b[31m" in osloshark("trace", "--color", "always", late, DEMO).stdout
    assert b"\x1b" not in osloshark("trace", late, DEMO).stdout


@pytest.mark.parametrize("wanted", ["req-00000000-none", "req", ""])
def test_nothing_of_it_is_told(wanted):
    done = osloshark("trace", "-q", wanted, DEMO)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"nothing of it is in the captures" in done.stderr


def test_an_id_without_captures():
    done = osloshark("trace", "req-1")
    assert done.returncode == 2
    assert b"no capture given" in done.stderr


def test_a_reply_that_came_back_does_not_arrive():
    capture = truth.captures()["verdicts"]
    chosen = ["-T", "table", "-e", "rpc.msg_id", "-Y", 'rpc.cause == "reply_unroutable"']
    msg_id = osloshark("calls", "-q", *chosen, capture).stdout.decode().split()[0]
    shown = osloshark("trace", "-q", msg_id, capture).stdout.decode()
    (line,) = [line for line in shown.splitlines() if "reply_unroutable  service" in line]
    assert "↩" in line
    assert "◀" not in line
