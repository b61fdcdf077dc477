"""One direction of a TCP connection, segment by segment: the careful path.

`dissector.net.streams` joins what arrives in order by columns; a direction comes here when something is
missing, repeated, overlapping, or when it begins or ends.
"""

from dissector import limits
from dissector.net.clock import Clock, Moment
from dissector.net.delivery import DIFFERS, Delivery
from dissector.net.events import Connection, StreamEnd
from dissector.net.held import Held, hold


def distance(later: int, earlier: int) -> int:
    """Tell how far one sequence number is after another: -2**31 to 2**31 - 1 (RFC 9293, 3.4)."""
    return (later - earlier + 0x8000_0000) % 0x1_0000_0000 - 0x8000_0000


class HalfStream(Delivery):
    """Puts one direction's segments in order.

    Positions are absolute offsets: bytes since the first one expected, counting the missing ones; sequence
    numbers are turned into offsets at the door, so wrap-around is nobody else's concern.

    Three things are waited for: the bytes of a hole; where the SYN was not seen, segments from before the first
    (packets may be captured out of order there as anywhere); the last bytes before a FIN or RST.
    """

    __slots__ = (
        "_acked",
        "_acked_since",
        "_begins",
        "_closing",
        "_early_acknowledgment",
        "_end",
        "_held",
        "_sent",
        "_since",
        "_stray",
        "_stray_is_new",
        "held_bytes",
    )

    def __init__(self, connection: Connection, from_client: bool) -> None:
        super().__init__(connection, from_client)
        self.held_bytes = 0
        """Bytes held behind holes."""
        self._held: list[Held] = []
        self._begins = False
        """Whether segments from before the first one are waited for."""
        self._closing: str | None = None
        """Why the stream ends, once all bytes before ``_end`` have come."""
        self._end = 0
        self._since: Moment | None = None
        """Since when something is waited for; None where nothing is."""
        self._acked_since: Moment | None = None
        self._acked = 0
        self._early_acknowledgment: int | None = None
        """The highest acknowledgment number seen before the first segment."""
        self._sent = 0
        """Offset after the last byte that is known to have been sent, captured or not."""
        self._stray_is_new = False
        """Whether it is waited for, as others are; later it may still be borne out."""
        self._stray: tuple[int, bytes, int, Moment] | None = None
        """A segment whose number has nothing to do with the stream's, until another one bears it out."""

    @property
    def oldest_held(self) -> int | None:
        """The lowest number of a packet whose bytes are held; None where there is none."""
        numbers = [held.number for held in self._held]
        if self._stray is not None and self._stray_is_new:
            numbers.append(self._stray[3].number)
        return min(numbers, default=None)

    @property
    def is_waiting(self) -> bool:
        """Whether something is waited for: see the class."""
        return self._since is not None or self._stray_is_new

    # -- what the wire does --------------------------------------------------------------------------

    def syn(self, sequence: int, now: Moment) -> None:
        """Begin at a SYN; it may have been captured after segments that follow it."""
        first = (sequence + 1) & 0xFFFF_FFFF
        if self.next is None:
            self.initial = sequence
            self._expect(first)
        elif self._begins and 0 <= distance(self.next, first) + self._lowest() <= limits.WINDOW_BYTES:
            shift = distance(self.next, first)
            for held in self._held:
                held.offset += shift
            self._end, self._acked, self._sent = self._end + shift, self._acked + shift, self._sent + shift
            self.next, self.initial, self._begins = first, sequence, False
            self._wait_anew(now)
            self._fill(now, filled=True)

    def segment(self, sequence: int, data: bytes, sent: int, now: Moment) -> None:
        """Take one segment's payload. ``sent`` is what its packet carried before a snap length cut it."""
        ahead = self._ahead(sequence, now)
        if abs(ahead) > limits.WINDOW_BYTES or (self.ended and ahead > limits.AFTER_END_BYTES):
            self._wander(sequence, data, sent, now)
            return
        # One old byte is a keepalive: its content means nothing (RFC 9293, 3.8.4).
        if sent == 1 and ahead == (0 if self.ended and self._closing == "fin" else -1):
            return
        self._sent = max(self._sent, self.offset + ahead + sent)
        if self._closing == "fin" and self._sent > self._end:
            self._closing = None  # a FIN that nobody but the capture took
            self._since = self._since if self._held or self._begins else None
        if ahead == 0 and not self._held and not self._begins:
            self._deliver(data, now.number, now.number, now.time_ns)
            self._end_if_done(now)
            return
        offset = self.offset + ahead
        if ahead < 0 and not self._begins:
            self._compare(offset, data, now)
            data, offset = data[-ahead:], self.offset
        if data:
            self._hold(offset, data, now)
            self._fill(now, filled=True)
            while self.held_bytes > limits.HELD_BYTES or len(self._held) > limits.HELD_SEGMENTS:
                self._give_up(now)

    def fin(self, sequence: int, now: Moment) -> None:
        """Take a FIN whose own sequence number is ``sequence``: the stream ends there."""
        ahead = self._ahead(sequence, now)
        if not self.ended and 0 <= ahead <= limits.WINDOW_BYTES:
            self._close("fin", self.offset + ahead, now)

    def reset(self, sequence: int | None, now: Moment) -> bool:
        """Take a RST, with its own ``sequence`` or, from the other side, None; False where it is not this stream's."""
        ahead = 0 if sequence is None or self.next is None else distance(sequence, self.next)
        if abs(ahead) > limits.WINDOW_BYTES:
            return False
        if not self.ended and self._closing is None:
            self._close("rst", self.offset + max(ahead, 0), now)
        return True

    def acknowledged(self, acknowledgment: int, now: Moment) -> None:
        """Take the other side's acknowledgment number."""
        if self.next is None:
            early = self._early_acknowledgment
            if early is None or distance(acknowledgment, early) > 0:
                self._early_acknowledgment = acknowledgment
            return
        ahead = distance(acknowledgment, self.next)
        if ahead <= limits.WINDOW_BYTES:
            self._acked = max(self._acked, self.offset + ahead)
        self._note_acked(now)
        if self._since is not None and self._acked_since is None and not self._begins:
            # The receiver lacks it too, so it will be sent again: giving it up has time.
            self._since = now

    def expire(self, last: int, clock: Clock) -> None:
        """Give up what was waited for long enough when packet ``last`` was captured."""
        if self._stray is not None and self._stray_is_new:
            self._stray_is_new = clock.after(self._stray[3], limits.HOLE_ACKED_NS, limits.HOLE_LIVE_NS, last) is None
        while self._since is not None:
            if self._begins or self._acked_since is not None:
                since = self._acked_since or self._since
                live_ns = limits.BEGIN_LIVE_NS if self._begins else limits.HOLE_LIVE_NS
                due = clock.after(since, limits.HOLE_ACKED_NS, live_ns, last)
            else:
                due = clock.after(self._since, limits.HOLE_NS, limits.HOLE_NS, last)
            if due is None:
                return
            self._give_up(due)

    def end_waiting(self, now: Moment) -> None:
        """Wait for nothing any more."""
        while self._since is not None:
            self._give_up(now)

    def end(self, reason: str, now: Moment) -> None:
        """Give out what is held, holes told, and end the direction: for the reason that was waited with, if any."""
        sent = self._sent
        if self._closing is not None:
            reason, sent = self._closing, max(sent, self._end)
            self._closing = None
        while self._held or self._begins:
            self._give_up(now)
        if self._stray is not None:
            self._tell_stray(now)
        self.flush()
        if sent > self.offset:
            self._tell_gap(sent - self.offset, now.number, now.time_ns)
            self._advance(b"", sent - self.offset)
            self.recent = b""
        self._since = self._acked_since = None
        self._closing = reason if reason == "fin" else None
        if not self.ended:
            self.ended = True
            self._events.append(StreamEnd(self.connection, self.from_client, reason, now.number, now.time_ns))

    # -- where the stream begins -----------------------------------------------------------------------

    def _ahead(self, sequence: int, now: Moment) -> int:
        """Tell how far a segment is ahead of the bytes delivered; the first one begins the stream."""
        if self.next is None:
            self._expect(sequence)
            self._begins, self._since = True, now
            return 0
        return distance(sequence, self.next)

    def _expect(self, sequence: int) -> None:
        self.next = sequence
        if self._early_acknowledgment is not None:
            self._acked = max(0, self.offset + distance(self._early_acknowledgment, sequence))
            self._early_acknowledgment = None

    def _lowest(self) -> int:
        """Tell how far the first byte held is from the one expected: 0, or negative."""
        return min(0, self._held[0].offset - self.offset) if self._held else 0

    def _wander(self, sequence: int, data: bytes, sent: int, now: Moment) -> None:
        """Take a segment of unbelievable number. Two that belong together are another connection on these ports,
        whose SYN was not seen; a single one is broken.
        """
        stray = self._stray
        if stray is None or abs(distance(sequence, stray[0])) > limits.WINDOW_BYTES:
            if stray is not None:
                self._tell_stray(now)
            self._stray, self._stray_is_new = (sequence, data, sent, now), True
            return
        self._stray, self._stray_is_new = None, False
        while self._held or self._begins:
            self._give_up(now)
        self.flush()
        self._tell_gap(None, stray[3].number, stray[3].time_ns)
        self.next = self.initial = self._closing = self._since = None
        self._acked, self._sent, self.recent = self.offset, self.offset, b""
        self.segment(*stray)
        self._since = now
        self.segment(sequence, data, sent, now)

    def _tell_stray(self, now: Moment) -> None:
        assert self._stray is not None
        number = self._stray[3].number
        self._stray, self._stray_is_new = None, False
        self._tell(now, f"the sequence number in packet {number} is far from its stream's: its bytes are left out")

    # -- holes -----------------------------------------------------------------------------------------

    def _hold(self, offset: int, data: bytes, now: Moment) -> None:
        """Keep the bytes that no earlier copy has given; where both have one, the first stays."""
        added, differs = hold(self._held, Held(offset, data, now.number, now.time_ns))
        self.held_bytes += added
        if differs:
            self._tell(now, DIFFERS)
        if self._since is None:
            self._since = now
            self._note_acked(now)

    def _fill(self, now: Moment, *, filled: bool) -> None:
        """Deliver what now follows on without a hole; ``filled`` where the packet of ``now`` closed it."""
        if self._begins:
            return
        count = 0
        for held in self._held:
            if held.offset > self.offset:
                break
            count += 1
            completed, when = (now.number, now.time_ns) if filled else (held.number, held.time_ns)
            self._deliver(held.data, held.number, completed, when)
            self.held_bytes -= len(held.data)
        if count:
            del self._held[:count]
            self._wait_anew(now)
        self._end_if_done(now)

    def _wait_anew(self, now: Moment) -> None:
        """Begin to wait for the next thing that is missing, if there is one."""
        self._since = now if self._held or self._closing is not None else None
        self._acked_since = None
        self._note_acked(now)

    def _note_acked(self, now: Moment) -> None:
        if self._since is not None and self._acked_since is None and not self._begins:
            wanted = self._held[0].offset if self._held else self._end
            if self._acked >= wanted:
                self._acked_since = now

    def _give_up(self, now: Moment) -> None:
        """Wait no longer for what is waited for: declare the first hole lost, and go on behind it."""
        if not self._held and not self._begins:
            self.end(self._closing or "rst", now)
            return
        self.flush()
        missing = 0
        if self._held:
            next_ = self._held[0]
            missing = next_.offset - self.offset
            if not self._begins:
                self._tell_gap(missing, next_.number, next_.time_ns)
        self._begins = False
        self._advance(b"", missing)
        self.recent = b""
        self._wait_anew(now)
        self._fill(now, filled=False)
        self.flush()

    # -- the end -----------------------------------------------------------------------------------------

    def _close(self, reason: str, offset: int, now: Moment) -> None:
        """Learn that the stream ends at an offset."""
        self._closing, self._end = reason, offset
        if self._since is None:
            self._wait_anew(now)
        self._end_if_done(now)

    def _end_if_done(self, now: Moment) -> None:
        if self._closing is None or self.ended or self._held or self._begins:
            return
        if self.offset >= self._end:
            self.end(self._closing, now)
