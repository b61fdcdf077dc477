import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector import limits
from dissector.amqp import _methods as m
from dissector.rpc.agents import Agents
from dissector.rpc.heartbeats import REPORTS
from dissector.rpc.hot import hot_of
from dissector.rpc.matrix import Matrix

from ..lab import truth
from ..wiring import events
from .happenings import Story, connection, declare, deliver, publish


def capture(name):
    agents, matrix = Agents(), Matrix()
    for event in events(truth.captures()[name]):
        hot = hot_of(event)
        agents.feed(event, hot)
        matrix.feed(event, hot)
    return list(agents.records()), list(matrix.records())


def request(method, args, *, unique_id=None, **more):
    inner = {"method": method, "args": args, "_unique_id": unique_id or f"{method}-{json.dumps(args)}", **more}
    return {"oslo.version": "2.0", "oslo.message": json.dumps(inner)}


def state(host="network1", binary="neutron-dhcp-agent", **more):
    return {"agent_state": {"agent_state": {"host": host, "binary": binary, "agent_type": "DHCP agent", **more}}}


def reported(*pauses, args=None, step_ns=0):
    """The record of an agent that reports, after each of these pauses in seconds, and of nothing else."""
    agents = Agents()
    story = Story(agents, step_ns=step_ns)
    for number, pause in enumerate((0, *pauses)):
        story.wait(pause)
        body = request("report_state", args or state(), unique_id=str(number))
        story.message(connection(), publish("neutron", "q-reports-plugin"), body)
    return story, agents


# -- the shipped captures ------------------------------------------------------------------------------------------


def test_the_agents_of_the_demo():
    agents, _ = capture("demo")
    assert [(one.host, one.agent_type, one.binary, one.process, one.ip, one.beats, one.starts) for one in agents] == [
        ("network1", "DHCP agent", "neutron-dhcp-agent", "neutron-dhcp-agent:20882", "10.99.0.21", 3, 1),
        (
            *("compute1", "Open vSwitch agent", "neutron-openvswitch-agent"),
            *("neutron-openvswitch-agent:20883", "10.99.0.31", 3, 1),
        ),
    ]
    for one in agents:
        assert (one.vhost, one.exchange, one.method, one.topic) == ("/", "neutron", "report_state", "N/A")
        assert (one.missed, one.late) == (None, None), "of three reports nobody can tell their interval"


def test_the_matrix_of_the_demo_is_the_firehoses():
    _, matrix = capture("demo")
    theirs = Counter()
    for one in truth.load("demo"):
        message = json.loads(one.body)
        message = json.loads(message["oslo.message"]) if "oslo.message" in message else message
        name = message.get("method") or message.get("event_type")
        if one.leg == "publish" and name:
            theirs[one.headers.exchange_name, name] += 1
    ours = Counter()
    for one in matrix:
        ours[one.exchange, one.method] += one.messages
    assert ours == theirs
    assert [one.messages for one in matrix] == sorted((one.messages for one in matrix), reverse=True)
    cells = {(one.program, one.kind, one.method, one.topic) for one in matrix}
    assert ("nova-conductor", "call", "select_destinations", "scheduler") in cells
    assert ("neutron-server", "fanout", "port_update", "q-agent-notifier-port-update") in cells
    assert ("nova-compute", "notification", "compute.instance.create.end", "notifications") in cells


def test_seen_twice_it_is_one_report():
    (twice, _), (once, _) = capture("any-twice"), capture("ipv6")
    assert [one.beats for one in twice] == [one.beats for one in once] == [1, 5]


# -- intervals -----------------------------------------------------------------------------------------------------


def test_interval_and_nothing_missed():
    _, agents = reported(30, 31, 29, 30)
    (one,) = agents.records()
    assert (one.beats, one.interval_s, one.missed, one.late, one.silent_s) == (5, 30, 0, False, 0)


@pytest.mark.parametrize(("gap", "missed"), [(52, 0), (53, 1), (60, 1), (90, 2), (300, 9)])
def test_missed_reports(gap, missed):
    _, agents = reported(30, 30, gap, 30, 30)
    (one,) = agents.records()
    assert (one.interval_s, one.missed) == (30, missed)


@pytest.mark.parametrize(("silence", "late"), [(52, False), (53, True)])
def test_late_at_the_end_of_the_capture(silence, late):
    story, agents = reported(30, 30, 30)
    story.wait(silence)
    story.event(connection(1), "heartbeat")
    (one,) = agents.records()
    assert (one.late, one.silent_s) == (late, silence)


def test_two_intervals_accuse_nobody():
    story, agents = reported(0.1, 30)
    story.wait(3000)
    story.event(connection(1), "heartbeat")
    (one,) = agents.records()
    assert (one.missed, one.late) == (None, None)


def test_what_is_forgotten_is_judged_first(monkeypatch):
    monkeypatch.setattr(limits, "AGENT_INTERVALS", 4)
    _, agents = reported(30, 30, 30, 90, *[30] * 10)
    (one,) = agents.records()
    assert (one.beats, one.interval_s, one.missed) == (15, 30, 2)


def test_a_clock_that_goes_back():
    _, agents = reported(30, 30, -600, 30)
    (one,) = agents.records()
    assert one.beats == 5
    assert one.last_time >= one.first_time
    assert one.silent_s == 0


@given(pauses=st.lists(st.floats(-100, 1000), max_size=12))
def test_whatever_the_times_nothing_is_negative(pauses):
    _, agents = reported(*pauses)
    (one,) = agents.records()
    assert one.beats == len(pauses) + 1
    assert one.silent_s >= 0
    assert (one.missed or 0) >= 0
    assert (one.interval_s or 0) >= 0


# -- who reports, and how ------------------------------------------------------------------------------------------


def service(changes, **more):
    data = {"host": "compute1", "binary": "nova-compute", "topic": "compute", "report_count": 7}
    saved = {"nova_object.name": "Service", "nova_object.data": data, "nova_object.changes": changes}
    return {"objinst": saved, "objmethod": "save", **more}


@pytest.mark.parametrize(
    ("method", "args", "who"),
    [
        ("report_state", state(), ("DHCP agent", "network1", "neutron-dhcp-agent")),
        ("report_state", {"host": "h", "binary": "masakari-engine"}, (None, "h", "masakari-engine")),
        ("object_action", service(["report_count", "last_seen_up"]), (None, "compute1", "nova-compute")),
        ("object_action", service(["disabled"]), None),
        ("object_action", {**service(["report_count"]), "objmethod": "destroy"}, None),
        (
            "service_update",
            {"service": {"host": "c", "binary": "nova-compute"}, "values": {"report_count": 3}},
            (None, "c", "nova-compute"),
        ),
        ("service_update", {"service": {"host": "c"}, "values": {"disabled": True}}, None),
        (
            "update_service_capabilities",
            {"service_name": "volume", "host": "block1@lvm", "capabilities": {}},
            ("volume", "block1@lvm", None),
        ),
        (
            "update_service_status",
            {"service_status": {"designate_object.data": {"service_name": "worker", "hostname": "dns1"}}},
            ("worker", "dns1", None),
        ),
        ("heartbeat", {"instance_id": "db-1", "payload": {}}, ("guest agent", "db-1", None)),
        ("heartbeat", {"listener": 3}, None),
        ("report_state", {}, None),
        ("report_state", {"agent_state": {"agent_state": 3}}, None),
        ("object_action", {"objinst": [], "objmethod": "save"}, None),
    ],
)
def test_what_is_a_report(method, args, who):
    agents = Agents()
    Story(agents).message(connection(), publish("x", "y"), request(method, args))
    found = [(one.agent_type, one.host, one.binary) for one in agents.records()]
    assert found == ([] if who is None else [who])


@given(
    method=st.sampled_from(sorted(REPORTS)),
    args=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["agent_state", "host", "binary", "objinst", "nova_object.data", "service", "values", "x"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
)
def test_arguments_of_any_shape_never_raise(method, args):
    agents = Agents()
    Story(agents).message(connection(), publish("x", "y"), request(method, args))
    assert len(list(agents.records())) <= 1


def test_only_the_delivery_seen():
    agents = Agents()
    Story(agents).message(connection(), deliver("neutron", "q-reports-plugin"), request("report_state", state()))
    (one,) = agents.records()
    assert (one.host, one.ip, one.process) == ("network1", None, None)


def test_publish_delivery_and_redelivery_are_one_report():
    agents = Agents()
    story = Story(agents)
    body = request("report_state", state())
    story.message(connection(1), deliver("neutron", "q"), body)
    story.message(connection(), publish("neutron", "q"), body)
    story.message(connection(1), deliver("neutron", "q", redelivered=True), body)
    (one,) = agents.records()
    assert (one.beats, one.process) == (1, "nova-api:7")


def test_tables_are_bounded(monkeypatch):
    for name in ("AGENTS", "AGENT_REPORTS", "CALLERS", "CALLER_PROCESSES"):
        monkeypatch.setattr(limits, name, 3)
    agents, matrix = Agents(), Matrix()
    story = Story(agents, matrix)
    for number in range(7):
        story.message(
            connection(number, name=f"agent:{number}:x"),
            publish("neutron", "q"),
            request("report_state", state(host=f"h{number}")),
        )
    for number in range(7):
        story.message(connection(), publish("neutron", "q"), request(f"method{number}", {}))
    assert [one.host for one in agents.records()] == ["h0", "h1", "h2"]
    assert agents.left_out == {"agents": 4}
    assert [(one.method, one.messages, one.processes) for one in matrix.records()] == [
        ("report_state", 7, 3),
        ("method0", 1, 1),
        ("method1", 1, 1),
    ]
    assert matrix.left_out == {"callers": 5, "callers' processes beyond 3": 1}


# -- the matrix ----------------------------------------------------------------------------------------------------


def test_floods_are_told_by_their_busiest_second():
    matrix = Matrix()
    story = Story(matrix, step_ns=0)
    for second, number in enumerate((3, 40, 2)):
        story.wait(1 if second else 0)
        for _ in range(number):
            story.message(connection(), publish("nova", "conductor"), request("object_action", {}))
    (one,) = matrix.records()
    assert (one.messages, one.peak_per_s, one.messages_per_s) == (45, 40, 22.5)


def test_programs_are_joined_over_processes_and_hosts_and_unnamed_ones_are_not():
    matrix = Matrix()
    story = Story(matrix)
    body = request("report_state", state())
    for stream, (name, ip) in enumerate(
        [("agent:1:x", "10.0.0.2"), ("agent:2:x", "10.0.0.2"), ("agent:2:x", "10.0.0.3"), ("", "10.0.0.4")]
    ):
        story.message(connection(stream, name=name, ip=ip), publish("neutron", "q"), body)
    assert [(one.program, one.ip, one.processes) for one in matrix.records()] == [
        ("agent", None, 3),
        (None, "10.0.0.4", 1),
    ]


def test_the_server_is_told_from_the_topic_by_its_declared_queues():
    matrix = Matrix()
    story = Story(matrix)
    for host in ("compute1", "compute2.example.org"):
        for queue in ("compute", f"compute.{host}"):
            story.asked(connection(1), declare(queue))
        story.message(connection(), publish("nova", f"compute.{host}"), request("get_host_uptime", {"host": host}))
    story.message(connection(), publish("nova", "compute.unseen"), request("get_host_uptime", {}))
    assert [(one.topic, one.messages) for one in matrix.records()] == [("compute", 2), ("compute.unseen", 1)]


def test_replies_deliveries_and_foreign_bodies_call_nobody():
    matrix = Matrix()
    story = Story(matrix)
    reply = {"oslo.version": "2.0", "oslo.message": json.dumps({"result": 1, "_msg_id": "a", "_unique_id": "b"})}
    story.message(connection(), publish("", "reply_x"), reply)
    story.message(connection(), deliver("nova", "q"), request("ping", {}))
    story.message(connection(), m.BasicReturn(312, "NO_ROUTE", "nova", "q"), request("ping", {}))
    story.message(connection(), publish("nova", "q"), b"no oslo")
    assert list(matrix.records()) == []


def test_a_burst_is_no_interval():
    _, agents = reported(0.1, 0.1, 0.1, 0.1, 60)
    (one,) = agents.records()
    assert (one.beats, one.missed, one.late) == (6, None, None)
