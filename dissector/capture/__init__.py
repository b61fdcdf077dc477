"""Reads packet captures: from files, pipes and standard input to batches of packets in columns."""

from dissector.capture.batch import PacketBatch, Quiet
from dissector.capture.linktypes import LINK_TYPES, link_type_name
from dissector.capture.pcap import PcapReader
from dissector.capture.pcapng import PcapngReader
from dissector.capture.run import Capture, open_capture

__all__ = [
    "LINK_TYPES",
    "Capture",
    "PacketBatch",
    "PcapReader",
    "PcapngReader",
    "Quiet",
    "link_type_name",
    "open_capture",
]
