"""What is known of a connection, and of a channel."""

from collections import OrderedDict, deque
from typing import Any, Final

import msgspec

from dissector import limits
from dissector.amqp import AmqpConnection
from dissector.fields import seconds
from dissector.rpc.consumers import ConsumerEntry
from dissector.rpc.records import ChannelRecord, CloseRecord, ConnectionRecord, EndRecord
from dissector.rpc.traffic import Legs, seconds_or_none

TCP_ENDS: Final = frozenset(("fin", "rst", "reused"))
"""How a connection ends in the capture; else it is the capture, or our memory, that ends."""


class ConnectionEntry(msgspec.Struct):
    """What is known of a connection."""

    connection: AmqpConnection
    first_ns: int
    last_ns: int
    opened_ns: int = 0
    """When its protocol header was seen; 0 where the connection is older than the capture."""
    is_open: bool = False
    """connection.open-ok, or anything that comes only after it, was seen."""
    foreign: bool = False
    closed_ns: int = 0
    close: CloseRecord | None = None
    end: str | None = None
    blocked: int = 0
    blocked_since_ns: int = 0
    blocked_ns: int = 0
    blocked_reason: str | None = None
    channels: int = 0
    open_channels: dict[int, "ChannelEntry"] = msgspec.field(default_factory=dict)
    declares: int = 0
    heartbeats: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    """Of the broker, of the client."""
    heard_ns: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    """When the broker, the client was last heard."""
    silence_ns: list[int] = msgspec.field(default_factory=lambda: [-1, -1])
    gaps: int = 0
    malformed: int = 0
    ended_sides: int = 0
    legs: Legs = msgspec.field(default_factory=Legs)

    def heard(self, from_client: bool, time_ns: int) -> None:
        """Note that one side has said something."""
        self.last_ns = max(self.last_ns, time_ns)
        before = self.heard_ns[from_client]
        if before:
            self.silence_ns[from_client] = max(self.silence_ns[from_client], time_ns - before)
        self.heard_ns[from_client] = time_ns

    @property
    def state(self) -> str:
        """One word for how it is, or how it ended; see `ConnectionRecord.state`."""
        if self.foreign:
            return "foreign"
        if self.close is not None:
            refused = self.close.by == "broker" and self.opened_ns and not self.is_open
            return "refused" if refused else "closed"
        if self.end in TCP_ENDS:
            return "dropped"
        return "unknown" if self.end == "evicted" else "open"

    def record(self, duration_s: float) -> ConnectionRecord:
        """Give its record."""
        connection = self.connection
        client, broker = connection.tcp.client, connection.tcp.broker
        ours, theirs = connection.client_properties, connection.server_properties
        silence = [None if ns < 0 else round(ns / 1e9, 6) for ns in self.silence_ns]
        return ConnectionRecord(
            stream=connection.tcp.stream,
            vhost=connection.vhost,
            user=connection.user,
            process=connection.process,
            name=connection.name,
            client=EndRecord(client.ip, client.port),
            broker=EndRecord(broker.ip, broker.port),
            product=_brief(ours, "product"),
            version=_brief(ours, "version") or _brief(ours, "product_version"),
            platform=_brief(ours, "platform"),
            node=connection.node,
            broker_product=_brief(theirs, "product"),
            broker_version=_brief(theirs, "version"),
            heartbeat_s=connection.heartbeat_s,
            frame_max=connection.frame_max,
            channel_max=connection.channel_max,
            state=self.state,
            opened_time=seconds_or_none(self.opened_ns),
            closed_time=seconds_or_none(self.closed_ns),
            close=self.close,
            end=self.end,
            blocked=self.blocked,
            blocked_s=round(self.blocked_ns / 1e9, 6),
            blocked_reason=self.blocked_reason,
            channels=self.channels,
            channels_open=sum(channel.is_open for channel in self.open_channels.values()),
            declares=self.declares,
            heartbeats_client=self.heartbeats[True],
            heartbeats_broker=self.heartbeats[False],
            silence_client_s=silence[True],
            silence_broker_s=silence[False],
            gaps=self.gaps,
            malformed=self.malformed,
            first_time=seconds(self.first_ns),
            last_time=seconds(self.last_ns),
            traffic=self.legs.record(duration_s),
        )


class ChannelEntry(msgspec.Struct):
    """What is known of a channel."""

    owner: ConnectionEntry
    number: int
    opened_ns: int = 0
    closed_ns: int = 0
    is_open: bool = True
    close: CloseRecord | None = None
    prefetch_count: int | None = None
    prefetch_global: bool | None = None
    confirms: bool | None = None
    transactional: bool | None = None
    unacked: OrderedDict[int, ConsumerEntry | None] = msgspec.field(default_factory=OrderedDict)
    """Deliveries that are not settled, by ordinal, and their consumer; None where they were fetched."""
    unconfirmed: int | None = None
    gets: deque[bool] = msgspec.field(default_factory=lambda: deque(maxlen=limits.CONSUMERS))
    """Of each basic.get without an answer yet, whether its message need not be acknowledged."""
    consumers: dict[str, ConsumerEntry] = msgspec.field(default_factory=dict)
    """Those that are there, by tag."""
    redelivered: int = 0
    legs: Legs = msgspec.field(default_factory=Legs)

    def record(self, duration_s: float) -> ChannelRecord:
        """Give its record."""
        connection = self.owner.connection
        nobody_knows = any(consumer and consumer.no_ack is None for consumer in self.unacked.values())
        return ChannelRecord(
            stream=connection.tcp.stream,
            vhost=connection.vhost,
            process=connection.process,
            number=self.number,
            state="open" if self.is_open else "closed",
            opened_time=seconds_or_none(self.opened_ns),
            closed_time=seconds_or_none(self.closed_ns),
            close=self.close,
            prefetch_count=self.prefetch_count,
            prefetch_global=self.prefetch_global,
            confirms=self.confirms,
            transactional=self.transactional,
            unacked=None if nobody_knows else len(self.unacked),
            unconfirmed=self.unconfirmed,
            consumers=len(self.consumers),
            redelivered=self.redelivered,
            traffic=self.legs.record(duration_s),
        )


def _brief(properties: dict[str, Any] | None, key: str) -> str | None:
    """Give a peer's property where it is text; what is absurdly long is cut."""
    value = (properties or {}).get(key)
    if not isinstance(value, str):
        return None
    return value if len(value) <= limits.TOPOLOGY_TEXT_CHARS else value[: limits.TOPOLOGY_TEXT_CHARS - 1] + "…"
