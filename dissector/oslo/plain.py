"""Bodies out of their wrappings, for views that show the body itself rather than what it means."""

from dissector.oslo import jsontext
from dissector.oslo.compression import decompress
from dissector.oslo.message import MESSAGE_KEY, VERSION_KEY
from dissector.oslo.undecodable import Undecodable


def plain(body: bytes, compression: str | None = None) -> bytes:
    """Give a body decompressed, or as it is where ``compression``, kombu's header, names nothing that undoes it."""
    try:
        return decompress(body, compression)
    except Undecodable:
        return body


def envelope_of(body: bytes) -> tuple[str, str] | None:
    """Give the texts of ``oslo.version`` and ``oslo.message``; None where a body has no such envelope."""
    try:
        value = jsontext.loads(body)
    except Undecodable:
        return None
    if isinstance(value, dict) and VERSION_KEY in value and MESSAGE_KEY in value:
        return str(value[VERSION_KEY]), str(value[MESSAGE_KEY])
    return None
