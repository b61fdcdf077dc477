"""Packets built by hand, byte for byte, and what is compared of the streams in them."""

import struct
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from dissector.capture import PacketBatch
from dissector.net import Malformed, StreamData, StreamEnd, StreamEvent, StreamGap, Streams

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
RAW, ETHERNET = 101, 1
SECOND = 10**9

CLIENT, BROKER = ("10.0.0.1", 40000), ("10.0.0.2", 5672)
CLIENT_6, BROKER_6 = ("fd00::1", 40000), ("fd00::2", 5672)


class Packet(NamedTuple):
    data: bytes
    time_ns: int = 0
    original: int | None = None
    link_type: int = RAW


def tcp(source_port, destination_port, sequence, data=b"", *, ack=0, flags=ACK, options=b""):
    options += bytes(-len(options) % 4)
    offset = (20 + len(options)) // 4 << 4
    header = (source_port, destination_port, sequence % 2**32, ack % 2**32, offset, flags, 65535, 0, 0)
    return struct.pack(">HHIIBBHHH", *header) + options + data


def ipv4(source, destination, payload, *, protocol=6, options=b"", fragment=0, length=None):
    options += bytes(-len(options) % 4)
    header = 20 + len(options)
    length = header + len(payload) if length is None else length
    fixed = struct.pack(">BBHHHBBH", 0x40 | header // 4, 0, length, 7, fragment, 64, protocol, 0)
    return fixed + ip_address(source).packed + ip_address(destination).packed + options + payload


def ipv6(source, destination, payload, *, extensions: Sequence[tuple[int, bytes]] = (), protocol=6, length=None):
    """``extensions``: kind and bytes of each extension header; their first byte is filled in."""
    kinds = [kind for kind, _ in extensions] + [protocol]
    between = b"".join(bytes([kinds[i + 1]]) + body[1:] for i, (_, body) in enumerate(extensions))
    length = len(between) + len(payload) if length is None else length
    fixed = struct.pack(">IHBB", 6 << 28, length, kinds[0], 64)
    return fixed + ip_address(source).packed + ip_address(destination).packed + between + payload


def ethernet(payload, kind=None, *, tags=()):
    """An Ethernet II frame; ``tags``: EtherType of each VLAN tag."""
    kind = (0x86DD if payload[0] >> 4 == 6 else 0x0800) if kind is None else kind
    kinds = [*tags, kind]
    return bytes(12) + struct.pack(">H", kinds[0]) + b"".join(struct.pack(">HH", 5, k) for k in kinds[1:]) + payload


def segment(from_client, sequence, data=b"", *, client=CLIENT, broker=BROKER, **more):
    """A TCP segment of a conversation as a raw IP packet."""
    source, destination = (client, broker) if from_client else (broker, client)
    ip = ipv6 if ":" in source[0] else ipv4
    return ip(source[0], destination[0], tcp(source[1], destination[1], sequence, data, **more))


def batch(packets: Iterable[Packet | bytes], first_number=1) -> PacketBatch:
    """Put packets into one batch, with bytes between them that are nobody's."""
    packets = [packet if isinstance(packet, Packet) else Packet(packet) for packet in packets]
    buffer, start = b"\x45", []
    for packet in packets:
        start.append(len(buffer))
        buffer += packet.data + b"\xce\x45"
    captured = [len(packet.data) for packet in packets]
    return PacketBatch(
        buffer[:-2] if packets else b"",
        np.array(start, np.int64),
        np.array(captured, np.int64),
        np.array([len(p.data) if p.original is None else p.original for p in packets], np.int64),
        np.array([packet.time_ns for packet in packets], np.int64),
        np.array([packet.link_type for packet in packets], np.uint16),
        first_number,
    )


def batches(packets, cuts: Iterable[int] = (), first_number=1) -> list[PacketBatch]:
    """Cut packets into batches at the given places (taken modulo their number); () is one batch."""
    places = sorted({0, len(packets), *(cut % (len(packets) + 1) for cut in cuts)})
    return [batch(packets[begin:end], begin + first_number) for begin, end in pairwise(places)]


def single(packets, first_number=1):
    """Cut packets into batches of one."""
    return batches(packets, range(len(packets)), first_number)


def opened(cut, packets):
    """Cut packets into batches, after the SYN of a client whose first byte has sequence number 1: it is packet 0.
    Packets that begin with a SYN have theirs already.
    """
    first = packets[0] if isinstance(packets[0], Packet) else Packet(packets[0])
    if first.data[33] & SYN:
        return cut(packets)
    return cut([first._replace(data=segment(True, 0, flags=SYN), original=None), *packets], first_number=0)


def events_of(packet_batches, *, ports=(5672,), is_live=False) -> list[StreamEvent]:
    streams = Streams(ports, is_live=is_live)
    events: list[StreamEvent] = []
    for some in packet_batches:
        events += streams.feed(some)
    return events + list(streams.finish())


def joined(events: Iterable[StreamEvent]):
    """What each direction says, by (stream, from_client): bytes joined up to what interrupts them."""
    directions: dict[tuple[int, bool], list] = {}
    for event in events:
        said = directions.setdefault((event.connection.stream, event.from_client), [])
        if isinstance(event, StreamData):
            assert event.ends[-1] == len(event.data)
            assert all(begin < end for begin, end in pairwise([0, *event.ends]))
            assert len(event.ends) == len(event.numbers) == len(event.completed) == len(event.times_ns)
            assert event.completed == sorted(event.completed)
            assert all(carrier <= known for carrier, known in zip(event.numbers, event.completed, strict=True))
            if said and isinstance(said[-1], bytes):
                assert not event.at_start
                said[-1] += event.data
            else:
                said.append(event.data)
        elif isinstance(event, StreamGap):
            said.append(("gap", event.size, event.number))
        elif isinstance(event, StreamEnd):
            said.append(("end", event.reason, event.number))
        elif isinstance(event, Malformed):
            said.append(("differs", event.number))
    return directions


def one(events, *, from_client=True, stream=0):
    """What one direction says, without its end."""
    said = joined(events).get((stream, from_client), [])
    return said[:-1] if said and said[-1][0] == "end" else said


def provenance(events, *, from_client=True):
    """Each byte of a direction as (byte, packet that carries it, packet with which it became readable)."""
    rows = []
    for event in events:
        if isinstance(event, StreamData) and event.from_client is from_client:
            at = 0
            for end, number, completed in zip(event.ends, event.numbers, event.completed, strict=True):
                rows += [(byte, number, completed) for byte in event.data[at:end]]
                at = end
    return rows
