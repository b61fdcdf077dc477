"""Explains one message or event, from its packets."""

from collections.abc import Sequence
from typing import Final

from msgspec import UNSET

from dissector.amqp import AmqpEvent, Event, Message
from dissector.amqp.constants import FRAME_BODY, FRAME_HEADER, FRAME_HEADER_BYTES, FRAME_METHOD, FRAME_TYPES
from dissector.amqp.frames import PROTOCOL
from dissector.amqp.malformed import MalformedPayload
from dissector.amqp.methods import decode_method
from dissector.amqp.properties import decode_content_header
from dissector.explain.bodies import Body, explain_body
from dissector.explain.carriers import Packet, Segment, Stream, WireFrame, segments_of
from dissector.explain.headers import explain_headers
from dissector.explain.payloads import explain_header, explain_method
from dissector.explain.structs import FRAME
from dissector.explain.trace import parse_parts
from dissector.explain.tree import Explained, Node, Piece, Source
from dissector.net import Malformed
from dissector.scrub.secrets import FILL

_NOT_FOUND: Final = "its frames are not wholly in these packets"


def explain(event: AmqpEvent, packets: Sequence[Packet], *, show_secrets: bool = False) -> Explained:
    """Explain a message, or what else happened, from the packets that carry it (`Message.numbers`, `Event.number`).

    ``packets`` are in the order of their numbers; where some are missing, the tree ends with the reason. Of other
    messages in them nothing is shown. No secret is, neither in the tree nor in the bytes, unless ``show_secrets``; what
    authenticates a connection is not even then. Nothing that is in packets raises.
    """
    tcp = event.connection if isinstance(event, Malformed) else event.connection.tcp
    segments = segments_of(packets, tcp, event.from_client)
    stream = Stream(packets, segments, tcp, event.from_client)
    title = event.leg if isinstance(event, Message) else "malformed" if isinstance(event, Malformed) else event.name
    builder = _Builder(Explained(f"packet {event.number}: {title}"), packets, segments, stream, show_secrets)
    builder.build(event)
    return builder.explained


class _Builder:
    """Puts the sources and nodes together."""

    def __init__(
        self,
        explained: Explained,
        packets: Sequence[Packet],
        segments: Sequence[Segment],
        stream: Stream,
        show_secrets: bool,
    ) -> None:
        self.explained = explained
        self._packets = packets
        self._segments = segments
        self._stream = stream
        self._show_secrets = show_secrets

    def build(self, event: AmqpEvent) -> None:
        """Do all of it."""
        frames, reason = self._chosen(event)
        sources = self._packet_nodes()
        shown: list[tuple[WireFrame, bytes]] = []
        nodes: list[Node] = []
        body: Body | None = None
        if isinstance(event, Message) and frames:
            headers = event.properties.headers
            compression = None if headers is UNSET else headers.get("compression")
            body = explain_body(
                event.body, None if compression is None else str(compression), show_secrets=self._show_secrets
            )
        frames_source = len(self.explained.sources)
        start = bodies = 0
        body_pieces: list[Piece] = []
        for frame in frames:
            node, data = self._frame(frame, None if body is None else body.data[bodies:])
            if frame.kind == FRAME_BODY:
                size = len(frame.payload)
                body_pieces.append(Piece(bodies, size, frames_source, start + FRAME_HEADER_BYTES))
                bodies += size
            _put(node, frames_source, start)
            nodes.append(node)
            shown.append((frame, data))
            start += len(data)
        self._frames_source(shown, sources)
        if isinstance(event, Message):
            nodes.append(_known(event))
        if body is not None and body.data:
            nodes.append(self._body(body, tuple(body_pieces)))
        if reason is not None:
            nodes.append(Node("malformed" if isinstance(event, Malformed) else "incomplete", reason=reason))
        self.explained.nodes += nodes

    # -- which frames --------------------------------------------------------------------------------------------------

    def _chosen(self, event: AmqpEvent) -> tuple[list[WireFrame], str | None]:
        """Find the frames that a message is in; of an event its frame; all of them where something is malformed."""
        frames = self._stream.frames
        if isinstance(event, Malformed):
            at = "" if event.offset is None else f" (at byte {event.offset})"
            return frames, f"{event.layer}: {event.reason}{at}"
        if isinstance(event, Message):
            for index, frame in enumerate(frames):
                if frame.kind == FRAME_METHOD and frame.channel == event.channel:
                    found = _message_at(frames, index, event)
                    if found:
                        return found, None
            return [], _NOT_FOUND
        found = _event_in(frames, event)
        is_frame = event.method is not None or event.name in ("protocol-header", "heartbeat")
        return found, _NOT_FOUND if is_frame and not found else None

    # -- packets -------------------------------------------------------------------------------------------------------

    def _packet_nodes(self) -> dict[int, int]:
        """Add a source and a node for each packet; give the source of each segment, by its index."""
        sources, nodes = self.explained.sources, self.explained.nodes
        by_packet = {segment.packet: (at, segment) for at, segment in enumerate(self._segments)}
        of_segment: dict[int, int] = {}
        for index, packet in enumerate(self._packets):
            found = by_packet.get(index)
            node = Node(f"packet {packet.number}", f"{len(packet.data):,} bytes", len(sources), 0, len(packet.data))
            nodes.append(node)
            data = packet.data
            if found is None or found[1].joined is not None:
                node.reason = "an IP fragment" if found is None else "the last of its IP fragments"
                sources.append(Source(node.name, bytes(len(data)), hidden=((0, len(data)),)))
            if found is None:
                continue
            at, segment = found
            if segment.joined is not None:
                data = segment.joined
                node = Node(f"datagram of packet {packet.number}", f"{len(data):,} bytes", len(sources), 0, len(data))
                nodes.append(node)
            of_segment[at] = len(sources)
            node.parts = explain_headers(data, segment.ip, segment.payload, packet.link_type)
            for part in node.parts:
                _put(part, len(sources), 0)
            hidden = (segment.payload, len(data))
            shown = data[: segment.payload] + bytes(len(data) - segment.payload)
            sources.append(Source(node.name, shown, hidden=(hidden,) if hidden[0] < hidden[1] else ()))
        return of_segment

    def _frames_source(self, shown: Sequence[tuple[WireFrame, bytes]], of_segment: dict[int, int]) -> None:
        """Add the frames put together; show what is theirs in the packets."""
        pieces: list[Piece] = []
        start = 0
        for frame, data in shown:
            for placed in self._stream.places(frame.start, frame.start + len(data)):
                inner = placed.start - frame.start
                source = of_segment[placed.segment]
                pieces.append(Piece(start + inner, placed.size, source, placed.at))
                _reveal(self.explained.sources[source], placed.at, data[inner : inner + placed.size])
            start += len(data)
        if shown:
            joined = b"".join(data for _, data in shown)
            self.explained.sources.append(Source("frames", joined, tuple(pieces)))

    # -- frames --------------------------------------------------------------------------------------------------------

    def _frame(self, frame: WireFrame, body: bytes | None) -> tuple[Node, bytes]:
        """Explain a frame; give it as it is shown, too. ``body`` is what its payload begins, if it is in a body."""
        if frame.kind == PROTOCOL:
            return Node("protocol header", "AMQP 0-9-1", None, 0, len(frame.data)), frame.data
        payload = frame.payload
        inner: Node | None = None
        if frame.kind == FRAME_METHOD:
            inner, payload = explain_method(payload, show_secrets=self._show_secrets)
        elif frame.kind == FRAME_HEADER:
            inner, payload = explain_header(payload, show_secrets=self._show_secrets)
        elif frame.kind == FRAME_BODY:
            if body is not None:
                payload = body[: len(payload)]
            elif not self._show_secrets:
                payload = bytes([FILL]) * len(payload)
            inner = Node("body", f"{len(payload):,} bytes", None, 0, len(payload))
        data = frame.data[:FRAME_HEADER_BYTES] + payload + frame.data[-1:]
        node = Node("frame", f"{FRAME_TYPES[frame.kind]}, channel {frame.channel}", None, 0, len(data))
        parts, _ = parse_parts(FRAME, data)
        for part in parts:
            if part.name != "payload":
                value = f"0x{part.value[0]:02x}" if part.name == "end" else str(part.value)
                node.parts.append(Node(part.name, value, None, part.start, part.end))
            elif inner is not None:
                _put(inner, None, FRAME_HEADER_BYTES)
                node.parts.append(inner)
        return node, data

    def _body(self, body: Body, pieces: tuple[Piece, ...]) -> Node:
        """Add the source of a body, and of what was compressed in it."""
        sources = self.explained.sources
        sources.append(Source("body", body.data, pieces))
        if body.decompressed is None:
            _put(body.node, len(sources) - 1, 0)
            return body.node
        whole = Node("body", f"{len(body.data):,} bytes, compressed", len(sources) - 1, 0, len(body.data))
        sources.append(Source("decompressed", body.decompressed))
        body.node.name = "decompressed"
        _put(body.node, len(sources) - 1, 0)
        whole.parts.append(body.node)
        return whole


def _message_at(frames: Sequence[WireFrame], index: int, message: Message) -> list[WireFrame]:
    """Give the frames of a message if it begins with this method frame; none if it does not."""
    first = frames[index]
    try:
        method = decode_method(first.payload, 0, len(first.payload))
        if method != message.method:
            return []
        found = [first]
        have = 0
        for frame in frames[index + 1 :]:
            if frame.channel != message.channel or frame.kind not in (FRAME_HEADER, FRAME_BODY):
                if frame.channel == message.channel and frame.kind == FRAME_METHOD:
                    break
                continue
            payload = frame.payload
            found.append(frame)
            if frame.kind == FRAME_HEADER:
                size, properties = decode_content_header(payload, 0, len(payload))
                if size != len(message.body) or properties != message.properties:
                    return []
            elif payload != message.body[have : have + len(payload)]:
                return []
            else:
                have += len(payload)
            if have == len(message.body):
                return found
    except MalformedPayload:
        pass
    return []


def _event_in(frames: Sequence[WireFrame], event: Event) -> list[WireFrame]:
    """Find the frame of an event: the last one whose method is the same, or has the same name."""
    found: WireFrame | None = None
    for frame in frames:
        if frame.kind == PROTOCOL or FRAME_TYPES[frame.kind] == "heartbeat":
            if event.name in ("protocol-header", "heartbeat") and (frame.kind == PROTOCOL) == (event.name[0] == "p"):
                found = frame
            continue
        if frame.kind != FRAME_METHOD or frame.channel != event.channel:
            continue
        try:
            method = decode_method(frame.payload, 0, len(frame.payload))
        except MalformedPayload:
            continue
        if method == event.method:
            return [frame]
        if event.name == method.NAME:
            found = frame
    return [] if found is None else [found]


def _known(message: Message) -> Node:
    """Tell what earlier frames of the connection said."""
    connection = message.connection
    values = {
        "vhost": connection.vhost,
        "user": connection.user,
        "connection_name": connection.name,
        "node": connection.node,
        "queue": message.queue,
    }
    parts = [Node(name, value) for name, value in values.items() if value is not None]
    return Node("connection", str(connection.tcp), parts=parts)


def _put(node: Node, source: int | None, base: int) -> None:
    """Say in which source a node and its parts are, and shift them to where they begin there."""
    waiting = [node]
    while waiting:
        part = waiting.pop()
        part.source = source
        part.start += base
        part.end += base
        if part.key is not None:
            part.key = part.key[0] + base, part.key[1] + base
        waiting += part.parts


def _reveal(source: Source, at: int, data: bytes) -> None:
    """Show some bytes of a packet."""
    end = at + len(data)
    source.data = source.data[:at] + data + source.data[end:]
    hidden: list[tuple[int, int]] = []
    for begin, stop in source.hidden:
        if begin < at:
            hidden.append((begin, min(stop, at)))
        if stop > end:
            hidden.append((max(begin, end), stop))
    source.hidden = tuple(span for span in hidden if span[0] < span[1])
