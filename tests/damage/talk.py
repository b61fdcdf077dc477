"""A capture whose every packet knows which bytes of which stream it carries: so what is intact follows from it."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import NamedTuple

from dissector.amqp import Dissection, Message
from dissector.capture import open_capture
from dissector.net import Malformed, Streams
from tests.net.packets import Packet as Captured
from tests.net.packets import batches

from .headers import ACK, PSH, SYN, Place, find, head_of, with_numbers, with_payload
from .sent import Identity, Range, Sent, around_of, frames_of, identity_of, known_of

End = tuple[str, int]
"""Address and port."""


class Packet(NamedTuple):
    """A captured packet and what is true of it."""

    data: bytes
    time_ns: int
    original: int
    """Its length on the wire."""
    link_type: int
    place: Place | None = None
    """Its headers; None where it is no TCP segment."""
    half: int = -1
    """Index of its direction in `Talk.halves`; -1 where it is of none."""
    begin: int = 0
    """Offset in that stream of its first byte that was truly sent; of the next one where it has none."""
    end: int = 0
    """Offset after the last of these that is in the capture."""

    @property
    def flags(self) -> int:
        """TCP's flags; 0 where it is no TCP segment."""
        return self.data[self.place.tcp + 13] if self.place else 0

    @property
    def is_bare(self) -> bool:
        """Whether it is a TCP segment that carries no byte."""
        return self.place is not None and self.place.payload == self.place.end


class Half(NamedTuple):
    """One direction of a connection."""

    client: End
    broker: End
    from_client: bool
    initial: int
    """The SYN's sequence number."""
    stream: bytes
    """All that was sent."""
    sent: tuple[Sent, ...]
    """The messages in it."""

    def sequence(self, offset: int) -> int:
        """Give the sequence number of a byte of the stream."""
        return (self.initial + 1 + offset) % 2**32

    def offset(self, sequence: int) -> int:
        """Give the offset of a sequence number, below 0 before the stream."""
        return (sequence - self.initial - 1 + 2**31) % 2**32 - 2**31


class Talk(NamedTuple):
    """A capture with the truth about it. Damage makes another of it."""

    packets: list[Packet]
    halves: list[Half]
    """The client's and the broker's direction of each connection, side by side."""

    def sent(self) -> Counter[Identity]:
        """Count the messages that were sent, captured or not."""
        return Counter(sent.identity for half in self.halves for sent in half.sent)

    def intact(self) -> Counter[Identity]:
        """Count the messages of which every byte is in the capture."""
        return Counter(sent.identity for sent in self.split()[0])

    def split(self) -> tuple[list[Sent], list[Sent]]:
        """Give the messages of which every byte is in the capture, and those of which some are missing, but whose
        whole method frame is there."""
        intact, damaged = [], []
        for half, there in zip(self.halves, self.covered(), strict=True):
            for sent in half.sent:
                if all(there.has(*some) for some in sent.ranges):
                    intact.append(sent)
                elif there.has(*sent.method):
                    damaged.append(sent)
        return intact, damaged

    def covered(self) -> list["Covered"]:
        """Give which bytes of each direction are in the capture."""
        ranges: dict[int, list[Range]] = defaultdict(list)
        for packet in self.packets:
            if packet.begin < packet.end:
                ranges[packet.half].append((packet.begin, packet.end))
        return [Covered(ranges[index]) for index in range(len(self.halves))]


Damage = Callable[[Talk, Random], Talk]
"""What makes a damaged capture of another, the same for the same seed."""


class Covered:
    """Ranges put together."""

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []
        for begin, end in sorted(ranges):
            if self._ends and begin <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._begins.append(begin)
                self._ends.append(end)

    def has(self, begin: int, end: int) -> bool:
        """Tell whether all bytes of a range are there."""
        at = bisect_right(self._begins, begin) - 1
        return at >= 0 and end <= self._ends[at]


def read(path: Path) -> Talk:
    """Read an undamaged capture that holds its connections from their SYNs on; several copies of a packet may be."""
    with open_capture([str(path)]) as capture:
        return talk_of(
            Captured(some.packet(i), int(some.time_ns[i]), int(some.original[i]), int(some.link_type[i]))
            for some in capture
            for i in range(len(some))
        )


def talk_of(captured: Iterable[Captured], *, port: int = 5672) -> Talk:
    """Learn what is in the packets of an undamaged capture."""
    captured = list(captured)
    packets, streams, ends = _assigned(captured, port)
    messages = _messages(captured, port)
    halves = []
    for index, stream in enumerate(streams):
        client, broker, number, initial = ends[index // 2]
        from_client = index % 2 == 0
        found = messages[number, from_client]
        frames = frames_of(stream)
        assert [(m.leg, m.channel, m.body) for m in found] == [(f.leg, f.channel, f.body) for f in frames]
        sent = tuple(
            Sent(identity_of(message), some.ranges, some.method, known_of(message), around_of(message))
            for message, some in zip(found, frames, strict=True)
        )
        halves.append(Half(client, broker, from_client, initial[from_client], stream, sent))
    assert sum(len(half.sent) for half in halves) == sum(len(found) for found in messages.values())
    return Talk(packets, halves)


class _Ends(NamedTuple):
    client: End
    broker: End
    number: int
    """Index over all TCP connections of the capture, as `dissector.net.Connection.stream`."""
    initial: dict[bool, int]


def _assigned(captured: list[Captured], port: int) -> tuple[list[Packet], list[bytes], list[_Ends]]:
    """Find each packet's direction and its bytes' place in it; give the streams too."""
    packets: list[Packet] = []
    streams: list[bytearray] = []
    ends: list[_Ends] = []
    current: dict[frozenset[End], tuple[int, int]] = {}
    connections = 0
    for some in captured:
        original = len(some.data) if some.original is None else some.original
        place = find(some.data, some.link_type)
        packet = Packet(some.data, some.time_ns, original, some.link_type, place)
        assert original == len(some.data)
        if place is None:
            packets.append(packet)
            continue
        head = head_of(some.data, place)
        pair = frozenset((head.source, head.destination))
        is_opening = head.flags & (SYN | ACK) == SYN
        if pair not in current or (is_opening and current[pair][1] != head.sequence):
            current[pair] = (-1, head.sequence)
            if head.destination[1] == port or head.source[1] == port:
                assert is_opening, "the capture has no SYN of a connection"
                current[pair] = (len(ends), head.sequence)
                ends.append(_Ends(head.source, head.destination, connections, {}))
                streams += [bytearray(), bytearray()]
            connections += 1
        connection = current[pair][0]
        if connection < 0:
            packets.append(packet)
            continue
        from_client = head.source == ends[connection].client
        initial = ends[connection].initial
        if head.flags & SYN:
            initial.setdefault(from_client, head.sequence)
        half = 2 * connection + (not from_client)
        offset = (head.sequence - initial[from_client] - 1 + 2**31) % 2**32 - 2**31
        payload = some.data[place.payload : place.end]
        if offset < 0:  # the SYN itself, or a keepalive, whose byte means nothing
            assert len(payload) <= 1
            offset, payload = 0, b""
        stream = streams[half]
        assert offset <= len(stream), "the capture has lost packets, or has them out of order"
        assert stream[offset : offset + len(payload)] == payload[: len(stream) - offset]
        stream += payload[len(stream) - offset :]
        packets.append(packet._replace(half=half, begin=offset, end=offset + len(payload)))
    return packets, [bytes(stream) for stream in streams], ends


def _messages(captured: list[Captured], port: int) -> dict[tuple[int, bool], list[Message]]:
    """Decode an undamaged capture."""
    streams, dissection = Streams((port,)), Dissection()
    events = [event for batch in batches(captured) for event in dissection.feed(streams.feed(batch))]
    events += dissection.feed(streams.finish())
    found: dict[tuple[int, bool], list[Message]] = defaultdict(list)
    for event in events:
        if isinstance(event, Message):
            found[event.connection.tcp.stream, event.from_client].append(event)
        assert not isinstance(event, Malformed), "the capture is damaged already"
    return found


# -- what damage is made of -------------------------------------------------------------------------------------------


def in_time(packets: list[Packet]) -> list[Packet]:
    """Give packets, whose order is that in which they were captured, times in that order."""
    times = sorted(packet.time_ns for packet in packets)
    return [packet._replace(time_ns=time) for packet, time in zip(packets, times, strict=True)]


def segment(talk: Talk, like: Packet, begin: int, payload: bytes, *, true: Range | None = None) -> Packet:
    """Make a segment at ``begin`` of the stream of packet ``like``, with its headers.

    ``true``: which range of the stream it truly carries, where that is not all of it.
    """
    assert like.place is not None
    half = talk.halves[like.half]
    data = with_numbers(like.data, like.place, sequence=half.sequence(begin), flags=PSH | ACK)
    data = with_payload(data, like.place, payload)
    place = like.place._replace(end=like.place.payload + len(payload))
    first, last = (begin, begin + len(payload)) if true is None else true
    return like._replace(data=data, original=len(data), place=place, begin=first, end=last)


def bare(talk: Talk, like: Packet, begin: int, flags: int) -> Packet:
    """Make a segment without payload."""
    made = segment(talk, like, begin, b"", true=(0, 0))
    assert made.place is not None
    return made._replace(data=with_numbers(made.data, made.place, flags=flags))


def connections(talk: Talk) -> dict[int, list[int]]:
    """Give the indices of the packets of each connection."""
    found: dict[int, list[int]] = defaultdict(list)
    for at, packet in enumerate(talk.packets):
        if packet.half >= 0:
            found[packet.half // 2].append(at)
    return found


def inserted(talk: Talk, additions: dict[int, list[Packet]]) -> list[Packet]:
    """Put packets in, each behind the packet with that index and at its time."""
    packets: list[Packet] = []
    for at, packet in enumerate(talk.packets):
        packets.append(packet)
        packets += [some._replace(time_ns=packet.time_ns) for some in additions.get(at, ())]
    return packets
