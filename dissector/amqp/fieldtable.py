"""Field tables: headers, arguments, the peers' properties (AMQP 0-9-1 clause 4.2.5.5, `FIELD_TYPES`).

Values in Python: bool, int, float, None as such; a long string is `str` where it is UTF-8 and `bytes` where
it is not; ``x`` is `bytes`; a decimal is `decimal.Decimal`; a timestamp is `int` seconds since 1970 UTC; an
array is `list`, a table `dict`. Names that are not UTF-8 have their bad octets backslash-escaped. Of a
repeated name the last value stays, as in pika and py-amqp.
"""

import math
import struct
from decimal import Decimal
from typing import Any, Final

from dissector.amqp.constants import FIELD_TYPES
from dissector.amqp.malformed import MalformedPayload
from dissector.limits import FIELD_TABLE_DEPTH, FIELD_TABLE_ITEMS

FieldValue = Any
"""One value, as told above: ``bool | int | float | str | bytes | Decimal | None | list | dict``."""

FieldTable = dict[str, Any]

_STRUCT_CODES: Final = {
    "bool": "?",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "float": "f",
    "double": "d",
    "timestamp": "Q",
}
_FIXED: Final = {
    row.tag[0]: (packer.unpack_from, packer.size)
    for row in FIELD_TYPES
    if row.kind in _STRUCT_CODES
    for packer in (struct.Struct(">" + _STRUCT_CODES[row.kind]),)
}
_TAG: Final = {row.kind: row.tag[0] for row in FIELD_TYPES if row.kind not in _STRUCT_CODES}
_LONGSTR, _BYTES, _DECIMAL = _TAG["longstr"], _TAG["bytes"], _TAG["decimal"]
_ARRAY, _TABLE, _VOID = _TAG["array"], _TAG["table"], _TAG["void"]
_LENGTH: Final = struct.Struct(">I").unpack_from
_SCALED: Final = struct.Struct(">Bi").unpack_from


def decode_table(data: bytes, pos: int, end: int) -> tuple[FieldTable, int]:
    """Decode the table whose 32-bit length is at ``pos`` of ``data``; give it and the index after it.

    The time is linear in ``end - pos``. Raises `MalformedPayload` where the table does not end by ``end``,
    has an unknown type, or is deeper or longer than ``FIELD_TABLE_DEPTH`` and ``FIELD_TABLE_ITEMS``.
    """
    if data[pos : pos + 4] == b"\0\0\0\0" and pos + 4 <= end:  # the empty headers of every oslo message
        return {}, pos + 4
    try:
        stop = _container(data, pos, end)
        return _items(data, pos + 4, stop, FIELD_TABLE_DEPTH, [FIELD_TABLE_ITEMS]), stop
    except (IndexError, struct.error):
        raise _cut(end) from None


def decode_items(data: bytes, pos: int, end: int) -> FieldTable:
    """Decode the fields of a table without its length: they fill ``data[pos:end]`` (SASL's AMQPLAIN).

    Raises as `decode_table`.
    """
    try:
        return _items(data, pos, end, FIELD_TABLE_DEPTH, [FIELD_TABLE_ITEMS])
    except (IndexError, struct.error):
        raise _cut(end) from None


def to_json(value: FieldValue) -> Any:  # noqa: ANN401 - any JSON value
    """Make a decoded value plain JSON: octets become UTF-8 text with the bad ones backslash-escaped, decimals
    become text, and so do the floats that JSON cannot say (``NaN``, ``Infinity``, ``-Infinity``). The result
    shares no container with ``value``.
    """
    if isinstance(value, dict):
        return {name: to_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, bytes):
        return str(value, "utf-8", "backslashreplace")
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _cut(end: int) -> MalformedPayload:
    return MalformedPayload(end, "field table: cut short")


def _container(data: bytes, pos: int, end: int) -> int:
    """Give the index after the table, array or string whose length is at ``pos``; ``end`` bounds it."""
    stop: int = pos + 4 + _LENGTH(data, pos)[0]
    if stop > end:
        raise MalformedPayload(pos, f"field table: a length runs past its container, by {stop - end}")
    return stop


def _items(data: bytes, pos: int, end: int, depth: int, left: list[int]) -> FieldTable:
    """Read names and values up to exactly ``end``; ``depth`` levels, ``left[0]`` values are still allowed."""
    table: FieldTable = {}
    while pos < end:
        start = pos + 1
        pos = start + data[pos]
        name = data[start:pos].decode("utf-8", "backslashreplace")
        table[name], pos = _value(data, pos, end, depth, left)
    if pos != end:
        raise MalformedPayload(end, "field table: a field runs past its container")
    return table


def _value(data: bytes, pos: int, end: int, depth: int, left: list[int]) -> tuple[FieldValue, int]:
    """Read the value whose tag is at ``pos``. It may end past ``end`` only where the caller will notice."""
    left[0] -= 1
    if left[0] < 0:
        raise MalformedPayload(pos, f"field table: more than {FIELD_TABLE_ITEMS} values")
    tag = data[pos]
    pos += 1
    fixed = _FIXED.get(tag)
    if fixed is not None:
        return fixed[0](data, pos)[0], pos + fixed[1]
    if tag == _VOID:
        return None, pos
    if tag == _DECIMAL:
        scale, unscaled = _SCALED(data, pos)
        return Decimal(f"{unscaled}E-{scale}"), pos + 5
    if tag not in (_LONGSTR, _BYTES, _TABLE, _ARRAY):
        raise MalformedPayload(pos - 1, f"field table: unknown value type 0x{tag:02x}")
    stop = _container(data, pos, end)
    pos += 4
    if tag == _LONGSTR:
        octets = data[pos:stop]
        try:
            return octets.decode(), stop
        except UnicodeDecodeError:
            return octets, stop
    if tag == _BYTES:
        return data[pos:stop], stop
    if depth <= 1:
        raise MalformedPayload(pos, f"field table: more than {FIELD_TABLE_DEPTH} levels")
    if tag == _TABLE:
        return _items(data, pos, stop, depth - 1, left), stop
    array = []
    while pos < stop:
        item, pos = _value(data, pos, stop, depth - 1, left)
        array.append(item)
    if pos != stop:
        raise MalformedPayload(stop, "field table: an array value runs past the array")
    return array, stop
