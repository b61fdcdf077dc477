"""Which queues a publish was routed to: those that its deliveries are seen on, a little later."""

from collections import deque

import msgspec

from dissector.amqp import FROM_QUEUE, Message
from dissector.amqp._methods import BasicPublish
from dissector.limits import ROUTED_QUEUES_BYTES, ROUTED_QUEUES_MESSAGES, ROUTED_QUEUES_NS

Key = tuple[str | None, str, str, int, int]
"""Virtual host, exchange, routing key, size and hash of the body: the same on publish and deliver. The hash is
Python's, which is keyed at random: no sender can make two bodies collide."""

Queues = list[str | None]
"""Queues in the order of their deliveries; None is one whose name is not known."""


class Line(msgspec.Struct):
    """What is to be written of a message."""

    before: bytes
    """All of it; of a publish, what precedes the queues."""
    after: bytes = b""
    """Of a publish, what follows them."""
    queues: Queues | None = None
    """The queues that a publish was routed to; None on a delivery."""


class _Held(msgspec.Struct):
    line: Line
    until_ns: int
    key: Key | None


class _Publishes:
    """The publishes of one key that are held."""

    def __init__(self) -> None:
        self.queues: deque[Queues] = deque()
        self.released = 0
        self.delivered: dict[str | None, int] = {}
        """How many of them, released ones counted, each queue has given."""

    def deliver(self, queue: str | None) -> None:
        """Add a queue to the earliest publish that does not have it."""
        index = max(self.delivered.get(queue, 0), self.released)
        if index < self.released + len(self.queues):
            self.queues[index - self.released].append(queue)
            self.delivered[queue] = index + 1


class RoutedQueues:
    """Holds publishes back until their deliveries had time to come, and whatever follows them.

    A delivery is that of the earliest publish held that has the same virtual host, exchange, routing key and body,
    and not yet its queue; a redelivery tells nothing new. Time is the capture's. At most
    `limits.ROUTED_QUEUES_NS`, `limits.ROUTED_QUEUES_MESSAGES` and `limits.ROUTED_QUEUES_BYTES` are held. Lines
    come out in the order in which they came in.
    """

    def __init__(self) -> None:
        self.hurried = 0
        """Publishes that were not waited with until all their deliveries had time to come, as too many were held."""
        self._held: deque[_Held] = deque()
        self._publishes: dict[Key, _Publishes] = {}
        self._bytes = 0
        self._to_write = 0
        self._now_ns = 0

    def add(self, message: Message, line: Line) -> None:
        """Take a message and its line; a publish's gets its ``queues``."""
        method = message.method
        held = _Held(line, 0, None)
        if isinstance(method, BasicPublish):
            line.queues = []
            held.key, held.until_ns = _key(message), message.time_ns + ROUTED_QUEUES_NS
            self._publishes.setdefault(held.key, _Publishes()).queues.append(line.queues)
        elif isinstance(method, FROM_QUEUE) and not method.redelivered and self._publishes:
            publishes = self._publishes.get(_key(message))
            if publishes is not None:
                publishes.deliver(message.queue)
        self._held.append(held)
        self._to_write += bool(line.before)
        self._bytes += len(line.before) + len(line.after)

    @property
    def is_waiting(self) -> bool:
        """Whether lines are held that are to be written."""
        return self._to_write > 0

    def ready(self, time_ns: int) -> list[Line]:
        """Give the lines that wait no longer, now that it is ``time_ns``."""
        self._now_ns = max(self._now_ns, time_ns)
        lines = []
        while self._held and (
            self._held[0].until_ns <= self._now_ns
            or len(self._held) > ROUTED_QUEUES_MESSAGES
            or self._bytes > ROUTED_QUEUES_BYTES
        ):
            self.hurried += self._held[0].until_ns > self._now_ns and bool(self._held[0].line.before)
            lines.append(self._release())
        return lines

    def finish(self) -> list[Line]:
        """Give all lines that are still held."""
        return [self._release() for _ in range(len(self._held))]

    def _release(self) -> Line:
        held = self._held.popleft()
        self._to_write -= bool(held.line.before)
        self._bytes -= len(held.line.before) + len(held.line.after)
        if held.key is not None:
            publishes = self._publishes[held.key]
            publishes.queues.popleft()
            publishes.released += 1
            if not publishes.queues:
                del self._publishes[held.key]
        return held.line


def _key(message: Message) -> Key:
    method, body = message.method, message.body
    return message.connection.vhost, method.exchange, method.routing_key, len(body), hash(body)
