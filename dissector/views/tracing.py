"""``-T trace-json`` and ``-T trace-text``: the logs of RabbitMQ's rabbitmq_tracing plugin.

Formats: those of the plugin in RabbitMQ 3.10, as its logs show them. The time is the packet's, UTC.
"""

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from dissector.amqp import AmqpEvent, Message
from dissector.amqp._methods import Properties
from dissector.amqp.fieldtable import FieldTable, to_json
from dissector.limits import PROPERTIES_MEMO_ENTRIES
from dissector.views.erlang import Atom, pretty
from dissector.views.escape import escape
from dissector.views.jsonl import json_line
from dissector.views.routed import Line, Queues, RoutedQueues
from dissector.views.traced import UNKNOWN, is_traced, routing_keys, shown_body, traced_properties

_NONE: Final = "none"
"""What the JSON log says where a message has no such field."""
_NOT_UTF8: Final = "Not UTF-8, base64 is: "
_BASE64_COLUMNS: Final = 76
_RULE: Final = "=" * 80
_INT32: Final = range(-(1 << 31), 1 << 31)
_INTEGERS_OF_BROKER: Final = {
    "x-delivery-count": "long",
    "x-stream-offset": "long",
    "x-death.count": "long",
    "x-death.time": "timestamp",
}
"""Types of the integers in headers that RabbitMQ adds, where they are not those of ordinary integers."""


class TraceView:
    """Writes a record for every message that the plugin would log, in one of its formats, ``json`` or ``text``.

    ``routed_queues`` of a publish are the queues that its deliveries are seen on, so publishes and what follows
    them are held back for a while (`RoutedQueues`). What the capture does not tell is null; in text it is ``?``.

    With ``show_secrets`` the payload is as on the wire; else it is decompressed and its secrets are masked, as
    they are in the properties. Unlike in the plugin's logs, characters that a terminal must not get are escaped
    (line breaks and tabs of a payload stay), and so are octets of a text log that are no UTF-8. Where the plugin is
    known to write a wrong value this view writes the right one: a decimal in JSON (it becomes text) and a
    ``timestamp`` property beyond 32 bits. A message's decoded headers do not tell one integer type from another:
    the text log shows integers as ``signedint`` or ``long`` by their size, and those of RabbitMQ as it types them;
    floats as ``double``, octets as ``binary``.
    """

    def __init__(self, form: Literal["json", "text"], *, show_secrets: bool = False) -> None:
        self._show_secrets = show_secrets
        self._routed = RoutedQueues()
        self._line, self._written = _FORMS[form]

    def feed(self, event: AmqpEvent) -> bytes:
        """Give the records that need not wait for deliveries any longer, now that this event has come."""
        if is_traced(event):
            properties = traced_properties(event, show_secrets=self._show_secrets)
            body = shown_body(event, show_secrets=self._show_secrets)
            self._routed.add(event, self._line(event, properties, body))
        return self._write(self._routed.ready(event.time_ns))

    def learn(self, event: AmqpEvent) -> bytes:
        """Take an event that is not to be shown: a delivery tells the queues of a publish all the same."""
        if is_traced(event):
            self._routed.add(event, Line(b""))
        return self._write(self._routed.ready(event.time_ns))

    @property
    def is_waiting(self) -> bool:
        """Whether records are held back."""
        return self._routed.is_waiting

    @property
    def hurried(self) -> int:
        """Publishes that may have gone to more queues than it says, as too many waited for their deliveries."""
        return self._routed.hurried

    def finish(self) -> bytes:
        """Give the records that were held back."""
        return self._write(self._routed.finish())

    def _write(self, lines: list[Line]) -> bytes:
        return b"".join([self._written(line) for line in lines if line.before])


def _time(time_ns: int) -> str:
    """Write a time as RFC 3339 to the millisecond, as the plugin does on a host whose zone is UTC."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_ns // 1000)
    return moment.isoformat(timespec="milliseconds")


# --- JSON ------------------------------------------------------------------------------------------

_encode: Final = msgspec.json.Encoder().encode


def _json_line(message: Message, properties: Properties, body: bytes) -> Line:
    connection, publish = message.connection, message.leg == "publish"
    before = {
        "channel": message.channel,
        "connection": str(connection.tcp),
        "exchange": message.method.exchange,
        "node": connection.node,
        "payload": b64encode(body).decode(),
        "properties": _json_table({name: value for name, value in asdict(properties).items() if value is not UNSET}),
        "queue": _NONE if publish else message.queue,
    }
    after = {
        "routing_keys": routing_keys(message),
        "timestamp": _time(message.time_ns),
        "type": "published" if publish else "received",
        "user": connection.user,
        "vhost": connection.vhost,
    }
    return Line(_encode(before)[:-1], _encode(after)[1:])


def _json_written(line: Line) -> bytes:
    queues = _encode(_NONE if line.queues is None else line.queues)
    return json_line(line.before + b',"routed_queues":' + queues + b"," + line.after)


def _json_table(table: FieldTable) -> dict[str, Any]:
    return {name: _json_value(table[name]) for name in sorted(table)}


def _json_value(value: Any) -> Any:  # noqa: ANN401 - any field value, any JSON value
    if isinstance(value, dict):
        return _json_table(value)
    if isinstance(value, list):
        return [_json_value(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            text = b64encode(value).decode()
            starts = range(0, len(text), _BASE64_COLUMNS)
            return _NOT_UTF8 + "\n".join(text[start : start + _BASE64_COLUMNS] for start in starts)
    return "undefined" if value is None else to_json(value)


# --- text ------------------------------------------------------------------------------------------


def _text_line(message: Message, properties: Properties, body: bytes) -> Line:
    connection, publish = message.connection, message.leg == "publish"
    before = [
        "",
        _RULE,
        f"{_time(message.time_ns)}: Message {'published' if publish else 'received'}",
        "",
        f"Node:         {_shown(connection.node)}",
        f"Connection:   {connection.tcp}",
        f"Virtual host: {_shown(connection.vhost)}",
        f"User:         {_shown(connection.user)}",
        f"Channel:      {message.channel}",
        f"Exchange:     {_shown(message.method.exchange)}",
        _termed("Routing keys: ", [key.encode() for key in routing_keys(message)]),
    ]
    if not publish:
        before.append(f"Queue:        {_shown(message.queue)}")
    payload = "\n".join("\t".join(map(escape, line.split("\t"))) for line in _text(body).split("\n"))
    after = [_properties(properties), "Payload: ", payload, ""]
    return Line("\n".join([*before, ""]).encode(), "\n".join(after).encode())


def _properties(properties: Properties) -> str:
    headers = properties.headers
    if headers:
        return _properties_with(properties, headers)
    return _usual_properties(replace(properties, headers=UNSET), headers is not UNSET)


@lru_cache(PROPERTIES_MEMO_ENTRIES)
def _usual_properties(properties: Properties, empty_headers: bool) -> str:
    """Write properties without headers: nearly all messages of a service have the same few."""
    return _properties_with(properties, {} if empty_headers else UNSET)


def _properties_with(properties: Properties, headers: FieldTable | UnsetType) -> str:
    """Write properties in the order in which the plugin does: the last one first."""
    values = {**asdict(properties), "headers": headers}
    fields = [(name.encode(), *_typed(name, value, "")) for name, value in values.items() if value is not UNSET]
    return _termed("Properties:   ", fields[::-1])


def _text_written(line: Line) -> bytes:
    if line.queues is None:
        return line.before + line.after
    return line.before + _text_queues(line.queues) + line.after


def _text_queues(queues: Queues) -> bytes:
    names = [(UNKNOWN if queue is None else queue).encode() for queue in queues]
    return f"{_termed('Routed queues: ', names)}\n".encode()


def _shown(text: str | None) -> str:
    return UNKNOWN if text is None else escape(text)


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")


def _termed(label: str, term: list[Any]) -> str:
    written = _text(pretty(term, len(label)).encode("latin-1"))
    return label + "\n".join(map(escape, written.split("\n")))


def _typed(name: str, value: Any, path: str) -> tuple[Atom, Any]:  # noqa: ANN401 - any field value, any term
    """Give a field value's type, as RabbitMQ names it, and its Erlang term. ``path`` names its header."""
    match value:
        case None:
            return Atom("void"), Atom("undefined")
        case bool():
            return Atom("bool"), Atom(str(value).lower())
        case int():
            usual = "signedint" if value in _INT32 else "long"
            return Atom(_INTEGERS_OF_BROKER.get(path, usual)), value
        case str():
            return Atom("longstr"), value.encode()
        case dict():
            inner = "" if name == "headers" and not path else f"{path}."
            return Atom("table"), [(key.encode(), *_typed(key, item, inner + key)) for key, item in value.items()]
        case list():
            return Atom("array"), [_typed(name, item, path) for item in value]
        case Decimal():
            sign, digits, exponent = value.as_tuple()
            unscaled = int("".join(map(str, digits)))
            return Atom("decimal"), (-int(exponent), -unscaled if sign else unscaled)
        case float():
            return Atom("double"), value
        case _:
            return Atom("binary"), value


_FORMS: Final[dict[str, tuple[Callable[[Message, Properties, bytes], Line], Callable[[Line], bytes]]]] = {
    "json": (_json_line, _json_written),
    "text": (_text_line, _text_written),
}
