"""What osloshark gets back of a damaged capture, against what is intact in it."""

import struct
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from dissector.amqp import AmqpEvent, Message
from dissector.net import Malformed
from dissector.reading import Reading

from .sent import Identity, around_of, identity_of
from .talk import Packet, Talk

_PCAP_NANOSECONDS = 0xA1B23C4D


class Verdict(NamedTuple):
    """How well a damaged capture was read."""

    intact: int
    recovered: int
    missing: Counter[Identity]
    """What is intact and did not come out."""
    invented: Counter[Identity]
    """What came out and was never sent, or more often than it was."""
    damaged: int
    """Messages that are not intact, but whose whole method frame is in the capture."""
    told: int
    """How many of them were told with what their method says."""
    mistaken: Counter[Identity]
    """What came out with a virtual host, user, connection name, node or queue that is not its own."""


def write(path: Path, packets: Iterable[Packet]) -> None:
    """Write a pcap with nanoseconds. All packets have one link type."""
    packets = list(packets)
    kind = packets[0].link_type if packets else 1
    pieces = [struct.pack("<IHHIIII", _PCAP_NANOSECONDS, 2, 4, 0, 0, 1 << 18, kind)]
    for packet in packets:
        assert packet.link_type == kind
        seconds, rest = divmod(packet.time_ns, 10**9)
        pieces += (struct.pack("<IIII", seconds, rest, len(packet.data), packet.original), packet.data)
    path.write_bytes(b"".join(pieces))


def decode(path: Path) -> list[AmqpEvent]:
    """Read a capture as osloshark's commands do."""
    reading = Reading([path])
    try:
        return list(reading)
    finally:
        reading.close()


def judge(talk: Talk, events: Iterable[AmqpEvent]) -> Verdict:
    """Compare what came out with what was sent, by content alone."""
    around: dict[Identity, list[tuple[str | None, ...]]] = defaultdict(list)
    for half in talk.halves:
        for sent in half.sent:
            around[sent.identity].append(sent.around)
    found: Counter[Identity] = Counter()
    mistaken: Counter[Identity] = Counter()
    told: Counter[tuple[str, str, bool, str]] = Counter()
    for event in events:
        if isinstance(event, Message):
            identity = identity_of(event)
            found[identity] += 1
            if identity in around and not any(_agrees(around_of(event), true) for true in around[identity]):
                mistaken[identity] += 1
        elif isinstance(event, Malformed):
            tcp = event.connection
            _, exchange, known = event.reason.partition("exchange ")
            told[str(tcp.client), str(tcp.broker), event.from_client, (exchange + known).partition(":")[0]] += 1
    whole, broken = talk.split()
    intact = Counter(sent.identity for sent in whole)
    expected = Counter((*sent.identity[:3], sent.known.partition(":")[0]) for sent in broken)
    recovered = intact & found
    return Verdict(
        intact.total(),
        recovered.total(),
        intact - found,
        found - talk.sent(),
        expected.total(),
        (expected & told).total(),
        mistaken,
    )


def _agrees(found: tuple[str | None, ...], true: tuple[str | None, ...]) -> bool:
    return all(some is None or some == other for some, other in zip(found, true, strict=True))
