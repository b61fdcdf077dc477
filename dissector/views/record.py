"""From a message to its record: the typed form of what ``-T jsonl`` writes."""

from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict, replace

from dissector import limits
from dissector.amqp import FROM_QUEUE, Event, Message
from dissector.amqp._methods import BasicDeliver, BasicPublish, BasicReturn, Properties
from dissector.amqp.fieldtable import to_json
from dissector.amqp.properties import to_record
from dissector.bounded import memorize
from dissector.fields import (
    AmqpFields,
    EventFields,
    EventRecord,
    FrameFields,
    IpFields,
    MessageRecord,
    PropertiesFields,
    TcpFields,
    seconds,
)
from dissector.net import Connection, Malformed
from dissector.oslo import Decoded, decode, mask, mask_text
from dissector.rpc.lastbodies import Body, LastBodies, body_of

P = TypeVar("P", Properties, PropertiesFields)

_CHOSEN: Final = (
    "headers",
    "content_type",
    "content_encoding",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
)
"""Properties in which a sender may have put anything: all but the numbers."""


_shown_properties: dict[tuple[int, bool], tuple[Properties, PropertiesFields]] = {}
"""By identity, with the properties themselves so that it stays theirs: equal ones are decoded once
(`dissector.amqp.properties`)."""


def properties_of(message: Message, *, show_secrets: bool) -> PropertiesFields:
    """Make the record of a message's properties, its headers masked unless ``show_secrets``."""
    properties = message.properties
    known = _shown_properties.get((id(properties), show_secrets))
    if known is not None:
        return known[1]
    shown = to_record(properties)
    if not show_secrets:
        shown = without_secrets(shown)
    if len(msgspec.msgpack.encode(shown)) <= limits.PROPERTIES_MEMO_BYTES:
        entry = properties, shown
        memorize(_shown_properties, (id(properties), show_secrets), entry, limits.PROPERTIES_MEMO_ENTRIES)
    return shown


def without_secrets(properties: P) -> P:
    """Mask the secrets in properties: in the headers, and in whatever texts the sender chose."""
    masked = {name: mask(value) for name in _CHOSEN if (value := getattr(properties, name)) is not UNSET and value}
    return replace(properties, **masked) if masked else properties


def decode_body(message: Message, *, show_secrets: bool) -> Decoded:
    """Decode a message's body, as its exchange and properties say."""
    return decode_known(body_of(message), show_secrets=show_secrets)


def decode_known(body: Body, *, show_secrets: bool) -> Decoded:
    """Decode what `dissector.rpc.lastbodies.body_of` gives of a message, or give what it was decoded to just before."""
    return (_shown if show_secrets else _masked).decode_body(body)


def _decoding(show_secrets: bool) -> LastBodies[Decoded]:
    def decode_one(body: bytes, exchange: str, compression: str | None, expiration: str | None) -> Decoded:
        return decode(
            body, exchange=exchange, compression=compression, expiration=expiration, show_secrets=show_secrets
        )

    return LastBodies(decode_one, limits.DECODED_BODIES_BYTES)


_masked: Final = _decoding(show_secrets=False)
_shown: Final = _decoding(show_secrets=True)


def reply_text(method: BasicReturn, *, show_secrets: bool) -> str:
    """Give why a message was returned, in the broker's words; masked unless ``show_secrets``."""
    return method.reply_text if show_secrets else mask_text(method.reply_text)


def record(message: Message, *, show_secrets: bool = False) -> MessageRecord:
    """Make the record of a message, in full depth. Secrets are masked as ``***`` unless ``show_secrets``."""
    decoded = decode_body(message, show_secrets=show_secrets)
    return record_with(message, decoded.oslo, decoded.body, show_secrets=show_secrets)


def record_with(message: Message, oslo: Any, body: Any, *, show_secrets: bool) -> MessageRecord:  # noqa: ANN401
    """Make the record of a message with the last two fields of `MessageRecord`, in whatever form is to be encoded."""
    connection, method = message.connection, message.method
    return MessageRecord(
        FrameFields(message.number, message.numbers, seconds(message.time_ns)),
        *_ends(connection.tcp, message.from_client),
        AmqpFields(
            leg=message.leg,
            channel=message.channel,
            exchange=method.exchange,
            routing_key=method.routing_key,
            queue=message.queue,
            consumer_tag=method.consumer_tag if isinstance(method, BasicDeliver) else None,
            delivery_tag=method.delivery_tag if isinstance(method, FROM_QUEUE) else None,
            redelivered=method.redelivered if isinstance(method, FROM_QUEUE) else None,
            mandatory=method.mandatory if isinstance(method, BasicPublish) else None,
            reply_code=method.reply_code if isinstance(method, BasicReturn) else None,
            reply_text=reply_text(method, show_secrets=show_secrets) if isinstance(method, BasicReturn) else None,
            vhost=connection.vhost,
            user=connection.user,
            connection_name=connection.name,
            node=connection.node,
            properties=properties_of(message, show_secrets=show_secrets),
            body_size=len(message.body),
        ),
        oslo,
        body,
    )


def event_record(event: Event | Malformed, *, show_secrets: bool = False) -> EventRecord:
    """Make the record of what is no message; what is malformed is an event of that name."""
    frame = FrameFields(event.number, (event.number,), seconds(event.time_ns))
    if isinstance(event, Malformed):
        at = "" if event.offset is None else f" (at byte {event.offset})"
        told = EventFields("malformed", event.from_client, None, None, None, (), f"{event.layer}: {event.reason}{at}")
        return EventRecord(frame, *_ends(event.connection, event.from_client), told)
    arguments = None if event.method is None else to_json(asdict(event.method))
    told = EventFields(
        event.name,
        event.from_client,
        None if event.method is None else event.channel,
        arguments if show_secrets else mask(arguments),
        event.queue,
        event.settled_numbers,
        event.detail,
    )
    return EventRecord(frame, *_ends(event.connection.tcp, event.from_client), told)


def _ends(tcp: Connection, from_client: bool) -> tuple[IpFields, TcpFields]:
    source, destination = tcp.sender(from_client), tcp.sender(not from_client)
    return IpFields(source.ip, destination.ip), TcpFields(source.port, destination.port, tcp.stream)
