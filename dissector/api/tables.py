"""What is made of whole captures: the topology, agents, who calls whom, and everything about one id."""

from collections.abc import Callable, Collection
from os import PathLike
from typing import TypeVar

import msgspec

from dissector.amqp import AmqpEvent
from dissector.api.filtering import CallFilter, EventFilter, Expression
from dissector.api.run import Captures, Report, open_reading
from dissector.api.via import Via
from dissector.fields import CallRecord, MessageRecord
from dissector.oslo import HotMessage
from dissector.reading import Completeness, Reading
from dissector.rpc.agents import Agents
from dissector.rpc.hot import hot_of
from dissector.rpc.matrix import Matrix
from dissector.rpc.records import (
    AgentRecord,
    BindingRecord,
    CallerRecord,
    ChannelRecord,
    ConnectionRecord,
    ConsumerRecord,
    ExchangeRecord,
    QueueRecord,
    TopologyRecord,
)
from dissector.rpc.topology import Topology
from dissector.rpc.trace import Trace
from dissector.views.record import record

T = TypeVar("T", bound=TopologyRecord)


class TopologyReport(msgspec.Struct, frozen=True):
    """What stands in the broker and who is connected to it, as far as the wire tells.

    >>> import dissector
    >>> topology = dissector.topology("pcaps/demo.pcap")
    >>> len(topology.connections), {connection.vhost for connection in topology.connections}
    (21, {'/'})
    >>> [exchange.name for exchange in topology.exchanges if exchange.kind == "topic"]
    ['nova', 'neutron']
    """

    connections: Report[ConnectionRecord]
    channels: Report[ChannelRecord]
    exchanges: Report[ExchangeRecord]
    queues: Report[QueueRecord]
    bindings: Report[BindingRecord]
    consumers: Report[ConsumerRecord]
    completeness: Completeness
    """What was read, and what is missing."""


class TraceReport(msgspec.Struct, frozen=True):
    """Everything about one id.

    >>> import dissector
    >>> found = dissector.trace("pcaps/demo.pcap", "req-")
    >>> found.messages, found.calls
    ([], [])
    """

    messages: Report[MessageRecord]
    """What carries the id, and the replies to it, in the order of their packets."""
    calls: Report[CallRecord]
    """The same as calls, in the order of their publishes."""
    left_out: int
    """Messages beyond `dissector.limits.TRACED_MESSAGES`."""


def topology(
    captures: Captures,
    *,
    filter: Expression = None,
    ports: Collection[int] | None = None,
    via: str | None = None,
    keylog: str | PathLike[str] | None = None,
    show_secrets: bool = False,
) -> TopologyReport:
    """Give connections, channels, exchanges, queues, bindings and consumers, as ``osloshark topology`` shows them.

    ``filter`` chooses messages and events. All else is as for `dissector.read`.

    >>> import dissector
    >>> queues = dissector.topology("pcaps/demo.pcap").queues
    >>> max(queues, key=lambda queue: queue.deliver.messages).name
    'q-reports-plugin'
    """
    chosen = EventFilter(filter, show_secrets=show_secrets)
    found = Topology(show_secrets=show_secrets)
    completeness = _read(open_reading(captures, ports, Via(via, keylog)), chosen, found.feed)
    found.finish()
    records = list(found.records())

    def of(kind: type[T]) -> Report[T]:
        return Report(kind, (one for one in records if isinstance(one, kind)), completeness, found.left_out)

    return TopologyReport(
        of(ConnectionRecord),
        of(ChannelRecord),
        of(ExchangeRecord),
        of(QueueRecord),
        of(BindingRecord),
        of(ConsumerRecord),
        completeness,
    )


def agents(
    captures: Captures,
    *,
    filter: Expression = None,
    ports: Collection[int] | None = None,
    via: str | None = None,
    keylog: str | PathLike[str] | None = None,
) -> Report[AgentRecord]:
    """Give the agents and services that report that they live, in the order in which they were first seen.

    All else is as for `dissector.topology`.

    >>> import dissector
    >>> for agent in dissector.agents("pcaps/demo.pcap"):
    ...     print(agent.agent_type or agent.binary, agent.host, agent.beats, agent.late)
    DHCP agent network1 3 None
    Open vSwitch agent compute1 3 None
    """
    found = Agents()
    chosen = EventFilter(filter)
    completeness = _read(open_reading(captures, ports, Via(via, keylog)), chosen, found.feed)
    found.finish()
    return Report(AgentRecord, found.records(), completeness, found.left_out)


def callers(
    captures: Captures,
    *,
    filter: Expression = None,
    ports: Collection[int] | None = None,
    via: str | None = None,
    keylog: str | PathLike[str] | None = None,
) -> Report[CallerRecord]:
    """Give who calls which method of whom, as ``osloshark agents --matrix`` shows it.

    All else is as for `dissector.topology`.

    >>> import dissector
    >>> for caller in dissector.callers("pcaps/demo.pcap", filter='oslo.kind == "call"')[:2]:
    ...     print(caller.program, caller.method, caller.topic, caller.messages)
    neutron-dhcp-agent report_state q-reports-plugin 3
    neutron-openvswitch-agent report_state q-reports-plugin 3
    """
    found = Matrix()
    chosen = EventFilter(filter)
    completeness = _read(open_reading(captures, ports, Via(via, keylog)), chosen, found.feed)
    found.finish()
    return Report(CallerRecord, found.records(), completeness, found.left_out)


def trace(
    captures: Captures,
    wanted: str,
    *,
    filter: Expression = None,
    ports: Collection[int] | None = None,
    via: str | None = None,
    keylog: str | PathLike[str] | None = None,
    show_secrets: bool = False,
) -> TraceReport:
    """Give everything about one id: the messages that carry it, the replies to them, and the calls that they make.

    ``wanted`` is a request id or global request id, a msg_id, a unique_id or a notification's message_id, or the
    beginning of one, 8 characters or more. Nothing is found where the captures hold nothing of it. ``filter`` chooses
    calls. All else is as for `dissector.read`.

    >>> import dissector
    >>> failed = next(dissector.calls("pcaps/demo.pcap", filter="rpc.failure"))
    >>> found = dissector.trace("pcaps/demo.pcap", failed.rpc.request_id)
    >>> [(call.rpc.method, call.rpc.status) for call in found.calls]
    [('attach_interface', 'failed')]
    """
    chosen = CallFilter(filter, show_secrets=show_secrets)
    found = Trace(wanted)

    def take(event: AmqpEvent, hot: HotMessage | None) -> None:
        chosen.learn(chosen.ask(event, hot))
        found.feed(event, hot)

    reading = open_reading(captures, ports, Via(via, keylog))
    completeness = _read(reading, EventFilter(None), take, show_secrets=show_secrets)
    found.finish()
    messages = (record(message, show_secrets=show_secrets) for message in found.messages)
    return TraceReport(
        Report(MessageRecord, messages, completeness),
        Report(CallRecord, (call for call in found.calls if chosen(call)), completeness),
        found.left_out,
    )


def _read(
    reading: Reading,
    chosen: EventFilter,
    take: Callable[[AmqpEvent, HotMessage | None], object],
    *,
    show_secrets: bool = False,
) -> Completeness:
    """Hand on the events of a reading that are chosen, with the hot decode of messages; say how complete that was."""
    try:
        for event in reading:
            if chosen(event):
                take(event, hot_of(event, show_secrets))
    finally:
        reading.close()
    return reading.completeness
