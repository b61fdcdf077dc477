"""Messages come in the order of their packets, whatever is missing."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector import limits
from dissector.amqp import Event, Message
from dissector.capture import open_capture
from dissector.capture.pcapng_writer import PcapngWriter
from dissector.ordering import InOrder
from dissector.reading import Reading

from .lab import truth
from .wiring import published


def event(number, time_ns=0):
    return Event(published().connection, True, number, time_ns, 0, "heartbeat")


def test_nothing_waits_where_nothing_is_held():
    events = [event(3), event(1), event(2)]
    assert [e.number for e in InOrder().feed(events, None)] == [1, 2, 3]


def test_what_is_held_is_waited_for():
    in_order = InOrder()
    assert [e.number for e in in_order.feed([event(5), event(3), event(9)], 4)] == [3]
    assert [e.number for e in in_order.feed([event(4), event(11)], 8)] == [4, 5]
    assert [e.number for e in in_order.feed([], None)] == [9, 11]


def test_events_of_one_packet_keep_their_order():
    first, second = event(4), event(4)
    in_order = InOrder()
    assert in_order.feed([first], 1) == []
    (one, other) = in_order.feed([second], None)
    assert one is first
    assert other is second


def test_waiting_has_an_end(monkeypatch):
    in_order = InOrder()
    assert in_order.feed([event(5, 0)], 1) == []
    assert [e.number for e in in_order.feed([event(6, limits.HOLE_NS + 1)], 1)] == [5]
    monkeypatch.setattr(limits, "ORDERED_EVENTS", 2)
    assert [e.number for e in in_order.feed([event(n, limits.HOLE_NS + 1) for n in (7, 8, 9)], 1)] == [6, 7]


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(300, 1007), min_size=1, max_size=12))
def test_lost_packets_do_not_disturb_the_order(tmp_path_factory, lost):
    path = tmp_path_factory.mktemp("lost") / "lost.pcapng"
    with open_capture([truth.captures()["demo"]]) as capture, path.open("wb") as file:
        writer = PcapngWriter(file)
        for batch in capture:
            kept = np.setdiff1d(np.arange(len(batch)), np.array(sorted(lost)) - batch.first_number)
            writer.write(batch, kept.tolist())
    events = list(Reading([path]))
    numbers = [e.number for e in events]
    assert numbers == sorted(numbers)
    times = [e.time_ns for e in events if isinstance(e, Message)]
    assert times == sorted(times)
