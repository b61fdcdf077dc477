"""What is handed on of one direction of a TCP connection: its bytes in stream order, and what is said of them."""

from itertools import accumulate
from typing import Final

from dissector import limits
from dissector.net.clock import Moment
from dissector.net.events import Connection, Malformed, StreamData, StreamEvent, StreamGap

DIFFERS: Final = "a retransmission differs from the first copy, which is kept"


class Delivery:
    """Where one direction stands, and the events since they were last taken."""

    __slots__ = (
        "_delivered",
        "_events",
        "_last",
        "connection",
        "ended",
        "from_client",
        "initial",
        "next",
        "offset",
        "recent",
    )

    def __init__(self, connection: Connection, from_client: bool) -> None:
        self.connection = connection
        self.from_client = from_client
        self.initial: int | None = None
        """The SYN's sequence number; None where the capture begins mid-stream."""
        self.next: int | None = None
        """The sequence number expected next; None before the first segment."""
        self.offset = 0
        """Offset of ``next``."""
        self.recent = b""
        """The last bytes delivered, up to `limits.OVERLAP_BYTES`, to compare retransmissions with, unless that was
        `limits.OVERLAP_PACKETS` ago."""
        self.ended = False
        """Whether the end was told. Bytes that come all the same take it back: its FIN or RST was not the end."""
        self._delivered: list[tuple[bytes, int, int, int]] = []
        """What `StreamData` says of each run of bytes since the last event."""
        self._last = (0, 0)
        """The packet with which the last byte delivered became readable, and its time."""
        self._events: list[StreamEvent] = []

    def joined(self, data: bytes, ends: list[int], numbers: list[int], time_ns: int) -> bool:
        """Note that ``data``, next in order, was delivered without coming through `segment`; say if it is the first.

        ``ends`` and ``numbers`` are those of `StreamData`, ``time_ns`` is the last packet's.
        """
        at_start = self.initial is not None and self.offset == 0
        kept, before = data, self._last[0]
        if numbers[-1] - before > limits.OVERLAP_PACKETS:
            for begin, number in zip((0, *ends), numbers, strict=False):
                if number - before > limits.OVERLAP_PACKETS:
                    self.recent, kept = b"", data[begin:]
                before = number
        self._last = (numbers[-1], time_ns)
        self._advance(kept, len(data))
        return at_start

    def forget(self, number: int) -> None:
        """Keep no bytes to compare retransmissions with, now that packet ``number`` has come, where it is too late."""
        if number - self._last[0] > limits.OVERLAP_PACKETS:
            self.recent = b""

    def take(self) -> list[StreamEvent]:
        """Give the events since the last call, in stream order."""
        self.flush()
        events, self._events = self._events, []
        return events

    def _deliver(self, data: bytes, number: int, completed: int, time_ns: int) -> None:
        if data:
            self.ended = False
            # Stream order: nothing is readable before what precedes it.
            if completed >= self._last[0]:
                self.forget(completed)
                self._last = (completed, time_ns)
            self._delivered.append((data, number, *self._last))
            self._advance(data, len(data))

    def _advance(self, data: bytes, size: int) -> None:
        assert self.next is not None
        self.next = (self.next + size) & 0xFFFF_FFFF
        self.offset += size
        keep = limits.OVERLAP_BYTES
        self.recent = data[-keep:] if len(data) >= keep else (self.recent + data)[-keep:]

    def flush(self) -> None:
        """Make one event of the bytes delivered since the last."""
        if self._delivered:
            pieces, numbers, completed, times = zip(*self._delivered, strict=True)
            ends = list(accumulate(map(len, pieces)))
            self._events.append(
                StreamData(
                    self.connection,
                    self.from_client,
                    self.initial is not None and self.offset == ends[-1],
                    b"".join(pieces),
                    ends,
                    list(numbers),
                    list(completed),
                    list(times),
                )
            )
            self._delivered.clear()

    def _compare(self, offset: int, data: bytes, now: Moment) -> None:
        """Tell where a retransmission differs from the bytes delivered before, as far as they are kept."""
        self.forget(now.number)
        kept_from = self.offset - len(self.recent)
        again = data[max(kept_from - offset, 0) : self.offset - offset]
        at = max(offset - kept_from, 0)
        if again != self.recent[at : at + len(again)]:
            self._tell(now, DIFFERS)

    def _tell_gap(self, size: int | None, number: int, time_ns: int) -> None:
        self.ended = False
        gap = StreamGap(self.connection, self.from_client, size, number, time_ns, self._last[1])
        self._events.append(gap)

    def _tell(self, now: Moment, reason: str) -> None:
        problem = Malformed("tcp", self.connection, self.from_client, now.number, now.time_ns, None, reason)
        self._events.append(problem)
