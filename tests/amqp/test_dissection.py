"""All connections together: the order of events, what ends and begins again, other protocols, counts."""

import msgspec
import pytest
from amqp_frames import HEARTBEAT, PROTOCOL_HEADER, TCP, Wire, data_of, deliver, method, publish
from pika import spec

from dissector import limits
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
    broker = StreamData(TCP, False, True, first + second, [len(first), len(first + second)], [1, 3], [1, 3], [10, 30])
    for streams in ([broker, data_of(ask, 2, at_start=True)], [data_of(ask, 2, at_start=True), broker]):
        events = Dissection().feed(streams)
        assert [e.queue for e in events if isinstance(e, Message)] == [None, "q"]


def test_a_hole_comes_before_what_is_behind_it():
    streams = [
        data_of(HEARTBEAT, 1, at_start=True),
        StreamGap(TCP, True, 5, 2, 20),
        data_of(b"".join([*publish(1, b"x"), HEARTBEAT]), 2),
        data_of(HEARTBEAT, 5, at_start=True, from_client=False),
    ]
    events = Dissection().feed(streams)
    assert [(e.number, name_of(e)) for e in events] == [
        (1, "heartbeat"),
        (2, "gap"),
        (2, "publish"),
        (2, "heartbeat"),
        (5, "heartbeat"),
    ]


def test_what_is_held_is_waited_for():
    """What the broker says of the queue is behind a hole; the client's consume is not."""
    dissection = Dissection()
    dissection.feed([data_of(method(1, spec.Queue.Declare(queue="")), 1, at_start=True)])
    consume = method(1, spec.Basic.Consume(queue="", consumer_tag="t"))
    assert dissection.feed([data_of(consume, 3)], oldest_held=2) == []
    answer = method(1, spec.Queue.DeclareOk("amq.gen-1", 0, 0))
    events = dissection.feed([data_of(answer, 2, at_start=True, from_client=False)])
    assert [(e.number, e.queue) for e in events] == [(2, None), (3, "amq.gen-1")]


def test_frames_that_are_not_proven_are_waited_for():
    dissection = Dissection()
    ack = method(1, spec.Basic.Ack(1))
    assert dissection.feed([data_of(b"rest\xce" + ack + HEARTBEAT[:2], 1)]) == []
    assert dissection.feed([data_of(HEARTBEAT, 2, at_start=True, from_client=False)]) == []
    events = dissection.feed([data_of(HEARTBEAT[2:], 3)])
    assert [(e.number, name_of(e)) for e in events if isinstance(e, Event)] == [
        (1, "basic.ack"),
        (2, "heartbeat"),
        (3, "heartbeat"),
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


@pytest.mark.parametrize("reason", ["rst", "fin"])
def test_a_connection_that_goes_on_after_both_ends_keeps_what_is_known(reason):
    """Whoever sent a RST or a FIN: where the bytes go on, it was not taken."""
    wire = Wire()
    wire.client(method(1, spec.Basic.Consume(queue="q", consumer_tag="t")))
    frames = b"".join(deliver(1, b"body", pieces=2))
    wire.broker(frames[:-7])
    wire.end(True, reason)
    assert [e.reason.split(": ")[-1] for e in wire.end(False, reason) if isinstance(e, Malformed)] != []
    skipped = wire.dissection.counts.skipped_bytes
    (message,) = [e for e in wire.broker(frames[-7:], HEARTBEAT) if isinstance(e, Message)]
    assert (message.queue, message.ordinal, message.body) == ("q", 0, b"body")
    assert (skipped > 0, wire.dissection.counts.skipped_bytes) == (True, 0)


def test_of_closed_connections_some_are_remembered(monkeypatch):
    monkeypatch.setattr(limits, "CLOSED_CONNECTIONS", 1)
    dissection = Dissection()
    tcps = [msgspec.structs.replace(TCP, stream=stream) for stream in range(3)]
    halves = b"".join(publish(1, b"body")), 20
    for tcp in tcps:
        dissection.feed([data_of(halves[0][:20], at_start=True, tcp=tcp)])
        dissection.feed([StreamEnd(tcp, from_client, "rst", 2, 2) for from_client in (True, False)])
    found = [dissection.feed([data_of(halves[0][20:] + HEARTBEAT, 3, tcp=tcp)]) for tcp in tcps]
    assert [sum(isinstance(event, Message) for event in events) for events in found] == [0, 0, 1]


def test_after_a_hole_of_unknown_size_nothing_is_known():
    wire = Wire()
    wire.client(
        method(0, spec.Connection.Open(virtual_host="v")), method(1, spec.Basic.Consume(queue="q", consumer_tag="t"))
    )
    wire.gap(False, None)
    (message,) = wire.broker(*deliver(1, b"x"))
    assert (message.queue, message.connection.vhost) == (None, None)


def test_unfinished_messages_over_the_limit(monkeypatch):
    """The largest are given up; the others come out all the same."""
    monkeypatch.setattr(limits, "UNFINISHED_BYTES", 5000)
    monkeypatch.setattr(limits, "PIECE_BYTES", 0)
    dissection = Dissection()
    tcps = [msgspec.structs.replace(TCP, stream=stream) for stream in range(3)]
    bodies = [bytes(size) for size in (900, 3500, 1300)]
    told = []
    rests = []
    for tcp, octets in zip(tcps, bodies, strict=True):
        frames = b"".join([*publish(1, octets + b"more", pieces=2)])
        told += dissection.feed([data_of(frames[:-9], at_start=True, tcp=tcp)])
        rests.append(frames[-9:])
    assert [e.reason.split(": ")[-1] for e in told if isinstance(e, Malformed)] == [
        "over 5000 bytes of unfinished messages"
    ]
    found = [dissection.feed([data_of(rest + HEARTBEAT, 9, tcp=tcp)]) for tcp, rest in zip(tcps, rests, strict=True)]
    assert [sum(isinstance(event, Message) for event in events) for events in found] == [1, 0, 1]


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
