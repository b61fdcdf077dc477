"""The payload of a content header frame: the body's size and the message's properties (clause 4.2.6.1)."""

import struct
from typing import Final

from msgspec import UNSET
from msgspec.structs import astuple

from dissector.amqp._methods import Properties, property_list
from dissector.amqp.fieldtable import to_json
from dissector.amqp.malformed import MalformedPayload
from dissector.amqp.spec import CLASSES
from dissector.bounded import memorize
from dissector.fields import PropertiesFields
from dissector.limits import PROPERTIES_MEMO_BYTES, PROPERTIES_MEMO_ENTRIES

_BASIC: Final = next(klass.id for klass in CLASSES if klass.properties)
_FIXED_PART: Final = struct.Struct(">HHQ").unpack_from
_FIXED_BYTES: Final = 12
_HEADERS: Final = Properties.__struct_fields__.index("headers")

_memo: dict[bytes, Properties] = {}


def decode_content_header(data: bytes, pos: int, end: int) -> tuple[int, Properties]:
    """Decode the header frame's payload ``data[pos:end]``; give the body's size in bytes and the properties.

    Raises nothing but `MalformedPayload`: for a class other than basic (no other has content), for a
    weight other than 0, and where the properties do not end exactly at ``end``. ``end <= len(data)``.
    """
    try:
        class_id, weight, body_size = _FIXED_PART(data, pos)
    except struct.error:
        raise MalformedPayload(end, "content header: cut short") from None
    if end - pos < _FIXED_BYTES:
        raise MalformedPayload(end, "content header: cut short")
    if class_id != _BASIC:
        raise MalformedPayload(pos, f"content header: class {class_id} has no content")
    if weight:
        raise MalformedPayload(pos + 2, f"content header: weight {weight} instead of 0")
    return body_size, decode_properties(data, pos + _FIXED_BYTES, end)


def decode_properties(data: bytes, pos: int, end: int) -> Properties:
    """Decode the property list ``data[pos:end]``: the flags and the properties of class basic.

    Nearly all messages of a service carry the same few octets, so the result of short lists is kept and handed
    out again: take it, and its ``headers``, as read-only. Raises nothing but `MalformedPayload`.
    """
    octets = data[pos:end] if end - pos <= PROPERTIES_MEMO_BYTES else b""
    found = _memo.get(octets)
    if found is not None:
        return found
    try:
        properties = property_list(data, pos, end)
    except (IndexError, struct.error):
        raise MalformedPayload(end, "properties: cut short") from None
    if octets:
        memorize(_memo, octets, properties, PROPERTIES_MEMO_ENTRIES)
    return properties


def to_record(properties: Properties) -> PropertiesFields:
    """Make the record of the properties, with the headers as plain JSON (`to_json`)."""
    values = list(astuple(properties))
    if values[_HEADERS] is not UNSET:
        values[_HEADERS] = to_json(values[_HEADERS])
    return PropertiesFields(*values)
