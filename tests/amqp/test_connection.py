"""What a connection's methods let one know: who, where, which queue; and no secrets."""

import struct

import pytest
from amqp_conversations import (
    CLIENT,
    SECRET,
    SERVER,
    amqplain,
    confirming,
    consume,
    get_ok,
    middle,
    opened,
    plain,
    queue_of,
    settled,
    start_ok,
)
from amqp_frames import HEARTBEAT, PROTOCOL_HEADER, Wire, deliver, method, publish, text_of
from pika import spec

from dissector import limits
from dissector.amqp import Event, Message
from dissector.net import Malformed


@pytest.fixture
def wire():
    return opened()[0]


# -- the connection ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mechanism", "make"), [("AMQPLAIN", amqplain), ("PLAIN", plain)])
def test_what_is_known_of_the_connection(mechanism, make):
    wire, events = opened(mechanism, make("nova", SECRET))
    (message,) = wire.client(*publish(1, b"x"))
    connection = message.connection
    assert (connection.user, connection.vhost) == ("nova", "/cloud")
    assert (connection.client_properties, connection.server_properties) == (CLIENT, SERVER)
    assert (connection.name, connection.node) == ("nova-compute:7:a", "rabbit@one")
    assert (connection.channel_max, connection.frame_max, connection.heartbeat_s) == (2047, 131072, 30)
    assert [event.name for event in events] == [
        "protocol-header",
        "connection.start",
        "connection.start-ok",
        "connection.tune",
        "connection.tune-ok",
        "connection.open",
        "connection.open-ok",
        "channel.open",
        "channel.open-ok",
    ]
    assert [event.connection.user for event in events[:3]] == [None, None, "nova"]


def test_connections_share_what_is_equal():
    ones, others = (opened()[0].client(*publish(1, b"x"))[0].connection for _ in range(2))
    assert ones.server_properties is others.server_properties
    assert ones.user is others.user


def test_properties_that_are_too_large_are_not_kept(monkeypatch):
    monkeypatch.setattr(limits, "SHARED_BYTES", 60)
    wire, _ = opened()
    (message,) = wire.client(*publish(1, b"x"))
    assert (message.connection.client_properties, message.connection.server_properties) == (None, None)
    assert wire.dissection.counts.large_properties == 2


def test_a_long_user_is_cut():
    wire, _ = opened("PLAIN", plain("u" * 9_000, SECRET))
    (message,) = wire.client(*publish(1, b"x"))
    assert message.connection.user == "u" * limits.USER_CHARS


def test_nothing_is_known_in_mid_stream():
    wire = middle()
    (message,) = wire.client(*publish(1, b"x"))
    connection = message.connection
    assert {getattr(connection, name) for name in connection.__struct_fields__ if name != "tcp"} == {None}
    assert (connection.name, connection.node, message.queue) == (None, None, None)


def secrets(wire):
    events = wire.broker(method(0, spec.Connection.Secure(SECRET)))
    events += wire.client(method(0, spec.Connection.SecureOk(SECRET)))
    return events + wire.client(method(0, spec.Connection.UpdateSecret(SECRET, "the token was renewed")))


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [
        ("AMQPLAIN", amqplain("nova", SECRET)),
        ("PLAIN", plain("nova", SECRET)),
        ("PLAIN", SECRET.encode()),
        ("AMQPLAIN", b"\x08PASSWORDS" + struct.pack(">I", 99) + SECRET.encode()),
        ("OTHER", SECRET.encode()),
    ],
)
def test_no_secret_is_in_any_event(mechanism, response):
    wire, events = opened(mechanism, response)
    events += secrets(wire) + wire.client(*publish(1, b"x")) + wire.end(True) + wire.end(False)
    text = text_of(events)
    told = next(e for e in events if isinstance(e, Event) and e.name == "connection.update-secret")
    assert (told.method.new_secret, told.method.reason) == (b"", "the token was renewed")
    for secret in (SECRET, SECRET.encode().hex(), repr(SECRET.encode())[2:-1], "s3cret", "czNjcmV0"):
        assert secret not in text


def test_a_start_ok_that_cannot_be_read_tells_no_secret():
    broken = start_ok("PLAIN", plain("nova", SECRET))
    broken = broken[:3] + struct.pack(">I", len(broken) - 7) + broken[7:-1] + b"\0\xce"
    events = Wire().client(PROTOCOL_HEADER, broken, HEARTBEAT)
    assert [type(event) for event in events] == [Event, Malformed, Event]
    assert "s3cret" not in text_of(events)


@pytest.mark.parametrize(
    ("fields", "name", "known"),
    [
        (spec.Connection.Blocked("low on memory"), "connection.blocked", {"reason": "low on memory"}),
        (spec.Connection.Unblocked(), "connection.unblocked", {}),
        (
            spec.Connection.Close(320, "CONNECTION_FORCED - bye", 0, 0),
            "connection.close",
            {"reply_code": 320, "reply_text": "CONNECTION_FORCED - bye"},
        ),
        (
            spec.Channel.Close(404, "NOT_FOUND - no exchange 'x'", 60, 40),
            "channel.close",
            {"reply_code": 404, "reply_text": "NOT_FOUND - no exchange 'x'", "class_id": 60, "method_id": 40},
        ),
    ],
)
def test_reasons_reach_the_events(wire, fields, name, known):
    (event,) = wire.broker(method(1, fields))
    assert (event.name, event.from_client, event.channel) == (name, False, 1)
    assert {key: getattr(event.method, key) for key in known} == known
    assert event.connection.user == "nova"


# -- queues ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [None, "t"])
def test_explicit_consumer_tag(wire, answer):
    consume(wire, "q", "t", answer=answer)
    assert queue_of(wire) == "q"
    assert queue_of(wire, "other") is None


def test_consumer_tags_named_by_the_broker(wire):
    consume(wire, "one", "")
    consume(wire, "two", "mine")
    consume(wire, "three", "")
    for tag in ("amq.ctag-1", "mine", "amq.ctag-3"):
        wire.broker(method(1, spec.Basic.ConsumeOk(tag)))
    assert [queue_of(wire, tag) for tag in ("amq.ctag-1", "mine", "amq.ctag-3")] == ["one", "two", "three"]


def test_a_consumer_without_an_answer_is_not_waited_for(wire):
    consume(wire, "silent", "", nowait=True)
    consume(wire, "two", "", answer="amq.ctag-2")
    assert queue_of(wire, "amq.ctag-2") == "two"


def test_tag_whose_queue_is_not_known_does_not_take_another_answer(wire):
    consume(wire, "one", "")
    consume(wire, "", "mine")
    wire.broker(method(1, spec.Basic.ConsumeOk("amq.ctag-1")))
    wire.broker(method(1, spec.Basic.ConsumeOk("mine")))
    assert [queue_of(wire, tag) for tag in ("amq.ctag-1", "mine")] == ["one", None]


def test_tags_are_per_channel(wire):
    wire.client(method(2, spec.Channel.Open()))
    consume(wire, "one", "t")
    consume(wire, "two", "t", channel=2)
    assert [queue_of(wire, channel=channel) for channel in (1, 2)] == ["one", "two"]


def test_cancel_and_the_same_tag_again(wire):
    consume(wire, "one", "t", answer="t")
    wire.client(method(1, spec.Basic.Cancel("t")))
    assert queue_of(wire, delivery_tag=1) == "one"
    (event,) = consume(wire, "two", "t")
    assert event.name == "basic.consume"
    assert queue_of(wire, delivery_tag=2) == "one"  # it was on its way
    wire.broker(method(1, spec.Basic.CancelOk("t")))
    assert queue_of(wire, delivery_tag=3) is None
    wire.broker(method(1, spec.Basic.ConsumeOk("t")))
    assert queue_of(wire, delivery_tag=4) == "two"


def test_cancel_by_the_broker(wire):
    consume(wire, "one", "t", answer="t")
    wire.broker(method(1, spec.Basic.Cancel("t")))
    assert queue_of(wire) is None


def declare(wire, queue, *, answer=None, nowait=False):
    wire.client(method(1, spec.Queue.Declare(queue=queue, nowait=nowait)))
    if answer:
        wire.broker(method(1, spec.Queue.DeclareOk(answer, 0, 0)))


def test_no_queue_name_means_the_last_declared(wire):
    declare(wire, "q", answer="q")
    bind = spec.Queue.Bind(queue="", exchange="x", routing_key="k")
    (event,) = wire.client(method(1, bind))
    assert event.queue == "q"
    (event,) = consume(wire, "", "t")
    assert (event.queue, queue_of(wire)) == ("q", "q")
    (event,) = wire.client(method(1, spec.Queue.Bind(queue="named", exchange="x", routing_key="k")))
    assert event.queue is None


def test_queue_named_by_the_broker(wire):
    declare(wire, "", answer="amq.gen-1")
    consume(wire, "", "t")
    assert queue_of(wire) == "amq.gen-1"


def test_queue_not_named_yet(wire):
    declare(wire, "old", answer="old")
    declare(wire, "")
    consume(wire, "", "t")
    assert queue_of(wire) is None


def test_answers_come_later_than_the_next_declare(wire):
    for queue in ("one", "", "three"):
        declare(wire, queue)
    for answer in ("one", "amq.gen-2"):
        wire.broker(method(1, spec.Queue.DeclareOk(answer, 0, 0)))
    consume(wire, "", "t")
    assert queue_of(wire) == "three"


def test_declare_without_an_answer(wire):
    declare(wire, "silent", nowait=True)
    declare(wire, "", answer="amq.gen-2")
    consume(wire, "", "t")
    assert queue_of(wire) == "amq.gen-2"


def test_an_answer_whose_declare_was_not_seen_says_nothing(wire):
    wire.broker(method(1, spec.Queue.DeclareOk("q", 0, 0)))
    consume(wire, "", "t")
    assert queue_of(wire) is None


def test_answers_captured_before_what_they_answer(wire):
    """A tag is consumed, cancelled, and consumed again; the broker's side of it is captured first."""
    for answer in (spec.Basic.ConsumeOk("t"), spec.Basic.CancelOk("t"), spec.Basic.ConsumeOk("t")):
        wire.broker(method(1, answer))
    for queue in ("one", "two"):
        wire.client(method(1, spec.Basic.Consume(queue=queue, consumer_tag="t")))
    assert queue_of(wire) == "two"


def test_an_answer_captured_after_the_next_consume_of_its_tag(wire):
    for queue in ("one", "two"):
        wire.client(method(1, spec.Basic.Consume(queue=queue, consumer_tag="t")))
    wire.broker(method(1, spec.Basic.ConsumeOk("t")))
    assert queue_of(wire) == "one"
    wire.broker(method(1, spec.Basic.ConsumeOk("t")))
    assert queue_of(wire) == "two"


@pytest.mark.parametrize("limit", [0, 1])
def test_early_answers_are_bounded(wire, monkeypatch, limit):
    monkeypatch.setattr(limits, "EARLY_ANSWERS", limit)
    wire.broker(method(1, spec.Basic.ConsumeOk("t")))
    for queue in ("one", "two"):
        wire.client(method(1, spec.Basic.Consume(queue=queue, consumer_tag="t")))
    wire.broker(method(1, spec.Basic.ConsumeOk("t")))
    assert queue_of(wire) == ("two" if limit else "one")


@pytest.mark.parametrize("from_client", [True, False])
def test_what_begins_a_connection_ends_what_was_known(wire, from_client):
    """Another has taken the ports unseen."""
    start = method(0, spec.Connection.Start(mechanisms="PLAIN"))
    wire.broker(start)
    wire.client(method(0, spec.Connection.Open(virtual_host="v")))
    consume(wire, "q", "t")
    assert queue_of(wire) == "q"
    wire.gap(True, 9 if from_client else None)
    events = wire.broker(start) if from_client else wire.client(PROTOCOL_HEADER)
    assert [e.connection.vhost for e in events if isinstance(e, Event)] == [None]
    assert queue_of(wire) is None


@pytest.mark.parametrize("fields", [spec.Queue.Purge(), spec.Queue.Delete(), spec.Queue.Unbind(exchange="x")])
def test_methods_without_a_queue_name(wire, fields):
    declare(wire, "q", answer="q")
    (event,) = wire.client(method(1, fields))
    assert event.queue == "q"


def test_get(wire):
    declare(wire, "last", answer="last")
    for queue in ("one", "two", ""):
        wire.client(method(1, spec.Basic.Get(queue=queue)))
    (message,) = wire.broker(*get_ok(1))
    assert (message.leg, message.queue) == ("get", "one")
    wire.broker(method(1, spec.Basic.GetEmpty()))
    (message,) = wire.broker(*get_ok(2))
    assert message.queue == "last"
    (message,) = wire.broker(*get_ok(3))
    assert message.queue is None


@pytest.mark.parametrize("from_client", [True, False])
def test_get_after_a_gap_is_not_guessed(wire, from_client):
    wire.client(method(1, spec.Basic.Get(queue="one")))
    wire.gap(from_client)
    events = wire.broker(*get_ok(1), HEARTBEAT)
    assert [e.queue for e in events if isinstance(e, Message)] == [None]


def test_answers_are_not_waited_for_after_a_gap(wire):
    declare(wire, "")
    wire.gap(False)
    declare(wire, "")
    wire.broker(method(1, spec.Queue.DeclareOk("amq.gen-2", 0, 0)), HEARTBEAT)
    (event,) = consume(wire, "", "t")
    assert event.queue == "amq.gen-2"


def test_last_queue_is_not_known_after_a_gap(wire):
    declare(wire, "q", answer="q")
    wire.gap(True)
    events = wire.client(method(1, spec.Basic.Consume(queue="", consumer_tag="t")), HEARTBEAT)
    assert [e.queue for e in events if e.name == "basic.consume"] == [None]


def test_consumers_are_bounded(wire, monkeypatch):
    monkeypatch.setattr(limits, "CONSUMERS", 2)
    for tag in "abc":
        consume(wire, "q" + tag, tag)
    assert [queue_of(wire, tag) for tag in "abc"] == [None, "qb", "qc"]
    assert wire.dissection.counts.forgotten_consumers == 1


def test_requests_without_answers_are_bounded(wire, monkeypatch):
    monkeypatch.setattr(limits, "CONSUMERS", 2)
    for queue in "abc":
        wire.client(method(1, spec.Basic.Get(queue=queue)))
    assert [event.queue for event in wire.broker(*get_ok(1), *get_ok(2)) if isinstance(event, Message)] == ["b", "c"]
    assert wire.dissection.counts.forgotten_consumers == 1


# -- channels ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_client", [True, False])
def test_a_channel_closed_and_opened_again(wire, by_client):
    confirming(wire)
    consume(wire, "q", "t", answer="t")
    wire.broker(*deliver(1, b"x"))
    ask, answer = (wire.client, wire.broker) if by_client else (wire.broker, wire.client)
    ask(method(1, spec.Channel.Close(200, "bye", 0, 0)))
    if by_client:
        assert queue_of(wire, delivery_tag=2) == "q"  # it was on its way
    answer(method(1, spec.Channel.CloseOk()))
    wire.client(method(1, spec.Channel.Open()))
    assert queue_of(wire) is None
    assert settled(wire.broker(method(1, spec.Basic.Ack(1)))) == [()]
    wire.client(method(1, spec.Confirm.Select()))
    (message,) = wire.client(*publish(1, b"again"))
    assert settled(wire.broker(method(1, spec.Basic.Ack(1)))) == [(message.ordinal,)]


def test_channels_are_bounded(monkeypatch):
    monkeypatch.setattr(limits, "CHANNELS", 2)
    wire = opened()[0]
    for channel in (1, 2, 3):
        consume(wire, f"q{channel}", "t", channel=channel)
    assert [queue_of(wire, channel=channel) for channel in (1, 2, 3)] == ["q1", "q2", None]
    assert wire.dissection.counts.unknown_channels > 0
