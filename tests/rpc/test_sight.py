import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector import limits
from dissector.rpc.sight import Holes, Sight, process_of

from .story import Rpc, Story

A, B = ("10.0.0.1", "a:1"), ("10.0.0.2", "b:2")


def test_a_process_is_its_address_and_its_program_and_pid():
    story = Story()
    assert process_of(story.connection("nova-api:7", "10.0.0.1")) == ("10.0.0.1", "nova-api:7")
    assert process_of(story.connection(None, "10.0.0.1")) == ("10.0.0.1", None)
    sight = Sight()
    connection = story.connection("nova-api:7", "10.0.0.1")
    assert sight.line(connection) is sight.line(connection)


def test_directions_are_learned_apart():
    sight, story = Sight(), Story()
    rpc = Rpc(story)
    process = process_of(rpc.client[0])
    sight.saw(rpc.publish(0))
    assert (sight.speaks(process), sight.hears(process)) == (True, False)
    sight.saw(rpc.reply_deliver(1))
    assert (sight.speaks(process), sight.hears(process)) == (True, True)


def test_deliveries_are_shown_where_several_hosts_are():
    sight, story = Sight(), Story()
    rpc = Rpc(story)
    sight.saw(rpc.publish(0))
    sight.delivered()
    assert not sight.shows_deliveries
    sight.saw(rpc.deliver(1))
    assert sight.shows_deliveries
    sight.is_partial = True
    assert not sight.shows_deliveries


def test_deliveries_are_shown_where_clients_are_on_the_broker_s_host():
    sight, story = Sight(), Story()
    sight.saw(story.message(story.connection(ip="10.99.0.1"), "publish", b"{}", 0))
    sight.delivered()
    assert sight.shows_deliveries


def test_a_reply_queue_is_heard_once_its_consumer_is():
    sight, story = Sight(), Story()
    rpc = Rpc(story)
    story.consume(rpc.client[1], rpc.reply_q, 0)
    sight.learn(story.events[-1])
    assert not sight.hears_queue(rpc.reply_q)
    sight.saw(rpc.reply_deliver(1))
    assert sight.hears_queue(rpc.reply_q)
    assert not sight.hears_queue("reply_other")
    assert not sight.hears_queue(None)


def test_a_gap_is_a_hole_from_its_last_byte_on():
    sight, story = Sight(), Story()
    connection = story.connection("a:1", "10.0.0.1")
    story.gap(connection, 5, 7)
    sight.learn(story.events[-1])
    begin = story.events[-1].since_ns
    second = 1_000_000_000
    assert sight.may_hide(begin - second, begin)
    assert sight.may_hide(begin + second, begin + second)
    assert not sight.may_hide(begin - second, begin - 1)
    assert not sight.may_hide(begin + 2 * second + 1, begin + 9 * second)
    assert sight.may_hide(begin, begin, [A])
    assert sight.may_hide(begin, begin, [("10.0.0.1", None)])
    assert not sight.may_hide(begin, begin, [B, ("10.0.0.1", "other:1")])


def test_broken_bytes_are_a_hole_of_their_host():
    sight, story = Sight(), Story()
    story.malformed(story.connection("a:1", "10.0.0.1"), 100)
    sight.learn(story.events[-1])
    at = story.events[-1].time_ns
    assert sight.may_hide(at - limits.HOLE_NS, at, [A])
    assert not sight.may_hide(at - limits.HOLE_NS, at, [B])


spans = st.tuples(st.integers(0, 100), st.integers(0, 30), st.sampled_from([A, B]))


@given(holes=st.lists(spans, max_size=30), asked=spans, limit=st.sampled_from([2, 5, 1000]))
def test_no_hole_is_ever_forgotten(holes, asked, limit):
    known = Holes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "HOLES", limit)
        for since, size, process in sorted(holes, key=lambda hole: hole[0] + hole[1]):
            known.add(since, since + size, process)
    since, size, process = asked
    until = since + size
    expected = any(s <= until and s + n >= since and p == process for s, n, p in holes)
    found = known.touch(since, until, [process])
    assert found if expected else True
    if len(holes) <= limit:
        assert found == expected


def test_many_holes_are_looked_through_quickly():
    known = Holes()
    for index in range(10_000):
        known.add(index * 1000, index * 1000 + 10, A)
    begin = time.perf_counter()
    for index in range(1000):
        known.touch(index * 1000 + 9_000_000, index * 1000 + 9_000_500, [B])
    assert time.perf_counter() - begin < 3


def test_tables_are_bounded(monkeypatch):
    monkeypatch.setattr(limits, "CONNECTIONS", 3)
    monkeypatch.setattr(limits, "REPLY_QUEUES", 3)
    sight, story = Sight(), Story()
    for index in range(10):
        connection = story.connection(f"a:{index}", f"10.0.0.{index}")
        sight.saw(story.message(connection, "publish", b"{}", index))
        sight.consumes(f"reply_{index}", process_of(connection))
    sizes = [len(sight._speaks), len(sight._lines), len(sight._reply_queues)]
    assert max(sizes) == 3
