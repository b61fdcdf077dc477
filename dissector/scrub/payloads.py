"""Secrets in the payloads of method and content header frames, by their places in them."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from msgspec.structs import asdict

from dissector.amqp._methods import (
    CONNECTION_SECURE,
    CONNECTION_SECURE_OK,
    CONNECTION_UPDATE_SECRET,
    ConnectionStartOk,
    Method,
)
from dissector.amqp.fieldtable import to_json
from dissector.amqp.malformed import MalformedPayload
from dissector.amqp.properties import decode_properties
from dissector.amqp.spec import CLASSES, Argument
from dissector.limits import PROPERTIES_MEMO_ENTRIES
from dissector.oslo import mask
from dissector.scrub.secrets import FILL, Range
from dissector.scrub.tables import argument_secrets, login_secrets

_SIZES: Final = {"octet": 1, "short": 2, "long": 4, "longlong": 8, "timestamp": 8}
_LENGTH_SIZES: Final = {"shortstr": 1, "longstr": 4, "table": 4}
_ARGUMENTS: Final = {
    klass.id << 16 | method.id: method.arguments
    for klass in CLASSES
    for method in klass.methods
    if any(argument.type in _LENGTH_SIZES for argument in method.arguments)
}
"""Those of the methods that have room for a secret, by their ``KEY``."""
_SECRETS: Final = {
    CONNECTION_SECURE: "challenge",
    CONNECTION_SECURE_OK: "response",
    CONNECTION_UPDATE_SECRET: "new_secret",
}
"""The arguments that are nothing else."""
_PROPERTIES: Final = next(klass.properties for klass in CLASSES if klass.properties)
_KEY_BYTES: Final = 4
_FIXED_BYTES: Final = 12
"""Class, weight and body size, before the property flags."""


def method_secrets(payload: bytes, method: Method) -> list[Range]:
    """Find the secrets in the payload of a method frame, which decodes as ``method``; in order."""
    arguments = _ARGUMENTS.get(method.KEY)
    if arguments is None:
        return []
    found: list[Range] = []
    secret = _SECRETS.get(method.KEY)
    values = to_json(asdict(method))
    masked = mask(values)
    for argument, start, end in _strings(arguments, payload, _KEY_BYTES):
        name = argument.name
        if name == secret:
            found.append((start, end, FILL))
        elif isinstance(method, ConnectionStartOk) and name == "response":
            found += [(start + a, start + b, fill) for a, b, fill in _response_secrets(method)]
        else:
            found += argument_secrets(payload, start, end, values[name], masked[name])
    return sorted(found)


def header_secrets(payload: bytes) -> tuple[Range, ...]:
    """Find the secrets in the payload of a content header frame that is known to be sound."""
    return tuple((_FIXED_BYTES + a, _FIXED_BYTES + b, fill) for a, b, fill in _property_secrets(payload[_FIXED_BYTES:]))


@lru_cache(PROPERTIES_MEMO_ENTRIES)
def _property_secrets(octets: bytes) -> list[Range]:
    """Find the secrets in a property list; nearly all messages of a service carry the same few octets."""
    words = [int.from_bytes(octets[:2], "big")]
    while words[-1] & 1:
        at = 2 * len(words)
        words.append(int.from_bytes(octets[at : at + 2], "big"))
    given = [argument for index, argument in enumerate(_PROPERTIES) if words[0] & 0x8000 >> index]
    values = to_json(asdict(decode_properties(octets, 0, len(octets))))
    found: list[Range] = []
    for argument, start, end in _strings(given, octets, 2 * len(words)):
        value = values[argument.name]
        found += argument_secrets(octets, start, end, value, mask(value))
    return sorted(found)


def _strings(arguments: Iterable[Argument], data: bytes, pos: int) -> Iterator[tuple[Argument, int, int]]:
    """Give the places of the strings and tables among arguments that begin at ``pos``, without their lengths."""
    bits = 0
    for argument in arguments:
        if argument.type == "bit":
            # Neighbouring bits share octets (clause 4.2.5.2).
            pos += bits % 8 == 0
            bits += 1
            continue
        bits = 0
        size = _LENGTH_SIZES.get(argument.type)
        if size is None:
            pos += _SIZES[argument.type]
        else:
            start = pos + size
            pos = start + int.from_bytes(data[pos:start], "big")
            yield argument, start, pos


def _response_secrets(method: ConnectionStartOk) -> list[Range]:
    """Find all but the user in a SASL response, as `dissector.amqp.sasl.user_of` reads it."""
    response = method.response
    if method.mechanism == "AMQPLAIN":
        try:
            return login_secrets(response)
        except MalformedPayload:
            pass
    elif method.mechanism == "PLAIN" and response.count(b"\0") >= 2:
        user = response.index(b"\0")
        password = response.index(b"\0", user + 1) + 1
        return [(0, user, FILL), (password, len(response), FILL)]
    return [(0, len(response), FILL)]
