"""``-T text``: a line a message, in tshark's manner."""

import re
from collections.abc import Callable
from typing import Any, Final

import click
import msgspec

from dissector.amqp import FROM_QUEUE, AmqpConnection, AmqpEvent, Event, Message
from dissector.amqp._methods import BasicReturn
from dissector.fields import OsloFields
from dissector.net import Malformed
from dissector.views.escape import columns, cut, escape, pad
from dissector.views.record import decode_body, event_record, properties_of, reply_text
from dissector.views.times import TimeFormat, time_format

_COLORS: Final = {
    "call": "cyan",
    "cast": "blue",
    "fanout": "blue",
    "reply": "green",
    "heartbeat": "bright_black",
    "notification": "magenta",
}
_BAD: Final = "red"
_ENDS_WIDTH: Final = 40
"""Columns of the two ends at first; a longer pair widens the column for the lines after it."""
_ENDS_WIDTH_MAX: Final = 66
_ENDS_WIDTH_ON_TERMINAL: Final = 52
_ID: Final = re.compile(r"(?<![0-9a-f])([0-9a-f]{8})(?:[0-9a-f]{24}|(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![0-9a-f])")

Described = tuple[int, int, str, str, str | None]
"""What is in a line: packet, time, ends, info, colour. How wide its columns are, and whether its time is that since the
line before, depends on other lines.
"""


class TextView:
    """Writes a line for each message and for what is malformed; with ``events`` for everything else, too.

    The columns are tshark's: packet number, time, source and destination, what it is (the leg), body length, info.
    The ends are those that messages have: a publish goes from a client to exchange and routing key, a deliver from
    a queue to a client. A client is the ``program:pid`` of its connection name where that is known.
    """

    def __init__(
        self,
        first_time_ns: Callable[[], int],
        *,
        times: str = "r",
        color: bool = False,
        width: int | None = None,
        show_secrets: bool = False,
        events: bool = False,
    ) -> None:
        """Make the view; ``times`` is one of `TIME_FORMATS`.

        With a ``width`` lines are cut at so many columns, and long hexadecimal ids shortened.
        """
        self._time: TimeFormat = time_format(times, first_time_ns)
        self._color = color
        self._width = width
        self._show_secrets = show_secrets
        self._events = events
        self._ends_width = _ENDS_WIDTH

    def feed(self, event: AmqpEvent) -> bytes:
        """Give an event's line."""
        return self.write(self.describe(event))

    def describe(self, event: AmqpEvent) -> Described | None:
        """Give what is in an event's line; None where it has none."""
        if isinstance(event, Message):
            info, color = self._message(event)
            client, place = _client(event.connection), _place(event)
            ends = (client, place) if event.leg == "publish" else (place, client)
            return self._line(event, ends, f"{event.leg:<7} {len(event.body):>6} {info}", color)
        if isinstance(event, Malformed):
            info = f"malformed      {event.layer}: {event.reason}"
            return self._line(event, _peers(AmqpConnection(event.connection), event.from_client), info, _BAD)
        if self._events:
            color = _BAD if event.name in ("gap", "foreign") else None
            channel = "" if event.method is None else f"channel {event.channel} "
            info = f"{channel}{event.name} {self._event(event)}"
            return self._line(event, _peers(event.connection, event.from_client), info, color)
        return None

    def write(self, described: Described | None) -> bytes:
        """Give the line of what was described."""
        if described is None:
            return b""
        number, time_ns, way, info, color = described
        most = _ENDS_WIDTH_MAX if self._width is None else _ENDS_WIDTH_ON_TERMINAL
        self._ends_width = max(self._ends_width, min(columns(way), most))
        line = f"{number:>6} {self._time(time_ns):>11} {pad(way, self._ends_width)} {info}".rstrip()
        if self._width is not None:
            line = cut(line, self._width)
        return ((click.style(line, fg=color) if self._color and color else line) + "\n").encode()

    def finish(self) -> bytes:
        """Give nothing: no line is held back."""
        return b""

    def _line(self, event: AmqpEvent, ends: tuple[str, str], info: str, color: str | None) -> Described:
        way = f"{ends[0]} → {ends[1]}"
        if self._width is not None:
            way, info = shorten(way), shorten(info)
        return event.number, event.time_ns, escape(way), escape(info), color

    # -- what a message says ---------------------------------------------------------------------------

    def _message(self, message: Message) -> tuple[str, str | None]:
        """Give a message's info and colour."""
        decoded = decode_body(message, show_secrets=self._show_secrets)
        oslo, method = decoded.oslo, message.method
        notes, color = "", None
        if isinstance(method, BasicReturn):
            why = reply_text(method, show_secrets=self._show_secrets)
            notes, color = f"  returned: {method.reply_code} {why}", _BAD
        elif isinstance(method, FROM_QUEUE) and method.redelivered:
            notes = "  redelivered"
        if oslo is not None:
            color = _BAD if oslo.failure is not None else color or _COLORS.get(oslo.kind)
            return f"{oslo.kind:<12} {_what(oslo)}{notes}{_ids(oslo)}", color
        content_type = properties_of(message, show_secrets=self._show_secrets).content_type or "no content type"
        reason = decoded.body.reason if decoded.body else None
        if reason:
            return f"{'undecodable':<12} {content_type}: {reason}{notes}", _BAD
        return f"{'message':<12} {content_type}{notes}", color

    def _event(self, event: Event) -> str:
        told = event_record(event, show_secrets=self._show_secrets).event
        parts = [f"{key}={_short(value)}" for key, value in (told.arguments or {}).items() if value not in ("", False)]
        if told.queue is not None:
            parts.append(f"(queue {told.queue})")
        if event.settled:
            parts.append(f"(settles {len(event.settled)})")
        if told.detail is not None:
            parts.append(told.detail)
        return " ".join(parts)


def _client(connection: AmqpConnection) -> str:
    return connection.process or str(connection.tcp.client)


def _peers(connection: AmqpConnection, from_client: bool) -> tuple[str, str]:
    client, broker = _client(connection), connection.tcp.broker.ip
    return (client, broker) if from_client else (broker, client)


def _place(message: Message) -> str:
    """Name what stands in the broker at the other end of a message's way."""
    method = message.method
    if message.queue is not None:
        return message.queue
    return f"{method.exchange}/{method.routing_key}" if method.exchange else method.routing_key


def shorten(text: str) -> str:
    """Shorten ids of 32 hexadecimal digits, plain or dashed: where a person reads, the first eight tell them apart."""
    return _ID.sub(r"\1…", text)


def _what(oslo: OsloFields) -> str:
    if oslo.method is not None:
        name = oslo.method if oslo.namespace is None else f"{oslo.namespace}.{oslo.method}"
        version = "" if oslo.version is None else f" v{oslo.version}"
        return f"{name}({', '.join(oslo.args or ())}){version}"
    if oslo.kind == "notification":
        return f"{oslo.event_type} {oslo.priority or ''} by {oslo.publisher_id}"
    if oslo.kind == "heartbeat":
        return "still working"
    if oslo.failure is not None:
        return f"failed {oslo.failure.class_ or 'exception'}: {oslo.failure.message or ''}"
    if oslo.ending is None and oslo.result is None:
        return "end of reply"
    return "ok" if oslo.result is None else f"ok {_short(oslo.result)}"


def _ids(oslo: OsloFields) -> str:
    ids = (("timeout", oslo.timeout_s and f"{oslo.timeout_s:g}s"), ("msg_id", oslo.msg_id), ("", oslo.request_id))
    return "".join(f"  {name}{'=' if name else ''}{value}" for name, value in ids if value)


def _short(value: Any) -> str:  # noqa: ANN401 - any JSON value
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:59] + "…"
