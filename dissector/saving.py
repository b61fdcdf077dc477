"""Writes the packets of chosen messages into a capture of their own."""

from collections.abc import Callable, Collection, Iterable, Sequence
from operator import attrgetter
from os import PathLike
from typing import Final

import numpy as np

from dissector import limits
from dissector.amqp import Message
from dissector.amqp.constants import FRAME_HEADER_BYTES, FRAME_METHOD
from dissector.amqp.frames import PROTOCOL, Frame, FrameReader
from dissector.amqp.malformed import MalformedPayload
from dissector.amqp.methods import decode_method
from dissector.amqp.runs import Run
from dissector.capture import PacketBatch, open_capture
from dissector.capture.pcapng_writer import PcapngWriter, Writable
from dissector.net import (
    Connection,
    Malformed,
    StreamData,
    StreamEnd,
    StreamEvent,
    StreamGap,
    Streams,
    packets_of_syn,
)

Captures = Sequence[str | PathLike[str]]
"""The captures of a reading."""

Change = Callable[[PacketBatch, list[int]], PacketBatch]
"""Makes packets of a batch, given by their indexes, into what is to be written of them."""


class Selection:
    """The packets of chosen messages, and where that is asked for those that opened their connections.

    Say which messages of a reading are chosen; then `save` reads the captures once more.
    """

    def __init__(self) -> None:
        self.messages = 0
        """Messages chosen so far."""
        self._numbers: set[int] = set()
        self._openings: dict[int, list[int]] = {}
        self._connections: dict[int, Connection] = {}

    def choose(self, message: Message) -> None:
        """Take a message's packets."""
        self.messages += 1
        self._numbers.update(message.numbers)
        tcp = message.connection.tcp
        self._connections[tcp.stream] = tcp

    def add_openings(self, captures: Captures, ports: Collection[int]) -> None:
        """Take the packets that open the connections of the messages chosen so far, which are looked for in another
        reading of the same captures and ports.

        Raises `dissector.UsageError` where a capture cannot be read any more.
        """
        self._openings = _openings(captures, ports, self.streams)

    @property
    def streams(self) -> frozenset[int]:
        """The connections (``tcp.stream``) of the chosen messages."""
        return frozenset(self._connections)

    def packets(self) -> set[int]:
        """Give the numbers of the packets of the chosen messages, and of the openings; the first SYN is not in it."""
        return self._numbers.union(*self._openings.values())

    def save(self, captures: Captures, file: Writable, change: Change | None = None) -> int:
        """Write the packets to a file as pcapng; give how many. The captures are those of the reading.

        ``change`` is asked for the packets as they are to be written.
        """
        before = {self._connections[stream]: opening[0] for stream, opening in self._openings.items()}
        writer = PcapngWriter(file)
        numbers = np.array(sorted(self.packets()), np.int64)
        with open_capture(captures) as capture:
            for batch in capture:
                indexes = _indexes(batch, numbers, before)
                writer.write(batch if change is None else change(batch, indexes), indexes)
        return writer.packets


def _indexes(
    batch: PacketBatch, numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]", before: dict[Connection, int]
) -> list[int]:
    """Give the indexes of the wanted packets of a batch, in order."""
    first = batch.first_number
    begin, end = np.searchsorted(numbers, [first, first + len(batch)])
    indexes = set((numbers[begin:end] - first).tolist())
    if before:
        indexes.update(index for index, tcp in packets_of_syn(batch, before) if first + index < before[tcp])
    return sorted(indexes)


# --- what opens a connection ---------------------------------------------------------------------------


_LATER: Final = frozenset({"basic.ack", "basic.nack", "basic.reject"})
"""What goes on while a connection is used, as messages do. All other methods open it: the meaning of its messages
(vhost and user, channels, consumers and their queues) depends on them, and without holes in between they can be read
in their order."""


def _openings(captures: Captures, ports: Collection[int], streams: frozenset[int]) -> dict[int, list[int]]:
    """Read captures; give the packets that carry a byte of what opens some connections, by ``tcp.stream``, ascending.

    No more than `limits.OPENING_PACKETS` of each, and those of one method more.
    """
    reader = _OpeningReader(Streams(ports), streams)
    with open_capture(captures) as capture:
        for batch in capture:
            reader.take(reader.streams.feed(batch))
    reader.take(reader.streams.finish())
    return {stream: sorted(found) for stream, found in reader.found.items()}


class _OpeningReader:
    """Looks for the frames that open some connections."""

    def __init__(self, streams: Streams, wanted: frozenset[int]) -> None:
        self.streams = streams
        self.found: dict[int, set[int]] = {}
        """Packets, by the number of the connection."""
        self._wanted = wanted
        self._directions: dict[tuple[int, bool], FrameReader] = {}
        self._held_bytes = 0

    def take(self, events: Iterable[StreamEvent]) -> None:
        """Take the next events of the streams."""
        for event in events:
            stream = event.connection.stream
            if stream in self._wanted and not isinstance(event, Malformed):
                key = stream, event.from_client
                frames = self._directions.get(key) or self._directions.setdefault(key, FrameReader())
                self._held_bytes -= frames.held_bytes
                self._look(stream, *_read(frames, event))
                self._held_bytes += frames.held_bytes
                if self._held_bytes > limits.UNFINISHED_BYTES:
                    self._make_room()

    def _look(self, stream: int, run: Run, frames: list[Frame]) -> None:
        for kind, _, start, end in frames:
            if kind == PROTOCOL:
                self._add(stream, run, start, end - 1)
            elif kind == FRAME_METHOD and _opens(run.data[start:end]):
                self._add(stream, run, start - FRAME_HEADER_BYTES, end)

    def _add(self, stream: int, run: Run, first: int, last: int) -> None:
        """Note the packets of the bytes from ``first`` to ``last`` in a run."""
        found = self.found.setdefault(stream, set())
        if len(found) < limits.OPENING_PACKETS:
            numbers = sorted(set(run.numbers[run.at(first) : run.at(last) + 1]))
            found.update(self.streams.with_fragments(tuple(numbers)))

    def _make_room(self) -> None:
        """Give up the largest of the frames that are not whole yet, as the reading before did."""
        for frames in sorted(self._directions.values(), key=attrgetter("held_bytes"), reverse=True):
            if self._held_bytes <= limits.UNFINISHED_BYTES // 2:
                break
            self._held_bytes -= frames.held_bytes
            frames.gap(0)


def _read(frames: FrameReader, event: StreamData | StreamGap | StreamEnd) -> tuple[Run, list[Frame]]:
    if isinstance(event, StreamData):
        return frames.feed(event)
    if isinstance(event, StreamGap):
        run, found, _ = frames.gap(event.size)
        return run, found
    return frames.pause()


def _opens(payload: bytes) -> bool:
    """Tell whether a method opens something."""
    try:
        method = decode_method(payload, 0, len(payload))
    except MalformedPayload:
        return False
    return not method.CONTENT and method.NAME not in _LATER
