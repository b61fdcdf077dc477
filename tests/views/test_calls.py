import csv
import io
import json

import msgspec
import pytest

from dissector.fields import FIELDS, CallRecord, FailureFields, RpcFields, ServerFields
from dissector.views.calls import CallCsv, CallJson, CallLines

from ..rpc.cuts import whole
from ..rpc.story import BEGIN_S, Rpc, Story


def example(**changed: object) -> CallRecord:
    story = Story()
    Rpc(story).whole(0.5, service=0.25)
    (rpc,) = story.play()
    return CallRecord(msgspec.structs.replace(rpc, **changed))


def line(call: CallRecord, **options: object) -> str:
    view = CallLines(lambda: BEGIN_S * 10**9, **options)
    data = view.feed(call)
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    return data.decode().rstrip("\n")


def test_a_line():
    assert line(example()) == (
        "   0.500000  254.00 ms    2.00 ms  250.00 ms    2.00 ms call         ok                         "
        "nova-api:7 → nova-compute:9  echo  timeout=60s  msg_id=msg-a  req-1"
    )


def test_columns_stand_under_their_names():
    head = CallLines(lambda: 0).head().decode()
    text = line(example())
    for name, value in (("kind", "call "), ("verdict", "ok "), ("what", "nova-api:7 →")):
        assert text.index(value) == head.index(name)
    for name, value in (("latency", "254.00 ms"), ("queued", "2.00 ms"), ("service", "250.00 ms")):
        assert text.index(value) + len(value) == head.index(name) + len(name)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"status": "timed_out", "cause": "no_reply"}, "timed_out: no_reply  "),
        ({"latency_s": None}, "   0.500000          -    2.00 ms"),
        ({"method": None}, "(request not seen)"),
        ({"namespace": "compute_task"}, "compute_task.echo"),
        ({"version": "1.2"}, "echo  v1.2  "),
        ({"servers": ()}, "nova-api:7 → (nova/compute)  echo"),
        ({"heartbeats": 3}, "3 heartbeats"),
        ({"redelivered": True}, "redelivered"),
        ({"duplicates": 2}, "2 duplicates"),
        ({"failure": FailureFields("NotFound", "m", "no such", "tb")}, "NotFound: no such"),
        ({"servers": tuple(ServerFields(None, f"s:{n}", None) for n in range(5))}, "→ s:0, s:1, s:2 and 2 more"),
        ({"publish_time": None}, "   0.502000 "),
        ({"publish_time": None, "deliver_time": None, "reply_deliver_time": None}, "            254.00 ms"),
        ({"method": "a\x1b[31m\nb"}, r"a\x1b[31m\nb"),
    ],
)
def test_what_a_line_tells(changed, expected):
    assert expected in line(example(**changed))


def test_lines_are_cut_and_ids_shortened_to_a_terminal():
    long = "73a8fe4c" * 4
    text = line(example(msg_id=long), width=140)
    assert len(text) <= 140
    assert long not in text
    cut = line(example(), width=100)
    assert (len(cut), cut[-1]) == (100, "…")


@pytest.mark.parametrize(("status", "color"), [("ok", None), ("failed", 31), ("timed_out", 31), ("pending", 33)])
def test_what_went_wrong_is_red(status, color):
    text = line(example(status=status), color=True)
    assert text.startswith(f"\x1b[{color}m") if color else "\x1b" not in text
    assert "\x1b" not in line(example(status=status), color=False)


def test_json_is_the_record_of_the_design():
    view = CallJson()
    assert view.head() == b""
    record = json.loads(view.feed(example()))
    assert record["type"] == "call"
    rpc = record["rpc"]
    assert list(rpc) == list(RpcFields.__struct_fields__)
    assert rpc["publish_time"] == BEGIN_S + 0.5
    assert rpc["client"] == {"ip": "10.99.0.11", "name": "nova-api:7"}
    assert rpc["servers"] == [{"ip": "10.99.0.31", "name": "nova-compute:9", "queue": "compute"}]
    assert rpc["frames"] == {"publish": 1, "deliver": 3, "reply_publish": 5, "reply_deliver": 7}
    assert rpc["failure"] is None


def test_csv_has_a_column_for_each_field():
    view = CallCsv()
    failure = FailureFields("X", "m", "=1+1", "a\nb")
    servers = (ServerFields("1.1.1.1", "a:1", "q"), ServerFields("2.2.2.2", None, "q"))
    text = (view.head() + view.feed(example(failure=failure, servers=servers, cause=None))).decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert list(row) == [name for name in FIELDS if name.startswith("rpc.")]
    assert row["rpc.method"] == "echo"
    assert row["rpc.servers.ip"] == "1.1.1.1,2.2.2.2"
    assert row["rpc.servers.name"] == "a:1"
    assert row["rpc.failure.message"] == "'=1+1"
    assert row["rpc.failure.traceback"] == r"a\nb"
    assert (row["rpc.cause"], row["rpc.redelivered"], row["rpc.latency_s"]) == ("", "false", "0.254")


def test_csv_of_a_call_without_failure_and_servers():
    (row,) = csv.reader(io.StringIO(CallCsv().feed(example(servers=())).decode()))
    assert len(row) == len([name for name in FIELDS if name.startswith("rpc.")])


def test_all_calls_of_a_shipped_capture(capture_name):
    lines, table = CallLines(lambda: 0), CallCsv()
    for rpc in whole(capture_name).values():
        call = CallRecord(rpc)
        assert lines.feed(call).count(b"\n") == table.feed(call).count(b"\n") == 1
        assert msgspec.json.decode(CallJson().feed(call), type=CallRecord) == call
