import re

import msgspec
import pytest

from dissector import read
from dissector.fields import FIELDS, MessageRecord

from .lab import truth

DESIGNED = {
    "frame": "number numbers time_epoch",
    "ip": "src dst",
    "tcp": "srcport dstport stream",
    "amqp": "leg channel exchange routing_key queue consumer_tag delivery_tag redelivered mandatory reply_code "
    "reply_text vhost user connection_name node properties body_size",
    "oslo": "kind envelope method namespace version args context msg_id reply_q unique_id request_id timeout_s "
    "result failure ending event_type publisher_id priority payload message_id",
}
"""The record of a message, as others rely on it: names and order."""


SCALARS = ("string", "integer", "number", "boolean", "address")


def paths(value, prefix=""):
    for key, inner in value.items():
        yield prefix + key
        if isinstance(inner, dict):
            yield from paths(inner, f"{prefix}{key}.")


def test_the_record_is_the_designed_one():
    first = next(iter(read(truth.captures()["demo"])))
    record = msgspec.json.decode(msgspec.json.encode(first))
    assert record.pop("type") == "message"
    assert {section: " ".join(fields) for section, fields in record.items()} == DESIGNED
    assert list(record) == list(DESIGNED)


def test_every_name_in_every_record_is_in_the_registry(capture_name):
    sections = {name.rpartition(".")[0] for name in FIELDS}
    sections |= {section.rpartition(".")[0] for section in sections}
    free = [name for name, field in FIELDS.items() if field.type == "json"]
    seen = set()
    for message in read(truth.captures()[capture_name]):
        for path in paths(msgspec.to_builtins(message)):
            if path in FIELDS:
                seen.add(path)
            else:
                assert path in sections | {"type"} or any(path.startswith(f"{name}.") for name in free), path
    assert len(seen) > 40


@pytest.mark.parametrize("field", FIELDS.values(), ids=list(FIELDS))
def test_every_field_is_described(field):
    assert re.fullmatch(r"[a-z_]+(\.[a-z_0-9]+)+", field.name)
    assert field.meaning
    assert not field.meaning.endswith(".")
    assert field.type in {*SCALARS, *(f"{scalar}[]" for scalar in SCALARS), "json"}
    if field.name.endswith("_s"):
        assert field.unit == "s"


def test_types_are_those_of_the_records():
    assert FIELDS["frame.numbers"].type == "integer[]"
    assert FIELDS["ip.src"].type == "address"
    assert FIELDS["oslo.args"].type == "json"
    assert FIELDS["oslo.failure.class"].type == "string"
    assert FIELDS["amqp.redelivered"].type == "boolean"


def test_a_record_survives_json(capture_name):
    for message in read(truth.captures()[capture_name]):
        assert msgspec.json.decode(msgspec.json.encode(message), type=MessageRecord) == message
