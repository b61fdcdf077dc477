"""Which topic and which server a request names.

oslo.messaging routes to ``topic`` or ``topic.server``, and both parts may hold dots. Where a server's queues were
declared, ``topic`` beside ``topic.server``, they tell the parts; else the server is unknown.
"""

from collections import OrderedDict
from typing import Final

from dissector import limits
from dissector.amqp import Event
from dissector.amqp._methods import QueueDeclare
from dissector.bounded import remember
from dissector.oslo import HotMessage

_FANOUT: Final = "_fanout"


class Topics:
    """Remembers declared queues, and splits routing keys by them."""

    def __init__(self) -> None:
        self._queues: OrderedDict[str, None] = OrderedDict()

    def learn(self, event: Event) -> bool:
        """Take note of a queue.declare; say whether an older one had to be forgotten for it."""
        if not isinstance(event.method, QueueDeclare) or not event.method.queue:
            return False
        return remember(self._queues, event.method.queue, None, limits.DECLARED_QUEUES) is not None

    def split(self, hot: HotMessage, exchange: str, routing_key: str) -> tuple[str, str | None]:
        """Give the topic and the server, or None where the request names none or nobody can tell."""
        if hot.kind == "fanout":
            return exchange.removesuffix(_FANOUT), None
        if hot.kind == "notification":
            return routing_key.removesuffix(f".{(hot.priority or '').lower()}"), None
        if routing_key in self._queues:
            at = routing_key.rfind(".")
            while at > 0:
                if routing_key[:at] in self._queues:
                    return routing_key[:at], routing_key[at + 1 :]
                at = routing_key.rfind(".", 0, at)
        return routing_key, None
