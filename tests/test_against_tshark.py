"""Every method frame that tshark's own AMQP dissector decodes is in ours, and the other way round, packet by packet.

Wireshark's own defects are the only exceptions, and each is pinned here: where a later version mends one, the
test that asserts it fails, and the exception can go.
"""

import struct
import subprocess
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from pika import BasicProperties, spec

from dissector.amqp.constants import FRAME_METHOD
from dissector.amqp.frames import FrameReader
from dissector.amqp.methods import decode_method
from dissector.capture import open_capture
from dissector.net import Malformed, StreamData, Streams

from .amqp.amqp_frames import HEARTBEAT, PROTOCOL_HEADER, deliver, method, publish
from .lab import truth
from .net.packets import ACK, SYN, segment

pytestmark = pytest.mark.tshark

TEXTS = ("exchange", "routing_key", "queue", "consumer_tag", "reply_text")
NUMBERS = ("delivery_tag", "reply_code", "message_count", "consumer_count")


class MethodFrame(NamedTuple):
    """A method frame: the packet with its last byte, and what tells it from others."""

    packet: int
    channel: int
    class_id: int
    method_id: int
    arguments: tuple[tuple[str, str], ...]


def tshark(path: Path, *options: str) -> list[tuple[int, list[ElementTree.Element]]]:
    """Let tshark decode a capture: packet number and AMQP frames of each packet."""
    command = ["tshark", "-n", "-r", str(path), "-d", "tcp.port==5672,amqp", "-Y", "amqp", "-J", "amqp", "-T", "pdml"]
    output = subprocess.run([*command, *options], check=True, capture_output=True).stdout
    packets = []
    for packet in ElementTree.fromstring(output).iter("packet"):
        number = int(packet.find("proto[@name='geninfo']/field[@name='num']").get("show"))
        packets.append((number, packet.findall("proto[@name='amqp']")))
    return packets


def octets_of(field, ids) -> str:
    """The octets of a text, for Wireshark reads text as ASCII; it counts the length in on connection.close."""
    if not field.get("show"):
        return ""
    return field.get("value")[2:] if ids == (10, 50) else field.get("value")


def theirs(path: Path) -> Counter[MethodFrame]:
    found: Counter[MethodFrame] = Counter()
    for number, frames in tshark(path):
        for frame in frames:
            fields = {field.get("name").removeprefix("amqp."): field for field in frame.iter("field")}
            if fields["type"].get("show") == str(FRAME_METHOD):
                ids = tuple(int(fields[name].get("show")) for name in ("channel", "method.class", "method.method"))
                known = {name: fields.get(f"method.arguments.{name}") for name in (*TEXTS, *NUMBERS)}
                texts = [(name, octets_of(field, ids[1:])) for name in TEXTS if (field := known[name]) is not None]
                numbers = [(name, known[name].get("show")) for name in NUMBERS if known[name] is not None]
                found[MethodFrame(number, *ids, (*texts, *numbers))] += 1
    return found


def ours(path: Path) -> Counter[MethodFrame]:
    streams, readers = Streams(), defaultdict(FrameReader)
    found: Counter[MethodFrame] = Counter()
    with open_capture([str(path)]) as capture:
        for event in [event for batch in capture for event in streams.feed(batch)]:
            assert not isinstance(event, Malformed)
            if not isinstance(event, StreamData):
                continue
            run, frames = readers[event.connection.stream, event.from_client].feed(event)
            for kind, channel, begin, end in frames:
                if kind == FRAME_METHOD:
                    decoded = decode_method(run.data, begin, end)
                    texts = [(name, getattr(decoded, name).encode().hex()) for name in TEXTS if hasattr(decoded, name)]
                    numbers = [(name, str(getattr(decoded, name))) for name in NUMBERS if hasattr(decoded, name)]
                    ids = (channel, decoded.CLASS_ID, decoded.METHOD_ID)
                    found[MethodFrame(run.completed[run.at(end)], *ids, (*texts, *numbers))] += 1
    return found


def test_method_frames_of_the_shipped_captures(capture_name):
    path = truth.captures()[capture_name]
    expected, found = theirs(path), ours(path)
    assert found - expected == Counter()
    assert expected - found == Counter()
    assert expected.total() > 100


# -- Wireshark's own defects -----------------------------------------------------------------------------------------


def write(path, conversation):
    """Write a capture of a connection: each packet is (from_client, bytes)."""
    at = {True: 101, False: 501}
    packets = [segment(True, 100, flags=SYN), segment(False, 500, flags=SYN | ACK, ack=101)]
    for from_client, octets in conversation:
        packets.append(segment(from_client, at[from_client], octets, ack=at[not from_client]))
        at[from_client] += len(octets)
    records = [struct.pack("<IIII", i, 0, len(p), len(p)) + p for i, p in enumerate(packets)]
    path.write_bytes(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101) + b"".join(records))
    return path


def shown(path, *options):
    """What tshark calls each AMQP frame and its fields."""
    frames = [frame for _, found in tshark(path, *options) for frame in found]
    return [[field.get("showname") or field.get("show") for field in frame.iter("field")] for frame in frames]


def fields(path, *names, options=()):
    """What tshark says of each packet after the handshake."""
    arguments = [argument for name in names for argument in ("-e", name)]
    command = ["tshark", "-n", "-r", str(path), "-d", "tcp.port==5672,amqp", "-T", "fields", *arguments, *options]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.split("\t") for line in output.splitlines()[2:]]


GREETING = [(True, PROTOCOL_HEADER), (False, method(0, spec.Connection.Tune(2047, 131072, 60)))]


def test_defect_first_protocol_header_is_decoded_in_the_second_pass_only(tmp_path):
    path = write(tmp_path / "x.pcap", GREETING)
    info = "_ws.col.Info"
    assert fields(path, "amqp.init.protocol", info)[0] == ["", "AMQP (unknown version)"]
    assert fields(path, "amqp.init.protocol", info, options=["-2"])[0] == ["AMQP", "Protocol-Header 0-9-1"]


@pytest.mark.parametrize(
    ("octets", "named"),
    [
        (method(1, spec.Exchange.UnbindOk()), "Method: Unknown (51)"),
        (method(0, spec.Connection.UpdateSecret("new", "old")), "Method: Unknown (70)"),
        (method(0, spec.Connection.UpdateSecretOk()), "Method: Unknown (71)"),
    ],
    ids=["exchange.unbind-ok", "connection.update-secret", "connection.update-secret-ok"],
)
def test_defect_methods_without_a_name(tmp_path, octets, named):
    path = write(tmp_path / "x.pcap", [*GREETING, (True, octets)])
    assert named in shown(path)[-1]
    assert ours(path) >= theirs(path)


def declare(table):
    """A queue.declare with this field table."""
    octets = method(1, spec.Queue.Declare(queue="q"))
    payload = octets[7:-5] + struct.pack(">I", len(table)) + table
    return octets[:3] + struct.pack(">I", len(payload)) + payload + b"\xce"


@pytest.mark.parametrize(
    ("table", "said", "meant"),
    [
        (b"\x01aL" + struct.pack(">q", -5), "a: unknown type 4c (L)", -5),
        (b"\x01aD\x02" + struct.pack(">i", -500), "a (decimal): 42949667.960000", Decimal(-5)),
    ],
    ids=["L", "negative decimal"],
)
def test_defect_values_of_field_tables(tmp_path, table, said, meant):
    octets = declare(table)
    path = write(tmp_path / "x.pcap", [*GREETING, (True, octets)])
    assert said in shown(path)[-1]
    assert decode_method(octets, 7, len(octets) - 1).arguments == {"a": meant}
    assert ours(path) == theirs(path)


def test_defect_text_is_taken_for_ascii(tmp_path):
    path = write(tmp_path / "x.pcap", [*GREETING, (True, b"".join(publish(1, b"x", routing_key="über")))])
    assert "Routing-Key: \ufffd\ufffdber" in shown(path)[1]
    assert ours(path) == theirs(path)


def test_defect_no_beginning_is_found_in_mid_stream(tmp_path):
    frames = b"".join(publish(1, b"abc"))
    path = write(tmp_path / "x.pcap", [(True, frames[5:]), (True, frames), (True, frames), (True, HEARTBEAT)])
    assert theirs(path).total() == 0
    assert [(frame.packet, frame.method_id) for frame in ours(path)] == [(4, 40), (5, 40)]


def test_defect_frames_over_a_mebibyte(tmp_path):
    octets = b"".join(publish(1, bytes((1 << 20) + 1)))
    pieces = [(True, octets[at : at + 40_000]) for at in range(0, len(octets), 40_000)]
    path = write(tmp_path / "x.pcap", [*GREETING, *pieces, (True, method(1, spec.Basic.Ack(1)))])
    missed = ours(path) - theirs(path)
    assert [(frame.class_id, frame.method_id) for frame in missed] == [(60, 80)]


JSON = publish(1, b'{"a": 1}', properties=BasicProperties(content_type="application/json"))


def test_defect_content_types_are_not_kept_apart_by_direction(tmp_path):
    path = write(tmp_path / "x.pcap", [*GREETING, (True, b"".join(JSON))])
    assert fields(path, "frame.protocols")[-1] == ["raw:ip:tcp:amqp:json"]
    between = (False, b"".join(deliver(1, b"plain")[:2]))
    path = write(tmp_path / "x.pcap", [*GREETING, (True, b"".join(JSON[:2])), between, (True, JSON[2])])
    assert fields(path, "frame.protocols")[-1] == ["raw:ip:tcp:amqp"]


def test_defect_bodies_are_not_put_together(tmp_path):
    frames = [*JSON[:2], *publish(1, b'{"a": 1}', pieces=2)[2:]]
    path = write(tmp_path / "x.pcap", [*GREETING, (True, b"".join(frames))])
    assert fields(path, "amqp.payload")[-1] == [b'{"a"'.hex() + "," + b": 1}".hex()]
