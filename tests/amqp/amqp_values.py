"""Values of every AMQP type for hypothesis, as construct builds them and as the decoders give them."""

from decimal import Decimal

from hypothesis import strategies as st

from dissector.amqp.spec import CLASSES

METHODS = [(klass, method) for klass in CLASSES for method in klass.methods]
METHOD_IDS = [f"{klass.name}.{method.name}" for klass, method in METHODS]

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)


def _int(bits, signed):
    low = -(1 << bits - 1) if signed else 0
    return st.integers(low, low + (1 << bits) - 1)


def text_or_octets(octets):
    """What a long string of a field table is."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets


def _plain(tag, values, meaning=lambda value: value):
    return values.map(lambda value: (tag, value, meaning(value)))


LEAVES = {
    b"t": _plain(b"t", st.booleans()),
    b"b": _plain(b"b", _int(8, True)),
    b"B": _plain(b"B", _int(8, False)),
    b"U": _plain(b"U", _int(16, True)),
    b"s": _plain(b"s", _int(16, True)),
    b"u": _plain(b"u", _int(16, False)),
    b"I": _plain(b"I", _int(32, True)),
    b"i": _plain(b"i", _int(32, False)),
    b"L": _plain(b"L", _int(64, True)),
    b"l": _plain(b"l", _int(64, True)),
    b"f": _plain(b"f", st.floats(width=32, allow_nan=False)),
    b"d": _plain(b"d", st.floats(allow_nan=False)),
    b"D": st.tuples(_int(8, False), _int(32, True)).map(
        lambda pair: (b"D", {"scale": pair[0], "unscaled": pair[1]}, Decimal(pair[1]) / Decimal(10 ** pair[0]))
    ),
    b"S": st.one_of(TEXT.map(str.encode), st.binary(max_size=40)).map(lambda v: (b"S", v, text_or_octets(v))),
    b"x": _plain(b"x", st.binary(max_size=40)),
    # to the year 9999, where Python's datetime, and so pika and py-amqp, end
    b"T": _plain(b"T", st.integers(0, 253402300799)),
    b"V": _plain(b"V", st.none()),
}
"""For each tag without containers: (tag, construct's value, the decoder's value)."""


def _containers(children):
    arrays = st.lists(children, max_size=4).map(
        lambda items: (b"A", [{"tag": tag, "value": value} for tag, value, _ in items], [item[2] for item in items])
    )
    tables = st.lists(st.tuples(TEXT, children), max_size=4).map(
        lambda items: (
            b"F",
            [{"name": name, "tag": item[0], "value": item[1]} for name, item in items],
            {name: item[2] for name, item in items},
        )
    )
    return st.one_of(arrays, tables)


def values_of(tags):
    """Values of these tags, and arrays and tables of them."""
    return st.recursive(st.one_of([LEAVES[tag] for tag in tags]), _containers, max_leaves=12)


def tables_of(tags):
    """Whole tables: (construct's list of fields, the decoder's dict)."""
    return st.lists(st.tuples(TEXT, values_of(tags)), max_size=6).map(
        lambda items: (
            [{"name": name, "tag": item[0], "value": item[1]} for name, item in items],
            {name: item[2] for name, item in items},
        )
    )


TABLES = tables_of(LEAVES)

ARGUMENTS = {
    "bit": st.booleans(),
    "octet": _int(8, False),
    "short": _int(16, False),
    "long": _int(32, False),
    "longlong": _int(64, False),
    "timestamp": _int(64, False),
    "shortstr": st.text(st.characters(codec="utf-8"), max_size=63),
    "longstr": st.binary(max_size=300),
}


def arguments_of(arguments):
    """Values for these arguments by name: (as construct builds them, as the decoders give them)."""
    pairs = st.fixed_dictionaries(
        {
            argument.name: TABLES if argument.type == "table" else ARGUMENTS[argument.type].map(lambda v: (v, v))
            for argument in arguments
        }
    )
    return pairs.map(
        lambda found: ({n: pair[0] for n, pair in found.items()}, {n: pair[1] for n, pair in found.items()})
    )
