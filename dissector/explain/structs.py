"""Frames, methods, content headers and field tables as construct declarations, interpreted from the spec table.

They parse, build, and tell where each part lies (`dissector.explain.trace`). They are slow: for one chosen message,
and the oracle that the tests hold against the fast decoders. Every parser raises ``construct.ConstructError`` on what
does not follow the declaration.
"""

from collections.abc import Mapping
from typing import Any, Final

import construct as c  # type: ignore[import-untyped]

from dissector.amqp.constants import FIELD_TYPES, FRAME_END
from dissector.amqp.spec import CLASSES, Argument, Class, Method
from dissector.explain.trace import Traced, traced

SHORT_STRING: Final = c.ExprAdapter(
    c.Prefixed(c.Int8ub, c.GreedyBytes),
    lambda octets, _: octets.decode("utf-8", "backslashreplace"),
    lambda text, _: text.encode(),
)
"""Clause 4.2.5.3; `str`, octets that are no UTF-8 backslash-escaped."""

LONG_STRING: Final = c.Prefixed(c.Int32ub, c.GreedyBytes)
"""Clause 4.2.5.3; `bytes`."""


def _filled_with(item: Any) -> Any:  # noqa: ANN401 - construct has no types
    """Declare a 32-bit length and as many of ``item`` as fill it exactly."""
    return c.Prefixed(c.Int32ub, c.FocusedSeq("items", "items" / c.GreedyRange(item), c.Terminated))


_KINDS: Final = {
    "bool": c.Flag,
    "int8": c.Int8sb,
    "uint8": c.Int8ub,
    "int16": c.Int16sb,
    "uint16": c.Int16ub,
    "int32": c.Int32sb,
    "uint32": c.Int32ub,
    "int64": c.Int64sb,
    "float": c.Float32b,
    "double": c.Float64b,
    "decimal": c.Struct(traced("scale", c.Int8ub), traced("unscaled", c.Int32sb)),
    "longstr": LONG_STRING,
    "bytes": LONG_STRING,
    "array": c.LazyBound(lambda: FIELD_ARRAY),
    "timestamp": c.Int64ub,
    "table": c.LazyBound(lambda: FIELD_TABLE),
    "void": c.Pass,
}
_VALUE: Final = (
    traced("tag", c.Bytes(1)),
    traced("value", c.Switch(c.this.tag, {row.tag: _KINDS[row.kind] for row in FIELD_TYPES}, default=c.Error)),
)

ITEM: Final = "item"
"""What the trace calls each entry of a table or an array."""

FIELD_ARRAY: Final[Any] = _filled_with(Traced(ITEM, c.Struct(*_VALUE)))
"""A list of ``{tag, value}``."""

FIELD_TABLE: Final[Any] = _filled_with(Traced(ITEM, c.Struct(traced("name", SHORT_STRING), *_VALUE)))
"""Clause 4.2.5.5: a list of ``{name, tag, value}``; the tag is one octet of `FIELD_TYPES`."""

_ARGUMENTS: Final = {
    "octet": c.Int8ub,
    "short": c.Int16ub,
    "long": c.Int32ub,
    "longlong": c.Int64ub,
    "shortstr": SHORT_STRING,
    "longstr": LONG_STRING,
    "timestamp": c.Int64ub,
    "table": FIELD_TABLE,
}


def octets_of_bits(arguments: tuple[Argument, ...]) -> list[Argument | list[Argument]]:
    """Gather neighbouring bits by the octet that they share (clause 4.2.5.2)."""
    layout: list[Argument | list[Argument]] = []
    for argument in arguments:
        if argument.type != "bit":
            layout.append(argument)
        elif layout and isinstance(layout[-1], list) and len(layout[-1]) < 8:
            layout[-1].append(argument)
        else:
            layout.append([argument])
    return layout


BITS: Final = "bits_from_"
"""What the name of a field begins with that holds bits; the name of the first of them follows."""
_LAYOUTS: Final = {
    (klass.id, method.id): octets_of_bits(method.arguments) for klass in CLASSES for method in klass.methods
}


def _method(klass: Class, method: Method) -> Any:  # noqa: ANN401
    arguments = []
    for item in _LAYOUTS[klass.id, method.id]:
        if isinstance(item, list):  # the first argument is the lowest bit
            flags = [bit.name / c.Flag for bit in reversed(item)]
            arguments.append(traced(BITS + item[0].name, c.BitStruct(c.Padding(8 - len(item)), *flags)))
        else:
            arguments.append(traced(item.name, _ARGUMENTS[item.type]))
    return c.Struct(
        traced("class_id", c.Const(klass.id, c.Int16ub)),
        traced("method_id", c.Const(method.id, c.Int16ub)),
        "arguments" / c.Struct(*arguments),
        c.Terminated,
    )


METHODS: Final[dict[tuple[int, int], Any]] = {
    (klass.id, method.id): _method(klass, method) for klass in CLASSES for method in klass.methods
}
"""The payload of every method frame, by class and method id.

``{class_id, method_id, arguments}``; ``arguments`` has the names of the spec table, except that bits which share
an octet are one field, named ``bits_from_`` and the first of them, that holds each by its name.
"""

_BASIC: Final = next(klass for klass in CLASSES if klass.properties)
PROPERTY_FLAGS: Final = {argument.name: 0x8000 >> index for index, argument in enumerate(_BASIC.properties)}
"""The bit of each property in the first word of flags, in the order of the properties (clause 4.2.6.1)."""


def _flags_of(properties: Mapping[str, Any]) -> list[int]:
    return [sum(flag for name, flag in PROPERTY_FLAGS.items() if properties.get(name) is not None)]


def _property(argument: Argument) -> Any:  # noqa: ANN401
    flag = PROPERTY_FLAGS[argument.name]
    given = traced(argument.name, _ARGUMENTS[argument.type])
    return argument.name / c.If(lambda context: context._.flags[0] & flag, given)


CONTENT_HEADER: Final = c.Struct(
    traced("class_id", c.Const(_BASIC.id, c.Int16ub)),
    traced("weight", c.Const(0, c.Int16ub)),
    traced("body_size", c.Int64ub),
    "flags"
    / c.Rebuild(
        Traced("flags", c.RepeatUntil(lambda word, _, __: not word & 1, c.Int16ub)),
        lambda context: _flags_of(context.properties),
    ),
    "properties" / c.Struct(*(_property(argument) for argument in _BASIC.properties)),
    c.Terminated,
)
"""Clause 4.2.6.1. ``properties`` holds every property, None where it is absent; the flags follow from it."""

FRAME: Final = c.Struct(
    traced("type", c.Int8ub),
    traced("channel", c.Int16ub),
    "size" / c.Rebuild(Traced("size", c.Int32ub), c.len_(c.this.payload)),
    traced("payload", c.Bytes(c.this.size)),
    traced("end", c.Const(bytes([FRAME_END]))),
)
"""Clause 4.2.3; ``size`` is the payload's, and follows from it."""


def build_method(class_id: int, method_id: int, arguments: Mapping[str, Any]) -> bytes:
    """Build a method frame's payload from its arguments by name, each bit on its own."""
    fields: dict[str, Any] = {}
    for item in _LAYOUTS[class_id, method_id]:
        if isinstance(item, list):
            fields[BITS + item[0].name] = {bit.name: arguments[bit.name] for bit in item}
        else:
            fields[item.name] = arguments[item.name]
    return bytes(METHODS[class_id, method_id].build({"arguments": fields}))


def parse_method(payload: bytes) -> tuple[tuple[int, int], dict[str, Any]]:
    """Parse a method frame's payload into its class and method id and its arguments, each bit on its own.

    Raises ``construct.ConstructError`` where it is no method of the table or does not follow it.
    """
    class_id, method_id = c.Sequence(c.Int16ub, c.Int16ub).parse(payload)
    if (class_id, method_id) not in METHODS:
        raise c.ValidationError(f"unknown method {class_id}.{method_id}")
    fields = METHODS[class_id, method_id].parse(payload).arguments
    arguments: dict[str, Any] = {}
    for item in _LAYOUTS[class_id, method_id]:
        if isinstance(item, list):
            arguments |= {bit.name: fields[BITS + item[0].name][bit.name] for bit in item}
        else:
            arguments[item.name] = fields[item.name]
    return (class_id, method_id), arguments


def build_content_header(body_size: int, properties: Mapping[str, Any]) -> bytes:
    """Build a header frame's payload; a property that is not in ``properties`` is absent."""
    every = {name: properties.get(name) for name in PROPERTY_FLAGS}
    return bytes(CONTENT_HEADER.build({"body_size": body_size, "properties": every}))
