"""Messages out of frames: bodies, channels in between, what breaks one off, and the packets that carry them."""

import itertools

import pytest
from amqp_frames import HEARTBEAT, Wire, body, content, deliver, header, method, pieces_of, publish
from hypothesis import given
from hypothesis import strategies as st
from pika import BasicProperties, spec

from dissector import limits
from dissector.amqp import Dissection, Event, Message
from dissector.net import Connection, Endpoint, Malformed, StreamData, StreamGap

TCP = Connection(0, Endpoint("10.0.0.1", 40000), Endpoint("10.0.0.2", 5672))


def messages(events):
    return [event for event in events if isinstance(event, Message)]


def problems(events):
    return [(event.number, event.reason) for event in events if isinstance(event, Malformed)]


def sent(*packets, from_client=True):
    """What packets of whole frames give, without the end."""
    wire = Wire()
    send = wire.client if from_client else wire.broker
    return [event for packet in packets for event in send(*packet)]


LEGS = {
    "publish": (spec.Basic.Publish(exchange="x", routing_key="k", mandatory=True), True),
    "deliver": (spec.Basic.Deliver("tag", 7, True, "x", "k"), False),
    "get": (spec.Basic.GetOk(8, False, "x", "k", 3), False),
    "return": (spec.Basic.Return(312, "NO_ROUTE", "x", "k"), False),
}


@pytest.mark.parametrize("leg", LEGS)
@pytest.mark.parametrize("pieces", [0, 1, 3])
def test_legs(leg, pieces):
    fields, from_client = LEGS[leg]
    octets = bytes(range(10)) * bool(pieces)
    frames = content(4, fields, octets, pieces=pieces or 1, properties=BasicProperties(content_type="text/plain"))
    (message,) = sent(frames, from_client=from_client)
    assert (message.leg, message.channel, message.from_client, message.body) == (leg, 4, from_client, octets)
    assert (message.method.exchange, message.method.routing_key) == ("x", "k")
    assert message.properties.content_type == "text/plain"
    assert (message.number, message.numbers, message.time_ns, message.ordinal) == (1, (1,), 1000, 0)


def test_interleaved_channels_and_heartbeats():
    one = publish(1, b"aaaaaa", pieces=3)
    two = publish(2, b"bbbbbb", pieces=3)
    mixed = [frame for pair in zip(one, two, strict=True) for frame in (*pair, HEARTBEAT)]
    events = sent(*[[frame] for frame in mixed])
    found = [(m.channel, m.body, m.number, m.numbers) for m in messages(events)]
    assert found == [(1, b"aaaaaa", 13, (1, 4, 7, 10, 13)), (2, b"bbbbbb", 14, (2, 5, 8, 11, 14))]
    assert [event.name for event in events if isinstance(event, Event)] == ["heartbeat"] * 5


def test_the_directions_do_not_mix():
    wire = Wire()
    ours, theirs = publish(1, b"client", pieces=2), deliver(1, b"broker", pieces=2)
    events = []
    for mine, yours in zip(ours, theirs, strict=True):
        events += wire.client(mine) + wire.broker(yours)
    assert [(m.leg, m.body) for m in messages(events)] == [("publish", b"client"), ("deliver", b"broker")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
def test_numbers_are_the_packets_with_a_byte_of_it(size):
    frames = [(1, f) for f in publish(1, b"x" * 9, pieces=3)]
    other = [(2, f) for f in publish(2, b"y" * 3)]
    mixed = [*frames[:2], other[0], frames[2], (0, HEARTBEAT), *other[1:], *frames[3:], (0, HEARTBEAT)]
    octets = b"".join(frame for _, frame in mixed)
    owner = [channel for channel, frame in mixed for _ in frame]
    wire = Wire()
    found = messages([e for at in range(0, len(octets), size) for e in wire.client(octets[at : at + size])])
    for message in found:
        expected = sorted({at // size + 1 for at, channel in enumerate(owner) if channel == message.channel})
        assert (message.numbers, message.number) == (tuple(expected), expected[-1])
    assert [m.channel for m in found] == [2, 1]


@given(st.lists(st.integers(0, 200), max_size=8), st.lists(st.integers(0, 10), max_size=4))
def test_numbers_over_any_packets_in_any_batches(cuts, joints):
    """One `StreamData` may hold several packets, and a frame begin in another `StreamData`."""
    frames = [*publish(1, b"x" * 20, pieces=2), HEARTBEAT, *publish(1, b""), *publish(1, b"z")]
    pieces = pieces_of(b"".join(frames), cuts)
    wire = Wire()
    expected = messages([event for piece in pieces for event in wire.client(piece)])
    dissection, found, number = Dissection(), [], 1
    for group in pieces_of(pieces, joints):
        ends = list(itertools.accumulate(map(len, group)))
        numbers = list(range(number, number + len(group)))
        times = [n * 1000 for n in numbers]
        data = b"".join(group)
        found += dissection.feed([StreamData(TCP, True, number == 1, data, ends, numbers, numbers, times)])
        number += len(group)
    assert messages(found) == expected
    assert len(expected) == 3


def test_number_where_a_hole_was_filled_late():
    frames = publish(1, b"abc")
    size = len(frames[0])
    octets = b"".join(frames)
    ends = [size, size + 5, len(octets)]
    data = StreamData(TCP, True, True, octets, ends, [1, 9, 4], [1, 9, 9], [10, 90, 90])
    (message,) = Dissection().feed([data])
    assert (message.number, message.numbers, message.time_ns) == (9, (1, 4, 9), 90)


def test_number_where_a_hole_was_given_up():
    held = b"".join([*publish(1, b"abc"), HEARTBEAT])
    dissection = Dissection()
    events = dissection.feed([StreamGap(TCP, True, 5, 9, 90)])
    events += dissection.feed([StreamData(TCP, True, False, held, [len(held)], [4], [4], [40])])
    (message,) = messages(events)
    assert (message.number, message.numbers, message.time_ns) == (4, (4,), 40)


# -- what breaks off -----------------------------------------------------------------------------------------


def test_a_method_in_the_middle_aborts():
    frames = publish(1, b"abcdef", pieces=2)
    ack = method(1, spec.Basic.Ack(5))
    events = sent(frames[:3], [ack], frames[3:], publish(1, b"whole"))
    assert [type(e).__name__ for e in events] == ["Malformed", "Event", "Malformed", "Message"]
    expected = "basic.publish to exchange 'x', routing key 'k': 3 of 6 body bytes: another method came before its end"
    assert problems(events) == [(2, expected), (3, "content body without its method on channel 1")]
    assert messages(events)[0].body == b"whole"


def test_a_method_on_another_channel_does_not_abort():
    frames = publish(1, b"abcdef", pieces=2)
    events = sent(frames[:3], [method(2, spec.Basic.Ack(5))], frames[3:])
    assert [m.body for m in messages(events)] == [b"abcdef"]
    assert problems(events) == []


@pytest.mark.parametrize("octets", [b"abcd", b"abcdefg"])
def test_body_frame_too_long(octets):
    frames = [*publish(1)[:1], header(1, 3), body(1, octets), *publish(1, b"next")]
    events = sent(frames)
    known = f"basic.publish to exchange 'x', routing key 'k': {len(octets)} of 3 body bytes"
    assert problems(events) == [(1, f"{known}: a body frame goes beyond its end")]
    assert [m.body for m in messages(events)] == [b"next"]


@pytest.mark.parametrize("frames", [[header(3, 5)], [body(3, b"x")], [header(3, 2), body(3, b"x"), body(3, b"y")]])
def test_content_without_its_method_is_told_once(frames):
    what = "header" if frames[0][0] == 2 else "body"
    events = sent([HEARTBEAT], *[[frame] for frame in frames], publish(3, b"ok"), frames)
    reason = f"content {what} without its method on channel 3"
    assert problems(events) == [(2, reason), (len(frames) + 3, reason)]
    assert [m.body for m in messages(events)] == [b"ok"]


def test_a_second_header():
    events = sent([*publish(1, b"abc")[:2], header(1, 9), body(1, b"abc")])
    known = "basic.publish to exchange 'x', routing key 'k': 0 of 3 body bytes"
    expected = [(1, f"{known}: another header came before its end")]
    assert problems(events) == [*expected, (1, "content header without its method on channel 1")]
    assert messages(events) == []


def test_a_header_that_cannot_be_read():
    events = sent([publish(1)[0], b"\x02\x00\x01\x00\x00\x00\x0e\x00\x3d" + bytes(12) + b"\xce"], publish(1, b"ok"))
    assert problems(events) == [(1, "content header: class 61 has no content")]
    assert [m.body for m in messages(events)] == [b"ok"]


def test_a_method_that_cannot_be_read():
    bad = b"\x01\x00\x01\x00\x00\x00\x05\x00\x3c\x00\x50\x00\xce"
    events = sent([HEARTBEAT], [bad, *publish(1, b"ok")])
    ((number, reason),) = problems(events)
    assert (number, "basic.ack" in reason or "cut short" in reason) == (2, True)
    assert [m.body for m in messages(events)] == [b"ok"]


def test_what_is_wrong_does_not_depend_on_what_follows():
    payload = method(1, spec.Queue.Declare(queue="q"))[7:-5]  # without the length of its table
    bad = b"\x01\0\1" + len(payload).to_bytes(4, "big") + payload + b"\xce"
    found = [Wire().client(bad, *followers)[0] for followers in ([], [HEARTBEAT], publish(1, bytes(900)))]
    assert isinstance(found[0], Malformed)
    assert found[1:] == [found[0]] * 2


def test_bodies_over_the_limit(monkeypatch):
    monkeypatch.setattr(limits, "BODY_BYTES", 5)
    events = sent(publish(1, b"abcdef", pieces=2), publish(1, b"abcde"))
    told = "basic.publish to exchange 'x', routing key 'k': 6 of 6 body bytes: over the limit of 5 bytes"
    assert problems(events) == [(1, told)]
    assert [m.body for m in messages(events)] == [b"abcde"]


def test_empty_body_frames_say_nothing():
    frames = publish(1, b"abcdef", pieces=2)
    (message,) = sent(frames[:2], [body(1, b"")] * 3, frames[2:3], [body(1, b"")], frames[3:])
    assert (message.body, message.numbers) == (b"abcdef", (1, 3, 5))


def test_channels_over_the_limit(monkeypatch):
    monkeypatch.setattr(limits, "CHANNELS", 2)
    methods = [[publish(channel)[0]] for channel in (1, 2, 3)]
    events = sent(*methods, [header(1, 0), header(2, 0)])
    assert problems(events) == [(3, "more than 2 channels with unfinished messages: one is left out")]
    assert [m.channel for m in messages(events)] == [1, 2]


KNOWN = pytest.mark.parametrize(
    ("have", "known"),
    [(1, "no content header"), (2, "0 of 6 body bytes"), (3, "3 of 6 body bytes")],
)


@KNOWN
def test_what_a_hole_leaves_unfinished_is_told(have, known):
    wire = Wire()
    wire.client(*publish(1, b"abcdef", pieces=2)[:have])
    events = wire.gap(True) + wire.client(*publish(1, b"next"), HEARTBEAT)
    expected = f"basic.publish to exchange 'x', routing key 'k': {known}: bytes are missing"
    assert problems(events) == [(3, expected)]
    assert [m.body for m in messages(events)] == [b"next"]


@KNOWN
def test_a_message_that_a_hole_cuts_is_told_at_once(have, known):
    wire = Wire()
    frames = publish(1, b"abcdef", pieces=2)
    wire.client(*frames[:have], frames[have][:8])
    size = len(frames[have]) - 9
    events = wire.gap(True, size) + wire.client(frames[have][-1:], *frames[have + 1 :], *publish(1, b"next"), HEARTBEAT)
    told, *rest = problems(events)
    assert told == (2, f"basic.publish to exchange 'x', routing key 'k': {known}: {size} bytes are missing")
    assert [m.body for m in messages(events)] == [b"next"]
    assert all("without its method" in reason for _, reason in rest)


# -- holes between the frames of a message ------------------------------------------------------------------------


@pytest.mark.parametrize("have", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 8, 30])
def test_a_message_around_a_hole_that_is_too_small_for_another(have, size):
    """Another message could only have taken its place where the hole hides a method, a header, and the rest."""
    wire = Wire()
    frames = publish(1, b"abcdef", pieces=2)
    wire.client(*frames[:have])
    events = wire.gap(True, size) + wire.client(*frames[have:], HEARTBEAT)
    assert ([m.body for m in messages(events)], problems(events)) == ([b"abcdef"], [])


@pytest.mark.parametrize("have", [1, 2, 3])
def test_a_message_around_a_hole_that_may_hide_another_is_not_invented(have):
    wire = Wire()
    first, second = publish(1, b"abcdef", pieces=2), publish(1, b"ABCDEF", pieces=2)
    wire.client(*first[:have])
    lost = b"".join([*first[have:], *second[:have]])
    events = wire.gap(True, len(lost)) + wire.client(*second[have:], *publish(1, b"next"), HEARTBEAT)
    assert [m.body for m in messages(events)] == [b"next"]
    assert "may be of another message" in problems(events)[0][1]


@pytest.mark.parametrize("have", [1, 2, 3])
def test_where_channels_are_mixed_a_hole_hides_those_of_others(have):
    wire = Wire()
    for_two = publish(2, b"x" * 900)
    wire.client(publish(1)[0], for_two[0], header(1, 0), *for_two[1:])  # mixed, as is seen
    frames = publish(1, b"abcdef", pieces=2)
    wire.client(*frames[:have])
    events = wire.gap(True, 2 * len(b"".join(for_two))) + wire.client(*frames[have:], HEARTBEAT)
    assert ([m.body for m in messages(events)], problems(events)) == ([b"abcdef"], [])


def test_a_header_after_a_hole_ends_the_message_before():
    """As was seen: first frame and method of two messages lost, and what remains of both is as long as the first."""
    wire = Wire()
    first, second = publish(1, b"abcdef", pieces=2), publish(1, b"ABC")
    wire.client(*first[:2])
    events = wire.gap(True, len(first[2])) + wire.client(first[3], HEARTBEAT)
    events += wire.gap(True, len(second[0])) + wire.client(*second[1:], HEARTBEAT)
    assert messages(events) == []


def test_what_the_end_leaves_unfinished_is_told():
    wire = Wire()
    wire.client(*publish(1, b"abcdef", pieces=2)[:3], HEARTBEAT[:5])
    reasons = [reason for _, reason in problems(wire.end(True, "rst"))]
    assert reasons == [
        "basic.publish to exchange 'x', routing key 'k': 3 of 6 body bytes: the connection is reset",
        "the connection is reset: 5 bytes before that are no whole AMQP frame",
    ]


def test_lost_step_breaks_off_what_was_coming():
    frames = publish(1, b"abcdef", pieces=2)
    events = sent(frames[:3], [b"garbage!\xce"], [*publish(1, b"ok"), HEARTBEAT])
    reasons = [reason for _, reason in problems(events)]
    assert reasons == [
        "no AMQP frame where one should begin: 9 bytes passed over",
        "basic.publish to exchange 'x', routing key 'k': 3 of 6 body bytes: no AMQP frame where one should begin",
    ]
    assert [m.body for m in messages(events)] == [b"ok"]
