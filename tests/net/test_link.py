"""Link-layer headers: every supported type, VLAN tags, what is cut short."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector import limits
from dissector.net import Streams
from dissector.net.link import SUPPORTED, Columns, ip_offsets

from .encapsulation import LINKS, MPLS, PPPOE, mpls, pppoe
from .packets import BROKER_6, CLIENT_6, Packet, batch, ethernet, events_of, one, segment

IPV4 = segment(True, 1, b"hello")
IPV6 = segment(True, 1, b"hello", client=CLIENT_6, broker=BROKER_6)


def sll(kind):
    return struct.pack(">HHH8sH", 0, 1, 6, bytes(8), kind)


def sll2(kind):
    return struct.pack(">HHIHBB8s", kind, 0, 2, 1, 0, 6, bytes(8))


HEADERS = {
    "null, little-endian": (0, struct.pack("<I", 2), struct.pack("<I", 30)),
    "null, big-endian": (0, struct.pack(">I", 2), struct.pack(">I", 24)),
    "loop": (108, struct.pack(">I", 2), struct.pack(">I", 28)),
    "ethernet": (1, ethernet(IPV4)[:14], ethernet(IPV6)[:14]),
    "802.1Q": (1, ethernet(IPV4, tags=[0x8100])[:18], ethernet(IPV6, tags=[0x8100])[:18]),
    "QinQ": (1, ethernet(IPV4, tags=[0x88A8, 0x8100])[:22], ethernet(IPV6, tags=[0x88A8, 0x8100])[:22]),
    "six tags": (1, ethernet(IPV4, tags=[0x9100, 0x88A8] + [0x8100] * 4)[:38], None),
    **{name: (1, *(link(packet).removesuffix(packet) for packet in (IPV4, IPV6))) for name, link in LINKS.items()},
    "cooked v1": (113, sll(0x0800), sll(0x86DD)),
    "cooked v1, 802.1Q": (113, sll(0x8100) + b"\0\5\x08\0", sll(0x8100) + b"\0\5\x86\xdd"),
    "cooked v2": (276, sll2(0x0800), sll2(0x86DD)),
    "raw": (101, b"", b""),
    "raw as OpenBSD": (14, b"", b""),
    "raw as others": (12, b"", b""),
    "raw IPv4": (228, b"", None),
    "raw IPv6": (229, None, b""),
}
CASES = [
    pytest.param(kind, header + packet, id=f"{name}, IPv{version}")
    for name, (kind, *headers) in HEADERS.items()
    for version, header, packet in zip((4, 6), headers, (IPV4, IPV6), strict=True)
    if header is not None
]


def test_every_supported_type_is_tried():
    assert {kind for kind, _, _ in HEADERS.values()} == SUPPORTED


@pytest.mark.parametrize(("kind", "data"), CASES)
def test_header_comes_off(kind, data):
    assert one(events_of([batch([Packet(data, link_type=kind)])])) == [b"hello"]


@pytest.mark.parametrize(("kind", "data"), CASES)
def test_every_prefix_is_counted_and_never_raises(kind, data):
    streams = Streams()
    prefixes = [Packet(data[:size], 0, len(data), kind) for size in range(len(data) - 5)]
    assert list(streams.feed(batch(prefixes))) == []
    # The last one holds the whole TCP header, without its payload.
    counts = streams.counts.ip
    assert counts.not_ip + counts.malformed + counts.not_tcp + streams.counts.segments == len(prefixes)
    assert counts.not_tcp == 0
    for prefix in prefixes:  # alone in its batch nothing stands behind it
        assert list(Streams().feed(batch([prefix]))) == []


def test_types_are_mixed_in_one_batch():
    packets = [Packet(data, link_type=kind) for kind, data in (case.values for case in CASES)]
    columns = Columns(batch(packets).buffer)
    found = ip_offsets(batch(packets), columns)
    assert [int(columns.u8[at]) >> 4 for at in found] == [4 if p.data.endswith(IPV4) else 6 for p in packets]


@pytest.mark.parametrize(
    "data",
    [
        ethernet(IPV4, 0x0806),
        ethernet(IPV4, len(IPV4)),
        ethernet(IPV4, tags=[0x8100] * (limits.LINK_HEADERS + 1)),
        ethernet(pppoe(IPV4, code=0xA7), PPPOE),
        ethernet(mpls(IPV4, range(limits.MPLS_LABELS + 1)), MPLS),
        ethernet(mpls(b"\0" + IPV4), MPLS),
        ethernet(mpls(b"\x10" + IPV4), MPLS),
    ],
    ids=["ARP", "802.3", "seven tags", "PPPoE discovery", "17 labels", "no pseudowire", "associated channel"],
)
def test_what_is_no_ip_is_counted(data):
    streams = Streams()
    assert list(streams.feed(batch([Packet(data, link_type=1)]))) == []
    assert streams.counts.ip.not_ip == 1


def test_unsupported_types_are_counted_by_number():
    streams = Streams()
    streams.feed(batch([Packet(IPV4, link_type=147), Packet(IPV4), Packet(IPV4, link_type=147)]))
    streams.feed(batch([Packet(IPV4, link_type=192)], 4))
    assert streams.counts.unsupported == {147: 2, 192: 1}
    assert streams.counts.segments == 1


@given(st.lists(st.tuples(st.sampled_from([*SUPPORTED, 147]), st.binary(max_size=100)), max_size=6))
def test_random_bytes_never_raise(packets):
    streams = Streams()
    streams.feed(batch([Packet(data, link_type=kind) for kind, data in packets]))
    counts = streams.counts.ip
    dropped = counts.not_ip + counts.not_tcp + counts.fragments + counts.malformed
    assert dropped <= len(packets) == streams.counts.packets
