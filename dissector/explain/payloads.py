"""Payloads of method and content header frames as nodes, by the construct declarations, secrets masked."""

from collections.abc import Sequence
from typing import Any, Final

from construct import Container  # type: ignore[import-untyped]

from dissector.amqp.constants import FIELD_TYPES
from dissector.amqp.malformed import MalformedPayload
from dissector.amqp.methods import decode_method
from dissector.amqp.properties import decode_content_header
from dissector.amqp.spec import CLASSES
from dissector.explain.structs import BITS, CONTENT_HEADER, ITEM, METHODS
from dissector.explain.trace import Part, parse_parts
from dissector.explain.tree import Node
from dissector.oslo.masktext import MASK
from dissector.scrub.payloads import header_secrets, method_secrets
from dissector.scrub.secrets import FILL, Range

_NAMES: Final = {
    (klass.id, method.id): f"{klass.name}.{method.name}".replace("_", "-")
    for klass in CLASSES
    for method in klass.methods
}
_CLASS_NAMES: Final = {klass.id: klass.name for klass in CLASSES}
_KINDS: Final = {row.tag: row.kind for row in FIELD_TYPES}
_CONNECTION: Final = next(klass.id for klass in CLASSES if klass.name == "connection")
_METHOD_KEY_BYTES: Final = 4
_HEADER_FIXED_BYTES: Final = 12
"""Class, weight and body size."""


def filled(data: bytes, secrets: Sequence[Range]) -> bytes:
    """Overwrite secrets in bytes."""
    if not secrets:
        return data
    after = bytearray(data)
    for start, end, fill in secrets:
        after[start:end] = bytes([fill]) * (end - start)
    return bytes(after)


def explain_method(payload: bytes, *, show_secrets: bool) -> tuple[Node, bytes]:
    """Explain the payload of a method frame; offsets are into it. Give it without its secrets, too.

    What authenticates a connection is a secret always. Of what cannot be decoded no text is shown.
    """
    key = int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big")
    name = _NAMES.get(key) if len(payload) >= _METHOD_KEY_BYTES else None
    reason: str | None = None
    secrets: Sequence[Range]
    try:
        method = decode_method(payload, 0, len(payload))
        secrets = method_secrets(payload, method) if not show_secrets or key[0] == _CONNECTION else ()
    except MalformedPayload as error:
        reason = error.reason
        secrets = [] if show_secrets and key[0] != _CONNECTION else _all_from(_METHOD_KEY_BYTES, payload)
    node = Node("method", name, None, 0, len(payload), reason=reason)
    if name is not None:
        # What has secrets in places that are known is sound, and is so without them.
        shown = filled(payload, secrets) if reason is None else payload
        parts, _ = parse_parts(METHODS[key], shown)
        node.parts = [inner for part in parts for inner in _nodes(part, shown, secrets)]
    return node, filled(payload, secrets)


def explain_header(payload: bytes, *, show_secrets: bool) -> tuple[Node, bytes]:
    """Explain the payload of a content header frame, as `explain_method` does with a method's."""
    reason: str | None = None
    secrets: Sequence[Range]
    try:
        decode_content_header(payload, 0, len(payload))
        secrets = () if show_secrets else header_secrets(payload)
    except MalformedPayload as error:
        reason = error.reason
        secrets = [] if show_secrets else _all_from(_HEADER_FIXED_BYTES, payload)
    shown = filled(payload, secrets) if reason is None else payload
    parts, _ = parse_parts(CONTENT_HEADER, shown)
    node = Node("content header", None, None, 0, len(payload), reason=reason)
    given: list[Node] = []
    for part in parts:
        in_list = part.name not in ("class_id", "weight", "body_size", "flags")
        (given if in_list else node.parts).extend(_nodes(part, shown, secrets))
    if given:
        node.parts.append(Node("properties", None, None, given[0].start, given[-1].end, parts=given))
    return node, filled(payload, secrets)


def _all_from(start: int, payload: bytes) -> list[Range]:
    return [(start, len(payload), FILL)] if len(payload) > start else []


def _nodes(part: Part, data: bytes, secrets: Sequence[Range]) -> list[Node]:
    """Make the nodes of a part: one, but for bits, which are one each and share their octet."""
    if part.name.startswith(BITS):
        if not isinstance(part.value, Container):
            return [_broken(part)]
        names = [name for name in part.value if not name.startswith("_")]
        return [
            Node(name, "true" if part.value[name] else "false", None, part.start, part.end) for name in reversed(names)
        ]
    if not part.is_whole:
        node = _broken(part)
        node.parts = _inside(part, data, secrets)
        return [node]
    node = Node(part.name, None, None, part.start, part.end)
    if part.name == "flags":
        node.value = " ".join(f"0x{word:04x}" for word in part.value)
    elif part.name == "class_id":
        node.value = f"{part.value} ({_CLASS_NAMES.get(part.value, 'unknown')})"
    elif isinstance(part.value, list):
        node.parts = _inside(part, data, secrets)
        node.value = None if node.parts else "empty"
    else:
        node.value = _value(part.value, part.start, part.end, secrets)
    return [node]


def _inside(part: Part, data: bytes, secrets: Sequence[Range]) -> list[Node]:
    found = []
    # Behind the last item construct tries for another one.
    items = [inner for inner in part.parts if inner.name == ITEM and (inner.is_whole or not part.is_whole)]
    for index, item in enumerate(items):
        by_name = {inner.name: inner for inner in item.parts}
        name, tag, value = by_name.get("name"), by_name.get("tag"), by_name.get("value")
        node = Node(f"[{index}]", None, None, item.start, item.end)
        if name is not None and name.is_whole:
            node.name = _value(name.value, name.start, name.end, secrets)
        if not item.is_whole:
            node.reason = "breaks off here"
        if tag is not None and tag.is_whole:
            node.parts.append(Node("type", _KINDS.get(tag.value, "unknown"), None, tag.start, tag.end))
        if value is not None and value.is_whole:
            if isinstance(value.value, list):
                node.parts += _inside(value, data, secrets)
                node.value = None if value.value else "empty"
            else:
                node.value = _value(value.value, value.start, value.end, secrets)
        elif value is not None:
            node.parts += _inside(value, data, secrets)
        found.append(node)
    return found


def _broken(part: Part) -> Node:
    return Node(part.name, None, None, part.start, part.end, reason="breaks off here")


def _value(value: Any, start: int, end: int, secrets: Sequence[Range]) -> str:  # noqa: ANN401 - construct has no types
    """Write a value down; `MASK` where all of it is secret."""
    begin = start + _LENGTHS.get(type(value), 0)
    for first, last, _ in secrets:
        if first <= begin < end <= last:
            return MASK
        if type(value) is not str and type(value) is not bytes and first < end and begin < last:
            return MASK
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if value is None:
        return "void"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Container):
        return str(value.unscaled / 10**value.scale) if value.scale < 64 else f"{value.unscaled}e-{value.scale}"
    return str(value)


_LENGTHS: Final[dict[type, int]] = {str: 1, bytes: 4}
"""Octets of the length before a short and a long string."""
