import subprocess
from collections import Counter

import msgspec
import pytest

from dissector import limits
from dissector.amqp import Event
from dissector.amqp import _methods as m
from dissector.net import Malformed
from dissector.rpc import records
from dissector.rpc.hot import hot_of
from dissector.rpc.topology import Topology

from ..lab import truth
from ..net.packets import batches
from ..test_batches import dissect, packets_of
from ..wiring import events
from .happenings import Story, bind, connection, consume, declare, declared, deliver, publish


def seen(those) -> Topology:
    topology = Topology()
    for event in those:
        topology.feed(event, hot_of(event))
    topology.finish()
    return topology


def of(topology, kind):
    return [record for record in topology.records() if isinstance(record, kind)]


def capture(name) -> Topology:
    return seen(events(truth.captures()[name]))


@pytest.fixture(scope="module")
def channels():
    return capture("channels")


@pytest.fixture(scope="module")
def demo():
    return capture("demo")


@pytest.mark.parametrize("name", ["channels", "demo", "verdicts"])
def test_methods_on_a_channel_where_they_mean_nothing(name):
    """On 0, which is the connection's own, and those of the connection on another (clause 4.2.3)."""
    those = [event for event in events(truth.captures()[name]) if isinstance(event, Event)]
    assert {event.name for event in those} >= {"basic.ack", "channel.open"}
    topology = seen(msgspec.structs.replace(event, channel=int(not event.channel)) for event in those)
    assert {one.stream for one in of(topology, records.ConnectionRecord)} == {e.connection.tcp.stream for e in those}


# -- the shipped captures ------------------------------------------------------------------------------------------


def test_connections_and_why_they_ended(channels):
    those = {(one.name, one.vhost): one for one in of(channels, records.ConnectionRecord)}
    assert [(one.stream, one.state, one.end) for one in those.values()] == [
        (stream, "refused" if name == "refused" else "closed", "fin") for stream, (name, _) in enumerate(those)
    ]
    assert {name: (one.close.by, one.close.code) for (name, _), one in those.items()} == {
        **dict.fromkeys(("gets", "returns", "rejects", "exchanges", "transactions", "errors"), ("client", 200)),
        "interleaved": ("client", 320),
        None: ("client", 0),
        "refused": ("broker", 530),
        "broken": ("broker", 504),
        "blocked": ("client", 200),
    }
    login = those["refused", None]
    assert (login.close.code, login.user, login.process) == (403, "openstack", None)
    blocked = those["blocked", "/"]
    assert (blocked.blocked, blocked.blocked_reason) == (1, "low on memory")
    assert 0 < blocked.blocked_s < blocked.last_time - blocked.first_time
    broken = those["broken", "/"]
    assert (broken.heartbeat_s, broken.heartbeats_client, broken.heartbeats_broker) == (2, 2, 2)
    raw = those["interleaved", "/"]
    assert (raw.product, raw.version, raw.frame_max) == ("Pika Python Client Library", "1.4.4", 4096)
    assert (raw.broker_product, raw.broker_version) == ("RabbitMQ", "3.10.8")
    assert raw.traffic.publish.messages == raw.traffic.deliver.messages == 2
    assert raw.first_time == raw.opened_time < raw.closed_time <= raw.last_time
    assert sum(one.channels for one in those.values()) == len(of(channels, records.ChannelRecord))


def test_channels_and_why_they_closed(channels):
    those = of(channels, records.ChannelRecord)
    assert len(those) == 18
    assert all(one.state == "closed" for one in those)
    errors = [(one.stream, one.number, one.close.code) for one in those if one.close and one.close.by == "broker"]
    assert errors == [(7, 2, 404), (7, 2, 406), (7, 2, 403), (7, 2, 406)]
    assert [(one.stream, one.number) for one in those if one.confirms] == [(2, 2), (6, 2)]
    assert [(one.stream, one.number) for one in those if one.transactional] == [(6, 1)]
    assert [(one.stream, one.prefetch_count) for one in those if one.prefetch_count is not None] == [(3, 2)]
    never_opened = [one for one in those if one.opened_time is None]
    assert [(one.stream, one.confirms, one.transactional) for one in never_opened] == [(10, None, None)]
    assert all(one.unconfirmed == 0 for one in those if one.confirms)


def test_queues_of_all_kinds(channels):
    those = {one.name: one for one in of(channels, records.QueueRecord)}
    assert Counter(one.how for one in those.values()) == {"declared": 11}
    assert Counter(one.gone for one in those.values()) == {"exclusive": 6, "deleted": 2, None: 3}
    server_named = [one for name, one in those.items() if name.startswith("amq.gen-")]
    assert len(server_named) == 7
    assert all(one.exclusive and one.gone for one in server_named)
    assert those["work"].arguments == {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    assert (those["work"].deliver.messages, those["work"].get.messages, those["work"].redelivered) == (3, 5, 4)
    mine = those["mine"]
    assert (mine.declares, mine.refused, mine.gone, mine.durable) == (2, 1, None, False)
    assert mine.refusal.startswith("PRECONDITION_FAILED - inequivalent arg 'durable'")
    assert not {"no-such-queue", "amq.reserved"} & set(those)


def test_exchanges_and_their_bindings(channels):
    those = {(one.vhost, one.name): one for one in of(channels, records.ExchangeRecord)}
    assert {key: (one.how, one.kind) for key, one in those.items()} == {
        ("/", ""): ("predefined", "direct"),
        ("/", "amq.direct"): ("predefined", "direct"),
        ("/", "amq.topic"): ("predefined", "topic"),
        **{("nova_cell1", f"lab.{kind}"): ("declared", kind) for kind in ("direct", "topic", "fanout", "headers")},
    }
    assert those["/", "amq.direct"].returned == 3
    assert those["nova_cell1", "lab.direct"].gone == "deleted"
    bindings = of(channels, records.BindingRecord)
    assert [(one.source, one.destination_kind, one.gone) for one in bindings] == [
        ("lab.topic", "exchange", "unbound"),
        ("lab.fanout", "queue", "queue exclusive"),
        ("lab.headers", "queue", "unbound"),
    ]
    assert bindings[2].arguments == {"x-match": "all", "cell": 1}


def test_consumers_and_a_tag_that_is_used_again(channels):
    those = [one for one in of(channels, records.ConsumerRecord) if one.stream == 4]
    first, second = {one.queue: one.queue for one in those}
    assert [(one.tag[:9], one.queue, one.ended, one.deliver.messages) for one in those] == [
        ("amq.ctag-", first, "queue_gone", 2),
        ("again", second, "cancelled", 1),
        ("again", first, "queue_gone", 1),
    ]


def test_messages_by_queue_and_exchange_are_the_brokers_own(capture_name):
    topology, told = capture(capture_name), truth.load(capture_name)
    out = Counter((one.headers.vhost, one.queue) for one in told if one.leg == "deliver")
    into = Counter((one.headers.vhost, one.headers.exchange_name) for one in told if one.leg == "publish")
    queues, exchanges = of(topology, records.QueueRecord), of(topology, records.ExchangeRecord)
    assert +Counter({(q.vhost, q.name): q.deliver.messages + q.get.messages for q in queues}) == out
    assert +Counter({(x.vhost, x.name): x.publish.messages for x in exchanges}) == into
    consumed = sum(one.deliver.messages for one in of(topology, records.ConsumerRecord))
    assert consumed == sum(queue.deliver.messages for queue in queues)
    assert sum(traffic.messages for _, _, traffic in topology.flows.takes()) == sum(out.values())
    assert topology.left_out == {}


@pytest.mark.tshark
def test_declares_are_as_many_as_tshark_sees(channels, demo):
    for name, topology in (("channels", channels), ("demo", demo)):
        command = ["tshark", "-r", truth.captures()[name], "-Y", "amqp", "-T", "fields"]
        command += ["-e", "amqp.method.class", "-e", "amqp.method.method", "-e", "amqp.type"]
        lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
        theirs = Counter()
        heartbeats = 0
        for classes, methods, types in (line.split("\t") for line in lines):
            theirs.update(zip(classes.split(","), methods.split(","), strict=True))
            heartbeats += types.split(",").count("8")
        connections = of(topology, records.ConnectionRecord)
        declares = sum(theirs[key] for key in (("40", "10"), ("40", "30"), ("50", "10"), ("50", "20")))
        assert sum(one.declares for one in connections) == declares
        assert sum(one.heartbeats_client + one.heartbeats_broker for one in connections) == heartbeats
        declared_consumers = [one for one in of(topology, records.ConsumerRecord) if one.how == "declared"]
        assert len(declared_consumers) == theirs["60", "20"]
        assert sum(one.binds for one in of(topology, records.BindingRecord)) == theirs["50", "20"] + theirs["40", "30"]


def test_whose_reply_queue(demo):
    replies = demo.queues("reply_")
    assert [one.callers[0].name for one in replies] == [
        "neutron-dhcp-agent:20882",
        "neutron-openvswitch-agent:20883",
        "nova-conductor:20884",
        "nova-compute:20887",
        "nova-api:20888",
    ]
    (first,) = demo.queues(replies[0].name)
    assert first == replies[0]
    assert [(one.name, one.messages) for one in first.publishers] == [("neutron-server:20881", 5)]
    assert first.arguments == {"x-expires": 1800000}
    assert demo.queues("no such queue") == []


def test_an_exact_name_is_no_prefix(demo):
    assert [one.name for one in demo.queues("compute")] == ["compute"]
    assert {one.name.split("_fanout")[0] for one in demo.queues("compute_")} == {"compute"}


def test_a_dead_reply_queue_is_told_by_what_comes_back():
    (dead,) = [one for one in capture("neutron-nova").queues() if one.gone == "no_route"]
    assert dead.arguments == {"x-expires": 1000}
    assert dead.returned == dead.publish.messages == 5
    assert [one.name.split(":")[0] for one in dead.callers] == ["nova-api"]


def test_quorum_queues_and_streams():
    topology = capture("quorum-stream")
    kinds = Counter(one.arguments.get("x-queue-type") for one in of(topology, records.QueueRecord))
    assert kinds["quorum"] > 1
    assert kinds["stream"] == 1
    offsets = [one.arguments for one in of(topology, records.ConsumerRecord) if one.arguments]
    assert {"x-stream-offset"} == {key for arguments in offsets for key in arguments}


def test_every_record_of_every_capture_is_json_that_reads_back(capture_name):
    for record in capture(capture_name).records():
        assert msgspec.json.decode(msgspec.json.encode(record), type=type(record)) == record


# -- captures that begin in the middle -----------------------------------------------------------------------------


def test_in_mid_stream_what_is_not_seen_is_unknown():
    whole = events(truth.captures()["demo"])
    busy = next(event.number for event in whole if event.connection.tcp.stream == 20) + 60
    topology = seen(dissect(batches(packets_of(truth.captures()["demo"])[busy:]))[0])
    for one in of(topology, records.ConnectionRecord):
        assert (one.vhost, one.user, one.name, one.opened_time, one.heartbeat_s) == (None,) * 5
    queues = of(topology, records.QueueRecord)
    assert queues
    for one in queues:
        assert one.how == "inferred"
        assert (one.durable, one.exclusive, one.auto_delete, one.arguments, one.message_count) == (None,) * 5
    exchanges = {one.name: one for one in of(topology, records.ExchangeRecord)}
    assert (exchanges["nova"].how, exchanges["nova"].kind) == ("inferred", None)
    replies = [one for one in of(topology, records.ConsumerRecord) if one.queue is not None]
    assert replies, "the default exchange routes by the queue's name"
    assert all(one.how == "inferred" and one.queue.startswith("reply_") for one in replies)
    by_name = {one.name: one for one in queues}
    assert all(by_name[one.queue].deliver.messages for one in replies)
    assert all(one.callers for one in queues if one.publish.messages and one.deliver.messages > 1)


def test_cut_anywhere_it_never_tells_more_than_the_whole():
    packets = packets_of(truth.captures()["channels"])
    whole = {(one.vhost, one.name): one for one in seen(dissect(batches(packets))[0]).queues()}
    for first in range(0, len(packets), 97):
        for one in seen(dissect(batches(packets[first:]))[0]).queues():
            known = [other for (vhost, name), other in whole.items() if name == one.name and one.vhost in (vhost, None)]
            assert known, f"{one.name} was never there"
            if one.how == "declared":
                assert (one.durable, one.arguments) == (known[0].durable, known[0].arguments)
            assert one.deliver.messages <= known[0].deliver.messages


# -- made by hand --------------------------------------------------------------------------------------------------


def told(*, client=None, step=None):
    topology = Topology()
    return topology, Story(topology), client or connection()


def queue(topology, name):
    (found,) = topology.queues(name)
    return found


def test_a_refused_declare_changes_nothing():
    topology, story, client = told()
    story.asked(client, declare("q"), declared("q"))
    story.asked(client, declare("q", arguments={"x-max-length": 1}))
    close = m.ChannelClose(406, "PRECONDITION_FAILED", 50, 10)
    story.event(client, close.NAME, close, from_client=False)
    topology.finish()
    one = queue(topology, "q")
    assert (one.how, one.arguments, one.declares, one.refused, one.gone) == ("declared", {}, 2, 1, None)


def test_refusals_that_prove_it_is_there_and_that_it_is_not():
    topology, story, client = told()
    for name, code in (("locked", 405), ("other", 406), ("secret", 403), ("missing", 404)):
        story.asked(client, declare(name, passive=code == 404))
        close = m.ChannelClose(code, "no", 50, 10)
        story.event(client, close.NAME, close, from_client=False)
    topology.finish()
    assert {one.name: one.how for one in topology.queues()} == {"locked": "inferred", "other": "inferred"}


def test_a_queue_that_is_known_is_not_found():
    topology, story, client = told()
    story.asked(client, declare("q"), declared("q"))
    story.asked(client, declare("q", passive=True))
    close = m.ChannelClose(404, "NOT_FOUND", 50, 10)
    story.event(client, close.NAME, close, from_client=False)
    assert queue(topology, "q").gone == "not_found"
    story.asked(client, declare("q"), declared("q"))
    assert queue(topology, "q").gone is None


def test_without_the_brokers_side_declares_count_at_the_end():
    topology, story, client = told()
    story.asked(client, declare("q", exclusive=True))
    story.asked(client, bind("q", "nova", "k"))
    story.asked(client, declare(""))
    assert topology.queues() == []
    topology.finish()
    assert [one.name for one in topology.queues()] == ["q"]
    assert queue(topology, "q").exclusive
    assert [one.routing_key for one in of(topology, records.BindingRecord)] == ["k"]


def test_what_waits_for_answers_is_bounded(monkeypatch):
    monkeypatch.setattr(limits, "TOPOLOGY_QUESTIONS", 2)
    topology, story, client = told()
    for name in "abcd":
        story.asked(client, declare(name))
    assert [one.name for one in topology.queues()] == ["a", "b"]


def test_an_answer_tells_that_what_was_asked_before_was_granted():
    topology, story, client = told()
    story.asked(client, declare("first"))  # its answer is lost
    story.asked(client, declare("second"), declared("second", 3))
    assert [(one.name, one.how, one.consumer_count) for one in topology.queues()] == [
        ("first", "declared", None),
        ("second", "declared", 3),
    ]


def test_only_the_answer_seen():
    topology, story, client = told()
    story.event(client, "queue.declare-ok", declared("q", 2), from_client=False)
    one = queue(topology, "q")
    assert (one.how, one.durable, one.consumer_count, one.declares) == ("inferred", None, 2, 0)


def test_nowait_and_names_that_are_empty():
    topology, story, client = told()
    story.asked(client, declare("q", nowait=True))
    story.asked(client, bind("", "nova", ""), queue="q")
    story.asked(client, consume(""), m.BasicConsumeOk("1"), queue="q")
    topology.finish()
    (binding,) = of(topology, records.BindingRecord)
    assert (binding.destination, binding.routing_key) == ("q", "q")
    assert [one.queue for one in of(topology, records.ConsumerRecord)] == ["q"]
    assert [one.name for one in queue(topology, "q").consumers] == ["nova-api:7"]


def test_an_auto_delete_queue_goes_with_its_last_consumer():
    topology, story, client = told()
    story.asked(client, declare("q", auto_delete=True), declared("q"))
    for tag in "ab":
        story.asked(client, consume("q", tag), m.BasicConsumeOk(tag))
    for tag, gone in (("a", None), ("b", "auto_delete")):
        story.asked(client, m.BasicCancel(tag, False), m.BasicCancelOk(tag))
        assert queue(topology, "q").gone == gone


def test_an_auto_delete_queue_may_have_other_consumers():
    topology, story, client = told()
    story.asked(client, declare("q", auto_delete=True), declared("q", 1))
    story.asked(client, consume("q"), m.BasicConsumeOk("1"))
    story.end(client)
    assert queue(topology, "q").gone is None
    assert [one.ended for one in of(topology, records.ConsumerRecord)] == ["connection_ended"]


@pytest.mark.parametrize(
    ("reason", "state", "gone"),
    [
        *((reason, "dropped", "exclusive") for reason in ("fin", "rst", "reused")),
        ("capture_end", "open", None),
        ("evicted", "unknown", None),
    ],
)
def test_exclusive_queues_go_with_their_connection_and_not_with_the_capture(reason, state, gone):
    topology, story, client = told()
    story.asked(client, declare("q", exclusive=True), declared("q"))
    story.asked(client, bind("q", "nova", "k"), m.QueueBindOk())
    story.end(client, reason)
    topology.finish()
    assert queue(topology, "q").gone == gone
    assert [one.state for one in of(topology, records.ConnectionRecord)] == [state]
    assert [one.gone for one in of(topology, records.BindingRecord)] == [gone and f"queue {gone}"]


def test_a_binding_is_one_with_its_arguments_and_comes_again():
    topology, story, client = told()
    for arguments in ({}, {"x": 1}, {}):
        story.asked(client, bind("q", "nova", "k", arguments), m.QueueBindOk())
    story.asked(client, m.QueueUnbind(0, "q", "nova", "k", {}), m.QueueUnbindOk())
    story.asked(client, bind("q", "nova", "k"), m.QueueBindOk())
    assert [(one.arguments, one.binds, one.gone) for one in of(topology, records.BindingRecord)] == [
        ({}, 2, "unbound"),
        ({"x": 1}, 1, None),
        ({}, 1, None),
    ]
    story.asked(client, m.ExchangeDelete(0, "nova", False, False), m.ExchangeDeleteOk())
    assert [one.gone for one in of(topology, records.BindingRecord)][1:] == ["exchange deleted"] * 2


def test_unacked_and_unconfirmed():
    topology, story, client = told()
    story.asked(client, m.ChannelOpen(""), m.ChannelOpenOk(b""))
    story.asked(client, m.ConfirmSelect(False), m.ConfirmSelectOk())
    story.asked(client, consume("q", "ack"), m.BasicConsumeOk("ack"))
    story.asked(client, consume("q", "no", no_ack=True), m.BasicConsumeOk("no"))
    for ordinal in range(3):
        story.message(client, publish("", "q"), ordinal=ordinal)
    for ordinal, tag in enumerate(("ack", "no", "ack", "ack"), 3):
        story.message(client, deliver("", "q", tag=tag), ordinal=ordinal, queue="q")
    story.event(client, "basic.ack", m.BasicAck(1, False), settled=(3,))
    story.event(client, "basic.ack", m.BasicAck(2, True), from_client=False, settled=(0, 1))
    (channel,) = of(topology, records.ChannelRecord)
    assert (channel.unacked, channel.unconfirmed, channel.consumers, channel.confirms) == (2, 1, 2, True)
    story.event(client, "basic.recover", m.BasicRecover(True))
    assert of(topology, records.ChannelRecord)[0].unacked == 0


def test_unacked_is_unknown_until_an_ack_is_seen():
    topology, story, client = told()
    for ordinal in range(2):
        story.message(client, deliver("nova", "k"), ordinal=ordinal)
    assert [one.unacked for one in of(topology, records.ChannelRecord)] == [None]
    story.event(client, "basic.ack", m.BasicAck(1, False), settled=(0,))
    assert [one.unacked for one in of(topology, records.ChannelRecord)] == [1]
    assert [one.no_ack for one in of(topology, records.ConsumerRecord)] == [False]


def test_the_default_exchange_tells_the_queue_unless_there_are_copies():
    topology, story, client = told()
    story.message(client, deliver("", "q", tag="a"))
    story.message(client, deliver("", "none", tag="b"), headers={"CC": ["q"]})
    story.message(client, deliver("nova", "k", tag="c"))
    assert [one.queue for one in of(topology, records.ConsumerRecord)] == ["q", None, None]


def test_gaps_and_malformed_bytes_are_counted_and_end_what_is_counted():
    topology, story, client = told()
    story.asked(client, m.ConfirmSelect(False), m.ConfirmSelectOk())
    story.message(client, publish("nova", "k"))
    story.event(client, "gap", detail="10 bytes are missing")
    topology.feed(Malformed("amqp", client.tcp, False, 9, story.now_ns, None, "broken"), None)
    (one,) = of(topology, records.ConnectionRecord)
    assert (one.gaps, one.malformed) == (1, 1)
    assert [one.unconfirmed for one in of(topology, records.ChannelRecord)] == [None]


def test_silence_and_a_clock_that_goes_back():
    topology, story, client = told()
    story.event(client, "heartbeat")
    story.wait(30)
    story.event(client, "heartbeat")
    story.wait(-60)
    story.event(client, "heartbeat", from_client=False)
    (one,) = of(topology, records.ConnectionRecord)
    assert (one.silence_client_s, one.silence_broker_s) == (30.001, None)
    assert topology.duration_s > 29


def test_secrets_are_masked_unless_asked_for():
    for show in (False, True):
        topology = Topology(show_secrets=show)
        Story(topology).asked(connection(), declare("q", arguments={"password": "pw-1"}), declared("q"))
        assert queue(topology, "q").arguments == {"password": "pw-1" if show else "***"}


def test_arguments_that_are_too_large_are_unknown(monkeypatch):
    monkeypatch.setattr(limits, "TOPOLOGY_ARGUMENTS_BYTES", 10)
    topology, story, client = told()
    story.asked(client, declare("q", arguments={"x-queue-type": "quorum"}), declared("q"))
    assert (queue(topology, "q").how, queue(topology, "q").arguments) == ("declared", None)


def test_tables_are_bounded_and_what_has_gone_makes_room(monkeypatch):
    for name in ("CONNECTIONS", "CHANNELS", "EXCHANGES", "QUEUES", "BINDINGS", "CONSUMERS", "FLOWS", "PARTIES"):
        monkeypatch.setattr(limits, f"TOPOLOGY_{name}", 3)
    topology, story, _ = told()
    for stream in range(6):
        client = connection(stream, name=f"agent:{stream}:x")
        story.asked(client, declare(f"q{stream}"), declared(f"q{stream}"))
        story.asked(client, bind(f"q{stream}", f"x{stream}", "k"), m.QueueBindOk())
        story.asked(client, consume(f"q{stream}"), m.BasicConsumeOk("1"))
        story.message(client, publish(f"x{stream}", "k"))
        story.message(client, publish("", "q0"))
        story.message(client, deliver(f"x{stream}", "k"), queue=f"q{stream}")
    counts = Counter(type(record).__name__ for record in topology.records())
    assert set(counts.values()) == {3}
    assert len(counts) == 6
    assert set(topology.left_out) == {
        *("connections", "channels", "exchanges", "queues", "bindings", "consumers", "flows")
    }
    assert len(queue(topology, "q0").publishers) == 3
    story.asked(connection(0), m.QueueDelete(0, "q0", False, False, False), m.QueueDeleteOk(0))
    story.asked(connection(0), declare("new"), declared("new"))
    assert {one.name for one in topology.queues()} == {"q1", "q2", "new"}
    story.end(connection(1))
    story.event(connection(9), "heartbeat")
    assert {one.stream for one in of(topology, records.ConnectionRecord)} == {0, 2, 9}


def test_a_foreign_connection():
    topology, story, client = told()
    story.event(client, "foreign", detail="TLS")
    assert [one.state for one in of(topology, records.ConnectionRecord)] == ["foreign"]


def test_every_event_may_come_alone():
    names = {one.name for name in truth.captures() for one in events(truth.captures()[name]) if isinstance(one, Event)}
    assert len(names) > 40
    for name in ("channels", "neutron-nova"):
        for event in events(truth.captures()[name]):
            topology = Topology()
            topology.feed(event, hot_of(event))
            topology.finish()
            list(topology.records())
