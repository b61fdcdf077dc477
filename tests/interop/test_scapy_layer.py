"""The scapy layers: built and dissected again, beside construct and pika, on real packets, and on hostile bytes."""

import doctest
import importlib
import json
import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pika import BasicProperties, spec
from scapy.all import IP, TCP, Ether, Raw, conf, raw, rdpcap, wrpcap

from dissector.amqp.constants import FRAME_TYPES, PROTOCOL_HEADER
from dissector.amqp.methods import decode_method
from dissector.amqp.spec import CLASSES, dotted
from dissector.errors import MissingExtraError, UsageError
from dissector.explain import structs
from dissector.interop import scapy_fields, scapy_layer
from dissector.interop.scapy_layer import (
    AMQP,
    METHODS,
    AMQPFrame,
    AMQPProtocolHeader,
    BasicConsume,
    BasicPublish,
    ConnectionClose,
    ConnectionStartOk,
    ContentHeader,
    OsloMessage,
    QueueDeclare,
    publish,
    request,
)

from ..amqp.amqp_frames import HEARTBEAT, body, header, method
from ..amqp.amqp_values import arguments_of
from ..lab import truth
from ..wiring import events, messages

ALL = [(klass, each) for klass in CLASSES for each in klass.methods]
EVERY = pytest.mark.parametrize(("klass", "each"), ALL, ids=[dotted(klass, each.name) for klass, each in ALL])
PROPERTIES = next(klass.properties for klass in CLASSES if klass.properties)


@pytest.fixture(autouse=True)
def _errors_are_raised():
    """Let scapy hide nothing: what a layer raises fails the test."""
    before, conf.debug_dissector = conf.debug_dissector, True
    yield
    conf.debug_dissector = before


# -- every method, built and dissected ---------------------------------------------------------------------------


@EVERY
def test_every_method_goes_round(klass, each):
    @settings(max_examples=5)
    @given(arguments_of(each.arguments), st.integers(0, 0xFFFF))
    def goes_round(arguments, channel):
        given_, _ = arguments
        layer = METHODS[klass.id, each.id]
        frame = AMQPFrame(channel=channel, content=layer(**{scapy_fields.field_name(n): v for n, v in given_.items()}))
        built = bytes(AMQP(frames=[frame]))
        payload = structs.build_method(klass.id, each.id, given_)
        assert built == structs.FRAME.build({"type": 1, "channel": channel, "payload": payload})

        again = AMQP(built)
        (whole,) = again.frames
        assert (type(whole.content), whole.type, whole.channel, whole.size) == (layer, 1, channel, len(payload))
        told = decode_method(payload, 0, len(payload))
        for argument in each.arguments:
            name = scapy_fields.field_name(argument.name)
            seen, wanted = getattr(whole.content, name), getattr(told, name)
            if argument.type == "shortstr":
                seen = seen.decode()
            assert repr(seen) == repr(int(wanted) if argument.type == "bit" else wanted)
        again.clear_cache()
        assert bytes(again) == built

    goes_round()


def test_as_pika_has_it():
    built = AMQP(
        frames=[
            AMQPFrame(channel=3, content=QueueDeclare(queue="q", durable=1, arguments={"x-expires": 60000})),
            AMQPFrame(channel=3, content=BasicConsume(queue="q", consumer_tag="t", no_ack=1)),
            AMQPFrame(content=ConnectionClose(reply_code=320, reply_text="bye", class_id=60, method_id=40)),
            AMQPFrame(),
        ]
    )
    assert bytes(built) == (
        method(3, spec.Queue.Declare(queue="q", durable=True, arguments={"x-expires": 60000}))
        + method(3, spec.Basic.Consume(queue="q", consumer_tag="t", no_ack=True))
        + method(0, spec.Connection.Close(320, "bye", 60, 40))
        + HEARTBEAT
    )


@settings(max_examples=40)
@given(arguments_of(PROPERTIES), st.sets(st.sampled_from([each.name for each in PROPERTIES])), st.integers(0, 1 << 40))
def test_every_set_of_properties_goes_round(arguments, names, size):
    properties = {name: value for name, value in arguments[0].items() if name in names}
    built = bytes(AMQPFrame(channel=1, content=ContentHeader(body_size=size, **properties)))
    payload = structs.build_content_header(size, properties)
    assert built == structs.FRAME.build({"type": 2, "channel": 1, "payload": payload})
    again = AMQPFrame(built)
    assert again.content.body_size == size
    assert {each.name for each in PROPERTIES if getattr(again.content, each.name) is not None} == names
    again.clear_cache()
    assert bytes(again) == built


def test_every_method_has_a_layer_of_its_name():
    names = {layer.__name__ for layer in METHODS.values()}
    assert len(names) == len(ALL) == len(METHODS)
    assert {"BasicPublish", "QueueDeclareOk", "ConnectionUpdateSecret", "ExchangeUnbindOk"} <= names
    assert all(getattr(scapy_layer, name).__doc__ for name in names)
    assert names <= set(scapy_layer.__all__)
    with pytest.raises(ImportError):
        from dissector.interop.scapy_layer import BasicNothing  # noqa: F401, PLC0415


# -- real packets --------------------------------------------------------------------------------------------------


def test_real_packets_are_what_read_says():
    packets = rdpcap(str(truth.captures()["demo"]))
    compared = 0
    for message in messages("demo"):
        if len(message.numbers) > 1:
            continue
        frames = packets[message.number - 1][TCP][AMQP].frames
        contents = [frame.content for frame in frames if frame.channel == message.channel]
        found = [at for at, each in enumerate(contents) if getattr(each, "name", "") == message.method.NAME]
        matching = [at for at in found if raw(contents[at + 2]) == message.body]
        assert matching
        sent, properties, oslo = contents[matching[0] : matching[0] + 3]
        for name in message.method.__struct_fields__:
            seen = getattr(sent, name)
            assert (seen.decode() if isinstance(seen, bytes) else seen) == getattr(message.method, name)
        assert properties.body_size == len(message.body)
        assert properties.headers == message.properties.headers
        assert properties.content_type.decode() == message.properties.content_type
        outer = json.loads(message.body)
        assert oslo.message == (outer if oslo.version is None else json.loads(outer["oslo.message"]))
        compared += 1
    assert compared == len([each for each in messages("demo") if len(each.numbers) == 1]) > 50


def test_all_frames_of_a_capture_are_there():
    packets = rdpcap(str(truth.captures()["demo"]))
    seen = [frame for packet in packets if AMQP in packet for frame in packet[AMQP].frames]
    names = [frame.content.name for frame in seen if isinstance(frame, AMQPFrame) and frame.type == 1]
    told = events(truth.captures()["demo"])
    methods = [event.method.NAME for event in told if getattr(event, "method", None) is not None]
    assert sorted(names) == sorted(methods)
    openings = [event for event in told if getattr(event, "name", "") == "protocol-header"]
    assert sum(isinstance(frame, AMQPProtocolHeader) for frame in seen) == len(openings) > 0
    for packet in packets:
        if AMQP in packet:
            octets = raw(packet[TCP].payload)
            again = AMQP(octets)
            again.clear_cache()
            assert bytes(again) == octets


def test_secrets_are_not_shown(capsys):
    (packet,) = [each for each in rdpcap(str(truth.captures()["demo"])) if OsloMessage in each][:1]
    logins = [each for each in rdpcap(str(truth.captures()["demo"])) if ConnectionStartOk in each]
    assert b"osloshark-lab" in logins[0][ConnectionStartOk].response
    assert "_context_auth_token" in packet[OsloMessage].message
    for each in (packet, logins[0]):
        each.show()
        each.show2()
        shown = capsys.readouterr().out + repr(each) + each.summary()
        assert "osloshark-lab" not in shown
        assert "is-no-real-token" not in shown
        assert "***" in shown


# -- building --------------------------------------------------------------------------------------------------------


def conversation(*payloads, port=5672):
    """Packets of a connection whose client sends these."""
    client = IP(src="10.0.0.1", dst="10.0.0.2")
    packets = [
        client / TCP(sport=40000, dport=port, seq=100, flags="S"),
        IP(src="10.0.0.2", dst="10.0.0.1") / TCP(sport=port, dport=40000, seq=500, ack=101, flags="SA"),
    ]
    sequence = 101
    for payload in payloads:
        packets.append(client / TCP(sport=40000, dport=port, seq=sequence, ack=501, flags="PA") / payload)
        sequence += len(bytes(payload))
    return [Ether() / packet for packet in packets]


@pytest.mark.tshark
@pytest.mark.parametrize("size", [10, 5000])
def test_what_is_built_is_read_back(size, tmp_path):
    """By our own reader and by tshark."""
    asked = request("echo", {"value": "x" * size}, version="6.0", reply_q="reply_1", context={"request_id": "req-1"})
    sent = publish("nova", "compute", asked, channel=2, expiration="60000", frame_max=4096)
    path = tmp_path / "built.pcap"
    wrpcap(str(path), conversation(AMQPProtocolHeader(), sent))

    (message,) = [each for each in events(path) if hasattr(each, "leg")]
    assert (message.leg, message.channel, message.method.exchange, message.method.routing_key) == (
        *("publish", 2),
        *("nova", "compute"),
    )
    assert message.body == bytes(asked)
    assert message.properties.expiration == "60000"
    inner = json.loads(json.loads(message.body)["oslo.message"])
    assert (inner["method"], inner["args"], inner["_reply_q"]) == ("echo", {"value": "x" * size}, "reply_1")

    fields = ("amqp.method.arguments.exchange", "amqp.method.arguments.routing_key", "amqp.header.body-size")
    command = ["tshark", "-n", "-r", path, "-Y", "amqp.method.method == 40", "-T", "fields"]
    asked_for = [word for field in fields for word in ("-e", field)]
    told = subprocess.run([*command, *asked_for], check=True, capture_output=True, text=True).stdout
    assert told.split() == ["nova", "compute", str(len(message.body))]


def test_a_publish_as_it_is_sent():
    built = publish(
        "x", "k", b"{}", channel=7, mandatory=True, priority=None, headers={"a": [1, None, Decimal("-1.5")]}
    )
    properties = BasicProperties("application/json", "utf-8", {"a": [1, None, Decimal("-1.5")]}, 2)
    assert bytes(built) == (
        method(7, spec.Basic.Publish(exchange="x", routing_key="k", mandatory=True))
        + header(7, 2, properties)
        + body(7, b"{}")
    )
    assert len(publish("x", "k", b"").frames) == 2
    assert publish("x", "k", {"method": "m"})[OsloMessage].message == {"method": "m"}


def test_without_an_envelope():
    plain = {"event_type": "a.b", "publisher_id": "p", "payload": {}}
    sent = bytes(publish("nova", "notifications.info", OsloMessage(version=None, message=plain)))
    assert sent.endswith(json.dumps(plain).encode() + b"\xce")
    seen = AMQP(sent)[OsloMessage]
    assert (seen.version, seen.message) == (None, plain)
    seen.message = {**plain, "priority": "INFO"}
    assert json.loads(bytes(seen)) == {**plain, "priority": "INFO"}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: BasicPublish(exchange="x" * 256), "exchange: 256 bytes; it has room for 255"),
        (lambda: QueueDeclare(arguments={"a": object}), "AMQP's field tables have no such value"),
        (lambda: QueueDeclare(arguments={"a": 1 << 64}), "AMQP's field tables have no such value"),
        (lambda: QueueDeclare(arguments={"a": Decimal("1e3")}), "decimals of 0 to 255 places"),
        (lambda: QueueDeclare(arguments={"n" * 256: 1}), "arguments: no field table"),
        (lambda: QueueDeclare(arguments=[{"name": "a", "tag": b"?", "value": 1}]), "arguments: no field table"),
    ],
)
def test_what_amqp_cannot_say_is_said_in_a_line(make, reason):
    with pytest.raises(UsageError, match=reason):
        bytes(make())


# -- hostile bytes ---------------------------------------------------------------------------------------------------

WHOLE = bytes(publish("nova", "compute", request("echo", {"value": 1}))) + HEARTBEAT
MANGLED = st.builds(
    lambda octets, at, new: octets[: at % len(octets)] + new + octets[at % len(octets) + len(new) :],
    st.sampled_from(
        [WHOLE, method(1, spec.Queue.Declare(queue="q", arguments={"a": {"b": [1, "x", None]}})), HEARTBEAT]
    ),
    st.integers(0, 1 << 16),
    st.binary(min_size=1, max_size=4),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def look_at(packet):
    """All that scapy does with a packet that somebody looks at."""
    return packet.show(dump=True), packet.summary(), repr(packet), packet.show2(dump=True)


def test_without_scapy_it_says_what_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "scapy", None)
    monkeypatch.delitem(sys.modules, scapy_layer.__name__)
    with pytest.raises(ImportError) as raised:
        importlib.import_module(scapy_layer.__name__)
    assert isinstance(raised.value, MissingExtraError)
    assert raised.value.reason == "the scapy layer needs the \"live\" extra: pip install 'osloshark[live]'"


@settings(max_examples=100)
@given(st.binary(max_size=200) | MANGLED | st.lists(MANGLED, max_size=3).map(b"".join))
@example(b"\x01\x00\x00\x00\x00\x00\x00\xce")
@example(b"\x02\x00\x00\x00\x00\x00\x00\xce")
@example(PROTOCOL_HEADER[:7])
@example(b"AMQP\x00\x01\x00\x00" + HEARTBEAT)
def test_no_bytes_raise(octets):
    packet = TCP(bytes(TCP(dport=5672) / Raw(octets)))
    assert bytes(packet.payload) == octets
    look_at(packet)


@settings(max_examples=40)
@given(st.sampled_from(sorted(FRAME_TYPES)), st.binary(max_size=60))
def test_no_content_raises(kind, octets):
    frame = AMQP(structs.FRAME.build({"type": kind, "channel": 1, "payload": octets}))
    assert frame.frames[0].size == len(octets)
    look_at(frame)


@settings(max_examples=40)
@given(JSON, st.sampled_from(["2.0", None, 7]))
def test_no_body_raises(value, version):
    inner = json.dumps(value)
    octets = json.dumps({"oslo.version": version, "oslo.message": inner}).encode()
    frame = AMQP(body(1, octets))
    assert bytes(frame) == body(1, octets)
    look_at(frame)


@pytest.mark.parametrize(
    "inner",
    [
        '{"method": "x", "args": ' + "9" * 6000 + "}",
        '{"method": "x", "args": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"method": "\\ud800"}',
    ],
)
def test_no_odd_number_nor_depth_raises(inner):
    octets = json.dumps({"oslo.version": "2.0", "oslo.message": inner}).encode()
    look_at(AMQP(body(1, octets)))


def test_as_many_frames_as_a_segment_holds():
    packet = AMQP(HEARTBEAT * 8000)
    assert len(packet.frames) == 8000
    assert bytes(packet) == HEARTBEAT * 8000


def test_what_is_no_whole_frame_is_raw():
    cut = AMQP(WHOLE + WHOLE[:10])
    assert len(cut.frames) == 4
    assert cut[Raw].load == WHOLE[:10]
    middle = TCP(bytes(TCP(sport=5672) / Raw(WHOLE[3:])))
    assert AMQP not in middle
    assert middle[Raw].load == WHOLE[3:]
    assert AMQP in TCP(bytes(TCP(sport=5672) / Raw(WHOLE)))
    assert AMQP not in TCP(bytes(TCP(sport=5673, dport=80) / Raw(WHOLE)))


def test_the_examples_of_the_module(monkeypatch):
    monkeypatch.chdir(truth.PCAPS.parent)
    found = doctest.testmod(scapy_layer)
    assert (found.failed, found.attempted) == (0, 7)
