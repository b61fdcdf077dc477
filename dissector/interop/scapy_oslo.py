"""A message of oslo.messaging as a layer of scapy: its envelope and its JSON."""

import json
import uuid
from typing import Any, ClassVar, Final

from msgspec import UNSET
from scapy.fields import StrField
from scapy.packet import Packet

from dissector.oslo import hot, jsontext, mask
from dissector.oslo.message import CONTEXT_PREFIX, MESSAGE_KEY, VERSION_KEY, Head, open_envelope
from dissector.oslo.undecodable import Undecodable

_ENVELOPE: Final[Any] = "2.0"
"""The envelope's version that oslo.messaging has sent since 2013."""
_KEYS: Final = dict(zip(Head.__struct_fields__, Head.__struct_encode_fields__, strict=True))
"""What the keys of a message are called on the wire."""


def is_oslo(body: bytes) -> bool:
    """Tell whether a body is a message of oslo.messaging, not compressed."""
    return hot(body, exchange="") is not None


def _opened(body: bytes) -> tuple[dict[str, Any], Any]:
    """Give the message of a body and the version of its envelope, as `open_envelope`."""
    try:
        return open_envelope(jsontext.loads(body))
    except Undecodable:
        return {}, UNSET


class _Version(StrField):
    """The envelope's version, which stands in the JSON that `_Message` reads; None where there is no envelope."""

    def any2i(self, pkt: Any, x: Any) -> Any:  # noqa: ANN401 - scapy's signature
        return x

    def i2repr(self, pkt: Any, x: Any) -> str:  # noqa: ANN401
        return ascii(mask(x))

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, Any]:  # noqa: ANN401
        version = _opened(s)[1]
        return s, None if version is UNSET else version or ""

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:  # noqa: ANN401
        return s


class _Message(StrField):
    """The message: a dict for who asks, its JSON inside."""

    def any2i(self, pkt: Any, x: Any) -> Any:  # noqa: ANN401
        return x if x is None or isinstance(x, bytes) else json.dumps(x).encode()

    def i2h(self, pkt: Any, x: Any) -> Any:  # noqa: ANN401
        return json.loads(x) if x else {}

    def i2repr(self, pkt: Any, x: Any) -> str:  # noqa: ANN401
        return ascii(mask(self.i2h(pkt, x)))

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, Any]:  # noqa: ANN401
        return b"", json.dumps(_opened(s)[0]).encode()

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:  # noqa: ANN401
        message = val or b"{}"
        if pkt.version is None:
            return s + message
        return s + json.dumps({VERSION_KEY: pkt.version, MESSAGE_KEY: message.decode()}).encode()


class OsloMessage(Packet):
    """A body of oslo.messaging: ``version`` of the envelope (None: there is none), and ``message``, a dict.

    The message has the keys of the wire: ``method``, ``args``, ``_msg_id``, ``_context_request_id`` …, and
    `dissector.fields.OsloFields` tells what they mean. To change one, assign another dict.
    """

    name = "oslo.messaging"
    fields_desc: ClassVar[list[Any]] = [_Version("version", _ENVELOPE), _Message("message", b"{}")]

    def mysummary(self) -> str:
        """Name the method or the event."""
        message = self.message
        return ascii(mask(message.get("method") or message.get("event_type") or "reply"))[1:-1]


def request(
    method: str,
    args: dict[str, Any] | None = None,
    *,
    version: str = "1.0",
    namespace: str | None = None,
    reply_q: str | None = None,
    context: dict[str, Any] | None = None,
) -> OsloMessage:
    """Make a request as oslo.messaging does: with a queue for the reply a call, else a cast, or a fanout, which differ
    by the exchange alone. ``context`` is the request's context.
    """
    message: dict[str, Any] = {
        _KEYS["method"]: method,
        "args": args or {},
        _KEYS["version"]: version,
        _KEYS["unique_id"]: uuid.uuid4().hex,
    }
    if namespace is not None:
        message[_KEYS["namespace"]] = namespace
    if reply_q is not None:
        message |= {_KEYS["msg_id"]: uuid.uuid4().hex, _KEYS["reply_q"]: reply_q}
    message |= {CONTEXT_PREFIX + key: value for key, value in (context or {}).items()}
    return OsloMessage(message=message)
