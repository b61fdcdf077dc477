"""Short ways from a capture, or from nothing, to what tests look at."""

from pathlib import Path

import msgspec
from msgspec import UNSET

from dissector.amqp import AmqpConnection, AmqpEvent, Message
from dissector.amqp._methods import BasicPublish, Properties
from dissector.net import Connection, Endpoint
from dissector.reading import Reading

from .lab import truth

TCP = Connection(3, Endpoint("10.99.0.2", 40182), Endpoint("10.99.0.1", 5672))


def events(*paths: Path, ports: tuple[int, ...] = (5672,)) -> list[AmqpEvent]:
    return list(Reading(paths, ports=ports))


def messages(name: str) -> list[Message]:
    """The messages of a shipped capture."""
    return [event for event in events(truth.captures()[name]) if isinstance(event, Message)]


def published(body: bytes = b"{}", **changed: object) -> Message:
    """A message made by hand; ``changed`` are fields of `Message`, or headers."""
    headers = changed.pop("headers", {})
    properties = Properties(*[UNSET] * len(Properties.__struct_fields__))
    properties = msgspec.structs.replace(properties, content_type="application/json", headers=headers)
    message = Message(
        connection=AmqpConnection(TCP),
        from_client=True,
        leg="publish",
        number=80,
        numbers=(79, 80),
        time_ns=1_637_000_000_123_456_789,
        channel=1,
        method=BasicPublish(0, "neutron", "q-plugin", False, False),
        properties=properties,
        body=body,
    )
    for name, value in changed.items():
        setattr(message, name, value)
    return message
