"""Where the secrets are in a value that was taken apart: what `dissector.oslo.mask` changes of it, told by places.

Two notations have the same values: JSON and field tables. Each makes a tree of its text with the places of names and
values in it. The value as it is and as it is masked are walked through beside the tree, so that what is secret is
said in one place only. Whatever masking did that cannot be placed is taken as a whole.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from dissector.oslo import mask
from dissector.oslo.masktext import MASK
from dissector.oslo.message import CONTEXT_PREFIX

FILL: Final = ord("*")
"""What a secret is overwritten with."""
FILL_DIGIT: Final = ord("1")
"""The same for the digits of a number in JSON, which stays one."""

Range = tuple[int, int, int]
"""Begin and end of what is to be overwritten, and with which octet."""

STRING: Final = 0
NUMBER: Final = 1
PLAIN: Final = 2
"""Kind of the values that hold no secret: null and booleans."""
OBJECT: Final = 3
ARRAY: Final = 4

Node = tuple[int, int, int, "list[Node]"]
"""Kind; where a string's characters, a number or the like begin and end; what is in an array, and in an object its
names and values by turns."""

_TRACEBACK: Final = "tb"


class Notation(Protocol):
    """A text in which values are written."""

    def string(self, node: Node) -> str:
        """Give what a string says."""

    def places(self, node: Node, found: Sequence[Range]) -> Iterator[Range]:
        """Turn places in what a string says, in order, into places in the text."""

    def number(self, node: Node) -> Iterator[Range]:
        """Overwrite a number so that it stays one."""

    def inside(self, text: str, masked: str) -> list[Range] | None:
        """Find the secrets in a string that is a text of values itself, in order; None where it is none."""


def find(node: Node, value: Any, masked: Any, notation: Notation) -> list[Range]:  # noqa: ANN401 - any JSON value
    """Find what is hidden of a value: places in the notation's text, in order; they may overlap.

    Of names that an object has several times the last one tells the value; the others are taken as a whole, for
    nobody looked at them.
    """
    found: list[Range] = []
    _find(node, value, masked, notation, found)
    found.sort()
    return found


def hide(node: Node, notation: Notation, found: list[Range]) -> None:
    """Add all of a value to what was found: its strings, its numbers, the names in it."""
    kind, start, end, members = node
    if kind == STRING and end > start:
        found.append((start, end, FILL))
    elif kind == NUMBER:
        found += notation.number(node)
    for member in members:
        hide(member, notation, found)


def in_text(text: str, masked: str) -> list[Range]:
    """Find what is hidden of a free text, in order. What is in none of these places is shown when it is masked."""
    if masked == text:
        return []
    whole = [(0, len(text), FILL)]
    first, *pieces = masked.split(MASK)
    if not pieces or not text.startswith(first) or not text.endswith(pieces[-1]):
        return whole
    found: list[Range] = []
    begin = len(first)
    for index, piece in enumerate(pieces, 1):
        at = len(text) - len(piece) if index == len(pieces) else text.find(piece, begin)
        if at < begin:
            return whole
        if at > begin:
            found.append((begin, at, FILL))
        begin = at + len(piece)
    return found


def _find(node: Node, value: Any, masked: Any, notation: Notation, found: list[Range]) -> None:  # noqa: ANN401
    kind, _, _, members = node
    if masked is not value and masked == MASK:
        hide(node, notation, found)
    elif kind == STRING and isinstance(value, str) and isinstance(masked, str):
        inside = notation.inside(value, masked)
        found += notation.places(node, in_text(value, masked) if inside is None else inside)
    elif kind == OBJECT and isinstance(value, dict) and isinstance(masked, dict) and len(masked) == len(value):
        _in_object(members, value, masked, notation, found)
    elif kind == ARRAY and isinstance(value, list) and isinstance(masked, list):
        if len(members) == len(value) == len(masked):
            for member, item, shown in zip(members, value, masked, strict=True):
                _find(member, item, shown, notation, found)
        else:
            hide(node, notation, found)
    elif masked != value or kind in (OBJECT, ARRAY):
        hide(node, notation, found)


def _in_object(
    members: list[Node], value: dict[str, Any], masked: dict[str, Any], notation: Notation, found: list[Range]
) -> None:
    shown = dict(zip(value, masked.items(), strict=True))
    names = [notation.string(node) for node in members[::2]]
    last = {name: index for index, name in enumerate(names)}
    in_context: dict[str, Node] = {}
    for index, name in enumerate(names):
        node, inner = members[2 * index : 2 * index + 2]
        if name not in shown or last[name] != index:
            hide(node, notation, found)
            hide(inner, notation, found)
            continue
        shown_name, shown_value = shown[name]
        if shown_name != name:
            found += notation.places(node, in_text(name, shown_name))
        _find(inner, value[name], shown_value, notation, found)
        if name.startswith(CONTEXT_PREFIX):
            in_context[name] = inner
        elif name == _TRACEBACK and inner[0] == ARRAY:
            _in_lines(inner[3], notation, found)
    if in_context:
        _in_context(in_context, value, notation, found)


def _in_context(members: dict[str, Node], value: dict[str, Any], notation: Notation, found: list[Range]) -> None:
    """Find what is hidden of a context, which is shown without the prefix in its names: ``key`` and ``value``, say."""
    context = {name: value[name] for name in members}
    bare = mask({name.removeprefix(CONTEXT_PREFIX): item for name, item in context.items()})
    if isinstance(bare, dict) and len(bare) == len(context):
        for (name, item), shown in zip(context.items(), bare.values(), strict=True):
            if shown is not item:
                _find(members[name], item, shown, notation, found)
    else:
        for node in members.values():
            hide(node, notation, found)


def _in_lines(members: list[Node], notation: Notation, found: list[Range]) -> None:
    """Find the secrets in a text that was cut into strings: a traceback is shown joined."""
    lines = [node for node in members if node[0] == STRING]
    texts = [notation.string(node) for node in lines]
    joined = "".join(texts)
    left = in_text(joined, mask(joined))[::-1]
    begin = 0
    for node, text in zip(lines, texts, strict=True):
        stop = begin + len(text)
        some: list[Range] = []
        while left and left[-1][0] < stop:
            start, end, fill = left.pop()
            some.append((start - begin, min(end, stop) - begin, fill))
            if end > stop:
                left.append((stop, end, fill))
        found += notation.places(node, some)
        begin = stop
