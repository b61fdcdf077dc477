"""One direction of a TCP connection, segment by segment: the careful path.

`dissector.net.streams` joins what arrives in order by columns; a direction comes here when something is
missing, repeated, overlapping, or when it begins or ends.
"""

from bisect import bisect_right
from typing import Final

from dissector import limits
from dissector.net.events import Connection, Malformed, StreamData, StreamEnd, StreamEvent, StreamGap


def distance(later: int, earlier: int) -> int:
    """Tell how far one sequence number is after another: -2**31 to 2**31 - 1 (RFC 9293, 3.4)."""
    return (later - earlier + 0x8000_0000) % 0x1_0000_0000 - 0x8000_0000


class _Held:
    """Bytes that arrived ahead of a hole."""

    __slots__ = ("data", "number", "offset", "time_ns")

    def __init__(self, offset: int, data: bytes, number: int, time_ns: int) -> None:
        self.offset, self.data, self.number, self.time_ns = offset, data, number, time_ns


class HalfStream:
    """Puts one direction's segments in order.

    Positions are absolute offsets: bytes since the first one expected, counting the missing ones; sequence
    numbers are turned into offsets at the door, so wrap-around is nobody else's concern.
    """

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
        """The last bytes delivered, up to `limits.OVERLAP_BYTES`, to compare retransmissions with."""
        self.ended = False
        """Whether the end was told. After a RST, which its receiver may have refused, new bytes take it back."""
        self._finished = False
        self._held: list[_Held] = []
        self._held_bytes = 0
        self._hole_since: tuple[int, int] | None = None
        self._acked_since: tuple[int, int] | None = None
        self._acked = 0
        self._early_acknowledgment: int | None = None
        """The highest acknowledgment number seen before the first segment."""
        self._sent = 0
        """Offset after the last byte that is known to have been sent, captured or not."""
        self._fin: int | None = None
        self._pieces: list[bytes] = []
        self._numbers: list[int] = []
        self._completed: list[int] = []
        self._times: list[int] = []
        self._released = 0
        self._last = (0, 0)
        self._events: list[StreamEvent] = []

    @property
    def oldest_held(self) -> int | None:
        """The lowest number of a packet whose bytes are held; None where there is none."""
        return min((held.number for held in self._held), default=None)

    @property
    def is_waiting(self) -> bool:
        """Whether bytes are held behind a hole, or a FIN waits for the bytes before it."""
        return bool(self._held) or self._fin is not None

    # -- what the wire does --------------------------------------------------------------------------

    def syn(self, sequence: int) -> None:
        """Begin at a SYN."""
        if self.next is None:
            self.initial = sequence
            self._expect((sequence + 1) & 0xFFFF_FFFF)

    def segment(self, sequence: int, data: bytes, sent: int, number: int, time_ns: int) -> None:
        """Take one segment's payload. ``sent`` is what its packet carried before a snap length cut it."""
        ahead = self._ahead(sequence)
        if ahead < -limits.BEHIND_BYTES or (self._finished and ahead > limits.BEHIND_BYTES):
            self._begin_anew(sequence, number, time_ns)
            ahead = 0
        if self._finished:
            return
        self._sent = max(self._sent, self.offset + ahead + sent)
        if ahead == 0 and not self._held:
            self._deliver(data, number, number, time_ns)
            return
        offset = self.offset + ahead
        if ahead < 0:
            # One old byte is a keepalive: its content means nothing (RFC 9293, 3.8.4).
            if sent > 1:
                self._compare(offset, data, number, time_ns)
            data, offset = data[-ahead:], self.offset
        if data:
            self._hold(offset, data, number, time_ns)
            self._fill(number, time_ns, filled=True)
            self._give_up_over_limit(number, time_ns)

    def fin(self, sequence: int, number: int, time_ns: int) -> None:
        """Take a FIN whose own sequence number is ``sequence``: the stream ends there."""
        ahead = self._ahead(sequence)
        if self._fin is None and not self._finished:
            self._fin = self.offset + ahead
        self._end_at_fin(number, time_ns)

    def acknowledged(self, acknowledgment: int, number: int, time_ns: int) -> None:
        """Take the other side's acknowledgment number."""
        if self.next is None:
            early = self._early_acknowledgment
            if early is None or distance(acknowledgment, early) > 0:
                self._early_acknowledgment = acknowledgment
            return
        acked = self.offset + distance(acknowledgment, self.next)
        self._acked = max(self._acked, acked)
        self._note_acked(number, time_ns)
        if self._held and self._acked_since is None:
            # The receiver lacks it too, so it will be sent again: giving it up has time.
            self._hole_since = (number, time_ns)

    def tick(self, number: int, time_ns: int) -> None:
        """Let a packet of this connection pass: a hole that has waited long enough is given up."""
        while self._hole_since is not None:
            if self._acked_since is not None:
                since, limit_ns = self._acked_since, limits.HOLE_ACKED_NS
                waited = number - since[0] >= limits.HOLE_PACKETS or time_ns - since[1] >= limit_ns
            else:
                waited = time_ns - self._hole_since[1] >= limits.HOLE_NS
            if not waited:
                return
            self._give_up(number, time_ns)

    def end(self, reason: str, number: int, time_ns: int) -> None:
        """Give out what is held, holes told, and end the direction."""
        while self._held:
            self._give_up(number, time_ns)
        self.flush()
        missing = max(self._sent, self._fin or 0) - self.offset
        if missing > 0:
            self._events.append(StreamGap(self.connection, self.from_client, missing, number, time_ns, self._last[1]))
            self._advance(b"", missing)
            self.recent = b""
        self._fin = None
        self._finished |= reason == "fin"
        if not self.ended:
            self.ended = True
            self._events.append(StreamEnd(self.connection, self.from_client, reason, number, time_ns))

    def joined(self, sequence: int, data: bytes, number: int, time_ns: int) -> bool:
        """Note that ``data``, next in order, was delivered without coming through `segment`; say if it is the first."""
        self._ahead(sequence)
        at_start = self.initial is not None and self.offset == 0
        self._last = (number, time_ns)
        self._advance(data, len(data))
        return at_start

    def take(self) -> list[StreamEvent]:
        """Give the events since the last call, in stream order."""
        self.flush()
        events, self._events = self._events, []
        return events

    # -- sequence numbers ------------------------------------------------------------------------------

    def _ahead(self, sequence: int) -> int:
        """Tell how far a segment is ahead of the bytes delivered; the first one begins the stream."""
        if self.next is None:
            self._expect(sequence)
            return 0
        return distance(sequence, self.next)

    def _expect(self, sequence: int) -> None:
        self.next = sequence
        if self._early_acknowledgment is not None:
            self._acked = max(0, self.offset + distance(self._early_acknowledgment, sequence))
            self._early_acknowledgment = None

    def _begin_anew(self, sequence: int, number: int, time_ns: int) -> None:
        """Go on at numbers that have nothing to do with the ones before: nobody can tell what is between."""
        while self._held:
            self._give_up(number, time_ns)
        self.flush()
        self._events.append(StreamGap(self.connection, self.from_client, None, number, time_ns, self._last[1]))
        self.next = sequence
        self.recent = b""
        self._fin = None
        self._finished = False
        # Offsets go on, so that nothing taken for the first byte of the stream is one.
        self.offset = self._sent = self._acked = max(self.offset, 1)

    # -- holes -----------------------------------------------------------------------------------------

    def _hold(self, offset: int, data: bytes, number: int, time_ns: int) -> None:
        """Keep the bytes that no earlier copy has given; where both have one, the first stays."""
        at = bisect_right(self._held, offset, key=lambda held: held.offset)
        if at and self._held[at - 1].offset + len(self._held[at - 1].data) > offset:
            at -= 1
        added: list[_Held] = []
        differs = False
        end = offset + len(data)
        first = at
        while at < len(self._held) and self._held[at].offset < end:
            held = self._held[at]
            if offset < held.offset:
                added.append(_Held(offset, data[: held.offset - offset], number, time_ns))
                data, offset = data[held.offset - offset :], held.offset
            common = held.data[offset - held.offset :][: len(data)]
            differs |= common != data[: len(common)]
            added.append(held)
            data, offset = data[len(common) :], offset + len(common)
            at += 1
        if data:
            added.append(_Held(offset, data, number, time_ns))
        self._held_bytes += sum(len(held.data) for held in added)
        self._held_bytes -= sum(len(held.data) for held in self._held[first:at])
        self._held[first:at] = added
        if differs:
            self._tell_difference(number, time_ns)
        if self._hole_since is None:
            self._hole_since = (number, time_ns)
            self._note_acked(number, time_ns)

    def _fill(self, number: int, time_ns: int, *, filled: bool) -> None:
        """Deliver what now follows on without a hole; ``filled`` where packet ``number`` closed it."""
        count = 0
        for held in self._held:
            if held.offset > self.offset:
                break
            count += 1
            completed, when = (number, time_ns) if filled else (held.number, held.time_ns)
            self._deliver(held.data, held.number, completed, when)
            self._held_bytes -= len(held.data)
        if count:
            del self._held[:count]
            self._hole_since = (number, time_ns) if self._held else None
            self._acked_since = None
            self._note_acked(number, time_ns)
            self._end_at_fin(number, time_ns)

    def _note_acked(self, number: int, time_ns: int) -> None:
        if self._held and self._acked_since is None and self._acked >= self._held[0].offset:
            self._acked_since = (number, time_ns)

    def _give_up(self, number: int, time_ns: int) -> None:
        """Declare the first hole lost and go on behind it."""
        missing = self._held[0].offset - self.offset
        self.flush()
        self._events.append(StreamGap(self.connection, self.from_client, missing, number, time_ns, self._last[1]))
        self._advance(b"", missing)
        self.recent = b""
        self._released = number
        self._fill(number, time_ns, filled=False)
        self.flush()

    def _give_up_over_limit(self, number: int, time_ns: int) -> None:
        while self._held_bytes > limits.HELD_BYTES or len(self._held) > limits.HELD_SEGMENTS:
            self._give_up(number, time_ns)

    # -- delivery --------------------------------------------------------------------------------------

    def _deliver(self, data: bytes, number: int, completed: int, time_ns: int) -> None:
        if data:
            self.ended = False
            # Stream order: nothing is readable before what precedes it.
            if completed >= self._last[0]:
                self._last = (completed, time_ns)
            self._pieces.append(data)
            self._numbers.append(number)
            self._completed.append(self._last[0])
            self._times.append(self._last[1])
            self._advance(data, len(data))

    def _advance(self, data: bytes, size: int) -> None:
        assert self.next is not None
        self.next = (self.next + size) & 0xFFFF_FFFF
        self.offset += size
        keep = limits.OVERLAP_BYTES
        self.recent = data[-keep:] if len(data) >= keep else (self.recent + data)[-keep:]

    def flush(self) -> None:
        """Make one event of the bytes delivered since the last."""
        if self._pieces:
            data = b"".join(self._pieces)
            ends, end = [], 0
            for piece in self._pieces:
                end += len(piece)
                ends.append(end)
            self._events.append(
                StreamData(
                    self.connection,
                    self.from_client,
                    self.initial is not None and self.offset == end,
                    data,
                    ends,
                    self._numbers,
                    self._completed,
                    self._times,
                    self._released,
                )
            )
            self._pieces, self._numbers, self._completed, self._times = [], [], [], []
        self._released = 0

    def _compare(self, offset: int, data: bytes, number: int, time_ns: int) -> None:
        """Tell where a retransmission differs from the bytes delivered before, as far as they are kept."""
        kept_from = self.offset - len(self.recent)
        again = data[max(kept_from - offset, 0) : self.offset - offset]
        at = max(offset - kept_from, 0)
        if again != self.recent[at : at + len(again)]:
            self._tell_difference(number, time_ns)

    def _tell_difference(self, number: int, time_ns: int) -> None:
        self.flush()
        reason: Final = "a retransmission differs from the first copy, which is kept"
        self._events.append(Malformed("tcp", self.connection, self.from_client, number, time_ns, None, reason))

    def _end_at_fin(self, number: int, time_ns: int) -> None:
        if self._fin is not None and self.offset >= self._fin and not self._held:
            self.end("fin", number, time_ns)
