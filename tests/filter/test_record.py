import msgspec
import pytest

from dissector import read
from dissector.fields import FIELDS, CallRecord
from dissector.filter import compile_filter, record_lookup
from dissector.filter.names import GROUPS

from ..lab import truth

CALL = {
    "rpc": {
        "kind": "call", "method": "ping", "namespace": None, "version": "1.2", "exchange": "nova", "topic": "compute",
        "server": None, "msg_id": "m", "unique_id": "u", "request_id": "req-1", "reply_q": "reply_1",
        "client": {"ip": "10.0.0.1", "name": "nova-api:1"},
        "servers": [
            {"ip": "10.0.0.2", "name": "nova-compute:2", "queue": "compute"},
            {"ip": "10.0.0.3", "name": None, "queue": "compute"},
        ],
        "status": "timed_out", "cause": "no_reply", "publish_time": 1.0, "confirm_time": None, "deliver_time": 1.5,
        "ack_time": None, "reply_publish_time": None, "reply_deliver_time": None, "queue_wait_s": 0.5,
        "service_s": None, "return_s": None, "latency_s": None, "timeout_s": 60.0, "heartbeats": 0,
        "redelivered": False, "duplicates": 0, "request_bytes": 100, "reply_bytes": None, "failure": None,
        "frames": {"publish": 1, "deliver": 2, "reply_publish": None, "reply_deliver": None},
    }
}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        'rpc.status == "timed_out" && rpc.queue_wait_s >= 0.5',
        "rpc.servers.ip == 10.0.0.3 && rpc.servers.ip == 10.0.0.2",
        'rpc.servers.name != "x"',
        'rpc.servers.queue === "compute"',
        "rpc.client.ip in {10.0.0.0/24}",
        "!rpc.failure && !rpc.failure.class && rpc.frames.deliver == 2 && !rpc.latency_s",
        "rpc.servers && rpc.client && !oslo && !frame.number",
        '!(rpc.server != "x")',
    ],
)
def test_a_call(text):
    lookup = record_lookup(msgspec.convert(CALL, CallRecord))
    assert compile_filter(text).matches(lookup)
    assert lookup("rpc.servers.name") == ("nova-compute:2",)


def test_no_servers_are_none():
    record = {"rpc": CALL["rpc"] | {"servers": []}}
    lookup = record_lookup(msgspec.convert(record, CallRecord))
    assert lookup("rpc.servers") is lookup("rpc.servers.ip") is None


def test_every_field_of_a_message_is_that_of_its_json():
    for message in list(read(truth.captures()["demo"]))[:40]:
        lookup, encoded = record_lookup(message), msgspec.to_builtins(message)
        for name in [*FIELDS, *GROUPS]:
            value = encoded
            for key in name.split("."):
                value = value.get(key) if isinstance(value, dict) else None
            found = lookup(name)
            assert (msgspec.to_builtins(found) if found is not None else None) == value, name
