"""AMQP's elementary domains as scapy fields (AMQP 0-9-1 clause 4.2.5).

scapy keeps what a field holds as bytes, and the user sees what they mean; so what was dissected is built again octet
for octet, whatever tags a table was written with.
"""

import struct
from collections.abc import Callable, Iterable
from decimal import Decimal
from keyword import iskeyword
from typing import Any, Final

import construct as c  # type: ignore[import-untyped]
from scapy.fields import BitField, ByteField, IntField, LongField, ShortField, StrField

from dissector.amqp.constants import FIELD_TYPES
from dissector.amqp.fieldtable import decode_items
from dissector.amqp.spec import Argument
from dissector.errors import UsageError
from dissector.explain.structs import FIELD_TABLE, octets_of_bits
from dissector.oslo import mask

_TAG: Final = {row.kind: row.tag for row in FIELD_TYPES}
_SECRETS: Final = frozenset({"response", "challenge", "new_secret"})
"""Long strings that authenticate (see `dissector.amqp.connection`): never shown, but there for who asks for them."""
_INT32: Final = range(-(1 << 31), 1 << 31)
_INT64: Final = range(-(1 << 63), 1 << 63)


class _Prefixed(StrField):
    """Octets with their length in front; `str` is taken as UTF-8."""

    __slots__ = ("_length",)

    def __init__(self, name: str, length: str) -> None:
        super().__init__(name, b"")
        self._length = struct.Struct(length)

    def any2i(self, pkt: Any, x: Any) -> Any:  # noqa: ANN401 - scapy's signature
        return x.encode() if isinstance(x, str) else x

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:  # noqa: ANN401
        octets = self.i2m(pkt, val)
        try:
            return s + self._length.pack(len(octets)) + octets
        except struct.error:
            most = (1 << 8 * self._length.size) - 1
            raise UsageError(f"{self.name}: {len(octets):,} bytes; it has room for {most:,}") from None

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, Any]:  # noqa: ANN401
        begin = self._length.size
        end = begin + self._length.unpack_from(s)[0]
        return s[end:], s[begin:end]

    def i2len(self, pkt: Any, x: Any) -> int:  # noqa: ANN401
        return self._length.size + len(self.i2m(pkt, x))

    def i2repr(self, pkt: Any, x: Any) -> str:  # noqa: ANN401
        return "'***'" if x and self.name in _SECRETS else repr(x)


class ShortString(_Prefixed):
    """Up to 255 octets (clause 4.2.5.3)."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        super().__init__(name, ">B")


class LongString(_Prefixed):
    """Up to 4 GiB of octets (clause 4.2.5.3)."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        super().__init__(name, ">I")


class Table(_Prefixed):
    """A field table (clause 4.2.5.5). It is shown as a dict, and takes one; each value gets the usual tag.

    Where tags matter, it takes a list of ``{"name", "tag", "value"}``, as `dissector.explain.structs.FIELD_TABLE` has
    it; or the octets behind the length.
    """

    __slots__ = ()

    def __init__(self, name: str) -> None:
        super().__init__(name, ">I")

    def any2i(self, pkt: Any, x: Any) -> Any:  # noqa: ANN401
        """Take a dict, a list of items, or octets; raises `UsageError` for what AMQP cannot say."""
        if isinstance(x, dict):
            x = _items(x)
        if isinstance(x, list):
            return _encoded(self.name, x)
        return x

    def i2h(self, pkt: Any, x: Any) -> Any:  # noqa: ANN401
        """Give it as a dict."""
        return x if x is None else decode_items(x, 0, len(x))

    def i2repr(self, pkt: Any, x: Any) -> str:  # noqa: ANN401
        """Show it with secrets masked."""
        return ascii(mask(self.i2h(pkt, x)))


def _encoded(name: str, items: list[Any]) -> bytes:
    try:
        octets = bytes(FIELD_TABLE.build(items))
    except (c.ConstructError, AttributeError, KeyError, TypeError) as error:
        raise UsageError(f"{name}: no field table: {str(error).splitlines()[0]}") from None
    return octets[struct.calcsize(">I") :]


def _items(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, **_tagged(value)} for name, value in table.items()]


def _tagged(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any value of a table
    """Give a value the tag that RabbitMQ's own client would."""
    match value:
        case None:
            kind = "void"
        case bool():
            kind = "bool"
        case int() if value in _INT32:
            kind = "int32"
        case int() if value in _INT64:
            kind = "int64"
        case float():
            kind = "double"
        case str():
            kind, value = "longstr", value.encode()
        case bytes():
            kind = "bytes"
        case Decimal():
            scale = value.as_tuple().exponent
            if not isinstance(scale, int) or not -(1 << 8) < scale <= 0:
                raise UsageError(f"{value}: AMQP has decimals of 0 to 255 places")
            kind, value = "decimal", {"scale": -scale, "unscaled": int(value.scaleb(-scale))}
        case list() | tuple():
            kind, value = "array", [_tagged(item) for item in value]
        case dict():
            kind, value = "table", _items(value)
        case _:
            raise UsageError(f"{value!r}: AMQP's field tables have no such value")
    return {"tag": _TAG[kind], "value": value}  # type: ignore[index]  # a kind is one of `FieldKind`


_FIELDS: Final[dict[str, Callable[[str], Any]]] = {
    "octet": lambda name: ByteField(name, 0),
    "short": lambda name: ShortField(name, 0),
    "long": lambda name: IntField(name, 0),
    "longlong": lambda name: LongField(name, 0),
    "timestamp": lambda name: LongField(name, 0),
    "shortstr": ShortString,
    "longstr": LongString,
    "table": Table,
}


def field_of(argument: Argument) -> Any:  # noqa: ANN401 - one of several types of fields
    """Make the field of an argument or property that is no bit; its type is the spec table's."""
    return _FIELDS[argument.type](field_name(argument.name))


def field_name(name: str) -> str:
    """Name the field of an argument: as the spec table does, with ``_`` behind it where it is a word of Python's."""
    return f"{name}_" if iskeyword(name) else name


def fields_of(arguments: tuple[Argument, ...]) -> Iterable[Any]:
    """Make the fields of a method's arguments. Bits that share an octet follow each other from its lowest bit up; those
    that have no meaning are ``unused_before_`` the last of them."""
    for item in octets_of_bits(arguments):
        if not isinstance(item, list):
            yield field_of(item)
            continue
        if len(item) < 8:
            yield BitField(f"unused_before_{item[-1].name}", 0, 8 - len(item))
        for bit in reversed(item):
            yield BitField(field_name(bit.name), 0, 1)
