"""Names in filters: fields of the registry, groups of them, aliases, and paths into JSON values."""

import difflib
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from dissector.fields import FIELDS, Field

Lookup = Callable[[str], Any]
"""Gives the value of a field by its registry name, None where it is absent. Of a field with several values it is a
tuple. Of a group it is anything but None where the group is there."""

ALIASES: Final = {
    "ip.addr": ("ip.src", "ip.dst"),
    "tcp.port": ("tcp.srcport", "tcp.dstport"),
}
"""Names for either of two fields, as Wireshark has them."""

GROUPS: Final = frozenset(name[:at] for name in FIELDS for at in range(len(name)) if name[at] == ".")
"""What fields are in: ``oslo``, ``oslo.failure``. Only whether they are there can be asked."""

GROUP: Final = "group"
JSON: Final = "json"

_SEGMENT: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|([^."]+)', re.DOTALL)
_NEAREST: Final = 3
_ABOUT: Final = 0.1
_SHOWN: Final = 60
"""Characters of an unknown name that are looked at."""


class Reference(msgspec.Struct, frozen=True):
    """What a name means."""

    text: str
    """The name, as it was written."""
    names: tuple[str, ...]
    """The registry names that are looked up: one, or those of an alias."""
    keys: tuple[str, ...]
    """The path below a field whose value is JSON."""
    type: str
    """As in the registry, without the ``[]`` of several values; or `GROUP`."""
    several: bool
    """Whether it can have several values."""


class NoSuchField(Exception):
    """The registry has no field of that name; the text is one line, with the nearest names."""


def resolve(text: str) -> Reference:
    """Find what a name means; raises `NoSuchField`.

    Below a field whose value is JSON, any path of keys is a name: ``oslo.args.host``. A key with other characters
    than letters, digits, ``_`` and ``-`` is put in quotes: ``oslo.args."nova_object.data".uuid``.
    """
    if text in FIELDS:
        field = FIELDS[text]
        return Reference(text, (text,), (), field.type.removesuffix("[]"), field.type.endswith("[]"))
    if text in ALIASES:
        return Reference(text, ALIASES[text], (), FIELDS[ALIASES[text][0]].type, True)
    if text in GROUPS:
        return Reference(text, (text,), (), GROUP, False)
    for name, field in FIELDS.items():
        if field.type == JSON and text.startswith(name + "."):
            keys = _SEGMENT.finditer(text, len(name) + 1)
            return Reference(text, (name,), tuple(_key(key) for key in keys), JSON, True)
    raise NoSuchField(_unknown(text))


def _key(segment: re.Match[str]) -> str:
    return segment[2] if segment[1] is None else re.sub(r"\\(.)", r"\1", segment[1], flags=re.DOTALL)


def _unknown(text: str) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in text[:_SHOWN]) + ("…" if text[_SHOWN:] else "")
    near = _nearest(text[:_SHOWN])
    return f"no field {shown}; " + (f"nearest: {', '.join(near)}" if near else "'osloshark fields' lists them")


def _nearest(text: str) -> list[str]:
    """Give the names that are most like another, and about as much as the first of them."""
    near = difflib.get_close_matches(text, [*FIELDS, *ALIASES, *sorted(GROUPS)], _NEAREST)
    likeness = [difflib.SequenceMatcher(None, name, text).ratio() for name in near]
    return [name for name, ratio in zip(near, likeness, strict=True) if ratio > likeness[0] - _ABOUT]


def alias_field(name: str) -> Field:
    """Describe an alias as the registry describes a field."""
    first, second = ALIASES[name]
    return Field(name, FIELDS[first].type + "[]", FIELDS[first].unit, f"In filters: {first} or {second}")


def values_of(reference: Reference) -> Callable[[Lookup], list[Any]]:
    """Make what gives all values of a name, none of them None; empty where it is absent.

    A list in JSON is one value; but a path goes on into each of its elements.
    """
    names, keys = reference.names, reference.keys
    if keys:
        (name,) = names
        return lambda lookup: _below(lookup(name), keys)
    if len(names) > 1:
        return lambda lookup: [value for name in names if (value := lookup(name)) is not None]
    (name,) = names
    if reference.several:
        return lambda lookup: [value for value in lookup(name) or () if value is not None]
    return lambda lookup: [] if (value := lookup(name)) is None else [value]


def _below(value: Any, keys: tuple[str, ...]) -> list[Any]:  # noqa: ANN401 - any JSON value
    for index, key in enumerate(keys):
        if isinstance(value, list):
            return [found for item in value for found in _below(item, keys[index:])]
        if not isinstance(value, dict):
            return []
        value = value.get(key)
    return [] if value is None else [value]


def leaves(values: list[Any]) -> list[Any]:
    """Put the elements of lists, at any depth, in the place of the lists; null is none."""
    if not any(value is None or isinstance(value, list) for value in values):
        return values
    found: list[Any] = []
    for value in values:
        if isinstance(value, list):
            found += leaves(value)
        elif value is not None:
            found.append(value)
    return found
