"""Consumers come and go."""

from typing import Any

from dissector import limits
from dissector.amqp import Event, Message
from dissector.amqp import _methods as m
from dissector.rpc.bounded import Table
from dissector.rpc.clients import ChannelEntry
from dissector.rpc.consumers import ConsumerEntry
from dissector.rpc.vhosts import Vhosts


class Consumers:
    """Follows all consumers, and how many each queue has."""

    def __init__(self, vhosts: Vhosts) -> None:
        """Make it; ``vhosts`` holds the queues."""
        self.consumers: Table[tuple[int, int, str], ConsumerEntry] = Table(limits.TOPOLOGY_CONSUMERS)
        self._vhosts = vhosts

    def consume(self, event: Event, tag: str, channel: ChannelEntry, arguments: dict[str, Any] | None) -> None:
        """Take a basic.consume that was granted; ``tag`` may be the broker's."""
        method = event.method
        assert isinstance(method, m.BasicConsume)
        if not tag:
            return
        queue = method.queue or event.queue
        consumer = ConsumerEntry(event.connection, event.channel, tag, queue, "declared", method.no_ack)
        consumer.exclusive, consumer.arguments, consumer.started_ns = method.exclusive, arguments, event.time_ns
        self._add(channel, consumer, event.time_ns)

    def deliver(
        self, message: Message, method: m.BasicDeliver, channel: ChannelEntry, queue: str | None
    ) -> ConsumerEntry:
        """Find the consumer that got a message, or infer it; and count the message.

        ``queue`` is where the message comes from, as far as is known.
        """
        consumer = channel.consumers.get(method.consumer_tag)
        if consumer is None:
            consumer = ConsumerEntry(message.connection, message.channel, method.consumer_tag, queue)
            self._add(channel, consumer, message.time_ns)
        elif consumer.queue is None and queue is not None:
            consumer.queue = queue
            self._vhosts.queue(message.connection.vhost, queue, message.time_ns).consumers += consumer.ended is None
        consumer.deliver.add(len(message.body))
        consumer.redelivered += method.redelivered
        consumer.last_ns = message.time_ns
        return consumer

    def cancel(self, event: Event, channel: ChannelEntry | None) -> None:
        """Take a basic.cancel or its answer, from either side."""
        assert isinstance(event.method, m.BasicCancel | m.BasicCancelOk)
        tag = event.method.consumer_tag
        consumer = None if channel is None else channel.consumers.get(tag)
        if channel is None or consumer is None:
            return
        if isinstance(event.method, m.BasicCancel):
            self._end(consumer, "cancelled" if event.from_client else "queue_gone", event.time_ns)
        # After the client's own cancel, until cancel-ok, deliveries are still on their way.
        if not event.from_client:
            del channel.consumers[tag]

    def end_all(self, channel: ChannelEntry, why: str, time_ns: int) -> None:
        """End the consumers of a channel that ends."""
        for consumer in channel.consumers.values():
            self._end(consumer, why, time_ns)
        channel.consumers.clear()

    def _add(self, channel: ChannelEntry, consumer: ConsumerEntry, time_ns: int) -> None:
        before = channel.consumers.pop(consumer.tag, None)
        if before is not None:
            self._end(before, "cancelled", time_ns)
        if len(channel.consumers) >= limits.CONSUMERS:
            self.consumers.left_out += 1
            return
        if not self.consumers.add((consumer.connection.tcp.stream, consumer.channel, consumer.tag), consumer):
            return
        channel.consumers[consumer.tag] = consumer
        if consumer.queue is not None:
            queue = self._vhosts.queue(consumer.connection.vhost, consumer.queue, time_ns)
            self._vhosts.is_there(queue)
            queue.consumers += 1

    def _end(self, consumer: ConsumerEntry, why: str, time_ns: int) -> None:
        if consumer.ended is not None:
            return
        consumer.end(why, time_ns)
        self.consumers.free((consumer.connection.tcp.stream, consumer.channel, consumer.tag))
        vhost = consumer.connection.vhost
        queue = None if consumer.queue is None else self._vhosts.queues.get((vhost, consumer.queue))
        if queue is not None:
            queue.consumers -= 1
            # Another consumer may be on a connection that the capture does not hold.
            if queue.auto_delete and not queue.consumers and queue.unseen_consumers == 0 and why != "queue_gone":
                self._vhosts.queue_gone(vhost, queue.name, "auto_delete", time_ns)
