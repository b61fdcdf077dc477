import time
from collections import Counter

import pytest

from dissector import limits
from dissector.fields import RpcFields
from dissector.rpc import Calls
from dissector.rpc.hot import hot_of

from .cuts import verdicts, whole
from .story import BEGIN_S, Rpc, Story, body, healthy, hear, ns


def one(story: Story, unique_id: str | None = "unique-a", *, late_ns: int | None = None) -> RpcFields:
    """The only record of a request."""
    (found,) = [rpc for rpc in story.play(late_ns=late_ns) if rpc.unique_id == unique_id]
    return found


# -- the legs ------------------------------------------------------------------------------------------


def test_a_call_over_four_connections():
    story = Story()
    rpc = Rpc(story)
    rpc.whole(service=0.5)
    (call,) = story.play()
    assert (call.kind, call.status, call.cause) == ("call", "ok", None)
    assert (call.msg_id, call.unique_id, call.request_id) == ("msg-a", "unique-a", "req-1")
    assert (call.exchange, call.topic, call.server, call.reply_q) == ("nova", "compute", None, "reply_nova-api:7")
    assert (call.client.ip, call.client.name) == ("10.99.0.11", "nova-api:7")
    (server,) = call.servers
    assert (server.ip, server.name, server.queue) == ("10.99.0.31", "nova-compute:9", "compute")
    assert call.publish_time == BEGIN_S
    assert call.confirm_time == BEGIN_S + 0.001
    assert call.ack_time == BEGIN_S + 0.003
    assert (call.queue_wait_s, call.service_s, call.return_s, call.latency_s) == (0.002, 0.5, 0.002, 0.504)
    assert call.timeout_s == 60
    assert (call.request_bytes, call.reply_bytes) == (len(rpc.body), len(rpc.reply()))
    frames = call.frames
    assert (frames.publish, frames.deliver, frames.reply_publish, frames.reply_deliver) == (1, 3, 5, 7)


def test_a_call_is_given_out_with_its_last_reply():
    story = Story()
    Rpc(story).whole()
    calls = Calls()
    given_at = [event.number for event in story.events if calls.feed(event, hot_of(event))]
    assert given_at == [7]
    assert list(calls.finish()) == []


def test_times_are_exact_to_the_microsecond():
    story = Story()
    rpc = Rpc(story)
    rpc.publish(0.123456789)
    rpc.deliver(0.123457999)
    call = one(story)
    assert (call.publish_time, call.deliver_time) == (BEGIN_S + 0.123456, BEGIN_S + 0.123457)
    assert call.queue_wait_s == 0.000001


def test_a_cast():
    story = Story()
    rpc = Rpc(story, timeout=None, u_msg_id=None, u_reply_q=None)
    story.ack(rpc.publish(0), 0.001)
    story.ack(rpc.deliver(0.25), 0.251)
    call = one(story)
    assert (call.kind, call.status, call.cause) == ("cast", "sent", None)
    assert (call.queue_wait_s, call.latency_s, call.msg_id, call.timeout_s) == (0.25, None, None, None)
    assert (call.confirm_time, call.ack_time) == (BEGIN_S + 0.001, BEGIN_S + 0.251)


def fanout(story: Story, agents: int, at: float = 0.0) -> list:
    content = body(method="port_update", args={}, u_unique_id="unique-a")
    story.message(story.connection(), "publish", content, at, exchange="agents_fanout", key="")
    return [
        story.message(
            story.connection(f"agent:{index}", f"10.99.1.{index}"),
            *("deliver", content, at + 0.01 * (index + 1)),
            exchange="agents_fanout",
            key="",
            queue=f"agents_fanout_{index}",
        )
        for index in range(agents)
    ]


def test_a_fanout_is_one_record_with_all_who_took_it():
    story = Story()
    fanout(story, 5)
    call = one(story)
    assert (call.kind, call.status, call.topic) == ("fanout", "sent", "agents")
    assert [server.name for server in call.servers] == [f"agent:{index}" for index in range(5)]
    assert [server.queue for server in call.servers] == [f"agents_fanout_{index}" for index in range(5)]
    assert call.queue_wait_s == 0.01


def test_a_fanout_to_many_does_not_take_long():
    story = Story()
    fanout(story, 4000)
    begin = time.perf_counter()
    (call,) = story.play()
    assert len(call.servers) == 4000
    assert time.perf_counter() - begin < 2


def test_a_notification_is_known_by_its_event_type():
    story = Story()
    keys = {"event_type": "compute.instance.update", "publisher_id": "compute.c1", "priority": "INFO"}
    content = body(**keys, payload={}, message_id="m-1", u_unique_id="unique-a")
    story.message(story.connection(), "publish", content, 0, key="notifications.info")
    story.message(story.connection("ceilometer:1"), "deliver", content, 0.1, key="notifications.info")
    call = one(story)
    assert (call.kind, call.status, call.method, call.topic) == (
        *("notification", "sent"),
        *("compute.instance.update", "notifications"),
    )


def test_requests_without_any_id_are_each_their_own():
    story = Story()
    content = body(method="echo", args={})
    for at in (0, 1):
        story.message(story.connection(), "publish", content, at)
    assert [(call.kind, call.unique_id) for call in story.play()] == [("cast", None)] * 2


def test_a_get_is_a_delivery():
    story = Story()
    rpc = Rpc(story)
    rpc.publish(0)
    story.message(rpc.server[1], "get", rpc.body, 0.5, queue="compute", expiration="60000")
    assert one(story).queue_wait_s == 0.5


# -- replies -------------------------------------------------------------------------------------------


def test_a_failure():
    story = Story()
    rpc = Rpc(story)
    rpc.publish(0)
    rpc.deliver(0.1)
    failure = '{"class": "NotFound", "module": "nova.exception", "message": "no such", "tb": ["line\\n"]}'
    content = rpc.reply(result=None, failure=failure)
    rpc.reply_publish(0.2, content)
    rpc.reply_deliver(0.3, content)
    call = one(story)
    assert (call.status, call.cause) == ("failed", None)
    assert call.failure is not None
    assert (call.failure.class_, call.failure.module, call.failure.message) == ("NotFound", "nova.exception", "no such")


@pytest.mark.parametrize("ending", [False, None])
@pytest.mark.parametrize("failure", [None, '{"class": "NotFound", "message": "no such"}'])
def test_two_replies_of_old_servers(ending, failure):
    story = Story()
    rpc = Rpc(story)
    rpc.publish(0)
    rpc.deliver(0.1)
    first = rpc.reply(ending=ending, result=None if failure else "x" * 50, failure=failure)
    last = rpc.reply(ending=True, result=None)
    rpc.reply_publish(1.0, first)
    rpc.reply_publish(1.1, last)
    rpc.reply_deliver(1.2, first)
    assert one(story).status == "pending"
    rpc.reply_deliver(1.3, last)
    call = one(story)
    assert call.status == ("failed" if failure else "ok")
    assert (call.failure is not None) == bool(failure)
    assert (call.service_s, call.latency_s, call.heartbeats) == (1.0, 1.3, 0)
    assert call.reply_bytes == len(first)


def test_a_call_whose_last_reply_does_not_come_has_timed_out():
    story = healthy()
    rpc = Rpc(story, timeout=5)
    rpc.publish(0)
    rpc.deliver(0.1)
    first = rpc.reply(ending=None)
    rpc.reply_publish(1.0, first)
    rpc.reply_deliver(1.2, first)
    story.tick(6)
    assert (one(story).status, one(story).cause) == ("timed_out", "no_reply")


def test_heartbeats_of_a_monitored_call():
    story = Story()
    rpc = Rpc(story)
    rpc.publish(0)
    rpc.deliver(0.1)
    for second in (1, 2, 3):
        beat = rpc.reply(ending=False, result=None)
        rpc.reply_publish(second, beat)
        rpc.reply_deliver(second + 0.001, beat)
    assert one(story).heartbeats == 3
    assert one(story).status == "pending"
    content = rpc.reply()
    rpc.reply_publish(3.5, content)
    rpc.reply_deliver(3.6, content)
    call = one(story)
    assert (call.heartbeats, call.status, call.latency_s, call.reply_bytes) == (3, "ok", 3.6, len(content))


def test_a_reply_to_a_dead_queue_is_sent_again_and_again():
    story = healthy()
    rpc = Rpc(story, timeout=5)
    rpc.publish(0)
    rpc.deliver(0.1)
    for attempt in range(4):
        content = rpc.reply()
        rpc.reply_publish(1 + attempt / 4, content)
        rpc.reply_returned(1.001 + attempt / 4, content)
    call = one(story)
    assert (call.status, call.cause, call.service_s) == ("pending", "reply_unroutable", 0.9)
    story.tick(6)
    call = one(story)
    assert (call.status, call.cause, call.service_s) == ("timed_out", "reply_unroutable", 0.9)


def test_a_reply_that_is_sent_again_and_then_comes():
    story = healthy()
    rpc = Rpc(story, timeout=5)
    rpc.publish(0)
    rpc.deliver(0.1)
    rpc.reply_publish(1, content := rpc.reply())
    rpc.reply_returned(1.001, content)
    rpc.reply_publish(1.25, content := rpc.reply())
    rpc.reply_deliver(1.252, content)
    call = one(story)
    assert (call.status, call.cause) == ("ok", None)
    assert (call.service_s, call.return_s) == (0.9, 0.252)


def test_a_reply_without_its_request_is_told_and_not_judged():
    story = Story()
    rpc = Rpc(story)
    content = rpc.reply()
    rpc.reply_publish(0, content)
    rpc.reply_deliver(0.1, content)
    story.tick(5)
    (call,) = story.play()
    assert (call.kind, call.method, call.msg_id, call.status, call.cause) == ("call", None, "msg-a", "pending", None)
    assert call.return_s == 0.1
    assert (call.client.name, call.servers[0].name) == ("nova-api:7", "nova-compute:9")


@pytest.mark.parametrize("leg", ["heartbeat", "return"])
def test_of_an_unseen_request_only_a_heartbeat_or_a_return(leg):
    story = Story()
    rpc = Rpc(story)
    if leg == "return":
        rpc.reply_returned(0)
    else:
        rpc.reply_publish(0, rpc.reply(ending=False, result=None))
    (call,) = story.play()
    assert (call.status, call.msg_id) == ("pending", "msg-a")
    assert call.cause == ("reply_unroutable" if leg == "return" else None)


def test_a_reply_before_its_request_in_merged_captures():
    story = Story()
    rpc = Rpc(story)
    content = rpc.reply()
    rpc.reply_publish(0, content)
    rpc.reply_deliver(0.01, content)
    rpc.publish(0.1)
    rpc.deliver(0.11)
    story.tick(3)
    (call,) = story.play()
    assert (call.status, call.method) == ("ok", "echo")
    assert (call.queue_wait_s, call.return_s) == (0.01, 0.01)
    assert (call.service_s, call.latency_s) == (None, None)


# -- more than once ------------------------------------------------------------------------------------


def test_a_duplicate_by_reconnect():
    story = Story()
    rpc = Rpc(story)
    rpc.publish(0)
    rpc.publish(1, story.connection("nova-api:7"))
    rpc.deliver(1.1)
    content = rpc.reply()
    rpc.reply_publish(1.2, content)
    rpc.reply_deliver(1.3, content)
    (call,), counts = story.count()
    assert (call.status, call.duplicates, call.redelivered) == ("ok", 1, False)
    assert call.latency_s == 1.3
    assert counts.seen_twice == 0


def test_a_redelivery():
    story = Story()
    rpc = Rpc(story, timeout=None, u_msg_id=None)
    rpc.publish(0)
    story.requeue(rpc.deliver(0.1), 0.2)
    story.ack(rpc.deliver(1.1, story.connection("nova-compute:10", "10.99.0.32"), redelivered=True), 1.2)
    (call,) = story.play()
    assert (call.status, call.redelivered, call.duplicates) == ("sent", True, 0)
    assert [server.name for server in call.servers] == ["nova-compute:9", "nova-compute:10"]
    assert (call.queue_wait_s, call.ack_time) == (0.1, BEGIN_S + 1.2)


def behind_a_proxy() -> Story:
    """Every connection twice: from the process to the proxy, and from the proxy to the broker."""
    story = Story()
    rpc = Rpc(story)
    proxy = "10.99.0.2"
    far = {near.tcp.stream: story.connection(ip=proxy, name=near.name) for near in (*rpc.client, *rpc.server)}
    rpc.publish(0)
    rpc.publish(0.0001, far[rpc.client[0].tcp.stream])
    rpc.deliver(0.1, far[rpc.server[1].tcp.stream])
    rpc.deliver(0.1001)
    beat, content = rpc.reply(ending=False, result=None), rpc.reply()
    for at, one in ((0.15, beat), (0.2, content)):
        rpc.reply_publish(at, one)
        rpc.reply_publish(at + 0.0001, one, far[rpc.server[0].tcp.stream])
        rpc.reply_deliver(at + 0.1, one, far[rpc.client[1].tcp.stream])
        rpc.reply_deliver(at + 0.1001, one)
    return story


def test_what_is_seen_on_both_sides_of_a_proxy_is_shown_once():
    (call,), counts = behind_a_proxy().count()
    assert (call.status, call.duplicates, call.redelivered, call.heartbeats) == ("ok", 0, False, 1)
    assert len(call.servers) == 1
    assert (call.queue_wait_s, call.latency_s) == (0.1, 0.3)
    assert (counts.seen_twice, counts.late, counts.calls) == (6, 0, 1)


def test_a_cast_through_a_proxy():
    story = Story()
    rpc = Rpc(story, timeout=None, u_msg_id=None)
    rpc.publish(0)
    rpc.publish(0.0001, story.connection(ip="10.99.0.2", name=rpc.client[0].name))
    rpc.deliver(0.1, story.connection(ip="10.99.0.2", name=rpc.server[1].name))
    rpc.deliver(0.1001)
    (call,), counts = story.count()
    assert (call.status, len(call.servers), call.duplicates, counts.seen_twice) == ("sent", 1, 0, 2)


# -- what is wrong with it -----------------------------------------------------------------------------


def test_unique_ids_that_collide_are_two_requests():
    story = Story()
    Rpc(story, timeout=None, u_msg_id=None).publish(0)
    Rpc(story, timeout=None, u_msg_id=None, method="other").publish(0.5)
    found, counts = story.count()
    assert [call.method for call in found] == ["echo", "other"]
    assert counts.collisions == 1


def test_msg_ids_that_collide_accuse_nobody():
    story = healthy()
    first = Rpc(story, "a", timeout=5)
    second = Rpc(story, "b", timeout=5, method="other", u_msg_id="msg-a")
    first.publish(0)
    second.publish(0.1)
    first.deliver(0.2)
    second.deliver(0.3)
    content = first.reply()
    first.reply_publish(0.4, content)
    first.reply_deliver(0.5, content)
    story.tick(20)
    found, counts = story.count()
    assert {call.unique_id: call.status for call in found if call.method != "echo" or call.unique_id == "unique-a"} == {
        "unique-a": "ok",
        "unique-b": "pending",
    }
    assert counts.collisions == 1


@pytest.mark.parametrize("expiration", ["", "soon", "-1", "1e3", "٣", "9" * 400, "60000.5"])
def test_an_expiration_that_is_no_number_is_no_timeout(expiration):
    story = healthy()
    rpc = Rpc(story, timeout=expiration)
    rpc.publish(0)
    rpc.deliver(0.1)
    story.tick(100_000)
    call = one(story)
    assert (call.timeout_s, call.status) == (None, "pending")


def test_a_clock_that_steps_back_gives_no_negative_time():
    story = Story()
    rpc = Rpc(story)
    rpc.publish(100)
    rpc.deliver(50)
    content = rpc.reply()
    rpc.reply_publish(51, content)
    rpc.reply_deliver(52, content)
    (call,), counts = story.count()
    assert (call.status, counts.steps_back) == ("ok", 1)
    assert (call.queue_wait_s, call.latency_s) == (None, None)
    assert (call.service_s, call.return_s) == (1, 1)


def test_what_comes_after_the_verdict_is_counted():
    story = Story()
    rpc = Rpc(story)
    rpc.whole()
    rpc.reply_publish(5)
    rpc.publish(6)
    found, counts = story.count()
    assert (len(found), counts.late) == (1, 2)


# -- as it comes ---------------------------------------------------------------------------------------


def test_in_stream_mode_a_timed_out_call_is_given_out_after_its_deadline():
    story = healthy()
    rpc = Rpc(story, timeout=5)
    hear(rpc, -0.5)
    rpc.publish(0)
    rpc.deliver(0.1)
    for second in range(1, 10):
        story.tick(second)
    calls = Calls(late_ns=1_000_000_000)
    given = [
        ((event.time_ns - ns(0)) // 10**9, call.rpc.status)
        for event in story.events
        for call in calls.feed(event, hot_of(event))
        if call.rpc.unique_id == "unique-a"
    ]
    assert given == [(7, "timed_out")]


def test_in_stream_mode_a_late_reply_within_the_time_for_it_is_joined():
    story = healthy()
    rpc = Rpc(story, timeout=5)
    rpc.publish(0)
    rpc.deliver(0.1)
    content = rpc.reply()
    rpc.reply_publish(5.5, content)
    rpc.reply_deliver(5.6, content)
    story.tick(20)
    call = one(story, late_ns=1_000_000_000)
    assert (call.status, call.cause, call.latency_s) == ("timed_out", "late_reply", 5.6)


def test_in_stream_mode_nothing_stays_open_that_was_sent():
    story = healthy()
    for number in range(10):
        rpc = Rpc(story, str(number), timeout=None, u_msg_id=None)
        rpc.publish(number)
        if number % 2:
            rpc.deliver(number + 0.1)
    calls = Calls(late_ns=0)
    story.tick(10 + limits.SETTLED_NS / 1e9 + 1)
    found = [call for event in story.events for call in calls.feed(event, hot_of(event))]
    assert Counter(call.rpc.status for call in found) == {"ok": 1, "sent": 5, "undelivered": 5}
    assert list(calls.finish()) == []


# -- the shipped captures --------------------------------------------------------------------------------

SHIPPED = {
    "any-sll1": {("call", "ok", None): 1, ("call", "failed", None): 4, ("fanout", "sent", None): 2},
    "any-sll2": {("call", "ok", None): 1, ("call", "failed", None): 4, ("fanout", "sent", None): 2},
    "any-twice": {("call", "ok", None): 9},
    "big-bodies": {("call", "ok", None): 8},
    "channels": {},
    "compressed-unicode": {
        ("call", "ok", None): 5,
        ("call", "failed", None): 5,
        ("notification", "pending", None): 1,
    },
    "demo": {
        ("call", "ok", None): 14,
        ("call", "failed", None): 1,
        ("call", "timed_out", "late_reply"): 1,
        ("call", "timed_out", "not_delivered"): 1,
        ("cast", "sent", None): 4,
        ("fanout", "sent", None): 1,
        ("notification", "sent", None): 3,
    },
    "ipv6": {("call", "ok", None): 10, ("call", "failed", None): 4},
    "loopback": {("call", "ok", None): 16},
    "neutron-nova": {
        ("call", "ok", None): 16,
        ("call", "failed", None): 4,
        ("call", "pending", "reply_unroutable"): 1,
        ("call", "timed_out", "late_reply"): 1,
        ("call", "timed_out", "not_delivered"): 2,
        ("cast", "sent", None): 2,
        ("cast", "undelivered", "not_delivered"): 1,
        ("fanout", "sent", None): 2,
        ("notification", "sent", None): 18,
        ("notification", "undelivered", "not_delivered"): 1,
    },
    "old-releases": {
        ("call", "ok", None): 8,
        ("call", "failed", None): 4,
        ("fanout", "sent", None): 4,
        ("notification", "pending", None): 1,
        ("notification", "undelivered", "not_delivered"): 3,
    },
    "quorum-stream": {("call", "ok", None): 1, ("fanout", "sent", None): 3, ("notification", "sent", None): 1},
    "verdicts": {
        ("call", "ok", None): 20,
        ("call", "failed", None): 5,
        ("call", "timed_out", "no_reply"): 3,
        ("call", "timed_out", "late_reply"): 3,
        ("call", "timed_out", "not_delivered"): 4,
        ("call", "timed_out", "reply_unroutable"): 3,
        ("call", "pending", None): 4,
        ("cast", "sent", None): 4,
        ("cast", "undelivered", "not_delivered"): 3,
        ("fanout", "sent", None): 3,
        ("notification", "sent", None): 3,
        ("notification", "undelivered", "not_delivered"): 1,
    },
}


def test_the_calls_of_a_shipped_capture(capture_name):
    found = {id(rpc): rpc for rpc in whole(capture_name).values()}.values()
    assert verdicts(found) == SHIPPED[capture_name]


def test_each_fanout_of_the_lab_reaches_both_agents():
    found = {id(rpc): rpc for rpc in whole("verdicts").values()}.values()
    fanouts = [rpc for rpc in found if rpc.kind == "fanout"]
    assert [len(rpc.servers) for rpc in fanouts] == [2, 2, 2]
