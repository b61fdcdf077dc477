"""``python -m tests.live.latency INTERFACE MESSAGES``: sends messages on a wire, one by one, and says when.

A client's side of one connection, made by hand: its SYN, the greeting, then a publish in two segments every 20 to 80
ms. Lines on standard output are a message's number and the nanoseconds since the epoch, read just before its last
segment is sent.
"""

import json
import random
import socket
import struct
import sys
import time
from typing import Final

import pika.frame
from pika import BasicProperties, spec

_GREETING: Final = b"AMQP\x00\x00\x09\x01"
_ACK, _SYN, _PUSH = 0x10, 0x02, 0x08
_CLIENT: Final = (b"\x0a\x63\0\x02", 40000)
_BROKER: Final = (b"\x0a\x63\0\x01", 5672)


class _Client:
    """One end of a TCP connection, without a stack: nobody answers, nothing is lost."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        self._sequence = 1000
        self._segment(b"", _SYN)
        self._sequence += 1
        self.send(_GREETING)

    def send(self, data: bytes) -> None:
        """Send a segment."""
        self._segment(data, _ACK | _PUSH)
        self._sequence += len(data)

    def _segment(self, data: bytes, flags: int) -> None:
        (source, source_port), (target, target_port) = _CLIENT, _BROKER
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(data), 0, 0, 64, 6, 0, source, target)
        tcp = struct.pack(">HHIIBBHHH", source_port, target_port, self._sequence, 1, 0x50, flags, 65535, 0, 0)
        self._wire.send(b"\2" * 12 + b"\x08\0" + ip + tcp + data)


def publish(number: int) -> bytes:
    """The frames of a cast."""
    inner = {"method": "report_state", "args": {"number": number, "more": "x" * 900}, "_unique_id": f"{number:032x}"}
    body = json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(inner)}).encode()
    frames = (
        pika.frame.Method(1, spec.Basic.Publish(exchange="neutron", routing_key="q-plugin")),
        pika.frame.Header(1, len(body), BasicProperties(content_type="application/json")),
        pika.frame.Body(1, body),
    )
    return b"".join(frame.marshal() for frame in frames)


def main(interface: str, messages: str) -> None:
    """Send so many."""
    random.seed(7)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((interface, 0))
        client = _Client(wire)
        for number in range(int(messages)):
            time.sleep(random.uniform(0.02, 0.08))
            data = publish(number)
            client.send(data[:500])
            gone = time.time_ns()
            client.send(data[500:])
            print(number, gone, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
