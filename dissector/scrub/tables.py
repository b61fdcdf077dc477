"""Secrets in field tables (AMQP 0-9-1, clause 4.2.5.5), by their places in them."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from dissector.amqp.constants import FIELD_TYPES
from dissector.amqp.fieldtable import decode_items
from dissector.amqp.malformed import MalformedPayload
from dissector.oslo.masking import mask_bytes
from dissector.scrub.jsontree import in_octets, inside
from dissector.scrub.secrets import ARRAY, FILL, NUMBER, OBJECT, PLAIN, STRING, Node, Range, find, hide

_TAG: Final = {row.kind: row.tag[0] for row in FIELD_TYPES}
_LONGEST_VALUE: Final = 8


def _is_value(tag: bytes, size: int) -> bool:
    try:
        decode_items(b"\0" + tag + bytes(size), 0, 2 + size)
    except MalformedPayload:
        return False
    return True


_SIZES: Final = {
    row.tag[0]: size
    for row in FIELD_TYPES
    if row.kind not in ("longstr", "bytes", "array", "table")
    for size in range(_LONGEST_VALUE + 1)
    if _is_value(row.tag, size)
}
"""Octets of the values that have no length in front, as the decoder reads them."""


def argument_secrets(data: bytes, pos: int, end: int, value: Any, masked: Any) -> list[Range]:  # noqa: ANN401
    """Find what is hidden of a string or a table: the octets ``data[pos:end]``, known to be sound, without the length.

    ``value`` is what they say (`dissector.amqp.fieldtable.to_json`), ``masked`` what is shown of it.
    """
    node = _fields(data, pos, end) if isinstance(value, dict) else (STRING, pos, end, [])
    return find(node, value, masked, _Octets(data))


def login_secrets(data: bytes) -> list[Range]:
    """Find all but the user in the response of the mechanism AMQPLAIN, a table without its length.

    Raises `MalformedPayload` where it is none.
    """
    decode_items(data, 0, len(data))
    members = _fields(data, 0, len(data))[3]
    users = [name for name in members[::2] if data[name[1] : name[2]] == b"LOGIN"]
    found: list[Range] = []
    for name, value in zip(members[::2], members[1::2], strict=True):
        if users != [name]:
            hide(value, _Octets(data), found)
    return found


def _fields(data: bytes, pos: int, end: int) -> Node:
    members: list[Node] = []
    while pos < end:
        start = pos + 1
        pos = start + data[pos]
        members.append((STRING, start, pos, []))
        value, pos = _value(data, pos)
        members.append(value)
    return OBJECT, end, end, members


def _value(data: bytes, pos: int) -> tuple[Node, int]:
    tag = data[pos]
    pos += 1
    size = _SIZES.get(tag)
    if size is not None:
        kind = PLAIN if tag in (_TAG["bool"], _TAG["void"]) else NUMBER
        return (kind, pos, pos + size, []), pos + size
    start = pos + 4
    end = start + int.from_bytes(data[pos:start], "big")
    if tag == _TAG["table"]:
        return _fields(data, start, end), end
    if tag != _TAG["array"]:
        return (STRING, start, end, []), end
    members: list[Node] = []
    pos = start
    while pos < end:
        member, pos = _value(data, pos)
        members.append(member)
    return (ARRAY, start, start, members), end


class _Octets:
    """The notation of field tables, and of the strings around them."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def string(self, node: Node) -> str:
        return self._data[node[1] : node[2]].decode("utf-8", "backslashreplace")

    def places(self, node: Node, found: Sequence[Range]) -> Iterator[Range]:
        start, end = node[1:3]
        octets = self._data[start:end]
        try:
            text = octets.decode()
        except UnicodeDecodeError:
            if found or mask_bytes(octets) != octets:
                yield start, end, FILL
            return
        for first, last, fill in in_octets(text, found):
            yield start + first, start + last, fill

    def number(self, node: Node) -> Iterator[Range]:
        yield node[1], node[2], FILL

    def inside(self, text: str, masked: str) -> list[Range] | None:
        return inside(text, masked)
