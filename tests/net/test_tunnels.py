"""Tunnels: every kind by hand and by scapy, cut short, damaged, nested too deep; beside tshark and the Linux kernel."""

import struct
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III, ERSPAN_PlatformSpecific
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.contrib.mpls import MPLS, EoMCW
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, Dot1Q, Ether
from scapy.layers.ppp import PPP, PPPoE
from scapy.layers.vxlan import VXLAN

from dissector import limits
from dissector.capture import open_capture
from dissector.net import Streams
from dissector.net.ip import IpCounts
from dissector.net.segments import SegmentReader

from . import encapsulation
from .encapsulation import ERSPAN_III as ERSPAN_III_TYPE
from .encapsulation import GRE as GRE_PROTOCOL
from .encapsulation import LINKS, TEB, TUNNELS, gre, in_udp, vxlan
from .packets import (
    ACK,
    BROKER_6,
    CLIENT,
    CLIENT_6,
    ETHERNET,
    SYN,
    Packet,
    batch,
    batches,
    ethernet,
    events_of,
    ipv4,
    one,
    segment,
)
from .pcap import payloads, theirs, write

INNER = {
    "IPv4": segment(True, 77, b"hello"),
    "IPv6": segment(True, 77, b"hello", client=CLIENT_6, broker=BROKER_6),
}


def read(*packets):
    """The segments of some packets as (packet, sequence number, captured payload, bytes sent), and the counts."""
    some = batch(packets)
    counts = IpCounts()
    columns, rows = SegmentReader(counts).feed(some)
    found = [
        (row, sequence, columns.buffer[at : at + size], sent)
        for row, sequence, at, size, sent in zip(
            *(c.tolist() for c in (rows.row, rows.sequence, rows.payload, rows.size, rows.sent)), strict=True
        )
    ]
    return found, counts


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("tunnel", TUNNELS)
@pytest.mark.parametrize("link", ["raw", *LINKS])
def test_tunnel_comes_off(inner, tunnel, link):
    outer = TUNNELS[tunnel](INNER[inner])
    packet = Packet(outer) if link == "raw" else Packet(LINKS[link](outer) + b"pad", link_type=ETHERNET)
    found, counts = read(packet)
    assert found == [(0, 77, b"hello", 5)]
    assert counts == IpCounts()


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("tunnel", TUNNELS)
def test_addresses_are_those_inside(inner, tunnel):
    (first, *_) = events_of([batch([TUNNELS[tunnel](INNER[inner])])])
    assert first.connection.client.ip == (CLIENT if inner == "IPv4" else CLIENT_6)[0]
    assert first.data == b"hello"


@pytest.mark.parametrize("tunnel", TUNNELS)
def test_every_prefix_is_counted_and_never_raises(tunnel):
    data = TUNNELS[tunnel](INNER["IPv4"])
    for size in range(len(data)):
        found, counts = read(Packet(data[:size], original=len(data)))
        assert len(found) + counts.malformed + counts.not_ip + counts.not_tcp == 1, size
        if found:
            assert found == [(0, 77, b"hello"[: size - len(data) + 5 if size > len(data) - 5 else 0], 5)]


@pytest.mark.parametrize("tunnel", TUNNELS)
def test_what_was_sent_is_told_by_the_inner_header(tunnel):
    """Also where the mirror cut the packet and the outer headers tell of the rest."""
    whole = TUNNELS[tunnel](segment(True, 77, b"x" * 900))
    found, _ = read(Packet(whole[: len(whole) - 800]))
    assert found == [(0, 77, b"x" * 100, 900)]


def ends():
    return IP(src=CLIENT[0], dst="10.0.0.2")


INSIDE = IP(INNER["IPv4"])
SCAPY = {
    "VXLAN": ends() / UDP(sport=5, dport=4789) / VXLAN(vni=7, flags=8) / Ether() / Dot1Q(vlan=5) / INSIDE,
    "Geneve": ends()
    / UDP(sport=5, dport=6081)
    / GENEVE(vni=7, proto=TEB, options=[GeneveOptions(classid=258, type=3, data=b"abcdefgh")])
    / Ether()
    / INSIDE,
    "GRE": ends() / GRE(chksum_present=1, key_present=1, seqnum_present=1, key=3, sequence_number=4) / INSIDE,
    "GRE, TEB": IPv6(src=CLIENT_6[0]) / GRE(proto=TEB) / Ether() / INSIDE,
    "ERSPAN II": ends() / GRE(seqnum_present=1, proto=0x88BE) / ERSPAN_II(session_id=3) / Ether() / INSIDE,
    "ERSPAN III": ends() / GRE(seqnum_present=1, proto=ERSPAN_III_TYPE) / ERSPAN_III(o=0) / Ether() / INSIDE,
    "ERSPAN III, platform": ends()
    / GRE(seqnum_present=1, proto=ERSPAN_III_TYPE)
    / ERSPAN_III(o=1)
    / ERSPAN_PlatformSpecific()
    / Ether()
    / INSIDE,
    "IPIP": ends() / INSIDE,
    "6in4": ends() / IPv6(INNER["IPv6"]),
    "MPLS": MPLS(label=3, s=0) / MPLS(label=4, s=1) / INSIDE,
    "MPLS pseudowire": MPLS(label=3, s=1) / EoMCW(seq=9) / Ether() / INSIDE,
    "PPPoE": PPPoE(sessionid=3) / PPP(proto=0x21) / INSIDE,
}


@pytest.mark.parametrize("name", SCAPY)
def test_as_scapy_builds_it(name):
    found, counts = read(
        Packet(bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / SCAPY[name]), link_type=ETHERNET)
    )
    assert (found, counts) == ([(0, 77, b"hello", 5)], IpCounts())


def test_erspan_with_a_bare_ip_packet():
    header = struct.pack(">HHIHH", 0x2005, 7, 123, 0, 2 << 10)
    assert read(gre(header + INNER["IPv6"], ERSPAN_III_TYPE, sequence=9))[0] == [(0, 77, b"hello", 5)]


NOT_TCP = {
    "other port": in_udp(b"\x08" + bytes(7) + ethernet(INNER["IPv4"]), 4788),
    "from the port only": ipv4("10.0.0.1", "10.0.0.2", struct.pack(">HHHH", 4789, 53, 8, 0) + bytes(80), protocol=17),
    "VXLAN without I": vxlan(INNER["IPv4"], flags=0),
    "VXLAN-GPE": vxlan(INNER["IPv4"], flags=0x0C),
    "Geneve, version 1": in_udp(b"\x40\0\x65\x58" + bytes(4) + ethernet(INNER["IPv4"]), 6081),
    "PPTP": encapsulation.in_ip(b"\x20\x01\x88\x0b" + bytes(40), GRE_PROTOCOL),
    "GRE with routing": encapsulation.in_ip(b"\x40\0\x08\0" + bytes(40), GRE_PROTOCOL),
    "UDP cut short": in_udp(b"", 4789)[:26],
}
NOT_IP = {
    "ARP in VXLAN": in_udp(b"\x08" + bytes(7) + ethernet(INNER["IPv4"], 0x0806), 4789),
    "nothing in VXLAN": in_udp(b"\x08" + bytes(7), 4789),
    "keepalive in GRE": gre(b"", 0),
}
MALFORMED = {
    "VXLAN cut short": in_udp(b"\x08" + bytes(6), 4789),
    "Geneve options beyond the end": in_udp(b"\x3f\0\x65\x58" + bytes(60), 6081),
    "GRE key cut off": encapsulation.in_ip(b"\x20\0\x08\0\0\0", GRE_PROTOCOL),
    "ERSPAN II cut off": gre(bytes(7), 0x88BE, sequence=1),
    "ERSPAN III cut off": gre(bytes(11), ERSPAN_III_TYPE, sequence=1),
    "version of what is inside": encapsulation.ipip(b"\x75" + bytes(60)),
    "nothing inside": encapsulation.in_ip(b"", 4),
    "label cut off": encapsulation.in_ip(b"\0\0\1", 137),
}


@pytest.mark.parametrize(
    ("data", "expected"),
    [pytest.param(data, IpCounts(not_tcp=1), id=name) for name, data in NOT_TCP.items()]
    + [pytest.param(data, IpCounts(not_ip=1), id=name) for name, data in NOT_IP.items()]
    + [pytest.param(data, IpCounts(malformed=1), id=name) for name, data in MALFORMED.items()],
)
def test_what_does_not_lead_to_tcp_is_counted(data, expected):
    assert read(data) == ([], expected)


@pytest.mark.parametrize("tunnel", TUNNELS)
def test_depth_is_bounded(tunnel):
    data = segment(True, 77, b"hello")
    for depth in range(limits.TUNNELS + 3):
        found, counts = read(data)
        assert len(found) == (depth <= limits.TUNNELS), depth
        assert counts == IpCounts(too_deep=depth > limits.TUNNELS)
        data = TUNNELS[tunnel](data)


def test_rows_stay_together():
    plain = [segment(True, n, b"hello") for n in range(30)]
    kinds = list(TUNNELS.values())
    packets = [kinds[n % len(kinds)](p) if n % 3 else p for n, p in enumerate(plain)]
    packets = [kinds[n % 7](p) if n % 4 == 1 else p for n, p in enumerate(packets)]
    packets[7:7] = [NOT_TCP["PPTP"], NOT_IP["ARP in VXLAN"], MALFORMED["nothing inside"]]
    found, counts = read(*packets)
    assert found == [(n + 3 * (n >= 7), n, b"hello", 5) for n in range(30)]
    assert counts == IpCounts(not_tcp=1, not_ip=1, malformed=1)


def test_seen_outside_and_inside_is_seen_twice():
    """On the interface ``any`` a packet comes in the tunnel and out of it."""
    packets = [segment(True, 9, flags=SYN)]
    for n in range(20):
        inner = segment(True, 10 + n, bytes([n]))
        packets += [vxlan(inner), inner] if n % 2 else [inner, vxlan(inner)]
    for cuts in ((), range(40)):
        assert one(events_of(batches(packets, cuts))) == [bytes(range(20))]


@given(
    st.sampled_from(list(TUNNELS.values())),
    st.sampled_from(list(TUNNELS.values())),
    st.sampled_from(list(LINKS.values())),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6),
)
def test_damaged_headers_never_raise(inner, outer, link, changes):
    damaged = bytearray(link(outer(inner(INNER["IPv4"]))))
    for at, value in changes:
        damaged[at % len(damaged)] = value
    found, counts = read(Packet(bytes(damaged), link_type=ETHERNET))
    told = counts.not_tcp + counts.fragments + counts.malformed + counts.not_ip + counts.too_deep
    assert len(found) + told == 1


# -- beside others -----------------------------------------------------------------------------------------------------


@pytest.mark.tshark
def test_tshark_finds_the_same(tmp_path):
    packets = []
    for at, (name, tunnel) in enumerate(TUNNELS.items()):
        for link in LINKS.values():
            inner = segment(at % 2 == 0, 100 + len(packets), name.encode(), flags=ACK)
            packets.append(Packet(link(tunnel(vxlan(inner) if at % 3 else inner)), len(packets), link_type=ETHERNET))
    path = write(tmp_path / "tunnels.pcap", packets)
    expected = theirs(path)
    assert len(expected) == len(packets)
    assert payloads(path) == expected


@pytest.mark.netns
@pytest.mark.tshark
def test_vxlan_of_the_linux_kernel(tmp_path):
    """A tunnel between two network namespaces whose path carries 1,400 bytes: its packets come in fragments."""
    a, b = "osloshark-a", "osloshark-b"
    path = tmp_path / "vxlan.pcap"

    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    for name in (a, b):
        ip("netns", "add", name)
    try:
        ip("-n", a, "link", "add", "wire", "mtu", "1400", "type", "veth", "peer", "name", "wire", "netns", b)
        for name, mine, other in ((a, 1, 2), (b, 2, 1)):
            ip("-n", name, "addr", "add", f"192.0.2.{mine}/24", "dev", "wire")
            ip("-n", name, "link", "set", "wire", "mtu", "1400", "up")
            tunnel = ["id", "7", "dstport", "4789", "remote", f"192.0.2.{other}", "df", "unset"]
            ip("-n", name, "link", "add", "overlay", "mtu", "1500", "type", "vxlan", *tunnel)
            ip("-n", name, "addr", "add", f"10.7.0.{mine}/24", "dev", "overlay")
            ip("-n", name, "link", "set", "overlay", "gso_max_segs", "1", "up")
            # Else the kernel learns of the tunnel's path, and makes smaller segments from the second on.
            ip("-n", name, "route", "change", "10.7.0.0/24", "dev", "overlay", "mtu", "lock", "1500")
        dump = ["tcpdump", "-i", "wire", "-U", "--immediate-mode", "-s", "2000", "-B", "16384", "-w", str(path)]
        enter = ["ip", "netns", "exec"]
        with subprocess.Popen([*enter, a, *dump], stderr=subprocess.PIPE) as watching:
            assert b"listening" in watching.stderr.readline()
            serve = (
                "import socket; s = socket.create_server(('10.7.0.1', 5672)); print('ready', flush=True);"
                "c, _ = s.accept(); print(sum(len(d) for d in iter(lambda: c.recv(65536), b'')))"
            )
            send = "import socket; socket.create_connection(('10.7.0.1', 5672), 9).sendall(bytes(range(250)) * 400)"
            with subprocess.Popen([*enter, a, "python3", "-c", serve], stdout=subprocess.PIPE) as server:
                assert server.stdout.readline() == b"ready\n"
                subprocess.run([*enter, b, "python3", "-c", send], check=True)
                assert server.stdout.read() == b"100000\n"
            time.sleep(0.3)
            watching.terminate()
    finally:
        for name in (a, b):
            ip("netns", "del", name)
    streams = Streams()
    with open_capture([str(path)]) as capture:
        events = [event for some in capture for event in streams.feed(some)]
    assert one([*events, *streams.finish()]) == [bytes(range(250)) * 400]
    assert streams.counts.ip.fragments == streams.counts.ip.malformed == 0
    assert streams.counts.packets > streams.counts.segments + 50, "too few fragments"
    assert payloads(path) == theirs(path)
