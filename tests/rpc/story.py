"""Stories of a few messages made by hand: who sends what when, as the events of a reading."""

import json
from itertools import count

import msgspec
from msgspec import UNSET

from dissector.amqp import AmqpConnection, AmqpEvent, Event, Message
from dissector.amqp._methods import (
    BasicAck,
    BasicConsume,
    BasicDeliver,
    BasicGetOk,
    BasicPublish,
    BasicReject,
    BasicReturn,
    Method,
    Properties,
    QueueDeclare,
)
from dissector.fields import RpcFields
from dissector.net import Connection, Endpoint, Malformed
from dissector.rpc import CallCounts, Calls
from dissector.rpc.hot import hot_of

BEGIN_S = 1_700_000_000
BROKER = "10.99.0.1"
_NO_PROPERTIES = Properties(*[UNSET] * len(Properties.__struct_fields__))


def ns(at: float) -> int:
    """Nanoseconds since the epoch of a moment of the story, in seconds."""
    return BEGIN_S * 1_000_000_000 + round(at * 1e9)


def body(**keys: object) -> bytes:
    """A message in its envelope; a leading ``_`` is written ``u_``."""
    inner = {("_" + key[2:] if key.startswith("u_") else key): value for key, value in keys.items()}
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(inner)}).encode()


class Story:
    """Collects events. Every message gets the next packet and the next ordinal of its connection."""

    def __init__(self) -> None:
        self.events: list[AmqpEvent] = []
        self._streams = count()
        self._numbers = count(1)
        self._ordinals: dict[int, int] = {}

    def connection(
        self,
        program: str | None = "nova-api:7",
        ip: str = "10.99.0.11",
        *,
        name: str | None = None,
        broker: str = BROKER,
    ) -> AmqpConnection:
        """A connection of a process; each has a name of its own unless one is given, none where program is None."""
        stream = next(self._streams)
        tcp = Connection(stream, Endpoint(ip, 40_000 + stream), Endpoint(BROKER, 5672))
        name = name or (program and f"{program}:{stream:032x}")
        return AmqpConnection(tcp, client_properties={"connection_name": name} if name else None)

    def message(
        self,
        connection: AmqpConnection,
        leg: str,
        content: bytes,
        at: float,
        *,
        exchange: str = "nova",
        key: str = "compute",
        queue: str | None = None,
        expiration: str | None = None,
        redelivered: bool = False,
    ) -> Message:
        method: BasicPublish | BasicDeliver | BasicGetOk | BasicReturn
        if leg == "publish":
            method = BasicPublish(0, exchange, key, False, False)
        elif leg == "deliver":
            method = BasicDeliver("1", 1, redelivered, exchange, key)
        elif leg == "get":
            method = BasicGetOk(1, redelivered, exchange, key, 0)
        else:
            method = BasicReturn(312, "NO_ROUTE", exchange, key)
        stream, number = connection.tcp.stream, next(self._numbers)
        ordinal = self._ordinals[stream] = self._ordinals.get(stream, -1) + 1
        properties = _NO_PROPERTIES
        if expiration is not None:
            properties = msgspec.structs.replace(properties, expiration=expiration)
        message = Message(
            connection, leg == "publish", leg, number, (number,), ns(at), 1, method, properties, content, ordinal, queue
        )
        self.events.append(message)
        return message

    def event(
        self,
        connection: AmqpConnection,
        name: str,
        at: float,
        *,
        from_client: bool = True,
        method: Method | None = None,
        since: float | None = None,
        settled: tuple[int, ...] = (),
    ) -> Event:
        since_ns = None if since is None else ns(since)
        event = Event(
            connection, from_client, next(self._numbers), ns(at), 1, name, method, None, None, since_ns, settled
        )
        self.events.append(event)
        return event

    def ack(self, message: Message, at: float) -> None:
        """The other side's basic.ack of a message: the broker's confirm or the consumer's ack."""
        method = BasicAck(1, False)
        confirms = message.from_client
        self.event(
            message.connection, "basic.ack", at, from_client=not confirms, method=method, settled=(message.ordinal,)
        )

    def requeue(self, message: Message, at: float) -> None:
        self.event(message.connection, "basic.reject", at, method=BasicReject(1, True), settled=(message.ordinal,))

    def consume(self, connection: AmqpConnection, queue: str, at: float) -> None:
        self.event(connection, "basic.consume", at, method=BasicConsume(0, queue, "1", False, False, False, False, {}))

    def declare(self, connection: AmqpConnection, queue: str, at: float) -> None:
        self.event(
            connection, "queue.declare", at, method=QueueDeclare(0, queue, False, False, False, False, False, {})
        )

    def gap(self, connection: AmqpConnection, since: float, at: float) -> None:
        self.event(connection, "gap", at, since=since)

    def malformed(self, connection: AmqpConnection, at: float) -> None:
        number = next(self._numbers)
        self.events.append(Malformed("amqp", connection.tcp, True, number, ns(at), None, "broken"))

    def tick(self, at: float) -> None:
        """Let time pass: an AMQP heartbeat of somebody else."""
        self.event(self.connection("other:1", "10.99.0.99"), "heartbeat", at)

    def play(self, *, late_ns: int | None = None) -> list[RpcFields]:
        """The calls of the story so far, in the order in which they are given out."""
        return self.count(late_ns=late_ns)[0]

    def count(self, *, late_ns: int | None = None) -> tuple[list[RpcFields], CallCounts]:
        calls = Calls(late_ns=late_ns)
        found = [call for event in self.events for call in calls.feed(event, hot_of(event))]
        found += calls.finish()
        return [call.rpc for call in found], calls.counts


class Rpc:
    """One request of a story and the legs of it: ``client`` and ``server`` are (sending, receiving) connections."""

    def __init__(
        self,
        story: Story,
        name: str = "a",
        *,
        timeout: float | str | None = 60,
        method: str = "echo",
        key: str = "compute",
        client: str = "nova-api:7",
        server: str = "nova-compute:9",
        **keys: object,
    ) -> None:
        self.story = story
        self.msg_id, self.unique_id, self.reply_q = f"msg-{name}", f"unique-{name}", f"reply_{client}"
        self.key = key
        self.expiration = str(round(timeout * 1000)) if isinstance(timeout, int | float) else timeout
        self.client = story.connection(client), story.connection(client)
        self.server = story.connection(server, "10.99.0.31"), story.connection(server, "10.99.0.31")
        own = {"u_msg_id": self.msg_id, "u_reply_q": self.reply_q, "u_unique_id": self.unique_id}
        self.body = body(**{"method": method, "args": {}, "u_context_request_id": "req-1", **own, **keys})
        self._replies = count()

    def publish(self, at: float, over: AmqpConnection | None = None) -> Message:
        return self.story.message(
            over or self.client[0], "publish", self.body, at, key=self.key, expiration=self.expiration
        )

    def deliver(self, at: float, over: AmqpConnection | None = None, *, redelivered: bool = False) -> Message:
        return self.story.message(
            over or self.server[1],
            "deliver",
            self.body,
            at,
            key=self.key,
            queue=self.key,
            expiration=self.expiration,
            redelivered=redelivered,
        )

    def returned(self, at: float) -> Message:
        return self.story.message(self.client[0], "return", self.body, at, key=self.key, expiration=self.expiration)

    def reply(self, *, ending: bool | None = True, result: object = 1, failure: str | None = None) -> bytes:
        """The body of one more reply."""
        own = {"u_msg_id": self.msg_id, "u_unique_id": f"{self.unique_id}-reply-{next(self._replies)}"}
        end = {} if ending is None else {"ending": ending}
        return body(result=result, failure=failure, **end, **own)

    def reply_publish(self, at: float, content: bytes | None = None, over: AmqpConnection | None = None) -> Message:
        return self._reply("publish", over or self.server[0], at, content)

    def reply_deliver(self, at: float, content: bytes | None = None, over: AmqpConnection | None = None) -> Message:
        return self._reply("deliver", over or self.client[1], at, content)

    def reply_returned(self, at: float, content: bytes | None = None) -> Message:
        return self._reply("return", self.server[0], at, content)

    def _reply(self, leg: str, over: AmqpConnection, at: float, content: bytes | None) -> Message:
        return self.story.message(over, leg, content or self.reply(), at, exchange="", key=self.reply_q)

    def whole(self, at: float = 0.0, *, service: float = 0.01) -> None:
        """All four legs, with confirms and acks."""
        sent = self.publish(at)
        self.story.ack(sent, at + 0.001)
        got = self.deliver(at + 0.002)
        self.story.ack(got, at + 0.003)
        content = self.reply()
        back = self.reply_publish(at + 0.002 + service, content)
        self.story.ack(back, at + 0.003 + service)
        self.story.ack(self.reply_deliver(at + 0.004 + service, content), at + 0.005 + service)


def healthy() -> Story:
    """A story that begins with a call of other processes, all legs of which are seen: a capture at the broker."""
    story = Story()
    Rpc(story, "healthy", client="nova-conductor:3", server="nova-scheduler:4", key="scheduler").whole(-1.0)
    return story


def hear(rpc: Rpc, at: float) -> None:
    """Let the capture show that the client takes its replies, and gets what the broker sends."""
    story = rpc.story
    story.consume(rpc.client[1], rpc.reply_q, at)
    story.event(rpc.client[1], "basic.consume-ok", at, from_client=False, method=BasicAck(1, False))
