"""The state of an AMQP connection: what its methods, in packet order over both directions, let one know."""

from collections.abc import Callable
from itertools import takewhile
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from dissector import limits
from dissector.amqp import _methods as m
from dissector.amqp.channel import Channel, Settling
from dissector.amqp.counts import AmqpCounts
from dissector.amqp.events import GAP_OF_UNKNOWN_SIZE, AmqpConnection, AmqpEvent, Event, Message
from dissector.amqp.fieldtable import FieldTable, to_json
from dissector.amqp.known import Known
from dissector.amqp.sasl import user_of
from dissector.amqp.sharing import shared

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

_SETTLING: Final = (m.BasicAck, m.BasicNack, m.BasicReject)


class ConnectionState:
    """Follows one connection. Feed it the events of both directions in packet order.

    ``counts`` are told what is forgotten.
    """

    __slots__ = (
        "_channels",
        "_counts",
        "_is_foreign",
        "_known_consumers",
        "_messages",
        "_missed",
        "_missed_of_client",
        "connection",
    )

    def __init__(self, connection: AmqpConnection, counts: AmqpCounts, known: Known | None = None) -> None:
        """``known`` is what was known of the connection before its first byte, if that is not its beginning."""
        self.connection = connection
        self._known_consumers: dict[int, dict[str, tuple[str, bool]]] = {}
        """By channel, until it is seen."""
        if known is not None:
            told = {name: getattr(known, name) for name in known.__struct_fields__ if name != "consumers"}
            self.connection = replace(connection, **told)
            self._known_consumers = dict(known.consumers)
        self._counts = counts
        self._channels: dict[int, Channel] = {}
        self._messages = 0
        self._is_foreign = False
        self._missed = 0
        """How often something was missing, or could not be read."""
        self._missed_of_client = 0
        """How often that was something that the client sent."""

    def feed(self, event: AmqpEvent) -> bool:
        """Fill in what is known of the connection, and learn from the event; False where it is not worth telling."""
        if isinstance(event, Message):
            self._message(event)
        elif isinstance(event, Event):
            handler = _HANDLERS.get(event.name)
            if handler is not None:
                handler(self, event)
            event.connection = self.connection
            if event.name == "foreign":
                # Both directions speak it, and that is said once.
                self._is_foreign, told = True, self._is_foreign
                return not told
        elif event.layer == "amqp":
            if self._is_foreign:
                return False
            # A method or a message that could not be read is as good as missing.
            self._miss(event.from_client)
        return True

    def _channel(self, number: int) -> Channel:
        channel = self._channels.get(number)
        if channel is not None:
            if channel.missed != self._missed:
                self._catch_up(channel)
        else:
            channel = Channel()
            if self._known_consumers:
                channel.consumers.update(self._known_consumers.pop(number, {}))
            channel.missed, channel.missed_of_client = self._missed, self._missed_of_client
            if len(self._channels) < limits.CHANNELS:
                self._channels[number] = channel
            else:
                self._counts.unknown_channels += 1
        return channel

    def _await_settling(self, waiting: dict[int, Settling], tag: int, settling: Settling) -> None:
        if _remember(waiting, tag, settling, limits.UNSETTLED):
            self._counts.forgotten_messages += 1

    def _await_answer(self, waiting: list[T], request: T) -> None:
        """Put a request behind those without an answer yet. (Nearly always there is none, and a list is small then.)"""
        waiting.append(request)
        if len(waiting) > limits.CONSUMERS:
            del waiting[0]
            self._counts.forgotten_consumers += 1

    # -- messages --------------------------------------------------------------------------------------

    def _message(self, message: Message) -> None:
        message.connection = self.connection
        message.ordinal = self._messages
        self._messages += 1
        settling = (message.ordinal, message.number)
        method = message.method
        channel = self._channel(message.channel)
        if isinstance(method, m.BasicPublish):
            if channel.published >= 0:
                channel.published += 1
                self._await_settling(channel.confirms, channel.published, settling)
        elif isinstance(method, m.BasicDeliver):
            message.queue, no_ack = channel.consumers.get(method.consumer_tag, (None, False))
            if not no_ack:
                self._await_settling(channel.undelivered, method.delivery_tag, settling)
        elif isinstance(method, m.BasicGetOk):
            get, last_queue = channel.gets.pop(0) if channel.gets else (None, None)
            message.queue = last_queue if get is None else get.queue or last_queue
            if get is None or not get.no_ack:
                self._await_settling(channel.undelivered, method.delivery_tag, settling)

    def _settle(self, event: Event) -> None:
        method = event.method
        assert isinstance(method, _SETTLING)
        channel = self._channel(event.channel)
        waiting = channel.undelivered if event.from_client else channel.confirms
        tag = method.delivery_tag
        if isinstance(method, m.BasicReject) or not method.multiple:
            settling = waiting.pop(tag, None)
            if settling is not None:
                event.settled, event.settled_numbers = settling[:1], settling[1:]
        else:
            # Tags only grow, so they stand in order; 0 means all (clause 1.8.3.13).
            tags = list(takewhile(lambda known: known <= tag or tag == 0, waiting))
            settled = [waiting.pop(known) for known in tags]
            event.settled = tuple(ordinal for ordinal, _ in settled)
            event.settled_numbers = tuple(number for _, number in settled)
        if not waiting:
            waiting.clear()  # gives the room of those that were in it back

    # -- methods ---------------------------------------------------------------------------------------

    def _learn(self, **known: Any) -> None:  # noqa: ANN401 - the fields of AmqpConnection
        self.connection = replace(self.connection, **{name: shared(value) for name, value in known.items()})

    def _protocol_header(self, _event: Event) -> None:
        self._forget()

    def _kept(self, properties: FieldTable) -> dict[str, Any] | None:
        """Give a peer's properties as they are kept; None where they are too large."""
        found: dict[str, Any] = to_json(properties)
        if len(msgspec.json.encode(found)) > limits.SHARED_BYTES:
            self._counts.large_properties += 1
            return None
        return found

    def _start(self, event: Event) -> None:
        assert isinstance(event.method, m.ConnectionStart)
        if self.connection.server_properties is not None:
            # It comes once a connection (clause 1.4.2.1): the ports were taken unseen.
            self._forget()
        self._learn(server_properties=self._kept(event.method.server_properties))

    def _start_ok(self, event: Event) -> None:
        method = event.method
        assert isinstance(method, m.ConnectionStartOk)
        user = user_of(method.mechanism, method.response)
        user = None if user is None else user[: limits.USER_CHARS]
        self._learn(user=user, client_properties=self._kept(method.client_properties))
        event.method = replace(method, response=b"")

    def _without_secret(self, event: Event) -> None:
        method = event.method
        if isinstance(method, m.ConnectionSecure):
            event.method = replace(method, challenge=b"")
        elif isinstance(method, m.ConnectionSecureOk):
            event.method = replace(method, response=b"")
        elif isinstance(method, m.ConnectionUpdateSecret):
            event.method = replace(method, new_secret=b"")

    def _tune_ok(self, event: Event) -> None:
        method = event.method
        assert isinstance(method, m.ConnectionTuneOk)
        self._learn(channel_max=method.channel_max, frame_max=method.frame_max, heartbeat_s=method.heartbeat)

    def _open(self, event: Event) -> None:
        assert isinstance(event.method, m.ConnectionOpen)
        self._learn(vhost=event.method.virtual_host)

    def _channel_anew(self, event: Event) -> None:
        self._known_consumers.pop(event.channel, None)
        self._channels.pop(event.channel, None)

    def _declare(self, event: Event) -> None:
        assert isinstance(event.method, m.QueueDeclare)
        # Of a queue that the broker shall name, declare-ok tells.
        channel = self._channel(event.channel)
        channel.last_queue = event.method.queue or None
        if not event.method.nowait:
            self._await_answer(channel.declared, event.method.queue)

    def _declare_ok(self, event: Event) -> None:
        assert isinstance(event.method, m.QueueDeclareOk)
        channel = self._channel(event.channel)
        # Clients need not wait: the answer may be to an earlier declare than the last, or to one that was not seen.
        if channel.declared and not channel.declared.pop(0) and not channel.declared:
            channel.last_queue = event.method.queue

    def _last_queue(self, event: Event) -> None:
        """A queue method with an empty name means the last queue declared."""
        method = event.method
        assert isinstance(method, m.QueueBind | m.QueueUnbind | m.QueuePurge | m.QueueDelete)
        if not method.queue:
            event.queue = self._channel(event.channel).last_queue

    def _consume(self, event: Event) -> None:
        method = event.method
        assert isinstance(method, m.BasicConsume)
        channel = self._channel(event.channel)
        if not method.queue:
            event.queue = channel.last_queue
        tag = method.consumer_tag
        if tag in channel.early:
            channel.early.remove(tag)
            self._consumer(channel, tag, method, event.queue)
        elif tag in channel.consumers and not method.nowait and len(channel.replacing) < limits.CONSUMERS:
            # It was cancelled, and deliveries to the old consumer may still be on their way.
            channel.replacing[tag] = (method, event.queue)
        elif tag:
            self._consumer(channel, tag, method, event.queue)
            if not method.nowait and len(channel.unanswered) < limits.CONSUMERS:
                channel.unanswered[tag] = None
        elif not method.nowait:
            self._await_answer(channel.pending, (method, event.queue))

    def _consume_ok(self, event: Event) -> None:
        assert isinstance(event.method, m.BasicConsumeOk)
        channel = self._channel(event.channel)
        tag = event.method.consumer_tag
        if tag in channel.unanswered:
            del channel.unanswered[tag]
        elif tag in channel.replacing:
            self._consumer(channel, tag, *channel.replacing.pop(tag))
        elif tag in channel.consumers:
            return
        elif channel.pending:
            self._consumer(channel, tag, *channel.pending.pop(0))
        elif len(channel.early) < limits.EARLY_ANSWERS:
            channel.early.append(tag)

    def _consumer(self, channel: Channel, tag: str, consume: m.BasicConsume, last_queue: str | None) -> None:
        known = (consume.queue or last_queue, consume.no_ack)
        if _remember(channel.consumers, tag, known, limits.CONSUMERS):
            self._counts.forgotten_consumers += 1

    def _cancel(self, event: Event) -> None:
        method = event.method
        assert isinstance(method, m.BasicCancel | m.BasicCancelOk)
        # The client's own cancel ends with cancel-ok: deliveries on their way still belong to the consumer.
        if not event.from_client:
            self._channel(event.channel).consumers.pop(method.consumer_tag, None)

    def _get(self, event: Event) -> None:
        method = event.method
        assert isinstance(method, m.BasicGet)
        channel = self._channel(event.channel)
        if not method.queue:
            event.queue = channel.last_queue
        self._await_answer(channel.gets, (method, event.queue))

    def _get_empty(self, event: Event) -> None:
        gets = self._channel(event.channel).gets
        if gets:
            gets.pop(0)

    def _confirm(self, event: Event) -> None:
        channel = self._channel(event.channel)
        channel.published = max(channel.published, 0)

    def _gap(self, event: Event) -> None:
        self._miss(event.from_client)
        if event.detail == GAP_OF_UNKNOWN_SIZE:
            # Another connection may have taken the ports.
            self._forget()

    def _forget(self) -> None:
        """Know nothing any more: what was known of one connection says nothing of the next."""
        self._channels.clear()
        self._known_consumers = {}
        self.connection = AmqpConnection(self.connection.tcp)

    def _miss(self, from_client: bool) -> None:
        """Learn that something is missing; channels learn it when they are next looked at."""
        self._missed += 1
        self._missed_of_client += from_client

    def _catch_up(self, channel: Channel) -> None:
        """Counting is over where a publish may be among what is missing; so is pairing of questions and answers."""
        channel.gets.clear()
        channel.pending.clear()
        channel.declared.clear()
        channel.early.clear()
        channel.unanswered.clear()
        if channel.missed_of_client != self._missed_of_client:
            channel.last_queue = None
            channel.published = -1
            channel.confirms.clear()
        channel.missed, channel.missed_of_client = self._missed, self._missed_of_client


def _remember(known: dict[K, V], key: K, value: V, limit: int) -> bool:
    """Enter a value as the youngest; say whether the oldest entry had to go.

    A dict is slower to find that in than the `OrderedDict` of `dissector.bounded.remember`, up to 10 µs here, but there
    are three for each channel, and it takes half the room.
    """
    known.pop(key, None)
    known[key] = value
    if len(known) <= limit:
        return False
    del known[next(iter(known))]
    return True


_HANDLERS: Final[dict[str, Callable[[ConnectionState, Event], None]]] = {
    "protocol-header": ConnectionState._protocol_header,
    "connection.start": ConnectionState._start,
    "connection.start-ok": ConnectionState._start_ok,
    "connection.secure": ConnectionState._without_secret,
    "connection.secure-ok": ConnectionState._without_secret,
    "connection.update-secret": ConnectionState._without_secret,
    "connection.tune-ok": ConnectionState._tune_ok,
    "connection.open": ConnectionState._open,
    "channel.open": ConnectionState._channel_anew,
    "channel.close-ok": ConnectionState._channel_anew,
    "queue.declare": ConnectionState._declare,
    "queue.declare-ok": ConnectionState._declare_ok,
    "queue.bind": ConnectionState._last_queue,
    "queue.unbind": ConnectionState._last_queue,
    "queue.purge": ConnectionState._last_queue,
    "queue.delete": ConnectionState._last_queue,
    "basic.consume": ConnectionState._consume,
    "basic.consume-ok": ConnectionState._consume_ok,
    "basic.cancel": ConnectionState._cancel,
    "basic.cancel-ok": ConnectionState._cancel,
    "basic.get": ConnectionState._get,
    "basic.get-empty": ConnectionState._get_empty,
    "basic.ack": ConnectionState._settle,
    "basic.nack": ConnectionState._settle,
    "basic.reject": ConnectionState._settle,
    "confirm.select": ConnectionState._confirm,
    "gap": ConnectionState._gap,
}
"""What each event that changes the state does."""
