"""What the AMQP room gives: messages, and whatever else happens on a connection."""

from typing import Any, Final

import msgspec

from dissector.amqp._methods import BasicDeliver, BasicGetOk, BasicPublish, BasicReturn, Method, Properties
from dissector.net import Connection, Malformed

ContentMethod = BasicPublish | BasicDeliver | BasicGetOk | BasicReturn
"""The methods that carry content."""

LEGS: dict[type[Method], str] = {
    BasicPublish: "publish",
    BasicDeliver: "deliver",
    BasicGetOk: "get",
    BasicReturn: "return",
}
"""What a message is called by its method: the way it went."""

FROM_QUEUE: Final = (BasicDeliver, BasicGetOk)
"""The methods by which a message is taken from its queue."""


class AmqpConnection(msgspec.Struct, frozen=True):
    """What is known of a connection at some moment; a new one replaces it where more becomes known.

    All but ``tcp`` is None where its method was not seen, as in a capture that begins mid-stream.
    """

    tcp: Connection
    vhost: str | None = None
    """From connection.open."""
    user: str | None = None
    """From the SASL response of connection.start-ok. The password is not kept."""
    client_properties: dict[str, Any] | None = None
    """From connection.start-ok, as plain JSON values."""
    server_properties: dict[str, Any] | None = None
    """From connection.start, as plain JSON values."""
    channel_max: int | None = None
    """From connection.tune-ok, as the next two."""
    frame_max: int | None = None
    """Bytes; 0 is no limit."""
    heartbeat_s: int | None = None
    """Seconds; 0 is none."""

    @property
    def name(self) -> str | None:
        """The client's ``connection_name``."""
        return _text(self.client_properties, "connection_name")

    @property
    def process(self) -> str | None:
        """The client's ``program:pid``, where its name is made as oslo.messaging makes it (``program:pid:uuid``)."""
        program, _, rest = (self.name or "").partition(":")
        pid, _, _ = rest.partition(":")
        return f"{program}:{pid}" if program and pid.isdecimal() else None

    @property
    def node(self) -> str | None:
        """The broker's ``cluster_name``: its node's name, unless the operator gave the cluster another."""
        return _text(self.server_properties, "cluster_name")


def _text(properties: dict[str, Any] | None, key: str) -> str | None:
    value = (properties or {}).get(key)
    return value if isinstance(value, str) else None


class Message(msgspec.Struct, gc=False):
    """One content with its method: a leg of a message's way."""

    connection: AmqpConnection
    from_client: bool
    leg: str
    """``publish``, ``deliver``, ``get`` or ``return``."""
    number: int
    """The packet that completed it."""
    numbers: tuple[int, ...]
    """The packets that carry a byte of it, ascending."""
    time_ns: int
    """When packet ``number`` was captured, nanoseconds since the epoch."""
    channel: int
    method: ContentMethod
    properties: Properties
    body: bytes
    ordinal: int = -1
    """Index among the messages of its connection, from 0; `Event.settled` refers to it."""
    queue: str | None = None
    """On deliver and get: the queue that it was taken from, where the basic.consume or basic.get was seen."""


_STRIDE: Final = 16


def sample(body: bytes) -> bytes:
    """Give every 16th octet of a body: to look it up by these, and compare it as a whole where that finds one, costs a
    tenth of what it costs to hash it. Each id in it, of 32 digits, gives two.
    """
    return body[::_STRIDE]


GAP_OF_UNKNOWN_SIZE: Final = "bytes are missing"
"""``detail`` of a gap where nobody can tell how many bytes are missing: what follows may be another connection."""


class Event(msgspec.Struct, gc=False):
    """Anything on a connection that is no message."""

    connection: AmqpConnection
    from_client: bool
    number: int
    """The packet that completed it."""
    time_ns: int
    channel: int
    name: str
    """The method, as ``queue.declare-ok``; or ``protocol-header``, ``foreign`` (no AMQP 0-9-1), ``heartbeat``,
    ``gap`` (bytes are missing), ``end`` (no more bytes come)."""
    method: Method | None = None
    """The method's arguments, without what authenticates: SASL responses and secrets are emptied."""
    detail: str | None = None
    """What else there is to say."""
    queue: str | None = None
    """The queue that the method means, where it names none and so means the last one declared on its channel."""
    since_ns: int | None = None
    """On gap: when the last byte before it was captured; what is missing was sent after that."""
    settled: tuple[int, ...] = ()
    """On ack, nack and reject: the ordinals of the messages that it settles, as far as they are known."""
    settled_numbers: tuple[int, ...] = ()
    """The packets that completed those messages."""


AmqpEvent = Message | Event | Malformed
"""What `dissector.amqp.Dissection` gives."""
