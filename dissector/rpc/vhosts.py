"""What stands in the broker: exchanges, queues and bindings, as far as the wire shows them."""

from typing import Any, Final

import msgspec

from dissector import limits
from dissector.fields import seconds
from dissector.rpc import parties
from dissector.rpc.bounded import Table
from dissector.rpc.parties import Published
from dissector.rpc.records import BindingRecord, ExchangeRecord, QueueRecord
from dissector.rpc.sight import Process
from dissector.rpc.traffic import Traffic, seconds_or_none

Name = tuple[str | None, str]
"""Virtual host, None where it is not known, and the name in it."""

PREDEFINED: Final = {
    "": "direct",
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.topic": "topic",
    "amq.headers": "headers",
    "amq.match": "headers",
    "amq.rabbitmq.trace": "topic",
}
"""Exchanges that every virtual host has, and their types (clause 3.1.3; RabbitMQ's for the firehose)."""


class ExchangeEntry(msgspec.Struct):
    """What is known of an exchange."""

    vhost: str | None
    name: str
    first_ns: int
    how: str = "inferred"
    kind: str | None = None
    durable: bool | None = None
    auto_delete: bool | None = None
    internal: bool | None = None
    arguments: dict[str, Any] | None = None
    declares: int = 0
    declared_by: dict[Process, None] = msgspec.field(default_factory=dict)
    refused: int = 0
    refusal: str | None = None
    frame: int | None = None
    gone: str | None = None
    gone_ns: int = 0
    last_ns: int = 0
    publish: Traffic = msgspec.field(default_factory=Traffic)
    deliver: Traffic = msgspec.field(default_factory=Traffic)
    returned: int = 0

    def record(self, duration_s: float) -> ExchangeRecord:
        """Give its record."""
        return ExchangeRecord(
            vhost=self.vhost,
            name=self.name,
            how=self.how,
            kind=self.kind,
            durable=self.durable,
            auto_delete=self.auto_delete,
            internal=self.internal,
            arguments=self.arguments,
            declares=self.declares,
            declared_by=parties.records(self.declared_by),
            refused=self.refused,
            refusal=self.refusal,
            frame=self.frame,
            gone=self.gone,
            gone_time=seconds_or_none(self.gone_ns),
            first_time=seconds(self.first_ns),
            last_time=seconds_or_none(self.last_ns),
            publish=self.publish.record(duration_s),
            deliver=self.deliver.record(duration_s),
            returned=self.returned,
        )


class QueueEntry(msgspec.Struct):
    """What is known of a queue."""

    vhost: str | None
    name: str
    first_ns: int
    how: str = "inferred"
    durable: bool | None = None
    exclusive: bool | None = None
    auto_delete: bool | None = None
    arguments: dict[str, Any] | None = None
    owner: int | None = None
    """Of an exclusive queue: the connection (tcp.stream) that declared it."""
    message_count: int | None = None
    consumer_count: int | None = None
    counted_ns: int = 0
    declares: int = 0
    declared_by: dict[Process, None] = msgspec.field(default_factory=dict)
    refused: int = 0
    refusal: str | None = None
    frame: int | None = None
    gone: str | None = None
    gone_ns: int = 0
    last_ns: int = 0
    publish: Traffic = msgspec.field(default_factory=Traffic)
    deliver: Traffic = msgspec.field(default_factory=Traffic)
    get: Traffic = msgspec.field(default_factory=Traffic)
    redelivered: int = 0
    returned: int = 0
    publishers: dict[Process, Published] = msgspec.field(default_factory=dict)
    callers: dict[Process, None] = msgspec.field(default_factory=dict)
    consumers: int = 0
    """Consumers that are there, of those that were seen."""
    unseen_consumers: int | None = None
    """Others that there were at the last declare-ok; None where that was not seen."""

    def record(self, duration_s: float, consumers: dict[Process, None]) -> QueueRecord:
        """Give its record, with those who consume it."""
        return QueueRecord(
            vhost=self.vhost,
            name=self.name,
            how=self.how,
            durable=self.durable,
            exclusive=self.exclusive,
            auto_delete=self.auto_delete,
            arguments=self.arguments,
            message_count=self.message_count,
            consumer_count=self.consumer_count,
            counted_time=seconds_or_none(self.counted_ns),
            declares=self.declares,
            declared_by=parties.records(self.declared_by),
            refused=self.refused,
            refusal=self.refusal,
            frame=self.frame,
            gone=self.gone,
            gone_time=seconds_or_none(self.gone_ns),
            first_time=seconds(self.first_ns),
            last_time=seconds_or_none(self.last_ns),
            publish=self.publish.record(duration_s),
            deliver=self.deliver.record(duration_s),
            get=self.get.record(duration_s),
            redelivered=self.redelivered,
            returned=self.returned,
            publishers=parties.publisher_records(self.publishers),
            consumers=parties.records(consumers),
            callers=parties.records(self.callers),
        )


class BindingEntry(msgspec.Struct):
    """What is known of a binding."""

    vhost: str | None
    source: str
    destination: str
    destination_kind: str
    routing_key: str
    arguments: dict[str, Any] | None
    binds: int = 0
    frame: int = 0
    bound_ns: int = 0
    gone: str | None = None

    def record(self) -> BindingRecord:
        """Give its record."""
        return BindingRecord(
            vhost=self.vhost,
            source=self.source,
            destination=self.destination,
            destination_kind=self.destination_kind,
            routing_key=self.routing_key,
            arguments=self.arguments,
            binds=self.binds,
            frame=self.frame,
            time=seconds(self.bound_ns),
            gone=self.gone,
        )


BindingKey = tuple[str | None, str, str, str, str, bytes]
"""Virtual host, source, kind of destination, destination, routing key, arguments: what makes a binding one."""


class Vhosts:
    """Exchanges, queues and bindings of all virtual hosts."""

    def __init__(self) -> None:
        self.exchanges: Table[Name, ExchangeEntry] = Table(limits.TOPOLOGY_EXCHANGES)
        self.queues: Table[Name, QueueEntry] = Table(limits.TOPOLOGY_QUEUES)
        self.bindings: Table[BindingKey, BindingEntry] = Table(limits.TOPOLOGY_BINDINGS)
        self._owned: dict[int, dict[Name, None]] = {}
        self._bound: dict[tuple[str | None, str, str], dict[BindingKey, None]] = {}
        """Bindings by virtual host, kind and name of what is at one of their ends."""

    # -- what is in use exists -----------------------------------------------------------------------------

    def exchange(self, vhost: str | None, name: str, time_ns: int) -> ExchangeEntry:
        """Find an exchange, or infer that it exists."""
        entry = self.exchanges.get((vhost, name))
        if entry is None:
            entry = ExchangeEntry(vhost, name, time_ns)
            if name in PREDEFINED:
                entry.how, entry.kind, entry.durable, entry.auto_delete = "predefined", PREDEFINED[name], True, False
                entry.internal = name == "amq.rabbitmq.trace"
            self.exchanges.add((vhost, name), entry)
        return entry

    def queue(self, vhost: str | None, name: str, time_ns: int) -> QueueEntry:
        """Find a queue, or infer that it exists."""
        entry = self.queues.get((vhost, name))
        if entry is None:
            entry = QueueEntry(vhost, name, time_ns)
            self.queues.add((vhost, name), entry)
        return entry

    def is_there(self, entry: QueueEntry | ExchangeEntry) -> None:
        """Note that a thing exists, whatever was thought of it."""
        if entry.gone is None:
            return
        entry.gone, entry.gone_ns = None, 0
        table: Table[Name, Any] = self.queues if isinstance(entry, QueueEntry) else self.exchanges
        table.revive((entry.vhost, entry.name))

    # -- declared ------------------------------------------------------------------------------------------

    def own(self, entry: QueueEntry, stream: int) -> None:
        """Note which connection an exclusive queue goes with."""
        self._disown(entry)
        entry.owner = stream
        if self.queues.get((entry.vhost, entry.name)) is entry:
            self._owned.setdefault(stream, {})[entry.vhost, entry.name] = None

    def bind(self, entry: BindingEntry, arguments: bytes, frame: int, time_ns: int) -> None:
        """Make a binding, or make it again; ``arguments`` is the text of its arguments, which tells it from others."""
        ends = _ends(entry)
        key = (entry.vhost, entry.source, *ends[1][1:], entry.routing_key, arguments)
        known = self.bindings.get(key)
        if known is None:
            if self.bindings.add(key, entry):
                for end in ends:
                    self._bound.setdefault(end, {})[key] = None
            known = entry
        known.binds += 1
        known.frame, known.bound_ns = frame, time_ns

    def unbind(self, entry: BindingEntry, arguments: bytes) -> None:
        """Undo a binding, where it is known."""
        key = (entry.vhost, entry.source, *_ends(entry)[1][1:], entry.routing_key, arguments)
        self._unbound(key, "unbound")

    # -- gone ----------------------------------------------------------------------------------------------

    def queue_gone(self, vhost: str | None, name: str, why: str, time_ns: int) -> None:
        """Note that a queue, if it is known, is there no more; so its bindings are not."""
        entry = self.queues.get((vhost, name))
        if entry is not None and entry.gone is None:
            entry.gone, entry.gone_ns = why, time_ns
            self._disown(entry)
            self.queues.end((vhost, name))
            self._ends_gone((vhost, "queue", name), f"queue {why}")

    def exchange_gone(self, vhost: str | None, name: str, why: str, time_ns: int) -> None:
        """Note that an exchange, if it is known, is there no more; so its bindings are not."""
        entry = self.exchanges.get((vhost, name))
        if entry is not None and entry.gone is None:
            entry.gone, entry.gone_ns = why, time_ns
            self.exchanges.end((vhost, name))
            self._ends_gone((vhost, "exchange", name), f"exchange {why}")

    def connection_ended(self, stream: int, time_ns: int) -> None:
        """Exclusive queues go with their connection (clause 1.7.2.1)."""
        for vhost, name in list(self._owned.get(stream, ())):
            self.queue_gone(vhost, name, "exclusive", time_ns)

    def _disown(self, entry: QueueEntry) -> None:
        if entry.owner is not None:
            owned = self._owned.get(entry.owner, {})
            owned.pop((entry.vhost, entry.name), None)
            if not owned:
                self._owned.pop(entry.owner, None)
            entry.owner = None

    def _ends_gone(self, end: tuple[str | None, str, str], why: str) -> None:
        for key in list(self._bound.get(end, ())):
            self._unbound(key, why)

    def _unbound(self, key: BindingKey, why: str) -> None:
        entry = self.bindings.get(key)
        if entry is not None and entry.gone is None:
            entry.gone = why
            # Bound again, it is another entry: so it is known by its ends only while it is there.
            self.bindings.free(key)
            for end in _ends(entry):
                bound = self._bound.get(end, {})
                bound.pop(key, None)
                if not bound:
                    self._bound.pop(end, None)


def _ends(entry: BindingEntry) -> tuple[tuple[str | None, str, str], tuple[str | None, str, str]]:
    source = (entry.vhost, "exchange", entry.source)
    return source, (entry.vhost, entry.destination_kind, entry.destination)
