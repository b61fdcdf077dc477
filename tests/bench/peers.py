"""Other programs at the same task, each a process of its own: ``python -m tests.bench.peers NAME FILE`` prints how much
it found."""

import mmap
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

WANTED: Final = "amqp.method.method == 40 || amqp.method.method == 60"
"""Publishes and deliveries, as a display filter of Wireshark."""
BLOCK_BYTES: Final = 8 << 20


def pyshark(path: str) -> int:
    """Read what `tshark` is asked for, by pyshark."""
    import pyshark  # noqa: PLC0415 - each process loads its own

    count = 0
    with pyshark.FileCapture(path, display_filter=WANTED, keep_packets=False) as capture:
        for packet in capture:
            for layer in packet.layers:
                if layer.layer_name == "amqp":
                    count += layer.get_field("method_arguments_routing_key") is not None
                    count += layer.get_field("payload") is not None
    return count


def scapy(path: str) -> int:
    """Dissect packets down to TCP's payload by scapy, which has no AMQP."""
    from scapy.layers.inet import TCP  # noqa: PLC0415
    from scapy.layers.l2 import Ether  # noqa: F401, PLC0415 - the link type's layer
    from scapy.utils import PcapReader  # noqa: PLC0415

    with PcapReader(path) as capture:
        return sum(len(packet[TCP].payload) for packet in capture if TCP in packet)


def floor(path: str) -> int:
    """Read the file in large blocks, and decode both JSON levels of every body; where the bodies are is known."""
    import msgspec  # noqa: PLC0415

    class Envelope(msgspec.Struct, gc=False):
        message: str = msgspec.field(name="oslo.message", default="")

    class Inner(msgspec.Struct, gc=False):
        method: str | None = None
        args: msgspec.Raw = msgspec.Raw()
        unique_id: str | None = msgspec.field(name="_unique_id", default=None)
        msg_id: str | None = msgspec.field(name="_msg_id", default=None)
        reply_q: str | None = msgspec.field(name="_reply_q", default=None)
        request_id: str | None = msgspec.field(name="_context_request_id", default=None)
        result: msgspec.Raw = msgspec.Raw()
        failure: msgspec.Raw = msgspec.Raw()

    envelope, inner = msgspec.json.Decoder(Envelope), msgspec.json.Decoder(Inner)
    block = bytearray(BLOCK_BYTES)
    with Path(path).open("rb", buffering=0) as file:
        while file.readinto(block):
            pass
    count = 0
    with Path(path).with_suffix(".bodies").open("rb") as file:
        octets = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        at = 0
        while at < len(octets):
            (size,) = struct.unpack_from("<I", octets, at)
            at += 4
            with suppress(msgspec.DecodeError):  # some were sent to be no JSON
                inner.decode(envelope.decode(octets[at : at + size]).message)
            at += size
            count += 1
    return count


PEERS: Final[dict[str, Callable[[str], int]]] = {"pyshark": pyshark, "scapy": scapy, "floor": floor}


if __name__ == "__main__":
    print(PEERS[sys.argv[1]](sys.argv[2]))
