"""Bodies: decoded for showing and for correlation, masked as JSON and as text, compressed in every way.

An input is three octets of choices and a body. A secret is planted in the body: it must not come out again.
"""

import bz2
import json
import lzma
import re
import zlib
from random import Random
from typing import Any

import brotli
import msgspec
import zstandard

from dissector.fields import BodyFields, OsloFields
from dissector.oslo import Decoded, decode, envelope_of, hot, jsontext, mask_json, plain
from dissector.oslo.undecodable import Undecodable

from ..target import Mutate, Tape, Target, spliced

SECRET = "Zq7Zq7Zq7Zq7"
_KEYS = (
    "password",
    "adminPass",
    "AUTH_TOKEN",
    "Private-Key",
    "user_data",
    "db_pass",
    "_context_auth_token",
    "x_secret_y",
)
_IDS = frozenset(
    ("oslo.version", "version", "_msg_id", "_reply_q", "_unique_id", "_context_request_id", "priority", "message_id")
) | {"_context_global_request_id"}
"""What is shown as it is: nobody writes a sentence there."""
_CODECS = (
    ("gzip", zlib.compress),
    ("application/x-bz2", bz2.compress),
    ("xz", lambda data: lzma.compress(data, preset=0)),
    ("brotli", lambda data: brotli.compress(data, quality=1)),
    ("zstd", zstandard.ZstdCompressor(level=1).compress),
)
_SHARED = [name for name in OsloFields.__struct_fields__ if name not in ("args", "context", "result", "payload")]
_encode = msgspec.json.Encoder().encode


def _everything(body: bytes, **properties: Any) -> tuple[Decoded, str]:
    """Decode a body in every way that there is; give the full decode, and all that may be shown, as one text."""
    found, known = decode(body, **properties), hot(body, **properties)
    assert (found.oslo is None) is (known is None)
    assert (found.oslo is None) is isinstance(found.body, BodyFields)
    if known is not None:
        for name in _SHARED:
            assert getattr(found.oslo, name) == getattr(known, name), name
        assert known.result_is_null is (found.oslo.result is None)
    shown = _encode(found)
    assert json.loads(shown) is not None
    masked = mask_json(body, properties["compression"])
    if masked is not None:
        json.loads(masked)
    return found, shown.decode() + _encode(known).decode() + repr(masked)


def run(data: bytes) -> None:
    tape = Tape(data)
    choices, place, notation = tape.number(), tape.number(), tape.number()
    body = tape.rest()
    properties = {"exchange": "nova_fanout" if choices & 1 else "nova", "expiration": "60000" if choices & 2 else None}
    codec = choices >> 2 & 7
    if not choices & 0x80 and SECRET.encode() not in body:
        planted = _planted(body, place, notation)
        _, shown = _everything(planted, compression=None, **properties)
        assert SECRET not in shown, planted
        return
    found, _ = _everything(body, compression=None, **properties)
    envelope_of(body)
    if codec < len(_CODECS):
        name, compress = _CODECS[codec]
        if choices & 0x20:  # a body that only claims to be compressed
            _everything(body, compression=name, **properties)
            plain(body, name)
        elif choices & 0x40:
            other, _ = _everything(compress(body), compression=name, **properties)
            assert repr(other) == repr(found)
            assert plain(compress(body), name) == body


# --- a secret among them --------------------------------------------------------------------------------------------


def _planted(body: bytes, place: int, notation: int) -> bytes:
    """Put a secret somewhere into a body."""
    try:
        value = jsontext.loads(body)
    except Undecodable:
        return _in_text(body, place)
    value = _in_value(value, place, notation, 0)
    try:
        return json.dumps(
            value, ensure_ascii=bool(notation & 1), separators=(",", ":") if notation & 2 else None
        ).encode()
    except UnicodeEncodeError:  # what is left of a surrogate
        return json.dumps(value).encode()


def _in_text(body: bytes, place: int) -> bytes:
    at = place * len(body) // 256
    # The words around it stay words; in the middle of a character it is no text, which is masked differently.
    name = _KEYS[place % len(_KEYS)]
    planted = f" {name}={SECRET} ".encode()
    return body[:at] + planted + body[at:]


def _in_value(value: Any, place: int, notation: int, depth: int) -> Any:
    key = _KEYS[place % len(_KEYS)]
    secret: Any = (SECRET, [SECRET], {"a": SECRET}, f"{SECRET}\n\"'{SECRET}")[notation >> 2 & 3]
    if isinstance(value, str):
        try:
            inner = jsontext.loads(value)
        except Undecodable:
            inner = None
        if isinstance(inner, dict | list) and depth < 6:
            return json.dumps(_in_value(inner, place, notation, depth + 1))
        return f"{value} --{key}={SECRET}" if notation & 0x40 else f"{value} {key}: '{SECRET}' {value}"
    children = (
        [value.values(), value]
        if isinstance(value, dict)
        else [value, range(len(value))]
        if isinstance(value, list)
        else []
    )
    if children and depth < 6:
        deeper = [
            at
            for item, at in zip(*children, strict=True)
            if item and (isinstance(item, dict | list) or (isinstance(item, str) and at not in _IDS))
        ]
        if deeper and notation >> 4 & 3 > depth % 4:
            at = deeper[place % len(deeper)]
            value[at] = _in_value(value[at], place, notation, depth + 1)
            return value
    if isinstance(value, dict):
        others = {name: item for name, item in value.items() if name != key}
        return {**others, key: secret} if notation & 0x80 else {key: secret, **others}
    if isinstance(value, list):
        if notation & 0x80:
            return ["run", *value[:1], f"--{key}", SECRET]
        return [*value, {key: secret}, *value[:2]]
    return {key: secret, "of": value}


# --- mutation -------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+|\s+|"', re.DOTALL)
_TOKENS = tuple(
    b'{ } [ ] : , "" null true false NaN -Infinity 0 -1 1.5e300 1e999 18446744073709551616 "a" "\\u0000" "\\ud800"'
    b' "\\\\" "\\"" "oslo.version" "oslo.message" "2.0" "method" "args" "_msg_id" "_unique_id" "result" "failure"'
    b' "ending" "event_type" "publisher_id" "payload" "priority" "namespace" "_context_request_id" "password" "key"'
    b' "value" "name" "tb" "class" "message" "--password" "=" "-v" "amqp://u:p@h/" "gAAAAAB" [] {} {"a":1}'.split()
)
_TEXTS = tuple(
    b"password= token: 'secret' --password <password> </password> \\\" \\n \" ' : = , => ( ) [ ] { } %3D :// @ Bearer "
    b"Authorization: Set-Cookie: -----BEGIN eyJ gAAAAA None null *** -v value key \x1b[0m | > \xef\xbd\x90".split(b" ")
)


def mutate(data: bytes, max_size: int, dice: Random, change: Mutate) -> bytes:
    if dice.random() < 0.4 or len(data) < 4:
        return change(data, max_size)
    head, body = data[:3], data[3:]
    chance = dice.random()
    if chance < 0.1:
        return change(head, 3).ljust(3, b"\0") + body
    if chance < 0.3:
        at = dice.randrange(len(body) + 1)
        return head + body[:at] + dice.choice(_TEXTS) + body[at:]
    tokens = _TOKEN.findall(body)
    if not tokens:
        return change(data, max_size)
    at = dice.randrange(len(tokens))
    if chance < 0.5:
        tokens = spliced(tokens, dice)
    elif chance < 0.7:
        tokens[at] = dice.choice(_TOKENS)
    elif chance < 0.8:
        tokens.insert(at, dice.choice(_TOKENS))
    elif chance < 0.9 and tokens[at][:1] == b'"':
        try:
            inner = json.loads(tokens[at])
        except ValueError:
            inner = "x"
        tokens[at] = json.dumps(
            mutate(head + inner.encode(errors="replace"), max_size, dice, change)[3:].decode(errors="replace")
        ).encode()
    else:
        tokens[at] = change(tokens[at], len(tokens[at]) + 8)
    return head + b"".join(tokens)


TARGET = Target(run, max_len=500, mutate=mutate, words=_TEXTS[:-1])
