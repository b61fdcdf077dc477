"""The full decode: everything that the record of a message shows of its body."""

import base64
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from dissector.fields import BodyFields, OsloFields
from dissector.oslo import jsontext
from dissector.oslo.compression import decompress
from dissector.oslo.masking import mask, mask_bytes
from dissector.oslo.masktext import MASK, mask_text
from dissector.oslo.message import CONTEXT_PREFIX, MESSAGE_KEY, VERSION_KEY, head_of, open_envelope, summarise
from dissector.oslo.undecodable import NotJson, Undecodable

_ENVELOPE_MARK: Final = f'"{MESSAGE_KEY}"'.encode()


class Decoded(msgspec.Struct, frozen=True):
    """A decoded body: the last two fields of `dissector.fields.MessageRecord`. Exactly one is given."""

    oslo: OsloFields | None
    """The message; None where the body is none of oslo.messaging's."""
    body: BodyFields | UnsetType = UNSET
    """The body, where it is no oslo message."""


def decode(
    body: bytes,
    *,
    exchange: str,
    compression: str | None = None,
    expiration: str | None = None,
    show_secrets: bool = False,
) -> Decoded:
    """Decode a content body for showing.

    ``exchange`` is the one it was published to (fanouts are told by it), ``compression`` kombu's header of that
    name, ``expiration`` the property, in milliseconds as text. Secrets are masked unless ``show_secrets``
    (see `dissector.oslo.mask`). It never raises for what is in a body: one that claims to be more than could be
    decoded is given as it is, with a ``reason``. Of a body that claims a compression but cannot be decompressed
    nothing is shown but `MASK` and the reason: its secrets could not be found.
    """
    try:
        plain = decompress(body, compression)
    except Undecodable as error:
        if show_secrets:
            return Decoded(None, BodyFields(base64=base64.b64encode(body).decode(), reason=str(error)))
        return Decoded(None, BodyFields(text=MASK, reason=mask_text(str(error))))
    try:
        value = jsontext.loads(plain)
    except Undecodable as error:
        claimed = _ENVELOPE_MARK in plain or not isinstance(error, NotJson)
        return Decoded(None, _raw(plain, str(error) if claimed else UNSET, show_secrets=show_secrets))
    enveloped = isinstance(value, dict) and VERSION_KEY in value and MESSAGE_KEY in value
    try:
        message, envelope = open_envelope(value)
    except Undecodable as error:
        reason = str(error)
    else:
        oslo = _oslo(message, envelope, exchange, expiration, show_secrets=show_secrets)
        if oslo is not None:
            return Decoded(oslo)
        reason = f"{MESSAGE_KEY} is no request, reply or notification"
    shown = value if show_secrets else mask(value)
    return Decoded(None, BodyFields(json=shown, reason=reason if enveloped else UNSET))


def _oslo(
    message: dict[str, Any],
    envelope: str | UnsetType | None,
    exchange: str,
    expiration: str | None,
    *,
    show_secrets: bool,
) -> OsloFields | None:
    head = head_of(message)
    hot = summarise(head, envelope, exchange=exchange, expiration=expiration, show_secrets=show_secrets)
    if hot is None:
        return None
    start = len(CONTEXT_PREFIX)
    args = message.get("args")
    context = {key[start:]: value for key, value in message.items() if key.startswith(CONTEXT_PREFIX)}
    result, payload = message.get("result"), message.get("payload")
    if not show_secrets:
        args, context, result, payload = mask(args), mask(context), mask(result), mask(payload)
    return OsloFields(
        kind=hot.kind,
        envelope=hot.envelope,
        method=hot.method,
        namespace=hot.namespace,
        version=hot.version,
        args=args if isinstance(args, dict) else None,
        context=context or None,
        msg_id=hot.msg_id,
        reply_q=hot.reply_q,
        unique_id=hot.unique_id,
        request_id=hot.request_id,
        timeout_s=hot.timeout_s,
        result=result,
        failure=hot.failure,
        ending=hot.ending,
        event_type=hot.event_type,
        publisher_id=hot.publisher_id,
        priority=hot.priority,
        payload=payload,
        message_id=hot.message_id,
    )


def _raw(body: bytes, reason: str | UnsetType, *, show_secrets: bool) -> BodyFields:
    """Give a body that is no JSON: as text if it is UTF-8, or `MASK`, else in base64."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        shown = body if show_secrets else mask_bytes(body)
        if shown == MASK.encode():
            return BodyFields(text=MASK, reason=reason)
        return BodyFields(base64=base64.b64encode(shown).decode(), reason=reason)
    return BodyFields(text=text if show_secrets else mask_text(text), reason=reason)
