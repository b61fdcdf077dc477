"""Single fields of messages and events by their registry names, each at no more cost than it has.

What the packet, the connection and the content header tell is read from the message; what identifies it by the hot
decode, once a message; only for the rest is its record made, once.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from msgspec import UNSET, UnsetType

from dissector.amqp import AmqpEvent, Message
from dissector.amqp._methods import BasicReturn
from dissector.fields import FailureFields, OsloFields, PropertiesFields, seconds
from dissector.filter import Lookup, record_lookup
from dissector.oslo import HotMessage
from dissector.rpc.hot import hot_of
from dissector.views.record import event_record, properties_of, record, reply_text


def _of_method(*legs: str, name: str) -> Callable[[Message], Any]:
    argument = attrgetter(name)
    return lambda message: argument(message.method) if message.leg in legs else None


def _property(name: str) -> Callable[[Message], Any]:
    value = attrgetter("properties." + name)
    return lambda message: None if (found := value(message)) is UNSET else found


_DIRECT: Final[dict[str, Callable[[Message], Any]]] = {
    "frame": attrgetter("number"),
    "frame.number": attrgetter("number"),
    "frame.numbers": attrgetter("numbers"),
    "frame.time_epoch": lambda message: seconds(message.time_ns),
    "ip": attrgetter("connection.tcp"),
    "ip.src": lambda message: message.connection.tcp.sender(message.from_client).ip,
    "ip.dst": lambda message: message.connection.tcp.sender(not message.from_client).ip,
    "tcp": attrgetter("connection.tcp"),
    "tcp.srcport": lambda message: message.connection.tcp.sender(message.from_client).port,
    "tcp.dstport": lambda message: message.connection.tcp.sender(not message.from_client).port,
    "tcp.stream": attrgetter("connection.tcp.stream"),
    "amqp": attrgetter("leg"),
    "amqp.leg": attrgetter("leg"),
    "amqp.channel": attrgetter("channel"),
    "amqp.exchange": attrgetter("method.exchange"),
    "amqp.routing_key": attrgetter("method.routing_key"),
    "amqp.queue": attrgetter("queue"),
    "amqp.consumer_tag": _of_method("deliver", name="consumer_tag"),
    "amqp.delivery_tag": _of_method("deliver", "get", name="delivery_tag"),
    "amqp.redelivered": _of_method("deliver", "get", name="redelivered"),
    "amqp.mandatory": _of_method("publish", name="mandatory"),
    "amqp.reply_code": _of_method("return", name="reply_code"),
    "amqp.vhost": attrgetter("connection.vhost"),
    "amqp.user": attrgetter("connection.user"),
    "amqp.connection_name": attrgetter("connection.name"),
    "amqp.node": attrgetter("connection.node"),
    "amqp.properties": attrgetter("properties"),
    "amqp.body_size": lambda message: len(message.body),
    **{f"amqp.properties.{name}": _property(name) for name in ("delivery_mode", "priority", "timestamp")},
}
"""What no decode of the body is needed for."""

_HOT: Final[dict[str, Callable[[HotMessage], Any]]] = {
    f"oslo.{name}": attrgetter(name) for name in HotMessage.__struct_fields__ if name in OsloFields.__struct_fields__
}
_FAILURE: Final[dict[str, Callable[[FailureFields], Any]]] = {
    f"oslo.failure.{shown}": attrgetter(name)
    for shown, name in zip(FailureFields.__struct_encode_fields__, FailureFields.__struct_fields__, strict=True)
}
_PROPERTIES: Final = {f"amqp.properties.{name}": name for name in PropertiesFields.__struct_fields__}
"""Those that are not numbers are to be masked."""


class MessageLookup:
    """Gives the fields of one message by name, as filters and columns ask for them (`dissector.filter.Lookup`).

    They are those of its record, with the secrets masked unless ``show_secrets``: a filter must not find out what
    is not shown.
    """

    __slots__ = ("_hot", "_message", "_properties", "_record", "_show_secrets")

    def __init__(self, message: Message, *, show_secrets: bool = False) -> None:
        self._message = message
        self._show_secrets = show_secrets
        self._properties: PropertiesFields | None = None
        self._hot: HotMessage | UnsetType | None = UNSET
        self._record: Lookup | None = None

    def __call__(self, name: str) -> Any:  # noqa: ANN401 - any field's value
        """Give a field's value; None where the message has none."""
        direct = _DIRECT.get(name)
        if direct is not None:
            return direct(self._message)
        of_hot = _HOT.get(name)
        if of_hot is not None:
            known = self._identified()
            return None if known is None else of_hot(known)
        of_failure = _FAILURE.get(name)
        if of_failure is not None:
            known = self._identified()
            return None if known is None or known.failure is None else of_failure(known.failure)
        if name == "oslo":
            return self._identified()
        if name == "body":
            return True if self._identified() is None else None
        if name == "amqp.reply_text":
            method = self._message.method
            return reply_text(method, show_secrets=self._show_secrets) if isinstance(method, BasicReturn) else None
        if name in _PROPERTIES:
            return self._property(_PROPERTIES[name])
        if self._record is None:
            self._record = record_lookup(record(self._message, show_secrets=self._show_secrets))
        return self._record(name)

    def _property(self, name: str) -> Any:  # noqa: ANN401 - any property's value
        if self._properties is None:
            self._properties = properties_of(self._message, show_secrets=self._show_secrets)
        value = getattr(self._properties, name)
        return None if value is UNSET else value

    def _identified(self) -> HotMessage | None:
        if self._hot is UNSET:
            self._hot = hot_of(self._message, self._show_secrets)
        return self._hot


def lookup_of(event: AmqpEvent, *, show_secrets: bool = False) -> Lookup:
    """Give the fields of a message, or of what else happened, by name: those of its record (`Lookup`)."""
    if isinstance(event, Message):
        return MessageLookup(event, show_secrets=show_secrets)
    return record_lookup(event_record(event, show_secrets=show_secrets))
