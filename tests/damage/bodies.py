"""Conversations with larger or smaller bodies, in packets of another size.

What bodies are filled up with are arguments and results of the same capture, so that it is JSON of the same kind. The
same body grows to the same in each of its legs, as the broker leaves bodies alone.
"""

import json
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from typing import Any, Final, NamedTuple
from zlib import crc32

from .headers import ACK, SYN, head_of, with_numbers
from .talk import Half, Packet, Talk, segment

FRAME_MAX: Final = 131_072
"""Octets of a frame at most, its 8 around the payload included: what RabbitMQ proposes."""

_METHOD, _HEADER, _BODY = 1, 2, 3
_TRIALS: Final = 3
_ESSENTIAL: Final = ("method", "version", "result", "failure", "ending", "_msg_id", "_reply_q", "_unique_id")
"""What stays of a message that is to be small."""


def sized(talk: Talk, body: int | None, mtu: int | None) -> Talk:
    """Give the same conversations with bodies of ``body`` octets on average, as far as the least that they take
    allows, and with IP packets of at most ``mtu`` octets; None leaves either as it is. The messages' identities are
    not told again."""
    change = _change(talk, body) if body else bytes
    rewritten = [_Rewritten(half.stream, change) for half in talk.halves]
    halves = [half._replace(stream=new.stream, sent=()) for half, new in zip(talk.halves, rewritten, strict=True)]
    made = Talk([], halves)
    for packet in talk.packets:
        made.packets.extend(_packets(made, packet, talk.halves, rewritten, mtu))
    return made


def _change(talk: Talk, average: int) -> Callable[[bytes], bytes]:
    """Give what makes bodies so large on average. As it puts in whole objects, the factor is found by trying."""
    bodies = [found.body for half in talk.halves for found in _contents(half.stream)]
    changed = _Changed(bodies, average * len(bodies) / sum(map(len, bodies)))
    for _ in range(_TRIALS):
        changed.factor *= average * len(bodies) / sum(map(len, map(changed, bodies)))
    return changed


def _packets(
    made: Talk, packet: Packet, old: list[Half], rewritten: list["_Rewritten"], mtu: int | None
) -> Iterator[Packet]:
    """Give the packets that carry what one carried, and acknowledge what it acknowledged."""
    if packet.half < 0 or packet.place is None or packet.flags & SYN:
        yield packet
        return
    place, other = packet.place, packet.half ^ 1
    if packet.flags & ACK:
        acknowledged = old[other].offset(head_of(packet.data, place).acknowledgment)
        number = made.halves[other].sequence(rewritten[other].place(acknowledged))
        packet = packet._replace(data=with_numbers(packet.data, place, acknowledgment=number))
    begin, end = (rewritten[packet.half].place(at) for at in (packet.begin, packet.end))
    if packet.is_bare:
        data = with_numbers(packet.data, place, sequence=made.halves[packet.half].sequence(begin))
        yield packet._replace(data=data, begin=begin, end=begin)
        return
    most = (mtu or 65_535) - (place.payload - place.ip)
    stream = made.halves[packet.half].stream
    for at in range(begin, end, most):
        yield segment(made, packet, at, stream[at : min(at + most, end)])


class _Content(NamedTuple):
    header: int
    """Where its header frame begins in the stream."""
    bodies: list[int]
    """Where its body frames begin."""
    body: bytes


def _frames(stream: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Give begin, end, type and channel of each frame."""
    at = 8 if stream.startswith(b"AMQP") else 0
    while at + 8 <= len(stream):
        kind, channel, size = struct.unpack_from(">BHI", stream, at)
        yield at, at + 8 + size, kind, channel
        at += 8 + size


def _contents(stream: bytes) -> Iterator[_Content]:
    coming: dict[int, tuple[int, int, list[int], bytearray]] = {}
    for begin, end, kind, channel in _frames(stream):
        if kind == _HEADER:
            (size,) = struct.unpack_from(">Q", stream, begin + 11)
            coming[channel] = (begin, size, [], bytearray())
        elif kind == _BODY and channel in coming:
            header, size, bodies, body = coming[channel]
            bodies.append(begin)
            body += stream[begin + 7 : end - 1]
            if len(body) == size:
                del coming[channel]
                yield _Content(header, bodies, bytes(body))


class _Rewritten:
    """A stream with other bodies, and where its old bytes went."""

    def __init__(self, old: bytes, change: Callable[[bytes], bytes]) -> None:
        self._old = [0]
        self._new = [0]
        headers: dict[int, int] = {}
        bodies: dict[int, bytes] = {}
        for content in _contents(old):
            body = change(content.body)
            headers[content.header] = len(body)
            if body != content.body:
                bodies |= dict.fromkeys(content.bodies, b"")
                bodies[content.bodies[0]] = body
        stream = bytearray(old[:8] if old.startswith(b"AMQP") else b"")
        for begin, end, _, channel in _frames(old):
            self._mark(begin, len(stream))
            if begin in headers:
                stream += old[begin : begin + 11] + struct.pack(">Q", headers[begin]) + old[begin + 19 : end]
            elif begin in bodies:
                body = bodies[begin]
                for at in range(0, len(body), FRAME_MAX - 8):
                    piece = body[at : at + FRAME_MAX - 8]
                    stream += struct.pack(">BHI", _BODY, channel, len(piece)) + piece + b"\xce"
            else:
                stream += old[begin:end]
        self._mark(len(old), len(stream))
        self.stream = bytes(stream)

    def _mark(self, old: int, new: int) -> None:
        self._old.append(old)
        self._new.append(new)

    def place(self, old: int) -> int:
        """Say where an offset of the old stream is in the new one; within a frame, in proportion."""
        at = bisect_right(self._old, old) - 1
        if at < 0 or at + 1 == len(self._old):  # before the stream, or the FIN behind it
            return old if at < 0 else self._new[-1] + old - self._old[-1]
        span = self._old[at + 1] - self._old[at]
        return self._new[at] + (old - self._old[at]) * (self._new[at + 1] - self._new[at]) // span


class _Changed:
    """Gives bodies another size, each so many times its own."""

    def __init__(self, bodies: list[bytes], factor: float) -> None:
        self.factor = factor
        inner = [message for message in map(_opened, dict.fromkeys(bodies)) if message is not None]
        found = [some[1].get(name) for some in inner for name in ("args", "result", "payload")]
        self._fillings = [(_size(some), some) for some in found if some and isinstance(some, dict | list)]

    def __call__(self, body: bytes) -> bytes:
        opened = _opened(body)
        if opened is None:
            return body
        outer, inner = opened
        wanted = int(len(body) * self.factor)
        if wanted < len(body):
            args = {"args": {}} if "args" in inner else {}
            return _closed(outer, {name: inner[name] for name in _ESSENTIAL if name in inner} | args)
        objects: list[Any] = []
        room = wanted - len(body)
        first = crc32(body) % len(self._fillings)
        for size, filling in islice(cycle(self._fillings), first, None):
            room -= size
            if room < 0:
                break
            objects.append(filling)
        if not objects:
            return body
        if isinstance(inner.get("args"), dict):
            inner["args"]["objects"] = objects
        elif isinstance(inner.get("payload"), dict):
            inner["payload"]["objects"] = objects
        elif inner.get("failure") is None and "result" in inner:
            inner["result"] = {"value": inner["result"], "objects": objects}
        return _closed(outer, inner)


def _opened(body: bytes) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Give the envelope and the message in it; None where there is none, or it is packed."""
    try:
        outer = json.loads(body)
        inner = json.loads(outer["oslo.message"])
    except (ValueError, KeyError, TypeError):
        return None
    return (outer, inner) if isinstance(inner, dict) else None


def _closed(outer: dict[str, Any], inner: dict[str, Any]) -> bytes:
    return json.dumps(outer | {"oslo.message": json.dumps(inner)}).encode()


def _size(value: Any) -> int:
    """How many octets it takes in the inner JSON, the comma before it included."""
    return len(json.dumps(json.dumps(value)))
