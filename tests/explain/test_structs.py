import struct
import subprocess
import sys

import construct
import pika.frame
import pika.spec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissector.amqp.methods import decode_method
from dissector.amqp.spec import CLASSES
from dissector.explain.structs import (
    CONTENT_HEADER,
    FIELD_ARRAY,
    FIELD_TABLE,
    FRAME,
    METHODS,
    build_content_header,
    build_method,
    parse_method,
)

# What construct builds is held against the fast decoders, pika and py-amqp in tests/amqp.


def test_every_method_of_the_table_is_declared():
    assert set(METHODS) == {(klass.id, method.id) for klass in CLASSES for method in klass.methods}


@pytest.mark.parametrize("key", sorted(METHODS))
def test_what_is_built_is_parsed_back(key):
    (method,) = (m for klass in CLASSES for m in klass.methods if (klass.id, m.id) == key)
    samples = {
        "bit": True,
        "octet": 255,
        "short": 65534,
        "long": 2**32 - 3,
        "longlong": 2**64 - 4,
        "shortstr": "é",
        "longstr": b"\xff",
        "table": [{"name": "a", "tag": b"V", "value": None}],
    }
    arguments = {argument.name: samples[argument.type] for argument in method.arguments}
    payload = build_method(*key, arguments)
    found, parsed = parse_method(payload)
    assert found == key
    assert parsed == arguments
    assert list(parsed) == [argument.name for argument in method.arguments]
    with pytest.raises(construct.ConstructError):
        parse_method(payload + b"\0")
    with pytest.raises(construct.ConstructError):
        parse_method(payload[:-1])


@given(st.lists(st.booleans(), min_size=5, max_size=5))
def test_the_first_bit_is_the_lowest(bits):
    names = ["passive", "durable", "auto_delete", "internal", "nowait"]
    given_bits = dict(zip(names, bits, strict=True))
    arguments = {"ticket": 0, "exchange": "e", "type": "t", "arguments": []} | given_bits
    payload = build_method(40, 10, arguments)
    assert payload[-5] == sum(bit << index for index, bit in enumerate(bits))
    decoded = decode_method(payload, 0, len(payload))
    assert {name: getattr(decoded, name) for name in names} == given_bits


@given(st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=80))
def test_frames_are_those_of_pika(kind, channel, payload):
    octets = FRAME.build({"type": kind, "channel": channel, "payload": payload})
    assert octets == pika.frame.Frame(kind, channel)._marshal([payload])
    parsed = FRAME.parse(octets)
    assert (parsed.type, parsed.channel, parsed.size, parsed.payload) == (kind, channel, len(payload), payload)


def test_a_frame_needs_its_end():
    octets = FRAME.build({"type": 8, "channel": 0, "payload": b""})
    assert octets == pika.frame.Heartbeat().marshal()
    with pytest.raises(construct.ConstError):
        FRAME.parse(octets[:-1] + b"\0")


def test_a_content_header_is_that_of_pika():
    theirs = pika.frame.Header(1, 937, pika.spec.BasicProperties(content_type="text/plain", headers={}, priority=3))
    built = build_content_header(937, {"content_type": "text/plain", "headers": [], "priority": 3})
    assert FRAME.build({"type": 2, "channel": 1, "payload": built}) == theirs.marshal()
    parsed = CONTENT_HEADER.parse(built)
    assert (parsed.body_size, list(parsed.flags)) == (937, [0xA800])
    assert (parsed.properties.content_type, parsed.properties.priority) == ("text/plain", 3)
    assert parsed.properties.app_id is None


def test_a_further_word_of_flags_is_parsed():
    octets = struct.pack(">HHQHHB", 60, 0, 1, 0x0801, 0, 7)
    assert CONTENT_HEADER.parse(octets).properties.priority == 7


@pytest.mark.parametrize(
    "octets", [b"\0\0\0\x03\x01a?", b"\0\0\0\x04\x01aVV", b"\0\0\0\x04\x01aV", b"\0\0\0\x03\x01aI"]
)
def test_a_table_that_is_wrong_is_refused(octets):
    with pytest.raises(construct.ConstructError):
        FIELD_TABLE.parse(octets)


VALUES = st.one_of(
    st.tuples(st.just(b"t"), st.booleans()),
    st.tuples(st.just(b"l"), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just(b"x"), st.binary(max_size=9)),
)


@settings(max_examples=50)
@given(st.lists(VALUES, max_size=9))
def test_an_array_is_parsed_back(values):
    items = [{"tag": tag, "value": value} for tag, value in values]
    table = [{"name": "a", "tag": b"A", "value": items}]
    assert [(item.tag, item.value) for item in FIELD_ARRAY.parse(FIELD_ARRAY.build(items))] == values
    (parsed,) = FIELD_TABLE.parse(FIELD_TABLE.build(table))
    assert [(item.tag, item.value) for item in parsed.value] == values


def test_an_unknown_method_is_refused():
    with pytest.raises(construct.ValidationError, match=r"60\.999"):
        parse_method(struct.pack(">HH", 60, 999))


def test_the_decoders_do_not_import_construct():
    code = "import sys, dissector.amqp.methods, dissector.amqp.properties; sys.exit('construct' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
