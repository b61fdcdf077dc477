"""Tunnel headers and fragments, byte for byte: around Ethernet frames and IP packets of other tests."""

import struct

from .packets import ethernet, ipv4, ipv6

OUTER, OUTER_6 = ("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")
UDP, GRE, IPIP, IPV6_IN_IP, MPLS_IN_IP = 17, 47, 4, 41, 137
TEB, ERSPAN, ERSPAN_III, MPLS, PPPOE = 0x6558, 0x88BE, 0x22EB, 0x8847, 0x8864
VNI = 4711
WIRE = 99
"""The label of a pseudowire, for tshark to be told."""


def ethertype(packet):
    """The EtherType of an IP packet."""
    return 0x86DD if packet[0] >> 4 == 6 else 0x0800


def in_ip(payload, protocol, *, six=False):
    if not six:
        return ipv4(*OUTER, payload, protocol=protocol)
    # A jumbogram's length is 0, which is not meant here.
    return ipv6(*OUTER_6, payload, protocol=protocol, length=min(len(payload), 0xFFFF))


def in_udp(payload, port, **more):
    return in_ip(struct.pack(">HHHH", 50000 + len(payload) % 999, port, 8 + len(payload), 0) + payload, UDP, **more)


def vxlan(packet, *, port=4789, flags=0x08, tags=(), **more):
    return in_udp(struct.pack(">BxHI", flags, 0, VNI << 8) + ethernet(packet, tags=tags), port, **more)


def geneve(packet, *, options=b"", frame=True, **more):
    kind, inside = (TEB, ethernet(packet)) if frame else (ethertype(packet), packet)
    return in_udp(struct.pack(">BBHI", len(options) // 4, 0, kind, VNI << 8) + options + inside, 6081, **more)


def gre(payload, kind, *, checksum=False, key=None, sequence=None, **more):
    flags = checksum << 15 | (key is not None) << 13 | (sequence is not None) << 12
    fields = [number for number in (0 if checksum else None, key, sequence) if number is not None]
    return in_ip(struct.pack(f">HH{len(fields)}I", flags, kind, *fields) + payload, GRE, **more)


def erspan(packet, version, **more):
    """Mirrored by a switch, as type I, II or III (with and without the platform's own part)."""
    frame = ethernet(packet)
    if version == 1:
        return gre(frame, ERSPAN, **more)
    if version == 2:
        return gre(struct.pack(">HHI", 0x1005, 7, 1) + frame, ERSPAN, sequence=9, **more)
    platform = len(packet) % 2
    header = struct.pack(">HHIHH", 0x2005, 7, 123, 0, platform) + bytes(8 * platform)
    return gre(header + frame, ERSPAN_III, sequence=9, **more)


def ipip(packet, **more):
    return in_ip(packet, IPV6_IN_IP if packet[0] >> 4 == 6 else IPIP, **more)


def mpls(payload, labels=(16,)):
    last = len(labels) - 1
    return b"".join(struct.pack(">I", label << 12 | (i == last) << 8 | 64) for i, label in enumerate(labels)) + payload


def pseudowire(packet):
    """Ethernet behind a control word."""
    return struct.pack(">HH", 0, 77) + ethernet(packet)


def pppoe(packet, *, code=0):
    protocol = 0x0057 if packet[0] >> 4 == 6 else 0x0021
    return struct.pack(">BBHHH", 0x11, code, 3, len(packet) + 2, protocol) + packet


# Everything that makes an IP packet of an IP packet.
TUNNELS = {
    "VXLAN": vxlan,
    "VXLAN, Linux's port": lambda p: vxlan(p, port=8472),
    "VXLAN with a group policy": lambda p: vxlan(p, flags=0x88),
    "VXLAN with tags inside": lambda p: vxlan(p, tags=[0x88A8, 0x8100]),
    "VXLAN over IPv6": lambda p: vxlan(p, six=True),
    "Geneve": geneve,
    "Geneve with options": lambda p: geneve(p, options=b"\x01\x02\x80\x01abcd"),
    "Geneve with most options": lambda p: geneve(p, options=b"\x01\x02\x80\x1e" + bytes(248), six=True),
    "Geneve with IP": lambda p: geneve(p, frame=False),
    "GRE": lambda p: gre(p, ethertype(p)),
    "GRE, all fields": lambda p: gre(p, ethertype(p), checksum=True, key=1, sequence=2),
    "GRE with Ethernet": lambda p: gre(ethernet(p), TEB, key=5),
    "GRE with MPLS": lambda p: gre(mpls(p, (3, 4, 5)), MPLS, six=True),
    "ERSPAN I": lambda p: erspan(p, 1),
    "ERSPAN II": lambda p: erspan(p, 2),
    "ERSPAN III": lambda p: erspan(p, 3),
    "ERSPAN II over IPv6": lambda p: erspan(p, 2, six=True),
    "IP in IPv4": ipip,
    "IP in IPv6": lambda p: ipip(p, six=True),
    "MPLS in IP": lambda p: in_ip(mpls(p), MPLS_IN_IP),
}

# Everything that makes an Ethernet frame of an IP packet.
LINKS = {
    "Ethernet": ethernet,
    "PPPoE": lambda p: ethernet(pppoe(p), PPPOE),
    "PPPoE, tagged": lambda p: ethernet(pppoe(p), PPPOE, tags=[0x8100]),
    "MPLS": lambda p: ethernet(mpls(p), MPLS),
    "MPLS, five labels": lambda p: ethernet(mpls(p, range(5)), 0x8848),
    "MPLS pseudowire": lambda p: ethernet(mpls(pseudowire(p), (16, WIRE)), MPLS),
    "MPLS, tagged pseudowire": lambda p: ethernet(
        mpls(struct.pack(">I", 0) + ethernet(p, tags=[0x8100]), (WIRE,)), MPLS, tags=[0x88A8]
    ),
}


def fragments(packet, size, identification=7):
    """Cut an IP packet without options or extension headers into fragments of at most ``size`` payload bytes."""
    size -= size % 8
    payload = packet[20 if packet[0] >> 4 == 4 else 40 :]
    return [
        fragment(packet, begin, payload[begin : begin + size], begin + size < len(payload), identification)
        for begin in range(0, len(payload), size)
    ]


def fragment(packet, begin, data, more, identification=7):
    """A fragment of an IP packet with any bytes as its data."""
    field = begin if begin > 0xFFFF else (begin // 8 << 3 | more)
    if packet[0] >> 4 == 4:
        head = struct.pack(">HHHH", 0x4500, 20 + len(data), identification & 0xFFFF, more << 13 | begin // 8)
        return head + packet[8:20] + data
    extension = struct.pack(">BxHI", packet[6], field, identification)
    return packet[:4] + struct.pack(">HB", 8 + len(data), 44) + packet[7:40] + extension + data
