"""The tracing formats against the plugin's own logs (``tracing/``) and the broker's firehose (``pcaps/``)."""

import base64
import json
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from dissector import limits
from dissector.amqp import AmqpConnection, Event
from dissector.amqp._methods import BasicDeliver, BasicPublish, BasicReturn
from dissector.views.tracing import TraceView

from ..lab import truth
from ..wiring import TCP, events, published

SAMPLES = Path(__file__).parent / "tracing"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")
OCTETS = bytes(range(256))
ESCAPED_OCTETS = (
    "".join(f"\\x{octet:02x}" for octet in range(9))
    + "\t\n\\x0b\\x0c\\r"
    + "".join(f"\\x{octet:02x}" for octet in range(14, 32))
    + bytes(range(32, 127)).decode()
    + "".join(f"\\x{octet:02x}" for octet in range(127, 256))
).encode()
CONNECTION = AmqpConnection(TCP, "/", "openstack", server_properties={"cluster_name": "rabbit@dev20"})
SECRET = json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps({"method": "x", "args": {"password": "pw!"}})})


def written(shown, form="json", *, show_secrets=True):
    view = TraceView(form, show_secrets=show_secrets)
    return b"".join([*map(view.feed, shown), view.finish()]).decode()


def records(*shown, **options):
    return [json.loads(line) for line in written(shown, **options).splitlines()]


def publish(body=b"{}", **changed):
    return published(body, **{"connection": CONNECTION, "headers": {}, **changed})


def deliver(body=b"{}", queue="q", redelivered=False, **changed):
    method = BasicDeliver("1", 1, redelivered, "neutron", "q-plugin")
    return publish(body, leg="deliver", from_client=False, method=method, queue=queue, **changed)


@pytest.mark.parametrize("form", ["json", "text"])
def test_the_logs_of_the_real_plugin(form):
    """Letter for letter but for the time; what a terminal must not get is escaped in the text of binary payloads."""
    log = (SAMPLES / f"sample.{form}.log").read_bytes().replace(OCTETS, ESCAPED_OCTETS).decode()
    shown = written(events(SAMPLES / "sample.pcap"), form)
    assert TIME.sub("TIME", shown) == TIME.sub("TIME", log)
    for ours, plugins in zip(TIME.findall(shown), TIME.findall(log), strict=True):
        assert ours[:17] <= plugins[:17]  # the broker logs after the packet came, or just before it went


def plain(value):
    """A property of the truth as the JSON log has it."""
    match value:
        case {"base64": text}:
            return "Not UTF-8, base64 is: " + "\n".join(text[at : at + 76] for at in range(0, len(text), 76))
        case dict():
            return {name: plain(item) for name, item in value.items()}
        case list():
            return [plain(item) for item in value]
    return "undefined" if value is None else value


def whole(value):
    """Floats as pika reads them, by whom the truth was recorded: cut to whole numbers."""
    match value:
        case dict():
            return {name: whole(item) for name, item in value.items()}
        case list():
            return [whole(item) for item in value]
        case float():
            return int(value)
    return value


def test_every_capture_against_the_firehose(capture_name, monkeypatch):
    monkeypatch.setattr("dissector.views.routed.ROUTED_QUEUES_NS", 3600 * 10**9)
    told = truth.load(capture_name)
    delivered = {(r.headers.vhost, r.headers.exchange_name, r.body, r.queue) for r in told if r.leg == "deliver"}
    expected = []
    for record in told:
        headers, publish = record.headers, record.leg == "publish"
        route = (headers.vhost, headers.exchange_name, record.body)
        expected.append(
            {
                "channel": headers.channel,
                "connection": headers.connection,
                "exchange": headers.exchange_name,
                "node": headers.node,
                "payload": base64.b64encode(record.body).decode(),
                "properties": plain(headers.properties),
                "queue": "none" if publish else record.queue,
                "routed_queues": sorted(q for q in headers.routed_queues or () if (*route, q) in delivered)
                if publish
                else "none",
                "routing_keys": headers.routing_keys,
                "type": "published" if publish else "received",
                "user": headers.user,
                "vhost": headers.vhost,
            }
        )
    shown = records(*events(truth.captures()[capture_name]))
    for record in shown:
        assert TIME.fullmatch(record.pop("timestamp"))
        record["properties"] = whole(record["properties"])
        if record["type"] == "published":
            record["routed_queues"].sort()
    assert Counter(json.dumps(r, sort_keys=True) for r in shown) == Counter(
        json.dumps(r, sort_keys=True) for r in expected
    )


@pytest.mark.parametrize("form", ["json", "text"])
def test_secrets_are_masked_and_the_terminal_is_safe(capture_name, form):
    text = written(events(truth.captures()[capture_name]), form, show_secrets=False)
    assert all(line.replace("\t", "").isprintable() for line in text.split("\n"))
    assert "gAAAAA" not in (text if form == "text" else payloads(text))


def payloads(text):
    return "".join(base64.b64decode(json.loads(line)["payload"]).decode("latin-1") for line in text.splitlines())


def test_payload_and_properties_are_masked_unless_secrets_are_asked_for():
    message = publish(SECRET.encode(), headers={"auth_token": "gAAAAAheader"})
    (masked,) = records(message, show_secrets=False)
    assert base64.b64decode(masked["payload"]).decode() == SECRET.replace("pw!", "***")
    assert masked["properties"]["headers"] == {"auth_token": "***"}
    (open_,) = records(message)
    assert base64.b64decode(open_["payload"]).decode() == SECRET
    assert open_["properties"]["headers"] == {"auth_token": "gAAAAAheader"}
    assert "***" in written([message], "text", show_secrets=False)
    assert "pw!" not in written([message], "text", show_secrets=False)
    assert written([message], "text").count("pw!") == 1


@pytest.mark.parametrize(
    ("body", "compression", "payload"),
    [
        (b"password=pw!", None, b"password=***"),
        (b"\xff password=pw!", None, b"\xff password=***"),
        (b"no zlib stream, password=pw!", "application/x-gzip", b"***"),
    ],
)
def test_bodies_that_are_no_json_are_masked_too(body, compression, payload):
    headers = {"compression": compression} if compression else {}
    (record,) = records(publish(body, headers=headers), show_secrets=False)
    assert base64.b64decode(record["payload"]) == payload


def test_what_the_capture_does_not_tell():
    unknown = AmqpConnection(TCP)
    first, second = records(publish(connection=unknown), deliver(connection=unknown, queue=None))
    assert first["routed_queues"] == [None]
    assert second["queue"] is second["node"] is second["vhost"] is second["user"] is None
    text = written([publish(connection=unknown), deliver(connection=unknown, queue=None)], "text")
    assert 'Routed queues: [<<"?">>]\n' in text
    assert "\nNode:         ?\n" in text
    assert "\nQueue:        ?\n" in text


def test_returns_and_the_firehose_itself_are_not_traced():
    returned = publish(leg="return", method=BasicReturn(312, "NO_ROUTE", "", "gone"))
    trace = publish(leg="deliver", method=BasicDeliver("1", 1, False, "amq.rabbitmq.trace", "publish."))
    assert written([returned, trace]) == ""


class TestRoutedQueues:
    def test_every_queue_of_a_fanout_in_the_order_of_deliveries(self):
        shown = records(publish(), *(deliver(queue=name) for name in "cab"))
        assert shown[0]["routed_queues"] == ["c", "a", "b"]
        assert [record["queue"] for record in shown] == ["none", "c", "a", "b"]

    def test_a_redelivery_adds_nothing(self):
        shown = records(publish(), publish(), deliver(), deliver(redelivered=True))
        assert [record["routed_queues"] for record in shown[:2]] == [["q"], []]

    def test_the_same_message_twice(self):
        shown = records(publish(), publish(), deliver(), deliver(queue="r"), deliver(), deliver(queue="r"), deliver())
        assert [record["routed_queues"] for record in shown[:2]] == [["q", "r"], ["q", "r"]]

    @pytest.mark.parametrize(
        "changed",
        [
            {"body": b"[]"},
            {"connection": AmqpConnection(TCP, "other")},
            {"method": BasicDeliver("1", 1, False, "neutron", "other")},
            {"method": BasicDeliver("1", 1, False, "other", "q-plugin")},
        ],
    )
    def test_another_message(self, changed):
        other = deliver()
        for name, value in changed.items():
            setattr(other, name, value)
        assert records(publish(), other)[0]["routed_queues"] == []

    def test_it_waits_no_longer_than_the_window(self):
        view = TraceView("json", show_secrets=True)
        start, window = publish().time_ns, limits.ROUTED_QUEUES_NS
        assert view.feed(publish()) == view.feed(deliver(b"[]")) == b""
        assert view.feed(deliver(time_ns=start + window - 1)) == b""
        first = view.feed(Event(CONNECTION, True, 9, start + window, 0, "heartbeat"))
        assert json.loads(first.splitlines()[0])["routed_queues"] == ["q"]
        assert len(first.splitlines()) == 3
        assert len(view.feed(deliver(time_ns=start + window))) > 0
        assert view.finish() == b""

    def test_a_publish_behind_an_open_one_keeps_its_place(self):
        view = TraceView("json", show_secrets=True)
        start, window = publish().time_ns, limits.ROUTED_QUEUES_NS
        view.feed(publish(b"1"))
        view.feed(publish(b"2", time_ns=start + 10))
        view.feed(deliver(b"2", time_ns=start + 20))
        assert len(view.feed(Event(CONNECTION, True, 9, start + window, 0, "heartbeat")).splitlines()) == 1
        assert [json.loads(line)["type"] for line in view.finish().splitlines()] == ["published", "received"]

    @pytest.mark.parametrize(("limit", "held"), [("ROUTED_QUEUES_MESSAGES", 3), ("ROUTED_QUEUES_BYTES", 1000)])
    def test_what_is_held_is_bounded(self, monkeypatch, limit, held):
        monkeypatch.setattr(f"dissector.views.routed.{limit}", held)
        view = TraceView("json", show_secrets=True)
        given = b"".join(view.feed(publish(str(number).encode())) for number in range(10))
        left = view.finish()
        assert len(left.splitlines()) <= 3
        assert view.hurried == 10 - len(left.splitlines())
        numbers = [base64.b64decode(json.loads(line)["payload"]) for line in (given + left).splitlines()]
        assert numbers == [str(number).encode() for number in range(10)]

    def test_late_deliveries_of_a_released_publish_do_not_stop_the_join(self, monkeypatch):
        monkeypatch.setattr("dissector.views.routed.ROUTED_QUEUES_MESSAGES", 2)
        view = TraceView("json", show_secrets=True)
        given = b"".join(map(view.feed, [publish(), publish(), publish(), deliver(queue="a"), deliver(queue="a")]))
        shown = [json.loads(line) for line in (given + view.finish()).splitlines()]
        assert [r["routed_queues"] for r in shown if r["type"] == "published"] == [[], ["a"], ["a"]]


def test_nothing_on_the_wire_commands_a_terminal():
    method = BasicPublish(0, "ex\x1b[2J\nchange", "key\u202e", False, False)
    message = publish(
        "a\x1b]0;x\x07\r\n\tb\u202e".encode(), headers={"k\x9b": "v\x1b", "n\nn": "\u202e"}, method=method
    )
    for form in ("json", "text"):
        text = written([message], form)
        assert all(line.replace("\t", "").isprintable() for line in text.split("\n"))
    assert "Exchange:     ex\\x1b[2J\\nchange\n" in text
    assert text.endswith("Payload: \na\\x1b]0;x\\x07\\r\n\tb\\u202e\n")
    assert records(message)[0]["exchange"] == "ex\x1b[2J\nchange"


def test_routing_keys_that_the_headers_add():
    copies = publish(headers={"CC": ["a", 1], "BCC": ["b"]})
    odd = publish(headers={"CC": "a"})
    assert [record["routing_keys"] for record in records(copies, odd)] == [["q-plugin", "a", "b"], ["q-plugin"]]
    assert "BCC" not in records(copies)[0]["properties"]["headers"]


def test_values_that_the_samples_do_not_hold():
    headers = {"d": Decimal("-12.34"), "f": 0.5, "n": float("nan"), "t": b"text", "big": 2**63}
    (record,) = records(publish(headers=headers))
    assert record["properties"]["headers"] == {"big": 2**63, "d": "-12.34", "f": 0.5, "n": "NaN", "t": "text"}
    text = written([publish(headers={name: headers[name] for name in "dft"})], "text")
    assert '[{<<"d">>,decimal,{2,-1234}},{<<"f">>,double,0.5},{<<"t">>,binary,<<"text">>}]' in "".join(text.split())


field_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.decimals(allow_nan=False, allow_infinity=False, places=3)
    | st.text(st.characters(codec="utf-8"))
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


@given(st.dictionaries(st.sampled_from(["a", "CC", "BCC", "compression", "x-death"]), field_values), st.binary())
def test_no_headers_and_no_body_raise(headers, body):
    for show_secrets in (True, False):
        records(publish(body, headers=headers), show_secrets=show_secrets)
        text = written([publish(body, headers=headers)], "text", show_secrets=show_secrets)
        assert all(line.replace("\t", "").isprintable() for line in text.split("\n"))


def test_a_message_without_properties():
    message = publish()
    message.properties = msgspec.structs.replace(message.properties, content_type=UNSET, headers=UNSET)
    assert records(message, show_secrets=False)[0]["properties"] == {}
    assert "\nProperties:   []\n" in written([message], "text", show_secrets=False)
