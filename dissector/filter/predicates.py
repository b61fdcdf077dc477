"""What is asked of one value: predicates, safe for any JSON value.

A value of another kind than is asked for is never equal to it, and neither less nor greater; it contains nothing.
True and false are no numbers.
"""

import operator
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final

import msgspec

from dissector.limits import ADDRESS_CACHE_ENTRIES, ADDRESS_CHARS

Predicate = Callable[[Any], bool]

_ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
"""The operators that need an order."""

_NUMBERS: Final = frozenset({int, float})


class Network(msgspec.Struct, frozen=True):
    """An address, or all of those that begin as it does."""

    version: int
    shift: int
    """Bits at the end that do not count."""
    prefix: int
    """The rest."""


def network(text: str) -> Network | None:
    """Read an address with or without the length of its network: ``10.0.0.0/8``; None where it is none."""
    address, slash, length = text.partition("/")
    parsed = _parsed(address)
    if parsed is None:
        return None
    version, number = parsed
    bits = 32 if version == 4 else 128
    kept = int(length) if slash and len(length) <= 3 else bits
    if kept > bits or (slash and len(length) > 3):
        return None
    return Network(version, bits - kept, number >> (bits - kept))


@lru_cache(ADDRESS_CACHE_ENTRIES)
def _parsed(text: str) -> tuple[int, int] | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.version, int(address)


def _part(value: Any, wanted: Network) -> int | None:  # noqa: ANN401 - any JSON value
    """Give the bits of an address that are compared with a network; None of what is no address of its version."""
    if value.__class__ is not str or len(value) > ADDRESS_CHARS:
        return None
    parsed = _parsed(value)
    return parsed[1] >> wanted.shift if parsed is not None and parsed[0] == wanted.version else None


def kind_of(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    """Name the kind of a value as literals name theirs; None of an object, a list or null."""
    if value.__class__ is str:
        return "text"
    if value.__class__ in _NUMBERS:
        return "number"
    return "boolean" if value.__class__ is bool else None


def equal(wanted: str | float | bool | Network) -> Predicate:
    """Ask whether a value is the one that is wanted; an address, whether it is in its network."""
    if isinstance(wanted, Network):
        return lambda value: _part(value, wanted) == wanted.prefix
    if isinstance(wanted, str):
        return lambda value: bool(value == wanted)
    if isinstance(wanted, bool):
        return lambda value: value is wanted
    return lambda value: value.__class__ in _NUMBERS and value == wanted


def ordered(name: str, wanted: str | float | Network) -> Predicate:
    """Ask whether a value is less or greater (``lt``, ``le``, ``gt``, ``ge``); texts by their characters' codes."""
    holds = _ORDERS[name]
    if isinstance(wanted, Network):
        return lambda value: (part := _part(value, wanted)) is not None and holds(part, wanted.prefix)
    if isinstance(wanted, str):
        return lambda value: value.__class__ is str and holds(value, wanted)
    return lambda value: value.__class__ in _NUMBERS and holds(value, wanted)


def contains(wanted: str) -> Predicate:
    """Ask whether a text is part of a value; an object is searched as its JSON text."""
    return lambda value: (text := _text(value)) is not None and wanted in text


def matches(pattern: str) -> Predicate:
    """Ask whether a regular expression is found in a value, in any case; an object is searched as its JSON text.

    RE2 does it, in time linear in the value: no message can keep it busy. Raises `ValueError` with one line where
    the expression is none of RE2's (which has neither look-around nor references back).
    """
    import re2  # noqa: PLC0415 - only where it is asked for

    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    try:
        search = re2.compile(pattern, options).search
    except re2.error as error:
        reason = error.args[0]
        raise ValueError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)) from None
    return lambda value: (text := _text(value)) is not None and search(text) is not None


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else None


def holds_between(name: str, left: Any, right: Any) -> bool:  # noqa: ANN401 - any JSON values
    """Compare two values of fields; ``name`` is ``eq``, ``ne``, ``lt``, ``le``, ``gt``, ``ge`` or ``contains``."""
    same_kind = kind_of(left) == kind_of(right)
    if name in ("eq", "ne"):
        return (same_kind and bool(left == right)) is (name == "eq")
    if name == "contains":
        return right.__class__ is str and contains(right)(left)
    return same_kind and kind_of(left) in ("text", "number") and _ORDERS[name](left, right)
