import json

import msgspec
import pytest

from dissector.amqp import Event
from dissector.amqp._methods import BasicDeliver, BasicReturn, ConnectionClose, QueueDeclare
from dissector.net import Malformed
from dissector.views.record import event_record, record

from ..lab import truth
from ..wiring import TCP, messages, published


def plain(value):
    return msgspec.json.decode(msgspec.json.encode(value))


def test_a_publish():
    body = json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps({"method": "ping", "args": {"x": 1}})})
    made = plain(record(published(body.encode(), headers={"n": 1})))
    assert made["frame"] == {"number": 80, "numbers": [79, 80], "time_epoch": 1637000000.123456}
    assert made["ip"] == {"src": "10.99.0.2", "dst": "10.99.0.1"}
    assert made["tcp"] == {"srcport": 40182, "dstport": 5672, "stream": 3}
    assert made["amqp"]["leg"] == "publish"
    assert made["amqp"]["mandatory"] is False
    assert made["amqp"]["redelivered"] is None
    assert made["amqp"]["properties"] == {"content_type": "application/json", "headers": {"n": 1}}
    assert made["amqp"]["body_size"] == len(body)
    assert made["oslo"]["args"] == {"x": 1}
    assert made["oslo"]["kind"] == "cast"
    assert "body" not in made


def test_what_comes_back_has_its_own_fields():
    deliver = published(from_client=False, leg="deliver", queue="q", method=BasicDeliver("1", 7, True, "x", "k"))
    amqp = record(deliver).amqp
    assert (amqp.consumer_tag, amqp.delivery_tag, amqp.redelivered, amqp.queue) == ("1", 7, True, "q")
    assert (amqp.mandatory, amqp.reply_code) == (None, None)
    assert record(deliver).ip.src == TCP.broker.ip
    returned = published(from_client=False, leg="return", method=BasicReturn(312, "NO_ROUTE", "x", "k"))
    assert (record(returned).amqp.reply_code, record(returned).amqp.reply_text) == (312, "NO_ROUTE")


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"a": 1}', {"json": {"a": 1}}),
        (b"hello", {"text": "hello"}),
        (b"", {"text": ""}),
        (b"\xff\x00", {"base64": "/wA="}),
        (b'{"oslo.version": "2.0", "oslo.message": "{"}', None),
    ],
)
def test_what_is_no_oslo_message_is_shown_as_it_is(body, shown):
    made = plain(record(published(body)))
    assert made["oslo"] is None
    if shown is None:
        assert made["body"]["reason"]
    else:
        assert made["body"] == shown


def test_secrets_in_headers_are_masked():
    message = published(headers={"auth_token": "gAAAAAB-secret", "kept": 1})
    assert record(message).amqp.properties.headers == {"auth_token": "***", "kept": 1}
    assert record(message, show_secrets=True).amqp.properties.headers["auth_token"] == "gAAAAAB-secret"


def test_events():
    close = Event(published().connection, False, 9, 1_000, 0, "connection.close", ConnectionClose(320, "bye", 0, 0))
    made = plain(event_record(close))
    assert made["type"] == "event"
    assert made["event"]["name"] == "connection.close"
    assert made["event"]["arguments"]["reply_code"] == 320
    assert made["ip"]["src"] == TCP.broker.ip
    declare = QueueDeclare(0, "q", False, True, False, False, False, {"x-password": "canary", "x-max": 3})
    event = Event(published().connection, True, 9, 1_000, 1, "queue.declare", declare)
    assert event_record(event).event.arguments["arguments"] == {"x-password": "***", "x-max": 3}
    assert event_record(event, show_secrets=True).event.arguments["arguments"]["x-password"] == "canary"
    malformed = Malformed("amqp", TCP, True, 9, 1_000, 4, "unknown method 1.2")
    assert event_record(malformed).event.detail == "amqp: unknown method 1.2 (at byte 4)"


def test_every_deliver_of_a_capture_has_its_queue():
    delivered = [record(m).amqp for m in messages("demo") if m.leg == "deliver"]
    told = [r.queue for r in truth.load("demo") if r.leg == "deliver"]
    assert sorted(amqp.queue for amqp in delivered) == sorted(told)


def test_secrets_that_the_sender_put_into_other_properties_are_masked():
    message = published()
    url = "rabbit://user:hunter2@host"
    properties = msgspec.structs.replace(message.properties, reply_to=url, app_id="kept", correlation_id=url)
    message.properties = properties
    amqp = record(message).amqp
    assert amqp.properties.reply_to == amqp.properties.correlation_id == "rabbit://user:***@host"
    assert amqp.properties.app_id == "kept"
    assert record(message, show_secrets=True).amqp.properties.reply_to == url


def test_secrets_in_names_are_masked():
    body = {"method": "x://u:hunter2@h", "namespace": "password=hunter2", "args": {}, "_unique_id": "1"}
    message = published(json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(body)}).encode())
    assert b"hunter2" not in msgspec.json.encode(record(message))
    returned = published(leg="return", method=BasicReturn(312, "password=hunter2", "x", "k"))
    assert record(returned).amqp.reply_text == "password=***"
