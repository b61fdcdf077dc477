"""The hot path: what correlation and statistics need of a message, and the one place that decides its kind.

Both JSON levels are decoded into one typed struct; arguments, results and payloads are skipped. A message whose
values are not of the types that oslo.messaging gives them is decoded in full and looked at key by key.

Sources: ``oslo_messaging/_drivers/common.py`` (envelope, failures), ``_drivers/amqp.py`` (context),
``_drivers/amqpdriver.py`` (replies), ``notify/messaging.py``.
"""

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from dissector.fields import FailureFields
from dissector.oslo import jsontext
from dissector.oslo.compression import decompress
from dissector.oslo.masking import mask, mask_name
from dissector.oslo.undecodable import Undecodable

VERSION_KEY: Final = "oslo.version"
MESSAGE_KEY: Final = "oslo.message"
CONTEXT_PREFIX: Final = "_context_"


class HotMessage(msgspec.Struct, frozen=True, gc=False):
    """A message of oslo.messaging without its contents.

    The fields are those of the same name in `dissector.fields.OsloFields`, where one is there; None is unknown,
    absent, or not of that type on the wire.
    """

    kind: str
    """``call``, ``cast``, ``fanout``, ``reply``, ``heartbeat`` or ``notification``."""
    envelope: str | None
    """``oslo.version``; None where there is no envelope."""
    method: str | None
    """RPC method; never None in a call, cast or fanout."""
    namespace: str | None
    version: str | None
    msg_id: str | None
    """Never None in a call."""
    reply_q: str | None
    unique_id: str | None
    request_id: str | None
    """``request_id`` of the context."""
    global_request_id: str | None
    """``global_request_id`` of the context: the request of another service that this one serves."""
    timeout_s: float | None
    """RPC timeout of a call in seconds, from its expiration."""
    result_is_null: bool
    """The message has no result, or null for it."""
    failure: FailureFields | None
    """Remote exception of a reply; None where it did not fail."""
    ending: bool | None
    """Whether a reply is the last for its call; None where it does not say (servers before 4.0)."""
    event_type: str | None
    publisher_id: str | None
    priority: str | None
    message_id: str | None
    """Id of a notification."""

    @property
    def failed(self) -> bool:
        """Whether this is a reply that holds a remote exception."""
        return self.failure is not None


class _Envelope(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An envelope and nothing else: whatever is nested is in its message."""

    version: str | None = msgspec.field(name=VERSION_KEY)
    message: str = msgspec.field(name=MESSAGE_KEY)


class Head(msgspec.Struct, gc=False):
    """The keys of a message that the hot path reads, and those of an envelope, which tell that it is no message."""

    enveloped_version: str | UnsetType | None = msgspec.field(default=UNSET, name=VERSION_KEY)
    enveloped_message: str | UnsetType = msgspec.field(default=UNSET, name=MESSAGE_KEY)
    method: str | None = None
    namespace: str | None = None
    version: str | None = None
    msg_id: str | None = msgspec.field(default=None, name="_msg_id")
    reply_q: str | None = msgspec.field(default=None, name="_reply_q")
    unique_id: str | None = msgspec.field(default=None, name="_unique_id")
    request_id: str | None = msgspec.field(default=None, name=CONTEXT_PREFIX + "request_id")
    global_request_id: str | None = msgspec.field(default=None, name=CONTEXT_PREFIX + "global_request_id")
    result: msgspec.Raw | UnsetType = UNSET
    """As on the wire; only whether it is ``null`` is looked at."""
    failure: Any = UNSET
    ending: bool | UnsetType | None = UNSET
    event_type: str | None = None
    publisher_id: str | None = None
    priority: str | None = None
    message_id: str | None = None


_decode_envelope: Final = msgspec.json.Decoder(_Envelope).decode
_decode_head: Final = msgspec.json.Decoder(Head).decode
_NULL: Final = msgspec.Raw(b"null")
_NOT_NULL: Final = msgspec.Raw(b"0")


def hot(
    body: bytes,
    *,
    exchange: str,
    compression: str | None = None,
    expiration: str | None = None,
    show_secrets: bool = False,
) -> HotMessage | None:
    """Decode what identifies a message; None where the body is no oslo message.

    ``exchange`` is the one it was published to (fanouts are told by it), ``compression`` kombu's header of that
    name, ``expiration`` the property, in milliseconds as text. A failure's texts are masked unless
    ``show_secrets``. It never raises for what is in a body, and agrees with `dissector.oslo.decode` field by
    field.
    """
    try:
        body = decompress(body, compression)
        head, envelope = _heads(body)
    except Undecodable:
        return None
    return summarise(head, envelope, exchange=exchange, expiration=expiration, show_secrets=show_secrets)


def _heads(body: bytes) -> tuple[Head, str | UnsetType | None]:
    """Decode the keys of a message and the version of its envelope, UNSET where there is none."""
    try:
        if not body.isascii():
            body.decode()  # the typed decoder does not look into the strings that it skips
        try:
            envelope = _decode_envelope(body)
        except msgspec.ValidationError:
            head = _decode_head(body)
            if head.enveloped_version is UNSET or head.enveloped_message is UNSET:
                jsontext.check_depth(body)
                return head, UNSET
        else:
            jsontext.check_depth(envelope.message)
            return _decode_head(envelope.message), envelope.version
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    message, version = open_envelope(jsontext.loads(body))
    return head_of(message), version


def open_envelope(value: Any) -> tuple[dict[str, Any], str | UnsetType | None]:  # noqa: ANN401 - any JSON value
    """Give the message in a decoded body, and the version of its envelope: UNSET where there is none.

    As ``deserialize_msg`` does, a dict that lacks either key is taken as the message itself. Raises
    `Undecodable` where there is no message; with an envelope, its text tells why.
    """
    if not isinstance(value, dict):
        raise Undecodable("not a JSON object")
    if VERSION_KEY not in value or MESSAGE_KEY not in value:
        return value, UNSET
    version, inner = value[VERSION_KEY], value[MESSAGE_KEY]
    if not isinstance(inner, str):
        raise Undecodable(f"{MESSAGE_KEY} is not a string")
    try:
        message = jsontext.loads(inner)
    except Undecodable as error:
        raise Undecodable(f"{MESSAGE_KEY}: {error}") from error
    if not isinstance(message, dict):
        raise Undecodable(f"{MESSAGE_KEY} is not a JSON object")
    return message, _text(version)


def head_of(message: dict[str, Any]) -> Head:
    """Pick the hot keys out of a decoded message; a value of the wrong type counts as null."""
    get = message.get
    ending = get("ending", UNSET)
    return Head(
        method=_text(get("method")),
        namespace=_text(get("namespace")),
        version=_text(get("version")),
        msg_id=_text(get("_msg_id")),
        reply_q=_text(get("_reply_q")),
        unique_id=_text(get("_unique_id")),
        request_id=_text(get(CONTEXT_PREFIX + "request_id")),
        global_request_id=_text(get(CONTEXT_PREFIX + "global_request_id")),
        result=(_NULL if message["result"] is None else _NOT_NULL) if "result" in message else UNSET,
        failure=get("failure", UNSET),
        ending=ending if ending is UNSET or isinstance(ending, bool) else None,
        event_type=_text(get("event_type")),
        publisher_id=_text(get("publisher_id")),
        priority=_text(get("priority")),
        message_id=_text(get("message_id")),
    )


def summarise(
    head: Head,
    envelope: str | UnsetType | None,
    *,
    exchange: str,
    expiration: str | None,
    show_secrets: bool,
) -> HotMessage | None:
    """Decide what kind of message it is; None where it is none of oslo.messaging's.

    - With a ``method``: a call if it has a ``_msg_id`` (the server replies iff there is one), else a fanout if
      its exchange is named ``…_fanout``, else a cast.
    - With ``event_type`` and ``publisher_id``: a notification.
    - With any of ``result``, ``failure``, ``ending``: a heartbeat of the call monitor if there is neither
      result nor failure and ``ending`` is explicitly false, else a reply.

    Without an envelope requests and replies must have a ``_unique_id`` too, which every driver since 2013 adds:
    otherwise any JSON-RPC would be a cast.
    """
    rpc = envelope is not UNSET or head.unique_id is not None
    result_is_null = head.result is UNSET or bytes(head.result) == b"null"
    failure = None if head.failure is UNSET else failure_of(head.failure, show_secrets=show_secrets)
    timeout_s = None
    if head.method is not None and rpc:
        if head.msg_id:
            kind = "call"
            timeout_s = _seconds(expiration)
        else:
            kind = "fanout" if exchange.endswith("_fanout") else "cast"
    elif head.event_type is not None and head.publisher_id is not None:
        kind = "notification"
    elif rpc and not (head.result is UNSET and head.failure is UNSET and head.ending is UNSET):
        kind = "heartbeat" if head.ending is False and result_is_null and failure is None else "reply"
    else:
        return None
    names: list[str | None] = [head.method, head.namespace, head.event_type, head.publisher_id]
    if not show_secrets:
        names = [name and mask_name(name) for name in names]
    method, namespace, event_type, publisher_id = names
    return HotMessage(
        kind,
        None if envelope is UNSET else envelope,
        method,
        namespace,
        head.version,
        head.msg_id,
        head.reply_q,
        head.unique_id,
        head.request_id,
        head.global_request_id,
        timeout_s,
        result_is_null,
        failure,
        None if head.ending is UNSET else head.ending,
        event_type,
        publisher_id,
        head.priority,
        head.message_id,
    )


def failure_of(value: Any, *, show_secrets: bool) -> FailureFields | None:  # noqa: ANN401 - any JSON value
    """Read a reply's ``failure``: the third level of JSON, as ``serialize_remote_exception`` writes it.

    None where it is null, or otherwise false: the client takes that for success. What is no JSON object is kept
    as the message. The lines of ``tb`` are joined; ``args`` and ``kwargs`` are left out.
    """
    if not value:
        return None
    failure = value
    if isinstance(value, str):
        try:
            failure = jsontext.loads(value)
        except Undecodable:
            failure = None
    if not isinstance(failure, dict):
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        failure = {"message": text}
    lines = failure.get("tb")
    if isinstance(lines, list):
        lines = "".join(line for line in lines if isinstance(line, str))
    texts = [_text(failure.get("class")), _text(failure.get("module")), _text(failure.get("message")), _text(lines)]
    name, module, message, traceback = texts if show_secrets else map(mask, texts)
    return FailureFields(name, module, message, traceback or None)


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, str) else None


def _seconds(expiration: str | None) -> float | None:
    """Convert an expiration in milliseconds; None where it is not a number of at most 64 bits."""
    if expiration is None or len(expiration) > 19 or not (expiration.isascii() and expiration.isdigit()):
        return None
    return int(expiration) / 1000
