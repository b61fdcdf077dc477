"""AMQP 0-9-1 and oslo.messaging as layers of scapy, to dissect and to build.

Importing this module binds `AMQP` to TCP port 5672, as scapy's ``load_layer`` does for its own layers:

>>> from dissector.interop.scapy_layer import AMQP, BasicPublish, OsloMessage, publish, request
>>> from scapy.all import IP, TCP, rdpcap
>>> packets = [packet for packet in rdpcap("pcaps/demo.pcap") if OsloMessage in packet]
>>> packets[0][BasicPublish].exchange, packets[0][OsloMessage].message["method"]
(b'neutron', 'report_state')

A valid basic.publish with a body of oslo.messaging takes three lines:

>>> call = request("get_host_uptime", {}, version="6.0")
>>> packet = IP(dst="10.99.0.1") / TCP(dport=5672, flags="PA") / publish("nova", "compute", call)
>>> octets = bytes(packet)

`AMQP` holds the frames of one segment; each has a type, a channel and a content: a method (one class of `METHODS` for
each in the spec table: ``BasicPublish``, ``QueueDeclareOk``, …), a `ContentHeader`, a body. What is no whole frame, at
the end of a segment or in all of it, is ``Raw``, and so is a content that is none of these. For another port:
``bind_layers(TCP, AMQP, dport=5673)``, and the same with ``sport``.

**scapy does not reassemble**: a frame in several segments is ``Raw`` in all of them, and a body in several frames is in
pieces; scapy's ``TCPSession`` fills holes with zeros and takes some connections for one another. For all that is in a
capture, whatever was lost, use `dissector.read`.

Secrets are masked where scapy shows a packet (``show``, ``repr``), in these layers; not in ``Raw``, hexdumps, and the
values of fields.
"""

import struct
from typing import Any, ClassVar, Final

from dissector.errors import MissingExtraError

try:
    import scapy  # noqa: F401 - only to say what is missing
except ImportError:
    raise MissingExtraError("the scapy layer", "live") from None

from scapy.fields import (
    ByteEnumField,
    ByteField,
    ConditionalField,
    FlagsField,
    IntField,
    LongField,
    PacketField,
    PacketListField,
    ShortField,
    StrFixedLenField,
    XByteField,
)
from scapy.layers.inet import TCP
from scapy.packet import Packet, Raw, bind_layers

from dissector.amqp.constants import (
    FRAME_BODY,
    FRAME_END,
    FRAME_HEADER,
    FRAME_HEADER_BYTES,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    FRAME_OVERHEAD_BYTES,
    FRAME_TYPES,
    PORT,
    PROTOCOL_HEADER,
)
from dissector.amqp.malformed import MalformedPayload
from dissector.amqp.methods import decode_method
from dissector.amqp.properties import decode_content_header
from dissector.amqp.spec import CLASSES, Class, Method, dotted
from dissector.explain.structs import PROPERTY_FLAGS
from dissector.interop.scapy_fields import field_of, fields_of
from dissector.interop.scapy_oslo import OsloMessage, is_oslo, request

_HEADER: Final = struct.Struct(">BHI").unpack_from
_KEY: Final = struct.Struct(">HH").unpack_from
_FLAGS: Final = struct.Struct(">12xH").unpack_from
_MORE_FLAGS: Final = 1
"""The bit that says that another word of flags follows (clause 4.2.6.1): no property is in it."""
_BASIC: Final = next(klass for klass in CLASSES if klass.properties)
_FRAME_MAX: Final = 131_072
"""RabbitMQ's, in bytes, unless configured."""


def _class_name(klass: Class, method: Method) -> str:
    return "".join(word.capitalize() for word in (klass.name, *method.name.split("_")))


class AMQPMethod(Packet):
    """The content of a method frame; each method has a class of its own, see `METHODS`."""


def _method(klass: Class, method: Method) -> type[AMQPMethod]:
    ids = [ShortField("method_class", klass.id), ShortField("method_method", method.id)]
    fields = [*ids, *fields_of(method.arguments)]
    about = f"{dotted(klass, method.name)}: {method.meaning}; a method frame's content."
    made = {"name": dotted(klass, method.name), "fields_desc": fields, "__doc__": about, "__module__": __name__}
    return type(_class_name(klass, method), (AMQPMethod,), made)


METHODS: Final[dict[tuple[int, int], type[AMQPMethod]]] = {
    (klass.id, method.id): _method(klass, method) for klass in CLASSES for method in klass.methods
}
"""The layer of each method, by its class's id and its own. Their fields have the names of the spec table; they are in
this module under their own names, too."""

_BY_NAME: Final = {layer.__name__: layer for layer in METHODS.values()}


def __getattr__(name: str) -> type[AMQPMethod]:
    """Give the layer of a method by its own name."""
    if name not in _BY_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _BY_NAME[name]


class _Flags(FlagsField):
    """The property flags; where they are not given, those of the properties that are."""

    def i2m(self, pkt: Any, x: Any) -> int:  # noqa: ANN401 - scapy's signature
        if x is None:
            return sum(flag for name, flag in PROPERTY_FLAGS.items() if pkt.fields.get(name) is not None)
        return int(x)


def _has(name: str) -> Any:  # noqa: ANN401
    flag = PROPERTY_FLAGS[name]

    def has(header: Packet) -> bool:
        flags = header.fields.get("flags")
        return header.fields.get(name) is not None if flags is None else bool(int(flags) & flag)

    return has


class ContentHeader(Packet):
    """The content of a header frame (clause 4.2.6.1): the body's size, and the properties that are given."""

    name = "content header"
    fields_desc: ClassVar[list[Any]] = [
        ShortField("header_class", _BASIC.id),
        ShortField("weight", 0),
        LongField("body_size", 0),
        _Flags("flags", None, 16, ["more", "reserved", *reversed(PROPERTY_FLAGS)]),
        *(ConditionalField(field_of(each), _has(each.name)) for each in _BASIC.properties),
    ]


def _content(kind: int, octets: bytes) -> Packet | None:
    """Dissect the content of a frame; ``Raw`` where it is not what it should be."""
    try:
        if kind == FRAME_METHOD:
            decode_method(octets, 0, len(octets))
            return METHODS[_KEY(octets)](octets)
        if kind == FRAME_HEADER:
            decode_content_header(octets, 0, len(octets))
            if not _FLAGS(octets)[0] & _MORE_FLAGS:
                return ContentHeader(octets)
    except MalformedPayload:
        return Raw(octets)
    if kind == FRAME_BODY and is_oslo(octets):
        return OsloMessage(octets)
    return Raw(octets) if octets else None


class _Content(PacketField):
    """As many octets as the frame's size says."""

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, Any]:  # noqa: ANN401 - scapy's signature
        return s[pkt.size :], _content(pkt.type, s[: pkt.size])


class _Type(ByteEnumField):
    """The frame's type; where it is not given, what its content needs."""

    def i2m(self, pkt: Any, x: Any) -> int:  # noqa: ANN401
        if x is not None:
            return int(x)
        content = pkt.fields.get("content")
        if content is None:
            return FRAME_HEARTBEAT
        kinds = ((AMQPMethod, FRAME_METHOD), (ContentHeader, FRAME_HEADER))
        return next((kind for layer, kind in kinds if isinstance(content, layer)), FRAME_BODY)


class _Size(IntField):
    """The content's size in bytes, reckoned where it is not given."""

    def i2m(self, pkt: Any, x: Any) -> int:  # noqa: ANN401
        content = pkt.fields.get("content")
        return int(x) if x is not None else 0 if content is None else len(bytes(content))


class AMQPFrame(Packet):
    """One frame (clause 4.2.3); a heartbeat where it is given nothing."""

    name = "frame"
    fields_desc: ClassVar[list[Any]] = [
        _Type("type", None, FRAME_TYPES),
        ShortField("channel", 0),
        _Size("size", None),
        _Content("content", None, Raw),
        XByteField("end", FRAME_END),
    ]

    def mysummary(self) -> str:
        """Name the content."""
        return FRAME_TYPES[FRAME_HEARTBEAT] if self.content is None else str(self.content.name)


class AMQPProtocolHeader(Packet):
    """What a client sends first, and a broker that does not speak its version (clause 4.2.2)."""

    name = "protocol header"
    fields_desc: ClassVar[list[Any]] = [
        StrFixedLenField("protocol", PROTOCOL_HEADER[:4], 4),
        *(
            ByteField(name, value)
            for name, value in zip(("id", "major", "minor", "revision"), PROTOCOL_HEADER[4:], strict=True)
        ),
    ]


def _frame_end(octets: bytes, begin: int) -> int:
    """Give where the whole frame that begins at an index ends; -1 where there is none."""
    if begin == 0 and octets.startswith(PROTOCOL_HEADER[:4]):
        return len(PROTOCOL_HEADER) if len(octets) >= len(PROTOCOL_HEADER) else -1
    if len(octets) - begin < FRAME_OVERHEAD_BYTES:
        return -1
    kind, _, size = _HEADER(octets, begin)
    end: int = begin + FRAME_HEADER_BYTES + size
    return end + 1 if kind in FRAME_TYPES and end < len(octets) and octets[end] == FRAME_END else -1


class _Frames(PacketListField):
    """Whole frames, one behind the other: as many as there are, without recursion."""

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, Any]:  # noqa: ANN401 - scapy's signature
        frames: list[Packet] = []
        begin = 0
        while (end := _frame_end(s, begin)) > 0:
            layer = AMQPProtocolHeader if begin == 0 and s.startswith(PROTOCOL_HEADER[:4]) else AMQPFrame
            frames.append(layer(s[begin:end]))
            begin = end
        return s[begin:], frames


class AMQP(Packet):
    """The AMQP of one TCP segment: a protocol header, or whole frames; ``Raw`` behind them is the rest."""

    name = "AMQP"
    fields_desc: ClassVar[list[Any]] = [_Frames("frames", [], AMQPFrame)]

    @classmethod
    def dispatch_hook(cls, _pkt: bytes | None = None, *_: Any, **__: Any) -> type[Packet]:  # noqa: ANN401
        """Take what begins with a whole frame, and leave the rest to ``Raw``."""
        return Raw if _pkt and _frame_end(bytes(_pkt), 0) < 0 else cls

    def mysummary(self) -> str:
        """Name the frames."""
        names = [frame.mysummary() if isinstance(frame, AMQPFrame) else str(frame.name) for frame in self.frames]
        return f"AMQP {', '.join(names)}"


def publish(
    exchange: str | bytes,
    routing_key: str | bytes,
    body: Packet | dict[str, Any] | bytes,
    *,
    channel: int = 1,
    mandatory: bool = False,
    frame_max: int = _FRAME_MAX,
    **properties: Any,  # noqa: ANN401 - the properties of the spec table
) -> AMQP:
    """Build a basic.publish: its method, its header and its body, in frames of up to ``frame_max`` bytes.

    ``body`` is an `OsloMessage`, its message as a dict, or any bytes. ``properties`` are those of class basic; they are
    added to, or take the place of, those that oslo.messaging sends with every message; None leaves one out.
    """
    content = OsloMessage(message=body) if isinstance(body, dict) else body
    octets = bytes(content)
    sent: dict[str, Any] = {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "headers": {},
        "delivery_mode": 2,
    }
    sent |= {"priority": 0, **properties}
    given = {name: value for name, value in sent.items() if value is not None}
    most = frame_max - FRAME_OVERHEAD_BYTES
    pieces = [octets[at : at + most] for at in range(0, len(octets), most)]
    bodies = [content] if len(pieces) == 1 and isinstance(content, Packet) else [Raw(piece) for piece in pieces]
    contents = [
        _BY_NAME["BasicPublish"](exchange=exchange, routing_key=routing_key, mandatory=int(mandatory)),
        ContentHeader(body_size=len(octets), **given),
        *bodies,
    ]
    return AMQP(frames=[AMQPFrame(channel=channel, content=each) for each in contents])


bind_layers(TCP, AMQP, sport=PORT)
bind_layers(TCP, AMQP, dport=PORT)

__all__ = [
    "AMQP",
    "METHODS",
    "AMQPFrame",
    "AMQPMethod",
    "AMQPProtocolHeader",
    "ContentHeader",
    "OsloMessage",
    "publish",
    "request",
]
__all__ += list(_BY_NAME)
