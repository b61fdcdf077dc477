"""What a connection's methods let one know: who, where, which queue, what is settled; and no secrets."""

import struct

import pytest
from amqp_frames import HEARTBEAT, PROTOCOL_HEADER, Wire, body, content, deliver, header, method, publish, text_of
from pika import spec

from dissector import limits
from dissector.amqp import Event, Message
from dissector.net import Malformed

SECRET = "s3cret-Ωmega"
CLIENT = {"product": "py-amqp", "connection_name": "nova-compute:7:a", "capabilities": {"basic.nack": True}}
SERVER = {"product": "RabbitMQ", "cluster_name": "rabbit@one", "version": "3.10.8"}


def amqplain(user, password):
    fields = b""
    for name, value in (("LOGIN", user), ("PASSWORD", password)):
        octets = value.encode()
        fields += bytes([len(name)]) + name.encode() + b"S" + struct.pack(">I", len(octets)) + octets
    return fields


def plain(user, password):
    return f"\0{user}\0{password}".encode()


def start_ok(mechanism, response):
    # pika's Connection.StartOk encodes only text
    fields = spec.Connection.StartOk(client_properties=CLIENT, mechanism=mechanism, response="")
    whole = method(0, fields)
    payload = whole[7:-1]
    head, locale = payload[: -len("en_US") - 1 - 4], payload[-len("en_US") - 1 :]
    payload = head + struct.pack(">I", len(response)) + response + locale
    return whole[:3] + struct.pack(">I", len(payload)) + payload + b"\xce"


def opened(mechanism="AMQPLAIN", response=None):
    """A connection with an open channel 1."""
    wire = Wire()
    events = wire.client(PROTOCOL_HEADER)
    events += wire.broker(method(0, spec.Connection.Start(0, 9, SERVER, "PLAIN AMQPLAIN", "en_US")))
    response = amqplain("nova", SECRET) if response is None else response
    events += wire.client(start_ok(mechanism, response))
    events += wire.broker(method(0, spec.Connection.Tune(2047, 131072, 60)))
    events += wire.client(method(0, spec.Connection.TuneOk(2047, 131072, 30)))
    events += wire.client(method(0, spec.Connection.Open(virtual_host="/cloud")))
    events += wire.broker(method(0, spec.Connection.OpenOk()))
    events += wire.client(method(1, spec.Channel.Open())) + wire.broker(method(1, spec.Channel.OpenOk()))
    return wire, events


@pytest.fixture
def wire():
    return opened()[0]


def middle():
    """A connection that the capture finds in the middle: both directions are in step."""
    wire = Wire(at_start=False)
    wire.client(HEARTBEAT, HEARTBEAT, HEARTBEAT)
    wire.broker(HEARTBEAT, HEARTBEAT, HEARTBEAT)
    wire.client(HEARTBEAT)
    return wire


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


def consume(wire, queue, tag, *, channel=1, nowait=False, answer=None, no_ack=False):
    fields = spec.Basic.Consume(queue=queue, consumer_tag=tag, nowait=nowait, no_ack=no_ack)
    events = wire.client(method(channel, fields))
    return events + (wire.broker(method(channel, spec.Basic.ConsumeOk(answer))) if answer else [])


def queue_of(wire, tag="t", *, channel=1, delivery_tag=1):
    (message,) = wire.broker(*deliver(channel, b"x", tag=tag, delivery_tag=delivery_tag))
    return message.queue


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


@pytest.mark.parametrize("fields", [spec.Queue.Purge(), spec.Queue.Delete(), spec.Queue.Unbind(exchange="x")])
def test_methods_without_a_queue_name(wire, fields):
    declare(wire, "q", answer="q")
    (event,) = wire.client(method(1, fields))
    assert event.queue == "q"


def get_ok(delivery_tag):
    return content(1, spec.Basic.GetOk(delivery_tag, False, "x", "k", 0), b"x")


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


# -- acks and confirms --------------------------------------------------------------------------------------------


def settled(events):
    return [event.settled for event in events if isinstance(event, Event)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (spec.Basic.Ack(2), (1,)),
        (spec.Basic.Ack(2, multiple=True), (0, 1)),
        (spec.Basic.Ack(0, multiple=True), (0, 1, 2)),
        (spec.Basic.Nack(2, requeue=True), (1,)),
        (spec.Basic.Nack(2, multiple=True), (0, 1)),
        (spec.Basic.Reject(3), (2,)),
        (spec.Basic.Ack(9), ()),
    ],
    ids=str,
)
def test_acks(wire, fields, expected):
    for tag in (1, 2, 3):
        wire.broker(*deliver(1, b"x", delivery_tag=tag))
    assert settled(wire.client(method(1, fields))) == [expected]
    assert settled(wire.client(method(1, fields))) == [()]


def test_acks_are_per_channel(wire):
    wire.broker(*deliver(1, b"x"), *deliver(2, b"y"))
    assert settled(wire.client(method(2, spec.Basic.Ack(1)))) == [(1,)]


def test_what_needs_no_ack_is_not_settled(wire):
    consume(wire, "q", "quick", no_ack=True)
    consume(wire, "q", "slow")
    wire.broker(*deliver(1, b"x", tag="quick", delivery_tag=1), *deliver(1, b"y", tag="slow", delivery_tag=2))
    assert settled(wire.client(method(1, spec.Basic.Ack(0, multiple=True)))) == [(1,)]


@pytest.mark.parametrize("seen", [True, False])
def test_ack_of_a_get(wire, seen):
    if seen:
        wire.client(method(1, spec.Basic.Get(queue="one")))
    wire.broker(*get_ok(1))
    assert settled(wire.client(method(1, spec.Basic.Ack(1)))) == [(0,)]


def confirming(wire):
    wire.client(*publish(1, b"before"))
    wire.client(method(1, spec.Confirm.Select()))
    wire.broker(method(1, spec.Confirm.SelectOk()))
    for octets in (b"one", b"two", b"three"):
        wire.client(*publish(1, octets))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (spec.Basic.Ack(1), (1,)),
        (spec.Basic.Ack(2, multiple=True), (1, 2)),
        (spec.Basic.Nack(3), (3,)),
        (spec.Basic.Nack(3, multiple=True), (1, 2, 3)),
    ],
    ids=str,
)
def test_confirms(wire, fields, expected):
    confirming(wire)
    assert settled(wire.broker(method(1, fields))) == [expected]


def test_confirm_select_again_does_not_begin_anew(wire):
    confirming(wire)
    wire.client(method(1, spec.Confirm.Select()))
    assert settled(wire.broker(method(1, spec.Basic.Ack(3)))) == [(3,)]


def test_acks_and_confirms_do_not_mix(wire):
    confirming(wire)
    wire.broker(*deliver(1, b"x", delivery_tag=1))
    assert settled(wire.client(method(1, spec.Basic.Ack(1)))) == [(4,)]
    assert settled(wire.broker(method(1, spec.Basic.Ack(1)))) == [(1,)]


def lost(wire):
    return wire.gap(True)


def broken_method(wire):
    return wire.client(b"\x01\x00\x01\x00\x00\x00\x05\x00\x3c\x00\x50\x00\xce")


def broken_content(wire):
    return wire.client(publish(1, b"x")[0], header(1, 2), body(1, b"xyz"))


@pytest.mark.parametrize("break_it", [lost, broken_method, broken_content])
def test_confirms_are_not_guessed_after_something_was_missed(wire, break_it):
    confirming(wire)
    break_it(wire)
    wire.client(*publish(1, b"four"), HEARTBEAT)
    assert settled(wire.broker(method(1, spec.Basic.Ack(4, multiple=True)))) == [()]


def test_confirms_go_on_after_a_gap_of_the_broker(wire):
    confirming(wire)
    wire.gap(False)
    events = wire.broker(method(1, spec.Basic.Ack(2)), method(1, spec.Basic.Ack(3)), HEARTBEAT)
    assert settled(e for e in events if e.name == "basic.ack") == [(2,), (3,)]


def test_no_confirms_in_mid_stream():
    wire = middle()
    wire.client(*publish(1, b"x"))
    assert settled(wire.broker(method(1, spec.Basic.Ack(1)))) == [()]


def test_unsettled_messages_are_bounded(wire, monkeypatch):
    monkeypatch.setattr(limits, "UNSETTLED", 2)
    for tag in (1, 2, 3):
        wire.broker(*deliver(1, b"x", delivery_tag=tag))
    assert settled(wire.client(method(1, spec.Basic.Ack(0, multiple=True)))) == [(1, 2)]


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
