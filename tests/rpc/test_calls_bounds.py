"""Bounds, and anything that may happen."""

import json
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dissector import limits
from dissector.fields import CallRecord
from dissector.rpc import Calls
from dissector.rpc.hot import hot_of

from .story import Rpc, Story, body

# -- bounds --------------------------------------------------------------------------------------------


def test_too_many_open_calls_are_given_out_oldest_first(monkeypatch):
    monkeypatch.setattr(limits, "OPEN_CALLS", 3)
    monkeypatch.setattr(limits, "KEPT_CALLS", 3)
    story = Story()
    for number in range(5):
        Rpc(story, str(number)).publish(number)
    found, counts = story.count()
    assert [call.unique_id for call in found] == [f"unique-{number}" for number in range(5)]
    assert (counts.evicted, counts.calls) == (2, 5)


def test_of_many_open_requests_those_are_given_out_that_nothing_comes_of_any_more(monkeypatch):
    monkeypatch.setattr(limits, "KEPT_CALLS", 3)
    late = 60 + limits.LATE_NS / 1e9
    story = Story()
    for number in range(10):
        Rpc(story, str(number), timeout=60).publish(number)
    waiting = Rpc(story, "waiting", timeout=2 * late)
    waiting.publish(10)
    calls = Calls()
    assert [call for event in story.events for call in calls.feed(event, hot_of(event))] == []
    story.events.clear()
    for number in range(10, 30):
        Rpc(story, str(number), timeout=60).publish(late + number)
    content = waiting.reply()
    waiting.reply_publish(late + 40, content)
    waiting.reply_deliver(late + 41, content)
    found = [call.rpc.unique_id for event in story.events for call in calls.feed(event, hot_of(event))]
    assert found == [*(f"unique-{number}" for number in range(10)), "unique-waiting"]
    assert (calls.counts.evicted, calls.counts.late) == (0, 0)
    assert [call.rpc.unique_id for call in calls.finish()] == [f"unique-{number}" for number in range(10, 30)]


def test_tables_stay_within_their_limits(monkeypatch):
    for name in ("CLOSED_IDS", "UNSETTLED_LEGS", "REPLY_QUEUES", "VOID_APPOINTMENTS", "DECLARED_QUEUES"):
        monkeypatch.setattr(limits, name, 7)
    monkeypatch.setattr(limits, "OPEN_CALLS", 20)
    monkeypatch.setattr(limits, "KEPT_CALLS", 20)
    story = Story()
    for number in range(100):
        rpc = Rpc(story, str(number), client=f"client:{number}")
        story.declare(rpc.client[0], f"queue-{number}", number)
        rpc.publish(number)
        rpc.deliver(number + 0.1)
        if number % 3:
            content = rpc.reply()
            rpc.reply_publish(number + 0.2, content)
            if number % 2:
                rpc.reply_deliver(number + 0.3, content)
    calls = Calls(late_ns=10**12)
    found = []
    for event in story.events:
        found += calls.feed(event, hot_of(event))
        assert len(calls._open) <= 20
        assert max(len(calls._closed), len(calls._unsettled), len(calls._sight._reply_queues)) <= 7
        assert len(calls._appointments._due) <= 2 * 20 + 8
    assert len(found) + len(list(calls.finish())) == 100


def test_failures_of_open_calls_stay_within_their_limit(monkeypatch):
    monkeypatch.setattr(limits, "FAILURE_CHARS", 1000)
    story = Story()
    for number in range(9):
        rpc = Rpc(story, str(number))
        rpc.publish(number / 1000)
        failure = json.dumps({"class": "E", "module": "m", "message": "x" * 300, "tb": ["y" * 100]})
        rpc.reply_publish(number / 1000, rpc.reply(result=None, failure=failure))
    calls = Calls()
    found = [call for event in story.events for call in calls.feed(event, hot_of(event))]
    assert [call.rpc.unique_id for call in found] == [f"unique-{number}" for number in range(7)]
    assert calls.counts.evicted == 7
    assert len(list(calls.finish())) == 2
    assert calls._failure_chars == 0


def test_a_hundred_thousand_open_calls_stay_within_the_stated_limit():
    story = Story()
    rpc = Rpc(story)
    rpc.publish(0)
    rpc.deliver(0.001)
    sent, got = story.events
    calls = Calls(late_ns=0)
    number = 20_000
    hots = []
    for index in range(number):
        own = {"u_msg_id": f"{index:032x}", "u_unique_id": f"{index + 10**9:032x}", "u_reply_q": f"reply_{index:032x}"}
        sent.body = body(method="echo", args={}, **own)
        hots.append(sent.body)
    tracemalloc.start()
    for index in range(number):
        sent.ordinal = got.ordinal = index
        sent.body = got.body = hots[index]
        hot = hot_of(sent)
        for message in (sent, got):
            message.number += 2
            calls.feed(message, hot)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(calls._open) == number
    assert used / number < 2048  # what limits.OPEN_CALLS says


# -- anything --------------------------------------------------------------------------------------------

VALID = {
    ("ok", None),
    ("failed", None),
    *(
        ("timed_out", cause)
        for cause in (None, "not_delivered", "no_reply", "late_reply", "reply_unroutable", "capture_gap")
    ),
    ("sent", None),
    ("undelivered", "not_delivered"),
    ("undelivered", "capture_gap"),
    *(("pending", cause) for cause in (None, "not_delivered", "reply_unroutable", "capture_gap")),
}
OF_CALLS = {"ok", "failed", "timed_out", "pending"}
OF_OTHERS = {"sent", "undelivered", "pending"}

ids = st.sampled_from(["a", "b", "c", None])
happening = st.fixed_dictionaries(
    {
        "what": st.sampled_from(
            [
                "call",
                "cast",
                "fanout",
                "notification",
                "reply",
                "heartbeat",
                "ack",
                "reject",
                "gap",
                "broken",
                "consume",
            ]
        ),
        "leg": st.sampled_from(["publish", "deliver", "get", "return"]),
        "unique": ids,
        "msg": ids,
        "over": st.integers(0, 5),
        "after": st.floats(-3, 30),
        "expiration": st.sampled_from([None, "1000", "60000", "x", "-5"]),
        "ending": st.sampled_from([True, True, False, None]),
        "failure": st.sampled_from([None, None, '{"class": "X"}', "{"]),
        "flag": st.booleans(),
    }
)


def told(story: Story, happenings: list[dict]) -> None:
    connections = [
        story.connection(program, ip, name=name)
        for program, ip, name in [
            ("a:1", "10.0.0.1", None),
            ("a:1", "10.0.0.1", None),
            (None, "10.0.0.2", None),
            ("b:2", "10.0.0.3", "b:2:same"),
            ("b:2", "10.0.0.4", "b:2:same"),
            ("c:3", "10.99.0.1", None),
        ]
    ]
    messages = []
    at = 0.0
    for item in happenings:
        at += item["after"]
        over = connections[item["over"]]
        own = {f"u_{key}_id": f"{item[key]}" for key in ("unique", "msg") if item[key] is not None}
        what = item["what"]
        if what in ("ack", "reject") and messages:
            message = messages[item["over"] % len(messages)]
            (story.ack if what == "ack" else story.requeue)(message, at)
        elif what == "gap":
            story.gap(over, at - 1, at)
        elif what == "broken":
            story.malformed(over, at)
        elif what == "consume":
            story.consume(over, "reply_a", at)
        elif what in ("reply", "heartbeat"):
            ending = item["ending"] if what == "reply" else False
            keys = {"result": 1 if what == "reply" else None, "failure": item["failure"], "ending": ending}
            messages.append(story.message(over, item["leg"], body(**keys, **own), at, exchange="", key="reply_a"))
        else:
            if what != "call":
                own.pop("u_msg_id", None)
            keys = {"event_type": "e", "publisher_id": "p"} if what == "notification" else {"method": "m", "args": {}}
            if what == "call":
                own["u_reply_q"] = "reply_a"
            content = body(**keys, **own, pad="x" * item["flag"])
            exchange = "t_fanout" if what == "fanout" else "nova"
            options = {"exchange": exchange, "expiration": item["expiration"], "redelivered": item["flag"]}
            messages.append(story.message(over, item["leg"], content, at, **options))


@settings(max_examples=400, suppress_health_check=[HealthCheck.data_too_large])
@given(
    happenings=st.lists(happening, max_size=40),
    late_ns=st.sampled_from([None, 0, 5_000_000_000]),
    few=st.booleans(),
)
def test_anything_that_happens_is_told_and_never_raises(happenings, late_ns, few):
    story = Story()
    told(story, happenings)
    with pytest.MonkeyPatch.context() as patch:
        if few:
            for name in (
                "OPEN_CALLS",
                "KEPT_CALLS",
                "CLOSED_IDS",
                "UNSETTLED_LEGS",
                "REPLY_QUEUES",
                "VOID_APPOINTMENTS",
                "HOLES",
            ):
                patch.setattr(limits, name, 2)
        found, counts = story.count(late_ns=late_ns)
    assert counts.calls == len(found)
    published = [call.frames.publish for call in found if call.frames.publish is not None]
    assert len(published) == len(set(published))
    seen = {event.number for event in story.events if getattr(event, "leg", None) == "publish"}
    assert seen.issuperset(published)
    for call in found:
        assert (call.status, call.cause) in VALID
        assert call.status in (OF_CALLS if call.kind == "call" else OF_OTHERS)
        for span in (call.queue_wait_s, call.service_s, call.return_s, call.latency_s):
            assert span is None or span >= 0
        if call.latency_s is not None and call.timeout_s is not None and call.status == "ok":
            assert call.latency_s <= call.timeout_s + 1e-6
        CallRecord(call)
