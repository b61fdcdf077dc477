"""``-V --bytes``: a message taken apart, the place of each part, and the bytes themselves."""

from collections.abc import Callable, Iterator
from typing import Final

from dissector.amqp import AmqpEvent, Message
from dissector.explain.carriers import Packet
from dissector.explain.message import explain
from dissector.explain.tree import Explained, Node, Source
from dissector.views.escape import escape
from dissector.views.text import Described, TextView

ROW_BYTES: Final = 16
"""Bytes of a line of a dump."""
_INDENT: Final = "  "
_HEX: Final = ROW_BYTES * 3
_PLACE: Final = 14

PacketsOf = Callable[[tuple[int, ...]], list[Packet]]
"""Gives packets by their numbers, as far as they are there."""


class BytesView:
    """Writes each message as its text line, the tree of everything in it, and its bytes; other events likewise."""

    def __init__(self, line: TextView, packets_of: PacketsOf, *, show_secrets: bool = False) -> None:
        """Make the view; ``line`` writes the heads."""
        self._line = line
        self._packets_of = packets_of
        self._show_secrets = show_secrets

    def feed(self, event: AmqpEvent) -> bytes:
        """Give an event's line and all that is in it."""
        return self.write(self.describe(event))

    def describe(self, event: AmqpEvent) -> tuple[Described | None, bytes]:
        """Give what is in an event's line, and the lines of its tree and its bytes."""
        head = self._line.describe(event)
        if head is None:
            return None, b""
        numbers = event.numbers if isinstance(event, Message) else (event.number,)
        explained = explain(event, self._packets_of(numbers), show_secrets=self._show_secrets)
        return head, "".join(line + "\n" for line in (*explained_lines(explained), "")).encode()

    def write(self, described: tuple[Described | None, bytes]) -> bytes:
        """Give what was described."""
        return self._line.write(described[0]) + described[1]

    def finish(self) -> bytes:
        """Give nothing: no message is held back."""
        return self._line.finish()


def explained_lines(explained: Explained) -> Iterator[str]:
    """Write a tree, a node a line with its place, then a dump of each source."""
    source: int | None = -1
    for depth, node in explained.walk():
        if node.source != source and node.source is not None:
            yield f"-- {escape(explained.sources[node.source].name)}"
            source = node.source
        place = f"{node.start}-{node.end}" if node.source is not None else ""
        yield f"{place:>{_PLACE}}  {_INDENT * depth}{node_text(node)}"
    for each in explained.sources:
        yield f"-- {escape(each.name)}: {len(each.data):,} bytes"
        yield from dump(each)


def node_text(node: Node) -> str:
    """Write a node in one line, escaped."""
    text = escape(node.name)
    if node.value is not None:
        text = f"{text}: {escape(node.value)}"
    return text if node.reason is None else f"{text}  ({escape(node.reason)})"


def dump(source: Source) -> Iterator[str]:
    """Write bytes as hexadecimal numbers and as ASCII, `ROW_BYTES` a line; those of other messages as dots."""
    width = max(len(f"{len(source.data):x}"), 4)
    hidden = iter(source.hidden)
    span = next(hidden, None)
    data = source.data
    for start in range(0, len(data), ROW_BYTES):
        row = data[start : start + ROW_BYTES]
        while span is not None and span[1] <= start:
            span = next(hidden, None)
        cells = [f"{octet:02x}" for octet in row]
        chars = [chr(octet) if 0x20 <= octet < 0x7F else "." for octet in row]
        if span is not None and span[0] < start + len(row):
            for begin, end in source.hidden:
                for at in range(max(begin - start, 0), min(end - start, len(row))):
                    cells[at], chars[at] = "··", " "
            if span[0] <= start and start + len(row) <= span[1]:
                if start == 0 or start == span[0] or start - ROW_BYTES < span[0]:
                    yield f"{start:0{width}x}  {span[1] - start:,} bytes that are not of this message"
                continue
        left, right = " ".join(cells[:8]), " ".join(cells[8:])
        yield f"{start:0{width}x}  {f'{left}  {right}':<{_HEX}}  {''.join(chars)}".rstrip()
