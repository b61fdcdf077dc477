"""Which messages an ack, a nack, a reject or a confirm settles."""

import pytest
from amqp_conversations import confirming, consume, get_ok, middle, opened, settled
from amqp_frames import HEARTBEAT, body, deliver, header, method, publish
from pika import spec

from dissector import limits


@pytest.fixture
def wire():
    return opened()[0]


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
    wire.client(method(1, spec.Confirm.Select()), *publish(1, b"four"))
    assert settled(wire.broker(method(1, spec.Basic.Ack(3)), method(1, spec.Basic.Ack(4)))) == [(3,), (4,)]


def test_a_tag_used_again_by_a_consumer_that_acknowledges(wire):
    consume(wire, "q", "t", no_ack=True, answer="t")
    wire.client(method(1, spec.Basic.Cancel("t", nowait=True)))
    consume(wire, "q", "t", answer="t")
    wire.broker(*deliver(1, b"x", tag="t"))
    assert settled(wire.client(method(1, spec.Basic.Ack(1)))) == [(0,)]


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
    assert wire.dissection.counts.forgotten_messages == 1
