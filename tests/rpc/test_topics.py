import msgspec
import pytest

from dissector import limits
from dissector.rpc.call import NO_REQUEST
from dissector.rpc.topics import Topics

from .cuts import whole
from .story import Story


def learned(*queues: str) -> Topics:
    topics, story = Topics(), Story()
    connection = story.connection()
    for queue in queues:
        story.declare(connection, queue, 0)
        topics.learn(story.events[-1])
    return topics


def of_kind(kind: str, **fields: object):
    return msgspec.structs.replace(NO_REQUEST, kind=kind, **fields)


@pytest.mark.parametrize(
    ("queues", "routing_key", "expected"),
    [
        ([], "compute", ("compute", None)),
        ([], "compute.c1", ("compute.c1", None)),
        (["compute.c1"], "compute.c1", ("compute.c1", None)),
        (["compute"], "compute.c1", ("compute.c1", None)),
        (["compute", "compute.c1"], "compute.c1", ("compute", "c1")),
        (["compute", "compute.c1"], "compute", ("compute", None)),
        (["compute", "compute.c1.example.org"], "compute.c1.example.org", ("compute", "c1.example.org")),
        (["vo-Port-1.1", "vo-Port-1.1.c1"], "vo-Port-1.1.c1", ("vo-Port-1.1", "c1")),
        (["vo-Port-1", "vo-Port-1.1", "vo-Port-1.1.c1"], "vo-Port-1.1.c1", ("vo-Port-1.1", "c1")),
        ([".c1", ""], ".c1", (".c1", None)),
    ],
)
def test_a_routing_key_is_split_by_the_queues_declared(queues, routing_key, expected):
    assert learned(*queues).split(of_kind("call"), "nova", routing_key) == expected


def test_a_fanout_s_topic_is_its_exchange_s():
    assert learned().split(of_kind("fanout"), "q-agent_fanout", "") == ("q-agent", None)


@pytest.mark.parametrize(
    ("priority", "expected"), [("INFO", "notifications"), ("ERROR", "notifications.info"), (None, "notifications.info")]
)
def test_a_notification_s_topic_is_without_its_priority(priority, expected):
    hot = of_kind("notification", priority=priority)
    assert learned().split(hot, "nova", "notifications.info") == (expected, None)


def test_queues_are_bounded_and_the_oldest_go_first(monkeypatch):
    monkeypatch.setattr(limits, "DECLARED_QUEUES", 2)
    topics = learned("a", "a.1", "b", "a", "a.1")
    assert topics.split(of_kind("cast"), "nova", "a.1") == ("a", "1")
    assert len(topics._queues) == 2


def test_topic_and_server_in_a_shipped_capture():
    found = {(rpc.topic, rpc.server) for rpc in whole("verdicts").values()}
    assert found == {
        ("compute", "compute1"),
        ("compute.compute9", None),
        ("notifications", None),
        ("versioned_notifications", None),
        ("q-agent-notifier-port-update", None),
    }
