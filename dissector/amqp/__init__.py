"""Byte streams in; AMQP 0-9-1 messages, events and broken bytes out."""

from dissector.amqp.counts import AmqpCounts
from dissector.amqp.dissection import Dissection
from dissector.amqp.events import FROM_QUEUE, AmqpConnection, AmqpEvent, Event, Message, sample

__all__ = ["FROM_QUEUE", "AmqpConnection", "AmqpCounts", "AmqpEvent", "Dissection", "Event", "Message", "sample"]
