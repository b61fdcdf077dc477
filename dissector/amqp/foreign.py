"""What else is spoken on a broker's ports, told by a stream's first bytes: TLS, and AMQP of other versions."""

import struct
from typing import Final

from dissector.amqp.constants import PROTOCOL_HEADER

_NAME: Final = b"AMQP"
_VERSIONS: Final = {
    b"\x00\x01\x00\x00": "AMQP 1.0",
    b"\x03\x01\x00\x00": "AMQP 1.0 (SASL)",
    b"\x02\x01\x00\x00": "AMQP 1.0 (TLS)",
    b"\x01\x01\x00\x0a": "AMQP 0-10",
    b"\x00\x00\x09\x00": "AMQP 0-9",
    b"\x01\x01\x08\x00": "AMQP 0-8",
    b"\x01\x01\x00\x09": "AMQP 0-9",
}
"""What follows ``AMQP`` in the headers of the protocol's other versions."""

_TLS_HANDSHAKE: Final = b"\x16\x03"
_TLS_HELLOS: Final = (1, 2)
"""Types of the handshake messages that come first: ClientHello, ServerHello (RFC 8446, 4)."""
_TLS_DATA: Final = b"\x17\x03"
_TLS_RECORD: Final = struct.Struct(">HBH")
_TLS_RECORD_TYPES: Final = range(20, 25)
_TLS_RECORD_SIZES: Final = range(1, (1 << 14) + 2049)
_TLS_VERSIONS: Final = range(1, 5)
"""How a record of application data begins; what a record's header is: content type (RFC 8446, 5.1; RFC 6520), version
3.1 to 3.4, and the size of what is enciphered (RFC 5246, 6.2.3)."""


def is_too_short(data: bytes) -> bool:
    """Tell whether it takes more than these bytes to know what they begin."""
    return len(data) < len(PROTOCOL_HEADER) and any(
        data.startswith(begin[: len(data)]) for begin in (_NAME, _TLS_HANDSHAKE, _TLS_DATA)
    )


def foreign_protocol(data: bytes, *, at_start: bool) -> str | None:
    """Name the protocol that is spoken, by bytes that are not too short; None where it may be AMQP 0-9-1.

    ``at_start`` where they are the first of their connection.
    """
    # The second byte of the version and the record's length may be anything (RFC 8446, 5.1).
    if data.startswith(_TLS_HANDSHAKE) and data[_TLS_RECORD.size] in _TLS_HELLOS:
        return "TLS"
    if not at_start and _is_tls_data(data):
        return "TLS without its beginning"
    if not data.startswith(_NAME) or data.startswith(PROTOCOL_HEADER):
        return None
    version = _VERSIONS.get(data[len(_NAME) : len(PROTOCOL_HEADER)])
    # From the middle of a stream it may be that of a start-ok, say: AMQPLAIN.
    return "AMQP of an unknown version" if version is None and at_start else version


def _is_tls_data(data: bytes) -> bool:
    """Tell whether bytes begin with a record of application data, and where more follows with another record."""
    if not data.startswith(_TLS_DATA):
        return False
    _, version, size = _TLS_RECORD.unpack_from(data)
    following = data[_TLS_RECORD.size + size :][:2]
    return (
        version in _TLS_VERSIONS
        and size in _TLS_RECORD_SIZES
        and (not following or following[0] in _TLS_RECORD_TYPES)
        and following[1:] in (b"", _TLS_DATA[1:])
    )
