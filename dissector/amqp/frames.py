"""From the bytes of one direction to AMQP frames (AMQP 0-9-1, clause 4.2.3), from wherever the bytes begin.

While in step, a frame begins where the one before it ended. Out of step (the capture begins inside a frame, bytes
are missing, or they are no frames), a beginning is looked for in two phases. A candidate is the first byte after
a hole, or any byte after 0xCE, since every frame ends with that: no true beginning is left out. It is confirmed
where it is a method, header or heartbeat frame that decodes without a rest, and a frame header follows it. The
first candidate that can be confirmed is taken, and waited for, so that what is found does not depend on how the
bytes were cut into packets.
"""

import struct
from bisect import bisect_right
from typing import Final

import msgspec

from dissector import limits
from dissector.amqp._methods import CONNECTION_TUNE, CONNECTION_TUNE_OK, DECODERS, BasicPublish
from dissector.amqp.constants import (
    CONTENT_HEADER_BYTES,
    FRAME_BODY,
    FRAME_END,
    FRAME_HEADER,
    FRAME_HEADER_BYTES,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    FRAME_MIN_SIZE,
    FRAME_OVERHEAD_BYTES,
    FRAME_TYPES,
    PROTOCOL_HEADER,
)
from dissector.amqp.malformed import MalformedPayload
from dissector.amqp.methods import decode_method
from dissector.amqp.properties import decode_content_header
from dissector.net import StreamData

PROTOCOL: Final = 0
"""Kind of a ``Frame`` that is a protocol header (clause 4.2.2)."""
LOST: Final = -1
"""Kind of a ``Frame`` that is no frame: step was found again here, after the bytes that were passed over. Its
channel is an index into `Run.notes`."""
FOREIGN: Final = -2
"""Kind of a ``Frame`` that is the first bytes of another protocol, which goes to the end of the stream. Its channel
as with `LOST`."""

Frame = tuple[int, int, int, int]
"""Kind (`constants.FRAME_TYPES`, or one of the above), channel, and the payload's start and end in the run."""

_TUNE: Final = struct.Struct(">IHIH").unpack_from
_TUNE_BYTES: Final = 12
"""Size of the payload of connection.tune and tune-ok: key, channel_max, frame_max, heartbeat."""
_HEADER: Final = struct.Struct(">BHI").unpack_from
_NAME: Final = b"AMQP"
_TLS_HANDSHAKE: Final = b"\x16\x03"
_TLS_HELLOS: Final = (1, 2)
"""Types of the handshake messages that come first: ClientHello, ServerHello (RFC 8446, 4)."""
_NO_FRAME: Final = "no AMQP frame where one should begin"
_PROTOCOLS: Final = {
    b"\x00\x01\x00\x00": "AMQP 1.0",
    b"\x03\x01\x00\x00": "AMQP 1.0 (SASL)",
    b"\x02\x01\x00\x00": "AMQP 1.0 (TLS)",
    b"\x01\x01\x00\x0a": "AMQP 0-10",
    b"\x00\x00\x09\x00": "AMQP 0-9",
    b"\x01\x01\x08\x00": "AMQP 0-8",
    b"\x01\x01\x00\x09": "AMQP 0-9",
}
"""What follows ``AMQP`` in the headers of the protocol's other versions."""


class Note(msgspec.Struct, gc=False):
    """What a `LOST` or `FOREIGN` frame says."""

    reason: str
    """Why bytes were passed over, or which protocol it is."""
    passed_over: int
    """Bytes since the last frame, or 0 where nothing is lost but the proof had to be waited for."""
    released: int
    """The packet with which this was known; what follows in the run was not readable before."""


class Run(msgspec.Struct, gc=False):
    """Bytes of one direction with the packets that they came in (see `dissector.net.StreamData`)."""

    data: bytes
    ends: list[int]
    numbers: list[int]
    completed: list[int]
    times_ns: list[int]
    released: int
    """The packet at which bytes held behind a hole came free; else 0."""
    notes: list[Note]

    def at(self, offset: int) -> int:
        """Give the index, in ``numbers`` and its like, of the packet that carries the byte at ``offset``."""
        return bisect_right(self.ends, offset)


EMPTY: Final = Run(b"", [], [], [], [], 0, [])
"""No bytes."""


class FrameReader:
    """Reads the frames of one direction of a connection."""

    def __init__(self) -> None:
        self.skipped = 0
        """Bytes that belong to no frame, so far."""
        self._held: list[StreamData] = []
        self._held_bytes = 0
        self._need = 1
        self._most = {
            FRAME_METHOD: limits.RESYNC_FRAME_BYTES,
            FRAME_HEADER: limits.RESYNC_FRAME_BYTES,
            FRAME_BODY: limits.FRAME_BYTES,
            FRAME_HEARTBEAT: 0,
        }
        """Largest payload that is believed, by the kind of frame."""
        self._in_step = False
        self._is_first = True
        """Whether nothing was read yet: the stream may begin with the header of a protocol."""
        self._at_hole = True
        """Whether the bytes held begin where a frame may begin although no 0xCE stands before them."""
        self._foreign = False
        self._passed_over = 0
        self._lost_with = 0
        """The packet with which the loss of step was known."""
        self._reason = "the capture begins inside a frame"

    def feed(self, event: StreamData) -> tuple[Run, list[Frame]]:
        """Take the next bytes; give the frames that they complete, with the bytes that these lie in."""
        if self._foreign:
            self.skipped += len(event.data)
            return EMPTY, []
        self._held.append(event)
        self._held_bytes += len(event.data)
        if self._held_bytes < self._need:
            return EMPTY, []
        run = self._run()
        frames: list[Frame] = []
        pos = 0
        if self._is_first:
            pos = self._begin(run, frames, at_start=self._held[0].at_start)
            if pos < 0:
                self._need = len(PROTOCOL_HEADER)
                return EMPTY, []
            self._is_first = False
        if not self._foreign:
            pos = self._read(run, pos, frames)
        self._keep(run, pos)
        return run, frames

    def gap(self, number: int) -> tuple[Run, list[Frame]]:
        """Learn, with packet ``number``, that the bytes after those fed are missing (or that no more come).

        What is held of a frame can no longer be completed; a frame that only waited to be confirmed comes out.
        """
        frames: list[Frame] = []
        run = EMPTY
        pos = 0
        if self._held and not self._foreign:
            run = self._run()
            if not self._in_step:
                self._lost_with = number
                pos = self._read(run, 0, frames, is_last=True)
        self._pass_over(pos, self._held_bytes)
        self._held.clear()
        self._held_bytes = 0
        self._need = 1
        self._in_step = False
        self._is_first = False
        self._at_hole = True
        self._lost_with = 0
        self._reason = "bytes are missing"
        return run, frames

    def unread(self) -> int:
        """Give the bytes passed over since the last frame that no `LOST` has told of, and take them as told."""
        passed_over, self._passed_over = self._passed_over, 0
        return passed_over

    def _read(self, run: Run, pos: int, frames: list[Frame], *, is_last: bool = False) -> int:
        """Read what can be read from ``pos`` on, in step or not; give how far that is."""
        while True:
            if not self._in_step:
                pos = self._search(run, pos, frames, is_last=is_last)
                if not self._in_step:
                    return pos
            pos = self._walk(run, pos, frames)
            if self._in_step:
                return pos

    # -- in step ---------------------------------------------------------------------------------------

    def _walk(self, run: Run, pos: int, frames: list[Frame]) -> int:
        """Read frames from ``pos`` on; give where the first one that is not whole begins."""
        data = run.data
        size_of_data = len(data)
        append = frames.append
        most = self._most
        self._need = FRAME_HEADER_BYTES
        while pos + FRAME_HEADER_BYTES < size_of_data:
            kind, channel, size = _HEADER(data, pos)
            end = pos + FRAME_HEADER_BYTES + size
            if size > most.get(kind, -1):
                self._lost_with = run.completed[run.at(pos + FRAME_HEADER_BYTES)]
                break
            if end >= size_of_data:
                self._need = end + 1 - pos
                return pos
            if data[end] != FRAME_END:
                self._lost_with = run.completed[run.at(end)]
                break
            append((kind, channel, pos + FRAME_HEADER_BYTES, end))
            if channel == 0 and size == _TUNE_BYTES:
                self._negotiate(data, pos + FRAME_HEADER_BYTES)
            pos = end + 1
        else:
            self._need = FRAME_HEADER_BYTES + 1
            return pos
        self._in_step = False
        self._at_hole = False
        self._reason = _NO_FRAME
        return pos

    def _negotiate(self, data: bytes, start: int) -> None:
        """Learn frame_max from connection.tune, which the broker offers, or tune-ok, which the client settles on."""
        key, _, frame_max, _ = _TUNE(data, start)
        if key in (CONNECTION_TUNE, CONNECTION_TUNE_OK) and frame_max:
            size = max(frame_max, FRAME_MIN_SIZE) - FRAME_OVERHEAD_BYTES
            for kind in (FRAME_METHOD, FRAME_HEADER, FRAME_BODY):
                self._most[kind] = min(self._most[kind], size)

    # -- out of step -----------------------------------------------------------------------------------

    def _begin(self, run: Run, frames: list[Frame], *, at_start: bool) -> int:
        """Read how the stream begins; give where frames may begin, or -1 where more bytes are needed to tell."""
        data = run.data
        if len(data) < len(PROTOCOL_HEADER) and (
            data.startswith(_NAME[: len(data)]) or data.startswith(_TLS_HANDSHAKE[: len(data)])
        ):
            return -1
        # The second byte of the version and the record's length may be anything (RFC 8446, 5.1).
        if data.startswith(_TLS_HANDSHAKE) and data[5] in _TLS_HELLOS:
            return self._give_up(run, "TLS", frames)
        if not data.startswith(_NAME):
            # A broker answers with frames; whatever else stands here is searched for them.
            if at_start:
                self._in_step = data[0] in FRAME_TYPES
                self._reason = _NO_FRAME
            return 0
        if data.startswith(PROTOCOL_HEADER):
            self._in_step = True
            frames.append((PROTOCOL, 0, 0, len(PROTOCOL_HEADER)))
            return len(PROTOCOL_HEADER)
        version = _PROTOCOLS.get(data[4:8])
        if version is None and not at_start:
            return 0  # the middle of a start-ok, say: AMQPLAIN
        return self._give_up(run, version or "AMQP of an unknown version", frames)

    def _give_up(self, run: Run, protocol: str, frames: list[Frame]) -> int:
        self._foreign = True
        self.skipped += len(run.data)
        run.notes.append(Note(protocol, 0, 0))
        frames.append((FOREIGN, len(run.notes) - 1, 0, len(PROTOCOL_HEADER)))
        return len(run.data)

    def _search(self, run: Run, pos: int, frames: list[Frame], *, is_last: bool) -> int:
        """Look for a beginning from ``pos`` on; give it, or where to look again when more bytes are there."""
        data = run.data
        begin = pos
        seen = 0
        if not self._at_hole:
            pos = data.find(FRAME_END, pos) + 1 or len(data) + 1
        while pos <= len(data):
            is_frame, proof = _confirm(data, pos, is_last=is_last)
            seen = max(seen, proof)
            if is_frame:
                self._pass_over(begin, pos)
                self._found(run, pos, run.completed[run.at(min(seen, len(data)) - 1)], frames)
                return pos
            if is_frame is None and not is_last:
                # Held bytes are looked at again from the same candidate; it needs no 0xCE before it.
                self._at_hole = True
                self._need = proof - pos
                self._pass_over(begin, pos)
                return pos
            pos = data.find(FRAME_END, pos) + 1 or len(data) + 1
        self._at_hole = False
        self._need = 1
        self._pass_over(begin, len(data))
        return len(data)

    def _pass_over(self, begin: int, end: int) -> None:
        self.skipped += end - begin
        self._passed_over += end - begin

    def _found(self, run: Run, pos: int, confirmed_with: int, frames: list[Frame]) -> None:
        """Be in step from ``pos`` on, as is known with packet ``confirmed_with``."""
        run.notes.append(Note(self._reason, self._passed_over, max(confirmed_with, self._lost_with)))
        frames.append((LOST, len(run.notes) - 1, pos, pos))
        self._in_step = True
        self._passed_over = 0

    # -- bytes held from call to call --------------------------------------------------------------------

    def _run(self) -> Run:
        if len(self._held) == 1:
            (only,) = self._held
            return Run(only.data, only.ends, only.numbers, only.completed, only.times_ns, only.released, [])
        ends: list[int] = []
        numbers: list[int] = []
        completed: list[int] = []
        times_ns: list[int] = []
        base = 0
        for event in self._held:
            ends += [base + end for end in event.ends] if base else event.ends
            base += len(event.data)
            numbers += event.numbers
            completed += event.completed
            times_ns += event.times_ns
        data = b"".join([event.data for event in self._held])
        return Run(data, ends, numbers, completed, times_ns, self._held[-1].released, [])

    def _keep(self, run: Run, pos: int) -> None:
        """Hold the bytes from ``pos`` on until more come."""
        last = self._held[-1]
        self._held.clear()
        self._held_bytes = len(run.data) - pos
        if self._held_bytes:
            first = run.at(pos)
            self._held.append(
                StreamData(
                    last.connection,
                    last.from_client,
                    False,
                    run.data[pos:],
                    [end - pos for end in run.ends[first:]],
                    run.numbers[first:],
                    run.completed[first:],
                    run.times_ns[first:],
                    0,
                )
            )


def _confirm(data: bytes, pos: int, *, is_last: bool) -> tuple[bool | None, int]:
    """Tell whether a frame begins at ``pos``, None where more bytes must tell; and where the bytes end that prove
    it, or that are needed.

    ``is_last`` says that no more bytes come: then a whole frame is proof enough.
    """
    start = pos + FRAME_HEADER_BYTES
    if start > len(data):
        return None, start
    kind, channel, size = _HEADER(data, pos)
    if not _plausible(kind, channel, size) or kind == FRAME_BODY:
        return False, start
    known = _KNOWN.get(kind)
    if known is not None:
        # What is no frame shows it here, nearly always: a long wait for its end is for true ones.
        if start + 4 > len(data):
            return None, start + 4
        if data[start : start + 4] not in known:
            return False, start + 4
    end = start + size
    if end >= len(data):
        return None, end + 1
    if data[end] != FRAME_END:
        return False, end + 1
    try:
        if kind == FRAME_METHOD:
            decode_method(data, start, end)
        elif kind == FRAME_HEADER:
            decode_content_header(data, start, end)
    except MalformedPayload:
        return False, end + 1
    following = end + 1
    proof = following + FRAME_HEADER_BYTES
    if proof > len(data):
        return True if is_last else None, proof
    return _plausible(*_HEADER(data, following)), proof


_KNOWN: Final = {
    FRAME_METHOD: frozenset(key.to_bytes(4, "big") for key in DECODERS),
    # Class basic, weight 0: no other content exists.
    FRAME_HEADER: frozenset([(BasicPublish.CLASS_ID << 16).to_bytes(4, "big")]),
}
"""The first four octets of a payload that may be one."""


def _plausible(kind: int, channel: int, size: int) -> bool:
    """Tell whether a frame header may be one (heartbeats are empty and on channel 0: clause 4.2.7)."""
    if kind == FRAME_HEARTBEAT:
        return channel == 0 and size == 0
    if kind == FRAME_METHOD:
        return 4 <= size <= limits.RESYNC_FRAME_BYTES
    if kind == FRAME_HEADER:
        return channel != 0 and CONTENT_HEADER_BYTES <= size <= limits.RESYNC_FRAME_BYTES
    return kind == FRAME_BODY and channel != 0 and size <= limits.RESYNC_FRAME_BYTES
