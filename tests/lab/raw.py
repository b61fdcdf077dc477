"""AMQP beyond what oslo.messaging does, spoken by pika and py-amqp.

Run as a program on a host of the laboratory, with ``run`` or ``blocked``, the broker's address and the
password, it goes through the steps below one after the other, each with connections of its own. It does not publish
to an exchange that does not exist, nor use direct reply-to: the firehose is silent about both.
"""

import datetime
import decimal
import sys
import warnings
from collections.abc import Callable
from typing import Any, Final

warnings.simplefilter("ignore")

import amqp  # noqa: E402
import pika  # noqa: E402
from pika import frame as frames  # noqa: E402
from pika import spec  # noqa: E402

PATIENCE_S: Final = 0.3
ALL_PROPERTIES: Final = pika.BasicProperties(
    content_type="text/plain",
    content_encoding="utf-8",
    headers={"kind": "all", "number": 7},
    delivery_mode=1,
    priority=9,
    correlation_id="correlation",
    reply_to="somewhere",
    expiration="60000",
    message_id="message-1",
    timestamp=1_700_000_000,
    type="kind.of.message",
    user_id="openstack",
    app_id="osloshark",
    cluster_id="cluster",
)
FIELD_TYPES: Final = {
    "bool": True,
    "short": 300,
    "negative": -70_000,
    "long": 2**40,
    "text": "Zürich",
    "bytes": b"\xff\x00\xfe",
    "decimal": decimal.Decimal("-12.34"),
    "time": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    "nothing": None,
    "table": {"inner": {"deep": [1, 2, 3]}},
    "array": ["a", 1, {"b": False}, [None]],
}


def ignore(*_: Any) -> None:
    """Take a message, a return or a cancel, and do nothing."""


class Raw:
    """The steps, and how they connect."""

    def __init__(self, host: str, password: str) -> None:
        self.host = host.strip("[]")
        self.password = password

    def pika(self, vhost: str = "/", user: str = "openstack", name: str = "raw", **options: Any) -> Any:
        return pika.BlockingConnection(
            pika.ConnectionParameters(
                host=self.host,
                virtual_host=vhost,
                credentials=pika.PlainCredentials(user, options.pop("password", self.password)),
                client_properties={"connection_name": name},
                **{"heartbeat": 60, **options},
            )
        )

    def amqp(self, **options: Any) -> Any:
        connection = amqp.Connection(host=self.host, userid="openstack", password=self.password, **options)
        connection.connect()
        return connection

    def interleaved(self) -> None:
        """The frames of two channels' contents and a heartbeat between each other, on one connection."""
        connection = self.pika(name="interleaved", frame_max=4096)
        channels = [connection.channel() for _ in range(2)]
        queues = [channel.queue_declare("", exclusive=True).method.queue for channel in channels]
        part = 4096 - 8
        bodies = [bytes([65 + index]) * (part * (3 - index) + 17) for index in range(2)]
        contents = []
        for channel, queue, body in zip(channels, queues, bodies, strict=True):
            number = channel.channel_number
            contents.append(
                [
                    frames.Method(number, spec.Basic.Publish(exchange="", routing_key=queue)).marshal(),
                    frames.Header(number, len(body), pika.BasicProperties(type="interleaved")).marshal(),
                    *(frames.Body(number, body[start : start + part]).marshal() for start in range(0, len(body), part)),
                ]
            )
        while any(contents):
            for content in contents:
                if content:
                    connection._impl._output_marshaled_frames([content.pop(0), frames.Heartbeat().marshal()])
        self._take(connection, channels, queues)
        connection.close(reply_code=320, reply_text="interleaving is done")

    def _take(self, connection: Any, channels: list[Any], queues: list[str]) -> None:
        """Consume what is there on several channels at once."""
        for channel, queue in zip(channels, queues, strict=True):
            channel.basic_consume(queue, ignore, auto_ack=True, consumer_tag="same-tag")
        connection.sleep(PATIENCE_S)

    def gets(self) -> None:
        """basic.get with and without a message; empty, binary and exactly fitting bodies; all properties."""
        connection = self.pika(name="gets")
        channel = connection.channel()
        queue = channel.queue_declare("gets", auto_delete=False).method.queue
        full = 131_072 - 8
        for body in (b"", bytes(range(256)), b"x" * full, b"y" * (full + 1)):
            channel.basic_publish("", queue, body, ALL_PROPERTIES)
        channel.basic_publish("", queue, b"{}", pika.BasicProperties(headers=FIELD_TYPES))
        for auto_ack in (True, False, True, False, True, True):
            method, _, _ = channel.basic_get(queue, auto_ack=auto_ack)
            if method and not auto_ack:
                channel.basic_ack(method.delivery_tag)
        channel.queue_delete(queue)
        connection.close()

    def returns(self) -> None:
        """Mandatory messages that nothing takes, with and without a body, with and without confirms."""
        connection = self.pika(name="returns")
        channel = connection.channel()
        channel.add_on_return_callback(ignore)
        for body in (b"", b"come back", b"z" * 200_000):
            channel.basic_publish("amq.direct", "nowhere", body, ALL_PROPERTIES, mandatory=True)
        connection.sleep(PATIENCE_S)
        confirmed = connection.channel()
        confirmed.confirm_delivery()
        for key in ("nowhere", "über.all"):
            try:
                confirmed.basic_publish("amq.topic", key, b"confirmed", mandatory=True)
            except pika.exceptions.UnroutableError:
                continue
        connection.close()

    def rejects(self) -> None:
        """nack of several, reject, recover: redeliveries; what is dropped comes again by a dead-letter exchange."""
        connection = self.pika(name="rejects")
        channel = connection.channel()
        channel.queue_declare("dead")
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
        channel.queue_declare("work", arguments=arguments)
        for number in range(4):
            channel.basic_publish("", "work", f"job {number}".encode())
        tags = [channel.basic_get("work")[0].delivery_tag for _ in range(4)]
        channel.basic_nack(tags[1], multiple=True, requeue=True)
        channel.basic_reject(tags[2], requeue=False)
        channel.basic_reject(tags[3], requeue=True)
        channel.basic_get("work")
        channel.basic_recover(requeue=True)
        channel.basic_qos(prefetch_count=2)
        channel.basic_consume("work", lambda c, m, *_: c.basic_ack(m.delivery_tag), exclusive=True)
        channel.basic_consume("dead", ignore, auto_ack=True)
        connection.sleep(PATIENCE_S)
        connection.close()

    def consumers(self) -> None:
        """Names that the server chooses, a tag used again for another queue, and the server's own cancel."""
        connection = self.amqp()
        channel = connection.channel()
        queues = [channel.queue_declare("", exclusive=True, auto_delete=False).queue for _ in range(2)]
        quiet: dict[str, Any] = {"callback": ignore, "on_cancel": ignore, "no_ack": True}
        channel.basic_consume(queues[0], consumer_tag="", **quiet)
        # An empty queue name means the channel's last declared one.
        channel.basic_consume("", consumer_tag="again", **quiet)
        for queue in queues:
            channel.basic_publish(amqp.Message(b"first", application_headers={"big": 2**40, "float": 0.5}), "", queue)
        self._drain(connection)
        channel.basic_cancel("again")
        channel.basic_consume(queues[0], consumer_tag="again", **quiet)
        for _ in range(2):
            channel.basic_publish(amqp.Message(b"second"), "", queues[0])
        self._drain(connection)
        connection.channel().queue_delete(queues[0])
        self._drain(connection)
        connection.close()

    def _drain(self, connection: Any) -> None:
        try:
            while True:
                connection.drain_events(timeout=PATIENCE_S)
        except TimeoutError:
            return

    def exchanges(self) -> None:
        """Exchanges of all types, bound to each other, in a virtual host and as a user of another name."""
        connection = self.pika(vhost="nova_cell1", user="nova-cell1", name="exchanges")
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        for kind in ("direct", "topic", "fanout", "headers"):
            channel.exchange_declare(f"lab.{kind}", kind, auto_delete=True)
        channel.exchange_bind("lab.fanout", "lab.topic", "compute.#")
        channel.queue_bind(queue, "lab.fanout")
        channel.queue_bind(queue, "lab.headers", arguments={"x-match": "all", "cell": 1})
        channel.basic_publish("lab.topic", "compute.host.1", b"through two exchanges")
        matching = pika.BasicProperties(headers={"cell": 1})
        channel.basic_publish("lab.headers", "", b"by header", matching)
        carbon = pika.BasicProperties(headers={"CC": [queue], "BCC": ["nobody"]})
        channel.basic_publish("lab.direct", "none", b"copied", carbon)
        self._take(connection, [channel], [queue])
        channel.queue_unbind(queue, "lab.headers", arguments={"x-match": "all", "cell": 1})
        channel.exchange_unbind("lab.fanout", "lab.topic", "compute.#")
        channel.queue_purge(queue)
        channel.exchange_delete("lab.direct")
        connection.close()

    def transactions(self) -> None:
        """tx.commit and tx.rollback; confirms of several at once."""
        connection = self.pika(name="transactions")
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.tx_select()
        channel.basic_publish("", queue, b"committed")
        channel.tx_commit()
        channel.basic_publish("", queue, b"rolled back")
        channel.tx_rollback()
        channel.basic_get(queue, auto_ack=True)
        confirmed = connection.channel()
        confirmed._impl.confirm_delivery(ack_nack_callback=ignore, callback=ignore)
        for number in range(20):
            confirmed._impl.basic_publish("", queue, b"%d" % number)
        connection.sleep(PATIENCE_S)
        connection.close()

    def errors(self) -> None:
        """Channel errors 404, 405, 406; refused logins 403 and 530; a connection error; an idle heartbeat."""
        connection = self.pika(name="errors")
        connection.channel().queue_declare("mine", durable=False)
        wrong: list[Callable[[Any], Any]] = [
            lambda channel: channel.queue_declare("no-such-queue", passive=True),
            lambda channel: channel.queue_declare("mine", durable=True),
            lambda channel: channel.queue_declare("amq.reserved"),
            lambda channel: channel.basic_ack(99),
        ]
        for step in wrong:
            channel = connection.channel()
            try:
                step(channel)
                connection.sleep(PATIENCE_S)
            except pika.exceptions.AMQPError:
                continue
        connection.close()
        for options in ({"password": "wrong-password"}, {"vhost": "no-such-vhost"}):
            try:
                self.pika(name="refused", **options).close()
            except pika.exceptions.AMQPError:
                continue
        broken = self.pika(name="broken", heartbeat=2)
        try:
            broken.sleep(2.5)
            broken._impl._output_marshaled_frames([frames.Method(1, spec.Basic.Get(queue="mine")).marshal()])
            broken.sleep(PATIENCE_S)
        except pika.exceptions.AMQPError:
            return

    def blocked(self) -> None:
        """A publisher that the broker blocks while its memory alarm is on; a new secret."""
        connection = self.pika(name="blocked")
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        connection.update_secret(self.password, "the token was renewed")
        channel.basic_publish("", queue, b"before the alarm")
        for told in ("ready", "alarm", "over"):
            connection.sleep(PATIENCE_S)
            print(told, flush=True)
            sys.stdin.readline()
            channel.basic_publish("", queue, f"after {told}".encode())
        self._take(connection, [channel], [queue])
        connection.close()

    def run(self) -> None:
        """All steps that need nothing but the broker."""
        for step in (
            *(self.interleaved, self.gets, self.returns, self.rejects, self.consumers),
            *(self.exchanges, self.transactions, self.errors),
        ):
            step()


if __name__ == "__main__":
    getattr(Raw(*sys.argv[2:]), sys.argv[1])()
