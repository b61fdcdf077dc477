"""Captures of conversations that are broken on purpose, many in one file."""

import random
import struct
from pathlib import Path

from pika import BasicProperties, spec

from ..amqp.amqp_frames import HEARTBEAT, PROTOCOL_HEADER, body, deliver, header, method, publish
from ..fuzz import shapes
from ..lab import truth
from ..net.packets import ACK, FIN, RST, SYN, segment

SIZES = (0, 1, 8, 100, 3000, 20_000)
FILE_HEADER = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101)


class Writer:
    """Collects packets; cuts some at a snap length."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.records: list[bytes] = []

    def add(self, packet: bytes) -> None:
        kept = packet[: self._dice.choice((40, 60, 96, 200))] if self._dice.random() < 0.01 else packet
        number = len(self.records)
        self.records.append(struct.pack("<IIII", number // 100, number % 100, len(kept), len(packet)) + kept)

    def write(self, path: Path) -> Path:
        path.write_bytes(FILE_HEADER + b"".join(self.records))
        return path


def _body(dice: random.Random) -> bytes:
    kind = dice.randrange(6)
    if kind == 0:
        return dice.randbytes(dice.choice(SIZES))
    if kind == 1:
        return dice.choice(list(shapes.JSON.values()))(dice.choice(SIZES))
    if kind == 2:
        return shapes.enveloped(dice.choice(list(shapes.JSON.values()))(dice.choice(SIZES)))
    real = bytearray(dice.choice(truth.load("verdicts")).body)
    for _ in range(dice.randrange(4) if kind == 3 else 0):
        real[dice.randrange(len(real))] = dice.randrange(256)
    return bytes(real[: dice.randrange(1, len(real))]) if kind == 4 else bytes(real)


def _table(dice: random.Random) -> bytes:
    """A queue.declare with a wild field table."""
    items = b"".join(
        bytes([2])
        + dice.randbytes(2)
        + dice.choice((b"S\0\0\0\2ab", b"I\0\0\0\1", b"F\0\0\0\0", b"A\0\0\0\5", b"D\3\0\0\1\2", b"f\x7f\x80\0\0"))
        for _ in range(dice.randrange(5))
    )
    octets = method(1, spec.Queue.Declare(queue="q"))
    payload = octets[7:-5] + struct.pack(">I", len(items) + dice.choice((0, 0, 1, 1 << 31))) + items
    return octets[:3] + struct.pack(">I", len(payload)) + payload + b"\xce"


def _frames(dice: random.Random) -> bytes:
    text = _body(dice)
    headers = dice.choice(({}, {"compression": "application/x-gzip"}, {"compression": 5}, {"a": {"password": "x"}}))
    properties = BasicProperties(
        content_type="application/json", headers=headers, expiration=dice.choice(("1", "-", "9" * 30))
    )
    choices = (
        lambda: b"".join(publish(1, text, pieces=dice.randrange(1, 4), properties=properties)),
        lambda: b"".join(deliver(1, text, delivery_tag=dice.randrange(3), pieces=dice.randrange(1, 3))),
        lambda: method(1, spec.Basic.Ack(dice.choice((0, 1, 2**63 - 1)), multiple=dice.random() < 0.5)),
        lambda: method(1, spec.Basic.Consume(queue=dice.choice(("", "reply_q")), consumer_tag="t")),
        lambda: method(
            0, spec.Connection.StartOk({"connection_name": dice.choice(("a:1:u", "\0", 5))}, "PLAIN", "\0u\0p", "")
        ),
        lambda: _table(dice),
        lambda: header(1, dice.choice((0, 5, 2**40))) + body(1, text[:1000]),
        lambda: HEARTBEAT,
        lambda: dice.randbytes(dice.randrange(60)),
        lambda: struct.pack(">BHI", dice.choice((1, 2, 3, 8)), 1, dice.choice((0, 3, 1 << 20, 2**32 - 1))),
    )
    octets = bytearray(dice.choice(choices)())
    if dice.random() < 0.15 and octets:
        octets[dice.randrange(len(octets))] = dice.randrange(256)
    return bytes(octets)


def conversations(seed: int, count: int) -> Writer:
    """Make ``count`` broken conversations, each from another client."""
    dice = random.Random(seed)
    writer = Writer(dice)
    for index in range(count):
        client = ("10.0.0.1" if index % 7 else "fd00::1", 20_000 + index)
        broker = ("10.0.0.2" if index % 7 else "fd00::2", 5672)
        at = {True: dice.randrange(2**32), False: dice.randrange(2**32)}

        def send(from_client, octets=b"", *, flags=ACK, client=client, broker=broker, at=at):
            acknowledgment = at[not from_client] + dice.choice((0, 0, 0, 100))
            packet = segment(
                from_client, at[from_client], octets, client=client, broker=broker, ack=acknowledgment, flags=flags
            )
            at[from_client] += len(octets)
            if dice.random() > 0.03:
                writer.add(packet)
            if dice.random() < 0.02:
                writer.add(packet)

        if dice.random() < 0.8:
            for from_client, flags in ((True, SYN), (False, SYN | ACK)):
                send(from_client, flags=flags)
                at[from_client] += 1
            send(True, PROTOCOL_HEADER)
        for _ in range(dice.randrange(1, 25)):
            from_client, octets = dice.random() < 0.6, _frames(dice)
            step = dice.choice((1400, 1400, 1400, 200))
            for begin in range(0, len(octets), step):
                send(from_client, octets[begin : begin + step])
            if dice.random() < 0.03:
                at[from_client] += dice.choice((-50, 1, 5000, 1 << 30))
        if dice.random() < 0.5:
            send(dice.random() < 0.5, flags=dice.choice((FIN | ACK, RST, RST | ACK)))
    return writer
