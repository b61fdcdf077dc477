"""The field registry: every field that a user meets, declared once.

The record structs below *are* the registry. A field's dotted name is its path through the structs, so it is
at once the key path in the JSON, the attribute path in Python (``message.amqp.exchange``), the name in
filters and columns, and the name in the Wireshark plugin. `FIELDS` lists them flat, for the readers that
need type, unit and meaning by name. Where Wireshark has a name for a thing, it is Wireshark's.

Unknown is ``None`` (JSON ``null``), never a guess. Sizes are in bytes, times in seconds since the epoch.
"""

import types
import typing
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

JSON = dict[str, Any] | list[Any] | str | int | float | bool | None
"""Any JSON value, as msgspec decodes it."""


def seconds(time_ns: int) -> float:
    """Give a time as records have it: seconds as a JSON number, exact to the microsecond."""
    return time_ns // 1000 / 1e6


class FrameFields(msgspec.Struct, frozen=True):
    """The packets that carry a message (Wireshark's ``frame``)."""

    number: Annotated[int, Meta(description="Number of the packet that completed the message, from 1")]
    numbers: Annotated[tuple[int, ...], Meta(description="Numbers of all packets that carry a byte of it")]
    time_epoch: Annotated[float, Meta(description="When that packet was captured", extra={"unit": "s"})]


class IpFields(msgspec.Struct, frozen=True):
    """The two ends, by address (IPv4 or IPv6)."""

    src: Annotated[str, Meta(description="Sender's address", extra={"type": "address"})]
    dst: Annotated[str, Meta(description="Receiver's address", extra={"type": "address"})]


class TcpFields(msgspec.Struct, frozen=True):
    """The two ends, by port, and the TCP connection."""

    srcport: Annotated[int, Meta(description="Sender's port")]
    dstport: Annotated[int, Meta(description="Receiver's port")]
    stream: Annotated[int, Meta(description="Index of the TCP connection in the capture, from 0")]


class PropertiesFields(msgspec.Struct, frozen=True, omit_defaults=True):
    """The content header's properties; one that the sender did not set is left out (AMQP 0-9-1, class basic)."""

    content_type: Annotated[str | UnsetType, Meta(description="MIME type of the body")] = UNSET
    content_encoding: Annotated[str | UnsetType, Meta(description="Encoding of the body")] = UNSET
    headers: Annotated[dict[str, Any] | UnsetType, Meta(description="Application headers, a field table")] = UNSET
    delivery_mode: Annotated[int | UnsetType, Meta(description="1 transient, 2 persistent")] = UNSET
    priority: Annotated[int | UnsetType, Meta(description="0 to 255; RabbitMQ's priority queues use it")] = UNSET
    correlation_id: Annotated[str | UnsetType, Meta(description="Correlation id; oslo.messaging sets none")] = UNSET
    reply_to: Annotated[str | UnsetType, Meta(description="Reply address; oslo.messaging sets none")] = UNSET
    expiration: Annotated[
        str | UnsetType,
        Meta(description="Time to live as text; on an oslo call it is the RPC timeout", extra={"unit": "ms"}),
    ] = UNSET
    message_id: Annotated[str | UnsetType, Meta(description="Message id; oslo.messaging sets none")] = UNSET
    timestamp: Annotated[int | UnsetType, Meta(description="Sender's time", extra={"unit": "s since the epoch"})] = (
        UNSET
    )
    type: Annotated[str | UnsetType, Meta(description="Message type name")] = UNSET
    user_id: Annotated[str | UnsetType, Meta(description="User that the sender claims to be")] = UNSET
    app_id: Annotated[str | UnsetType, Meta(description="Application that the sender claims to be")] = UNSET
    cluster_id: Annotated[str | UnsetType, Meta(description="Reserved")] = UNSET


class AmqpFields(msgspec.Struct, frozen=True):
    """The AMQP side of a message: its method, its connection, its content header."""

    leg: Annotated[str, Meta(description="Method that carried it: publish, deliver, get or return")]
    channel: Annotated[int, Meta(description="AMQP channel")]
    exchange: Annotated[str, Meta(description="Exchange; empty is the default exchange")]
    routing_key: Annotated[str, Meta(description="Routing key")]
    queue: Annotated[str | None, Meta(description="Consumer's queue on deliver and get, where it was seen")]
    consumer_tag: Annotated[str | None, Meta(description="Consumer tag on deliver")]
    delivery_tag: Annotated[int | None, Meta(description="Delivery tag on deliver and get, per channel")]
    redelivered: Annotated[bool | None, Meta(description="Delivered before, on deliver and get")]
    mandatory: Annotated[bool | None, Meta(description="On publish: return it when no queue takes it")]
    reply_code: Annotated[int | None, Meta(description="On return: why, 312 is NO_ROUTE")]
    reply_text: Annotated[str | None, Meta(description="On return: why, in words")]
    vhost: Annotated[str | None, Meta(description="Virtual host, from connection.open")]
    user: Annotated[str | None, Meta(description="User, from the SASL response")]
    connection_name: Annotated[str | None, Meta(description="Client's connection_name property")]
    node: Annotated[
        str | None,
        Meta(description="Broker's cluster_name property: the node's name, unless the operator named the cluster"),
    ]
    properties: Annotated[PropertiesFields, Meta(description="Content header properties")]
    body_size: Annotated[int, Meta(description="Body size that the content header states", extra={"unit": "bytes"})]


class FailureFields(msgspec.Struct, frozen=True):
    """A remote exception, as the reply's ``failure`` holds it."""

    class_: Annotated[str | None, Meta(description="Exception class")] = msgspec.field(name="class")
    module: Annotated[str | None, Meta(description="Module of the exception class")]
    message: Annotated[str | None, Meta(description="Exception text")]
    traceback: Annotated[str | None, Meta(description="Remote traceback, its lines joined")]


class OsloFields(msgspec.Struct, frozen=True):
    """The oslo.messaging side of a message, all JSON levels decoded.

    Null is what the message does not hold, and what is not of that type in it.
    """

    kind: Annotated[str, Meta(description="call, cast, fanout, reply, heartbeat or notification")]
    envelope: Annotated[str | None, Meta(description="Envelope version; null where there is no envelope")]
    method: Annotated[str | None, Meta(description="RPC method")]
    namespace: Annotated[str | None, Meta(description="RPC namespace")]
    version: Annotated[str | None, Meta(description="RPC API version; null means 1.0 to the receiver")]
    args: Annotated[dict[str, Any] | None, Meta(description="RPC arguments")]
    context: Annotated[dict[str, Any] | None, Meta(description="Request context, without the _context_ prefix")]
    msg_id: Annotated[str | None, Meta(description="Joins a call and its replies")]
    reply_q: Annotated[str | None, Meta(description="Queue that the caller waits on")]
    unique_id: Annotated[str | None, Meta(description="Id of this one message; the same on publish and deliver")]
    request_id: Annotated[str | None, Meta(description="Request id of the context (req-…)")]
    timeout_s: Annotated[
        float | None, Meta(description="RPC timeout of a call, from its expiration", extra={"unit": "s"})
    ]
    result: Annotated[JSON, Meta(description="Result of a reply")]
    failure: Annotated[FailureFields | None, Meta(description="Remote exception of a reply")]
    ending: Annotated[bool | None, Meta(description="Whether a reply is the last for its call; null from old servers")]
    event_type: Annotated[str | None, Meta(description="Event type of a notification")]
    publisher_id: Annotated[str | None, Meta(description="Publisher of a notification, service.host")]
    priority: Annotated[str | None, Meta(description="Priority of a notification, in capitals")]
    payload: Annotated[JSON, Meta(description="Payload of a notification")]
    message_id: Annotated[str | None, Meta(description="Id of a notification; the same on all its topics")]


class BodyFields(msgspec.Struct, frozen=True, omit_defaults=True):
    """A body that is no oslo message: exactly one of ``json``, ``text`` and ``base64`` is set.

    In ``json`` what only Python's decoder reads is text: "NaN", "Infinity", "-Infinity"; a lone surrogate is U+FFFD.
    The ``text`` of a compressed body that cannot be decompressed is ``***``, unless secrets are shown.
    """

    json: Annotated[JSON | UnsetType, Meta(description="The body, where it is JSON")] = UNSET
    text: Annotated[str | UnsetType, Meta(description="The body, where it is UTF-8 text")] = UNSET
    base64: Annotated[str | UnsetType, Meta(description="The body, where it is neither")] = UNSET
    reason: Annotated[str | UnsetType, Meta(description="Why it could not be decoded, where it claimed more")] = UNSET


class MessageRecord(msgspec.Struct, frozen=True, tag_field="type", tag="message"):
    """One message (one content with its method: a leg), as ``-T jsonl`` writes it and `dissector.read` gives it.

    >>> import dissector
    >>> message = next(dissector.read("pcaps/demo.pcap"))
    >>> message.amqp.leg, message.amqp.exchange, message.oslo.kind, message.oslo.method
    ('publish', 'neutron', 'call', 'report_state')
    """

    frame: FrameFields
    ip: IpFields
    tcp: TcpFields
    amqp: AmqpFields
    oslo: OsloFields | None
    body: BodyFields | UnsetType = UNSET


class EventFields(msgspec.Struct, frozen=True):
    """What happened on a connection besides messages."""

    name: Annotated[
        str,
        Meta(description="Method, as queue.declare-ok; or protocol-header, foreign, heartbeat, gap, end, malformed"),
    ]
    from_client: Annotated[bool, Meta(description="Whether the client sent it")]
    channel: Annotated[int | None, Meta(description="AMQP channel; null where it is not on one")]
    arguments: Annotated[dict[str, Any] | None, Meta(description="The method's arguments, without what authenticates")]
    queue: Annotated[str | None, Meta(description="Queue that an empty queue name means")]
    settled: Annotated[
        tuple[int, ...], Meta(description="On ack, nack, reject: packets of the messages that it settles")
    ]
    detail: Annotated[str | None, Meta(description="What else there is to say: a reason, a protocol, missing bytes")]


class EventRecord(msgspec.Struct, frozen=True, tag_field="type", tag="event"):
    """Anything on a connection that is no message, as ``-T jsonl --events`` writes it."""

    frame: FrameFields
    ip: IpFields
    tcp: TcpFields
    event: EventFields


class ClientFields(msgspec.Struct, frozen=True):
    """Who asked."""

    ip: Annotated[str | None, Meta(description="Caller's address", extra={"type": "address"})]
    name: Annotated[str | None, Meta(description="Caller's program:pid, from its connection name")]


class ServerFields(msgspec.Struct, frozen=True):
    """One of those who took it."""

    ip: Annotated[str | None, Meta(description="Server's address", extra={"type": "address"})]
    name: Annotated[str | None, Meta(description="Server's program:pid, from its connection name")]
    queue: Annotated[str | None, Meta(description="Queue that the server took it from")]


class CallFramesFields(msgspec.Struct, frozen=True):
    """The packets that completed the legs of a call."""

    publish: Annotated[int | None, Meta(description="Packet of the request's publish")]
    deliver: Annotated[int | None, Meta(description="Packet of the request's first deliver")]
    reply_publish: Annotated[int | None, Meta(description="Packet of the final reply's publish")]
    reply_deliver: Annotated[int | None, Meta(description="Packet of the final reply's deliver")]


class RpcFields(msgspec.Struct, frozen=True):
    """A request with all its legs, and its reply."""

    kind: Annotated[str, Meta(description="call, cast, fanout or notification")]
    method: Annotated[str | None, Meta(description="RPC method; of a notification its event type")]
    namespace: Annotated[str | None, Meta(description="RPC namespace")]
    version: Annotated[str | None, Meta(description="RPC API version")]
    exchange: Annotated[str | None, Meta(description="Exchange of the request")]
    topic: Annotated[str | None, Meta(description="Topic of the request, without the server")]
    server: Annotated[str | None, Meta(description="Server that the request names in its routing key")]
    msg_id: Annotated[str | None, Meta(description="Joins a call and its replies")]
    unique_id: Annotated[str | None, Meta(description="Id of the request's message")]
    request_id: Annotated[str | None, Meta(description="Request id of the context (req-…)")]
    reply_q: Annotated[str | None, Meta(description="Queue that the caller waits on")]
    client: Annotated[ClientFields, Meta(description="Who asked")]
    servers: Annotated[tuple[ServerFields, ...], Meta(description="Who took it")]
    status: Annotated[str, Meta(description="ok, failed, timed_out, sent, undelivered or pending")]
    cause: Annotated[
        str | None,
        Meta(description="Why not ok: not_delivered, no_reply, late_reply, reply_unroutable or capture_gap"),
    ]
    publish_time: Annotated[float | None, Meta(description="When it was published", extra={"unit": "s"})]
    confirm_time: Annotated[float | None, Meta(description="When the broker confirmed it", extra={"unit": "s"})]
    deliver_time: Annotated[float | None, Meta(description="When it was first delivered", extra={"unit": "s"})]
    ack_time: Annotated[float | None, Meta(description="When its server acknowledged it", extra={"unit": "s"})]
    reply_publish_time: Annotated[float | None, Meta(description="When its reply was published", extra={"unit": "s"})]
    reply_deliver_time: Annotated[float | None, Meta(description="When its reply was delivered", extra={"unit": "s"})]
    queue_wait_s: Annotated[float | None, Meta(description="From publish to deliver", extra={"unit": "s"})]
    service_s: Annotated[float | None, Meta(description="From deliver to the reply's publish", extra={"unit": "s"})]
    return_s: Annotated[float | None, Meta(description="From the reply's publish to its deliver", extra={"unit": "s"})]
    latency_s: Annotated[float | None, Meta(description="From publish to the reply's deliver", extra={"unit": "s"})]
    timeout_s: Annotated[float | None, Meta(description="RPC timeout", extra={"unit": "s"})]
    heartbeats: Annotated[int, Meta(description="Heartbeats of a monitored call")]
    redelivered: Annotated[bool, Meta(description="Whether the request was delivered again")]
    duplicates: Annotated[int, Meta(description="Further publishes of the same request")]
    request_bytes: Annotated[int | None, Meta(description="Size of the request's body", extra={"unit": "bytes"})]
    reply_bytes: Annotated[int | None, Meta(description="Size of the reply's body", extra={"unit": "bytes"})]
    failure: Annotated[FailureFields | None, Meta(description="Remote exception")]
    frames: Annotated[CallFramesFields, Meta(description="The packets of its legs")]


class CallRecord(msgspec.Struct, frozen=True, tag_field="type", tag="call"):
    """One request with its legs, as ``calls -T jsonl`` writes it.

    >>> import dissector
    >>> call = next(dissector.calls("pcaps/demo.pcap"))
    >>> call.rpc.method, call.rpc.status, [server.queue for server in call.rpc.servers]
    ('report_state', 'ok', ['q-reports-plugin'])
    """

    rpc: RpcFields


class Field(msgspec.Struct, frozen=True):
    """One row of the registry."""

    name: str
    """Dotted name, e.g. ``oslo.method``."""
    type: str
    """``string``, ``integer``, ``number``, ``boolean``, ``address`` or ``json``; ``…[]`` for several values."""
    unit: str | None
    """Unit of a quantity, or None."""
    meaning: str
    """One line."""


_SCALARS: Final = {str: "string", int: "integer", float: "number", bool: "boolean"}


def _type_name(annotation: Any) -> tuple[str, type | None]:  # noqa: ANN401 - a type expression
    """Name the registry type of an annotation, and the record struct below it if there is one."""
    parts = [annotation]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(annotation) if part not in (types.NoneType, UnsetType)]
    if len(parts) != 1:
        return "json", None
    (part,) = parts
    if isinstance(part, type) and issubclass(part, msgspec.Struct):
        return "struct", part
    if typing.get_origin(part) is tuple:
        (item, _) = typing.get_args(part)
        return ("struct[]", item) if issubclass(item, msgspec.Struct) else (_SCALARS[item] + "[]", None)
    return _SCALARS.get(part, "json"), None


def _walk(record: type, prefix: str) -> Iterator[Field]:
    hints = typing.get_type_hints(record, include_extras=True)
    for info in msgspec.structs.fields(record):
        annotation, meta = hints[info.name], Meta()
        if typing.get_origin(annotation) is Annotated:
            annotation, meta = typing.get_args(annotation)
        name = prefix + info.encode_name
        type_name, below = _type_name(annotation)
        if below is not None:
            several = type_name.endswith("[]")
            for field in _walk(below, name + "."):
                yield msgspec.structs.replace(field, type=field.type + "[]") if several else field
        else:
            extra = meta.extra or {}
            yield Field(name, extra.get("type", type_name), extra.get("unit"), meta.description or "")


@lru_cache(64)
def attributes_of(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Give the attributes of a struct by the names that its fields have in the registry."""
    return dict(zip(struct.__struct_encode_fields__, struct.__struct_fields__, strict=True))


def fields_of(record: type[msgspec.Struct]) -> dict[str, Field]:
    """Describe the fields of any record that is made of such structs, by their dotted names and in their order."""
    return {field.name: field for field in _walk(record, "")}


FIELDS: Final[dict[str, Field]] = {**fields_of(MessageRecord), **fields_of(EventRecord), **fields_of(CallRecord)}
"""Every field of every record by its dotted name, in the order of the records."""
