"""Content bodies as nodes: JSON within JSON, each key and value with its place in the outermost bytes."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from dissector import limits
from dissector.explain.payloads import filled
from dissector.explain.tree import Node
from dissector.oslo import jsontext, mask_json
from dissector.oslo.compression import decompress
from dissector.oslo.masktext import MASK, mask_text
from dissector.oslo.undecodable import NotJson, Undecodable
from dissector.scrub.jsontree import Json, body_secrets, tree
from dissector.scrub.secrets import ARRAY, FILL, FILL_DIGIT, OBJECT, STRING, Range
from dissector.scrub.secrets import Node as Place

_STARTS: Final = ("{", "[")
_MASKED: Final = frozenset({chr(FILL)})


class Body(msgspec.Struct):
    """A body, explained."""

    node: Node
    """Its parts; their offsets are into ``data``, or into ``decompressed`` where there is that."""
    data: bytes
    """The body, without its secrets."""
    decompressed: bytes | None = None


def explain_body(body: bytes, compression: str | None, *, show_secrets: bool) -> Body:
    """Explain a content body; ``compression`` is kombu's header of that name."""
    secrets = [] if show_secrets else body_secrets(body, compression)
    data = filled(body, secrets)
    if not compression:
        node = _text(data, masked=bool(secrets))
        _hide_numbers(node, secrets)
        return Body(node, data)
    try:
        plain = decompress(body, compression)
    except Undecodable as error:
        reason = str(error) if show_secrets else mask_text(str(error))
        return Body(Node("body", None, None, 0, len(data), reason=reason), data)
    if not show_secrets:
        shown = mask_json(plain)
        plain = filled(plain, body_secrets(plain, None)) if shown is None else shown
    return Body(_text(plain, masked=not show_secrets), data, plain)


def _text(data: bytes, *, masked: bool) -> Node:
    """Explain what is no longer compressed; ``masked``: filled texts in it stand for secrets."""
    node = Node("body", None, None, 0, len(data))
    if len(data) > limits.EXPLAINED_BODY_BYTES:
        node.reason = f"more than {limits.EXPLAINED_BODY_BYTES >> 20} MiB: its parts are not told"
        return node
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        node.reason = f"no UTF-8 text from byte {error.start} on"
        return node
    try:
        jsontext.loads(text)
    except NotJson as error:
        node.value = _shown(text) if masked else text
        node.reason = str(error)
        return node
    except (Undecodable, RecursionError) as error:
        node.reason = str(error) or "nested too deeply"
        return node
    try:
        found = _Reader(limits.EXPLAINED_NODES, masked=masked).value(text, tree(text), 0)
    except RecursionError:
        node.reason = "nested too deeply"
        return node
    node.value, node.parts, node.reason = found.value, found.parts, found.reason
    _to_octets(text, node.parts)
    return node


class _Reader:
    """Makes nodes of JSON, as many as there is room for."""

    def __init__(self, room: int, *, masked: bool) -> None:
        self._room = room
        self._shown = _shown if masked else str

    def value(self, text: str, place: Place, depth: int) -> Node:
        """Make the node of a value; offsets are characters of ``text``."""
        kind, start, end, members = place
        self._room -= 1
        if kind == OBJECT:
            node = Node("", None if members else "{}", None, start, start)
            notation = Json(text)
            for key, inner in zip(members[::2], members[1::2], strict=True):
                if self._room <= 0:
                    break
                member = self.value(text, inner, depth + 1)
                member.name = self._shown(notation.string(key))
                member.start, member.key = key[1] - 1, (key[1], key[2])
                node.parts.append(member)
            return self._closed(text, node, members, "}")
        if kind == ARRAY:
            node = Node("", None if members else "[]", None, start, start)
            for index, inner in enumerate(members):
                if self._room <= 0:
                    break
                member = self.value(text, inner, depth + 1)
                member.name = f"[{index}]"
                node.parts.append(member)
            return self._closed(text, node, members, "]")
        if kind == STRING:
            return self._string(text, place, depth)
        return Node("", text[start:end], None, start, end)

    def _closed(self, text: str, node: Node, members: Sequence[Place], bracket: str) -> Node:
        """Find the bracket that closes an object or an array: nothing but white space is before it."""
        last = node.start
        if members:
            last = node.parts[-1].end if len(node.parts) == len(members[:: 2 if bracket == "}" else 1]) else -1
        node.end = text.index(bracket, _end(text, members[-1]) if last < 0 else last) + 1
        if self._room <= 0 and members:
            node.reason = f"more than {limits.EXPLAINED_NODES:,} parts: not all are told"
        return node

    def _string(self, text: str, place: Place, depth: int) -> Node:
        said = Json(text).string(place)
        node = Node("", self._shown(said), None, place[1] - 1, place[2] + 1)
        if said.lstrip()[:1] not in _STARTS or depth >= limits.JSON_DEPTH or self._room <= 0:
            return node
        try:
            jsontext.loads(said)
        except (Undecodable, RecursionError):
            return node
        inner = self.value(said, tree(said), depth + 1)
        node.value, node.parts, node.reason = "JSON", inner.parts, inner.reason
        _move(node.parts, text, place)
        return node


def _end(text: str, place: Place) -> int:
    """Find where a value ends."""
    kind, start, end, members = place
    if kind == STRING:
        return end + 1
    if kind in (OBJECT, ARRAY):
        return text.index("}" if kind == OBJECT else "]", _end(text, members[-1]) if members else start) + 1
    return end


def _shown(text: str) -> str:
    """Give a text; `MASK` where nothing of it is left."""
    return MASK if text and not set(text) - _MASKED else text


def _hide_numbers(node: Node, secrets: Sequence[Range]) -> None:
    """Show `MASK` for the numbers that are secrets: other digits stand in their place."""
    digits = [start for start, _, fill in secrets if fill == FILL_DIGIT]
    if not digits:
        return
    leaves = sorted((part for part in _all([node]) if not part.parts), key=lambda part: part.start)
    starts = [part.start for part in leaves]
    for at in digits:
        leaf = leaves[bisect_right(starts, at) - 1]
        if leaf.start <= at < leaf.end:
            leaf.value = MASK


# -- places ---------------------------------------------------------------------------------------------------------


def _all(nodes: list[Node]) -> list[Node]:
    found: list[Node] = []
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += node.parts
    return found


def _move(nodes: list[Node], text: str, place: Place) -> None:
    """Turn places in what a string says into places in the text that the string is in."""
    every = _all(nodes)
    places = [(node.start, node.end, FILL) for node in every]
    keys = [node for node in every if node.key is not None]
    places += [(*node.key, FILL) for node in keys if node.key is not None]
    moved = [(start, end) for start, end, _ in Json(text).places(place, places)]
    for node, (start, end) in zip(every, moved[: len(every)], strict=True):
        node.start, node.end = start, end
    for node, key in zip(keys, moved[len(every) :], strict=True):
        node.key = key


def _to_octets(text: str, nodes: list[Node]) -> None:
    """Turn places in a text into places in its UTF-8."""
    if text.isascii():
        return
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    sizes = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
    at = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    for node in _all(nodes):
        node.start, node.end = int(at[node.start]), int(at[node.end])
        if node.key is not None:
            node.key = int(at[node.key[0]]), int(at[node.key[1]])
