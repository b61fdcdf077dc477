"""A capture of one message, made from the specification: for `osloshark doctor` to read."""

import struct
from typing import Final

import msgspec

from dissector.amqp import constants
from dissector.amqp.spec import CLASSES
from dissector.explain.structs import FRAME, build_content_header, build_method

_PCAP: Final = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 101)
"""The head of a pcap file of raw IP packets (LINKTYPE_RAW)."""
_TIME: Final = (1_637_000_000, 0)
_CLIENT: Final = (bytes((10, 99, 0, 2)), 40_182)
_BROKER: Final = (bytes((10, 99, 0, 1)), constants.PORT)
_TCP: Final = 6
_PSH_ACK: Final = 0x18


def capture_of_cast(method: str) -> bytes:
    """Give a pcap file in which a client casts ``method``, in one packet; its checksums are not reckoned."""
    inner = msgspec.json.encode({"method": method, "args": {}, "version": "1.0"}).decode()
    body = msgspec.json.encode({"oslo.version": "2.0", "oslo.message": inner})
    payload = b"".join(_frames(body))
    tcp = struct.pack(">HHIIBBHHH", _CLIENT[1], _BROKER[1], 1, 1, 5 << 4, _PSH_ACK, 1024, 0, 0)
    size = 20 + len(tcp) + len(payload)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, 1, 0, 64, _TCP, 0, _CLIENT[0], _BROKER[0])
    return _PCAP + struct.pack("<IIII", *_TIME, size, size) + ip + tcp + payload


def _frames(body: bytes) -> list[bytes]:
    klass = next(klass for klass in CLASSES if klass.properties)
    publish = next(method for method in klass.methods if method.name == "publish")
    given = {"exchange": "doctor", "routing_key": "doctor"}
    arguments = {
        argument.name: given.get(argument.name, 0 if argument.type == "short" else False)
        for argument in publish.arguments
    }
    payloads = (
        (constants.FRAME_METHOD, build_method(klass.id, publish.id, arguments)),
        (constants.FRAME_HEADER, build_content_header(len(body), {"content_type": "application/json"})),
        (constants.FRAME_BODY, body),
    )
    return [FRAME.build({"type": kind, "channel": 1, "payload": payload}) for kind, payload in payloads]
