"""Real conversations made ready to be repeated without end by other clients, with other ids.

A connection's packets fall into three parts: its opening, up to the first that carries a message; the steady part;
its closing, which is left out. All parts begin and end between frames, so the steady part can be repeated for ever,
sequence numbers and delivery tags going on.
"""

import re
import struct
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tests.lab import truth

from .bodies import sized
from .headers import ACK, FIN, RST
from .talk import Packet, Talk, connections, read

Octets = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

RECORD_HEADER_BYTES: Final = 16
"""What stands before a packet in a pcap file."""
ID_DIGITS: Final = 8
"""How many of an id's last digits are changed."""

_IDS: Final = re.compile(
    rb"(?P<name>reply_|_fanout_)?(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![0-9a-f])"
)
_MESSAGE_IDS: Final = re.compile(rb'_(?:msg|unique)_id\\\\?": \\\\?"([0-9a-f]{32})')
_BASIC, _PUBLISH, _DELIVER, _GET_OK = 60, 40, 60, 71
_ACKS: Final = (80, 90, 120)
_CLOSING: Final = ((10, 50), (20, 40), (60, 30))
"""connection.close, channel.close, basic.cancel."""


class Said(NamedTuple):
    """How a capture's conversations are said; None is as they are."""

    body: int | None = None
    """Octets of a body on average."""
    mtu: int | None = None
    """Octets of an IP packet at most."""
    most: int | None = None
    """Connections at most: those of the largest groups that talk with each other are taken, as many as fit."""
    open_each: int | None = None
    """Every so manyth connection was opened before the capture begins; None is none."""


class Tag(NamedTuple):
    """A delivery tag in a packet."""

    places: Places
    """Where its octets are in the record; fewer than eight where it goes on in another packet."""
    octets: slice
    """Which of its eight these are."""
    value: int
    each: int
    """By how much it grows with each repetition."""


class Record(NamedTuple):
    """A packet as it stands in a pcap file, and what changes in it."""

    octets: Octets
    time_ns: int
    """Since the begin of its part of the capture."""
    half: int
    sequence_at: int
    sequence: int
    acknowledgment: int | None
    """None where it has none. It stands behind the sequence number."""
    addresses: Places
    """Where the second and third octet of both IPv4 addresses are."""
    own_ids: Places
    """Digits of ids that stay the same as long as the connection lives: queues, consumers."""
    own_digits: Places
    """Which of an id's changed digits these are."""
    new_ids: Places
    """Digits of ids that are new with each repetition."""
    new_digits: Places
    tags: tuple[Tag, ...]


class Template(NamedTuple):
    """What a capture's connections say, ready to be repeated."""

    opening: list[Record]
    steady: list[Record]
    opening_ns: int
    """How long the opening takes."""
    steady_ns: int
    advance: Places
    """Octets of each direction in the steady part."""
    connections: int

    @property
    def octets(self) -> int:
        """Octets of all records."""
        return sum(len(record.octets) for record in (*self.opening, *self.steady))


class _Frame(NamedTuple):
    begin: int
    end: int
    channel: int
    method: tuple[int, int] | None


def _frames(stream: bytes) -> Iterator[_Frame]:
    at = 8 if stream.startswith(b"AMQP") else 0
    while at + 8 <= len(stream):
        kind, channel, size = struct.unpack_from(">BHI", stream, at)
        yield _Frame(at, at + 8 + size, channel, struct.unpack_from(">HH", stream, at + 7) if kind == 1 else None)
        at += 8 + size


AS_CAPTURED: Final = Said()


@cache
def template(capture: str, said: Said = AS_CAPTURED) -> Template:
    """Make a shipped capture of Ethernet and IPv4 ready."""
    talk = read(truth.captures()[capture])
    if said.body or said.mtu:
        talk = sized(talk, said.body, said.mtu)
    frames = [list(_frames(half.stream)) for half in talk.halves]
    opening: list[int] = []
    steady: list[int] = []
    begins = np.zeros(len(talk.halves), np.int64)
    ends = np.zeros(len(talk.halves), np.int64)
    known = connections(talk)
    chosen = _chosen(talk, said.most) if said.most else list(known)
    for number, connection in enumerate(chosen):
        members = known[connection]
        first, last = _parts([talk.packets[at] for at in members], frames)
        if not said.open_each or number % said.open_each:
            opening += members[:first]
        steady += members[first:last]
        for half in (2 * connection, 2 * connection + 1):
            for part, edge in ((members[:first], begins), (members[:last], ends)):
                edge[half] = max((talk.packets[at].end for at in part if talk.packets[at].half == half), default=0)
                assert edge[half] in {0, 8, *(frame.end for frame in frames[half])}, "it ends inside a frame"
    make = _Maker(talk, frames, begins, ends)
    opening_records, opening_ns = make.part(opening)
    steady_records, steady_ns = make.part(steady)
    return Template(opening_records, steady_records, opening_ns, steady_ns, ends - begins, len(chosen))


def _chosen(talk: Talk, most: int) -> list[int]:
    """Choose connections that talk with each other: messages that one sends and another gets have an id in common."""
    groups: list[set[int]] = []
    """Connections of which no message comes from another group's."""
    seen: list[set[bytes]] = []
    for connection in connections(talk):
        both = talk.halves[2 * connection : 2 * connection + 2]
        found = {match[1] for half in both for match in _MESSAGE_IDS.finditer(half.stream)}
        group = {connection}
        for at in reversed([at for at, some in enumerate(seen) if not found.isdisjoint(some)]):
            group |= groups.pop(at)
            found |= seen.pop(at)
        groups.append(group)
        seen.append(found)
    chosen: list[int] = []
    for group in sorted((group for group, found in zip(groups, seen, strict=True) if found), key=len, reverse=True):
        if len(chosen) + len(group) <= most:
            chosen += group
    assert chosen, f"no conversation has as few as {most} connections"
    return sorted(chosen)


def _parts(members: list[Packet], frames: list[list[_Frame]]) -> tuple[int, int]:
    """Find the first packet of a connection that carries a message, and the first one that closes it."""
    content = {(_BASIC, some) for some in (_PUBLISH, 50, _DELIVER, _GET_OK)}
    first = len(members)
    for at, packet in enumerate(members):
        there = {f.method for f in frames[packet.half] if packet.begin < f.end and f.begin < packet.end}
        if packet.flags & (FIN | RST) or not there.isdisjoint(_CLOSING):
            return min(first, at), at
        if not there.isdisjoint(content):
            first = min(first, at)
    return first, len(members)


class _Maker:
    def __init__(self, talk: Talk, frames: list[list[_Frame]], begins: Places, ends: Places) -> None:
        self.talk = talk
        self.ids = [list(_IDS.finditer(half.stream)) for half in talk.halves]
        self.own = {
            match[0][-32:]
            for half, matches in enumerate(self.ids)
            for match in matches
            if match["name"] or match.start() < begins[half]
        }
        self.tags: list[list[tuple[int, int, int]]] = []
        """Of each direction: where a tag is, its value, and by how much it grows."""
        counts = [self._counts(frames[half], begins[half], ends[half]) for half in range(len(frames))]
        for half, some in enumerate(frames):
            stream = talk.halves[half].stream
            self.tags.append([])
            for frame in some:
                if (at := _tag_at(stream, frame)) is None:
                    continue
                (value,) = struct.unpack_from(">Q", stream, at)
                of = half if frame.method in ((_BASIC, _DELIVER), (_BASIC, _GET_OK)) else half ^ 1
                self.tags[half].append((at, value, counts[of][frame.channel] if value else 0))

    @staticmethod
    def _counts(frames: list[_Frame], begin: int, end: int) -> Counter[int]:
        """Count what gets a tag of its own, by channel, in the steady part of a direction."""
        tagged = {(_BASIC, some) for some in (_PUBLISH, _DELIVER, _GET_OK)}
        return Counter(f.channel for f in frames if f.method in tagged and begin <= f.begin < end)

    def part(self, indices: list[int]) -> tuple[list[Record], int]:
        """Make the records of a part, in the order of the capture, and say how long it takes."""
        packets = [self.talk.packets[at] for at in sorted(indices)]
        if not packets:
            return [], 0
        start = packets[0].time_ns
        return [self._record(packet, packet.time_ns - start) for packet in packets], packets[-1].time_ns - start

    def _record(self, packet: Packet, time_ns: int) -> Record:
        place = packet.place
        assert place is not None
        assert packet.data[place.ip] >> 4 == 4
        header = struct.pack("<IIII", 0, 0, len(packet.data), len(packet.data))
        payload = RECORD_HEADER_BYTES + place.payload - packet.begin
        digits: dict[bool, list[tuple[int, int]]] = defaultdict(list)
        for match in self.ids[packet.half]:
            is_own = match[0][-32:] in self.own
            for digit, at in enumerate(range(match.end() - ID_DIGITS, match.end())):
                if packet.begin <= at < packet.end:
                    digits[is_own].append((payload + at, digit))
        tags = []
        for at, value, each in self.tags[packet.half]:
            there = range(max(at, packet.begin), min(at + 8, packet.end))
            if there and each:
                octets = slice(there.start - at, there.stop - at)
                tags.append(Tag(np.array(there, np.int64) + payload, octets, value, each))
        ip, tcp = RECORD_HEADER_BYTES + place.ip, RECORD_HEADER_BYTES + place.tcp
        return Record(
            np.frombuffer(header + packet.data, np.uint8),
            time_ns,
            packet.half,
            tcp + 4,
            int.from_bytes(packet.data[place.tcp + 4 : place.tcp + 8], "big"),
            int.from_bytes(packet.data[place.tcp + 8 : place.tcp + 12], "big") if packet.flags & ACK else None,
            np.array([ip + 13, ip + 14, ip + 17, ip + 18], np.int64),
            *(
                np.array([row[column] for row in digits[is_own]], np.int64)
                for is_own in (True, False)
                for column in (0, 1)
            ),
            tuple(tags),
        )


def _tag_at(stream: bytes, frame: _Frame) -> int | None:
    """Find the delivery tag of a method frame; None where it has none."""
    if frame.method is None or frame.method[0] != _BASIC:
        return None
    arguments = frame.begin + 11
    match frame.method[1]:
        case 60:  # deliver: behind the consumer tag
            return arguments + 1 + stream[arguments]
        case 71 | 80 | 90 | 120:  # get-ok, ack, reject, nack
            return arguments
        case _:
            return None
