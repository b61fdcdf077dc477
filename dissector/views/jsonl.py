"""``-T jsonl``: one JSON object a line, the records of `dissector.fields`."""

import msgspec
from msgspec import UNSET, Raw, UnsetType

from dissector import limits
from dissector.amqp import AmqpEvent, Message
from dissector.rpc.lastbodies import LastBodies
from dissector.views.escape import escape_with
from dissector.views.record import decode_known, event_record, record_with


class JsonlView:
    """Writes the record of every message, and with ``events`` of everything else, too."""

    def __init__(self, *, show_secrets: bool = False, events: bool = False) -> None:
        self._show_secrets = show_secrets
        self._events = events
        self._encode = msgspec.json.Encoder().encode
        self._bodies = LastBodies(self._encoded, limits.DECODED_BODIES_BYTES)

    def feed(self, event: AmqpEvent) -> bytes:
        """Give a message's line."""
        if isinstance(event, Message):
            oslo, body = self._bodies.decode(event)
            return json_line(self._encode(record_with(event, oslo, body, show_secrets=self._show_secrets)))
        if self._events:
            return json_line(self._encode(event_record(event, show_secrets=self._show_secrets)))
        return b""

    describe = feed

    def write(self, described: bytes) -> bytes:
        """Give it as it is."""
        return described

    def finish(self) -> bytes:
        """Give nothing: no line is held back."""
        return b""

    def _encoded(
        self, body: bytes, exchange: str, compression: str | None, expiration: str | None
    ) -> tuple[Raw, Raw | UnsetType]:
        """Encode what a body says; it is the same on all legs of a message."""
        # A filter may have decoded it.
        decoded = decode_known((body, exchange, compression, expiration), show_secrets=self._show_secrets)
        encode = self._encode
        return Raw(encode(decoded.oslo)), UNSET if decoded.body is UNSET else Raw(encode(decoded.body))


def json_line(encoded: bytes) -> bytes:
    """End a JSON text as a line that is safe to show: what is not printable in it is escaped, as JSON allows."""
    if not encoded.isascii() or b"\x7f" in encoded:
        encoded = escape_with(encoded.decode(), _escape).encode()
    return encoded + b"\n"


def _escape(char: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
