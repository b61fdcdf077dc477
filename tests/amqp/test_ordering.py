"""Messages come in the order of their packets, whatever is missing."""

import itertools

import numpy as np
from amqp_frames import TCP, Wire, publish
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector import limits
from dissector.amqp import AmqpCounts, Event, Message
from dissector.amqp.connection import ConnectionState
from dissector.amqp.events import AmqpConnection
from dissector.amqp.ordering import InOrder, place
from dissector.capture import open_capture
from dissector.capture.pcapng_writer import PcapngWriter
from dissector.reading import Reading
from tests.lab import truth

STATE = ConnectionState(AmqpConnection(TCP), AmqpCounts())
SERIALS = itertools.count()


def entry(number, time_ns=0, *, stream=0, from_client=True):
    event = Event(STATE.connection, from_client, number, time_ns, 0, "heartbeat")
    return number, place(stream, from_client=from_client) + next(SERIALS), event, STATE


def numbers(entries):
    return [number for number, *_ in entries]


def test_nothing_waits_where_nothing_is_held():
    assert numbers(InOrder().feed([entry(3), entry(1), entry(2)], None)) == [1, 2, 3]


def test_what_is_held_is_waited_for():
    in_order = InOrder()
    assert numbers(in_order.feed([entry(5), entry(3), entry(9)], 4)) == [3]
    assert numbers(in_order.feed([entry(4), entry(11)], 8)) == [4, 5]
    assert numbers(in_order.feed([], None)) == [9, 11]


def test_events_of_one_packet():
    first, second = entry(4), entry(4)
    older, broker = entry(4, from_client=False), entry(4, stream=1)
    in_order = InOrder()
    assert in_order.feed([first, broker], 1) == []
    assert in_order.feed([second, older], None) == [first, second, older, broker]


def test_waiting_has_an_end(monkeypatch):
    monkeypatch.setattr(limits, "CLOCK_STEP_NS", 100 * limits.HOLE_NS)
    in_order = InOrder()
    assert in_order.feed([entry(5, 1)], 1) == []
    assert numbers(in_order.feed([entry(6, limits.HOLE_NS + 2)], 1)) == [5]
    monkeypatch.setattr(limits, "ORDERED_EVENTS", 2)
    assert numbers(in_order.feed([entry(n, limits.HOLE_NS + 2) for n in (7, 8, 9)], 1)) == [6, 7]


def test_a_clock_that_is_set_ends_no_waiting():
    in_order = InOrder()
    times = [limits.HOLE_NS, 5 * limits.HOLE_NS, 1, 9 * limits.HOLE_NS]
    assert [in_order.feed([entry(5 + at, time_ns)], 1) for at, time_ns in enumerate(times)] == [[]] * 4


def test_bodies_that_wait_are_bounded(monkeypatch):
    monkeypatch.setattr(limits, "ORDERED_BYTES", 10)
    (message,) = Wire().client(*publish(1, bytes(6)))
    in_order = InOrder()
    entries = [(number, number, message, STATE) for number in (5, 6, 7)]
    assert numbers(in_order.feed(entries, 1)) == [5, 6]


@settings(max_examples=25)
@given(st.sets(st.integers(300, 1007), min_size=1, max_size=12))
def test_lost_packets_do_not_disturb_the_order(tmp_path_factory, lost):
    path = tmp_path_factory.mktemp("lost") / "lost.pcapng"
    with open_capture([truth.captures()["demo"]]) as capture, path.open("wb") as file:
        writer = PcapngWriter(file)
        for batch in capture:
            kept = np.setdiff1d(np.arange(len(batch)), np.array(sorted(lost)) - batch.first_number)
            writer.write(batch, kept.tolist())
    events = list(Reading([path]))
    found = [e.number for e in events]
    assert found == sorted(found)
    times = [e.time_ns for e in events if isinstance(e, Message)]
    assert times == sorted(times)
