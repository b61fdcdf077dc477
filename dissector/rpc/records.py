"""What `topology` and `agents` tell, as typed records: ``-T jsonl`` writes one a line.

Unknown is ``None`` (JSON ``null``), never a guess: a capture that begins mid-stream shows what is in use, and not
how it was declared. Times are seconds since the epoch; rates are over the whole time of the capture, so that they
can be compared and added up.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta


class TrafficRecord(msgspec.Struct, frozen=True):
    """Messages that went one way."""

    messages: Annotated[int, Meta(description="Messages")]
    bytes: Annotated[int, Meta(description="Their bodies", extra={"unit": "bytes"})]
    messages_per_s: Annotated[float | None, Meta(description="Rate over the time of the capture")]
    bytes_per_s: Annotated[float | None, Meta(description="Rate over the time of the capture")]


class LegsRecord(msgspec.Struct, frozen=True):
    """Messages by leg."""

    publish: Annotated[TrafficRecord, Meta(description="Published by the client")]
    deliver: Annotated[TrafficRecord, Meta(description="Delivered to its consumers")]
    get: Annotated[TrafficRecord, Meta(description="Fetched with basic.get")]
    return_: Annotated[TrafficRecord, Meta(description="Published, and given back by the broker")] = msgspec.field(
        name="return"
    )


class EndRecord(msgspec.Struct, frozen=True):
    """One end of a connection."""

    ip: Annotated[str, Meta(description="Address")]
    port: Annotated[int, Meta(description="TCP port")]


class CloseRecord(msgspec.Struct, frozen=True):
    """A connection.close or channel.close."""

    by: Annotated[str, Meta(description="client or broker: who sent it")]
    code: Annotated[int, Meta(description="Reply code: 200 and 0 are a normal end")]
    text: Annotated[str, Meta(description="Why, in words")]


class ProcessRecord(msgspec.Struct, frozen=True):
    """A process at the client's end of connections."""

    ip: Annotated[str, Meta(description="Its address")]
    name: Annotated[str | None, Meta(description="program:pid, from its connection's name")]


class PublisherRecord(msgspec.Struct, frozen=True):
    """A process that publishes to a queue."""

    ip: Annotated[str, Meta(description="Its address")]
    name: Annotated[str | None, Meta(description="program:pid, from its connection's name")]
    messages: Annotated[int, Meta(description="Messages that it published to it")]
    bytes: Annotated[int, Meta(description="Their bodies", extra={"unit": "bytes"})]
    last_time: Annotated[float, Meta(description="When it did so last", extra={"unit": "s"})]


class ConnectionRecord(msgspec.Struct, frozen=True, tag_field="type", tag="connection"):
    """An AMQP connection.

    >>> import dissector
    >>> first = dissector.topology("pcaps/demo.pcap").connections[0]
    >>> first.vhost, first.state, first.heartbeat_s
    ('/', 'closed', 60)
    """

    stream: Annotated[int, Meta(description="Index of the TCP connection in the capture (tcp.stream)")]
    vhost: Annotated[str | None, Meta(description="Virtual host")]
    user: Annotated[str | None, Meta(description="User")]
    process: Annotated[str | None, Meta(description="Client's program:pid, from the connection's name")]
    name: Annotated[str | None, Meta(description="Client's connection_name")]
    client: Annotated[EndRecord, Meta(description="Client's end")]
    broker: Annotated[EndRecord, Meta(description="Broker's end")]
    product: Annotated[str | None, Meta(description="Client library")]
    version: Annotated[str | None, Meta(description="Its version")]
    platform: Annotated[str | None, Meta(description="What it runs on")]
    node: Annotated[str | None, Meta(description="Broker's cluster_name")]
    broker_product: Annotated[str | None, Meta(description="Broker's product")]
    broker_version: Annotated[str | None, Meta(description="Broker's version")]
    heartbeat_s: Annotated[int | None, Meta(description="Agreed heartbeat; 0 is none", extra={"unit": "s"})]
    frame_max: Annotated[int | None, Meta(description="Agreed largest frame; 0 is no limit", extra={"unit": "bytes"})]
    channel_max: Annotated[int | None, Meta(description="Agreed highest channel number; 0 is no limit")]
    state: Annotated[
        str,
        Meta(
            description="open (to the end of the capture); closed (by connection.close); refused (by the broker, "
            "before it was open); dropped (TCP ended without connection.close); foreign (no AMQP 0-9-1); "
            "unknown (forgotten, as there were too many)"
        ),
    ]
    opened_time: Annotated[
        float | None, Meta(description="When it began; null where that was before the capture", extra={"unit": "s"})
    ]
    closed_time: Annotated[float | None, Meta(description="When it ended", extra={"unit": "s"})]
    close: Annotated[CloseRecord | None, Meta(description="Its connection.close")]
    end: Annotated[str | None, Meta(description="How TCP ended: fin, rst, reused, evicted")]
    blocked: Annotated[int, Meta(description="How many times the broker blocked it (connection.blocked)")]
    blocked_s: Annotated[float, Meta(description="For how long in all", extra={"unit": "s"})]
    blocked_reason: Annotated[str | None, Meta(description="Why, the last time")]
    channels: Annotated[int, Meta(description="Channels that were in use")]
    channels_open: Annotated[int, Meta(description="Those of them that are open at the end")]
    declares: Annotated[int, Meta(description="Declares and binds that it sent")]
    heartbeats_client: Annotated[int, Meta(description="Heartbeats that the client sent")]
    heartbeats_broker: Annotated[int, Meta(description="Heartbeats that the broker sent")]
    silence_client_s: Annotated[
        float | None, Meta(description="Longest time in which the client sent no frame", extra={"unit": "s"})
    ]
    silence_broker_s: Annotated[
        float | None, Meta(description="Longest time in which the broker sent no frame", extra={"unit": "s"})
    ]
    gaps: Annotated[int, Meta(description="Places at which bytes of it are missing")]
    malformed: Annotated[int, Meta(description="Things on it that were not what they should be")]
    first_time: Annotated[float, Meta(description="When it was first seen", extra={"unit": "s"})]
    last_time: Annotated[float, Meta(description="When it was last seen", extra={"unit": "s"})]
    traffic: Annotated[LegsRecord, Meta(description="Its messages")]


class ChannelRecord(msgspec.Struct, frozen=True, tag_field="type", tag="channel"):
    """A channel, from its opening to its close; a number that is opened again is another one.

    >>> import dissector
    >>> first = dissector.topology("pcaps/demo.pcap").channels[0]
    >>> first.number, first.state, first.confirms
    (1, 'closed', False)
    """

    stream: Annotated[int, Meta(description="Index of its TCP connection (tcp.stream)")]
    vhost: Annotated[str | None, Meta(description="Virtual host")]
    process: Annotated[str | None, Meta(description="Client's program:pid")]
    number: Annotated[int, Meta(description="Channel number")]
    state: Annotated[str, Meta(description="open or closed")]
    opened_time: Annotated[
        float | None, Meta(description="When it was opened; null where that was not seen", extra={"unit": "s"})
    ]
    closed_time: Annotated[float | None, Meta(description="When it, or its connection, ended", extra={"unit": "s"})]
    close: Annotated[CloseRecord | None, Meta(description="Its channel.close")]
    prefetch_count: Annotated[int | None, Meta(description="Of basic.qos: unacked messages allowed; 0 is no limit")]
    prefetch_global: Annotated[
        bool | None, Meta(description="Of basic.qos: whether all consumers of the channel share it")
    ]
    confirms: Annotated[bool | None, Meta(description="Whether publishes are confirmed (confirm.select)")]
    transactional: Annotated[bool | None, Meta(description="Whether it is transactional (tx.select)")]
    unacked: Annotated[
        int | None, Meta(description="Messages that were seen delivered and not settled, at the end; null: unknown")
    ]
    unconfirmed: Annotated[
        int | None, Meta(description="Messages that were seen published and not confirmed, at the end")
    ]
    consumers: Annotated[int, Meta(description="Consumers at the end")]
    redelivered: Annotated[int, Meta(description="Messages that came with the redelivered flag")]
    traffic: Annotated[LegsRecord, Meta(description="Its messages")]


class ExchangeRecord(msgspec.Struct, frozen=True, tag_field="type", tag="exchange"):
    """An exchange.

    >>> import dissector
    >>> [exchange.name for exchange in dissector.topology("pcaps/demo.pcap").exchanges if exchange.kind == "topic"]
    ['nova', 'neutron']
    """

    vhost: Annotated[str | None, Meta(description="Virtual host")]
    name: Annotated[str, Meta(description="Name; empty is the default exchange")]
    how: Annotated[
        str,
        Meta(
            description="How it is known: declared (its declare was seen, and not refused), inferred (seen in use "
            "only), predefined (by AMQP or RabbitMQ)"
        ),
    ]
    kind: Annotated[str | None, Meta(description="Exchange type: direct, topic, fanout, headers …")]
    durable: Annotated[bool | None, Meta(description="Survives a restart of the broker")]
    auto_delete: Annotated[bool | None, Meta(description="Goes with its last binding")]
    internal: Annotated[bool | None, Meta(description="Takes messages from exchanges only")]
    arguments: Annotated[dict[str, Any] | None, Meta(description="Arguments of its declare")]
    declares: Annotated[int, Meta(description="Declares that were seen, passive ones too")]
    declared_by: Annotated[tuple[ProcessRecord, ...], Meta(description="Who sent them, the first of them")]
    refused: Annotated[int, Meta(description="Declares that the broker refused")]
    refusal: Annotated[str | None, Meta(description="Why, the last time")]
    frame: Annotated[int | None, Meta(description="Packet of its last declare that was not passive")]
    gone: Annotated[str | None, Meta(description="Why it is there no more: deleted, not_found")]
    gone_time: Annotated[float | None, Meta(description="Since when", extra={"unit": "s"})]
    first_time: Annotated[float, Meta(description="When it was first seen", extra={"unit": "s"})]
    last_time: Annotated[float | None, Meta(description="When a message last went through it", extra={"unit": "s"})]
    publish: Annotated[TrafficRecord, Meta(description="Published to it")]
    deliver: Annotated[TrafficRecord, Meta(description="Delivered or fetched, of what was published to it")]
    returned: Annotated[int, Meta(description="Published to it, and given back by the broker")]


class QueueRecord(msgspec.Struct, frozen=True, tag_field="type", tag="queue"):
    """A queue.

    >>> import dissector
    >>> replies = [queue for queue in dissector.topology("pcaps/demo.pcap").queues if queue.callers]
    >>> replies[0].auto_delete, replies[0].gone, len(replies[0].callers)
    (False, None, 1)
    """

    vhost: Annotated[str | None, Meta(description="Virtual host")]
    name: Annotated[str, Meta(description="Name")]
    how: Annotated[
        str,
        Meta(description="How it is known: declared (its declare was seen, and not refused), inferred (seen in use)"),
    ]
    durable: Annotated[bool | None, Meta(description="Survives a restart of the broker")]
    exclusive: Annotated[bool | None, Meta(description="Belongs to one connection, and goes with it")]
    auto_delete: Annotated[bool | None, Meta(description="Goes with its last consumer")]
    arguments: Annotated[dict[str, Any] | None, Meta(description="Arguments of its declare: x-queue-type, x-expires …")]
    message_count: Annotated[int | None, Meta(description="Ready messages, at the last declare-ok")]
    consumer_count: Annotated[int | None, Meta(description="Consumers, at the last declare-ok")]
    counted_time: Annotated[float | None, Meta(description="When that was", extra={"unit": "s"})]
    declares: Annotated[int, Meta(description="Declares that were seen, passive ones too")]
    declared_by: Annotated[tuple[ProcessRecord, ...], Meta(description="Who sent them, the first of them")]
    refused: Annotated[int, Meta(description="Declares that the broker refused")]
    refusal: Annotated[str | None, Meta(description="Why, the last time")]
    frame: Annotated[int | None, Meta(description="Packet of its last declare that was not passive")]
    gone: Annotated[
        str | None,
        Meta(
            description="Why it is there no more: deleted, exclusive (its connection ended), auto_delete (its last "
            "consumer went), no_route (a message to it came back: 312), not_found (a passive declare: 404)"
        ),
    ]
    gone_time: Annotated[float | None, Meta(description="Since when", extra={"unit": "s"})]
    first_time: Annotated[float, Meta(description="When it was first seen", extra={"unit": "s"})]
    last_time: Annotated[float | None, Meta(description="When a message last went to or from it", extra={"unit": "s"})]
    publish: Annotated[
        TrafficRecord,
        Meta(
            description="Published straight to it, over the default exchange; what other exchanges route to it is "
            "seen as it is delivered"
        ),
    ]
    deliver: Annotated[TrafficRecord, Meta(description="Delivered to consumers")]
    get: Annotated[TrafficRecord, Meta(description="Fetched with basic.get")]
    redelivered: Annotated[int, Meta(description="Messages that came from it with the redelivered flag")]
    returned: Annotated[int, Meta(description="Published straight to it, and given back by the broker")]
    publishers: Annotated[
        tuple[PublisherRecord, ...], Meta(description="Who published straight to it, the first of them")
    ]
    consumers: Annotated[tuple[ProcessRecord, ...], Meta(description="Who consumes it, at the end")]
    callers: Annotated[
        tuple[ProcessRecord, ...], Meta(description="Who named it as the reply queue of calls, the first of them")
    ]


class BindingRecord(msgspec.Struct, frozen=True, tag_field="type", tag="binding"):
    """A binding that was seen made. Every queue's binding to the default exchange is left out.

    >>> import dissector
    >>> first = dissector.topology("pcaps/demo.pcap").bindings[0]
    >>> first.source, first.routing_key, first.destination
    ('nova', 'scheduler', 'scheduler')
    """

    vhost: Annotated[str | None, Meta(description="Virtual host")]
    source: Annotated[str, Meta(description="Exchange that it takes messages from")]
    destination: Annotated[str, Meta(description="Where to")]
    destination_kind: Annotated[str, Meta(description="queue or exchange")]
    routing_key: Annotated[str, Meta(description="Routing key or pattern")]
    arguments: Annotated[dict[str, Any] | None, Meta(description="Arguments")]
    binds: Annotated[int, Meta(description="How many times it was made")]
    frame: Annotated[int, Meta(description="Packet of the last bind")]
    time: Annotated[float, Meta(description="When that was", extra={"unit": "s"})]
    gone: Annotated[
        str | None, Meta(description="Why it is there no more: unbound, or as its queue or exchange has gone")
    ]


class ConsumerRecord(msgspec.Struct, frozen=True, tag_field="type", tag="consumer"):
    """A consumer of a queue.

    >>> import dissector
    >>> first = dissector.topology("pcaps/demo.pcap").consumers[0]
    >>> first.queue, first.active, first.ended
    ('scheduler', False, 'channel_closed')
    """

    stream: Annotated[int, Meta(description="Index of its TCP connection (tcp.stream)")]
    vhost: Annotated[str | None, Meta(description="Virtual host")]
    process: Annotated[str | None, Meta(description="Client's program:pid")]
    client: Annotated[EndRecord, Meta(description="Client's end of the connection")]
    channel: Annotated[int, Meta(description="Channel number")]
    tag: Annotated[str, Meta(description="Consumer tag")]
    how: Annotated[str, Meta(description="declared (its basic.consume was seen) or inferred (by its deliveries)")]
    queue: Annotated[str | None, Meta(description="Queue")]
    no_ack: Annotated[bool | None, Meta(description="Whether its messages are not acknowledged")]
    exclusive: Annotated[bool | None, Meta(description="Whether it is to be the queue's only one")]
    arguments: Annotated[dict[str, Any] | None, Meta(description="Arguments, as x-stream-offset")]
    active: Annotated[bool, Meta(description="Whether it is there at the end")]
    ended: Annotated[
        str | None,
        Meta(
            description="Why not: cancelled (by the client), queue_gone (cancelled by the broker), channel_closed, "
            "connection_ended"
        ),
    ]
    started_time: Annotated[float | None, Meta(description="When it began; null: not seen", extra={"unit": "s"})]
    ended_time: Annotated[float | None, Meta(description="When it ended", extra={"unit": "s"})]
    deliver: Annotated[TrafficRecord, Meta(description="Delivered to it")]
    redelivered: Annotated[int, Meta(description="Of these, with the redelivered flag")]
    last_time: Annotated[float | None, Meta(description="When it last got a message", extra={"unit": "s"})]


class AgentRecord(msgspec.Struct, frozen=True, tag_field="type", tag="agent"):
    """An agent or service that reports that it lives.

    >>> import dissector
    >>> first = dissector.agents("pcaps/demo.pcap")[0]
    >>> first.agent_type, first.host, first.beats
    ('DHCP agent', 'network1', 3)
    """

    agent_type: Annotated[str | None, Meta(description="Agent type, as it calls itself")]
    host: Annotated[str | None, Meta(description="Host, as it calls itself")]
    binary: Annotated[str | None, Meta(description="Binary, as it calls itself")]
    topic: Annotated[str | None, Meta(description="Topic that it names; neutron's agents say N/A")]
    method: Annotated[str, Meta(description="RPC method of its reports")]
    vhost: Annotated[str | None, Meta(description="Virtual host")]
    exchange: Annotated[str, Meta(description="Exchange that it reports to")]
    ip: Annotated[str | None, Meta(description="Where the last report came from; null: only its delivery was seen")]
    process: Annotated[str | None, Meta(description="program:pid that sent it")]
    beats: Annotated[int, Meta(description="Reports that were seen")]
    starts: Annotated[int, Meta(description="Of these, with the start flag: it has just started")]
    first_time: Annotated[float, Meta(description="When the first was seen", extra={"unit": "s"})]
    last_time: Annotated[float, Meta(description="When the last was seen", extra={"unit": "s"})]
    interval_s: Annotated[float | None, Meta(description="Median time between them", extra={"unit": "s"})]
    missed: Annotated[
        int | None,
        Meta(description="Reports that are missing in gaps longer than 1.75 intervals; null: fewer than four seen"),
    ]
    late: Annotated[
        bool | None, Meta(description="Whether the next has been due for longer than that, at the end of the capture")
    ]
    silent_s: Annotated[float, Meta(description="Time since the last, at the end of the capture", extra={"unit": "s"})]


class CallerRecord(msgspec.Struct, frozen=True, tag_field="type", tag="caller"):
    """A cell of the matrix of who calls whom: the requests of one method from one program to one topic.

    >>> import dissector
    >>> most = max(dissector.callers("pcaps/demo.pcap"), key=lambda caller: caller.messages)
    >>> most.program, most.method, most.topic, most.messages
    ('neutron-dhcp-agent', 'report_state', 'q-reports-plugin', 3)
    """

    program: Annotated[str | None, Meta(description="Program, from its connections' names; null: not known")]
    ip: Annotated[str | None, Meta(description="Address, where the program is not known")]
    kind: Annotated[str, Meta(description="call, cast, fanout or notification")]
    method: Annotated[str, Meta(description="RPC method, or event type of a notification")]
    namespace: Annotated[str | None, Meta(description="RPC namespace")]
    vhost: Annotated[str | None, Meta(description="Virtual host")]
    exchange: Annotated[str, Meta(description="Exchange")]
    topic: Annotated[str, Meta(description="Topic, without the server where that is told apart")]
    processes: Annotated[int, Meta(description="Processes that sent them; no more than a thousand are told apart")]
    messages: Annotated[int, Meta(description="Publishes")]
    bytes: Annotated[int, Meta(description="Their bodies", extra={"unit": "bytes"})]
    messages_per_s: Annotated[float | None, Meta(description="Rate over the time of the capture")]
    peak_per_s: Annotated[int, Meta(description="Most within one second of the clock")]
    largest: Annotated[int, Meta(description="Largest body", extra={"unit": "bytes"})]
    first_time: Annotated[float, Meta(description="When the first was seen", extra={"unit": "s"})]
    last_time: Annotated[float, Meta(description="When the last was seen", extra={"unit": "s"})]


TopologyRecord = ConnectionRecord | ChannelRecord | ExchangeRecord | QueueRecord | BindingRecord | ConsumerRecord
"""What `dissector.rpc.topology.Topology` gives."""
