"""What an expression is made of, each part with its place in the text (indexes, the end exclusive)."""

from typing import Literal as OneOf

import msgspec


class Name(msgspec.Struct, frozen=True):
    """A field, as it was written."""

    text: str
    start: int
    end: int


class Literal(msgspec.Struct, frozen=True):
    """A value, as it was written and as it is meant."""

    kind: OneOf["text", "number", "boolean", "address"]
    value: str | int | float | bool
    """An address is text, with the length of its network behind a slash where one was given."""
    source: str
    start: int
    end: int


class Present(msgspec.Struct, frozen=True):
    """A bare field: true where it is there."""

    name: Name


class Compare(msgspec.Struct, frozen=True):
    """A field, an operator and a value or another field."""

    name: Name
    operator: str
    """Of `OPERATORS`."""
    operand: Name | Literal


class Range(msgspec.Struct, frozen=True):
    """All values from one to another, both included."""

    low: Literal
    high: Literal


class Member(msgspec.Struct, frozen=True):
    """A field and a set of values."""

    name: Name
    items: tuple[Literal | Range, ...]


class Not(msgspec.Struct, frozen=True):
    """The opposite."""

    part: "Expression"


class All(msgspec.Struct, frozen=True):
    """Parts that are joined by ``&&``."""

    parts: tuple["Expression", ...]


class Any(msgspec.Struct, frozen=True):
    """Parts that are joined by ``||``."""

    parts: tuple["Expression", ...]


Expression = Present | Compare | Member | Not | All | Any

OPERATORS = {
    "==": "any_eq",
    "eq": "any_eq",
    "any_eq": "any_eq",
    "!=": "all_ne",
    "ne": "all_ne",
    "all_ne": "all_ne",
    "===": "all_eq",
    "all_eq": "all_eq",
    "!==": "any_ne",
    "any_ne": "any_ne",
    "<": "lt",
    "lt": "lt",
    "<=": "le",
    "le": "le",
    ">": "gt",
    "gt": "gt",
    ">=": "ge",
    "ge": "ge",
    "contains": "contains",
    "matches": "matches",
    "~": "matches",
}
"""Every way to write an operator, and its name. Source: Wireshark 4.0, wireshark-filter(4) and ``scanner.l``."""


class Wrong(Exception):
    """An expression cannot be understood: why, and where in its text."""

    def __init__(self, reason: str, start: int, end: int) -> None:
        """Say why and where; ``reason`` is one line."""
        super().__init__(reason)
        self.start = start
        self.end = end
