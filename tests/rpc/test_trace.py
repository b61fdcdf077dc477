import pytest

from dissector import limits
from dissector.rpc.hot import hot_of
from dissector.rpc.trace import MIN_PREFIX, Trace

from ..lab import truth
from ..wiring import events
from .cuts import whole
from .story import Rpc, Story, body


def traced(story: Story, wanted: str) -> Trace:
    trace = Trace(wanted)
    for event in story.events:
        trace.feed(event, hot_of(event))
    trace.finish()
    return trace


def chain() -> Story:
    """A request that makes one service call another, and a foreign one at the same time."""
    story = Story()
    keys = {"u_context_request_id": "req-chain-0001", "u_context_global_request_id": "req-global-0001"}
    outer = Rpc(story, "outer-0001", **keys)
    inner = Rpc(story, "inner-0002", client="nova-compute:9", server="nova-conductor:3", method="inner", **keys)
    outer.publish(0)
    outer.deliver(0.1)
    Rpc(story, "other-0003", u_context_request_id="req-other-0003").whole(0.2)
    inner.whole(0.5)
    content = outer.reply()
    outer.reply_publish(1, content)
    outer.reply_deliver(1.1, content)
    return story


@pytest.mark.parametrize("wanted", ["req-chain-0001", "req-global-0001", "req-chai", "req-global"])
def test_a_request_id_gives_the_chain_in_order_and_the_replies_which_do_not_carry_it(wanted):
    trace = traced(chain(), wanted)
    assert [call.rpc.method for call in trace.calls] == ["echo", "inner"]
    assert [call.rpc.status for call in trace.calls] == ["ok", "ok"]
    assert [message.leg for message in trace.messages] == ["publish", "deliver"] * 4
    assert [message.number for message in trace.messages] == sorted(message.number for message in trace.messages)


@pytest.mark.parametrize("wanted", ["msg-inner-0002", "unique-inner-0002"])
def test_an_id_of_one_message_gives_its_call_alone(wanted):
    trace = traced(chain(), wanted)
    assert [call.rpc.method for call in trace.calls] == ["inner"]
    assert len(trace.messages) == 4


def test_a_reply_s_own_id_gives_its_call():
    trace = traced(chain(), "unique-inner-0002-reply-0")
    assert [message.leg for message in trace.messages] == ["publish", "deliver"]
    assert [call.rpc.method for call in trace.calls] == ["inner"]


def test_a_message_id_gives_the_notification():
    story = Story()
    keys = {"event_type": "e", "publisher_id": "p", "priority": "INFO", "payload": {}, "message_id": "message-0001"}
    for topic in ("one", "two"):
        content = body(**keys, u_unique_id=f"unique-{topic}")
        story.message(story.connection(), "publish", content, 0, key=f"{topic}.info")
    trace = traced(story, "message-0001")
    assert [call.rpc.topic for call in trace.calls] == ["one", "two"]


def test_a_short_id_must_be_whole():
    story = Story()
    Rpc(story, "x", u_context_request_id="r-1").publish(0)
    Rpc(story, "y", u_context_request_id="r-12").publish(0)
    assert len(traced(story, "r-1").messages) == 1
    assert len("r-1") < MIN_PREFIX


def test_nothing_of_it():
    trace = traced(chain(), "req-never-seen")
    assert (trace.messages, trace.calls) == ([], [])


def test_too_many_messages_are_counted(monkeypatch):
    monkeypatch.setattr(limits, "TRACED_MESSAGES", 3)
    trace = traced(chain(), "req-chain-0001")
    assert (len(trace.messages), trace.left_out) == (3, 5)
    assert [call.rpc.method for call in trace.calls] == ["echo", "inner"]


def test_the_building_of_an_instance():
    found = whole("demo").values()
    (request_id,) = {rpc.request_id for rpc in found if rpc.method == "schedule_and_build_instances"}
    trace = Trace(request_id)
    for event in events(truth.captures()["demo"]):
        trace.feed(event, hot_of(event))
    trace.finish()
    assert [call.rpc.method for call in trace.calls] == [
        "schedule_and_build_instances",
        "select_destinations",
        "build_and_run_instance",
        "object_action",
        "object_action",
    ]
    assert {call.rpc.status for call in trace.calls} == {"ok", "sent"}
    assert len(trace.messages) == 3 * 4 + 2 * 2
