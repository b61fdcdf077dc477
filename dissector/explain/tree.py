"""What an explanation is: bytes, and a tree of what they say."""

from bisect import bisect_right
from collections.abc import Iterator

import msgspec


class Piece(msgspec.Struct, frozen=True, gc=False):
    """Bytes of a source that lie in another one."""

    start: int
    """Offset of the first in the source."""
    size: int
    source: int
    """Index of the other source."""
    at: int
    """Offset of the first there."""


class Source(msgspec.Struct):
    """Bytes that parts are in: a packet, the AMQP frames of a message put together, its body, its body decompressed.

    Secrets are overwritten in all of them alike, with asterisks, unless secrets are shown.
    """

    name: str
    """``packet 80``, ``fragments``, ``frames``, ``body``, ``decompressed``."""
    data: bytes
    pieces: tuple[Piece, ...] = ()
    """Where its bytes lie on the wire, in order: those of frames in packets, those of a body in frames. Empty where
    they are not there as such (packets themselves, what was decompressed)."""
    hidden: tuple[tuple[int, int], ...] = ()
    """Stretches of a packet that belong to other messages: zeros stand in their place."""


class Node(msgspec.Struct):
    """A part: a header, a frame, a field, a member of a JSON object.

    Names and values are as they were sent, secrets masked as ``***`` unless they are shown; who writes them to a
    terminal escapes them (`dissector.views.escape`).
    """

    name: str
    value: str | None = None
    """What it says; None where that is all in its parts."""
    source: int | None = None
    """Index of the source that its bytes are in; None where it has none."""
    start: int = 0
    end: int = 0
    """The stretch of the source: of a member of a JSON object all of it, from the quote before its key on."""
    key: tuple[int, int] | None = None
    """Of a member of a JSON object: the stretch of its key, without the quotes."""
    parts: "list[Node]" = msgspec.field(default_factory=list)
    reason: str | None = None
    """Why it ends where it does, where that is not as it should be."""


class Explained(msgspec.Struct):
    """One message or event, taken apart.

    >>> import dissector
    >>> explained = dissector.explain("pcaps/demo.pcap", next(dissector.read("pcaps/demo.pcap")))
    >>> [source.name for source in explained.sources][1:]
    ['frames', 'body']
    >>> (key,) = [part for _, part in explained.walk() if part.name == "routing_key"]
    >>> explained.sources[key.source].data[key.start + 1 : key.end]  # behind its length
    b'q-reports-plugin'
    """

    title: str
    sources: list[Source] = msgspec.field(default_factory=list)
    nodes: list[Node] = msgspec.field(default_factory=list)

    def path_at(self, source: int, offset: int) -> list[Node]:
        """Find what a byte belongs to: the nodes that it is in, each within the one before; or nothing."""
        path: list[Node] = []
        level = self.nodes
        while True:
            inside = [node for node in level if _holds(node, source, offset)]
            if not inside:
                return path
            # Nodes without bytes of their own in this source lead to those that have some.
            path.append(min(inside, key=lambda node: node.end - node.start if node.source == source else 1 << 62))
            level = path[-1].parts

    def on_wire(self, source: int, start: int, end: int) -> list[tuple[int, int, int]]:
        """Tell where a stretch of a source lies in packets: source of the packet, begin and end there, in order."""
        pieces = self.sources[source].pieces
        if not pieces:
            return [(source, start, end)] if start < end else []
        found: list[tuple[int, int, int]] = []
        at = bisect_right(pieces, start, key=lambda piece: piece.start) - 1
        for piece in pieces[max(at, 0) :]:
            begin, stop = max(start, piece.start), min(end, piece.start + piece.size)
            if piece.start >= end:
                break
            if begin < stop:
                inner = piece.at + begin - piece.start
                found += self.on_wire(piece.source, inner, inner + stop - begin)
        return found

    def walk(self) -> Iterator[tuple[int, Node]]:
        """Give every node with its depth, from 0, in the order in which they are read."""
        waiting = [(0, node) for node in reversed(self.nodes)]
        while waiting:
            depth, node = waiting.pop()
            yield depth, node
            waiting += [(depth + 1, part) for part in reversed(node.parts)]


def _holds(node: Node, source: int, offset: int) -> bool:
    if node.source == source and node.start < node.end:
        return node.start <= offset < node.end
    return any(_holds(part, source, offset) for part in node.parts)
