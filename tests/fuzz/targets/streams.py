"""TCP streams out of packets that come in any order, again, differently or not at all.

An input is an octet of choices and seven octets for each packet: what it is, relative to what should come next. The
bytes of a segment are a fixed text's at its sequence number, so that whatever comes out can be checked.
"""

import struct
import zlib
from random import Random

import numpy as np

from dissector.capture import PacketBatch
from dissector.net import Malformed, StreamData, StreamEnd, StreamGap, Streams

from ..target import Mutate, Tape, Target, lowered, spliced

_TEXT = Random(1).randbytes(1 << 16) * 2
_EVIL = bytes(octet ^ 0xFF for octet in _TEXT)
_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10
_FLAGS = (*[_ACK] * 9, _ACK | _FIN, _SYN, _SYN | _ACK, _RST, _RST | _ACK, 0, _SYN | _FIN)
_STEPS_NS = (0, 10**6, 10**6, 10**8, 10**9, 3 * 10**9, 11 * 10**9, -(10**9))
_STARTS = (1000, 2**32 - 60, 2**31 - 60)
_MOST = 16
_ADDRESSES = (b"\x0a\0\0\1", b"\x0a\0\0\2")


class _Sent:
    """A packet with what is needed to check what comes of it."""

    __slots__ = ("data", "first", "original", "payload", "time_ns")

    def __init__(self, whose: tuple[int, bool], numbers: tuple[int, int], flags: int, payload: bytes, cut: int) -> None:
        client, from_client = whose
        ports = (40000 + client, 5672) if from_client else (5672, 40000 + client)
        source, destination = _ADDRESSES if from_client else _ADDRESSES[::-1]
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(payload), 7, 0, 64, 6, 0) + source + destination
        tcp = struct.pack(">HHIIBBHHH", *ports, *numbers, 0x50, flags, 65535, 0, 0)
        data = ip + tcp + payload
        self.original = len(data)
        self.payload = payload[: max(len(payload) - cut, 0)]
        self.data = data[: 40 + len(self.payload)]
        self.first = (numbers[0] + bool(flags & _SYN)) & 0xFFFF_FFFF
        self.time_ns = 0


def _sent(tape: Tape, start: int) -> list[_Sent]:
    cursors = [[start + 77 * at, start + 1000 - 13 * at] for at in range(4)]
    time_ns, found = 10**18, []
    while tape and len(found) < _MOST:
        what, flags, ahead, size, ack, step, cut = tape.take(7).ljust(7, b"\0")
        client, is_answer = what >> 1 & 3, what & 1
        flags = _FLAGS[flags & 15]
        cursor = cursors[client]
        ahead = ahead - 256 if ahead > 127 else ahead
        sequence = (cursor[is_answer] + ahead + (0x5000_0000 if what & 0x40 else 0)) & 0xFFFF_FFFF
        first = (sequence + bool(flags & _SYN)) & 0xFFFF
        payload = (_EVIL if what & 8 else _TEXT)[first : first + size]
        acknowledgment = (cursor[1 - is_answer] + (ack - 256 if ack > 127 else ack)) & 0xFFFF_FFFF
        time_ns += _STEPS_NS[step & 7]
        one = _Sent((client, not is_answer), (sequence, acknowledgment), flags, payload, cut if what & 0x80 else 0)
        one.time_ns = time_ns
        found += [one] * (2 if what & 0x20 else 1)
        if not what & 0x10 and not what & 0x40:
            cursor[is_answer] = (sequence + size + bool(flags & (_SYN | _FIN))) & 0xFFFF_FFFF
    return found


def _batch(packets: list[_Sent], first_number: int) -> PacketBatch:
    sizes = np.array([len(packet.data) for packet in packets], np.int64)
    return PacketBatch(
        b"".join([packet.data for packet in packets]),
        np.cumsum(sizes) - sizes,
        sizes,
        np.array([packet.original for packet in packets], np.int64),
        np.array([packet.time_ns for packet in packets], np.int64),
        np.full(len(packets), 101, np.uint16),
        first_number,
    )


def _events(packets: list[_Sent], cuts: list[int]):
    streams = Streams()
    events = []
    for begin, end in zip([0, *cuts], [*cuts, len(packets)], strict=True):
        if begin < end:
            events += streams.feed(_batch(packets[begin:end], begin + 1))
    events += streams.finish()
    assert streams.counts.packets == len(packets)
    assert streams.counts.segments == len(packets)
    return events, streams.counts


def _checked(events, packets: list[_Sent]):
    """What each direction says: no byte is invented, none is twice there, and none is left out untold."""
    directions: dict[tuple[int, bool], list] = {}
    told: dict[tuple[int, bool], list] = {}
    expected: dict[tuple[int, bool], int | None] = {}
    for event in events:
        key = (event.connection.stream, event.from_client)
        said = directions.setdefault(key, [])
        assert event.number <= len(packets) if not isinstance(event, StreamData) else event.ends[-1] == len(event.data)
        if isinstance(event, StreamData):
            assert event.completed == sorted(event.completed)
            at = 0
            for end, number, completed, time_ns in zip(
                event.ends, event.numbers, event.completed, event.times_ns, strict=True
            ):
                assert at < end
                assert number <= completed <= len(packets)
                octets, packet = event.data[at:end], packets[number - 1]
                at = end
                sequence = expected.get(key)
                if sequence is None:
                    offset = packet.payload.find(octets)
                    assert offset >= 0, "bytes that no packet has"
                else:
                    offset = (sequence - packet.first) & 0xFFFF_FFFF
                    assert packet.payload[offset : offset + len(octets)] == octets, "bytes from elsewhere"
                # Few bytes may stand in several places of their packet: that tells nothing of what comes next.
                is_known = sequence is not None or packet.payload.find(octets, offset + 1) < 0
                expected[key] = (packet.first + offset + len(octets)) & 0xFFFF_FFFF if is_known else None
                if said and said[-1][0] == "data" and said[-1][1:4] == (number, completed, time_ns):
                    said[-1] = (*said[-1][:4], said[-1][4] + octets)
                else:
                    said.append(("data", number, completed, time_ns, octets))
        elif isinstance(event, StreamGap):
            assert event.size is None or event.size > 0
            sequence = expected.get(key)
            expected[key] = None if sequence is None or event.size is None else (sequence + event.size) & 0xFFFF_FFFF
            said.append(("gap", event.size, event.number, event.time_ns, event.since_ns))
        elif isinstance(event, StreamEnd):
            said.append(("end", event.reason, event.number))
        else:
            assert isinstance(event, Malformed)
            # It stands before or after the data of its batch.
            told.setdefault(key, []).append((event.reason, event.number))
    for said in directions.values():
        assert [row[0] for row in said][-1:] in ([], ["end"])
    return directions, told


def run(data: bytes) -> None:
    tape = Tape(data)
    choices = tape.number()
    packets = _sent(tape, _STARTS[choices % 3])
    if not packets:
        return
    with lowered({"CONNECTIONS": 3 if choices & 0x60 == 0x60 else 100}):
        events, counts = _events(packets, [])
        said = _checked(events, packets)
        cut = zlib.crc32(data)
        if cut & 0x30000:
            return  # a quarter is enough: a batch costs more than what is in it
        cuts = list(range(1, len(packets))) if choices & 0x80 and len(packets) < 8 else [cut % len(packets)]
        again, counts_again = _events(packets, cuts)
        assert _checked(again, packets) == said
        assert counts_again == counts


# --- mutation -------------------------------------------------------------------------------------------------------


def mutate(data: bytes, max_size: int, dice: Random, change: Mutate) -> bytes:
    if dice.random() < 0.4 or len(data) < 15:
        return change(data, max_size)
    packets = [data[at : at + 7] for at in range(1, len(data) - 6, 7)]
    chance = dice.random()
    if chance < 0.4:
        packets = spliced(packets, dice)
    elif chance < 0.5:
        at = dice.randrange(len(packets))
        other = dice.randrange(len(packets))
        packets[at], packets[other] = packets[other], packets[at]
    else:
        at = dice.randrange(len(packets))
        packet = bytearray(packets[at])
        where = dice.randrange(7)
        packet[where] = dice.choice(
            (0, 0, 1, 9, 10, 12, packet[where] ^ 1 << dice.randrange(8), dice.randrange(256), 255, 0x20, 0x80)
        )
        packets[at] = bytes(packet)
    return data[:1] + b"".join(packets)


TARGET = Target(
    run,
    max_len=1 + 7 * _MOST,
    mutate=mutate,
    limits={"HOLE_PACKETS": 6, "HELD_SEGMENTS": 5, "HELD_BYTES": 700, "OVERLAP_BYTES": 64},
)
