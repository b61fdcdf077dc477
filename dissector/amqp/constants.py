"""The numbers of AMQP 0-9-1 around the methods: frames, reply codes, the value types of field tables.

Plain data, like `dissector.amqp.spec`.
"""

from typing import Final, Literal, NamedTuple

PORT: Final = 5672
"""IANA's TCP port of AMQP."""

PROTOCOL_HEADER: Final = b"AMQP\x00\x00\x09\x01"
"""What a 0-9-1 client sends first (clause 4.2.2); a broker that refuses sends the one that it speaks."""

FRAME_METHOD: Final = 1
FRAME_HEADER: Final = 2
FRAME_BODY: Final = 3
FRAME_HEARTBEAT: Final = 8

FRAME_TYPES: Final[dict[int, str]] = {
    FRAME_METHOD: "method",
    FRAME_HEADER: "header",
    FRAME_BODY: "body",
    FRAME_HEARTBEAT: "heartbeat",
}
"""Frame types by number (clause 4.2.3). Its prose says 4 for heartbeat; the XML and everybody else say 8."""

FRAME_END: Final = 0xCE
"""Last octet of every frame (clause 4.2.3)."""
FRAME_HEADER_BYTES: Final = 7
"""Type (8 bits), channel (16), payload size (32) in front of the payload."""
FRAME_OVERHEAD_BYTES: Final = FRAME_HEADER_BYTES + 1
"""What a frame has around its payload; ``frame_max`` counts it in (clause 1.4.2.6)."""
FRAME_MIN_SIZE: Final = 4096
"""Largest frame that a peer may send before tune-ok fixes ``frame_max``. RabbitMQ 4.1 made it 8192."""
CONTENT_HEADER_BYTES: Final = 14
"""Shortest payload of a header frame: class (16), weight (16), body size (64), one word of flags (16)."""

FieldKind = Literal[
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "float",
    "double",
    "decimal",
    "longstr",
    "bytes",
    "array",
    "timestamp",
    "table",
    "void",
]


class FieldType(NamedTuple):
    """One value type of field tables and arrays."""

    tag: bytes
    """The octet in front of the value."""
    kind: FieldKind
    """How the value is read here; integers are big-endian."""
    source: str
    """Where that reading comes from, and where others read it otherwise."""


_PARSER: Final = "rabbit_binary_parser:parse_table"
_GRAMMAR: Final = "clause 4.2.1 (grammar) and " + _PARSER

FIELD_TYPES: Final[tuple[FieldType, ...]] = (
    FieldType(b"t", "bool", _GRAMMAR + "; any octet but 0 is true"),
    FieldType(b"b", "int8", _GRAMMAR),
    FieldType(b"B", "uint8", _GRAMMAR),
    FieldType(b"U", "int16", "clause 4.2.1, pika, py-amqp; RabbitMQ refuses it"),
    FieldType(b"s", "int16", _PARSER + ", pika, py-amqp; a short string in clause 4.2.1"),
    FieldType(b"u", "uint16", _GRAMMAR),
    FieldType(b"I", "int32", _GRAMMAR),
    FieldType(b"i", "uint32", _GRAMMAR),
    FieldType(b"L", "int64", _GRAMMAR + "; py-amqp sends it beyond 32 bits"),
    FieldType(b"l", "int64", _PARSER + ", pika, py-amqp; unsigned in clause 4.2.1"),
    FieldType(b"f", "float", _GRAMMAR),
    FieldType(b"d", "double", _GRAMMAR),
    FieldType(b"D", "decimal", "pika, py-amqp: scale (8 bits), signed 32 bits; RabbitMQ keeps the 32 bits unsigned"),
    FieldType(b"S", "longstr", _GRAMMAR),
    FieldType(b"x", "bytes", _PARSER + ", pika, py-amqp; not in clause 4.2.1"),
    FieldType(b"A", "array", _GRAMMAR),
    FieldType(b"T", "timestamp", _GRAMMAR + "; unsigned 64 bits, seconds since 1970 UTC"),
    FieldType(b"F", "table", _GRAMMAR),
    FieldType(b"V", "void", _GRAMMAR),
)
"""Every value type that a peer of RabbitMQ may meet, one row for each tag."""
