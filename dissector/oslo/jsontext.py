"""JSON as Python's ``json`` reads it (that is what oslo.serialization uses), quickly and within bounds.

msgspec does the work; what it refuses and ``json`` accepts (NaN, lone surrogates, numbers out of range) takes
a slower way. Either way the value can be encoded again: NaN and the infinities become the strings ``"NaN"``,
``"Infinity"``, ``"-Infinity"``, a lone surrogate becomes U+FFFD, an integer longer than Python converts becomes
the string of its digits. Of duplicate keys the last wins, as in ``json``.
"""

import json
import math
import re
import sys
from typing import Any, Final

import msgspec
import numpy as np

from dissector import limits
from dissector.oslo.undecodable import NotJson, Undecodable

_decode: Final = msgspec.json.Decoder().decode
_NOT_MARKS: Final = bytes(set(range(256)) - set(b'[]{}"'))
_LEVEL_STEP: Final = np.zeros(256, np.int8)
_LEVEL_STEP[list(b"[{")] = 1
_LEVEL_STEP[list(b"]}")] = -1
_CHUNK_BYTES: Final = 1 << 20
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def loads(text: bytes | str) -> Any:  # noqa: ANN401 - any JSON value
    """Decode one JSON text (bytes: UTF-8).

    Raises `NotJson` where it is none, `Undecodable` where it is nested deeper than `limits.JSON_DEPTH`.
    """
    check_depth(text)
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _loads_slowly(text)


def check_depth(text: bytes | str) -> None:
    """Raise `Undecodable` where JSON is nested deeper than `limits.JSON_DEPTH`.

    Nearly every text has fewer opening brackets than that, which is quickly seen. In the others strings are cut out
    and the brackets that remain are counted up and down.
    """
    octets = text.encode("utf-8", "replace") if isinstance(text, str) else text
    # To leave them out and to look how much is left takes two thirds of the time of `count`.
    if 2 * len(octets) - len(octets.replace(b"[", b"")) - len(octets.replace(b"{", b"")) <= limits.JSON_DEPTH:
        return
    marks = octets.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NOT_MARKS)
    marks = marks.replace(b'""', b"")  # empty strings, and the seam of two strings: neither changes what is inside
    brackets = b"".join(marks.split(b'"')[::2])
    level = 0
    for start in range(0, len(brackets), _CHUNK_BYTES):
        steps = _LEVEL_STEP[np.frombuffer(brackets[start : start + _CHUNK_BYTES], np.uint8)]
        levels = np.cumsum(steps, dtype=np.int64) + level
        if levels.max() > limits.JSON_DEPTH:
            raise Undecodable(f"JSON is nested deeper than {limits.JSON_DEPTH} levels")
        level = int(levels[-1])


def _loads_slowly(text: bytes | str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        if isinstance(text, bytes):
            text = text.decode()
        return _encodable(json.loads(text, parse_constant=str, parse_int=_integer, parse_float=_number))
    except RecursionError as error:
        raise Undecodable("JSON is nested too deeply") from error
    except ValueError as error:  # json.JSONDecodeError and UnicodeDecodeError are such
        raise NotJson(f"not JSON: {_why(error)}") from error


def _why(error: ValueError) -> str:
    """Say what is wrong without quoting the text: it may hold a secret."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    return "no UTF-8 text"


def _integer(digits: str) -> int | str:
    longest = sys.get_int_max_str_digits()
    return digits if longest and len(digits) > longest else int(digits)


def _number(digits: str) -> float | str:
    value = float(digits)
    if math.isfinite(value):
        return value
    return "Infinity" if value > 0 else "-Infinity"


def _encodable(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    return value
