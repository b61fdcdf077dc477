"""What was made of the last bodies: what the broker delivers it was sent just before, octet by octet the same."""

from collections.abc import Callable
from typing import Generic, TypeVar

from msgspec import UNSET

from dissector import limits
from dissector.amqp import Message, sample

T = TypeVar("T")


def compression_of(message: Message) -> str | None:
    """Give what kombu's header says that the body is compressed with; None where it says nothing."""
    headers = message.properties.headers
    compression = None if headers is UNSET else headers.get("compression")
    return None if compression is None else str(compression)


def expiration_of(message: Message) -> str | None:
    """Give a message's expiration, milliseconds as text; None where it has none."""
    expiration = message.properties.expiration
    return None if expiration is UNSET else expiration


Body = tuple[bytes, str, str | None, str | None]
"""A body, and what says how to decode it: its message's exchange, compression and expiration."""


def body_of(message: Message) -> Body:
    """Give a message's body with what says how to decode it."""
    return message.body, message.method.exchange, compression_of(message), expiration_of(message)


class LastBodies(Generic[T]):
    """Decodes a body, or gives what the same body was decoded to a moment ago: take that as read-only.

    ``decode`` is given the body, its exchange, compression and expiration; ``most_bytes`` is how much is remembered:
    bodies, each with `limits.BODY_ENTRY_BYTES`.
    """

    def __init__(self, decode: Callable[[bytes, str, str | None, str | None], T], most_bytes: int) -> None:
        self._decode = decode
        self._most_bytes = most_bytes
        self._bytes = 0
        self._known: dict[bytes, tuple[Body, T]] = {}

    def decode(self, message: Message) -> T:
        """Decode a message's body."""
        return self.decode_body(body_of(message))

    def decode_body(self, body: Body) -> T:
        """Decode a body."""
        key = sample(body[0])
        known = self._known.get(key)
        return known[1] if known is not None and known[0] == body else self._anew(key, body)

    def _anew(self, key: bytes, body: Body) -> T:
        decoded = self._decode(*body)
        size = len(body[0]) + limits.BODY_ENTRY_BYTES
        if self._bytes + size > self._most_bytes:
            # Once in hundreds of messages: what is lost is decoded again.
            self._known.clear()
            self._bytes = 0
        if size <= self._most_bytes:
            self._bytes += size
            self._known[key] = (body, decoded)
        return decoded
