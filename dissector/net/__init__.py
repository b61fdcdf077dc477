"""Packets in, byte streams of TCP connections out (RFC 791, 8200, 9293)."""

from dissector.net.events import (
    Connection,
    Endpoint,
    Malformed,
    StreamData,
    StreamEnd,
    StreamEvent,
    StreamGap,
)
from dissector.net.streams import StreamCounts, Streams, packets_of_syn

__all__ = [
    "Connection",
    "Endpoint",
    "Malformed",
    "StreamCounts",
    "StreamData",
    "StreamEnd",
    "StreamEvent",
    "StreamGap",
    "Streams",
    "packets_of_syn",
]
