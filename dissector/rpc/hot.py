"""The hot decode of a message, made once for all who look at it."""

from msgspec import UNSET

from dissector.amqp import AmqpEvent, Message
from dissector.oslo import HotMessage, hot


def compression_of(message: Message) -> str | None:
    """Give what kombu's header says that the body is compressed with; None where it says nothing."""
    headers = message.properties.headers
    compression = None if headers is UNSET else headers.get("compression")
    return None if compression is None else str(compression)


def expiration_of(message: Message) -> str | None:
    """Give a message's expiration, milliseconds as text; None where it has none."""
    expiration = message.properties.expiration
    return None if expiration is UNSET else expiration


def hot_of(event: AmqpEvent, show_secrets: bool = False) -> HotMessage | None:
    """Decode what identifies a message; None where it is no message of oslo.messaging, or no message at all."""
    if not isinstance(event, Message):
        return None
    return hot(
        event.body,
        exchange=event.method.exchange,
        compression=compression_of(event),
        expiration=expiration_of(event),
        show_secrets=show_secrets,
    )
