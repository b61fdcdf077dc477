import json
import random
import struct
import subprocess
from collections import Counter
from xml.etree import ElementTree

import msgspec
import pytest

from dissector.amqp import Message
from dissector.amqp.constants import FRAME_HEADER, FRAME_METHOD
from dissector.explain.carriers import Stream, segments_of
from dissector.explain.message import explain
from dissector.explain.structs import CONTENT_HEADER, FRAME, METHODS
from dissector.explain.tree import Explained
from dissector.oslo import mask
from dissector.views.explained import BytesView, explained_lines
from dissector.views.text import TextView

from .. import canary
from ..lab import truth
from .captured import events_in


def found(explained, *names):
    """The nodes at a path of names, wherever it begins."""
    nodes = [node for _, node in explained.walk() if node.name == names[0]]
    for name in names[1:]:
        nodes = [part for node in nodes for part in node.parts if part.name == name]
    return nodes


def octets(explained, node):
    return explained.sources[node.source].data[node.start : node.end]


def check_places(explained):
    """Every part is within its source, and within what it is a part of where that has the same source."""
    for _, node in explained.walk():
        if node.source is not None:
            assert 0 <= node.start <= node.end <= len(explained.sources[node.source].data)
        if node.key is not None:
            assert node.start < node.key[0] <= node.key[1] < node.end
        for part in node.parts:
            if part.source == node.source is not None:
                assert node.start <= part.start <= part.end <= node.end, (node.name, part.name)
    for source in explained.sources:
        for piece in source.pieces:
            there = explained.sources[piece.source].data[piece.at : piece.at + piece.size]
            assert there == source.data[piece.start : piece.start + piece.size]


def test_messages_of_the_shipped_captures_are_explained_whole(capture_name):
    messages = 0
    for event, packets in events_in(truth.captures()[capture_name]):
        explained = explain(event, packets, show_secrets=True)
        check_places(explained)
        if not isinstance(event, Message):
            continue
        messages += 1
        assert not found(explained, "incomplete")
        (method,) = found(explained, "frame", "method")
        assert {part.name: part.value for part in method.parts}["routing_key"] == event.method.routing_key
        if event.body:
            source = next(source for source in explained.sources if source.name == "body")
            assert source.data == event.body
            assert sum(size for _, _, size in on_wire_sizes(explained, source)) == len(event.body)
    assert messages > 10


def on_wire_sizes(explained, source):
    index = explained.sources.index(source)
    return [(at, begin, end - begin) for at, begin, end in explained.on_wire(index, 0, len(source.data))]


def test_construct_builds_every_method_and_header_of_the_shipped_captures_back(capture_name):
    kinds = Counter()
    for event, packets in events_in(truth.captures()[capture_name]):
        if not hasattr(event, "method"):
            continue
        segments = segments_of(packets, event.connection.tcp, event.from_client)
        for frame in Stream(packets, segments, event.connection.tcp, event.from_client).frames:
            if frame.kind == FRAME_METHOD:
                declaration = METHODS[struct.unpack_from(">HH", frame.payload)]
            elif frame.kind == FRAME_HEADER:
                declaration = CONTENT_HEADER
            else:
                continue
            assert declaration.build(declaration.parse(frame.payload)) == frame.payload
            assert FRAME.build(FRAME.parse(frame.data)) == frame.data
            kinds[frame.kind] += 1
    assert min(kinds[FRAME_METHOD], kinds[FRAME_HEADER]) > 10


def members(node):
    """A JSON tree back as a value, from what the nodes say."""
    if not node.parts:
        return node.value
    if node.value == "JSON" or node.parts[0].key is not None:
        return {part.name: members(part) for part in node.parts}
    return [members(part) for part in node.parts]


def plain(value):
    """A value as the tree says it: scalars as text, JSON within strings opened."""
    if isinstance(value, str):
        if value.lstrip()[:1] in ("{", "["):
            try:
                inner = json.loads(value)
            except ValueError:
                return value
            return plain(inner) if inner else "JSON"
        return value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()} if value else "{}"
    if isinstance(value, list):
        return [plain(item) for item in value] if value else "[]"
    return json.dumps(value)


def unescaped(text, key):
    """Take JSON escapes off until nothing changes."""
    while "\\" in text and text != key:
        text = json.loads(f'"{text}"', strict=False)
    return text


def test_each_key_of_the_bodies_is_where_it_is_said_to_be(capture_name):
    keys = 0
    for event, packets in events_in(truth.captures()[capture_name]):
        if not isinstance(event, Message):
            continue
        explained = explain(event, packets, show_secrets=True)
        for _, node in explained.walk():
            if node.key is not None:
                keys += 1
                text = explained.sources[node.source].data[slice(*node.key)].decode()
                assert unescaped(text, node.name) == node.name
        bodies = [node for node in explained.nodes if node.name == "body" and node.parts and node.parts[0].key]
        for body in bodies:
            assert members(body) == plain(json.loads(event.body))
    assert keys > 200 or capture_name == "channels"


def test_no_secret_is_in_tree_or_bytes(tmp_path):
    path = tmp_path / "canary.pcap"
    put = canary.build(path)
    seen = 0
    for event, packets in events_in(path):
        explained = explain(event, packets)
        check_places(explained)
        data = msgspec.json.encode(explained) + b"".join(source.data for source in explained.sources)
        text = "\n".join(explained_lines(explained)).encode()
        assert not put.found(data), event
        assert not put.found(text), event
        shown = explain(event, packets, show_secrets=True)
        places = put.found(b"".join(source.data for source in shown.sources))
        seen += len(places)
        assert not {place for place in places if place.startswith("sasl")}
    assert seen > 200


@pytest.mark.parametrize("seed", range(40))
def test_damaged_packets_never_raise(seed):
    chance = random.Random(seed)
    events = list(events_in(truth.captures()["demo"]))
    for event, packets in chance.sample(events, 12):
        some = []
        for packet in packets:
            data = bytearray(packet.data)
            for _ in range(chance.randrange(4)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            some.append(msgspec.structs.replace(packet, data=bytes(data[: chance.choice((len(data), len(data) - 40))])))
        if chance.random() < 0.3:
            some = some[:-1]
        explained = explain(event, some)
        check_places(explained)
        assert all(line.isprintable() for line in explained_lines(explained))


def test_what_is_missing_is_told():
    event, packets = next((e, p) for e, p in events_in(truth.captures()["big-bodies"]) if len(p) > 3)
    assert found(explain(event, packets), "incomplete") == []
    (end,) = found(explain(event, packets[:-1]), "incomplete")
    assert end.reason == "its frames are not wholly in these packets"
    assert explain(event, []).nodes[-1].reason


def test_a_byte_leads_to_its_node_and_back():
    found_events = ((e, p) for e, p in events_in(truth.captures()["demo"]) if isinstance(e, Message))
    event, packets = next((e, p) for e, p in found_events if e.method.routing_key == "q-reports-plugin")
    explained = explain(event, packets)
    (binary,) = found(explained, "binary")
    path = explained.path_at(binary.source, binary.key[0])
    assert [node.name for node in path] == ["body", "oslo.message", "args", "agent_state", "agent_state", "binary"]
    ((packet, begin, end),) = explained.on_wire(binary.source, *binary.key)
    assert explained.sources[packet].data[begin:end] == b"binary"
    assert [node.name for node in explained.path_at(packet, 30)][-1] == "dst"


def test_secrets_are_masked_as_they_are_elsewhere():
    masked = 0
    for event, packets in events_in(truth.captures()["demo"]):
        if not isinstance(event, Message) or not event.body:
            continue
        explained = explain(event, packets)
        shown = {node.name: node.value for _, node in explained.walk() if node.key}
        envelope = json.loads(event.body)
        value = json.loads(envelope["oslo.message"]) if "oslo.message" in envelope else envelope
        for key, item in mask(value).items():
            if item == "***" and not isinstance(value[key], dict | list):
                assert shown[key] == "***"
                masked += 1
    assert masked > 20


@pytest.mark.tshark
def test_method_frames_are_where_wireshark_sees_them():
    path = truth.captures()["demo"]
    command = ["tshark", "-n", "-r", path, "-d", "tcp.port==5672,amqp", "-Y", "amqp", "-J", "amqp", "-T", "pdml"]
    output = subprocess.run(command, check=True, capture_output=True).stdout
    theirs = set()
    for packet in ElementTree.fromstring(output).iter("packet"):
        number = int(packet.find("proto[@name='geninfo']/field[@name='num']").get("show"))
        for frame in packet.findall("proto[@name='amqp']"):
            fields = {field.get("name"): field for field in frame.iter("field")}
            if fields["amqp.type"].get("show") == str(FRAME_METHOD):
                for name in ("exchange", "routing_key", "queue", "consumer_tag", "delivery_tag"):
                    field = fields.get(f"amqp.method.arguments.{name}")
                    if field is not None and int(field.get("size")):
                        theirs.add((number, name, int(field.get("pos")), int(field.get("size"))))
    ours = set()
    for event, packets in events_in(path):
        explained: Explained = explain(event, packets)
        for method in found(explained, "frame", "method"):
            for part in method.parts:
                places = explained.on_wire(part.source, part.start, part.end)
                if len(places) == 1:
                    at, begin, end = places[0]
                    number = int(explained.sources[at].name.split()[1])
                    for skip in (0, 1):  # Wireshark leaves the length of a text out
                        ours.add((number, part.name, begin + skip, end - begin - skip))
    assert len(theirs) > 300
    missed = theirs - ours
    assert not missed, sorted(missed)[:5]


def test_the_view_writes_a_line_the_tree_and_the_bytes():
    event, packets = next((e, p) for e, p in events_in(truth.captures()["demo"]) if isinstance(e, Message))
    view = BytesView(TextView(lambda: 0), lambda numbers: packets)
    text = view.feed(event).decode()
    assert text.startswith(f"{event.number:>6} ")
    assert "-- frames" in text
    assert "0000  " in text
    assert text.encode() == view.write(view.describe(event))
