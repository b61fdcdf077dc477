"""The payload of a method frame: which method it is, and its arguments (AMQP 0-9-1 clause 4.2.4)."""

import struct
from typing import Final

from dissector.amqp._methods import DECODERS, Method
from dissector.amqp.malformed import MalformedPayload

_KEY: Final = struct.Struct(">I").unpack_from


def decode_method(data: bytes, pos: int, end: int) -> Method:
    """Decode the method frame's payload ``data[pos:end]``.

    Raises nothing but `MalformedPayload`: for an unknown class or method, and where the arguments do not end
    exactly at ``end`` (RabbitMQ is as strict). ``data`` must hold the payload wholly: ``end <= len(data)``.
    """
    try:
        (key,) = _KEY(data, pos)
        decoder = DECODERS.get(key)
        if decoder is not None:
            return decoder(data, pos, end)
    except (IndexError, struct.error):
        raise MalformedPayload(end, "method: cut short") from None
    if end - pos < 4:
        raise MalformedPayload(end, "method: cut short")
    raise MalformedPayload(pos, f"unknown method {key >> 16}.{key & 0xFFFF}")
