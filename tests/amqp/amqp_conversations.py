"""Conversations of a client with a broker, from the greeting on, and what is asked of their events."""

import struct

from amqp_frames import HEARTBEAT, PROTOCOL_HEADER, Wire, content, deliver, method, publish
from pika import spec

from dissector.amqp import Event

SECRET = "s3cret-Ωmega"
CLIENT = {"product": "py-amqp", "connection_name": "nova-compute:7:a", "capabilities": {"basic.nack": True}}
SERVER = {"product": "RabbitMQ", "cluster_name": "rabbit@one", "version": "3.10.8"}


def amqplain(user, password):
    fields = b""
    for name, value in (("LOGIN", user), ("PASSWORD", password)):
        octets = value.encode()
        fields += bytes([len(name)]) + name.encode() + b"S" + struct.pack(">I", len(octets)) + octets
    return fields


def plain(user, password):
    return f"\0{user}\0{password}".encode()


def start_ok(mechanism, response):
    # pika's Connection.StartOk encodes only text
    fields = spec.Connection.StartOk(client_properties=CLIENT, mechanism=mechanism, response="")
    whole = method(0, fields)
    payload = whole[7:-1]
    head, locale = payload[: -len("en_US") - 1 - 4], payload[-len("en_US") - 1 :]
    payload = head + struct.pack(">I", len(response)) + response + locale
    return whole[:3] + struct.pack(">I", len(payload)) + payload + b"\xce"


def opened(mechanism="AMQPLAIN", response=None):
    """A connection with an open channel 1."""
    wire = Wire()
    events = wire.client(PROTOCOL_HEADER)
    events += wire.broker(method(0, spec.Connection.Start(0, 9, SERVER, "PLAIN AMQPLAIN", "en_US")))
    response = amqplain("nova", SECRET) if response is None else response
    events += wire.client(start_ok(mechanism, response))
    events += wire.broker(method(0, spec.Connection.Tune(2047, 131072, 60)))
    events += wire.client(method(0, spec.Connection.TuneOk(2047, 131072, 30)))
    events += wire.client(method(0, spec.Connection.Open(virtual_host="/cloud")))
    events += wire.broker(method(0, spec.Connection.OpenOk()))
    events += wire.client(method(1, spec.Channel.Open())) + wire.broker(method(1, spec.Channel.OpenOk()))
    return wire, events


def middle():
    """A connection that the capture finds in the middle: both directions are in step."""
    wire = Wire(at_start=False)
    wire.client(HEARTBEAT, HEARTBEAT, HEARTBEAT)
    wire.broker(HEARTBEAT, HEARTBEAT, HEARTBEAT)
    wire.client(HEARTBEAT)
    return wire


def consume(wire, queue, tag, *, channel=1, nowait=False, answer=None, no_ack=False):
    fields = spec.Basic.Consume(queue=queue, consumer_tag=tag, nowait=nowait, no_ack=no_ack)
    events = wire.client(method(channel, fields))
    return events + (wire.broker(method(channel, spec.Basic.ConsumeOk(answer))) if answer else [])


def queue_of(wire, tag="t", *, channel=1, delivery_tag=1):
    (message,) = wire.broker(*deliver(channel, b"x", tag=tag, delivery_tag=delivery_tag))
    return message.queue


def get_ok(delivery_tag):
    return content(1, spec.Basic.GetOk(delivery_tag, False, "x", "k", 0), b"x")


def settled(events):
    return [event.settled for event in events if isinstance(event, Event)]


def confirming(wire):
    wire.client(*publish(1, b"before"))
    wire.client(method(1, spec.Confirm.Select()))
    wire.broker(method(1, spec.Confirm.SelectOk()))
    for octets in (b"one", b"two", b"three"):
        wire.client(*publish(1, octets))
