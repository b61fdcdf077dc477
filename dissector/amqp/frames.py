"""From the bytes of one direction to AMQP frames (AMQP 0-9-1, clause 4.2.3), from wherever the bytes begin.

While in step, a frame begins where the one before it ended; so it does behind a hole within a frame whose header was
seen, for that says where the frame ends. Out of step (the capture begins inside a frame, a hole took the header of
one, or the bytes are no frames), a beginning is looked for: `dissector.amqp.resync`.
"""

import struct
from typing import Final

from dissector import limits
from dissector.amqp._methods import CONNECTION_TUNE, CONNECTION_TUNE_OK
from dissector.amqp.constants import (
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
from dissector.amqp.foreign import foreign_protocol, is_too_short
from dissector.amqp.resync import HEADER, Search
from dissector.amqp.runs import EMPTY, UNKNOWN, Note, Run
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
_NO_FRAME: Final = "no AMQP frame where one should begin"


class FrameReader:
    """Reads the frames of one direction of a connection."""

    __slots__ = (
        "_at_hole",
        "_cut",
        "_cut_channel",
        "_foreign",
        "_held",
        "_in_step",
        "_is_first",
        "_lost_with",
        "_need",
        "_negotiated",
        "_passed_over",
        "_reason",
        "_search",
        "_unseen",
        "held_bytes",
        "skipped",
    )

    def __init__(self) -> None:
        self.skipped = 0
        """Bytes that belong to no frame, so far."""
        self._held: list[StreamData] = []
        self.held_bytes = 0
        """Bytes of frames that are not whole yet."""
        self._need = 1
        self._negotiated = UNKNOWN
        """Largest payload by the frame_max that was negotiated."""
        self._in_step = False
        self._is_first = True
        """Whether nothing was read yet, of this connection: it may begin with the header of a protocol."""
        self._at_hole = True
        """Whether the bytes held begin where a frame may begin although no 0xCE stands before them."""
        self._foreign = False
        self._passed_over = 0
        self._lost_with = (0, 0)
        self._unseen = 0
        """Bytes of holes since the last frame in which frames may have been, or more than `UNKNOWN`."""
        self._cut = 0
        """Bytes that come of a frame with a hole in it, its end octet included; 0 where there is none."""
        self._cut_channel = 0
        self._search = Search()
        self._reason = "the capture begins inside a frame"

    @property
    def oldest_held(self) -> int | None:
        """The lowest packet of which frames may yet come that its bytes, held now, do not show; None where none may."""
        return self._held[0].completed[0] if self._held and (not self._in_step or self._cut) else None

    def feed(self, event: StreamData) -> tuple[Run, list[Frame]]:
        """Take the next bytes; give the frames that they complete, with the bytes that these lie in."""
        if self._foreign:
            self.skipped += len(event.data)
            return EMPTY, []
        self._held.append(event)
        self.held_bytes += len(event.data)
        if self.held_bytes < self._need:
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

    def gap(self, size: int | None) -> tuple[Run, list[Frame], int | None]:
        """Learn that ``size`` bytes after those fed are missing, or nobody knows how many.

        Gives, as `feed` does, frames that only waited to be confirmed, and the channel of the frame that the hole
        cuts; None where that is not known.
        """
        run, frames = self.pause()
        if size is None:
            # It may be another connection, from its beginning on, and with another frame_max.
            self._negotiated = UNKNOWN
        missing = UNKNOWN if size is None else size
        begun = self._begun()
        if begun is None:
            self._pass_over(0, self.held_bytes)
            left = 0
        else:
            self._cut_channel, left = begun
            self.skipped += self.held_bytes
        self._cut = max(left - missing, 0)
        if begun is None or missing > left:
            self._lose_step(missing - left)
        self._held.clear()
        self.held_bytes = 0
        self._need = max(self._cut, 1)
        self._is_first = size is None
        return run, frames, None if begun is None else self._cut_channel

    def pause(self) -> tuple[Run, list[Frame]]:
        """Learn that more bytes may not come: a frame that only waited to be confirmed comes out."""
        if self._in_step or self._cut or self._foreign or not self._held:
            return EMPTY, []
        run = self._run()
        place = self._search.find(run.data, 0, run.ends, at_hole=self._at_hole, is_last=True)
        if not place.is_frame:
            return EMPTY, []
        frames: list[Frame] = []
        self._pass_over(0, place.pos)
        self._found(run, place.pos, frames)
        self._keep(run, self._read(run, place.pos, frames, is_last=True))
        return run, frames

    def _begun(self) -> tuple[int, int] | None:
        """Give, of the frame that is held in part, the channel and how many bytes are still to come with its end
        octet; None where its header is not held.
        """
        if self._cut:
            return self._cut_channel, self._cut - self.held_bytes
        if not self._in_step or self.held_bytes < FRAME_HEADER_BYTES:
            return None
        begin = self._held[0].data
        if len(begin) < FRAME_HEADER_BYTES:
            begin = b"".join([event.data for event in self._held])
        kind, channel, size = HEADER(begin)
        if size > self._most().get(kind, -1):
            return None
        return channel, FRAME_HEADER_BYTES + size + 1 - self.held_bytes

    def _lose_step(self, unseen: int) -> None:
        self._in_step = False
        self._at_hole = True
        self._reason = "bytes are missing"
        self._unseen += unseen

    def unread(self) -> int:
        """Give the bytes passed over since the last frame that no `LOST` has told of, and take them as told."""
        passed_over, self._passed_over = self._passed_over, 0
        return passed_over

    def _read(self, run: Run, pos: int, frames: list[Frame], *, is_last: bool = False) -> int:
        """Read what can be read from ``pos`` on, in step or not; give how far that is."""
        if self._cut:
            pos = self._mend(run)
        while True:
            if not self._in_step:
                pos = self._look(run, pos, frames, is_last=is_last)
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
        most = self._most()
        self._need = FRAME_HEADER_BYTES
        while pos + FRAME_HEADER_BYTES < size_of_data:
            kind, channel, size = HEADER(data, pos)
            end = pos + FRAME_HEADER_BYTES + size
            if size > most.get(kind, -1):
                self._lost_with = run.when(pos + FRAME_HEADER_BYTES)
                break
            if end >= size_of_data:
                self._need = end + 1 - pos
                return pos
            if data[end] != FRAME_END:
                self._lost_with = run.when(end)
                break
            append((kind, channel, pos + FRAME_HEADER_BYTES, end))
            if channel == 0 and size == _TUNE_BYTES:
                self._negotiate(data, pos + FRAME_HEADER_BYTES)
                most = self._most()
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
            self._negotiated = min(self._negotiated, max(frame_max, FRAME_MIN_SIZE) - FRAME_OVERHEAD_BYTES)

    def _most(self) -> dict[int, int]:
        """Give the largest payload that is believed, by the kind of frame."""
        size = self._negotiated
        most = min(size, limits.RESYNC_FRAME_BYTES)
        return {FRAME_METHOD: most, FRAME_HEADER: most, FRAME_BODY: min(size, limits.FRAME_BYTES), FRAME_HEARTBEAT: 0}

    # -- out of step -----------------------------------------------------------------------------------

    def _begin(self, run: Run, frames: list[Frame], *, at_start: bool) -> int:
        """Read how the stream begins; give where frames may begin, or -1 where more bytes are needed to tell."""
        data = run.data
        if is_too_short(data):
            return -1
        protocol = foreign_protocol(data, at_start=at_start)
        if protocol is not None:
            return self._give_up(run, protocol, frames)
        if data.startswith(PROTOCOL_HEADER):
            if self._unseen:
                self._found(run, 0, frames)
            self._in_step = True
            frames.append((PROTOCOL, 0, 0, len(PROTOCOL_HEADER)))
            return len(PROTOCOL_HEADER)
        # A broker answers with frames; whatever else stands here is searched for them.
        if at_start:
            self._in_step = data[0] in FRAME_TYPES
            self._reason = _NO_FRAME
        return 0

    def _give_up(self, run: Run, protocol: str, frames: list[Frame]) -> int:
        self._foreign = True
        self.skipped += len(run.data)
        run.notes.append(Note(protocol, 0, 0, (0, 0)))
        frames.append((FOREIGN, len(run.notes) - 1, 0, len(PROTOCOL_HEADER)))
        return len(run.data)

    def _mend(self, run: Run) -> int:
        """Go on behind the frame with a hole in it; give where."""
        end, self._cut = self._cut, 0
        if run.data[end - 1] == FRAME_END:
            self.skipped += end
            return end
        # Its header was none, or the hole has another size: what was taken for its rest may be anything.
        self._lose_step(UNKNOWN)
        return 0

    def _look(self, run: Run, pos: int, frames: list[Frame], *, is_last: bool) -> int:
        """Look for a beginning from ``pos`` on; give it, or where to look again when more bytes are there."""
        place = self._search.find(run.data, pos, run.ends, at_hole=self._at_hole, is_last=is_last)
        self._pass_over(pos, place.pos)
        if place.is_frame:
            self._found(run, place.pos, frames)
        elif place.is_frame is None:
            # Held bytes are looked at again from the same candidate; it needs no 0xCE before it.
            self._at_hole = True
            # To join what is held costs time: it must grow for that, for candidates may each need a little more.
            held = len(run.data) - place.pos
            self._need = max(place.need - place.pos, held + held // 8 if held > limits.RESYNC_JOINED_BYTES else 0)
        else:
            self._at_hole = False
            self._need = 1
        return place.pos

    def _pass_over(self, begin: int, end: int) -> None:
        self.skipped += end - begin
        self._passed_over += end - begin

    def _found(self, run: Run, pos: int, frames: list[Frame]) -> None:
        """Be in step from ``pos`` on."""
        unseen = self._unseen + self._passed_over
        run.notes.append(Note(self._reason, self._passed_over, unseen, self._lost_with))
        self._lost_with = (0, 0)
        frames.append((LOST, len(run.notes) - 1, pos, pos))
        self._in_step = True
        self._passed_over = self._unseen = 0

    # -- bytes held from call to call --------------------------------------------------------------------

    def _run(self) -> Run:
        if len(self._held) == 1:
            (only,) = self._held
            return Run(only.data, only.ends, only.numbers, only.completed, only.times_ns, [])
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
        return Run(data, ends, numbers, completed, times_ns, [])

    def _keep(self, run: Run, pos: int) -> None:
        """Hold the bytes from ``pos`` on until more come."""
        last = self._held[-1]
        self._held.clear()
        self.held_bytes = len(run.data) - pos
        if self.held_bytes:
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
                )
            )
