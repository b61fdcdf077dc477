"""What the undamaged streams say: each message, and the bytes of its stream that are its frames.

The frames are walked by their sizes alone, which needs no decoder where nothing is missing.
"""

import hashlib
import struct
from typing import Final, NamedTuple

from dissector.amqp import Message

Identity = tuple[str, str, bool, str, int, str, str, str]
"""What a message is, whatever capture it is read from: client, broker, whether from the client, leg, channel, the
method with all its arguments (so with the delivery tag), the properties, and the body's digest."""

_BASIC: Final = 60
_CONTENT_METHODS: Final = {40: "publish", 50: "return", 60: "deliver", 71: "get"}
_METHOD, _HEADER, _BODY = 1, 2, 3

Range = tuple[int, int]
"""Offsets of the first byte in a stream and of the one after the last."""


class Frames(NamedTuple):
    """The frames of one message in a stream."""

    leg: str
    channel: int
    ranges: tuple[Range, ...]
    """Where they are; frames of other channels may be between."""
    method: Range
    """Where the method frame is."""
    body: bytes


class Sent(NamedTuple):
    """A message that was sent."""

    identity: Identity
    ranges: tuple[Range, ...]
    method: Range
    known: str
    """What its method says, as the one who tells of a damaged message says it."""
    around: tuple[str | None, ...]
    """What the connection lets one know of it (`around_of`)."""


def identity_of(message: Message) -> Identity:
    """Say what a message is; equal for equal messages only."""
    tcp = message.connection.tcp
    return (
        str(tcp.client),
        str(tcp.broker),
        message.from_client,
        message.leg,
        message.channel,
        repr(message.method),
        repr(message.properties),
        hashlib.sha256(message.body).hexdigest(),
    )


def around_of(message: Message) -> tuple[str | None, ...]:
    """Say what is known of a message from elsewhere on its connection; None is what is not known."""
    connection = message.connection
    return (connection.vhost, connection.user, connection.name, connection.node, message.queue)


def known_of(message: Message) -> str:
    """Say what a message's method frame tells of where it goes."""
    return f"exchange {message.method.exchange!r}, routing key {message.method.routing_key!r}"


def frames_of(stream: bytes) -> list[Frames]:
    """Find the messages in a whole stream, in the order in which they become complete."""
    found: list[Frames] = []
    coming: dict[int, _Coming] = {}
    at = 8 if stream.startswith(b"AMQP") else 0
    while at + 8 <= len(stream):
        kind, channel, size = struct.unpack_from(">BHI", stream, at)
        start, end = at + 7, at + 7 + size + 1
        if end > len(stream):
            break
        assert stream[end - 1] == 0xCE
        if kind == _METHOD:
            coming.pop(channel, None)
            class_id, method_id = struct.unpack_from(">HH", stream, start)
            if class_id == _BASIC and method_id in _CONTENT_METHODS:
                coming[channel] = _Coming(_CONTENT_METHODS[method_id], (at, end))
        elif kind in (_HEADER, _BODY):
            content = coming[channel]
            content.add(at, end)
            if kind == _HEADER:
                (content.size,) = struct.unpack_from(">Q", stream, start + 4)
            else:
                content.body += stream[start : end - 1]
            if len(content.body) == content.size:
                del coming[channel]
                ranges = tuple(content.ranges)
                found.append(Frames(content.leg, channel, ranges, content.method, bytes(content.body)))
        at = end
    return found


class _Coming:
    def __init__(self, leg: str, method: Range) -> None:
        self.leg = leg
        self.method = method
        self.ranges = [method]
        self.size = -1
        self.body = bytearray()

    def add(self, begin: int, end: int) -> None:
        if self.ranges[-1][1] == begin:
            begin = self.ranges.pop()[0]
        self.ranges.append((begin, end))
