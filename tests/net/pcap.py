"""The TCP payloads in a capture file, by osloshark and by tshark."""

import struct
import subprocess
from pathlib import Path

from dissector.capture import open_capture
from dissector.net.flows import connection_keys, endpoints
from dissector.net.ip import IpCounts
from dissector.net.segments import SegmentReader

from .encapsulation import WIRE

Payload = tuple[int, str, int, bytes]
"""Packet, sender's address, sequence number, payload."""


def write(path: Path, packets) -> Path:
    """Write packets of one link type as a pcap file, their times as nanoseconds."""
    head = struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 1 << 18, packets[0].link_type)
    records = [
        struct.pack("<IIII", *divmod(p.time_ns, 10**9), len(p.data), p.original or len(p.data)) + p.data
        for p in packets
    ]
    path.write_bytes(head + b"".join(records))
    return path


def payloads(path: Path) -> list[Payload]:
    """What osloshark finds."""
    found: list[Payload] = []
    reader = SegmentReader(IpCounts())
    with open_capture([str(path)]) as capture:
        for batch in capture:
            columns, rows = reader.feed(batch)
            rows = rows.select(rows.size > 0)
            keys = connection_keys(columns, rows)
            for at, (key, from_low) in enumerate(zip(keys.at(slice(None)), keys.from_low.tolist(), strict=True)):
                low, high = endpoints(key)
                begin = int(rows.payload[at])
                payload = columns.buffer[begin : begin + int(rows.size[at])]
                number = int(rows.row[at]) + batch.first_number
                found.append((number, (low if from_low else high).ip, int(rows.sequence[at]), payload))
    return found


def theirs(path: Path) -> list[Payload]:
    """What tshark finds: of several headers of a packet the innermost."""
    fields = ["frame.number", "ip.src", "ipv6.src", "tcp.seq_raw", "tcp.payload", "frame.protocols"]
    options = [word for field in fields for word in ("-e", field)]
    known = ["-d", f"mpls.label=={WIRE},pwethcw", "-d", "udp.port==8472,vxlan"]
    command = [
        "tshark",
        "-n",
        "-r",
        str(path),
        *known,
        "-Y",
        "tcp.len > 0",
        "-T",
        "fields",
        "-E",
        "occurrence=l",
        *options,
    ]
    rows = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found: list[Payload] = []
    for number, four, six, sequence, payload, protocols in (row.split("\t") for row in rows):
        innermost = protocols.split(":tcp")[0].split(":")[-1]
        source = six if innermost.startswith("ipv6") else four
        found.append((int(number), source, int(sequence), bytes.fromhex(payload)))
    return found
