"""Secrets in decoded values and in bodies, at every depth and level of JSON within JSON."""

import json
from collections.abc import Callable
from typing import Any, Final

import msgspec

from dissector import limits
from dissector.bounded import memorize
from dissector.oslo import jsontext
from dissector.oslo.compression import decompress
from dissector.oslo.maskpairs import VALUE_KEYS, marked, names_value
from dissector.oslo.masktext import MASK, mask_text
from dissector.oslo.secretkeys import mentions_secret, names_secret
from dissector.oslo.undecodable import Undecodable

_NO_CONTROLS: Final = bytes(set(range(256)) - set(range(0x80, 0xA0)))
_JSON_ENDS: Final = {"{": "}", "[": "]", '"': '"'}
_JSON_STARTS: Final = frozenset((*_JSON_ENDS, *" \t\r\n"))


def mask(value: Any) -> Any:  # noqa: ANN401 - any JSON or field-table value
    """Give a value with `MASK` in the place of every secret; the value itself where it holds none.

    For JSON values and for AMQP field tables (properties, headers, client properties). A secret is

    - the value of a key that names one (`dissector.oslo.secretkeys.names_secret`), whatever its type. None,
      booleans and what is empty stay: they tell that there was no secret. (``strutils.mask_dict_password``
      masks these too, but looks into an object below such a key instead of masking it.)
    - the ``value`` of an object whose ``key`` or ``name`` names one, as in ``{"key": "password", "value": …}``
      (`dissector.oslo.maskpairs`), and what a list holds beside such a name: ``["password", …]``,
      ``["--password", …]``;
    - what `dissector.oslo.masktext.mask_text` finds in a string, be it a value or a key;
    - any of these in a string that is itself JSON, which is then encoded again.

    What nothing marks as a secret cannot be known as one: a password that is an item of a list of others, say.

    The order of keys is kept. Objects and arrays deeper than `limits.JSON_DEPTH` (through strings that hold
    JSON, too) are masked as a whole, and so is a value for which the caller left too little stack.
    """
    try:
        return _mask(value, 0)
    except RecursionError:
        return MASK


def mask_json(body: bytes, compression: str | None = None) -> bytes | None:
    """Give a JSON body with its secrets masked, in the shape that it had on the wire.

    The envelope's ``oslo.message``, and a failure in it, are still JSON strings in which the secrets are
    masked; keys keep their order, and the notation is that of Python's ``json``, as in oslo.messaging. A body
    without secrets is returned as it is (decompressed, where ``compression``, kombu's header, names a codec).
    None where the body is no JSON, or cannot be decompressed: then `dissector.oslo.decode` gives what can be
    shown of it.
    """
    try:
        body = decompress(body, compression)
        value = jsontext.loads(body)
    except Undecodable:
        return None
    masked = mask(value)
    text = body.decode()
    return body if masked is value and not _hides_more(text, value) else _dumps_like(masked, text).encode()


def mask_bytes(data: bytes) -> bytes:
    """Mask the secrets in bytes that are no UTF-8 text, as far as they are written in ASCII.

    Of binary data that mentions one nothing is left but `MASK` (`mask_text`). So are octets that ISO 8859-1 has no
    characters for, in the first of which MessagePack begins its objects and lists.
    """
    text = data.decode("latin-1")
    if data.translate(None, _NO_CONTROLS) and mentions_secret(text.replace("\0", "").lower()):
        return MASK.encode()
    masked = mask_text(text)
    return data if masked == text else masked.encode("latin-1", "backslashreplace")


def _mask(value: Any, depth: int) -> Any:  # noqa: ANN401 - any JSON or field-table value
    masker = _MASKERS.get(type(value))
    return value if masker is None else masker(value, depth)


def _mask_dict(value: dict[Any, Any], depth: int) -> Any:  # noqa: ANN401 - MASK or a dict
    if depth >= limits.JSON_DEPTH:
        return MASK if value else value
    changed: dict[Any, Any] | None = None
    renamed: dict[Any, str] | None = None
    for key, item in value.items():
        verdict = _verdicts.get(key) or _verdict_on(key)
        if verdict is _PLAIN:
            kind = type(item)
            if kind is str and (item in _plain_texts or _is_plain(item)):
                continue
            masker = _MASKERS.get(kind)
            if masker is None:
                continue
            masked = masker(item, depth + 1)
        else:
            masked = _hide(item) if verdict.secret else _mask(item, depth + 1)
            if verdict.is_value and names_value(value):
                masked = _hide(item)
            if verdict.shown != str(key):
                renamed = {} if renamed is None else renamed
                renamed[key] = verdict.shown
        if masked is not item:
            if changed is None:
                changed = dict(value)
            changed[key] = masked
    shown = value if changed is None else changed
    return shown if renamed is None else {renamed.get(key, key): item for key, item in shown.items()}


def _mask_list(value: list[Any] | tuple[Any, ...], depth: int) -> Any:  # noqa: ANN401 - MASK or a list
    if depth >= limits.JSON_DEPTH:
        return MASK if value else value
    changed: list[Any] | None = None
    for index, item in enumerate(value):
        kind = type(item)
        if kind is str and (item in _plain_texts or _is_plain(item)):
            continue
        masker = _MASKERS.get(kind)
        if masker is None:
            continue
        masked = masker(item, depth + 1)
        if masked is not item:
            if changed is None:
                changed = list(value)
            changed[index] = masked
    for index in marked(value):
        hidden = _hide(value[index])
        if hidden is not value[index]:
            changed = list(value) if changed is None else changed
            changed[index] = hidden
    return value if changed is None else changed


def _mask_str(value: str, depth: int) -> str:
    if value[:1] in _JSON_STARTS and _may_be_json(value.strip()):
        try:
            inner = jsontext.loads(value)
        except Undecodable:
            pass
        else:
            masked_inner = _mask(inner, depth + 1)
            return (
                value if masked_inner is inner and not _hides_more(value, inner) else _dumps_like(masked_inner, value)
            )
    masked = mask_text(value)
    return value if masked == value else masked


def _may_be_json(text: str) -> bool:
    """Tell whether a text ends as JSON does that begins so; else to decode it would only cost time."""
    return text[-1:] == _JSON_ENDS.get(text[:1])


def mask_name(name: str) -> str:
    """Mask the secrets in a name, as `mask_text` does; it is quick where the same few are said again and again."""
    return name if name in _plain_texts or _is_plain(name) else mask_text(name)


_plain_texts: Final[dict[str, None]] = {}
"""Short texts that are known to be plain: most are said again and again, and to look here costs less than a call."""


def _is_plain(text: str) -> bool:
    """Tell whether a short text, which is no JSON, holds no secret; remember it where it holds none."""
    if len(text) > limits.TEXT_CACHE_CHARS or text[:1] in _JSON_STARTS or mask_text(text) != text:
        return False
    memorize(_plain_texts, text, None, limits.TEXT_CACHE_ENTRIES)
    return True


def _mask_raw(value: bytes, _depth: int) -> bytes:
    masked = mask_bytes(value)
    return value if masked == value else masked


_MASKERS: Final[dict[type, Callable[[Any, int], Any]]] = {
    dict: _mask_dict,
    list: _mask_list,
    tuple: _mask_list,
    str: _mask_str,
    bytes: _mask_raw,
}


def _hide(value: Any) -> Any:  # noqa: ANN401 - any JSON or field-table value
    """Mask the value of a key that names a secret, unless the value tells only that there is none."""
    if value is None or isinstance(value, bool) or value == MASK:
        return value
    if isinstance(value, str | bytes | list | tuple | dict) and not value:
        return value
    return MASK


class _Verdict(msgspec.Struct, frozen=True, gc=False):
    """What a key means for masking."""

    secret: bool
    """Its value is a secret."""
    is_value: bool
    """Its value is a secret where another key of the object has the name of one for its value."""
    shown: str
    """The key itself, its own secrets masked (a URL can be a key)."""


_PLAIN: Final = _Verdict(secret=False, is_value=False, shown="")
"""The verdict on keys that neither name nor hold a secret: nearly all."""


def _judge(key: str) -> _Verdict:
    secret, is_value, shown = names_secret(key), key.lower() in VALUE_KEYS, mask_text(key)
    return _Verdict(secret, is_value, shown) if secret or is_value or shown != key else _PLAIN


_verdicts: Final[dict[Any, _Verdict]] = {}
"""Those on short keys."""


def _verdict_on(key: Any) -> _Verdict:  # noqa: ANN401 - a key of a dict
    name = str(key)
    verdict = _judge(name)
    if type(key) is str and len(name) <= limits.KEY_CACHE_CHARS:
        memorize(_verdicts, key, verdict, limits.KEY_CACHE_ENTRIES)
    return verdict


def _hides_more(text: str, value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Tell whether a JSON text may hold a secret that its decoded value does not: of a repeated key the last counts.

    Then the text has more colons than the value has when it is encoded again; nearly none has.
    """
    is_whole = text.count(":") == msgspec.json.encode(value).count(b":") and "\\u003" not in text
    return not is_whole and mask_text(text) != text


def _dumps_like(value: Any, text: str) -> str:  # noqa: ANN401 - any JSON value
    """Encode a value in the notation of a JSON text: Python's spaces or none, escapes or UTF-8."""
    compact = '": ' not in text
    return json.dumps(value, separators=(",", ":") if compact else (", ", ": "), ensure_ascii=text.isascii())
