"""JSON texts and field tables of shapes that are hostile, or merely odd, of any size in bytes."""

import json
import struct
from collections.abc import Callable

from dissector.limits import FIELD_TABLE_DEPTH, JSON_DEPTH

Make = Callable[[int], bytes]
"""Gives a JSON text, or a field table, of about so many bytes."""


def _list(item: str) -> Make:
    return lambda size: ("[" + ",".join([item] * (size // (len(item) + 1))) + "]").encode()


def _dict(make: Callable[[int], str]) -> Make:
    return lambda size: ("{" + ",".join(map(make, range(size // (len(make(100)) + 1)))) + "}").encode()


def _text(part: str) -> Make:
    return lambda size: json.dumps({"x": (part * (size // len(json.dumps(part)[1:-1]) + 1))}).encode()


def _raw(part: str) -> Make:
    """No JSON: a text of a repeated part."""
    return lambda size: (part * (size // len(part))).encode()


def _within(size: int) -> bytes:
    """JSON in JSON, as deep as its quotes let it grow."""
    text = json.dumps({"password": "x", "a": [1]})
    while len(text) < size // 2:
        text = json.dumps({"a": text})
    return json.dumps({"a": text, "b": "x" * max(0, size - 2 * len(text))}).encode()


def _many_within(size: int) -> bytes:
    inner = json.dumps({"token": "x", "a": [1, {"b": None}]})
    return json.dumps([inner] * (size // len(json.dumps(inner)))).encode()


def enveloped(shape: bytes) -> bytes:
    """A message of oslo.messaging with a shape among its arguments; where that is no JSON, it breaks the message."""
    message = '{"method":"m","_unique_id":"u","args":{"x":' + shape.decode(errors="replace") + "}}"
    return json.dumps({"oslo.version": "2.0", "oslo.message": message}).encode()


def _deep(opening: str, middle: str, closing: str, depth: int) -> Make:
    one = opening * depth + middle + closing * depth
    return lambda size: ("[" + ",".join([one] * (size // (len(one) + 1))) + "]").encode()


JSON: dict[str, Make] = {
    "numbers": _list("1"),
    "nulls": _list("null"),
    "empty objects": _list("{}"),
    "empty strings": _list('""'),
    "NaN": _list("NaN"),
    "one integer": lambda size: b"1" * size,
    "one fraction": lambda size: b"0." + b"1" * size,
    "one exponent": lambda size: b"1e" + b"1" * size,
    "integers of 4,000 digits": _list("9" * 4000),
    "integers of 5,000 digits": _list("9" * 5000),
    "deep lists": _deep("[", "", "]", JSON_DEPTH - 2),
    "deep objects": _deep('{"a":', "1", "}", JSON_DEPTH - 2),
    "too deep": lambda size: b"[" * (size // 2) + b"]" * (size // 2),
    "unclosed": lambda size: b"[" * size,
    "keys": _dict(lambda at: f'"k{at}":1'),
    "one key again": _dict(lambda at: '"k":1'),
    "secret keys": _dict(lambda at: f'"token{at}":1'),
    "one secret key again": _dict(lambda at: '"password":"x"'),
    "long keys": _dict(lambda at: f'"{at:0>900}":1'),
    "long secret keys": _dict(lambda at: f'"{at:0>900}password":1'),
    "pairs": _list('["password","x"]'),
    "key and value": _list('{"key":"password","value":"x"}'),
    "many values of one name": _dict(lambda at: '"name":"password","value":"x"'),
    "options": lambda size: json.dumps(["--password", "x"] * (size // 18)).encode(),
    "one string": _text("a"),
    "escapes": _text('"'),
    "backslashes": _text("\\"),
    "controls": _text("\0"),
    "surrogates": lambda size: b'"' + b"\\ud800" * (size // 6) + b'"',
    "non-ASCII": lambda size: ('"' + "é" * (size // 2) + '"').encode(),
    "full width": lambda size: ('"' + "ｐ" * (size // 3) + '"').encode(),
    "JSON in JSON": _within,
    "JSON in JSON, many": _many_within,
    "no UTF-8": lambda size: b"\xff password=" + b"x" * size,
    "binary": lambda size: b"password\0" * (size // 9),
    **{
        f"text of {part!r}": make(part)
        for part in (
            "password=", "password='", "token: ", "--password ", "<token>", "<password a ", "</token>", "'token', ",
            "(", "://a:b@",
            "://a:", "Cookie:", "Cookie: '", "'Cookie:", "token:|\n", "eyJ", "gAAAAA", "-----BEGIN PRIVATE KEY-----",
            "bearer ", "\x1b[0m",
            "\\u0070", "password\\", "pass", "token={", "token=[token=", "token=x, ", "'value': 'x', ",
            "a-b_c.", "key -v ", " \t\n", "%3D",
        )
        for make in (_text, _raw)
    },
}  # fmt: skip
"""Bodies: JSON, and texts that are none."""


def _table(*fields: bytes) -> bytes:
    inside = b"".join(fields)
    return struct.pack(">I", len(inside)) + inside


def _fields(value: Callable[[int], bytes], *, name: Callable[[int], bytes] = lambda at: b"%d" % at) -> Make:
    def make(size: int) -> bytes:
        fields, have = [], 0
        while have < size:
            key = name(len(fields))
            fields.append(bytes([len(key)]) + key + value(len(fields)))
            have += len(fields[-1])
        return _table(*fields)

    return make


def _array(value: bytes) -> Make:
    return lambda size: _table(b"\1aA", _table(*[value] * (size // len(value))))


def _nested(kind: bytes, depth: int) -> bytes:
    value = b"V"
    for _ in range(depth):
        inside = value if kind == b"A" else b"\1a" + value
        value = kind + struct.pack(">I", len(inside)) + inside
    return value


def _longstr(text: bytes) -> bytes:
    return b"S" + struct.pack(">I", len(text)) + text


TABLES: dict[str, Make] = {
    "voids": _fields(lambda _: b"V"),
    "one name again": _fields(lambda _: b"V", name=lambda _: b"k"),
    "empty names": _fields(lambda _: b"V", name=lambda _: b""),
    "names of 255": _fields(lambda _: b"V", name=lambda at: b"%0255d" % at),
    "names of no UTF-8": _fields(lambda _: b"V", name=lambda _: b"\xff" * 255),
    "secret names": _fields(lambda _: _longstr(b"x"), name=lambda at: b"token%d" % at),
    "decimals": _fields(lambda _: b"D\xff\x7f\xff\xff\xff"),
    "doubles": _fields(lambda _: b"d\x7f\xf0" + bytes(6)),
    "empty strings": _fields(lambda _: _longstr(b"")),
    "empty tables": _fields(lambda _: b"F" + bytes(4)),
    "empty arrays": _array(b"A" + bytes(4)),
    "an array of voids": _array(b"V"),
    "an array of booleans": _array(b"t\1"),
    "an array of strings": _array(_longstr(b"x")),
    "an array of octets": _array(b"x\0\0\0\1\xff"),
    "deep tables": _array(_nested(b"F", FIELD_TABLE_DEPTH - 2)),
    "deep arrays": _array(_nested(b"A", FIELD_TABLE_DEPTH - 2)),
    "too deep": lambda size: _table(b"\1a" + _nested(b"F", size // 7)),
    "one string": lambda size: _table(b"\1a" + _longstr(b"x" * size)),
    "one string of no UTF-8": lambda size: _table(b"\1a" + _longstr(b"\xff" * size)),
    "one string of JSON": lambda size: _table(b"\1a" + _longstr(JSON["JSON in JSON, many"](size))),
    "one string of secrets": lambda size: _table(b"\1a" + _longstr(b"password=x " * (size // 11))),
    "octets with secrets": lambda size: _table(
        b"\1ax" + struct.pack(">I", size // 9 * 9) + b"\xffpasswor" * (size // 9)
    ),
    "a length that is too large": lambda size: _table(b"\1aS\xff\xff\xff\xff" + b"x" * size),
}
"""Field tables."""
