"""Secrets in JSON, and in a body: by their places in it."""

import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from dissector.oslo import jsontext, mask, mask_text
from dissector.oslo.compression import decompress
from dissector.oslo.masking import mask_bytes
from dissector.oslo.secretkeys import names_secret
from dissector.oslo.undecodable import NotJson, Undecodable
from dissector.scrub.secrets import (
    ARRAY,
    FILL,
    FILL_DIGIT,
    NUMBER,
    OBJECT,
    PLAIN,
    STRING,
    Node,
    Range,
    find,
)

_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"|[{}\[\]]|[^\s{}\[\]:,"]++', re.DOTALL)
_ESCAPE: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.", re.DOTALL
)
_DIGITS: Final = re.compile(r"[0-9]+|NaN|Infinity")
_PLAIN: Final = frozenset({"null", "true", "false"})
_STARTS: Final = '{[" \t\r\n'


def body_secrets(body: bytes, compression: str | None) -> list[Range]:
    """Find the secrets in a content body, in order; ``compression`` is kombu's header of that name.

    A body is taken as a whole where their places in it are not known: where it is compressed, where it is no JSON
    and mentions a secret, where it cannot be decoded.
    """
    whole = [(0, len(body), FILL)] if body else []
    try:
        if compression:
            return whole if body_secrets(decompress(body, compression), None) else []
        text = body.decode()
        value = jsontext.loads(text)
        found = find(tree(text), value, mask(value), Json(text))
    except NotJson:
        return whole if names_secret(text) or mask_text(text) != text else []
    except UnicodeDecodeError:
        return whole if names_secret(body.decode("latin-1")) or mask_bytes(body) != body else []
    except (Undecodable, RecursionError):
        return whole
    return list(in_octets(text, found))


def inside(text: str, masked: str) -> list[Range] | None:
    """Find what is hidden of a string that is JSON itself; None where it is none, or is no longer when masked."""
    if text[:1] not in _STARTS or text.lstrip()[:1] not in _STARTS or not text:
        return None
    try:
        value = jsontext.loads(text)
        shown = value if masked == text else jsontext.loads(masked)
    except Undecodable:
        return None
    return find(tree(text), value, shown, Json(text))


def in_octets(text: str, found: Sequence[Range]) -> Iterator[Range]:
    """Turn places in a text, in order, into places in its UTF-8."""
    if text.isascii():
        yield from found
        return
    done = octets = 0
    for start, end, fill in found:
        # They may overlap, and then are overwritten already.
        begin = max(start, done)
        if begin < end:
            octets += len(text[done:begin].encode("utf-8", "surrogatepass"))
            size = len(text[begin:end].encode("utf-8", "surrogatepass"))
            yield octets, octets + size, fill
            octets += size
            done = end


def tree(text: str) -> Node:
    """Take a JSON text apart that is known to be one."""
    root: list[Node] = []
    open_: list[list[Node]] = [root]
    for token in _TOKEN.finditer(text):
        start, end = token.span()
        mark = text[start]
        if mark == '"':
            open_[-1].append((STRING, start + 1, end - 1, []))
        elif mark in "{[":
            members: list[Node] = []
            open_[-1].append((OBJECT if mark == "{" else ARRAY, start, start, members))
            open_.append(members)
        elif mark in "}]":
            open_.pop()
        else:
            open_[-1].append((PLAIN if token.group() in _PLAIN else NUMBER, start, end, []))
    return root[0]


class Json:
    """JSON's notation."""

    def __init__(self, text: str) -> None:
        self._text = text

    def string(self, node: Node) -> str:
        """Give what a string says."""
        raw = self._text[node[1] : node[2]]
        if "\\" not in raw:
            return raw
        said = json.loads(f'"{raw}"', strict=False)
        assert isinstance(said, str)
        return said

    def places(self, node: Node, found: Sequence[Range]) -> Iterator[Range]:
        """Turn places in what a string says into places in the text; each for itself, in any order."""
        if not found:
            return
        base = node[1]
        said_at: list[int] = []  # where the character of each escape is in what the string says
        raw_end: list[int] = []  # where the escape ends in the text
        written = said = base
        for escape in _ESCAPE.finditer(self._text, base, node[2]):
            said += escape.start() - written
            said_at.append(said - base)
            said += 1
            written = escape.end()
            raw_end.append(written)

        def place(index: int) -> int:
            before = bisect_left(said_at, index)
            return raw_end[before - 1] + index - said_at[before - 1] - 1 if before else base + index

        for start, end, fill in found:
            yield place(start), place(end), fill

    def number(self, node: Node) -> Iterator[Range]:
        """Overwrite the digits of a number."""
        for digits in _DIGITS.finditer(self._text, node[1], node[2]):
            yield *digits.span(), FILL_DIGIT

    def inside(self, text: str, masked: str) -> list[Range] | None:
        """Find the secrets in a string that is JSON itself."""
        return inside(text, masked)
