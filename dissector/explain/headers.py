"""The headers of a packet as nodes: what is around IP, IP, TCP."""

from typing import Any, Final

import construct as c  # type: ignore[import-untyped]

from dissector.capture import link_type_name
from dissector.explain.trace import Part, parse_parts, traced
from dissector.explain.tree import Node
from dissector.net.events import Endpoint

_FLAGS: Final = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")

_IPV4: Final = c.Struct(
    traced("version_and_length", c.Int8ub),
    traced("dsfield", c.Int8ub),
    traced("len", c.Int16ub),
    traced("id", c.Int16ub),
    traced("flags_and_offset", c.Int16ub),
    traced("ttl", c.Int8ub),
    traced("proto", c.Int8ub),
    traced("checksum", c.Int16ub),
    traced("src", c.Bytes(4)),
    traced("dst", c.Bytes(4)),
    traced("options", c.GreedyBytes),
)
"""RFC 791, 3.1."""

_IPV6: Final = c.Struct(
    traced("version_class_and_flow", c.Int32ub),
    traced("plen", c.Int16ub),
    traced("nxt", c.Int8ub),
    traced("hlim", c.Int8ub),
    traced("src", c.Bytes(16)),
    traced("dst", c.Bytes(16)),
    traced("extension headers", c.GreedyBytes),
)
"""RFC 8200, 3."""

_TCP: Final = c.Struct(
    traced("srcport", c.Int16ub),
    traced("dstport", c.Int16ub),
    traced("seq", c.Int32ub),
    traced("ack", c.Int32ub),
    traced("hdr_len", c.Int8ub),
    traced("flags", c.Int8ub),
    traced("window_size_value", c.Int16ub),
    traced("checksum", c.Int16ub),
    traced("urgent_pointer", c.Int16ub),
    traced("options", c.GreedyBytes),
)
"""RFC 9293, 3.1."""


def explain_headers(data: bytes, ip: int, payload: int, link_type: int) -> list[Node]:
    """Explain what is before the TCP payload of a packet, whose IP header and TCP payload begin at these offsets."""
    nodes = []
    if ip:
        nodes.append(Node("link", link_type_name(link_type), None, 0, ip))
    tcp = _tcp_at(data, ip, payload)
    is_ipv6 = data[ip] >> 4 == 6
    parts, _ = parse_parts(_IPV6 if is_ipv6 else _IPV4, data[ip:tcp])
    fields = [_field(part, ip) for part in parts if part.end > part.start]
    ends = {node.name: node.value for node in fields}
    nodes.append(
        Node("ipv6" if is_ipv6 else "ip", f"{ends.get('src')} → {ends.get('dst')}", None, ip, tcp, None, fields)
    )
    parts, _ = parse_parts(_TCP, data[tcp:payload])
    fields = [_field(part, tcp) for part in parts if part.end > part.start]
    ends = {node.name: node.value for node in fields}
    title = f"{ends.get('srcport')} → {ends.get('dstport')}"
    nodes.append(Node("tcp", title, None, tcp, payload, None, fields))
    return nodes


def _tcp_at(data: bytes, ip: int, payload: int) -> int:
    """Find the TCP header: it tells its own length."""
    for size in range(20, 61, 4):
        at = payload - size
        if at > ip and data[at + 12] >> 4 == size // 4:
            return at
    return payload


def _field(part: Part, base: int) -> Node:
    return Node(part.name, _value(part.name, part.value), None, base + part.start, base + part.end)


def _value(name: str, value: Any) -> str | None:  # noqa: ANN401 - construct has no types
    if isinstance(value, bytes):
        return Endpoint.from_packed(value, 0).ip if name in ("src", "dst") else value.hex(" ")
    if name == "hdr_len":
        return str((value >> 4) * 4)
    if name == "flags":
        return " ".join(flag for index, flag in enumerate(_FLAGS) if value >> index & 1)
    if name in ("checksum", "id", "flags_and_offset", "dsfield", "version_and_length", "version_class_and_flow"):
        return f"0x{value:x}"
    return None if value is None else str(value)
