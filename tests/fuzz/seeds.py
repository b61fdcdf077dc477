"""``python -m tests.fuzz.seeds``: cuts the seeds out of the shipped captures and the captured bodies.

They are what the fuzzer begins with: small, and of every kind. Rewrites ``tests/fuzz/seeds``.
"""

import gzip
import itertools
import json
import shutil
import struct
from collections.abc import Callable, Iterator
from hashlib import sha256

import zstandard

from dissector.amqp.constants import FRAME_BODY, FRAME_HEADER, FRAME_METHOD
from dissector.capture import open_capture

from ..capture import build
from ..lab import truth
from ..net import encapsulation
from ..net.packets import BROKER_6, CLIENT_6, segment
from .target import SEEDS
from .targets.frames import frame
from .targets.frames import joined as conversation
from .targets.packets import joined

Packet = tuple[int, bytes, int]
"""Time in nanoseconds, bytes, link type."""


def packets_of(name: str, count: int = 4000) -> list[Packet]:
    """The first packets of a shipped capture."""
    found: list[Packet] = []
    with open_capture([truth.captures()[name]]) as capture:
        for batch in capture:
            for at in range(min(len(batch), count - len(found))):
                found.append((int(batch.time_ns[at]), batch.packet(at), int(batch.link_type[at])))
    return found


def captures() -> Iterator[bytes]:
    """Capture files of each format with two short packets in them."""
    packets = [(time_ns, data[:70]) for time_ns, data, _ in packets_of("demo", 2)]
    for magic in (build.PCAP_MICRO, build.PCAP_NANO, build.PCAP_MODIFIED):
        for order in "<>":
            yield build.pcap(packets, order=order, magic=magic)
    data = packets[0][1]
    for order in "<>":
        yield b"".join(
            (
                build.section(order),
                build.interface(order, resolution=9, offset_s=5),
                build.interface(order, link_type=101, snap_length=40),
                build.enhanced(10**18, data, order, comment=b"x"),
                build.simple(data, order, original=90),
                build.obsolete(7, data, order, number=1),
                build.statistics(order, ifdrop=3, osdrop=4),
                build.section(order),
                build.interface(order, resolution=0x8A),
                build.enhanced(5, b"", order),
            )
        )
    plain = build.pcap(packets)
    yield gzip.compress(plain[:50], mtime=0) + gzip.compress(plain[50:], mtime=0) + bytes(8)
    yield zstandard.compress(plain)
    yield b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstandard.compress(plain[:60])


def bodies() -> Iterator[bytes]:
    """The captured bodies, the long values in them cut."""
    for number, path in enumerate(sorted((SEEDS.parents[1] / "oslo" / "samples").glob("*.json"))):
        sample = json.loads(path.read_text())
        message = _short(sample.get("decoded_message") or sample.get("first"))
        if sample.get("decoded_failure"):
            message["failure"] = json.dumps(_short(sample["decoded_failure"]))
        body = (
            json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(message)})
            if number % 3
            else json.dumps(message)
        )
        yield (
            bytes([number * 5 & 0xFF | 0x40 | number % 2 << 7, number * 37 & 0xFF, number * 59 & 0xFF])
            + body.encode()[:497]
        )
    for number, text in enumerate(
        (
            "Login(user='admin', admin_pass='x', y=1)", "mysql --password x -h a", "rabbit://u:p@h:5672,u:q@h2/v?x=1",
            "Authorization: Basic eA==\nHost: a", "<adminPass>x</adminPass>", "k:\n  password: |\n    a\n  host: b",
            '{"a": "{\\"b\\": [1, null, true, \\"token\\", \\"=\\"]}", "key": "psk", "value": 1e5}',
            '{"a": NaN, "b": "\\ud800", "c": 123456789012345678901234567890, "d": [[[[{}]]]]}',
        )
    ):  # fmt: skip
        yield bytes([number << 2, number * 31 & 0xFF, number * 77 & 0xFF]) + text.encode()
    yield b"\x80\0\0\x80\x02}q\0X\x08\0\0\0passwordq\x01X\x0f\0\0\0abcq\x02s."


def _short(value: object) -> object:
    """Cut texts, lists and objects, so that a seed is short; what makes a message one stays."""
    if isinstance(value, dict):
        keys = [key for key in value if not key.startswith("_context_")]
        keys += [key for key in value if key.startswith("_context_")][:3]
        return {key: _short(value[key]) for key in keys[:9]}
    if isinstance(value, list):
        return [_short(item) for item in value[:2]]
    return (
        value[:300] if isinstance(value, str) and value[:1] == "{" else value[:16] if isinstance(value, str) else value
    )


def frames_in(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Read frames that begin with the first byte: kind, channel, payload."""
    at = 8 if data.startswith(b"AMQP") else 0
    while at + 8 <= len(data):
        kind, channel, size = struct.unpack_from(">BHI", data, at)
        if at + 8 + size > len(data):
            return
        yield kind, channel, data[at + 7 : at + 7 + size]
        at += 8 + size


def payloads() -> Iterator[bytes]:
    """A payload of each method that is in the captures, some content headers and tables."""
    from ..amqp.amqp_frames import real_streams  # noqa: PLC0415 - needs pika

    seen: set[bytes] = set()
    for stream in real_streams().values():
        for kind, _, payload in frames_in(stream):
            key = payload[:4] if kind == FRAME_METHOD else payload[12:14]
            if kind == FRAME_BODY or key in seen or len(payload) > 390:
                continue
            seen.add(key)
            yield bytes([kind == FRAME_HEADER]) + payload
            table = payload.find(b"\x0ccapabilities")
            if kind == FRAME_METHOD and table > 4:
                size = int.from_bytes(payload[table - 4 : table], "big")
                yield b"\x02" + payload[table - 4 : table + size][:399]
    yield b"\x03\x05LOGINS\0\0\0\x01a\x08PASSWORDS\0\0\0\x01b"
    yield b"\x04\x05LOGINS\0\0\0\x01a\x08PASSWORDS\0\0\0\x01b"
    yield b"\x05\0user\0secret"
    for number, value in enumerate((b"t\1", b"b\xff", b"s\0\1", b"I\0\0\0\1", b"l" + bytes(8), b"f\x7f\x80\0\0",
                                    b"d" + bytes(8),
                                    b"D\2\0\0\1\0", b"T" + bytes(8), b"V", b"x\0\0\0\1\xff", b"A\0\0\0\3t\1V",
                                    b"F\0\0\0\4\1atV")):  # fmt: skip
        table = bytes([1, 97 + number]) + value
        yield b"\x02" + struct.pack(">I", len(table)) + table


def filters() -> Iterator[bytes]:
    """Filters as the documents show them."""
    for text in (
        'oslo.args.host == "compute1" && amqp.leg == "publish"', "oslo.failure", 'oslo.method in {"a", "b".."c"}',
        'oslo.args."nova_object.data".uuid contains "-" || !(tcp.port == 5672)',
        "ip.addr == 10.0.0.0/8 and frame.number > 5",
        'oslo.namespace matches "^a|b$" or not amqp.redelivered', "amqp.delivery_tag in {1..0x10, 017, 0b1}",
        "ip.src != ip.dst", "amqp.redelivered === true", 'oslo.failure.message ~ r"no \\w+"',
        "frame.time_epoch >= 1.5e9",
        "amqp.properties.headers.b.c", "ip.addr in {::1, fd00::/16, 10.0.0.1..10.0.0.9}",
        'amqp.exchange eq "\\x6e\\u00e9\\101"',
        "oslo.payload.a not in {1, true}",
    ):  # fmt: skip
        yield text.encode()


def packets() -> Iterator[bytes]:
    """A segment in every kind of tunnel and link layer, whole and in fragments."""
    for six in (False, True):
        ends = {"client": CLIENT_6, "broker": BROKER_6} if six else {}
        plain = segment(True, 1, b"AMQP\0\0\x09\x01", **ends)
        yield joined([(bytes(4), plain), (bytes(4), segment(False, 9, flags=0x12, **ends))])
        yield joined([(bytes(4), piece) for piece in encapsulation.fragments(plain, 16)])
        for wrap in encapsulation.LINKS.values():
            yield joined([(b"\1\0\0\0", wrap(plain))])
        for wrap in encapsulation.TUNNELS.values():
            yield joined([(bytes(4), wrap(plain))])
    for name in ("any-sll1", "any-sll2", "loopback", "demo"):
        kinds = {101: 0, 1: 1, 113: 2, 276: 3, 0: 4}
        yield joined([(bytes([kinds[kind], 0, 0, 0]), data[:150]) for _, data, kind in packets_of(name, 3)])


def streams() -> Iterator[bytes]:
    """Conversations with a beginning and an end, a hole that is filled, one that is not, and a second use of ports."""
    opening = (0, 10, 0, 0, 0, 0, 0), (1, 11, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0, 0)
    data, answer = (0, 0, 0, 50, 0, 1, 0), (1, 0, 0, 30, 0, 1, 0)
    closing = (0, 9, 0, 0, 0, 1, 0), (1, 9, 0, 0, 0, 1, 0)
    hole, behind = (0, 0, 20, 40, 0, 1, 0), (0, 0, 196, 20, 0, 1, 0)
    again, other = (0, 0, 206, 50, 0, 1, 0), (8, 0, 206, 50, 0, 1, 0)
    for rows in (
        (*opening, data, answer, data, answer, *closing),
        (data, answer, hole, data, behind, answer, data),
        (*opening, data, hole, *[answer, data] * 4),
        (*opening, data, again, other, data, (0, 12, 0, 0, 0, 1, 0), data),
        (*opening, data, *closing, *opening, data, answer),
        (data, (0, 0, 0, 50, 0, 6, 0), (0x40, 0, 0, 50, 0, 1, 0), (0x40, 0, 50, 50, 0, 1, 0), data),
        (
            data,
            (2, 0, 0, 5, 0, 0, 0),
            (4, 0, 0, 5, 0, 0, 0),
            data,
            (0x80, 0, 0, 60, 0, 0, 30),
            data,
            (0x20, 0, 0, 9, 0, 0, 0),
        ),
    ):
        for choices in (0, 1, 0x60, 0x82):
            yield bytes([choices]) + b"".join(map(bytes, rows))


def frames() -> Iterator[bytes]:
    """The beginnings of conversations, messages, a hole in a frame, an end."""
    from ..amqp.amqp_frames import real_streams  # noqa: PLC0415 - needs pika

    for number, ((_, from_client), stream) in enumerate(list(real_streams().items())[:6]):
        whose = b"\x40" if from_client else b"\x42"
        short = [payload for payload in frames_in(stream) if len(payload[2]) < 120]
        some = b"".join(frame(*one) for one in short[number * 3 : number * 3 + 8])[:350]
        opening = b"AMQP\0\0\x09\x01" if from_client else b""
        yield conversation([(whose, opening + some)])
        yield conversation([(bytes([whose[0] & 3 | 0x80]), some)])
    publish = frame(1, 1, _method(60, 40, b"\0\0\1x\1k\0"))
    header, body = frame(2, 1, struct.pack(">HHQH", 60, 0, 12, 0)), frame(3, 1, b'{"a": "b\\n"}')
    message = publish + header + body
    yield conversation([(b"\0", message * 2), (b"\x14", b"\0\5"), (b"\0", message)])
    yield conversation([(b"\0", message[:40]), (b"\x14", b"\0\5"), (b"\0", message[45:] + message)])
    yield conversation([(b"\0", b"xyz" + message), (b"\x18", b"\1"), (b"\0", message), (b"\1", message)])
    yield conversation([(b"\x40", b"\x16\x03\1\0\xc8\1\0\0"), (b"\x42", message), (b"\x41", b"AMQP\0\1\0\0")])
    yield conversation([(b"\0", publish + header), (b"\2", frame(8, 0, b"")), (b"\x80", body + frame(8, 0, b""))])


_BODY = json.dumps(
    {
        "oslo.version": "2.0",
        "oslo.message": json.dumps({"method": "x", "args": {"a": [1]}, "_unique_id": "u", "_msg_id": "m"}),
    }
).encode()


def _method(class_id: int, method_id: int, arguments: bytes) -> bytes:
    return struct.pack(">HH", class_id, method_id) + arguments


def files() -> Iterator[bytes]:
    """Captures of a few packets: the beginning of a connection, messages, a hole."""
    for name, begin, end in (("demo", 0, 14), ("ipv6", 2, 8), ("any-sll2", 0, 9)):
        packets = [(time_ns, data[:300]) for time_ns, data, _ in packets_of(name, 200)]
        kind = packets_of(name, 1)[0][2]
        for some in (packets[begin:end], packets[60:66], [one for at, one in enumerate(packets[80:89]) if at != 4]):
            sizes = itertools.accumulate(len(data) + 16 for _, data in some)
            yield build.pcap([one for one, size in zip(some, sizes, strict=True) if size < 1370], link_type=kind)
    octets = b"".join(
        (
            frame(1, 1, _method(60, 40, b"\0\0\4nova\7compute\0")),
            frame(2, 1, struct.pack(">HHQHB", 60, 0, len(_BODY), 0x8000, 16) + b"application/json"),
            frame(3, 1, _BODY),
        )
    )
    for cuts in ((), (30,), (10, 60, 90)):
        places = [0, *cuts, len(octets)]
        pieces = [segment(True, 1 + low, octets[low:high]) for low, high in itertools.pairwise(places)]
        yield build.pcap([(at * 1000, piece) for at, piece in enumerate(pieces)], link_type=101)


MAKERS: dict[str, Callable[[], Iterator[bytes]]] = {
    "bodies": bodies,
    "captures": captures,
    "files": files,
    "filters": filters,
    "frames": frames,
    "packets": packets,
    "payloads": payloads,
    "streams": streams,
}


def main() -> None:
    """Write them all, each named by its content."""
    for name, make in MAKERS.items():
        folder = SEEDS / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        total = 0
        for seed in make():
            (folder / sha256(seed).hexdigest()[:16]).write_bytes(seed)
            total += len(seed)
        print(f"{name}: {len(list(folder.iterdir()))} seeds, {total:,} bytes")


if __name__ == "__main__":
    main()
