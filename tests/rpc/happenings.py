"""Events made by hand, as the AMQP room gives them."""

import itertools
import json

from dissector.amqp import AmqpConnection, Event, Message
from dissector.amqp import _methods as m
from dissector.net import Connection, Endpoint
from dissector.rpc.hot import hot_of

from ..wiring import published

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
BROKER = Endpoint("10.0.0.1", 5672)


def connection(stream=0, *, name="nova-api:7:0a1b", vhost="/", ip="10.0.0.2") -> AmqpConnection:
    """A connection of which everything is known."""
    tcp = Connection(stream, Endpoint(ip, 40000 + stream), BROKER)
    return AmqpConnection(tcp, vhost, "openstack", {"connection_name": name} if name else {}, {})


class Story:
    """Makes one event after another, and shows each to those who listen."""

    def __init__(self, *listeners, step_ns=SECOND // 1000) -> None:
        self._listeners = listeners
        self._step_ns = step_ns
        self._numbers = itertools.count(1)
        self.now_ns = START

    def _tell(self, event):
        for listener in self._listeners:
            listener.feed(event, hot_of(event))
        return event

    def wait(self, seconds):
        self.now_ns += int(seconds * SECOND)

    def event(self, on, name, method=None, *, from_client=True, channel=1, **more):
        self.now_ns += self._step_ns
        known = {"detail": None, "queue": None, "settled": (), **more}
        channel = channel if method is not None else 0
        return self._tell(Event(on, from_client, next(self._numbers), self.now_ns, channel, name, method, **known))

    def asked(self, on, method, answer=None, **more):
        """A client's request and, if it is given one, the broker's answer."""
        self.event(on, method.NAME, method, **more)
        if answer is not None:
            self.event(on, answer.NAME, answer, from_client=False, channel=more.get("channel", 1))

    def message(self, on, method, body=b"x", *, ordinal=0, channel=1, queue=None, headers=None) -> Message:
        self.now_ns += self._step_ns
        message = published(
            body if isinstance(body, bytes) else json.dumps(body).encode(),
            connection=on,
            from_client=isinstance(method, m.BasicPublish),
            leg={"publish": "publish", "deliver": "deliver", "get-ok": "get", "return": "return"}[
                method.NAME.removeprefix("basic.")
            ],
            method=method,
            number=next(self._numbers),
            time_ns=self.now_ns,
            channel=channel,
            ordinal=ordinal,
            queue=queue,
            headers=headers or {},
        )
        return self._tell(message)

    def end(self, on, reason="fin"):
        self.event(on, "end", detail=reason)
        self.event(on, "end", from_client=False, detail=reason)


def publish(exchange, key):
    return m.BasicPublish(0, exchange, key, False, False)


def deliver(exchange, key, *, tag="1", delivery_tag=1, redelivered=False):
    return m.BasicDeliver(tag, delivery_tag, redelivered, exchange, key)


def declare(queue, *, passive=False, exclusive=False, auto_delete=False, nowait=False, arguments=None):
    return m.QueueDeclare(0, queue, passive, False, exclusive, auto_delete, nowait, arguments or {})


def declared(queue, consumers=0):
    return m.QueueDeclareOk(queue, 0, consumers)


def consume(queue, tag="1", *, no_ack=False):
    return m.BasicConsume(0, queue, tag, False, no_ack, False, False, {})


def bind(queue, exchange, key, arguments=None):
    return m.QueueBind(0, queue, exchange, key, False, arguments or {})
