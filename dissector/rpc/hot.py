"""The hot decode of a message, made once for all who look at it."""

from operator import attrgetter
from typing import Final

from msgspec.structs import replace

from dissector import limits
from dissector.amqp import AmqpEvent, Message
from dissector.oslo import HotMessage, hot
from dissector.rpc.lastbodies import Body, LastBodies

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
_names_of: Final = attrgetter(*_NAMES)


def hot_of(event: AmqpEvent, show_secrets: bool = False) -> HotMessage | None:
    """Decode what identifies a message; None where it is no message of oslo.messaging, or no message at all.

    Of names and ids longer than `limits.NAME_CHARS` only the beginning is there, with a digest of the whole, for they
    are kept in tables.
    """
    if not isinstance(event, Message):
        return None
    return (_shown if show_secrets else _masked).decode(event)


def hot_of_body(body: Body, show_secrets: bool = False) -> HotMessage | None:
    """Decode what identifies a message, as `hot_of` does, from what `dissector.rpc.lastbodies.body_of` gives of it."""
    return (_shown if show_secrets else _masked).decode_body(body)


def _decoding(show_secrets: bool) -> LastBodies[HotMessage | None]:
    def decode(body: bytes, exchange: str, compression: str | None, expiration: str | None) -> HotMessage | None:
        found = hot(body, exchange=exchange, compression=compression, expiration=expiration, show_secrets=show_secrets)
        return None if found is None else _with_short_names(found)

    return LastBodies(decode, limits.HOT_BODIES_BYTES)


_masked: Final = _decoding(show_secrets=False)
_shown: Final = _decoding(show_secrets=True)


def _with_short_names(found: HotMessage) -> HotMessage:
    names = _names_of(found)
    if len("".join(filter(None, names))) <= limits.NAME_CHARS:
        return found  # nearly always; the longest is looked for where that does not tell
    values = zip(_NAMES, names, strict=True)
    return replace(found, **{name: _shortened(value) for name, value in values if value is not None})


def _shortened(name: str) -> str:
    if len(name) <= limits.NAME_CHARS:
        return name
    from hashlib import blake2b  # noqa: PLC0415 - slow to import, and such names are rare

    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{name[: limits.NAME_CHARS - 1 - len(digest)]}…{digest}"
