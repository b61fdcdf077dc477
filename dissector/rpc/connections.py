"""Connections and their channels, as their events show them."""

from collections.abc import Callable
from typing import Final

from dissector import limits
from dissector.amqp import AmqpConnection, Event, Message
from dissector.amqp import _methods as m
from dissector.bounded import remember
from dissector.net import Malformed
from dissector.rpc.bounded import Table
from dissector.rpc.clients import ChannelEntry, ConnectionEntry
from dissector.rpc.consumers import ConsumerEntry
from dissector.rpc.records import CloseRecord

_DECLARES: Final = frozenset(("exchange.declare", "exchange.bind", "queue.declare", "queue.bind"))


class Connections:
    """Follows all connections and their channels."""

    def __init__(self, clean: Callable[[str], str]) -> None:
        """Make it; ``clean`` masks the secrets in a text."""
        self._clean = clean
        self.connections: Table[int, ConnectionEntry] = Table(limits.TOPOLOGY_CONNECTIONS)
        self.channels: Table[tuple[int, int], ChannelEntry] = Table(limits.TOPOLOGY_CHANNELS)

    def message(self, message: Message) -> ChannelEntry:
        """Count a message, and give the channel that it is on."""
        owner = self._connection(message.connection, message.from_client, message.time_ns)
        owner.connection = message.connection
        owner.is_open = True
        channel = self._channel(owner, message.channel)
        size = len(message.body)
        owner.legs.add(message.leg, size)
        channel.legs.add(message.leg, size)
        method = message.method
        if isinstance(method, m.BasicPublish):
            if channel.unconfirmed is not None:
                channel.unconfirmed += 1
        elif isinstance(method, m.BasicDeliver):
            channel.redelivered += method.redelivered
        elif isinstance(method, m.BasicGetOk):
            channel.redelivered += method.redelivered
            if not (channel.gets and channel.gets.popleft()):
                _unsettled(channel, message.ordinal, None)
        return channel

    def delivered(self, channel: ChannelEntry, consumer: ConsumerEntry, ordinal: int) -> None:
        """Note that a consumer got a message, and may have to acknowledge it."""
        if not consumer.no_ack:
            _unsettled(channel, ordinal, consumer)

    def malformed(self, event: Malformed) -> None:
        """Count what is malformed."""
        owner = self._connection(AmqpConnection(event.connection), event.from_client, event.time_ns)
        owner.malformed += 1
        self._missed(owner, event.from_client)

    def event(self, event: Event) -> ChannelEntry | None:
        """Learn from an event, and give the channel that it is on, if it is on one."""
        owner = self._connection(event.connection, event.from_client, event.time_ns, is_said=event.name not in _UNSAID)
        owner.connection = event.connection
        owner.declares += event.name in _DECLARES
        channel = None
        if event.name == "channel.open":
            self._forget_channel(owner, event.channel)
        if event.channel and event.method is not None:
            if event.name == "channel.close-ok" and event.channel not in owner.open_channels:
                return None
            channel = self._channel(owner, event.channel)
        handler = _HANDLERS.get(event.name)
        if handler is not None and (channel is not None or event.name not in _ON_CHANNELS):
            handler(self, owner, channel, event)
        return channel

    def find_channel(self, event: Event) -> ChannelEntry | None:
        """Find the channel that an event is on; None where it is not open any more."""
        owner = self.connections.get(event.connection.tcp.stream)
        return None if owner is None else owner.open_channels.get(event.channel)

    def channels_of(self, stream: int) -> list[ChannelEntry]:
        """Give the channels of a connection whose numbers are in use."""
        owner = self.connections.get(stream)
        return [] if owner is None else list(owner.open_channels.values())

    # -- entries ---------------------------------------------------------------------------------------

    def _connection(
        self, connection: AmqpConnection, from_client: bool, time_ns: int, *, is_said: bool = True
    ) -> ConnectionEntry:
        stream = connection.tcp.stream
        entry = self.connections.get(stream)
        if entry is None:
            entry = ConnectionEntry(connection, time_ns, time_ns)
            self.connections.add(stream, entry)
        if is_said:
            entry.heard(from_client, time_ns)
        return entry

    def _channel(self, owner: ConnectionEntry, number: int) -> ChannelEntry:
        """Find a channel's entry, or make one: it is in use."""
        channel = owner.open_channels.get(number)
        if channel is None:
            channel = ChannelEntry(owner, number)
            owner.channels += 1
            if self.channels.add((owner.connection.tcp.stream, number), channel):
                owner.open_channels[number] = channel
        return channel

    def _forget_channel(self, owner: ConnectionEntry, number: int) -> None:
        """Make the number free for another channel."""
        if owner.open_channels.pop(number, None) is not None:
            self.channels.free((owner.connection.tcp.stream, number))

    def _missed(self, owner: ConnectionEntry, from_client: bool) -> None:
        """Counting is over where what is counted may be among what is missing."""
        for channel in owner.open_channels.values():
            channel.gets.clear()
            channel.unconfirmed = None
            if from_client:
                channel.unacked.clear()

    def _close_of(self, method: m.ConnectionClose | m.ChannelClose, from_client: bool) -> CloseRecord:
        return CloseRecord("client" if from_client else "broker", method.reply_code, self._clean(method.reply_text))

    # -- events ----------------------------------------------------------------------------------------

    def _protocol_header(self, owner: ConnectionEntry, _: ChannelEntry | None, event: Event) -> None:
        if event.from_client:
            owner.opened_ns = event.time_ns

    def _foreign(self, owner: ConnectionEntry, _: ChannelEntry | None, event: Event) -> None:
        owner.foreign = True

    def _heartbeat(self, owner: ConnectionEntry, _: ChannelEntry | None, event: Event) -> None:
        owner.heartbeats[event.from_client] += 1

    def _gap(self, owner: ConnectionEntry, _: ChannelEntry | None, event: Event) -> None:
        owner.gaps += 1
        self._missed(owner, event.from_client)

    def _end(self, owner: ConnectionEntry, _: ChannelEntry | None, event: Event) -> None:
        owner.ended_sides += 1
        if event.detail == "capture_end":
            self._unblocked(owner, None, event)
        elif owner.end is None:
            owner.end = event.detail
            self._unblocked(owner, None, event)
            if event.detail != "evicted":
                owner.closed_ns = owner.closed_ns or event.time_ns
                for channel in owner.open_channels.values():
                    _ended(channel, event.time_ns)
        if owner.ended_sides == 2:
            for number in list(owner.open_channels):
                self._forget_channel(owner, number)
            self.connections.free(owner.connection.tcp.stream)

    def _open_ok(self, owner: ConnectionEntry, _: ChannelEntry | None, event: Event) -> None:
        owner.is_open = True

    def _connection_close(self, owner: ConnectionEntry, _: ChannelEntry | None, event: Event) -> None:
        assert isinstance(event.method, m.ConnectionClose)
        if owner.close is None:
            owner.close, owner.closed_ns = self._close_of(event.method, event.from_client), event.time_ns
        self._unblocked(owner, None, event)

    def _blocked(self, owner: ConnectionEntry, _: ChannelEntry | None, event: Event) -> None:
        assert isinstance(event.method, m.ConnectionBlocked)
        owner.blocked += 1
        owner.blocked_reason = self._clean(event.method.reason)
        owner.blocked_since_ns = owner.blocked_since_ns or event.time_ns

    def _unblocked(self, owner: ConnectionEntry, _: ChannelEntry | None, event: Event) -> None:
        if owner.blocked_since_ns:
            owner.blocked_ns += max(event.time_ns - owner.blocked_since_ns, 0)
            owner.blocked_since_ns = 0

    def _channel_open(self, _: ConnectionEntry, channel: ChannelEntry | None, event: Event) -> None:
        assert channel is not None
        channel.opened_ns = event.time_ns
        channel.confirms = channel.transactional = False

    def _channel_close(self, _: ConnectionEntry, channel: ChannelEntry | None, event: Event) -> None:
        assert isinstance(event.method, m.ChannelClose)
        assert channel is not None
        if channel.close is None:
            channel.close = self._close_of(event.method, event.from_client)
        _ended(channel, event.time_ns)

    def _channel_close_ok(self, owner: ConnectionEntry, channel: ChannelEntry | None, event: Event) -> None:
        assert channel is not None
        _ended(channel, event.time_ns)
        self._forget_channel(owner, event.channel)

    def _qos(self, _: ConnectionEntry, channel: ChannelEntry | None, event: Event) -> None:
        assert isinstance(event.method, m.BasicQos)
        assert channel is not None
        channel.prefetch_count, channel.prefetch_global = event.method.prefetch_count, event.method.global_

    def _confirm(self, _: ConnectionEntry, channel: ChannelEntry | None, event: Event) -> None:
        assert channel is not None
        channel.confirms = True
        channel.unconfirmed = channel.unconfirmed or 0

    def _transactional(self, _: ConnectionEntry, channel: ChannelEntry | None, event: Event) -> None:
        assert channel is not None
        channel.transactional = True

    def _get(self, _: ConnectionEntry, channel: ChannelEntry | None, event: Event) -> None:
        assert isinstance(event.method, m.BasicGet)
        assert channel is not None
        channel.gets.append(event.method.no_ack)

    def _get_empty(self, _: ConnectionEntry, channel: ChannelEntry | None, event: Event) -> None:
        assert channel is not None
        if channel.gets:
            channel.gets.popleft()

    def _settled(self, _: ConnectionEntry, channel: ChannelEntry | None, event: Event) -> None:
        assert channel is not None
        if not event.from_client:
            if channel.unconfirmed is not None:
                channel.unconfirmed = max(channel.unconfirmed - len(event.settled), 0)
            return
        for ordinal in event.settled:
            consumer = channel.unacked.pop(ordinal, None)
            if consumer is not None and consumer.no_ack is None:
                consumer.no_ack = False

    def _recover(self, _: ConnectionEntry, channel: ChannelEntry | None, event: Event) -> None:
        # What was not acknowledged comes again, with new delivery tags (clause 1.8.3.14).
        assert channel is not None
        channel.unacked.clear()


def _unsettled(channel: ChannelEntry, ordinal: int, consumer: ConsumerEntry | None) -> None:
    remember(channel.unacked, ordinal, consumer, limits.UNSETTLED)


def _ended(channel: ChannelEntry, time_ns: int) -> None:
    """Unacknowledged messages go back to their queues with their channel (clause 1.8.3.13)."""
    channel.is_open = False
    channel.closed_ns = channel.closed_ns or time_ns
    channel.unacked.clear()


_UNSAID: Final = frozenset(("gap", "end", "foreign"))
"""Events that are no frame which a peer sent."""

_Handler = Callable[[Connections, ConnectionEntry, ChannelEntry | None, Event], None]

_HANDLERS: Final[dict[str, _Handler]] = {
    "protocol-header": Connections._protocol_header,
    "foreign": Connections._foreign,
    "heartbeat": Connections._heartbeat,
    "gap": Connections._gap,
    "end": Connections._end,
    "connection.open-ok": Connections._open_ok,
    "connection.close": Connections._connection_close,
    "connection.blocked": Connections._blocked,
    "connection.unblocked": Connections._unblocked,
    "channel.open": Connections._channel_open,
    "channel.close": Connections._channel_close,
    "channel.close-ok": Connections._channel_close_ok,
    "basic.qos": Connections._qos,
    "basic.get": Connections._get,
    "basic.get-empty": Connections._get_empty,
    "basic.ack": Connections._settled,
    "basic.nack": Connections._settled,
    "basic.reject": Connections._settled,
    "basic.recover": Connections._recover,
    "basic.recover-async": Connections._recover,
    "confirm.select": Connections._confirm,
    "tx.select": Connections._transactional,
}

_ON_CHANNELS: Final = frozenset(name for name in _HANDLERS if "." in name and not name.startswith("connection."))
"""Methods that mean nothing on channel 0, which is the connection's own (clause 4.2.3): who sends them there is broken,
or hostile."""
