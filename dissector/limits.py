"""Every bound of every buffer, with its unit and its reason.

Reaching a limit is counted and told; it never raises. Sizes are in bytes unless the name says otherwise.
"""

from typing import Final

# --- capture ---------------------------------------------------------------------------------------

BATCH_BYTES: Final = 8 << 20
"""Bytes read from a capture at once. A batch's columns and its payload fit the last-level cache of
ordinary servers; larger ones were measured to be no faster."""

PACKET_BYTES: Final = 1 << 22
"""Largest captured length of one packet that is believed. libpcap writes at most 256 KiB on Ethernet;
larger ones (Linux BIG TCP, USB) exist, but 4 MiB is a damaged record header."""

PCAPNG_BLOCK_BYTES: Final = 1 << 26
"""Largest pcapng block that is believed: decryption secrets and statistics are far smaller."""

PCAPNG_INTERFACES: Final = 1 << 16
"""Interfaces of one pcapng section that are remembered; a host has at most thousands. Packets of further
ones are skipped and told."""

PIPE_BYTES: Final = 1 << 20
"""Bytes taken from a pipe at once, and the capacity asked of the kernel for it: what Linux grants without
privilege (fs.pipe-max-size)."""

MERGE_READ_BYTES: Final = 1 << 18
"""Least bytes read at once from each of many captures that are merged: `BATCH_BYTES` is shared out among
those open at the same time, but not below this."""

GZIP_PIECE_BYTES: Final = 1 << 12
"""Compressed bytes given to zlib at once. Deflate expands at most 1032 times, so no more than 4.2 MiB come
out; 512 bytes were measured to cost 10 % more time, 1 MiB no less."""

ZSTD_PIECE_BYTES: Final = 1 << 9
"""Compressed bytes given to zstd at once. The smallest block has 4 bytes and stands for up to 128 KiB, so no
more than 16 MiB come out; larger pieces were measured to be no faster."""

# --- net -------------------------------------------------------------------------------------------

VLAN_TAGS: Final = 4
"""802.1Q/802.1ad tags taken off one packet. Provider bridges stack two; four leaves room."""

IPV6_EXTENSION_HEADERS: Final = 8
"""IPv6 extension headers walked in one packet (RFC 8200 names six kinds, each once)."""

CONNECTIONS: Final = 1 << 17
"""TCP connections remembered at once, wanted or not; the longest silent ones are forgotten first.
A large region's broker holds some 50,000."""

HELD_BYTES: Final = 4 << 20
"""Bytes held behind a hole in one direction of a connection: about the largest receive window that
Linux opens by default (tcp_rmem, 6 MiB)."""

HELD_SEGMENTS: Final = 8192
"""Segments held behind holes in one direction of a connection; bounds the cost of many tiny ones."""

HOLE_PACKETS: Final = 128
"""Packets of the capture that may pass, after the receiver has acknowledged past a hole, before the hole
is given up: captures are seen reordered by some 64 packets where two interfaces are merged."""

HOLE_ACKED_NS: Final = 2_000_000_000
"""The same in time, for quiet captures."""

HOLE_NS: Final = 10_000_000_000
"""Time after which a hole is given up where no acknowledgment is seen at all (one direction captured): a
sender would have retransmitted several times."""

BEHIND_BYTES: Final = 64 << 20
"""How far behind the expected sequence number a segment may be to be taken for a retransmission; no receive
window of a broker's connection is that large. Beyond, another connection has taken the ports unseen."""

OVERLAP_BYTES: Final = 2048
"""Bytes of each direction kept after they were delivered, to tell whether a retransmission says the same:
one segment of the usual size."""

# --- amqp: payloads ----------------------------------------------------------------------------------

FIELD_TABLE_DEPTH: Final = 32
"""Levels of tables and arrays in one field table. The deepest known are four (x-death, a table in an array in
a table); RabbitMQ sets no limit, so hostile ones reach thousands and would exhaust the stack."""

FIELD_TABLE_ITEMS: Final = 1 << 14
"""Values in one field table, nested ones counted. The largest known, a broker's server properties, have some
forty; one value costs 2 bytes on the wire and up to 100 in memory."""

PROPERTIES_MEMO_ENTRIES: Final = 1024
"""Decoded property lists kept for reuse; a cloud's services send a few dozen different ones."""

PROPERTIES_MEMO_BYTES: Final = 256
"""Longest property list on the wire that is kept: oslo.messaging's have 36 to 50 bytes, with the broker's
added headers some 100. 1024 lists full of the costliest values were measured to take 5 MB."""

# --- oslo ------------------------------------------------------------------------------------------

DECOMPRESSED_BYTES: Final = 64 << 20
"""Largest body that is decompressed (kombu's ``compression`` header). RabbitMQ 3.13 and later refuse
messages over 16 MiB by default, and no OpenStack service sends larger ones."""

DECOMPRESSION_RATIO: Final = 2_000
"""Largest believed growth of a compressed body, a ratio. zlib cannot exceed 1,032; the other codecs can,
but JSON text does not come near it: beyond is a bomb."""

DECOMPRESSION_FREE_BYTES: Final = 1 << 20
"""Size up to which the ratio is not looked at: short bodies of one repeated letter are legitimate."""

DECOMPRESSION_WINDOW_BYTES: Final = 128 << 20
"""Memory that a compressed body may make its decoder allocate: what ``xz -9`` and ``zstd --long`` need."""

JSON_DEPTH: Final = 128
"""Objects and arrays within each other, in levels. Deeper JSON is shown as text. Python's own decoder
stops near 1,000, from where masking and encoding would exhaust the interpreter's stack."""

KEY_CACHE_ENTRIES: Final = 8_192
"""Names of JSON keys for which it is remembered whether they name a secret, in entries. An OpenStack
cloud uses some thousands."""

KEY_CACHE_CHARS: Final = 64
"""Longest key that is remembered, in characters: longer ones are data, not names."""

# --- amqp ------------------------------------------------------------------------------------------

FRAME_BYTES: Final = 64 << 20
"""Largest body frame that is waited for. RabbitMQ's frame_max is 131,072 unless configured; one that claims more
than this is taken for broken bytes."""

RESYNC_FRAME_BYTES: Final = 1 << 20
"""Largest method or content header frame that is waited for, and largest frame of any kind that is believed while
the beginning of a frame is being looked for."""

BODY_BYTES: Final = 256 << 20
"""Largest body that is put together; of a larger one only the size is told. RabbitMQ's own max_message_size was
512 MiB at its largest and is 16 MiB by default since 4.0."""

CHANNELS: Final = 4096
"""Channels of one connection whose state is kept; RabbitMQ's channel_max is 2,047 unless configured."""

UNSETTLED: Final = 10_000
"""Messages of one channel that wait for an ack or a confirm and are remembered; the oldest are forgotten."""

CONSUMERS: Final = 10_000
"""Consumers of one channel whose queue is remembered; the oldest are forgotten."""

# --- views -----------------------------------------------------------------------------------------

ROUTED_QUEUES_NS: Final = 10_000_000_000
"""Time of the capture for which a publish is held back in the rabbitmq_tracing formats, for its deliveries tell
the queues that it was routed to. On a broker without backlog they come within milliseconds; consumers that were
just starting were seen to take five seconds. The plugin itself writes 100 messages at a time."""

ROUTED_QUEUES_MESSAGES: Final = 20_000
"""Messages held back with it: with those of common sizes, some 3 KB, about `ROUTED_QUEUES_BYTES`."""

ROUTED_QUEUES_BYTES: Final = 64 << 20
"""What is to be written of these messages, for when they are large."""
