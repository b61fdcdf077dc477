"""Every bound of every buffer, with its unit and its reason.

Reaching a limit is counted and told; it never raises. Sizes are in bytes unless the name says otherwise.
"""

from typing import Final

# --- capture ---------------------------------------------------------------------------------------

BATCH_BYTES: Final = 4 << 20
"""Bytes read from a capture at once, and read ahead from a pipe. Larger ones were measured to be no faster, and to cost
10 MB of memory for each MiB; with smaller ones many connections cost more."""

FIRST_BATCH_BYTES: Final = 256 << 10
"""Bytes that are read first, so that the first messages of a large file are shown at once; then twice as many, and so
on."""

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

EXPANSION_RATIO: Final = 500
"""Largest believed growth of a compressed capture, a ratio. The laboratory's were measured to grow 5 to 30 times from
gzip and 6 to 120 from zstd's highest level, nothing but heartbeats 5 to 7 times, packets of 1,400 zeros 40 times. What
repeats itself without end grows 1,030 times from gzip, and 30,000 from zstd."""

EXPANSION_FREE_BYTES: Final = 1 << 30
"""Size up to which that ratio is not looked at: it is read within seconds."""

ZSTD_PIECE_BYTES: Final = 1 << 9
"""Compressed bytes given to zstd at once. The smallest block has 4 bytes and stands for up to 128 KiB, so no
more than 16 MiB come out; larger pieces were measured to be no faster."""

TLS_SECRETS_BYTES: Final = 16 << 20
"""Keys that are kept of what a pcapng capture holds of them, until they are asked for: about 900 bytes a connection of
TLS 1.3, so those of 18,000; of more, the first."""

# --- capture, through tshark -------------------------------------------------------------------------

KEY_LOG_BYTES: Final = 64 << 20
"""Largest key log that is read: that of some 70,000 connections of TLS 1.3."""

SECRETS_BLOCK_BYTES: Final = 1 << 20
"""Keys that are given to tshark in one block; it takes up to 16 MiB of any block."""

TSHARK_PACKET_BYTES: Final = 1 << 18
"""Bytes of a packet that tshark is given: of a larger one it says that the file is damaged, and ends
(WTAP_MAX_PACKET_SIZE_STANDARD)."""

TSHARK_LINE_BYTES: Final = 16 << 20
"""Longest line that is believed of what tshark writes: a packet's payload twice in hexadecimal, enciphered and not, and
of what it completes a megabyte and more."""

TSHARK_SILENCE_S: Final = 60
"""Seconds without a word of tshark, nor room for more packets in its pipe, after which it is taken for hung. It tells
of each packet within milliseconds, of a first one once it has started, which takes a second."""

# --- capture, live -----------------------------------------------------------------------------------

CAPTURE_BUFFER_BYTES: Final = 64 << 20
"""Bytes that the kernel is asked to hold of an interface while nobody reads: a second and more of a busy broker."""

CAPTURE_SNAP_BYTES: Final = 66_000
"""Bytes that are taken of a packet: the largest that segmentation offload makes (64 KiB) with its headers. The ring of
tcpdump's child has a slot of this size for each packet where offload is on."""

CAPTURE_CALL_PACKETS: Final = 256
"""Packets taken from a packet socket by one system call: what it costs is nothing then, shared out among them."""

CAPTURED_BYTES: Final = 256 << 20
"""Bytes of packets that were captured and wait to be decoded, with what is known of each; packets that come then are
dropped and counted. A stall of the terminal of some seconds on a busy broker."""

CAPTURED_BATCHES: Final = 1 << 14
"""Batches of them: at a low rate each packet is one."""

QUIET_NS: Final = 50_000_000
"""Time without a packet after which those who wait are told what time it is."""

BEGIN_LIVE_NS: Final = 100_000_000
"""How long segments that precede the first of a connection that was open already are waited for where someone waits for
what comes: they could only be captured out of order, over two interfaces, say."""

# --- net -------------------------------------------------------------------------------------------

LINK_HEADERS: Final = 6
"""Headers taken off between an Ethernet frame's addresses and its IP header: VLAN tags, MPLS label stacks, PPPoE,
Ethernet in a pseudowire. Provider bridges stack two tags; a tagged frame in a pseudowire of a tagged one has four."""

MPLS_LABELS: Final = 16
"""Labels of one MPLS stack: segment routing uses up to ten."""

TUNNELS: Final = 4
"""Tunnels within each other that one TCP segment is taken out of. A tenant's tunnel in an overlay, mirrored by
ERSPAN, makes three."""

FRAGMENT_NS: Final = 5_000_000_000
"""How long the rest of a fragmented datagram is waited for. Hosts wait 30 s or more (RFC 791, RFC 8200), but on a
wire fragments follow each other within milliseconds, and the 16 bits of IPv4's identification come round soon: a
short wait keeps fragments of different datagrams apart (RFC 4963)."""

FRAGMENT_BYTES: Final = 4 << 20
"""Bytes of fragments that are held, at each depth of tunnels: what Linux holds (ipfrag_high_thresh). Each fragment
counts for 400 bytes more, so that tiny ones are bounded too."""

FRAGMENTED_DATAGRAMS: Final = 4096
"""Datagrams whose fragments are held at once, at each depth of tunnels."""

DATAGRAM_FRAGMENTS: Final = 128
"""Fragments of one datagram: the largest over a path of 576 bytes has 119. FreeBSD takes 16 or 64. A datagram in
more is given up: each further one costs time in proportion to them."""

WHOLE_DATAGRAMS: Final = 512
"""Datagrams that were put together and are remembered, without their bytes, for fragments that were captured twice;
at each depth of tunnels. Captures on two interfaces are seen reordered by some 64 packets."""

FRAGMENTED_PACKETS: Final = 1 << 17
"""How far back, in packets of the capture, it is known in which packets the fragments of a datagram came. Of a
message that spans more, some hundred megabytes, the first fragments are not named. Measured to take 32 MB at most."""

IPV6_EXTENSION_HEADERS: Final = 8
"""IPv6 extension headers walked in one packet (RFC 8200 names six kinds, each once)."""

CONNECTIONS: Final = 1 << 17
"""TCP connections remembered at once, wanted or not; the longest silent ones are forgotten first.
A large region's broker holds some 50,000."""

CLOSED_CONNECTIONS: Final = 4096
"""Closed connections that are remembered, for packets that come after the close (RFC 9293, 3.3.2: TIME-WAIT)."""

HELD_BYTES: Final = 4 << 20
"""Bytes held behind a hole in one direction of a connection: about the largest receive window that
Linux opens by default (tcp_rmem, 6 MiB)."""

HELD_SEGMENTS: Final = 8192
"""Segments held behind holes in one direction of a connection; bounds the cost of many tiny ones."""

HELD_TOTAL_BYTES: Final = 256 << 20
"""The same over all connections; where it is more, the holes that were found first are given up first."""

HOLE_PACKETS: Final = 1024
"""Packets of the capture that must pass before a hole is given up, and after the first segment of a connection that
was open already, for such as precede it. Where two interfaces are merged, captures are seen reordered by some 64
packets; what a sender repeats comes later. A busy broker passes a thousand in 20 ms."""

HOLE_ACKED_NS: Final = 50_000_000
"""Time that must pass as well, where the receiver has acknowledged what is in the hole: it will not be sent again."""

HOLE_NS: Final = 10_000_000_000
"""The same where no acknowledgment is seen (one direction captured): a sender would have repeated it several times."""

HOLE_LIVE_NS: Final = 2_000_000_000
"""Time after which a hole that was acknowledged is given up, and a connection that was open already begins, however
few packets have passed, where someone waits for what comes."""

CLOCK_STEP_NS: Final = 1_000_000_000
"""Most that the time between two packets counts for these: a clock that is set, or a machine that slept, shall not
end every wait at once."""

WINDOW_BYTES: Final = 4 << 20
"""How far from the expected sequence number a segment may be to belong to the stream, as `HELD_BYTES`. Beyond, another
connection has taken the ports unseen, or the capture has paused."""

AFTER_END_BYTES: Final = 64 << 10
"""The same ahead of a stream that has ended, if its FIN or RST was sent by another: the next connection on the ports
may begin not far from there, for Linux lets the numbers of new ones grow by 16 MB/s."""

OVERLAP_BYTES: Final = 2048
"""Bytes of each direction kept after they were delivered, to tell whether a retransmission says the same:
one segment of the usual size."""

OVERLAP_PACKETS: Final = 1 << 15
"""How long, in packets of the capture: what is repeated later is not compared, to no harm. 67 MB at most; a busy broker
passes so many in half a second."""

TLS_OPENING_BYTES: Final = 64 << 10
"""Bytes of each direction that are held back, with TLS through tshark, until it is known whether they are decrypted:
its handshake, with certificates, takes some 4 KB. A segment counts half a KB more than it has."""

TLS_OPENINGS_BYTES: Final = 64 << 20
"""The same over all connections: some 8,000 handshakes at once. Where it is more, the longest silent ones are taken for
such as cannot be decrypted."""

TLS_CARRIERS: Final = 1 << 13
"""Segments of each direction in which TLS records begin that are not whole yet: a record has up to 16 KB. Of more, it
is not known any more which packets carry a message."""

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

SHARED_VALUES: Final = 1024
"""Values of connections (their properties, users, virtual hosts) that are remembered to be shared by others. Where
there are more, as each has a name of its own, those are forgotten and kept once more, to no harm."""

SHARED_BYTES: Final = 4096
"""Longest of these, as JSON, and largest properties of a client or a broker that are kept with its connection: a
broker's have some 700, a client's some 400."""

USER_CHARS: Final = 255
"""Longest name of a user that is kept, in characters; of longer ones the beginning."""

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

TEXT_CACHE_ENTRIES: Final = 8_192
"""Texts in JSON for which it is remembered that they hold no secret, in entries."""

TEXT_CACHE_CHARS: Final = 48
"""Longest of those, in characters: room for an id; longer ones are seldom said twice."""

# --- amqp ------------------------------------------------------------------------------------------

FRAME_BYTES: Final = 64 << 20
"""Largest body frame that is waited for. RabbitMQ's frame_max is 131,072 unless configured; one that claims more
than this is taken for broken bytes."""

RESYNC_FRAME_BYTES: Final = 1 << 20
"""Largest method or content header frame that is waited for, and largest frame of any kind that is believed while
the beginning of a frame is being looked for."""

RESYNC_JOINED_BYTES: Final = 64 << 10
"""Bytes held for a candidate from which on an eighth more must come before they are looked at again."""

PIECE_BYTES: Final = 150
"""What each piece of a body that is not whole yet counts for besides its bytes, so that tiny ones are bounded, too."""

RESYNC_DECODED_BYTES: Final = 4 << 20
"""Bytes that may be decoded to see whether they are the method or header frame that is looked for, and"""

RESYNC_DECODED_RATIO: Final = 8
"""so many more for each byte looked at. True frames need one; hostile bytes can make each candidate decode up to the
last byte, and this keeps the time in proportion."""

BODY_BYTES: Final = 256 << 20
"""Largest body that is put together; of a larger one only the size is told. RabbitMQ's own max_message_size was
512 MiB at its largest and is 16 MiB by default since 4.0."""

UNFINISHED_BYTES: Final = 1 << 30
"""Bytes of frames and messages that are not whole yet, over all connections; beyond, the largest are given up."""

CHANNELS: Final = 4096
"""Channels of one connection whose state is kept; RabbitMQ's channel_max is 2,047 unless configured."""

UNSETTLED: Final = 10_000
"""Messages of one channel that wait for an ack or a confirm and are remembered; the oldest are forgotten."""

CONSUMERS: Final = 10_000
"""Consumers of one channel whose queue is remembered; the oldest are forgotten."""

EARLY_ANSWERS: Final = 16
"""Answers of one channel that are remembered because they were captured before what they answer; clients wait for
most."""

ORDERED_EVENTS: Final = 50_000
"""Events that wait, so that they come in the order of their packets, for what is held behind a hole."""

ORDERED_BYTES: Final = 256 << 20
"""The bodies of the messages among them."""

# --- views -----------------------------------------------------------------------------------------

ROUTED_QUEUES_NS: Final = 10_000_000_000
"""Time of the capture for which a publish is held back in the rabbitmq_tracing formats, for its deliveries tell
the queues that it was routed to. On a broker without backlog they come within milliseconds; consumers that were
just starting were seen to take five seconds. The plugin itself writes 100 messages at a time."""

ROUTED_QUEUES_MESSAGES: Final = 20_000
"""Messages held back with it: with those of common sizes, some 3 KB, about `ROUTED_QUEUES_BYTES`."""

ROUTED_QUEUES_BYTES: Final = 64 << 20
"""What is to be written of these messages, for when they are large."""

TOP_NOTES: Final = 100
"""Lines that are told while the screen of ``top`` is up, and are told once more at its end: the last of them."""

# --- rpc, calls ------------------------------------------------------------------------------------

OPEN_CALLS: Final = 100_000
"""Requests whose verdict is waited for; the oldest are given out as they are. Measured to take 1.6 kB each, all that is
kept for them counted: 160 MB."""

KEPT_CALLS: Final = 10_000
"""Requests whose verdict is waited for however long it takes: 16 MB. Of more, the oldest is given out with each that
begins, if nothing is to be expected of it any more (`LATE_NS`)."""

FAILURE_CHARS: Final = 64 << 20
"""Texts of failures, with their tracebacks, of requests whose verdict is waited for, in characters together; of more,
the oldest requests are given out as they are."""

CLOSED_IDS: Final = 100_000
"""Requests that were given out whose ids are remembered, and as many ids of calls for their replies, so that what still
comes of them is not taken for a new one: measured, 380 bytes an id, 76 MB. The oldest are forgotten without a word: of
one of 100,000 calls ago nothing comes any more."""

VOID_APPOINTMENTS: Final = 10_000
"""Times at which requests were to be looked at again that may be void before they are cleared away."""

UNSETTLED_LEGS: Final = 200_000
"""Legs whose ack or confirm is waited for, over all connections."""

DECLARED_QUEUES: Final = 50_000
"""Queue names by which topic and server are told apart."""

REPLY_QUEUES: Final = 1 << 17
"""Reply queues of which is remembered who takes from them: one a process that calls. Where one was forgotten, no more
is said of its replies than where nothing was seen of it."""

HOLES: Final = 4_096
"""Holes of the capture that are remembered, for they may hide an answer. The oldest are put together into one, which
accuses nobody wrongly: only more calls are called pending, or lost in a gap."""

SENT_NS: Final = 1_000_000_000
"""How long a cast, fanout or notification is kept after its first delivery, for its other deliveries and acks."""

SETTLED_NS: Final = 60_000_000_000
"""How long it is kept at most where it is not acknowledged: it may be delivered again."""

LATE_NS: Final = 600_000_000_000
"""Time after a call's timeout, or after the publish of another request, from when on a reply or a delivery is waited
for no longer where there are more than `KEPT_CALLS` requests. rpc_response_timeout is 60 s unless configured."""

UNDELIVERED_NS: Final = 5_000_000_000
"""Time after which a cast, fanout or notification that was not delivered is called so; before, it is pending."""

REPLY_SEEN_NS: Final = 1_000_000_000
"""How long the deliver or the return of a reply is waited for where the capture may not show them: they come within
milliseconds, and a reply that was returned is sent again after 0.25 s."""

ASKED_NS: Final = 600_000_000_000
"""Time within which the request of a reply was sent: rpc_response_timeout is 60 s unless configured, and operators
raise it to some minutes."""

SORTED_CALLS: Final = 100_000
"""Calls that are kept to be sorted; of more, those that would stand first. About 2 kB each."""

STATISTICS_KEYS: Final = 10_000
"""Distinct names that statistics tell apart (methods, say); what comes after is counted together, as ``(other)``."""

WINDOW_GROUPS: Final = 1_000
"""Names that the window of ``top`` tells apart in each of its slices, some 7 kB each; what comes after is counted
together. A cloud uses some hundred methods."""

WINDOW_CALLS: Final = 20_000
"""Requests of the window that are kept, about 2 kB each, for when another filter or another group is chosen: what is
counted then begins with the oldest of them."""

WINDOW_TROUBLES: Final = 100
"""Failed requests of the window that are named, the latest: more than a screen has lines,"""

WINDOW_WAITING: Final = 100
"""and calls without a reply that are, those open longest."""

NAME_CHARS: Final = 512
"""Longest method, namespace, id or other name of a message that is kept while calls are followed, in characters; longer
ones are cut, and a digest of the whole stands at their end. OpenStack's have up to some hundred."""

HOT_BODIES_BYTES: Final = 8 << 20
"""Bodies that are remembered with what calls and statistics need of them, in bytes."""

DECODED_BODIES_BYTES: Final = 1 << 20
"""Bodies that are remembered with all that is shown of them, in bytes; decoded they take some ten times as much."""

BODY_ENTRY_BYTES: Final = 2048
"""What one of those counts for beside its body."""

# --- filter ----------------------------------------------------------------------------------------

FILTER_CHARS: Final = 1 << 16
"""Longest display filter, in characters: more than a list of a thousand request ids."""

FILTER_DEPTH: Final = 64
"""Levels of ``!``, ``&&`` and ``||`` within each other in one display filter: a level costs one call when it is
tested, and people write three."""

ADDRESS_CHARS: Final = 45
"""Longest text that is read as an IP address: an IPv6 address that ends as an IPv4 one (INET6_ADDRSTRLEN)."""

ADDRESS_CACHE_ENTRIES: Final = 4_096
"""Addresses whose text is remembered, and whose number when a filter compares them; a cloud's control plane has
hundreds. They are made anew where there are more, to no harm."""

# --- rpc, topology and agents ------------------------------------------------------------------------

TOPOLOGY_CONNECTIONS: Final = 1 << 17
"""Connections that are told of, about 2 kB each, as many as `CONNECTIONS`; those that ended make room first, as in
the tables below."""

TOPOLOGY_CHANNELS: Final = 1 << 18
"""Channels that are told of, about 1 kB each; oslo.messaging opens one a connection."""

TOPOLOGY_EXCHANGES: Final = 1 << 16
"""Exchanges that are told of. A cloud has some hundreds; releases before 9.2 made one a reply queue."""

TOPOLOGY_QUEUES: Final = 1 << 18
"""Queues that are told of, about 1 kB each; a service has about four."""

TOPOLOGY_BINDINGS: Final = 1 << 18
"""Bindings that are told of, about 500 bytes each."""

TOPOLOGY_CONSUMERS: Final = 1 << 18
"""Consumers that are told of, about 500 bytes each."""

TOPOLOGY_FLOWS: Final = 1 << 17
"""Ways that messages were seen to go (process to exchange, exchange to queue, queue to process) of each sort."""

TOPOLOGY_PARTIES: Final = 64
"""Processes that are named as those which declare a thing, publish to it or call with it, the first of them: a
hundred agents declare the same exchange."""

TOPOLOGY_QUESTIONS: Final = 8
"""Requests of a channel whose answers are waited for. The usual clients wait for each; a capture of the clients'
side alone holds no answers, and then those that have waited longest are taken as granted."""

TOPOLOGY_ARGUMENTS_BYTES: Final = 4096
"""Largest arguments of a declare, as JSON, that are kept; RabbitMQ's own take a few dozen bytes."""

TOPOLOGY_TEXT_CHARS: Final = 255
"""Longest product, version or platform of a peer that is kept, in characters."""

AGENTS: Final = 1 << 14
"""Agents that are told of: three or four a host."""

AGENT_INTERVALS: Final = 256
"""Times between reports of one agent that are remembered; their median is its interval."""

AGENT_REPORTS: Final = 1 << 14
"""Reports whose ids are remembered, so that a report's delivery, or its duplicate, is not taken for another."""

AGENT_NAME_CHARS: Final = 255
"""Longest name of an agent, a host, a method or a namespace that is kept, in characters."""

CALLERS: Final = 1 << 15
"""Cells of the matrix of who calls whom: programs by methods by topics; a cloud has some hundreds."""

CALLER_PROCESSES: Final = 1000
"""Processes of one cell that are told apart."""

TRACED_MESSAGES: Final = 10_000
"""Messages of one trace that are kept; what comes after is counted."""

# --- parallel ----------------------------------------------------------------------------------------

JOBS_BYTES: Final = 32 << 20
"""Size of captures from which on several processes read them, unless the user says how many: below, one is done as soon
as others would have begun to help."""

JOBS: Final = 8
"""Most workers, unless the user says more: the one process that takes TCP apart has no work for more of them."""

MOST_JOBS: Final = 64
"""Most workers at all. What is remembered of bodies (`HOT_BODIES_BYTES` and the like), each of them remembers."""

BATCHES_AHEAD: Final = 3
"""Batches of packets (`BATCH_BYTES`) that workers have, or have made something of that nobody has taken yet."""

SLOT_BYTES: Final = 2 << 20
"""Bytes of a slot of the memory that is shared with a worker; what is longer goes in pieces."""

SLOTS: Final = 8
"""Slots in each direction for each worker: what comes of two batches, where one worker gets all of them. Of those that
were never needed, the system has no memory in use."""

# --- saving ----------------------------------------------------------------------------------------

OPENING_PACKETS: Final = 256
"""Packets of a connection's opening that are remembered, for ``--handshake``, and those of one method more;
clients need some twenty."""

SCRUBBED_RANGES: Final = 1 << 24
"""Stretches of packets of which ``--scrub`` knows what they hold: one a packet and two more for each secret in it.
25 bytes each; what comes after is overwritten as a whole."""

SCRUBBED_BATCHES: Final = 32
"""Batches of packets, some 4 MB each, whose sequence numbers are remembered for what is held behind a hole; what comes
out later is overwritten as a whole."""

SCRUBBED_DIRECTIONS: Final = 4096
"""Directions of connections whose last `OVERLAP_BYTES` are remembered while they are written, twice: 16 MiB."""

# --- explain: one message taken apart -----------------------------------------------------------------

EXPLAINED_BODY_BYTES: Final = 16 << 20
"""Largest body whose JSON is taken apart; of a larger one the bytes are shown. RabbitMQ's own max_message_size is 16
MiB since 4.0."""

EXPLAINED_NODES: Final = 20_000
"""Parts of a body that are told, some 400 bytes each; nobody reads more of them."""

EXPLAINED_PACKETS_BYTES: Final = 256 << 20
"""Bytes of the last packets that are kept to show those of a message: a body of `BODY_BYTES` fits in."""

# --- tui: the terminal UI ------------------------------------------------------------------------------

SPOOL_BYTES: Final = 16 << 30
"""Packets of pipes, interfaces and compressed files that are written to a temporary file to be looked at again; of
later ones the messages are listed and cannot be opened."""

INDEXED_PACKETS: Final = 1 << 28
"""Packets whose place is remembered, 8 bytes each: 2 GiB. Of later ones the messages are listed and cannot be
opened."""

INDEXED_MESSAGES: Final = 1 << 25
"""Messages that are listed, some 80 bytes each, all told: 2.7 GB; later ones are counted."""

INDEXED_NAMES: Final = 1 << 20
"""Texts (methods, exchanges, routing keys, queues), and sets of other values that messages have in common, by which
messages are found without decoding them, some 150 bytes each; with more, filters look into each message."""

SHOWN_LINES: Final = 2_000
"""Lines of messages that were drawn and are remembered: some screens, to scroll back and forth."""

SHOWN_CALLS: Final = 1 << 24
"""Calls that are listed, 8 bytes each in memory and some 700 in a temporary file; of more, the first."""

WEB_WINDOWS: Final = 8
"""Windows of browsers that are served at once; each is a process that reads the captures for itself."""

# --- interop: Arrow tables -----------------------------------------------------------------------------

ARROW_ROWS: Final = 8192
"""Records of a batch of a table: enough for columns to be worth it."""

ARROW_BATCH_BYTES: Final = 16 << 20
"""Bytes of a batch's records, as JSON, from which on it is given, however few they are: bodies may be large."""

# --- interop: the plugin for Wireshark ---------------------------------------------------------------

PLUGIN_BODY_BYTES: Final = 64 << 20
"""Largest body that the plugin puts together; of a larger one only the size is told."""

PLUGIN_UNFINISHED_BYTES: Final = 256 << 20
"""Bytes of messages that are not whole yet, over all connections; beyond, the largest of a connection is given up."""

PLUGIN_KEPT_BYTES: Final = 512 << 20
"""Bodies that no packet holds in one piece, kept for when their packet is looked at again; of later ones only the ids
are shown then."""

PLUGIN_MESSAGES: Final = 1_000_000
"""Messages that are remembered for when their packet is looked at again, 2 kB each; later ones are shown no more."""

PLUGIN_MEMO_BYTES: Final = 64 << 10
"""Largest body of which the decode is remembered, for it will be seen again as it is delivered,"""

PLUGIN_MEMO_ENTRIES: Final = 128
"""and how many. Decoded, a body takes some ten times its size: 80 MB at worst, half a megabyte as things are."""

PLUGIN_COMPRESSED_BYTES: Final = 64 << 10
"""Largest compressed body that is undone: Wireshark does not bound what comes out, but zlib grows by at most 1,032."""

PLUGIN_CHECKED_BYTES: Final = 1 << 20
"""Largest body of which the plugin computes gzip's checksum, for which Lua takes 0.1 s; of a larger one it compares the
size alone."""

PLUGIN_MEMBERS: Final = 2_000
"""Members of one message's JSON that its tree shows, each an item; Wireshark draws no more than some thousands well."""
