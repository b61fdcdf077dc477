"""Time that passes without any event: on a silent bus a call that gets no reply is told all the same."""

import pytest

from dissector import limits
from dissector.rpc import Calls
from dissector.rpc.hot import hot_of
from dissector.rpc.window import Window

from .story import Rpc, Story, healthy, hear, ns

LATE_S = 10


def played(story: Story) -> Calls:
    calls = Calls(late_ns=LATE_S * 10**9)
    for event in story.events:
        calls.feed(event, hot_of(event))
    return calls


@pytest.fixture
def rpc() -> Rpc:
    """A call that a server has and does not answer, with a timeout of 5 s; all else is well."""
    rpc = Rpc(healthy(), timeout=5)
    hear(rpc, -0.5)
    rpc.publish(0)
    rpc.deliver(0.001)
    return rpc


@pytest.fixture
def story(rpc) -> Story:
    return rpc.story


def test_a_call_without_reply_times_out_though_nothing_comes(story):
    calls = played(story)
    for at in (0.5, 5, 14.9):
        assert calls.pass_time(ns(at)) == []
    (call,) = calls.pass_time(ns(15.1))
    assert (call.rpc.status, call.rpc.cause) == ("timed_out", "no_reply")
    assert calls.pass_time(ns(100)) == []
    assert list(calls.finish()) == []


def test_it_is_the_same_as_with_an_event_at_that_time(story):
    by_time = played(story).pass_time(ns(15.1))
    calls = played(story)
    story.tick(15.1)
    assert calls.feed(story.events[-1], None) == by_time


def test_a_reply_that_was_held_meanwhile_counts(rpc, story):
    """It comes late, out of a buffer or from behind a hole, and has its own time."""
    calls = played(story)
    assert calls.pass_time(ns(6)) == []
    before = len(story.events)
    rpc.reply_publish(4.0)
    rpc.reply_deliver(4.001)
    (call,) = [call for event in story.events[before:] for call in calls.feed(event, hot_of(event))]
    assert call.rpc.status == "ok"
    assert calls.counts.steps_back == 0


def test_the_end_is_judged_by_what_has_passed(story):
    calls = played(story)
    calls.pass_time(ns(6))
    (call,) = calls.finish()
    assert call.rpc.status == "timed_out"
    (call,) = played(story).finish()
    assert call.rpc.status == "pending"


def test_a_clock_that_steps_back_ends_nothing(story):
    calls = played(story)
    assert calls.pass_time(ns(-3600)) == []
    assert calls.pass_time(0) == []
    (call,) = calls.finish()
    assert call.rpc.status == "pending"


def test_before_there_was_anything_nothing_is_given():
    calls = Calls(late_ns=0)
    assert calls.pass_time(ns(0)) == []
    assert list(calls.finish()) == []


def test_a_cast_that_nobody_took_is_told():
    story = healthy()
    Rpc(story, u_msg_id=None, u_reply_q=None, timeout=None).publish(0)
    calls = played(story)
    found = calls.pass_time(ns(3 * limits.SETTLED_NS / 1e9))
    assert [call.rpc.status for call in found] == ["undelivered"]


def test_top_counts_it(story):
    window = Window(60)
    for event in story.events:
        window.feed(event, hot_of(event))
    late = window.snapshot(ns(6))
    assert (late.timed_out, late.open, late.late) == (0, 1, 1)
    over = window.snapshot(ns(16))
    assert (over.timed_out, over.open, over.late) == (1, 0, 0)
    assert [(trouble.status, trouble.cause) for trouble in over.troubles] == [("timed_out", "no_reply")]
