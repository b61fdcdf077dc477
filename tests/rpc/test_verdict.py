"""Verdicts: of stories made by hand, of the laboratory's scenario."""

import json
from statistics import median

import pytest

from dissector.fields import RpcFields

from ..lab import truth
from ..lab.session import Lab
from .cuts import (
    calls_of,
    verdicts,
    whole,
)
from .story import Rpc, Story, healthy, hear


def judged(story: Story, *, late_ns: int | None = None) -> tuple[str, str | None]:
    (found,) = [rpc for rpc in story.play(late_ns=late_ns) if rpc.unique_id == "unique-a"]
    return found.status, found.cause


def cast(story: Story, **options: object) -> Rpc:
    return Rpc(story, timeout=None, u_msg_id=None, **options)


# -- calls -------------------------------------------------------------------------------------------------


def test_no_reply():
    story = healthy()
    rpc = Rpc(story, timeout=5)
    hear(rpc, -0.5)
    rpc.publish(0)
    rpc.deliver(0.1)
    story.tick(5)
    assert judged(story) == ("pending", None)
    story.tick(5.001)
    assert judged(story) == ("timed_out", "no_reply")


def test_a_late_reply():
    story = healthy()
    rpc = Rpc(story, timeout=5)
    rpc.publish(0)
    rpc.deliver(0.1)
    content = rpc.reply()
    rpc.reply_publish(4.9, content)
    rpc.reply_deliver(5.1, content)
    assert judged(story) == ("timed_out", "late_reply")


def test_the_timeout_is_judged_on_the_capture_s_clock():
    story = healthy()
    rpc = Rpc(story, timeout=5)
    rpc.publish(0)
    rpc.deliver(4.99)  # of which only the way to the server took long
    content = rpc.reply()
    rpc.reply_publish(4.995, content)
    rpc.reply_deliver(5, content)
    assert judged(story) == ("ok", None)


def test_a_reply_that_is_published_after_the_deadline_and_never_delivered():
    story = healthy()
    rpc = Rpc(story, timeout=5)
    hear(rpc, -0.5)
    rpc.publish(0)
    rpc.deliver(0.1)
    rpc.reply_publish(6)
    assert judged(story) == ("timed_out", "late_reply")


def test_nobody_takes_the_request():
    story = healthy()
    rpc = Rpc(story, timeout=5)
    hear(rpc, -0.5)
    rpc.publish(0)
    story.tick(6)
    assert judged(story) == ("timed_out", "not_delivered")


def test_a_request_that_the_broker_gives_back():
    story = healthy()
    rpc = Rpc(story, timeout=5)
    rpc.publish(0)
    rpc.returned(0.001)
    assert judged(story) == ("pending", "not_delivered")
    story.tick(6)
    assert judged(story) == ("timed_out", "not_delivered")


@pytest.mark.parametrize("late_ns", [None, 0])
def test_a_hole_that_could_hide_the_answer(late_ns):
    story = healthy()
    rpc = Rpc(story, timeout=5)
    hear(rpc, -0.5)
    rpc.publish(0)
    rpc.deliver(0.1)
    story.gap(rpc.client[1], 1, 2)
    story.tick(6)
    assert judged(story, late_ns=late_ns) == ("timed_out", "capture_gap")


def test_a_hole_that_could_not():
    story = healthy()
    rpc = Rpc(story, timeout=5)
    hear(rpc, -0.5)
    rpc.publish(0)
    rpc.deliver(0.1)
    story.gap(story.connection("other:1", "10.99.0.77"), 1, 2)
    story.gap(rpc.client[1], 5.5, 5.6)
    story.tick(6)
    assert judged(story) == ("timed_out", "no_reply")


def test_a_hole_where_only_the_end_of_an_answered_call_could_be():
    story = healthy()
    rpc = Rpc(story, timeout=5)
    hear(rpc, -0.5)
    rpc.publish(0)
    rpc.deliver(0.1)
    rpc.reply_publish(1)
    story.gap(rpc.client[1], 0.9, 2)
    story.tick(6)
    assert judged(story) == ("ok", None)


# -- one side only -------------------------------------------------------------------------------------------


def test_only_the_client_s_host():
    story = Story()
    for number in range(3):
        rpc = Rpc(story, "abc"[number], timeout=5)
        story.ack(rpc.publish(number), number + 0.01)
        if number:
            rpc.reply_deliver(number + 0.1)
    story.tick(10)
    found = story.play()
    # The one without an answer has timed out, and nobody knows at whose fault.
    assert sorted((rpc.status, rpc.cause or "") for rpc in found) == [("ok", ""), ("ok", ""), ("timed_out", "")]
    assert all(rpc.deliver_time is rpc.reply_publish_time is rpc.queue_wait_s is None for rpc in found)
    assert all(rpc.latency_s == 0.1 for rpc in found if rpc.status == "ok")


def test_only_the_server_s_host():
    story = Story()
    for number in range(4):
        rpc = Rpc(story, "abcd"[number], timeout=5)
        story.ack(rpc.deliver(number), number + 0.01)
        failure = '{"class": "X"}' if number == 2 else None
        if number < 3:
            rpc.reply_publish(number + 0.1, rpc.reply(failure=failure))
    story.tick(30)
    found = story.play()
    told = [(rpc.unique_id, rpc.status, rpc.cause) for rpc in found]
    assert told == [
        ("unique-a", "ok", None),
        ("unique-b", "ok", None),
        ("unique-c", "failed", None),
        ("unique-d", "timed_out", "no_reply"),
    ]
    assert all(rpc.publish_time is rpc.reply_deliver_time is rpc.latency_s is None for rpc in found)
    assert all(rpc.client.name is None for rpc in found)


def test_only_what_is_sent_to_the_broker():
    story = Story()
    for number in range(3):
        rpc = Rpc(story, "abc"[number], timeout=5)
        rpc.publish(number)
        if number < 2:
            rpc.reply_publish(number + 0.1)
        if number == 1:
            rpc.reply_publish(number + 0.35)  # again: the first must have come back
    story.tick(30)
    assert [(rpc.unique_id, rpc.status, rpc.cause) for rpc in story.play()] == [
        ("unique-a", "ok", None),
        ("unique-b", "timed_out", "reply_unroutable"),
        ("unique-c", "pending", None),
    ]


def test_a_call_is_no_success_before_its_reply_could_have_come_back():
    story = Story()
    rpc = Rpc(story)
    rpc.deliver(0)
    rpc.reply_publish(0.1)
    story.tick(1.05)
    assert judged(story) == ("pending", None)
    story.tick(1.15)
    assert judged(story) == ("ok", None)


def test_of_a_cluster_one_broker_accuses_nobody():
    story = healthy()
    known = Rpc(story, "k", client="neutron-server:1", key="q-plugin", timeout=5)
    story.ack(known.publish(0), 0.01)
    known.reply_deliver(0.5)  # answered by one who is connected to another broker
    for number in range(2):
        rpc = Rpc(story, "ab"[number], timeout=5)
        story.ack(rpc.publish(1), 1.01)
        if number:
            rpc.deliver(1.1)
    Rpc(story, "x", timeout=None, u_msg_id=None).publish(2)
    server = Rpc(story, "s", timeout=5)
    story.ack(server.deliver(1.2), 1.21)
    story.tick(20)
    found = {rpc.unique_id: (rpc.status, rpc.cause) for rpc in story.play()}
    assert found.pop("unique-healthy") == found.pop("unique-k") == ("ok", None)
    assert set(found.values()) == {("pending", None)}
    assert len(found) == 4


def test_a_reply_whose_request_is_no_older_than_the_capture_was_asked_elsewhere():
    for begin, expected in ((0, "pending"), (999, "timed_out")):
        story = Story()
        story.tick(begin)
        Rpc(story, "healthy", client="nova-conductor:3", key="scheduler").whole(999)
        Rpc(story, "x", client="other:2").reply_deliver(1000)
        rpc = Rpc(story, timeout=5)
        story.ack(rpc.publish(1001), 1001.01)
        story.tick(1020)
        assert judged(story)[0] == expected, begin


# -- casts, fanouts, notifications ---------------------------------------------------------------------------


def test_a_cast_that_nobody_takes():
    story = healthy()
    cast(story).publish(0)
    story.tick(4.9)
    assert judged(story) == ("pending", None)
    story.tick(5.1)
    assert judged(story) == ("undelivered", "not_delivered")


def test_a_cast_that_the_broker_gives_back():
    story = Story()
    rpc = cast(story)
    rpc.publish(0)
    rpc.returned(0.001)
    assert judged(story) == ("undelivered", "not_delivered")


def test_a_cast_in_a_hole():
    story = healthy()
    rpc = cast(story)
    rpc.publish(0)
    story.gap(rpc.server[1], 1, 2)
    story.tick(20)
    assert judged(story) == ("undelivered", "capture_gap")


def test_a_cast_whose_delivery_the_capture_would_not_show():
    story = Story()
    cast(story).publish(0)
    story.tick(100)
    assert judged(story) == ("pending", None)


# -- the laboratory ------------------------------------------------------------------------------------------


def of_lab() -> list[RpcFields]:
    return list({id(rpc): rpc for rpc in whole("verdicts").values()}.values())


DESIGNED = {
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
}


def test_every_status_and_cause_of_the_scenario():
    assert verdicts(of_lab()) == DESIGNED


def compare_with_clocks(found: list[RpcFields], clocks: list[dict]) -> list[float]:
    """How much longer each answered call took by its client's clock, seconds; what the client says agrees."""
    by_request = {rpc.request_id: rpc for rpc in found}
    surplus = []
    for clock in clocks:
        rpc = by_request[clock["request_id"]]
        expected = {None: "ok", "RemoteError": "failed", "MessagingTimeout": "timed_out"}[clock["error"]]
        assert rpc.status == expected
        if rpc.status == "timed_out":
            assert rpc.timeout_s <= clock["latency_s"] < rpc.timeout_s + 0.2
        else:
            surplus.append(clock["latency_s"] - rpc.latency_s)
    return surplus


def check_surplus(surplus: list[float]) -> None:
    # The first call of a client opens its connections, which is in its latency and not on the wire.
    assert len(surplus) == 25
    assert min(surplus) > 0
    assert sorted(surplus)[-2] < 0.005
    assert median(surplus) < 0.003


def test_latencies_agree_with_the_clients_own_clocks():
    path = truth.PCAPS / f"verdicts{truth.CLOCKS_SUFFIX}"
    check_surplus(compare_with_clocks(of_lab(), json.loads(path.read_text())))


@pytest.mark.broker
@pytest.mark.netns
@pytest.mark.xdist_group("lab")
def test_a_live_laboratory(lab: Lab):
    made = lab.record("verdicts")
    found = calls_of(made.pcap)
    assert verdicts(found) == DESIGNED
    surplus = compare_with_clocks(found, json.loads(made.clocks.read_text()))
    # A machine that is busy with other tests makes clients slow, not the wire.
    assert min(surplus) > 0
    assert median(surplus) < 0.005
