"""What the broker's own tracing (the firehose) would have told of a message, as far as its packets tell it.

Source: ``rabbit_trace.erl`` and ``rabbit_channel.erl`` in RabbitMQ.
"""

from base64 import b64decode
from typing import Final, TypeGuard

from msgspec import UNSET
from msgspec.structs import replace

from dissector.amqp import AmqpEvent, Message
from dissector.amqp._methods import Properties
from dissector.fields import BodyFields
from dissector.oslo import mask_json, plain
from dissector.rpc.lastbodies import compression_of
from dissector.views.record import decode_body, without_secrets

TRACE_EXCHANGE: Final = "amq.rabbitmq.trace"
UNKNOWN: Final = "?"
"""What text shows for what the packets do not tell."""

_COPIES: Final = ("CC", "BCC")
_HIDDEN_COPIES: Final = _COPIES[1]


def is_traced(event: AmqpEvent) -> TypeGuard[Message]:
    """Tell whether the firehose has it: a message, unless it is a return or the firehose's own."""
    return isinstance(event, Message) and event.leg != "return" and event.method.exchange != TRACE_EXCHANGE


def routing_keys(message: Message) -> list[str]:
    """Give the routing key and those that the sender added in the headers ``CC`` and ``BCC``.

    The broker takes ``BCC`` off before it delivers, so a delivery does not show these.
    """
    headers = message.properties.headers
    keys = [message.method.routing_key]
    if headers is not UNSET:
        for name in _COPIES:
            copies = headers.get(name)
            if isinstance(copies, list):
                keys += [copy for copy in copies if isinstance(copy, str)]
    return keys


def traced_properties(message: Message, *, show_secrets: bool) -> Properties:
    """Give the properties without the header ``BCC``; the secrets in the headers masked unless ``show_secrets``."""
    properties = message.properties
    headers = properties.headers
    if headers:
        properties = replace(properties, headers={k: v for k, v in headers.items() if k != _HIDDEN_COPIES})
    return properties if show_secrets else without_secrets(properties)


def shown_body(message: Message, *, show_secrets: bool) -> bytes:
    """Give the body as on the wire with ``show_secrets``; else decompressed, with its secrets masked."""
    if show_secrets:
        return message.body
    masked = mask_json(message.body, compression_of(message))
    if masked is not None:
        return masked
    shown = decode_body(message, show_secrets=False).body or BodyFields()
    return (shown.text or "").encode() if shown.base64 is UNSET else b64decode(shown.base64)


def plain_body(message: Message, *, show_secrets: bool) -> bytes:
    """Give the body decompressed, where that can be done; its secrets masked unless ``show_secrets``."""
    if not show_secrets:
        return shown_body(message, show_secrets=False)
    return plain(message.body, compression_of(message))
