"""Payloads of AMQP frames: methods, content headers, field tables, SASL responses."""

import struct
from random import Random

import msgspec
from msgspec import UNSET

from dissector.amqp.fieldtable import decode_items, decode_table, to_json
from dissector.amqp.malformed import MalformedPayload
from dissector.amqp.methods import decode_method
from dissector.amqp.properties import decode_content_header, to_record
from dissector.amqp.sasl import user_of
from dissector.oslo import mask

from ..target import Mutate, Target

_DECODERS = (decode_method, decode_content_header, decode_table, decode_items)
_AROUND = b"\x01\x00\x01S\x00\x00\x00\x01"
_MECHANISMS = ("AMQPLAIN", "PLAIN", "EXTERNAL")


def _decoded(decode, data: bytes, pos: int, end: int):
    """The value, or None and where it is wrong."""
    try:
        return decode(data, pos, end), None
    except MalformedPayload as error:
        return None, error.offset - pos


def run(data: bytes) -> None:
    kind, payload = data[:1], data[1:]
    number = kind[0] % 6 if kind else 0
    if number >= len(_DECODERS):
        user = user_of(_MECHANISMS[number - len(_DECODERS)], payload)
        assert user is None or (user and msgspec.json.encode(user))
        return
    decode = _DECODERS[number]
    value, wrong = _decoded(decode, payload, 0, len(payload))
    # What stands around a payload in its stream must not matter.
    data = _AROUND + payload + _AROUND
    other, _ = _decoded(decode, data, len(_AROUND), len(_AROUND) + len(payload))
    if decode is decode_table and value is not None and other is not None:
        (value, end), (other, other_end) = value, other
        assert end == other_end - len(_AROUND) <= len(payload)
    assert repr(value) == repr(other)
    if wrong is not None:
        assert other is None
        assert 0 <= wrong <= len(payload)
    elif decode is decode_method:
        msgspec.json.encode(mask(to_json(msgspec.structs.asdict(value))))
    elif decode is decode_content_header:
        size, properties = value
        assert 0 <= size < 1 << 64
        record = to_record(properties)
        msgspec.json.encode(record)
        if record.headers is not UNSET:
            msgspec.json.encode(mask(properties.headers), enc_hook=str)
    else:
        msgspec.json.encode(mask(to_json(value)))
        mask(value)


# --- mutation -------------------------------------------------------------------------------------------------------

_FIXED = {
    tag: size
    for tags, size in ((b"tbB", 1), (b"suU", 2), (b"Iif", 4), (b"lLdT", 8), (b"D", 5), (b"V", 0))
    for tag in tags
}
_TAGS = b"tbBsuUIifllLdTDVSxFA"


def _value(dice: Random, depth: int) -> bytes:
    tag = dice.choice(_TAGS)
    if tag in _FIXED:
        return bytes([tag]) + dice.randbytes(_FIXED[tag])
    if tag in b"Sx" or depth > 3:
        tag = ord("S") if tag not in b"Sx" else tag
        inside = dice.choice((b"", b"abc", b"\xff\xfe", b"password=x", "é".encode(), b'{"a":1}'))
    elif tag in b"F":
        inside = b"".join(_field(dice, depth + 1) for _ in range(dice.randrange(4)))
    else:
        inside = b"".join(_value(dice, depth + 1) for _ in range(dice.randrange(4)))
    return bytes([tag]) + struct.pack(">I", len(inside)) + inside


def _field(dice: Random, depth: int = 0) -> bytes:
    name = dice.choice((b"", b"a", b"token", b"compression", b"connection_name", b"\xff", b"LOGIN", b"PASSWORD"))
    return bytes([len(name)]) + name + _value(dice, depth)


def mutate(data: bytes, max_size: int, dice: Random, change: Mutate) -> bytes:
    if dice.random() < 0.75:
        return change(data, max_size)
    if data[:1] and data[0] % 6 in (3, 4):
        return data[:1] + b"".join(_field(dice) for _ in range(dice.randrange(4)))
    # A table of right lengths in the place of one that is there, or of any bytes.
    table = b"".join(_field(dice) for _ in range(dice.randrange(4)))
    table = struct.pack(">I", len(table)) + table
    if data[:1] and data[0] % 6 == 2:
        return data[:1] + table
    at = data.find(b"\0\0\0\0", 5)
    if at < 0 or dice.random() < 0.3:
        at = dice.randrange(len(data) + 1)
    rest = data[at + 4 :]
    if at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        rest = data[at + 4 + size :] if size < len(data) else rest
    return data[:at] + table + rest


TARGET = Target(
    run,
    max_len=400,
    mutate=mutate,
    words=(
        b"\x00\x0a\x00\x0a", b"\x00\x0a\x00\x0b", b"\x00\x3c\x00\x28", b"\x00\x3c\x00\x3c", b"\x00\x3c\x00\x00",
        b"\x00\x32\x00\x0a", b"\x00\x28\x00\x0a", b"\x00\x14\x00\x28", b"\x00\x3c\x00\x32", b"\x00\x3c\x00\x47",
        b"F\x00\x00\x00\x00", b"A\x00\x00\x00\x00", b"S\x00\x00\x00\x01a", b"\x05LOGINS", b"\xf8\x00", b"\xff\xfc",
        b"\x20\x00\x00\x00\x00\x00",
    ),
)  # fmt: skip
