import json
import re

import pytest

from dissector.amqp import AmqpConnection, Event
from dissector.amqp._methods import BasicDeliver, BasicReturn, QueueDeclareOk
from dissector.net import Malformed
from dissector.views.text import TextView

from ..lab import truth
from ..wiring import TCP, events, published

REQUEST = {"method": "report_state", "args": {"host": "h", "time": 1}, "version": "1.2", "_msg_id": "0" * 32}


def oslo(message):
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(message)}).encode()


def line(event, **options):
    text = TextView(lambda: 1_637_000_000_000_000_000, **options).feed(event).decode()
    assert text.count("\n") == 1
    return text.rstrip("\n")


def test_a_call():
    named = AmqpConnection(TCP, client_properties={"connection_name": "neutron-dhcp-agent:71:0f5c"})
    shown = line(published(oslo(REQUEST), connection=named))
    assert (
        shown.split()
        == (
            "80 0.123456 neutron-dhcp-agent:71 → neutron/q-plugin publish "
            f"{len(oslo(REQUEST))} call report_state(host, time) v1.2 msg_id={'0' * 32}"
        ).split()
    )


def test_a_deliver_goes_from_its_queue():
    method = BasicDeliver("1", 7, True, "neutron", "q-plugin")
    shown = line(published(oslo(REQUEST), leg="deliver", from_client=False, queue="q-plugin.h", method=method))
    assert "q-plugin.h → 10.99.0.2:40182" in shown
    assert "redelivered" in shown
    unknown = line(published(oslo(REQUEST), leg="deliver", from_client=False, method=method))
    assert "neutron/q-plugin → 10.99.0.2:40182" in unknown


@pytest.mark.parametrize(
    ("message", "info"),
    [
        ({"result": None, "failure": None, "ending": True, "_msg_id": "a", "_unique_id": "b"}, "reply ok msg_id=a"),
        ({"result": [1], "failure": None, "ending": True, "_msg_id": "a", "_unique_id": "b"}, "reply ok [1]"),
        (
            {"result": None, "failure": None, "ending": False, "_msg_id": "a", "_unique_id": "b"},
            "heartbeat still working",
        ),
        (
            {"result": None, "failure": '{"class": "Boom", "message": "no"}', "ending": True, "_msg_id": "a"},
            "reply failed Boom: no",
        ),
        ({"event_type": "x.end", "publisher_id": "p.h", "priority": "INFO"}, "notification x.end INFO by p.h"),
        ({"method": "m", "namespace": "n", "args": {}}, "cast n.m()"),
    ],
)
def test_what_messages_say(message, info):
    assert info in " ".join(line(published(oslo(message))).split())


def test_what_is_returned_or_undecodable_stands_out():
    method = BasicReturn(312, "NO_ROUTE", "", "reply_x")
    returned = published(oslo(REQUEST), leg="return", from_client=False, method=method)
    assert "returned: 312 NO_ROUTE" in line(returned)
    assert line(returned, color=True).startswith("\x1b[31m")
    broken = published(b"x", headers={"compression": "application/x-snow"})
    assert "undecodable" in line(broken)
    assert "malformed" in line(Malformed("amqp", TCP, True, 5, 0, None, "no AMQP frame"))
    assert "message      application/json" in line(published(b"7"))


def test_events_only_where_asked_for():
    event = Event(AmqpConnection(TCP), False, 5, 0, 1, "queue.declare-ok", QueueDeclareOk("q", 3, 1), settled=(4,))
    assert TextView(lambda: 0).feed(event) == b""
    assert line(event, events=True).endswith(
        "channel 1 queue.declare-ok queue=q message_count=3 consumer_count=1 (settles 1)"
    )


def test_a_terminal_s_width_is_kept():
    shown = line(published(oslo(REQUEST)), width=60)
    assert len(shown) == 60
    assert shown.endswith("…")
    assert "msg_id=00000000…" in line(published(oslo(REQUEST)), width=300)
    assert "req-11111111…" in line(
        published(oslo(REQUEST | {"_context_request_id": "req-11111111-2222-3333-4444-555555555555"})), width=300
    )


def test_no_colour_unless_asked_for(capture_name):
    view = TextView(lambda: 0, events=True)
    text = b"".join(view.feed(event) for event in events(truth.captures()[capture_name])).decode()
    assert "\x1b" not in text
    assert all(shown.isprintable() for shown in text.split("\n"))
    assert all(re.match(r" *\d+ +-?\d+\.\d{6} \S", shown) for shown in text.splitlines())


def test_nothing_from_the_wire_commands_the_terminal():
    evil = "\x1b]0;owned\x07\n\u202e"
    message = published(oslo(REQUEST | {"method": evil, "args": {evil: 1}, "version": evil, "namespace": evil}))
    assert line(message).isprintable()
    event = Event(AmqpConnection(TCP), False, 5, 0, 1, "queue.declare-ok", QueueDeclareOk(evil, 3, 1))
    assert line(event, events=True).isprintable()
