"""What the management page shows, from the wire alone: connections, channels, exchanges, queues, bindings, consumers.

What was declared in the capture is told apart from what was only seen in use, and the rest is unknown.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from dissector import limits
from dissector.amqp import AmqpEvent, Event, Message
from dissector.amqp import _methods as m
from dissector.amqp.fieldtable import to_json
from dissector.net import Malformed
from dissector.oslo import HotMessage, mask
from dissector.rpc import parties
from dissector.rpc.clients import TCP_ENDS, ChannelEntry
from dissector.rpc.connections import Connections
from dissector.rpc.flows import Flows
from dissector.rpc.questions import ANSWERS, ASKED, Granted, Questions
from dissector.rpc.records import QueueRecord, TopologyRecord
from dissector.rpc.sight import Process, process_of
from dissector.rpc.subscriptions import Consumers
from dissector.rpc.traffic import Span
from dissector.rpc.vhosts import BindingEntry, ExchangeEntry, QueueEntry, Vhosts

_NOT_FOUND: Final = 404
_PROVE_EXISTENCE: Final = frozenset((405, 406))
"""RESOURCE_LOCKED and PRECONDITION_FAILED: it is there, but otherwise."""
_NO_ROUTE: Final = 312
_NAME_BYTES: Final = 255
"""Longest name of a queue: a short string."""


class Topology:
    """Takes all events; afterwards gives the records of what they show."""

    def __init__(self, *, show_secrets: bool = False) -> None:
        """Make it; secrets in arguments and reasons are masked unless ``show_secrets``."""
        self._show_secrets = show_secrets
        self._span = Span()
        self._clients = Connections(self._clean)
        self._vhosts = Vhosts()
        self._consumers = Consumers(self._vhosts)
        self._questions = Questions()
        self.flows = Flows()

    def feed(self, event: AmqpEvent, hot: HotMessage | None) -> None:
        """Learn from an event; ``hot`` is the hot decode of a message, None for all else."""
        self._span.add(event.time_ns)
        if isinstance(event, Message):
            self._message(event, hot)
        elif isinstance(event, Malformed):
            self._clients.malformed(event)
        else:
            self._event(event)

    def finish(self) -> None:
        """Learn that no more come: what was declared and never refused is taken as declared."""
        self._grant(self._questions.finish())

    # -- what it gives -------------------------------------------------------------------------------------

    @property
    def duration_s(self) -> float:
        """The time from the first event to the last, over which rates are told."""
        return self._span.seconds

    def records(self) -> Iterator[TopologyRecord]:
        """Give all records: connections, channels, exchanges, queues, bindings, consumers, each in order."""
        duration_s = self.duration_s
        yield from (entry.record(duration_s) for entry in self._clients.connections)
        yield from (entry.record(duration_s) for entry in self._clients.channels)
        yield from (entry.record(duration_s) for entry in self._vhosts.exchanges)
        yield from self.queues()
        yield from (entry.record() for entry in self._vhosts.bindings)
        yield from (entry.record(duration_s) for entry in self._consumers.consumers)

    def queues(self, name: str = "") -> list[QueueRecord]:
        """Give the queues of that name, in any virtual host; where there is none, those whose names begin with it."""
        entries = [entry for entry in self._vhosts.queues if entry.name.startswith(name)]
        entries = [entry for entry in entries if entry.name == name] or entries
        consumers: dict[tuple[str | None, str | None], dict[Process, None]] = {}
        for one in self._consumers.consumers:
            if one.ended is None:
                consumers.setdefault((one.connection.vhost, one.queue), {})[process_of(one.connection)] = None
        return [entry.record(self.duration_s, consumers.get((entry.vhost, entry.name), {})) for entry in entries]

    @property
    def left_out(self) -> dict[str, int]:
        """How many of what had to be left out, as there were too many at once."""
        tables = {
            "connections": self._clients.connections.left_out,
            "channels": self._clients.channels.left_out,
            "exchanges": self._vhosts.exchanges.left_out,
            "queues": self._vhosts.queues.left_out,
            "bindings": self._vhosts.bindings.left_out,
            "consumers": self._consumers.consumers.left_out,
            "flows": self.flows.left_out,
        }
        return {what: number for what, number in tables.items() if number}

    # -- messages ------------------------------------------------------------------------------------------

    def _message(self, message: Message, hot: HotMessage | None) -> None:
        channel = self._clients.message(message)
        vhost, method, size = message.connection.vhost, message.method, len(message.body)
        exchange = self._vhosts.exchange(vhost, method.exchange, message.time_ns)
        exchange.last_ns = message.time_ns
        if isinstance(method, m.BasicPublish):
            self._publish(message, exchange, hot)
        elif isinstance(method, m.BasicReturn):
            exchange.returned += 1
            if not method.exchange and method.reply_code == _NO_ROUTE:
                self._vhosts.queue(vhost, method.routing_key, message.time_ns).returned += 1
                self._vhosts.queue_gone(vhost, method.routing_key, "no_route", message.time_ns)
        else:
            exchange.deliver.add(size)
            self._vhosts.is_there(exchange)
            queue_name = message.queue or _default_queue(message)
            if isinstance(method, m.BasicDeliver):
                consumer = self._consumers.deliver(message, method, channel, queue_name)
                queue_name = consumer.queue
                self._clients.delivered(channel, consumer, message.ordinal)
            if queue_name is None:
                return
            queue = self._vhosts.queue(vhost, queue_name, message.time_ns)
            # What comes from a queue that has just gone was on its way.
            (queue.deliver if isinstance(method, m.BasicDeliver) else queue.get).add(size)
            queue.redelivered += method.redelivered
            queue.last_ns = message.time_ns
            self.flows.taken(message, queue_name)

    def _publish(self, message: Message, exchange: ExchangeEntry, hot: HotMessage | None) -> None:
        vhost, method, size = message.connection.vhost, message.method, len(message.body)
        exchange.publish.add(size)
        process = process_of(message.connection)
        self.flows.published(message)
        if not method.exchange and method.routing_key:
            queue = self._vhosts.queue(vhost, method.routing_key, message.time_ns)
            queue.publish.add(size)
            queue.last_ns = message.time_ns
            parties.published(queue.publishers, process, size, message.time_ns)
        if hot is not None and hot.reply_q and len(hot.reply_q) <= _NAME_BYTES:
            parties.note(self._vhosts.queue(vhost, hot.reply_q, message.time_ns).callers, process)

    # -- events --------------------------------------------------------------------------------------------

    def _event(self, event: Event) -> None:
        stream, name = event.connection.tcp.stream, event.name
        if name == "channel.open":
            self._channel_ends(self._clients.find_channel(event), event.time_ns)
        channel = self._clients.event(event)
        if name in ASKED:
            self._grant(self._questions.ask(event))
        elif name in ANSWERS:
            granted = self._questions.answer(event)
            self._grant(granted)
            if not granted and isinstance(event.method, m.QueueDeclareOk):
                self._counted(event, event.method)
        elif name in ("basic.cancel", "basic.cancel-ok"):
            self._consumers.cancel(event, channel)
        elif name == "channel.close":
            self._channel_closes(event)
            self._channel_ends(channel, event.time_ns)
        elif name == "channel.close-ok":
            self._channel_ends(channel, event.time_ns)
        elif name in ("connection.close", "end"):
            if name == "end" or event.from_client:
                self._grant(self._questions.unanswered(stream))
            self._questions.forget(stream)
            if name == "connection.close" or event.detail in TCP_ENDS:
                for each in self._clients.channels_of(stream):
                    self._consumers.end_all(each, "connection_ended", event.time_ns)
                self._vhosts.connection_ended(stream, event.time_ns)

    def _channel_ends(self, channel: ChannelEntry | None, time_ns: int) -> None:
        if channel is not None:
            self._consumers.end_all(channel, "channel_closed", time_ns)

    def _grant(self, granted: list[Granted]) -> None:
        for question, answer in granted:
            _GRANTED[question.name](self, question, answer)

    def _channel_closes(self, event: Event) -> None:
        if event.from_client:
            self._grant(self._questions.unanswered(event.connection.tcp.stream, event.channel))
            return
        granted, question = self._questions.refused(event)
        self._grant(granted)
        if question is not None:
            self._refused(question, event)

    def _refused(self, question: Event, close: Event) -> None:
        asked, closed = question.method, close.method
        assert isinstance(closed, m.ChannelClose)
        vhost, vhosts, code = close.connection.vhost, self._vhosts, closed.reply_code
        entry: QueueEntry | ExchangeEntry | None = None
        if isinstance(asked, m.QueueDeclare) and asked.queue:
            if code in _PROVE_EXISTENCE:
                vhosts.is_there(vhosts.queue(vhost, asked.queue, close.time_ns))
            entry = vhosts.queues.get((vhost, asked.queue))
        elif isinstance(asked, m.ExchangeDeclare):
            if code in _PROVE_EXISTENCE:
                vhosts.is_there(vhosts.exchange(vhost, asked.exchange, close.time_ns))
            entry = vhosts.exchanges.get((vhost, asked.exchange))
        if entry is not None:
            entry.declares += 1
            entry.refused += 1
            entry.refusal = self._clean(closed.reply_text)
        if code == _NOT_FOUND:
            if isinstance(asked, m.QueueDeclare | m.BasicConsume):
                vhosts.queue_gone(vhost, asked.queue or question.queue or "", "not_found", close.time_ns)
            elif isinstance(asked, m.ExchangeDeclare):
                vhosts.exchange_gone(vhost, asked.exchange, "not_found", close.time_ns)

    def _consume(self, event: Event, answer: Event | None) -> None:
        method = event.method
        assert isinstance(method, m.BasicConsume)
        channel = self._clients.find_channel(event)
        if channel is not None:
            tag = None if answer is None else answer.method
            name = tag.consumer_tag if isinstance(tag, m.BasicConsumeOk) else method.consumer_tag
            self._consumers.consume(event, name, channel, self._arguments(method.arguments))

    # -- declared, bound, deleted --------------------------------------------------------------------------

    def _declare_queue(self, event: Event, answer: Event | None) -> None:
        method = event.method
        assert isinstance(method, m.QueueDeclare)
        told = answer.method if answer is not None else None
        name = told.queue if isinstance(told, m.QueueDeclareOk) else method.queue
        if not name:
            return
        entry = self._vhosts.queue(event.connection.vhost, name, event.time_ns)
        entry.declares += 1
        parties.note(entry.declared_by, process_of(event.connection))
        self._vhosts.is_there(entry)
        if not method.passive:
            entry.how, entry.frame = "declared", event.number
            entry.durable, entry.exclusive, entry.auto_delete = method.durable, method.exclusive, method.auto_delete
            entry.arguments = self._arguments(method.arguments)
            if method.exclusive:
                self._vhosts.own(entry, event.connection.tcp.stream)
        if answer is not None and isinstance(told, m.QueueDeclareOk):
            self._counted(answer, told)

    def _counted(self, answer: Event, told: m.QueueDeclareOk) -> None:
        entry = self._vhosts.queue(answer.connection.vhost, told.queue, answer.time_ns)
        self._vhosts.is_there(entry)
        entry.message_count, entry.consumer_count = told.message_count, told.consumer_count
        entry.counted_ns = answer.time_ns
        entry.unseen_consumers = told.consumer_count - entry.consumers

    def _delete_queue(self, event: Event, _: Event | None) -> None:
        assert isinstance(event.method, m.QueueDelete)
        name = event.method.queue or event.queue
        if name:
            self._vhosts.queue_gone(event.connection.vhost, name, "deleted", event.time_ns)

    def _declare_exchange(self, event: Event, _: Event | None) -> None:
        method = event.method
        assert isinstance(method, m.ExchangeDeclare)
        entry = self._vhosts.exchange(event.connection.vhost, method.exchange, event.time_ns)
        entry.declares += 1
        parties.note(entry.declared_by, process_of(event.connection))
        self._vhosts.is_there(entry)
        if not method.passive:
            entry.how, entry.frame, entry.kind = "declared", event.number, method.type
            entry.durable, entry.auto_delete, entry.internal = method.durable, method.auto_delete, method.internal
            entry.arguments = self._arguments(method.arguments)

    def _delete_exchange(self, event: Event, _: Event | None) -> None:
        assert isinstance(event.method, m.ExchangeDelete)
        self._vhosts.exchange_gone(event.connection.vhost, event.method.exchange, "deleted", event.time_ns)

    def _bind(self, event: Event, _: Event | None) -> None:
        binding = self._binding(event)
        if binding is None:
            return
        vhosts, time_ns = self._vhosts, event.time_ns
        vhosts.is_there(vhosts.exchange(binding.vhost, binding.source, time_ns))
        find: Callable[[str | None, str, int], QueueEntry | ExchangeEntry] = vhosts.exchange
        if binding.destination_kind == "queue":
            find = vhosts.queue
        vhosts.is_there(find(binding.vhost, binding.destination, time_ns))
        vhosts.bind(binding, _text(binding.arguments), event.number, time_ns)

    def _unbind(self, event: Event, _: Event | None) -> None:
        binding = self._binding(event)
        if binding is not None:
            self._vhosts.unbind(binding, _text(binding.arguments))

    def _binding(self, event: Event) -> BindingEntry | None:
        """Make the binding that a bind or unbind means; None where it means a queue that nobody knows."""
        method, vhost = event.method, event.connection.vhost
        if isinstance(method, m.ExchangeBind | m.ExchangeUnbind):
            ends = (method.source, method.destination, "exchange", method.routing_key)
        else:
            assert isinstance(method, m.QueueBind | m.QueueUnbind)
            queue = method.queue or event.queue
            if queue is None:
                return None
            # Where both names are empty, the last declared queue's is meant for both (clause 1.7.2.3.4).
            key = method.routing_key if method.queue or method.routing_key else queue
            ends = (method.exchange, queue, "queue", key)
        return BindingEntry(vhost, *ends, self._arguments(method.arguments))

    # -- texts ---------------------------------------------------------------------------------------------

    def _clean(self, text: str) -> str:
        cleaned: str = text if self._show_secrets else mask(text)
        return cleaned

    def _arguments(self, arguments: dict[str, Any]) -> dict[str, Any] | None:
        """Give arguments as JSON; None where they are absurdly large, so that nobody knows what they say."""
        plain: dict[str, Any] = to_json(arguments) if self._show_secrets else mask(to_json(arguments))
        return plain if len(_text(plain)) <= limits.TOPOLOGY_ARGUMENTS_BYTES else None


def _default_queue(message: Message) -> str | None:
    """Name the queue of a delivery whose basic.consume was not seen: the default exchange routes by its name.

    None where a sender's CC header, which names more queues, may have brought it (RabbitMQ's sender-selected
    distribution).
    """
    headers = message.properties.headers
    if message.method.exchange or (isinstance(headers, dict) and "CC" in headers):
        return None
    return message.method.routing_key or None


def _text(arguments: dict[str, Any] | None) -> bytes:
    return msgspec.json.encode(arguments) if arguments else b""


_GRANTED: Final[dict[str, Callable[[Topology, Event, Event | None], None]]] = {
    "exchange.declare": Topology._declare_exchange,
    "exchange.delete": Topology._delete_exchange,
    "exchange.bind": Topology._bind,
    "exchange.unbind": Topology._unbind,
    "queue.declare": Topology._declare_queue,
    "queue.delete": Topology._delete_queue,
    "queue.bind": Topology._bind,
    "queue.unbind": Topology._unbind,
    "basic.consume": Topology._consume,
}
"""What each request does once it is granted."""
