import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector import limits
from dissector.reading import Reading
from dissector.rpc.agents import Agents
from dissector.rpc.hot import hot_of
from dissector.rpc.statistics import OTHER, Statistics
from dissector.rpc.window import Snapshot, Window

from ..lab import truth
from .cuts import calls_of
from .story import Rpc, Story, body, healthy, hear, ns


def watched(story: Story, window: Window | None = None, *, at: float | None = None) -> Snapshot:
    window = window or Window(60)
    for event in story.events:
        window.feed(event, hot_of(event))
    story.events.clear()
    return window.snapshot(None if at is None else ns(at))


def many(count: int, *, first: int = 0) -> Story:
    story = Story()
    for number in range(count):
        Rpc(story, str(first + number)).whole(number)
    return story


def failing(story: Story, name: str, at: float, reason: str = "boom") -> None:
    rpc = Rpc(story, name, method="fails")
    rpc.publish(at)
    rpc.deliver(at + 0.001)
    failure = msgspec.json.encode({"class": "RemoteError", "module": "m", "message": reason, "tb": []}).decode()
    content = rpc.reply(failure=failure)
    rpc.reply_publish(at + 0.002, content)
    rpc.reply_deliver(at + 0.003, content)


def test_nothing_yet():
    found = Window(60).snapshot(ns(0))
    assert (found.now_ns, found.groups, found.messages_per_s, found.open, found.agents) == (0, (), None, 0, 0)


def test_rates_and_latencies_of_a_method():
    found = watched(many(11), at=10.1)
    (group,) = found.groups
    assert (group.key, group.count, found.requests) == ("echo", 11, 11)
    assert group.rate == pytest.approx(11 / 10.1, rel=0.01)
    assert found.messages_per_s == pytest.approx(44 / 10.1, rel=0.01)
    assert found.bytes_per_s is not None
    assert found.bytes_per_s > 500
    assert group.latency.p50_s == pytest.approx(0.014, rel=0.02)


def test_the_window_holds_what_is_young():
    """A slice goes as a whole: a window of a minute reaches back 55 to 60 s."""
    found = watched(many(300))
    assert 55 <= found.requests <= 61
    assert found.requests_per_s == pytest.approx(1, rel=0.05)
    assert found.groups[0].rate == pytest.approx(1, rel=0.05)


def test_where_nothing_comes_time_goes_on():
    window = Window(60)
    assert watched(many(5), window).requests == 5
    assert window.snapshot(ns(30)).requests == 5
    assert window.snapshot(ns(70)).requests == 0
    assert window.snapshot(ns(10)).now_ns == ns(70), "a clock that is behind the packets changes nothing"


def test_open_calls_and_late_ones():
    story = Story()
    Rpc(story, "short", timeout=3).publish(0)
    slow = Rpc(story, "slow", timeout=60)
    slow.publish(1)
    slow.deliver(1.5)
    Rpc(story, "cast", u_msg_id=None).publish(2)
    answered = Rpc(story, "answered")
    answered.whole(2)
    found = watched(story, at=5)
    assert (found.open, found.late) == (2, 1)
    assert [(one.age_s, one.timeout_s, one.is_late, one.is_delivered) for one in found.waiting] == [
        (5.0, 3.0, True, False),
        (4.0, 60.0, False, True),
    ]
    assert found.waiting[0].client == "nova-api:7"


def test_a_late_call_ends_as_a_timeout():
    story = healthy()
    rpc = Rpc(story, "short", timeout=3)
    hear(rpc, -0.5)
    rpc.publish(0)
    story.tick(3 + limits.HOLE_NS / 1e9 + 1)
    found = watched(story)
    assert (found.open, found.timed_out) == (0, 1)
    assert [(one.status, one.method) for one in found.troubles] == [("timed_out", "echo")]


def test_failures_the_latest_first():
    story = Story()
    failing(story, "a", 1, "first")
    failing(story, "b", 2, "x" * 9_000)
    found = watched(story)
    assert (found.failed, found.requests) == (2, 2)
    assert [one.time_ns for one in found.troubles] == [ns(2.003), ns(1.003)]
    assert found.troubles[1].reason == "RemoteError: first"
    assert len(found.troubles[0].reason or "") == limits.NAME_CHARS + len("RemoteError: ")
    assert watched(story, at=2).requests == 0


def test_an_agent_that_falls_silent():
    story = Story()
    for number in range(6):
        state = {"agent_state": {"agent_state": {"host": "net1", "agent_type": "DHCP agent"}}}
        report = body(method="report_state", args=state, u_unique_id=f"report-{number}")
        story.message(story.connection("neutron-dhcp-agent:3"), "publish", report, number * 30)
    window = Window(60)
    found = watched(story, window, at=150 + 50)
    assert (found.agents, found.quiet) == (1, ())
    (quiet,) = window.snapshot(ns(150 + 53)).quiet
    assert (quiet.host, quiet.interval_s, quiet.silent_s, quiet.late) == ("net1", 30.0, 53.0, True)


def test_quiet_agents_are_those_that_agents_tells():
    for name in truth.captures():
        agents, window = Agents(), Window(60)
        for event in Reading([truth.captures()[name]]):
            agents.feed(event, hot_of(event))
            window.feed(event, hot_of(event))
        assert {agent.host for agent in agents.records() if agent.late} == {a.host for a in window.snapshot().quiet}


def test_gaps_are_counted():
    story = Story()
    story.gap(story.connection(), 0, 1)
    window = Window(60)
    assert watched(story, window).gaps == 1
    assert window.snapshot(ns(70)).gaps == 0


def test_another_filter_counts_what_is_kept():
    window = Window(60)
    story = many(10)
    failing(story, "f", 10.5)
    assert watched(story, window).requests == 11
    window.choose("method", lambda call: call.rpc.status == "failed")
    found = window.snapshot()
    assert (found.requests, found.failed, [one.key for one in found.groups]) == (1, 1, ["fails"])
    window.choose("client", None)
    found = window.snapshot()
    assert (found.requests, [one.key for one in found.groups]) == (11, ["nova-api:7"])
    assert len(found.troubles) == 1


def test_what_a_filter_leaves_out_is_not_open_either():
    story = Story()
    Rpc(story, "a", method="one").publish(0)
    Rpc(story, "b", method="two").publish(0)
    found = watched(story, Window(60, matches=lambda call: call.rpc.method == "two"))
    assert (found.open, [one.method for one in found.waiting]) == (1, ["two"])


@pytest.mark.parametrize("by", ["method", "client", "topic", "server"])
def test_to_choose_the_same_changes_nothing(by):
    window = Window(3600, by)
    for event in Reading([truth.captures()["verdicts"]]):
        window.feed(event, hot_of(event))
    before = window.snapshot()
    window.choose(by, None)
    assert window.snapshot() == before


def test_a_window_as_long_as_the_capture_counts_as_statistics_do():
    """But for the calls that are open at the end."""
    window, whole = Window(3600), Statistics()
    for event in Reading([truth.captures()["demo"]]):
        window.feed(event, hot_of(event))
    for call in calls_of(truth.captures()["demo"]):
        whole.feed(call)
    counted = {group.key: group for group in window.snapshot().groups}
    for record in whole.finish(None):
        if record.key in counted and counted[record.key].count == record.count:
            assert counted[record.key].latency == record.latency
    assert sum(group.count for group in counted.values()) > 10


@settings(max_examples=60)
@given(times=st.lists(st.integers(0, 2**62), max_size=30), seconds=st.floats(1, 86_400))
def test_any_clock(times, seconds):
    """It may jump: what is shown is never of more than the window, and nothing raises."""
    window, story = Window(seconds), Story()
    for time_ns in times:
        story.tick(0)
        event = story.events.pop()
        event.time_ns = time_ns
        window.feed(event, None)
        found = window.snapshot()
        assert found.now_ns >= time_ns - seconds * 1e9
        assert found.messages_per_s in (None, 0.0)


def test_after_a_long_step_back_it_begins_anew():
    window = Window(60)
    story = many(5)
    story.events[-1].time_ns += 10**18
    watched(story, window)
    found = watched(many(3, first=5), window)
    assert found.now_ns < ns(10)
    assert found.requests == 3


def test_too_many_groups_are_counted_together(monkeypatch):
    monkeypatch.setattr(limits, "WINDOW_GROUPS", 2)
    story = Story()
    for number in range(5):
        Rpc(story, str(number), method=f"m{number}").whole(number * 10)
    found = watched(story)
    assert sum(group.count for group in found.groups) == 5
    assert OTHER in [group.key for group in found.groups]
    assert len(found.groups) <= 3


def test_of_too_many_requests_the_latest_are_kept(monkeypatch):
    monkeypatch.setattr(limits, "WINDOW_CALLS", 4)
    window = Window(60)
    assert watched(many(20), window).requests == 20
    window.choose("method", None)
    found = window.snapshot()
    assert found.requests == 4
    assert found.requests_per_s == pytest.approx(4 / 3, rel=0.02), "over the time of these"


def test_failures_that_are_kept_are_bounded(monkeypatch):
    monkeypatch.setattr(limits, "FAILURE_CHARS", 30)
    story, window = Story(), Window(60)
    for number in range(9):
        failing(story, str(number), number, "x" * 9)
    assert watched(story, window).failed == 9
    window.choose("method", None)
    assert window.snapshot().failed <= 3


def test_what_is_named_is_bounded(monkeypatch):
    monkeypatch.setattr(limits, "WINDOW_WAITING", 2)
    monkeypatch.setattr(limits, "WINDOW_TROUBLES", 3)
    story = Story()
    for number in range(5):
        Rpc(story, f"open-{number}").publish(number / 10)
        failing(story, f"bad-{number}", number / 10 + 0.01)
    found = watched(story)
    assert (found.open, len(found.waiting), found.failed, len(found.troubles)) == (5, 2, 5, 3)
    assert found.waiting[0].age_s > found.waiting[1].age_s
