import gzip
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import zstandard

from dissector.capture import link_type_name, open_capture
from dissector.errors import UsageError

from .build import (
    PCAP_MODIFIED,
    PCAP_NANO,
    Packet,
    enhanced,
    interface,
    obsolete,
    pcap,
    read_all,
    rows_of,
    section,
    simple,
    statistics,
    tshark_rows,
)

NOW = 1_700_000_000 * 10**9

LIVE_READER = """
import sys
from dissector.capture import open_capture
with open_capture(["-"]) as capture:
    print("ready", flush=True)
    for batch in capture:
        for i in range(len(batch)):
            print(batch.first_number + i, batch.packet(i).hex(), flush=True)
print(capture.bytes_total, capture.bytes_read, capture.notices, flush=True)
"""


def test_packets_are_numbered_over_all_files(tmp_path):
    late, early = tmp_path / "late.pcapng", tmp_path / "early.pcap"
    early.write_bytes(pcap([(NOW, b"1"), (NOW + 3000, b"3")]))
    late.write_bytes(
        section() + interface(link_type=113) + enhanced(NOW // 1000 + 1, b"2", original=9) + statistics(ifdrop=4)
    )
    capture = open_capture([late, early])
    assert (capture.packets, capture.kernel_drops, capture.bytes_read) == (0, None, 0)
    assert read_all(capture) == [
        Packet(NOW, 1, b"1", 1),
        Packet(NOW + 1000, 9, b"2", 113),
        Packet(NOW + 3000, 1, b"3", 1),
    ]
    assert (capture.packets, capture.truncated_packets, capture.kernel_drops, capture.notices) == (3, 1, 4, [])
    assert capture.bytes_read == capture.bytes_total == early.stat().st_size + late.stat().st_size


def test_notices_name_their_file(tmp_path):
    path, whole = tmp_path / "x.pcap", pcap([(NOW, bytes(1514))] * 3)
    path.write_bytes(whole[:-1457])
    capture = open_capture([path])
    assert len(read_all(capture)) == 2
    what = "the last record is cut off after 57 of 1,514 bytes; the 2 packets before it were read"
    assert capture.notices == [f"{path}: {what}"]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_compressed_capture_cut_off(tmp_path, compress):
    path = tmp_path / "x.pcap.gz"
    path.write_bytes(compress(pcap([(NOW, os.urandom(1000))] * 2000))[:-500])
    capture = open_capture([path])
    packets = read_all(capture)
    assert 0 < len(packets) <= 2000
    assert " data is cut off after " in capture.notices[0]
    assert capture.bytes_read == capture.bytes_total


def test_what_cannot_be_read_is_said_at_once(tmp_path):
    good, bad = tmp_path / "good.pcap", tmp_path / "bad.txt"
    good.write_bytes(pcap([(NOW, b"1")]))
    bad.write_text("# notes")
    with pytest.raises(UsageError, match=r"bad\.txt: not a pcap or pcapng capture"):
        open_capture([good, bad])
    with pytest.raises(UsageError, match="no capture given"):
        open_capture([])
    with pytest.raises(UsageError, match="standard input is given twice"):
        open_capture(["-", good, "-"])


def test_leaving_early_closes_the_files(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap([(NOW, b"1")]))
    before = len(list(Path("/proc/self/fd").iterdir()))
    with open_capture([path]) as capture:
        next(iter(capture))
    assert list(capture) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_pipe_gives_packets_as_they_come():
    data = pcap([(NOW, b"first"), (NOW, b"second")])
    with subprocess.Popen([sys.executable, "-c", LIVE_READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout.readline() == b"ready\n"
        reader.stdin.write(data[:50])
        reader.stdin.flush()
        assert reader.stdout.readline() == b"1 %s\n" % b"first".hex().encode()
        reader.stdin.write(data[50:])
        reader.stdin.flush()
        assert reader.stdout.readline() == b"2 %s\n" % b"second".hex().encode()
        reader.stdin.close()
        assert reader.stdout.read() == b"None %d []\n" % len(data)


def test_a_file_as_standard_input_and_a_pipe_that_is_no_capture(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap([(NOW, b"x")]))
    with path.open("rb") as file:
        output = subprocess.run([sys.executable, "-c", LIVE_READER], stdin=file, capture_output=True, check=True).stdout
    assert output == b"ready\n1 78\n41 41 []\n"
    process = subprocess.run(
        [sys.executable, "-c", LIVE_READER], input=b"#!/bin/sh\n", capture_output=True, check=False
    )
    assert b"UsageError: standard input: not a pcap or pcapng capture (starts with 23 21 2f 62)" in process.stderr


def test_a_pipe_among_files_is_merged(tmp_path):
    path, fifo = tmp_path / "x.pcap", tmp_path / "fifo"
    path.write_bytes(pcap([(NOW + i * 2000, b"file") for i in range(500)]))
    os.mkfifo(fifo)
    data = pcap([(NOW + i * 2000 + 1000, b"pipe") for i in range(500)])
    writer = threading.Thread(target=fifo.write_bytes, args=(data,))
    writer.start()
    capture = open_capture([fifo, path])
    assert [packet.data for packet in read_all(capture)] == [b"file", b"pipe"] * 500
    assert capture.bytes_total is None
    writer.join()


@pytest.mark.netns
def test_tcpdump_is_followed_live():
    command = ["tcpdump", "-i", "lo", "-U", "-w", "-", "udp", "and", "port", "47321"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tcpdump,
        subprocess.Popen([sys.executable, "-c", LIVE_READER], stdin=tcpdump.stdout, stdout=subprocess.PIPE) as reader,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        assert b"listening on lo" in tcpdump.stderr.readline()
        assert reader.stdout.readline() == b"ready\n"
        for text in (b"osloshark-1", b"osloshark-2"):
            sender.sendto(text, ("127.0.0.1", 47321))
            assert text.hex().encode() in reader.stdout.readline()
        tcpdump.terminate()
        assert reader.stdout.read().endswith(b"[]\n")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A capture of Ethernet packets, some cut by a snap length."""
    from scapy.layers.inet import IP, TCP  # noqa: PLC0415 - scapy is slow to import
    from scapy.layers.l2 import Ether  # noqa: PLC0415
    from scapy.utils import PcapWriter  # noqa: PLC0415

    path = tmp_path_factory.mktemp("scapy") / "plain.pcap"
    with PcapWriter(str(path), nano=True, snaplen=200) as writer:
        for i in range(300):
            packet = Ether() / IP(dst="127.0.0.1") / TCP(dport=5672) / os.urandom(i)
            packet.time = 1_700_000_000 + i / 8
            packet.wirelen = 54 + i + i % 3
            writer.write(packet)
    return path


@pytest.mark.tshark
def test_scapys_writers_as_tshark_reads_them(plain, tmp_path):
    from scapy.utils import PcapNgWriter, RawPcapWriter, rdpcap  # noqa: PLC0415 - scapy is slow to import

    assert rows_of(read_all(open_capture([plain]))) == tshark_rows(plain)
    packets = rdpcap(str(plain))
    for name, writer in (
        ("big.pcap", lambda path: RawPcapWriter(path, linktype=1, endianness=">")),
        ("any.pcapng", PcapNgWriter),
        ("packed.pcap", lambda path: RawPcapWriter(path, linktype=1, gz=True)),
    ):
        path = tmp_path / name
        with writer(str(path)) as open_writer:
            open_writer.write(packets)
        rows = rows_of(read_all(open_capture([path])))
        assert len(rows) == 300
        assert rows == tshark_rows(path)


@pytest.mark.tshark
@pytest.mark.parametrize("format_name", ["pcap", "nsecpcap", "modpcap", "pcapng"])
def test_editcaps_formats_as_tshark_reads_them(plain, tmp_path, format_name):
    path = tmp_path / "x.cap"
    subprocess.run(["editcap", "-F", format_name, "-s", "90", str(plain), str(path)], check=True)
    capture = open_capture([path])
    packets = read_all(capture)
    assert rows_of(packets) == tshark_rows(path)
    assert capture.truncated_packets == sum(len(packet.data) < packet.original for packet in packets) > 200


@pytest.mark.tshark
def test_text2pcap_as_tshark_reads_it(tmp_path):
    path = tmp_path / "x.pcapng"
    dump = "".join(f"2023-11-14 22:13:2{i}.5\n000000 {bytes(range(40)).hex(' ')}\n\n" for i in range(5))
    command = ["text2pcap", "-q", "-l", "276", "-t", "%Y-%m-%d %H:%M:%S.%f", "-", str(path)]
    subprocess.run(command, input=dump.encode(), check=True, capture_output=True)
    packets = read_all(open_capture([path]))
    assert rows_of(packets) == tshark_rows(path)
    assert [link_type_name(packet.link_type) for packet in packets] == ["LINUX_SLL2"] * 5


ETHERNET = bytes(12) + b"\x08\x00" + bytes(46)


@pytest.mark.tshark
@pytest.mark.parametrize(
    "content",
    [
        *(
            pcap([(NOW + i * 1001, ETHERNET) for i in range(3)], order=order, magic=magic)
            for order in "<>"
            for magic in (0xA1B2C3D4, PCAP_NANO, PCAP_MODIFIED)
        ),
        section(">") + interface(">", resolution=0x80 | 30) + enhanced((1_700_000_000 << 30) + 5, ETHERNET, ">"),
        section("<") + interface("<", resolution=9, offset_s=-100) + enhanced(NOW + 5, ETHERNET, "<"),
        section("<") + interface("<") + obsolete(NOW // 1000, ETHERNET, "<") + simple(ETHERNET, "<"),
        section("<") + interface("<") + enhanced(1, ETHERNET, "<") + section(">") + interface(">", resolution=3)
        + statistics(">", ifdrop=1) + enhanced(2, ETHERNET, ">", comment=b"a comment"),
    ],
)  # fmt: skip
def test_built_by_hand_as_tshark_reads_it(tmp_path, content):
    path = tmp_path / "x.cap"
    path.write_bytes(content)
    rows = rows_of(read_all(open_capture([path])))
    assert rows
    assert rows == tshark_rows(path)
