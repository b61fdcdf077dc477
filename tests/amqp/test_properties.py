import struct

import amqp.basic_message
import msgspec
import pika.spec
import pytest
from amqp_values import TABLES, arguments_of, tables_of
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from dissector.amqp import properties
from dissector.amqp._methods import Properties, property_list
from dissector.amqp.malformed import MalformedPayload
from dissector.amqp.properties import decode_content_header, decode_properties, to_record
from dissector.amqp.spec import CLASSES
from dissector.explain.structs import CONTENT_HEADER, build_content_header
from dissector.limits import PROPERTIES_MEMO_BYTES, PROPERTIES_MEMO_ENTRIES

(BASIC,) = (klass for klass in CLASSES if klass.properties)
NAMES = [argument.name for argument in BASIC.properties]
QUICK = settings(max_examples=100)
BODY_SIZES = st.integers(0, 2**64 - 1)


@st.composite
def some_properties(draw, headers=TABLES):
    """Some of the properties: (as construct builds them, as the decoder gives them)."""
    present = draw(st.sets(st.sampled_from(NAMES)))
    built, given_values = draw(arguments_of([a for a in BASIC.properties if a.name in present - {"headers"}]))
    if "headers" in present:
        built["headers"], given_values["headers"] = draw(headers)
    return built, given_values


def set_properties(decoded):
    return {name: value for name in NAMES if (value := getattr(decoded, name)) is not UNSET}


def header(octets):
    return decode_content_header(octets, 0, len(octets))


@QUICK
@given(BODY_SIZES, some_properties(), st.binary(max_size=3), st.binary(max_size=3))
def test_what_construct_builds_decodes_to_what_was_given(body_size, values, before, after):
    built, expected = values
    octets = build_content_header(body_size, built)
    data, pos, end = before + octets + after, len(before), len(before) + len(octets)
    for _ in range(2):  # decoded, and from the memo
        size, decoded = decode_content_header(data, pos, end)
        assert size == body_size
        assert set_properties(decoded) == expected
    parsed = CONTENT_HEADER.parse(octets)
    assert {name for name in NAMES if parsed.properties[name] is not None} == set(expected)


@QUICK
@given(some_properties(tables_of([b"t", b"I", b"l", b"S", b"x", b"D", b"V"])))
def test_pika_reads_what_construct_builds_as_we_do(values):
    octets = build_content_header(0, values[0])
    theirs = pika.spec.BasicProperties()
    theirs.decode(octets, 12)
    ours = set_properties(header(octets)[1])
    assert {name: value for name, value in vars(theirs).items() if value is not None} == ours


@QUICK
@given(some_properties(tables_of([b"t", b"I", b"x", b"V"])))
def test_what_pika_writes_decodes_to_what_it_was_given(values):
    theirs = pika.spec.BasicProperties(**values[1])
    octets = struct.pack(">HHQ", 60, 0, 5) + b"".join(theirs.encode())
    assert (header(octets)[0], set_properties(header(octets)[1])) == (5, values[1])


@QUICK
@given(BODY_SIZES, some_properties(tables_of([b"t", b"I", b"L", b"d", b"S", b"V"])))
def test_py_amqp_reads_what_construct_builds_as_we_do(body_size, values):
    octets = build_content_header(body_size, values[0])
    message = amqp.basic_message.Message()
    message.inbound_header(octets)
    theirs = {name.removeprefix("application_"): value for name, value in message.properties.items()}
    size, ours = header(octets)
    assert (message.body_size, theirs) == (size, set_properties(ours))


@QUICK
@given(some_properties(tables_of([b"t", b"I", b"d", b"V"])))
def test_what_py_amqp_writes_decodes_to_what_it_was_given(values):
    given_values = dict(values[1])
    theirs = {{"headers": "application_headers"}.get(name, name): value for name, value in given_values.items()}
    message = amqp.basic_message.Message("", **theirs)
    octets = struct.pack(">HHQ", 60, 0, 0) + message._serialize_properties()
    assert set_properties(header(octets)[1]) == given_values


def test_what_oslo_messaging_sends():
    octets = bytes.fromhex("003c000000000000000003a9f900") + (
        b"\x10application/json\x05utf-8" + bytes(4) + b"\x02\x00" + b"\x0560000"
    )
    size, decoded = header(octets)
    assert (size, decoded) == (
        937,
        Properties("application/json", "utf-8", {}, 2, 0, UNSET, UNSET, "60000"),
    )
    assert msgspec.json.decode(msgspec.json.encode(to_record(decoded))) == {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "headers": {},
        "delivery_mode": 2,
        "priority": 0,
        "expiration": "60000",
    }


@pytest.mark.parametrize(
    ("octets", "reason", "offset"),
    [
        (struct.pack(">HHQH", 50, 0, 0, 0), "content header: class 50 has no content", 0),
        (struct.pack(">HHQH", 60, 1, 0, 0), "content header: weight 1 instead of 0", 2),
        (struct.pack(">HHQ", 60, 0, 0), "properties: cut short", 12),
        (struct.pack(">HHQH", 60, 0, 0, 0) + b"x", "properties: octets left over after its fields: 1", 14),
        (struct.pack(">HHQH", 60, 0, 0, 1), "property flags: its fields run past its end, by 2", 14),
        (struct.pack(">HHQ", 60, 0, 0)[:11], "content header: cut short", 11),
    ],
)
def test_the_reason_is_told(octets, reason, offset):
    with pytest.raises(MalformedPayload) as raised:
        header(octets)
    assert (raised.value.reason, raised.value.offset) == (reason, offset)


def test_further_words_of_flags_and_flags_without_a_property_are_passed_over():
    expected = Properties(priority=9)
    for flags in ("0800", "0802", "08010000", "08010001fffe"):
        octets = bytes.fromhex(flags) + b"\x09"
        assert decode_properties(octets, 0, len(octets)) == expected
    theirs = pika.spec.BasicProperties()
    theirs.decode(bytes.fromhex("08010000") + b"\x09")
    assert theirs.priority == 9


@settings(max_examples=30)
@given(some_properties())
def test_a_header_that_is_cut_is_malformed(values):
    octets = build_content_header(1, values[0])
    for end in range(len(octets)):
        with pytest.raises(MalformedPayload):
            header(octets[:end])
        with pytest.raises(MalformedPayload):
            decode_content_header(octets, 0, end)


@settings(max_examples=1500)
@given(st.binary(max_size=60), st.integers(0, 70), st.booleans())
def test_random_octets_raise_nothing_else(octets, end, with_header):
    data = struct.pack(">HHQ", 60, 0, 1) + octets if with_header else octets
    for decode in (decode_content_header, decode_properties):
        try:
            decoded = decode(data, 0, min(end, len(data)))
        except MalformedPayload:
            continue
        assert isinstance(decoded, tuple if decode is decode_content_header else Properties)


def test_the_memo_gives_the_same_object_again():
    octets = bytes.fromhex("0800") + b"\x05"
    assert decode_properties(octets, 0, 3) is decode_properties(b"." + octets, 1, 4)


def test_the_memo_is_bounded_and_keeps_nothing_large():
    for number in range(PROPERTIES_MEMO_ENTRIES * 2 + 10):
        octets = struct.pack(">HQ", 0x0040, number)
        assert decode_properties(octets, 0, len(octets)).timestamp == number
        assert len(properties._memo) <= PROPERTIES_MEMO_ENTRIES
    large = build_content_header(0, dict.fromkeys(("content_type", "message_id", "app_id"), "x" * 100))[12:]
    assert len(large) > PROPERTIES_MEMO_BYTES
    before = dict(properties._memo)
    assert decode_properties(large, 0, len(large)).app_id == "x" * 100
    assert properties._memo == before


def test_a_malformed_list_is_not_kept():
    octets = b"\x80\x00\x05abc"
    for _ in range(2):
        with pytest.raises(MalformedPayload):
            decode_properties(octets, 0, len(octets))
    assert octets not in properties._memo


@QUICK
@given(some_properties())
def test_the_record_says_what_the_properties_say(values):
    octets = build_content_header(0, values[0])
    decoded = property_list(octets, 12, len(octets))
    record = to_record(decoded)
    for name in NAMES:
        if name != "headers":
            assert getattr(record, name) == getattr(decoded, name)
    written = msgspec.json.decode(msgspec.json.encode(record))
    assert set(written) == set(values[1])


def test_the_record_does_not_share_the_headers_of_the_memo():
    octets = build_content_header(0, {"headers": [{"name": "a", "tag": b"x", "value": b"\xff"}]})
    decoded = header(octets)[1]
    record = to_record(decoded)
    assert record.headers == {"a": r"\xff"}
    record.headers["b"] = 1
    assert decoded.headers == {"a": b"\xff"}
