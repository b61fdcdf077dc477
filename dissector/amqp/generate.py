"""Write ``_methods.py``, the decoders of every method and of the content properties, from the spec table.

``python -m dissector.amqp.generate`` rewrites the file. ``--check`` only compares: exit status 0 where it is
what the table says, 1 with a diff where it is not, 2 where it could not be read.
"""

import sys
from keyword import iskeyword
from pathlib import Path
from typing import Final

from dissector import drift
from dissector.amqp.spec import CLASSES, Argument, Class, Method, dotted

TARGET: Final = Path(__file__).with_name("_methods.py")

_CODES: Final = {"octet": "B", "short": "H", "long": "I", "longlong": "Q", "timestamp": "Q"}
_LENGTH_CODES: Final = {"shortstr": "B", "longstr": "I"}
_SIZES: Final = {"B": 1, "H": 2, "I": 4, "Q": 8}
_PYTHON_TYPES: Final = {"bit": "bool", "shortstr": "str", "longstr": "bytes", "table": "FieldTable"}
_LINE_LENGTH: Final = 120

_HEAD: Final = '''\
"""Structs and decoders of every AMQP 0-9-1 method, and of the properties of class basic.

Generated from `dissector.amqp.spec` by ``python -m dissector.amqp.generate``; never edit it by hand.

A decoder is called ``(data, pos, end)``: what it decodes is ``data[pos:end]``, for a method the whole payload
with its class and method id. It reads straight on and checks once that it came to ``end`` exactly. It raises
`MalformedPayload`, or `IndexError` or `struct.error` where ``data`` itself ends; `dissector.amqp.methods` and
`dissector.amqp.properties` make one exception of the three.
"""

import struct
from collections.abc import Callable
from typing import ClassVar, Final

import msgspec
from msgspec import UNSET, UnsetType

from dissector.amqp.fieldtable import FieldTable, decode_table
from dissector.amqp.malformed import misfit
'''

_BASE: Final = '''

class Method(msgspec.Struct, frozen=True):
    """One decoded method; its arguments are the fields.

    Short strings are text, in which octets that are no UTF-8 are backslash-escaped; long strings are octets.
    """

    KEY: ClassVar[int]
    """Class id in the upper, method id in the lower 16 bits."""
    CLASS_ID: ClassVar[int]
    METHOD_ID: ClassVar[int]
    NAME: ClassVar[str]
    """As the specification writes it: ``basic.get-ok``."""
    SENDER: ClassVar[str]
    """``client``, ``server`` or ``both``."""
    CONTENT: ClassVar[bool]
    """Whether a content header and body follow."""
'''

_DECODERS_HEAD: Final = """

DECODERS: Final[dict[int, Callable[[bytes, int, int], Method]]] = {
"""

_DECODERS_TAIL: Final = '''\
}
"""The decoder of every method, by its ``KEY``."""
'''


def attribute(argument: Argument) -> str:
    """Name the Python attribute of an argument: ``global`` is a keyword, so it is ``global_``."""
    return argument.name + "_" if iskeyword(argument.name) else argument.name


def struct_name(klass: Class, method: Method) -> str:
    """Name the Python class of a method: ``BasicGetOk``."""
    return "".join(word.capitalize() for word in (klass.name, *method.name.split("_")))


def render() -> str:
    """Write the whole file, as ``ruff format`` leaves it."""
    pairs = [(klass, method) for klass in CLASSES for method in klass.methods]
    properties = next(klass for klass in CLASSES if klass.properties)
    unpackers: dict[str, str] = {}
    decoders = [_method_decoder(klass, method, unpackers) for klass, method in pairs]
    property_decoder = _property_decoder(properties, unpackers)
    return "".join(
        [
            _HEAD,
            "\n",
            *(f"{_key(klass, method)}: Final = {klass.id} << 16 | {method.id}\n" for klass, method in pairs),
            _BASE,
            *(_method_struct(klass, method) for klass, method in pairs),
            _properties_struct(properties),
            "\n\n",
            *(f'{name} = struct.Struct(">{codes}").unpack_from\n' for codes, name in sorted(unpackers.items())),
            *decoders,
            _DECODERS_HEAD,
            *(f"    {_key(klass, method)}: {_function(klass, method)},\n" for klass, method in pairs),
            _DECODERS_TAIL,
            property_decoder,
        ]
    )


def _key(klass: Class, method: Method) -> str:
    return f"{klass.name}_{method.name}".upper()


def _function(klass: Class, method: Method) -> str:
    return f"_{klass.name}_{method.name}"


def _method_struct(klass: Class, method: Method) -> str:
    sender = "either side" if method.sender == "both" else f"the {method.sender}"
    options = "" if any(argument.type == "table" for argument in method.arguments) else ", gc=False"
    fields = [f"    {attribute(a)}: {_PYTHON_TYPES.get(a.type, 'int')}\n" for a in method.arguments]
    return f'''

class {struct_name(klass, method)}(Method, frozen=True{options}):
    """{dotted(klass, method.name)}, from {sender}: {method.meaning}.

    Source: {method.source}, class {klass.id}, method {method.id}.
    """

    KEY = {_key(klass, method)}
    CLASS_ID = {klass.id}
    METHOD_ID = {method.id}
    NAME = "{dotted(klass, method.name)}"
    SENDER = "{method.sender}"
    CONTENT = {method.content}
''' + "".join(["\n", *fields] if fields else [])


def _properties_struct(klass: Class) -> str:
    fields = [f"    {attribute(a)}: {_PYTHON_TYPES.get(a.type, 'int')} | UnsetType = UNSET\n" for a in klass.properties]
    return f'''

class Properties(msgspec.Struct, frozen=True, omit_defaults=True):
    """The properties of a content header of class {klass.name}; one that the sender did not set is ``UNSET``.

    Source: AMQP 0-9-1, class {klass.id}.
    """

''' + "".join(fields)


class _Body:
    """The statements that read arguments one after the other, from ``pos + offset`` on.

    Fixed-size fields side by side, with the length of a string behind them, are read by one unpacker.
    """

    def __init__(self, unpackers: dict[str, str], offset: int) -> None:
        self.lines: list[str] = []
        self.values: list[str] = []
        """The expression of each argument's value."""
        self._unpackers = unpackers
        self._offset = offset
        self._names: list[str] = []
        self._codes = ""
        self._octets = 0
        self._bits_free = 0

    def read(self, argument: Argument) -> None:
        """Add what reads one more argument."""
        if argument.type == "bit":
            self._bit()
            return
        self._bits_free = 0
        self.values.append(attribute(argument))
        if argument.type in _CODES:
            self._names.append(attribute(argument))
            self._codes += _CODES[argument.type]
        elif argument.type == "table":
            self._flush()
            self.lines.append(f"{attribute(argument)}, pos = decode_table(data, {self._at()}, end)")
            self._offset = 0
        else:
            self._string(argument)

    def finish(self) -> str:
        """Read what is left over; give the expression of the index after the last argument."""
        self._flush()
        return self._at()

    def _bit(self) -> None:
        if not self._bits_free:
            self._octets += 1
            self._bits_free = 8
            self._names.append(self._octet())
            self._codes += "B"
        self.values.append(f"{self._octet()} & {1 << 8 - self._bits_free} != 0")
        self._bits_free -= 1

    def _octet(self) -> str:
        return "bits" if self._octets == 1 else f"bits_{self._octets}"

    def _string(self, argument: Argument) -> None:
        name, code = attribute(argument), _LENGTH_CODES[argument.type]
        if self._codes + code == "B":
            self.lines.append(f"start = {self._at(1)}")
            self.lines.append(f"pos = start + data[{self._at()}]")
        else:
            self._names.append("size")
            self._codes += code
            self._flush()
            self.lines.append(f"start = {self._at()}")
            self.lines.append("pos = start + size")
        self._offset = 0
        if argument.type == "longstr":  # may be large: not copied before it is known to fit
            self.lines.append("if pos > end:")
            self.lines.append(f'    raise misfit("{name}", pos, end)')
            self.lines.append(f"{name} = data[start:pos]")
        else:
            self.lines.append(f'{name} = data[start:pos].decode("utf-8", "backslashreplace")')

    def _at(self, further: int = 0) -> str:
        offset = self._offset + further
        return f"pos + {offset}" if offset else "pos"

    def _flush(self) -> None:
        if self._codes:
            self.lines.append(_unpack(self._unpackers, self._names, self._codes, self._at()))
            self._offset += sum(_SIZES[code] for code in self._codes)
        self._names, self._codes = [], ""


def _unpack(unpackers: dict[str, str], names: list[str], codes: str, at: str) -> str:
    """Write the statement that reads fixed-size fields side by side."""
    if codes == "B":
        return f"{names[0]} = data[{at}]"
    unpacker = unpackers.setdefault(codes, "_" + codes)
    targets = f"({names[0]},)" if len(names) == 1 else ", ".join(names)
    return f"{targets} = {unpacker}(data, {at})"


def _method_decoder(klass: Class, method: Method, unpackers: dict[str, str]) -> str:
    name = struct_name(klass, method)
    body = _Body(unpackers, 4)
    for argument in method.arguments:
        body.read(argument)
    last = body.finish()
    header = f"def {_function(klass, method)}(data: bytes, pos: int, end: int) -> {name}:"
    check = [f"if {last} != end:", f'    raise misfit("{dotted(klass, method.name)}", {last}, end)']
    return _function_text(header, [*body.lines, *check, *_return(name, body.values)])


def _property_decoder(klass: Class, unpackers: dict[str, str]) -> str:
    """Write the decoder of a property list; the first word of flags has room for 15 properties."""
    lines = [
        '"""Decode a property list: words of flags, then the properties that they tell (clause 4.2.6.1).',
        "",
        "Flags that belong to no property are ignored, as RabbitMQ does.",
        '"""',
        _unpack(unpackers, ["flags"], "H", "pos"),
        "pos += 2",
        "more = flags",
        "while more & 1:",
        "    if pos >= end:",
        '        raise misfit("property flags", pos + 2, end)',
        "    " + _unpack(unpackers, ["more"], "H", "pos"),
        "    pos += 2",
    ]
    for index, argument in enumerate(klass.properties):
        body = _Body(unpackers, 0)
        body.read(argument)
        last = body.finish()
        if last != "pos":
            body.lines.append(last.replace("+", "+=", 1))
        lines.append(f"{attribute(argument)}: {_PYTHON_TYPES.get(argument.type, 'int')} | UnsetType = UNSET")
        lines.append(f"if flags & 0x{0x8000 >> index:04x}:")
        lines += _indented(body.lines)
    lines += ["if pos != end:", '    raise misfit("properties", pos, end)']
    lines += _return("Properties", [attribute(argument) for argument in klass.properties])
    header = "def property_list(data: bytes, pos: int, end: int) -> Properties:  # noqa: PLR0915"
    return _function_text(header, lines)


def _indented(lines: list[str]) -> list[str]:
    return ["    " + line if line else "" for line in lines]


def _function_text(header: str, lines: list[str]) -> str:
    return "\n".join(["", "", header, *_indented(lines), ""])


def _return(name: str, values: list[str]) -> list[str]:
    """Write the return statement, wrapped where it is too long for a line."""
    joined = ", ".join(values)
    room = _LINE_LENGTH - 4
    if len(f"return {name}({joined})") <= room:
        return [f"return {name}({joined})"]
    if len(joined) <= room - 4:
        return [f"return {name}(", "    " + joined, ")"]
    return [f"return {name}(", *(f"    {value}," for value in values), ")"]


def main(arguments: list[str]) -> int:
    """Rewrite the file, or compare it; give the exit status (`dissector.drift.main`)."""
    return drift.main(TARGET, "the spec table", render, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
