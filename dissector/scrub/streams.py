"""Which bytes of packets are known: those of frames that were read, the secrets in them marked.

What a packet carries besides (bytes of no frame, of a message that is not whole, of what cannot be decoded, repeated
bytes) has no entry here, and so is overwritten with zeros.
"""

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec import UNSET

from dissector import limits
from dissector.amqp.constants import FRAME_BODY, FRAME_HEADER, FRAME_HEADER_BYTES, FRAME_HEARTBEAT, FRAME_METHOD
from dissector.amqp.frames import PROTOCOL, Frame, FrameReader
from dissector.amqp.malformed import MalformedPayload
from dissector.amqp.methods import decode_method
from dissector.amqp.properties import decode_content_header
from dissector.amqp.runs import Run
from dissector.net import StreamData, StreamEnd, StreamGap
from dissector.scrub.jsontree import body_secrets
from dissector.scrub.payloads import header_secrets, method_secrets
from dissector.scrub.secrets import FILL, Range

KEEP: Final = 0
"""Stands for what is not overwritten."""

_SEQUENCE: Final = 0xFFFF_FFFF

Piece = tuple[int, int, int]
"""Bytes that one packet carries: its number, the sequence number of the first, how many."""

KeptRange = tuple[int, int, int]
"""Sequence number of the first byte, how many, and what they are filled with: `KEEP` or an octet."""


class Kept:
    """What may be kept of some packets, and what their secrets become; the rest is overwritten."""

    def __init__(self, wanted: Collection[int]) -> None:
        self.is_full = False
        """Whether there was more to be kept than is remembered (`limits.SCRUBBED_RANGES`)."""
        self._wanted = wanted
        self._numbers = array("q")
        self._sequences = array("I")
        self._sizes = array("I")
        self._fills = array("B")
        self._order: npt.NDArray[np.int64] | None = None

    def __contains__(self, number: int) -> bool:
        """Tell whether a packet is one of them."""
        return number in self._wanted

    def add(self, number: int, sequence: int, size: int, fill: int) -> None:
        """Let the bytes of a packet from a sequence number on be kept (`KEEP`), or be filled with an octet."""
        sequence &= _SEQUENCE
        sizes = self._sizes
        if (
            sizes
            and self._numbers[-1] == number
            and self._fills[-1] == fill
            and (self._sequences[-1] + sizes[-1]) & _SEQUENCE == sequence
        ):
            sizes[-1] += size
        elif len(sizes) < limits.SCRUBBED_RANGES:
            self._numbers.append(number)
            self._sequences.append(sequence)
            sizes.append(size)
            self._fills.append(fill)
        else:
            self.is_full = True

    def of(self, numbers: Sequence[int]) -> list[list[KeptRange]]:
        """Give what was added of some packets, for each of them; nothing is added any more."""
        known = np.frombuffer(self._numbers, np.int64)
        if self._order is None:
            self._order = np.argsort(known, kind="stable")
        order = self._order
        wanted = np.array(numbers, np.int64)
        begins = np.searchsorted(known, wanted, "left", sorter=order).tolist()
        ends = np.searchsorted(known, wanted, "right", sorter=order).tolist()
        return [
            [(self._sequences[at], self._sizes[at], self._fills[at]) for at in order[begin:end].tolist()]
            for begin, end in zip(begins, ends, strict=True)
        ]


class _Content:
    """A message whose frames are still coming."""

    __slots__ = ("body", "body_size", "compression", "have", "held_bytes", "pieces")

    def __init__(self) -> None:
        self.body_size = -1
        """-1 before its header."""
        self.compression: str | None = None
        self.have = 0
        self.held_bytes = 0
        """What it counts for, by the rule of `dissector.amqp.contents`: so both give up the same messages."""
        self.body: list[bytes] = []
        self.pieces: list[Piece] = []


class Direction:
    """One direction of a connection."""

    def __init__(self, kept: Kept) -> None:
        self.ended = False
        self._kept = kept
        self._frames = FrameReader()
        self._open: dict[int, _Content] = {}
        self._bodies = 0
        self._next: int | None = None
        """The sequence number after the last byte; None where it is not known."""
        self._run_sequence: int | None = None

    def feed(self, event: StreamData, sequence: int | None) -> None:
        """Take the next bytes; ``sequence`` is the number of the first, or None where only those before tell it."""
        self.ended = False
        if sequence is None:
            sequence = self._next
        self._next = None if sequence is None else (sequence + len(event.data)) & _SEQUENCE
        self._read(*self._frames.feed(event))

    def gap(self, event: StreamGap) -> None:
        """Learn that bytes are missing."""
        self.ended = False
        run, frames, channel = self._frames.gap(event.size)
        self._read(run, frames)
        if channel is not None:
            self._close(channel)
        self._next = None if event.size is None or self._next is None else (self._next + event.size) & _SEQUENCE

    def end(self, event: StreamEnd) -> None:
        """Learn that no more bytes come, unless they do all the same."""
        self.ended = True
        self._read(*self._frames.pause())

    def drop(self) -> None:
        """Forget what is not whole."""
        self._frames.gap(0)
        self._open.clear()
        self._bodies = 0

    @property
    def held_bytes(self) -> int:
        """Bytes of frames and messages that are not whole yet."""
        return self._frames.held_bytes + self._bodies

    def _read(self, run: Run, frames: list[Frame]) -> None:
        # A run ends with the last byte fed: there are no holes in it.
        self._run_sequence = None if self._next is None else self._next - len(run.data)
        for kind, channel, start, end in frames:
            if kind == FRAME_METHOD:
                self._method(run, channel, start, end)
            elif kind == FRAME_HEADER:
                self._header(run, channel, start, end)
            elif kind == FRAME_BODY:
                self._body(run, channel, start, end)
            elif kind == FRAME_HEARTBEAT:
                self._keep_frame(run, start, end, ())
            elif kind == PROTOCOL:
                self._keep(self._pieces(run, start, end), ())

    def _method(self, run: Run, channel: int, start: int, end: int) -> None:
        self._close(channel)
        payload = run.data[start:end]
        try:
            method = decode_method(payload, 0, len(payload))
        except MalformedPayload:
            self._keep_frame(run, start, end, [(0, end - start, FILL)])
            return
        self._keep_frame(run, start, end, method_secrets(payload, method))
        if method.CONTENT and len(self._open) < limits.CHANNELS:
            self._open[channel] = _Content()

    def _header(self, run: Run, channel: int, start: int, end: int) -> None:
        payload = run.data[start:end]
        content = self._open.get(channel)
        try:
            body_size, properties = decode_content_header(payload, 0, len(payload))
        except MalformedPayload:
            self._keep_frame(run, start, end, [(0, end - start, FILL)])
            self._close(channel)
            return
        self._keep_frame(run, start, end, header_secrets(payload))
        if content is None or content.body_size >= 0:
            self._close(channel)
            return
        content.body_size = body_size
        headers = properties.headers
        compression = None if headers is UNSET else headers.get("compression")
        content.compression = None if compression is None else str(compression)
        if not 0 < body_size <= limits.BODY_BYTES:
            self._close(channel)

    def _body(self, run: Run, channel: int, start: int, end: int) -> None:
        self._keep(self._pieces(run, start - FRAME_HEADER_BYTES, start), ())
        self._keep(self._pieces(run, end, end + 1), ())
        content = self._open.get(channel)
        if content is None or content.body_size < 0 or start == end:
            return
        content.body.append(run.data[start:end])
        content.pieces += self._pieces(run, start, end)
        content.have += end - start
        content.held_bytes += end - start + limits.PIECE_BYTES
        self._bodies += end - start + limits.PIECE_BYTES
        if content.have < content.body_size:
            return
        self._close(channel)
        if content.have == content.body_size and any(number in self._kept for number, _, _ in content.pieces):
            self._keep(content.pieces, body_secrets(b"".join(content.body), content.compression))

    def _close(self, channel: int) -> None:
        """Expect no more of the message on a channel."""
        content = self._open.pop(channel, None)
        if content is not None:
            self._bodies -= content.held_bytes

    def _keep_frame(self, run: Run, start: int, end: int, secrets: Iterable[Range]) -> None:
        """Keep a frame whose payload is ``start`` to ``end`` in the run, but for secrets in the payload."""
        shifted = [(a + FRAME_HEADER_BYTES, b + FRAME_HEADER_BYTES, fill) for a, b, fill in secrets]
        self._keep(self._pieces(run, start - FRAME_HEADER_BYTES, end + 1), shifted)

    def _pieces(self, run: Run, start: int, end: int) -> list[Piece]:
        """Tell which packets carry a stretch of the run; nothing where that is not known."""
        if self._run_sequence is None or start == end:
            return []
        pieces: list[Piece] = []
        at = run.at(start)
        while start < end:
            stop = min(run.ends[at], end)
            pieces.append((run.numbers[at], self._run_sequence + start, stop - start))
            start = stop
            at += 1
        return pieces

    def _keep(self, pieces: Sequence[Piece], secrets: Iterable[Range]) -> None:
        """Keep bytes that lie in some packets, one after the other, but for the secrets among them."""
        kept = self._kept
        if not any(number in kept for number, _, _ in pieces):
            return
        at = base = 0
        for start, end, fill in _stretches(secrets, sum(size for _, _, size in pieces)):
            begin = start
            while begin < end:
                number, sequence, size = pieces[at]
                stop = min(base + size, end)
                if stop > begin and number in kept:
                    kept.add(number, sequence + begin - base, stop - begin, fill)
                begin = max(begin, stop)
                if begin < end or stop == base + size:
                    base += size
                    at += 1


def _stretches(secrets: Iterable[Range], size: int) -> Iterator[Range]:
    """Give what is to be kept, and filled, of so many bytes; in order, without overlap."""
    done = 0
    for start, end, fill in secrets:
        if start > done:
            yield done, start, KEEP
        if end > done:
            yield max(start, done), end, fill
        done = max(done, end)
    if size > done:
        yield done, size, KEEP
