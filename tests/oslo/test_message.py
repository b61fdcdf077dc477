import inspect
import json
import sys

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dissector import limits
from dissector.fields import FailureFields
from dissector.oslo import decode, hot

from .wire import SAMPLES, driver, envelope, kombu_body, sample

KINDS = {
    "basic_return_dead_reply_queue": "reply",
    "fanout_cast": "fanout",
    "fanout_delivered_stream": "fanout",
    "cast_request_to_server": "cast",
    "reply_call_monitor_heartbeat": "heartbeat",
    "basic_return_rpc_mandatory": "call",
}


def expected_kind(name):
    return KINDS.get(name) or {"call": "call", "noti": "notification", "repl": "reply"}[name[:4]]


@pytest.mark.parametrize("one", SAMPLES, ids=lambda one: one.name)
def test_samples(one):
    found = hot(one.body, **one.properties)
    assert found.kind == expected_kind(one.name)
    assert found.envelope == (None if one.name == "notification_v1_messaging" else "2.0")
    for name in ("method", "namespace", "version", "event_type", "publisher_id", "priority", "message_id", "ending"):
        assert getattr(found, name) == one.message.get(name), name
    for name in ("msg_id", "reply_q", "unique_id"):
        assert getattr(found, name) == one.message.get("_" + name), name
    for name in ("request_id", "global_request_id"):
        assert getattr(found, name) == one.message.get("_context_" + name), name
    assert found.result_is_null == (one.message.get("result") is None)
    assert found.failed == bool(one.message.get("failure"))
    assert found.timeout_s == (int(one.expiration) / 1000 if found.kind == "call" else None)


def test_some_samples_have_what_the_others_are_compared_by():
    assert hot(sample("call_request").body, exchange="nova").request_id.startswith("req-")
    assert sum(one.failure is not None for one in SAMPLES) >= 4
    assert sum(one.compression is not None for one in SAMPLES) == 2


UNIQUE = {"_unique_id": "u" * 32}


@pytest.mark.parametrize(
    ("message", "exchange", "kind"),
    [
        ({"method": "m", "_msg_id": "i"}, "nova", "call"),
        ({"method": "m", "_msg_id": "i"}, "compute_fanout", "call"),
        ({"method": "m"}, "nova", "cast"),
        ({"method": "m", "_msg_id": None}, "nova", "cast"),
        ({"method": "m", "_msg_id": ""}, "nova", "cast"),
        ({"method": "m", "_msg_id": 5}, "nova", "cast"),
        ({"method": "m"}, "compute_fanout", "fanout"),
        ({"result": None, "failure": None, "ending": False}, "", "heartbeat"),
        ({"ending": False}, "", "heartbeat"),
        ({"result": 0, "failure": None, "ending": False}, "", "reply"),
        ({"result": None, "failure": "{}", "ending": False}, "", "reply"),
        ({"result": None, "failure": None}, "reply_1", "reply"),
        ({"result": None, "failure": None, "ending": True}, "", "reply"),
        ({"result": None, "failure": None, "ending": "false"}, "", "reply"),
        ({"failure": None}, "", "reply"),
        ({"event_type": "e", "publisher_id": "p"}, "nova", "notification"),
        ({"event_type": "e", "publisher_id": 1}, "nova", None),
        ({"event_type": "e"}, "nova", None),
        ({"method": 5, "args": []}, "nova", None),
        ({"method": 5, "event_type": "e", "publisher_id": "p"}, "nova", "notification"),
        ({}, "nova", None),
    ],
)
def test_kinds(message, exchange, kind):
    for body in (envelope(message), json.dumps(message | UNIQUE).encode()):
        found = hot(body, exchange=exchange)
        assert (found and found.kind) == kind
        assert (decode(body, exchange=exchange).oslo is None) == (kind is None)


@pytest.mark.parametrize(
    "foreign",
    [{"jsonrpc": "2.0", "method": "m", "params": {}, "id": 1}, {"jsonrpc": "2.0", "result": 1, "id": 1}],
)
def test_without_envelope_an_rpc_message_needs_its_unique_id(foreign):
    assert hot(json.dumps(foreign).encode(), exchange="x") is None
    assert hot(envelope(foreign), exchange="x") is not None


@pytest.mark.parametrize(
    ("expiration", "timeout_s"),
    [("60000", 60.0), ("1", 0.001), ("0", 0.0), (None, None), ("", None), ("soon", None), ("-1", None),
     ("1.5", None), ("٣", None), ("9" * 400, None)],
)  # fmt: skip
def test_timeout_is_the_expiration_of_a_call(expiration, timeout_s):
    call, cast = envelope({"method": "m", "_msg_id": "i", "_timeout": 7}), envelope({"method": "m"})
    assert hot(call, exchange="x", expiration=expiration).timeout_s == timeout_s
    assert hot(cast, exchange="x", expiration=expiration).timeout_s is None


@pytest.mark.parametrize(
    ("failure", "fields"),
    [
        ('{"class": "E", "module": "m", "message": "x", "tb": ["a\\n", "b\\n"]}', ("E", "m", "x", "a\nb\n")),
        ('{"class": 1, "module": null, "message": [], "tb": "text"}', (None, None, None, "text")),
        ('{"class": "E", "tb": ["a", 1, null, "b"]}', ("E", None, None, "ab")),
        ('{"class": "E", "tb": []}', ("E", None, None, None)),
        ("boom", (None, None, "boom", None)),
        ('["boom"]', (None, None, '["boom"]', None)),
        ("{" * 500, (None, None, "{" * 500, None)),
        ("[" * 500 + "]" * 500, (None, None, "[" * 500 + "]" * 500, None)),
        ({"class": "E", "message": "x"}, ("E", None, "x", None)),
        ([1], (None, None, "[1]", None)),
        (True, (None, None, "true", None)),
        ('{"message": "\\ud800 NaN", "tb": NaN}', (None, None, "\ufffd NaN", "NaN")),
    ],
)
def test_failures(failure, fields):
    for body in (envelope({"failure": failure, "ending": True}),):
        found = hot(body, exchange="")
        assert found.failed
        assert found.failure == FailureFields(*fields)
        assert decode(body, exchange="").oslo.failure == found.failure


@pytest.mark.parametrize("failure", [None, "", False, 0, [], {}])
def test_what_the_client_takes_for_success_is_no_failure(failure):
    found = hot(envelope({"result": 1, "failure": failure, "ending": True}), exchange="")
    assert found.failure is None
    assert not found.failed


def test_failure_texts_are_masked():
    failure = json.dumps({"class": "E", "message": "password=S3cret", "tb": ["url rabbit://u:S3cret@h\n"]})
    body = envelope({"failure": failure})
    found = hot(body, exchange="").failure
    assert (found.message, found.traceback) == ("password=***", "url rabbit://u:***@h\n")
    assert hot(body, exchange="", show_secrets=True).failure.message == "password=S3cret"


def test_duplicate_keys_last_wins():
    for body in (b'{"method":1,"method":"b","_unique_id":"u"}', b'{"_unique_id":"u","method":"a","method":"b"}'):
        assert hot(body, exchange="").method == "b"
    assert hot(b'{"_unique_id":"u","method":"a","method":2}', exchange="") is None


@pytest.mark.parametrize(
    "args", [b"NaN", b"1e999", b'"\\ud800"', b"1" * 5000, b"[" * 100 + b"]" * 100, b'"\\u0000"', b'"\xc3\xa9"']
)
def test_what_only_python_reads_is_read(args):
    body = b'{"method": "m", "_unique_id": "u", "args": {"x": ' + args + b"}}"
    assert hot(body, exchange="").method == "m"
    assert decode(body, exchange="").oslo.method == "m"


@pytest.mark.parametrize("args", [b'"\xff"', b"[" * 200 + b"]" * 200, b"[" * 100_000 + b"]" * 100_000, b"tru", b"01"])
def test_what_python_would_not_read_is_no_message(args):
    body = b'{"method": "m", "_unique_id": "u", "args": {"x": ' + args + b"}}"
    assert hot(body, exchange="") is None
    assert decode(body, exchange="").oslo is None


@pytest.mark.parametrize("inner", ['{"method": "m"}', json.dumps({"method": "m", "args": {"x": [[]] * 200}})])
@pytest.mark.parametrize("escape", [False, True])
def test_depth_of_an_envelope(inner, escape):
    """The brackets of the inner message, escaped or not, neither count for nor hide those around it."""
    for levels in (1, limits.JSON_DEPTH - 1, limits.JSON_DEPTH, 300):
        body = kombu_body({"oslo.version": "2.0", "oslo.message": inner, "x": "["}).decode()
        if escape:
            body = body.replace("{", r"\u007b").replace("[", r"\u005b").replace(r"\u007b", "{", 1)
        body = body.replace('"x"', '"y": ' + "[" * levels + "]" * levels + ', "x"').encode()
        assert (hot(body, exchange="") is not None) == (levels < limits.JSON_DEPTH)
        assert_agree(body)


def test_deep_stack_does_not_raise():
    depth = limits.JSON_DEPTH - 1
    body = b'{"method": "m", "_unique_id": "u", "result": ' + b"[" * depth + b"NaN" + b"]" * depth + b"}"
    plain = body.replace(b"NaN", b"1")

    def deeper(levels):
        if levels:
            return deeper(levels - 1)
        return [read(one, exchange="") for one in (body, plain) for read in (hot, decode)]

    found = [deeper(levels) for levels in range(0, sys.getrecursionlimit() - len(inspect.stack(0)) - 40, 7)]
    assert found[0][1].oslo.method == found[0][3].oslo.method == "m"
    assert found[-1][3].oslo is None or found[-1][3].oslo.result == "***"


thorough = settings(max_examples=300)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3), max_leaves=8
)
KEYS = [
    "method",
    "args",
    "version",
    "namespace",
    "_msg_id",
    "_reply_q",
    "_timeout",
    "_unique_id",
    "_context_request_id",
    "_context_global_request_id",
    "_context_auth_token",
    "result",
    "failure",
    "ending",
    "event_type",
    "publisher_id",
    "priority",
    "payload",
    "message_id",
    "timestamp",
    "oslo.version",
    "oslo.message",
    "other",
]
likely = st.sampled_from(["", "2.0", "x", "compute.host", '{"class": "E"}', "req-1"]) | values
messages = st.dictionaries(st.sampled_from(KEYS), likely, max_size=12)


def assert_agree(body, exchange="compute_fanout", expiration="1500"):
    found = hot(body, exchange=exchange, expiration=expiration)
    oslo = decode(body, exchange=exchange, expiration=expiration).oslo
    assert (found is None) == (oslo is None)
    if found is None:
        return
    for name in found.__struct_fields__:
        if hasattr(oslo, name):
            assert getattr(found, name) == getattr(oslo, name), name
    assert found.result_is_null == (oslo.result is None)
    assert found.global_request_id == (oslo.context or {}).get("global_request_id") or not isinstance(
        (oslo.context or {}).get("global_request_id"), str
    )
    for text in (found.method, found.unique_id, found.msg_id, found.event_type, found.envelope):
        assert text is None or type(text) is str


@thorough
@given(messages, st.booleans())
@example({"method": "m", "_unique_id": "u", "oslo.version": 1, "oslo.message": 2}, True)
def test_agrees_with_the_full_decode(message, enveloped):
    assert_agree(envelope(message) if enveloped else json.dumps(message).encode())


@thorough
@given(st.sampled_from(SAMPLES), st.data())
def test_agrees_on_damaged_bodies(one, data):
    body = bytearray(one.body)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2) | st.sampled_from(
            [b'"', b"{", b"]", b"\\", b"\\ud8ff", b"1e999", b"NaN", b"\xff"]))  # fmt: skip
    assert_agree(bytes(body), one.exchange, one.expiration)


@thorough
@given(st.binary(max_size=40), st.text(max_size=10), st.none() | st.text(max_size=20))
def test_any_bytes(body, exchange, compression):
    assert hot(body, exchange=exchange, compression=compression, expiration=exchange) is None or body[:1] == b"{"
    decoded = decode(body, exchange=exchange, compression=compression, expiration=exchange)
    assert msgspec.json.decode(msgspec.json.encode(decoded))


@thorough
@given(messages)
def test_envelope_against_oslo_messaging(message):
    body = envelope(message)
    theirs = driver.deserialize_msg(json.loads(body))
    found = hot(body, exchange="")
    if found is not None:
        for name in ("method", "namespace", "version", "publisher_id"):
            value = theirs.get(name)
            if isinstance(value, str) and value.isascii():
                assert getattr(found, name) == value
