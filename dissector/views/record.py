"""From a message to its record: the typed form of what ``-T jsonl`` writes."""

from msgspec import UNSET
from msgspec.structs import asdict, replace

from dissector.amqp import Event, Message
from dissector.amqp._methods import BasicDeliver, BasicGetOk, BasicPublish, BasicReturn
from dissector.amqp.fieldtable import to_json
from dissector.amqp.properties import to_record
from dissector.fields import (
    AmqpFields,
    EventFields,
    EventRecord,
    FrameFields,
    IpFields,
    MessageRecord,
    PropertiesFields,
    TcpFields,
)
from dissector.net import Connection, Malformed
from dissector.oslo import Decoded, decode, mask


def seconds(time_ns: int) -> float:
    """Give a time as a JSON number: epoch seconds, exact to the microsecond."""
    return time_ns // 1000 / 1e6


def properties_of(message: Message, *, show_secrets: bool) -> PropertiesFields:
    """Make the record of a message's properties, its headers masked unless ``show_secrets``."""
    properties = to_record(message.properties)
    if show_secrets or not properties.headers:
        return properties
    return replace(properties, headers=mask(properties.headers))


def compression_of(message: Message) -> str | None:
    """Give what kombu's header says that the body is compressed with; None where it says nothing."""
    headers = message.properties.headers
    compression = None if headers is UNSET else headers.get("compression")
    return None if compression is None else str(compression)


def decode_body(message: Message, *, show_secrets: bool) -> Decoded:
    """Decode a message's body, as its exchange and properties say."""
    expiration = message.properties.expiration
    return decode(
        message.body,
        exchange=message.method.exchange,
        compression=compression_of(message),
        expiration=None if expiration is UNSET else expiration,
        show_secrets=show_secrets,
    )


def record(message: Message, *, show_secrets: bool = False) -> MessageRecord:
    """Make the record of a message, in full depth. Secrets are masked as ``***`` unless ``show_secrets``."""
    connection, method = message.connection, message.method
    decoded = decode_body(message, show_secrets=show_secrets)
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
            delivery_tag=method.delivery_tag if isinstance(method, BasicDeliver | BasicGetOk) else None,
            redelivered=method.redelivered if isinstance(method, BasicDeliver | BasicGetOk) else None,
            mandatory=method.mandatory if isinstance(method, BasicPublish) else None,
            reply_code=method.reply_code if isinstance(method, BasicReturn) else None,
            reply_text=method.reply_text if isinstance(method, BasicReturn) else None,
            vhost=connection.vhost,
            user=connection.user,
            connection_name=connection.name,
            node=connection.node,
            properties=properties_of(message, show_secrets=show_secrets),
            body_size=len(message.body),
        ),
        decoded.oslo,
        decoded.body,
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
        event.settled,
        event.detail,
    )
    return EventRecord(frame, *_ends(event.connection.tcp, event.from_client), told)


def _ends(tcp: Connection, from_client: bool) -> tuple[IpFields, TcpFields]:
    source, destination = tcp.sender(from_client), tcp.sender(not from_client)
    return IpFields(source.ip, destination.ip), TcpFields(source.port, destination.port, tcp.stream)
