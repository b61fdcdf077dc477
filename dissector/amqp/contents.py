"""From frames to methods and whole messages: one direction of a connection, channel by channel.

Content frames of one channel follow their method without another method in between (AMQP 0-9-1, clause 4.2.6);
those of other channels, and heartbeats, may stand among them.
"""

from collections.abc import Callable

from dissector import limits
from dissector.amqp._methods import Method, Properties
from dissector.amqp.constants import (
    FRAME_BODY,
    FRAME_HEADER,
    FRAME_HEADER_BYTES,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
)
from dissector.amqp.events import LEGS, AmqpConnection, AmqpEvent, ContentMethod, Event, Message
from dissector.amqp.frames import EMPTY, FOREIGN, LOST, PROTOCOL, Frame, Note, Run
from dissector.amqp.malformed import MalformedPayload
from dissector.amqp.methods import decode_method
from dissector.amqp.properties import decode_content_header
from dissector.net import Malformed

Ordered = tuple[int, AmqpEvent]
"""An event behind the packet with which it came out; events are merged by it."""


class _Content:
    """A message whose frames are still coming."""

    __slots__ = ("begin", "body_size", "have", "method", "numbers", "pieces", "properties", "stop")

    def __init__(self, method: ContentMethod, begin: int, stop: int) -> None:
        self.method = method
        self.begin, self.stop = begin, stop
        """The stretch of the current run that holds its last frames in one piece."""
        self.numbers: list[int] = []
        """Packets of the stretches before that."""
        self.properties: Properties | None = None
        self.body_size = 0
        self.have = 0
        self.pieces: list[bytes] = []

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

    def __init__(self, connection: AmqpConnection, from_client: bool) -> None:
        self.connection = connection
        self.from_client = from_client
        self._open: dict[int, _Content] = {}
        self._orphans: set[int] = set()
        """Channels where content came without its method, told once."""
        self._run = EMPTY
        self._floor = 0
        """The packet before which nothing of the run could be read (`Run.released`, `Note.released`)."""
        self._found: list[Ordered] = []

    def feed(self, run: Run, frames: list[Frame]) -> list[Ordered]:
        """Take the next frames; give methods, messages and what is wrong, in stream order."""
        self._run, self._floor = run, run.released
        found: list[Ordered] = []
        self._found = found
        for kind, channel, start, end in frames:
            if kind == FRAME_METHOD:
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
        for content in self._open.values():
            content.settle(run)
        self._run = EMPTY
        return found

    def gap(self, number: int, time_ns: int, reason: str) -> list[Ordered]:
        """Learn, with packet ``number``, that bytes are missing: what was coming is told with what is known of it."""
        tcp = self.connection.tcp
        found: list[Ordered] = [
            (number, Malformed("amqp", tcp, self.from_client, number, time_ns, None, f"{content.known()}: {reason}"))
            for content in self._open.values()
        ]
        self._open.clear()
        self._orphans.clear()
        return found

    # -- frames ----------------------------------------------------------------------------------------

    def _method(self, channel: int, start: int, end: int) -> None:
        unfinished = self._open.pop(channel, None)
        if unfinished is not None:
            self._malformed(end, None, f"{unfinished.known()}: another method came before its end")
        try:
            method = decode_method(self._run.data, start, end)
        except MalformedPayload:
            self._undecodable(decode_method, start, end)
            return
        if not isinstance(method, ContentMethod):
            self._event(end, channel, method.NAME, method)
        elif len(self._open) < limits.CHANNELS:
            self._orphans.discard(channel)
            self._open[channel] = _Content(method, start - FRAME_HEADER_BYTES, end + 1)
        else:
            self._malformed(
                end, None, f"more than {limits.CHANNELS} channels with unfinished messages: one is left out"
            )

    def _header(self, channel: int, start: int, end: int) -> None:
        content = self._open.get(channel)
        if content is None or content.properties is not None:
            self._orphan(channel, end, "header")
            return
        try:
            content.body_size, content.properties = decode_content_header(self._run.data, start, end)
        except MalformedPayload:
            del self._open[channel]
            self._undecodable(decode_content_header, start, end)
            return
        content.extend(self._run, start, end)
        if content.body_size == 0:
            self._complete(channel, content, end)

    def _body(self, channel: int, start: int, end: int) -> None:
        content = self._open.get(channel)
        if content is None or content.properties is None:
            self._orphan(channel, end, "body")
            return
        if start == end:
            return  # allowed, and says nothing
        if content.body_size <= limits.BODY_BYTES:
            content.extend(self._run, start, end)
            content.pieces.append(self._run.data[start:end])
        content.have += end - start
        if content.have >= content.body_size:
            self._complete(channel, content, end)

    def _lost(self, note: Note, start: int) -> None:
        self._floor = max(self._floor, note.released)
        for content in self._open.values():
            self._malformed(start, None, f"{content.known()}: {note.reason}")
        self._open.clear()
        self._orphans.clear()
        if note.passed_over:
            self._malformed(start, None, f"{note.reason}: {note.passed_over} bytes passed over")

    def _orphan(self, channel: int, end: int, what: str) -> None:
        """Tell, once until the next content of the channel, of content whose method was not seen."""
        if channel not in self._orphans and len(self._orphans) < limits.CHANNELS:
            self._orphans.add(channel)
            self._malformed(end, None, f"content {what} without its method on channel {channel}")

    # -- events ----------------------------------------------------------------------------------------

    def _complete(self, channel: int, content: _Content, end: int) -> None:
        """Make the message whose last frame's payload ends at ``end``."""
        del self._open[channel]
        run = self._run
        if content.have != content.body_size:
            self._malformed(end, None, f"{content.known()}: a body frame goes beyond its end")
            return
        if content.body_size > limits.BODY_BYTES:
            self._malformed(end, None, f"{content.known()}: over the limit of {limits.BODY_BYTES} bytes")
            return
        first, last = run.at(content.begin), run.at(end)
        if first == last and not content.numbers:
            numbers: tuple[int, ...] = (run.numbers[last],)
        else:
            numbers = tuple(sorted({*content.numbers, *run.numbers[first : last + 1]}))
        assert content.properties is not None
        number = run.completed[last]
        message = Message(
            self.connection,
            self.from_client,
            LEGS[type(content.method)],
            number,
            numbers,
            run.times_ns[last],
            channel,
            content.method,
            content.properties,
            content.pieces[0] if len(content.pieces) == 1 else b"".join(content.pieces),
        )
        self._found.append((max(number, self._floor), message))

    def _event(
        self, at: int, channel: int, name: str, method: Method | None = None, *, detail: str | None = None
    ) -> None:
        packet = self._run.at(at)
        number, time_ns = self._run.completed[packet], self._run.times_ns[packet]
        event = Event(self.connection, self.from_client, number, time_ns, channel, name, method, detail)
        self._found.append((max(number, self._floor), event))

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
        packet = self._run.at(at)
        number, time_ns = self._run.completed[packet], self._run.times_ns[packet]
        problem = Malformed("amqp", self.connection.tcp, self.from_client, number, time_ns, offset, reason)
        self._found.append((max(number, self._floor), problem))
