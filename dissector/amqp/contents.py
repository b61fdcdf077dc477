"""From frames to methods and whole messages: one direction of a connection, channel by channel.

Content frames of one channel follow their method without another method in between (AMQP 0-9-1, clause 4.2.6);
those of other channels, and heartbeats, may stand among them.
"""

from bisect import bisect_right
from collections.abc import Callable
from typing import Final, cast

from dissector import limits
from dissector.amqp._methods import BasicAck, Method, Properties
from dissector.amqp.constants import (
    FRAME_BODY,
    FRAME_HEADER,
    FRAME_HEADER_BYTES,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    FRAME_OVERHEAD_BYTES,
)
from dissector.amqp.events import LEGS, AmqpConnection, AmqpEvent, ContentMethod, Event, Message
from dissector.amqp.frames import FOREIGN, LOST, PROTOCOL, Frame
from dissector.amqp.malformed import MalformedPayload
from dissector.amqp.methods import decode_method
from dissector.amqp.properties import decode_content_header
from dissector.amqp.runs import EMPTY, Note, Run
from dissector.amqp.straight import ACK_BYTES, STRAIGHT_FRAMES, Content, straight, straight_ack
from dissector.net import Malformed

_NOTHING: Final[list[AmqpEvent]] = []
"""Stands for what was found where nothing is looked for; it stays empty."""
_MAY_BE_ANOTHER: Final = "and what comes after may be of another message"


class _Content:
    """A message whose frames are still coming."""

    __slots__ = (
        "begin",
        "body_size",
        "channel",
        "have",
        "method",
        "numbers",
        "overhead",
        "pieces",
        "properties",
        "seen_all_to",
        "stop",
        "told",
    )

    def __init__(self, method: ContentMethod, channel: int, frame: tuple[int, int], seen_all_to: int) -> None:
        self.method = method
        self.channel = channel
        begin, stop = frame
        self.overhead = stop - begin
        """Bytes of its method and header frames."""
        self.begin, self.stop = begin, stop
        """The stretch of the current run that holds its last frames in one piece."""
        self.numbers: list[int] = []
        """Packets of the stretches before that."""
        self.properties: Properties | None = None
        self.body_size = 0
        self.have = 0
        self.pieces: list[bytes] = []
        self.seen_all_to = seen_all_to
        """`ContentReader._unseen` at its method."""
        self.told = False
        """Whether it was told that no more comes."""

    def extend(self, run: Run, start: int, end: int) -> None:
        """Count a frame in, whose payload is ``start`` to ``end`` in the run."""
        begin = start - FRAME_HEADER_BYTES
        if begin != self.stop:
            self.settle(run)
            self.begin = begin
        self.stop = end + 1

    def settle(self, run: Run) -> None:
        """Note the packets of the stretch of the run that is behind."""
        if self.stop > self.begin:
            self.numbers += run.numbers[run.at(self.begin) : run.at(self.stop - 1) + 1]
        self.begin = self.stop = -1

    def known(self) -> str:
        """Say what there is of it."""
        method = self.method
        text = f"{method.NAME} to exchange {method.exchange!r}, routing key {method.routing_key!r}"
        if self.properties is None:
            return text + ": no content header"
        return f"{text}: {self.have} of {self.body_size} body bytes"


class ContentReader:
    """Puts the messages of one direction together."""

    __slots__ = (
        "_floor",
        "_found",
        "_in_run",
        "_latest",
        "_mixes",
        "_open",
        "_orphans",
        "_run",
        "_unseen",
        "_unseen_because",
        "connection",
        "from_client",
        "held_bytes",
    )

    def __init__(self, connection: AmqpConnection, from_client: bool) -> None:
        self.connection = connection
        self.from_client = from_client
        self.held_bytes = 0
        """Bytes of bodies that are not whole yet."""
        self._open: dict[int, _Content] = {}
        self._latest: _Content | None = None
        """The message that began last."""
        self._unseen = 0
        """Bytes so far in which there may have been frames that were not seen (`runs.Note`)."""
        self._unseen_because = ""
        self._mixes = False
        """Whether frames of one channel were seen within a message of another."""
        self._orphans: dict[int, None] = {}
        """Channels where content came without its method, told once. (An empty set would take three times the room.)"""
        self._run = EMPTY
        self._floor = (0, 0)
        """The packet, and its time, before which nothing of the run was readable (`runs.Note`)."""
        self._in_run: list[_Content] = []
        """The messages of which there are frames in the run."""
        self._found = _NOTHING

    def feed(self, run: Run, frames: list[Frame]) -> list[AmqpEvent]:
        """Take the next frames; give methods, messages and what is wrong, in stream order."""
        self._run, self._floor = run, (0, 0)
        found: list[AmqpEvent] = []
        self._found = found
        at, last = 0, len(frames)
        while at < last:
            kind, channel, start, end = frames[at]
            if kind == FRAME_METHOD:
                if self._open:
                    self._method(channel, start, end)
                elif end - start == ACK_BYTES and (ack := straight_ack(run.data, start)) is not None:
                    self._event(end, channel, BasicAck.NAME, ack)
                elif (content := straight(run, frames, at)) is not None:
                    self._tell_straight(content, channel, start, frames[at + 2][3])
                    at += STRAIGHT_FRAMES
                    continue
                else:
                    self._method(channel, start, end)
            elif kind == FRAME_HEADER:
                self._header(channel, start, end)
            elif kind == FRAME_BODY:
                self._body(channel, start, end)
            elif kind == FRAME_HEARTBEAT:
                self._event(end, channel, "heartbeat")
            elif kind == PROTOCOL:
                self._event(end - 1, 0, "protocol-header", detail="AMQP 0-9-1")
            elif kind == FOREIGN:
                self._event(end - 1, 0, "foreign", detail=run.notes[channel].reason)
            elif kind == LOST:
                self._lost(run.notes[channel], start)
            at += 1
        for coming in self._in_run:
            coming.settle(run)
        self._in_run.clear()
        self._run = EMPTY
        self._found = _NOTHING
        return found

    def cut(self, channel: int, number: int, time_ns: int, reason: str) -> list[AmqpEvent]:
        """Learn, with packet ``number``, that a frame of a channel is not whole: what was coming there is told."""
        content = self._close(channel)
        return [] if content is None else [self._broken_off(content, number, time_ns, reason)]

    def end(self, number: int, time_ns: int, reason: str) -> list[AmqpEvent]:
        """Learn, with packet ``number``, that no more comes: what was coming is told with what is known of it.

        It is not forgotten: a RST or a FIN may prove not to be the end.
        """
        self._orphans.clear()
        return [
            self._broken_off(content, number, time_ns, reason) for content in self._open.values() if not content.told
        ]

    def drop(self, number: int, time_ns: int, reason: str) -> list[AmqpEvent]:
        """Forget, with packet ``number``, what was coming; it is told with what is known of it."""
        found = self.end(number, time_ns, reason)
        self._open.clear()
        self.held_bytes = 0
        return found

    def _broken_off(self, content: _Content, number: int, time_ns: int, reason: str) -> AmqpEvent:
        content.told = True
        text = f"{content.known()}: {reason}"
        return Malformed("amqp", self.connection.tcp, self.from_client, number, time_ns, None, text)

    def _close(self, channel: int) -> _Content | None:
        """Take the message that is coming on a channel out of those that are; None where there is none."""
        content = self._open.pop(channel, None)
        if content is not None and content.pieces:
            self.held_bytes -= content.have + limits.PIECE_BYTES * len(content.pieces)
        if content is self._latest:
            self._latest = None
        if not self._open:
            self._open.clear()  # gives the room of those that were in it back
        return content

    # -- frames ----------------------------------------------------------------------------------------

    def _method(self, channel: int, start: int, end: int) -> None:
        if channel in self._open and (unfinished := self._close(channel)) is not None:
            self._unfinished(unfinished, end, "another method came before its end")
        try:
            method = decode_method(self._run.data, start, end)
        except MalformedPayload:
            self._undecodable(decode_method, start, end)
            return
        if not method.CONTENT:
            self._event(end, channel, method.NAME, method)
        elif len(self._open) < limits.CHANNELS:
            latest = self._latest
            if self._open and latest is not None and not self._mixes:
                self._mixes = self._open.get(latest.channel) is latest and not self._unseen_in(latest)
            self._orphans.pop(channel, None)
            # As `isinstance` with a union of types would tell, at a tenth of its cost for each method of any kind.
            content = _Content(
                cast(ContentMethod, method), channel, (start - FRAME_HEADER_BYTES, end + 1), self._unseen
            )
            self._open[channel] = self._latest = content
            self._in_run.append(content)
        else:
            self._malformed(
                end, None, f"more than {limits.CHANNELS} channels with unfinished messages: one is left out"
            )

    def _header(self, channel: int, start: int, end: int) -> None:
        content = self._open.get(channel)
        if content is not None and content.properties is not None:
            # The method of another message is missing.
            self._close(channel)
            self._unfinished(content, end, "another header came before its end")
            content = None
        if content is None:
            self._orphan(channel, end, "header")
            return
        try:
            content.body_size, content.properties = decode_content_header(self._run.data, start, end)
        except MalformedPayload:
            self._close(channel)
            self._undecodable(decode_content_header, start, end)
            return
        size = end - start + FRAME_OVERHEAD_BYTES
        if self._may_be_another(content, size):
            self._close(channel)
            self._malformed(end, None, f"{content.known()}: {self._unseen_because}, {_MAY_BE_ANOTHER}")
            return
        content.overhead += size
        self._extend(content, start, end)
        if content.body_size == 0:
            self._complete(channel, content, start, end)

    def _body(self, channel: int, start: int, end: int) -> None:
        content = self._open.get(channel)
        if content is None or content.properties is None:
            self._orphan(channel, end, "body")
            return
        if start == end:
            return  # allowed, and says nothing
        if content.body_size <= limits.BODY_BYTES:
            self._extend(content, start, end)
            content.pieces.append(self._run.data[start:end])
            self.held_bytes += end - start + limits.PIECE_BYTES
        content.have += end - start
        if content.have >= content.body_size:
            self._complete(channel, content, start, end)

    def _extend(self, content: _Content, start: int, end: int) -> None:
        if content.stop < 0:
            self._in_run.append(content)
        content.extend(self._run, start, end)

    def _lost(self, note: Note, start: int) -> None:
        self._floor = max(self._floor, note.known_with)
        self._unseen += note.unseen
        self._unseen_because = note.reason
        self._orphans.clear()
        if note.passed_over:
            self._malformed(start, None, f"{note.reason}: {note.passed_over} bytes passed over")

    def _orphan(self, channel: int, end: int, what: str) -> None:
        """Tell, once until the next content of the channel, of content whose method was not seen."""
        if channel not in self._orphans and len(self._orphans) < limits.CHANNELS:
            self._orphans[channel] = None
            self._malformed(end, None, f"content {what} without its method on channel {channel}")

    def _unfinished(self, content: _Content, end: int, reason: str) -> None:
        if not content.told:
            reason = self._unseen_because if self._unseen_in(content) else reason
            self._malformed(end, None, f"{content.known()}: {reason}")

    def _unseen_in(self, content: _Content) -> int:
        """Give the bytes since a message's method in which there may have been frames that were not seen."""
        return self._unseen - content.seen_all_to

    def _may_be_another(self, content: _Content, size: int) -> bool:
        """Tell whether a frame of ``size`` bytes may belong to another message than the one that waits for it, for
        holes may hide the rest of that and the beginning of another as long. Where connections were seen to
        mix the messages of several channels, holes hide theirs.
        """
        return self._unseen_in(content) >= content.overhead + size and not self._mixes

    # -- events ----------------------------------------------------------------------------------------

    def _complete(self, channel: int, content: _Content, start: int, end: int) -> None:
        """Make the message whose last frame's payload ends at ``end``."""
        self._close(channel)
        run = self._run
        if self._may_be_another(content, end - start + FRAME_OVERHEAD_BYTES):
            self._malformed(end, None, f"{content.known()}: {self._unseen_because}, {_MAY_BE_ANOTHER}")
            return
        if content.have != content.body_size:
            self._malformed(end, None, f"{content.known()}: a body frame goes beyond its end")
            return
        if content.body_size > limits.BODY_BYTES:
            self._malformed(end, None, f"{content.known()}: over the limit of {limits.BODY_BYTES} bytes")
            return
        first, last = run.at(content.begin), run.at(end)
        numbers = content.numbers + run.numbers[first : last + 1]
        content.begin = content.stop = -1
        assert content.properties is not None
        body = content.pieces[0] if len(content.pieces) == 1 else b"".join(content.pieces)
        self._tell(last, numbers, channel, (content.method, content.properties, body))

    def _tell_straight(self, content: Content, channel: int, start: int, end: int) -> None:
        """Make the message whose frames go straight from the payload at ``start`` to the one that ends at ``end``."""
        self._orphans.pop(channel, None)
        ends = self._run.ends
        first = bisect_right(ends, start - FRAME_HEADER_BYTES)
        last = bisect_right(ends, end, first)
        self._tell(last, self._run.numbers[first : last + 1], channel, content)

    def _tell(self, last: int, numbers: list[int], channel: int, content: Content) -> None:
        """Make a message that comes in packets with these numbers, the last at index ``last`` of the run."""
        run = self._run
        number, time_ns = run.completed[last], run.times_ns[last]
        if self._floor[0] > number:
            number, time_ns = self._floor
        method, properties, body = content
        message = Message(
            self.connection,
            self.from_client,
            LEGS[type(method)],
            number,
            (numbers[0],) if len(numbers) == 1 else tuple(sorted(set(numbers))),
            time_ns,
            channel,
            method,
            properties,
            body,
        )
        self._found.append(message)

    def _event(
        self, at: int, channel: int, name: str, method: Method | None = None, *, detail: str | None = None
    ) -> None:
        run = self._run
        packet = bisect_right(run.ends, at)
        number, time_ns = run.completed[packet], run.times_ns[packet]
        if self._floor[0] >= number:
            number, time_ns = max((number, time_ns), self._floor)
        event = Event(self.connection, self.from_client, number, time_ns, channel, name, method, detail)
        self._found.append(event)

    def _undecodable(self, decode: Callable[[bytes, int, int], object], start: int, end: int) -> None:
        """Tell what is wrong with a payload. A decoder that runs past its end meets what stands behind it in the
        run, which depends on how packets were cut into batches: so it is asked again with the payload alone.
        """
        payload = self._run.data[start:end]
        try:
            decode(payload, 0, len(payload))
        except MalformedPayload as problem:
            self._malformed(end, problem.offset, problem.reason)

    def _malformed(self, at: int, offset: int | None, reason: str) -> None:
        number, time_ns = max(self._run.when(at), self._floor)
        problem = Malformed("amqp", self.connection.tcp, self.from_client, number, time_ns, offset, reason)
        self._found.append(problem)
