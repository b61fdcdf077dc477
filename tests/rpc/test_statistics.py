import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector import limits
from dissector.fields import ClientFields, RpcFields, ServerFields
from dissector.rpc.statistics import GROUPS, OTHER, RELATIVE_ERROR, UNKNOWN, Statistics

from ..lab import truth
from .cuts import calls_of, whole
from .story import Rpc, Story


def _pattern() -> RpcFields:
    story = Story()
    Rpc(story).whole()
    (found,) = story.play()
    return found


PATTERN = _pattern()


def rpc(latency_s: float | None = 0.1, **changed: object) -> RpcFields:
    spans = {"latency_s": latency_s, "queue_wait_s": None, "service_s": None}
    return msgspec.structs.replace(PATTERN, **(spans | changed))


def counted(requests: list[RpcFields], by: str = "method") -> Statistics:
    statistics = Statistics(by)
    for request in requests:
        statistics.feed(request)
    return statistics


spans = st.integers(0, 10**10).map(lambda microseconds: microseconds / 1e6)


@settings(max_examples=200)
@given(values=st.lists(spans, min_size=1, max_size=300))
def test_quantiles_are_within_one_percent_of_the_exact_ones(values):
    (record,) = counted([rpc(value) for value in values]).finish(None)
    ordered = sorted(values)
    for part, found in ((0.5, record.latency.p50_s), (0.95, record.latency.p95_s), (0.99, record.latency.p99_s)):
        exact = ordered[math.ceil(part * len(ordered) - 1e-9) - 1]  # the nearest rank
        assert found == pytest.approx(exact, rel=RELATIVE_ERROR * 1.0001, abs=1e-9)
    assert record.latency.max_s == ordered[-1]
    assert record.latency.p50_s <= record.latency.p95_s <= record.latency.p99_s <= record.latency.max_s


requests = st.lists(
    st.builds(
        rpc,
        st.none() | spans,
        queue_wait_s=st.none() | spans,
        service_s=st.none() | spans,
        method=st.sampled_from(["a", "b", "c"]),
        status=st.sampled_from(["ok", "failed", "timed_out", "sent", "undelivered", "pending"]),
        redelivered=st.booleans(),
        duplicates=st.integers(0, 3),
        request_bytes=st.none() | st.integers(0, 1000),
        reply_bytes=st.none() | st.integers(0, 1000),
    ),
    max_size=40,
)


@given(first=requests, second=requests)
def test_two_added_up_are_as_one(first, second):
    merged = counted(first)
    merged.merge(counted(second))
    assert merged.finish(10) == counted(first + second).finish(10)


def test_what_is_counted():
    (record,) = counted(
        [
            rpc(0.1, status="ok", request_bytes=10, reply_bytes=5),
            rpc(0.2, status="failed", request_bytes=20, reply_bytes=None, redelivered=True),
            rpc(None, status="timed_out", request_bytes=None, duplicates=2, reply_bytes=None),
            rpc(None, status="undelivered", request_bytes=1, reply_bytes=None),
        ]
    ).finish(8)
    assert (record.count, record.rate, record.errors, record.timeouts) == (4, 0.5, 2, 1)
    assert (record.request_bytes, record.reply_bytes) == (31, 5)
    assert (record.redeliveries, record.duplicates) == (1, 2)
    assert record.latency.max_s == 0.2
    assert record.queue_wait.max_s is None


def test_no_time_no_rate():
    (record,) = counted([rpc()]).finish(None)
    assert record.rate is None


@pytest.mark.parametrize(
    ("by", "changed", "expected"),
    [
        ("method", {"method": "m", "namespace": None}, ["m"]),
        ("method", {"method": "m", "namespace": "n"}, ["n.m"]),
        ("method", {"method": None}, [UNKNOWN]),
        ("exchange", {"exchange": "nova"}, ["nova"]),
        ("exchange", {"exchange": ""}, [""]),
        ("exchange", {"exchange": None}, [UNKNOWN]),
        ("topic", {"topic": "compute"}, ["compute"]),
        ("topic", {"topic": None}, [UNKNOWN]),
        ("client", {"client": ClientFields("10.0.0.1", "a:1")}, ["a:1"]),
        ("client", {"client": ClientFields("10.0.0.1", None)}, ["10.0.0.1"]),
        ("client", {"client": ClientFields(None, None)}, [UNKNOWN]),
        ("queue", {"servers": (ServerFields("1", "a:1", "q"), ServerFields("2", "b:1", "q"))}, ["q"]),
        ("queue", {"servers": (ServerFields("1", "a:1", None), ServerFields("2", "b:1", "q"))}, [UNKNOWN, "q"]),
        ("server", {"servers": (ServerFields("1", "a:1", "q"), ServerFields("2", None, "q"))}, ["2", "a:1"]),
        ("server", {"servers": ()}, [UNKNOWN]),
    ],
)
def test_groups(by, changed, expected):
    records = counted([rpc(**changed)], by).finish(None)
    assert [(record.by, record.key, record.count) for record in records] == [(by, key, 1) for key in expected]


def test_too_many_names_are_counted_together(monkeypatch):
    monkeypatch.setattr(limits, "STATISTICS_KEYS", 3)
    statistics = counted([rpc(method=f"m{number}") for number in range(10)] + [rpc(method="m0")])
    records = statistics.finish(None)
    assert [(record.key, record.count) for record in records] == [(OTHER, 7), ("m0", 2), ("m1", 1), ("m2", 1)]
    more = Statistics()
    more.merge(statistics)
    more.merge(counted([rpc(method="new")]))
    assert sum(record.count for record in more.finish(None)) == 12
    assert len(more.finish(None)) <= 4


@pytest.mark.parametrize("by", GROUPS)
def test_all_requests_of_a_shipped_capture_are_counted(by):
    found = list({id(rpc): rpc for rpc in whole("verdicts").values()}.values())
    records = counted(found, by).finish(10)
    fanouts = 3  # each taken by two
    assert sum(record.count for record in records) == len(found) + (fanouts if by in ("queue", "server") else 0)
    assert sum(record.timeouts for record in records) == 13
    assert sum(record.errors for record in records) == 9
    assert [record.count for record in records] == sorted((record.count for record in records), reverse=True)


def test_the_slow_method_of_a_shipped_capture():
    records = {record.key: record for record in counted(calls_of(truth.captures()["verdicts"])).finish(1)}
    uptime = records["get_host_uptime"]
    late = sorted(rpc.latency_s for rpc in whole("verdicts").values() if rpc.cause == "late_reply")
    assert uptime.latency.max_s == late[-1]
    assert uptime.latency.p50_s == pytest.approx(late[len(late) // 2], rel=0.02)
    assert records["echo"].latency.p50_s < 0.05
