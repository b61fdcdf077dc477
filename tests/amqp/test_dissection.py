"""All connections together: the order of events, what ends and begins again, other protocols, counts."""

import pytest
from amqp_frames import HEARTBEAT, PROTOCOL_HEADER, TCP, Wire, data_of, deliver, method, publish
from pika import spec

from dissector.amqp import Dissection, Event, Message
from dissector.net import Connection, Endpoint, Malformed, StreamData, StreamEnd, StreamGap

OTHER = Connection(1, Endpoint("10.0.0.3", 40001), TCP.broker)
CLIENT_HELLO = b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(range(190))
SERVER_HELLO = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + bytes(110)


def name_of(event):
    if isinstance(event, Message):
        return event.leg
    return event.name if isinstance(event, Event) else event.reason


def test_events_come_in_the_order_of_their_packets():
    streams = [
        data_of(b"".join(publish(1, b"x")), 5, at_start=True),
        data_of(HEARTBEAT, 3, at_start=True, tcp=OTHER),
        data_of(b"".join(deliver(1, b"y")), 4, at_start=True, from_client=False),
        data_of(HEARTBEAT, 2, at_start=True, from_client=False, tcp=OTHER),
    ]
    events = Dissection().feed(streams)
    assert [(e.number, name_of(e)) for e in events] == [
        (2, "heartbeat"),
        (3, "heartbeat"),
        (4, "deliver"),
        (5, "publish"),
    ]


def test_at_one_packet_the_older_connection_comes_first():
    ends = [StreamEnd(tcp, side, "capture_end", 9, 90) for tcp in (OTHER, TCP) for side in (True, False)]
    events = Dissection().feed(ends)
    assert [(e.connection.tcp.stream, e.from_client) for e in events] == [(0, True), (0, False), (1, True), (1, False)]


def test_what_one_direction_tells_is_known_when_the_other_speaks():
    """Both directions of a batch are told one after the other; the state follows the packets."""
    consume = method(1, spec.Basic.Consume(queue="q", consumer_tag="t"))
    octets = [deliver(1, b"1"), [consume], deliver(1, b"2")]
    (first, ask, second) = [b"".join(frames) for frames in octets]
    broker = StreamData(
        TCP, False, True, first + second, [len(first), len(first + second)], [1, 3], [1, 3], [10, 30], 0
    )
    for streams in ([broker, data_of(ask, 2, at_start=True)], [data_of(ask, 2, at_start=True), broker]):
        events = Dissection().feed(streams)
        assert [e.queue for e in events if isinstance(e, Message)] == [None, "q"]


def test_what_was_held_behind_a_hole_comes_after_the_hole_was_given_up():
    streams = [
        data_of(HEARTBEAT, 1, at_start=True),
        StreamGap(TCP, True, 5, 8, 80),
        StreamData(TCP, True, False, b"".join([*publish(1, b"x"), HEARTBEAT]), [40], [2], [2], [20], 8),
        data_of(HEARTBEAT, 5, at_start=True, from_client=False),
    ]
    streams[2].ends = [len(streams[2].data)]
    events = Dissection().feed(streams)
    assert [(e.number, name_of(e)) for e in events] == [
        (1, "heartbeat"),
        (5, "heartbeat"),
        (8, "gap"),
        (2, "publish"),
        (2, "heartbeat"),
    ]


# -- other protocols -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "client", "broker"),
    [
        ("TLS", CLIENT_HELLO, SERVER_HELLO),
        ("TLS", CLIENT_HELLO, b"\x15\x03\x03\x00\x02\x02\x28"),
        ("AMQP 1.0 (SASL)", b"AMQP\x03\x01\x00\x00", b"AMQP\x03\x01\x00\x00" + bytes(30)),
        ("AMQP 1.0", b"AMQP\x00\x01\x00\x00", b"\x00\x00\x00\x0c\x02\x01\x00\x00\xce\x01"),
    ],
)
def test_another_protocol_is_said_once_a_connection(name, client, broker):
    wire = Wire()
    events = wire.client(client) + wire.broker(broker) + wire.client(b"more") + wire.broker(b"\xce\x01")
    events += wire.end(True) + wire.end(False)
    assert [(name_of(e), e.detail) for e in events] == [("foreign", name), ("end", "fin"), ("end", "fin")]


def test_a_broker_that_refuses_the_version():
    wire = Wire()
    events = wire.client(PROTOCOL_HEADER) + wire.broker(b"AMQP\x00\x01\x00\x00")
    found = [(name_of(e), e.from_client, e.detail) for e in events]
    assert found == [("protocol-header", True, "AMQP 0-9-1"), ("foreign", False, "AMQP 1.0")]


def test_what_is_no_amqp_at_all_is_told_at_the_end():
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    wire = Wire()
    assert wire.client(request) == []
    events = wire.end(True)
    assert [name_of(e) for e in events] == [
        f"the connection ends: {len(request)} bytes before that are no whole AMQP frame",
        "end",
    ]
    assert wire.dissection.counts.skipped_bytes == len(request)


# -- ends ------------------------------------------------------------------------------------------------------------


def test_a_connection_that_goes_on_after_both_ends_begins_with_nothing_known():
    wire = Wire()
    consume = method(1, spec.Basic.Consume(queue="q", consumer_tag="t"))
    wire.client(consume)
    (message,) = wire.broker(*deliver(1, b"x"))
    assert (message.queue, message.ordinal) == ("q", 0)
    wire.end(True, "rst")
    wire.end(False, "rst")
    events = wire.broker(*deliver(1, b"x"), HEARTBEAT)
    assert [(e.queue, e.ordinal) for e in events if isinstance(e, Message)] == [(None, 0)]


def test_a_direction_that_goes_on_after_its_end_keeps_what_is_known():
    wire = Wire()
    wire.client(*publish(1, b"x"))
    wire.broker(HEARTBEAT)
    wire.end(True)
    wire.client(*publish(1, b"x"), HEARTBEAT)
    wire.end(False)
    events = wire.client(*publish(1, b"x"), HEARTBEAT)
    assert [e.ordinal for e in events if isinstance(e, Message)] == [2]


def test_what_tcp_tells_after_the_end_is_told():
    wire = Wire()
    wire.client(HEARTBEAT)
    wire.end(True)
    wire.end(False)
    event = Malformed("tcp", TCP, True, 9, 90, None, "differs")
    assert wire.dissection.feed([event]) == [event]


@pytest.mark.parametrize("size", [7, None])
def test_gaps(size):
    wire = Wire()
    wire.client(HEARTBEAT[:5])
    (event,) = wire.gap(True, size)
    assert (event.name, event.detail) == ("gap", "7 bytes are missing" if size else "bytes are missing")
    events = wire.client(b"rest\xce", *publish(1, b"x"), HEARTBEAT)
    assert [name_of(e) for e in events] == ["bytes are missing: 10 bytes passed over", "publish", "heartbeat"]
    counts = wire.dissection.counts
    assert (counts.gaps, counts.missing_bytes, counts.skipped_bytes, counts.malformed) == (1, size or 0, 10, 1)
    assert (counts.frames, counts.messages) == (4, 1)
