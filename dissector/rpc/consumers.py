"""Consumers: who takes messages from which queue."""

from typing import Any

import msgspec

from dissector.amqp import AmqpConnection
from dissector.rpc.records import ConsumerRecord, EndRecord
from dissector.rpc.traffic import Traffic, seconds_or_none


class ConsumerEntry(msgspec.Struct):
    """What is known of a consumer."""

    connection: AmqpConnection
    channel: int
    tag: str
    queue: str | None = None
    how: str = "inferred"
    no_ack: bool | None = None
    exclusive: bool | None = None
    arguments: dict[str, Any] | None = None
    ended: str | None = None
    started_ns: int = 0
    ended_ns: int = 0
    last_ns: int = 0
    deliver: Traffic = msgspec.field(default_factory=Traffic)
    redelivered: int = 0

    def end(self, why: str, time_ns: int) -> None:
        """Note why and when it ended; the first reason counts."""
        if self.ended is None:
            self.ended, self.ended_ns = why, time_ns

    def record(self, duration_s: float) -> ConsumerRecord:
        """Give its record."""
        client = self.connection.tcp.client
        return ConsumerRecord(
            stream=self.connection.tcp.stream,
            vhost=self.connection.vhost,
            process=self.connection.process,
            client=EndRecord(client.ip, client.port),
            channel=self.channel,
            tag=self.tag,
            how=self.how,
            queue=self.queue,
            no_ack=self.no_ack,
            exclusive=self.exclusive,
            arguments=self.arguments,
            active=self.ended is None,
            ended=self.ended,
            started_time=seconds_or_none(self.started_ns),
            ended_time=seconds_or_none(self.ended_ns),
            deliver=self.deliver.record(duration_s),
            redelivered=self.redelivered,
            last_time=seconds_or_none(self.last_ns),
        )
