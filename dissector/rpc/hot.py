"""The hot decode of a message, made once for all who look at it."""

from hashlib import blake2b
from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from dissector import limits
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


_NAMES: Final = (
    "envelope",
    "method",
    "namespace",
    "version",
    "msg_id",
    "reply_q",
    "unique_id",
    "request_id",
    "global_request_id",
    "event_type",
    "publisher_id",
    "priority",
    "message_id",
)


def hot_of(event: AmqpEvent, show_secrets: bool = False) -> HotMessage | None:
    """Decode what identifies a message; None where it is no message of oslo.messaging, or no message at all.

    Of names and ids longer than `limits.NAME_CHARS` only the beginning is there, with a digest of the whole, for they
    are kept in tables.
    """
    if not isinstance(event, Message):
        return None
    found = hot(
        event.body,
        exchange=event.method.exchange,
        compression=compression_of(event),
        expiration=expiration_of(event),
        show_secrets=show_secrets,
    )
    if found is None:
        return None
    values = [(name, getattr(found, name)) for name in _NAMES]
    long = {name: _shortened(value) for name, value in values if value is not None and len(value) > limits.NAME_CHARS}
    return replace(found, **long) if long else found


def _shortened(name: str) -> str:
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{name[: limits.NAME_CHARS - 1 - len(digest)]}…{digest}"
