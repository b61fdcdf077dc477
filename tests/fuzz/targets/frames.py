"""AMQP conversations: frames, what is no frame, holes and ends, in both directions of two connections.

An input is a row of stretches behind three octets each: what it is (whose, data, hole or end), and its size (16 bits).
"""

import itertools
import struct
import zlib
from random import Random

from dissector.amqp import Dissection, Event, Message
from dissector.amqp.constants import FRAME_HEADER_BYTES
from dissector.amqp.frames import FOREIGN, LOST, PROTOCOL, FrameReader
from dissector.net import Connection, Endpoint, Malformed, StreamData, StreamEnd, StreamGap
from dissector.views.jsonl import JsonlView
from dissector.views.text import TextView

from ..target import Mutate, Tape, Target, pieces_of, spliced
from .payloads import mutate as mutate_payload

_TCP = tuple(Connection(at, Endpoint("10.0.0.1", 40000 + at), Endpoint("10.0.0.2", 5672)) for at in range(2))
_MOST = 14
_LOST = "no AMQP frame where"
_DATA, _HOLE, _END, _MALFORMED = range(4)
_SECRETS = {"connection.start-ok": "response", "connection.secure-ok": "response", "connection.secure": "challenge",
            "connection.update-secret": "new_secret"}  # fmt: skip


def parsed(data: bytes) -> list[tuple[bytes, bytes]]:
    """The stretches of an input: the octet that says what it is, and its bytes."""
    tape, found = Tape(data), []
    while tape and len(found) < _MOST:
        what, size = tape.take(1), tape.number(2)
        found.append((what, tape.take(size)))
    return found


def joined(stretches: list[tuple[bytes, bytes]]) -> bytes:
    """The input for some stretches."""
    return b"".join(what + struct.pack(">H", len(data)) + data for what, data in stretches)


def _kind(what: int) -> int:
    return (_DATA, _DATA, _DATA, _DATA, _DATA, _HOLE, _END, _MALFORMED)[what >> 2 & 7]


def _stream(data: bytes) -> list[tuple]:
    """What happens, packet by packet: number, connection, direction, kind, detail. Behind an end only bytes that come
    all the same, with a hole before them, make another one.
    """
    found: list[tuple] = []
    holes: dict[tuple[Connection, bool], bytes] = {}
    open_: dict[tuple[Connection, bool], bool] = {}
    for (what,), octets in parsed(data):
        side, kind = (_TCP[what & 1], not what & 2), _kind(what)
        if kind == _DATA:
            for piece in pieces_of(octets, zlib.crc32(octets)) if what & 0x80 else [octets]:
                if piece:
                    if side in holes:
                        found.append((len(found) + 1, *side, _HOLE, holes.pop(side)))
                    at_start = bool(what & 0x40) and side not in open_
                    open_[side] = True
                    found.append((len(found) + 1, *side, kind, (at_start, piece)))
        elif kind == _HOLE and not open_.get(side, True):
            holes[side] = octets
        elif kind != _END or open_.get(side):
            open_[side] = kind != _END and open_.get(side, True)
            found.append((len(found) + 1, *side, kind, octets))
    return found + [(len(found) + 1, *side, _END, b"\2") for side, is_open in open_.items() if is_open]


def _event(number, tcp, from_client, kind, detail):
    time_ns = number * 1000
    if kind == _DATA:
        at_start, piece = detail
        return StreamData(tcp, from_client, at_start, piece, [len(piece)], [number], [number], [time_ns])
    if kind == _HOLE:
        size = int.from_bytes(detail[:2], "big")
        return StreamGap(tcp, from_client, size or None, number, time_ns, time_ns)
    if kind == _END:
        return StreamEnd(tcp, from_client, "capture_end" if detail == b"\2" else "fin", number, time_ns)
    return Malformed("tcp", tcp, from_client, number, time_ns, None, "a retransmission differs")


def _by_direction(stream: list[tuple]) -> list:
    """The events of a batch: each direction's in order, its data that goes on as one."""
    directions: dict[tuple, list] = {}
    for entry in stream:
        events = directions.setdefault(entry[1:3], [])
        event = _event(*entry)
        if events and isinstance(event, StreamData) and isinstance(events[-1], StreamData):
            last = events[-1]
            last.ends.append(last.ends[-1] + len(event.data))
            last.data += event.data
            last.numbers += event.numbers
            last.completed += event.completed
            last.times_ns += event.times_ns
        else:
            events.append(event)
    return [event for events in directions.values() for event in events]


def _dissected(stream: list[tuple], cuts: list[int]):
    dissection, events = Dissection(), []
    last = next(at for at, entry in enumerate(stream) if entry[0] == stream[-1][0])
    for begin, end in itertools.pairwise([0, *cuts, last, len(stream)]):  # the ends of all streams come by themselves
        events += dissection.feed(_by_direction(stream[begin:end]))
    return events, dissection.counts


def _account(stream: list[tuple], given: int, counts) -> None:
    """Every byte is in a frame, or skipped, or still waited for."""
    readers: dict[tuple, FrameReader] = {}
    in_frames = frames = 0
    for number, tcp, from_client, kind, detail in stream:
        reader = readers.setdefault((tcp.stream, from_client), FrameReader())
        if kind == _DATA:
            run, found = reader.feed(_event(number, tcp, from_client, kind, detail))
        elif kind == _HOLE:
            run, found, _ = reader.gap(int.from_bytes(detail[:2], "big") or None)
        else:
            continue
        for frame, _channel, begin, end in found:
            if frame == PROTOCOL:
                in_frames += end - begin
            elif frame not in (LOST, FOREIGN):
                assert run.data[end] == 0xCE
                assert struct.unpack_from(">I", run.data, begin - 4)[0] == end - begin
                in_frames += end - begin + FRAME_HEADER_BYTES + 1
                frames += 1
    held = sum(reader.held_bytes for reader in readers.values())
    assert in_frames + sum(reader.skipped for reader in readers.values()) + held == given
    assert counts.skipped_bytes <= given
    assert frames <= counts.frames  # an end lets out what waited to be confirmed


def run(data: bytes) -> None:
    stream = _stream(data)
    if not stream:
        return
    events, counts = _dissected(stream, [])
    given = sum(len(detail[1]) for _, _, _, kind, detail in stream if kind == _DATA)
    octets = b"".join(detail[1] for _, _, _, kind, detail in stream if kind == _DATA)
    text = TextView(lambda: 0, events=True)
    shown = zlib.crc32(data) % 8 == 0
    lines = JsonlView(events=True)
    for event in events:
        assert 1 <= event.number <= stream[-1][0]
        if isinstance(event, Message):
            assert list(event.numbers) == sorted(set(event.numbers))
            assert event.numbers[-1] <= stream[-1][0]
            assert len(event.body) <= given
            assert event.body[:1] in octets
        elif isinstance(event, Event) and event.name in _SECRETS and event.method is not None:
            assert not getattr(event.method, _SECRETS[event.name])
        if shown:
            assert text.feed(event).decode()[:-1].isprintable()
            assert lines.feed(event).decode()[:-1].isprintable()
    check = zlib.crc32(octets)
    if check & 0x10000:  # one or the other: either costs as much as all the rest
        _account(stream, given, counts)
        return
    last = stream[-1][0]
    for cuts in (sorted({check % last, check // 256 % last}), list(range(1, last))):
        again, counts_again = _dissected(stream, cuts)
        # Frames may be found in bytes older than what was given meanwhile: where what seemed to be a frame was none,
        # and where bytes come after the end. How many come so late depends on the cuts, and with it the order.
        late = counts_again.untimely + counts.untimely
        counts_again.untimely = counts.untimely
        assert counts_again == counts
        if not late and not any(isinstance(event, Malformed) and _LOST in event.reason for event in events):
            assert again == events
        if check & 0x3000:
            break


# --- mutation -------------------------------------------------------------------------------------------------------


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """A frame with its end octet."""
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def _short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def _method(class_id: int, method_id: int, arguments: bytes = b"") -> bytes:
    return struct.pack(">HH", class_id, method_id) + arguments


_METHODS = (
    _method(60, 40, b"\0\0" + _short(b"x") + _short(b"k") + b"\1"),
    _method(60, 60, _short(b"t") + struct.pack(">QB", 1, 0) + _short(b"") + _short(b"q")),
    _method(60, 71, struct.pack(">QB", 2, 1) + _short(b"x") + _short(b"k") + bytes(4)),
    _method(60, 50, struct.pack(">H", 312) + _short(b"NO_ROUTE") + _short(b"") + _short(b"k")),
    _method(60, 80, struct.pack(">QB", 1, 1)), _method(60, 120, struct.pack(">QB", 1, 2)),
    _method(60, 90, struct.pack(">QB", 1, 1)),
    _method(60, 20, b"\0\0" + _short(b"q") + _short(b"t") + b"\0" + bytes(4)), _method(60, 21, _short(b"t")),
    _method(60, 70, b"\0\0" + _short(b"q") + b"\0"), _method(60, 72, _short(b"")),
    _method(60, 30, _short(b"t") + b"\0"),
    _method(50, 10, b"\0\0" + _short(b"q") + b"\2" + bytes(4)), _method(50, 11, _short(b"q") + bytes(8)),
    _method(20, 10, b"\0"), _method(20, 11, bytes(4)),
    _method(20, 40, struct.pack(">H", 404) + _short(b"no") + bytes(4)),
    _method(20, 41), _method(85, 10, b"\0"), _method(85, 11), _method(10, 51),
    _method(10, 50, struct.pack(">H", 320) + _short(b"bye") + bytes(4)),
    _method(10, 30, struct.pack(">HIH", 2047, 4096, 60)), _method(10, 31, struct.pack(">HIH", 2047, 131072, 60)),
    _method(10, 40, _short(b"/") + bytes(2)), _method(10, 60, _short(b"low")),
    _method(10, 11, bytes(4) + _short(b"PLAIN") + struct.pack(">I", 4) + b"\0a\0b" + _short(b"en_US")),
    _method(10, 70, struct.pack(">I", 1) + b"s" + _short(b"r")),
)  # fmt: skip


def some_frames(dice: Random) -> bytes:
    """A message, another method or a heartbeat."""
    channel = dice.choice((1, 1, 1, 2, 3, 4, 9))
    chance = dice.random()
    if chance < 0.1:
        return frame(8, 0, b"")
    if chance < 0.5:
        method = dice.choice(_METHODS)
        return frame(1, 0 if method[1] == 10 else channel, method)
    size = dice.choice((0, 1, 3, 17, 40))
    pieces = [frame(1, channel, dice.choice(_METHODS[:4]))]
    pieces.append(frame(2, channel, struct.pack(">HHQH", 60, 0, size, 0)))
    while size > 0:
        piece = dice.randrange(1, size + 1)
        pieces.append(frame(3, channel, dice.randbytes(piece)))
        size -= piece
    if dice.random() < 0.2:
        pieces.insert(dice.randrange(len(pieces) + 1), frame(8, 0, b""))
    return b"".join(pieces)


def _frames(data: bytes) -> list[bytes]:
    """Cut bytes into what looks like frames, and the rest."""
    found, at = [], 0
    while at < len(data):
        size = 8 if data.startswith(b"AMQP", at) else 8 + int.from_bytes(data[at + 3 : at + 7], "big")
        end = at + size if at + 7 <= len(data) and size < 2000 else len(data)
        found.append(data[at:end])
        at = end
    return found


def mutate(data: bytes, max_size: int, dice: Random, change: Mutate) -> bytes:
    chance = dice.random()
    if chance < 0.3:
        return change(data, max_size)
    stretches = parsed(data)
    if not stretches or chance < 0.35:
        return data + joined([(bytes([dice.randrange(256) & 0xE3]), some_frames(dice))])
    if chance < 0.5:
        return joined(spliced(stretches, dice))
    at = dice.randrange(len(stretches))
    what, octets = stretches[at]
    if chance < 0.58 or _kind(what[0]) != _DATA:
        what = bytes(
            [dice.choice((what[0] ^ 1 << dice.randrange(8), what[0] & 0xE3 | 5 << 2, what[0] & 0xE3 | 6 << 2))]
        )
        stretches[at] = (what, octets)
        return joined(stretches)
    if chance < 0.66:  # a hole, or another packet, in its middle
        where = dice.randrange(len(octets) + 1)
        size = dice.choice((0, 1, 3, 8, 30))
        hole = (
            [(bytes([what[0] & 3 | 5 << 2]), struct.pack(">H", dice.choice((size, size, 0))))]
            if dice.random() < 0.7
            else []
        )
        stretches[at : at + 1] = [(what, octets[:where]), *hole, (what, octets[where + size :])]
        return joined(stretches)
    frames = _frames(octets)
    if chance < 0.76:
        frames.insert(dice.randrange(len(frames) + 1), some_frames(dice))
    elif frames and chance < 0.86:
        frames = spliced(frames, dice)
    elif frames:
        which = dice.randrange(len(frames))
        one = frames[which]
        kind, channel, payload = one[:1] or b"\1", one[1:3].ljust(2, b"\0"), one[7:-1]
        if kind in b"\1\2" and dice.random() < 0.8:
            payload = mutate_payload(bytes([kind == b"\2"]) + payload, len(payload) + 24, dice, change)[1:]
        elif payload:
            payload = change(payload, len(payload) + 8)
        frames[which] = kind + channel + struct.pack(">I", len(payload)) + payload + b"\xce"
    stretches[at] = (what, b"".join(frames))
    return joined(stretches)


TARGET = Target(
    run,
    max_len=400,
    mutate=mutate,
    words=(b"AMQP\0\0\x09\x01", b"AMQP\0\1\0\0", b"\x16\x03\x01\0\xc8\x01", b"\xce", b"\x08\0\0\0\0\0\0\xce",
           b"\0\x3c\0\x28"),
    limits={
        "CHANNELS": 3, "UNSETTLED": 4, "CONSUMERS": 2, "BODY_BYTES": 60, "RESYNC_FRAME_BYTES": 400, "FRAME_BYTES": 500,
        "RESYNC_DECODED_BYTES": 300, "CLOSED_CONNECTIONS": 1,
    },
)  # fmt: skip
