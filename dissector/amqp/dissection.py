"""From the byte streams of all connections to messages and events, in the order of their packets."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Final

from dissector import limits
from dissector.amqp.connection import ConnectionState
from dissector.amqp.contents import ContentReader
from dissector.amqp.counts import AmqpCounts
from dissector.amqp.events import GAP_OF_UNKNOWN_SIZE, AmqpConnection, AmqpEvent, Event, Message
from dissector.amqp.frames import FrameReader
from dissector.amqp.known import Known, KnownConnections
from dissector.amqp.ordering import Entry, InOrder, place
from dissector.bounded import remember
from dissector.net import Connection, Malformed, StreamData, StreamEnd, StreamEvent, StreamGap

_NUMBER: Final = attrgetter("number")


class _Direction:
    """One direction of a connection."""

    __slots__ = ("contents", "ended", "frames", "unfinished")

    def __init__(self, connection: AmqpConnection, from_client: bool) -> None:
        self.frames = FrameReader()
        self.contents = ContentReader(connection, from_client)
        self.ended = False
        self.unfinished = 0
        """Bytes of no whole frame that were counted as skipped at its end."""

    @property
    def held_bytes(self) -> int:
        """Bytes of frames and messages that are not whole yet."""
        return self.frames.held_bytes + self.contents.held_bytes


class _Conversation:
    """Both directions of a connection and what they let one know."""

    __slots__ = ("broker", "client", "state")

    def __init__(self, tcp: Connection, counts: AmqpCounts, known: Known | None) -> None:
        connection = AmqpConnection(tcp)
        self.client = _Direction(connection, True)
        self.broker = _Direction(connection, False)
        self.state = ConnectionState(connection, counts, known)

    @property
    def held_bytes(self) -> int:
        """Bytes of frames and messages that are not whole yet."""
        return self.client.held_bytes + self.broker.held_bytes


class Dissection:
    """Decodes the AMQP of any number of connections.

    ``feed`` takes the stream events of one batch of packets, of all connections, and gives what they complete,
    ordered by packet. Cut batches as you like: the events and their order stay the same.
    """

    def __init__(self, known: KnownConnections | None = None) -> None:
        """``known`` is what was known of connections that go on when the capture begins; it is looked into when a
        connection is first seen.
        """
        self._known: KnownConnections = {} if known is None else known
        self.counts = AmqpCounts()
        self._conversations: dict[int, _Conversation] = {}
        self._closed: OrderedDict[int, _Conversation] = OrderedDict()
        """Those of which both directions have ended, the first ended first: bytes may come all the same."""
        self._searching: dict[FrameReader, None] = {}
        """Those that hold frames which are not proven yet."""
        self._found: list[Entry] = []
        self._serial = 0
        self._in_order = InOrder()
        self._held_bytes = 0

    def feed(self, events: Iterable[StreamEvent], oldest_held: int | None = None, now_ns: int = 0) -> list[AmqpEvent]:
        """Take the stream events of a batch; give messages, events and what is malformed.

        ``oldest_held`` is `dissector.net.Streams.oldest_held` after that batch: events wait for what is held there.
        ``now_ns`` is the time up to which no packet has come, where time passes without packets.
        """
        for event in events:
            stream = event.connection.stream
            conversation = self._conversations.get(stream) or self._closed.get(stream)
            if conversation is None:
                tcp = event.connection
                known = self._known.get((tcp.client, tcp.broker)) if self._known else None
                conversation = _Conversation(tcp, self.counts, known)
                if not isinstance(event, Malformed):
                    # Of a connection that is over, or that has not begun, there is nothing to remember.
                    self._conversations[stream] = conversation
            self._take(conversation, event)
            if isinstance(event, StreamEnd):
                self._ended(stream, conversation)
        held = [oldest for reader in self._searching if (oldest := reader.oldest_held) is not None]
        if oldest_held is not None:
            held.append(oldest_held)
        entries = self._in_order.feed(self._found, min(held, default=None), now_ns)
        self._found = []
        self.counts.untimely = self._in_order.untimely
        found = [event for _, _, event, state in entries if state.feed(event)]
        kinds = Counter(map(type, found))
        self.counts.messages += kinds[Message]
        self.counts.malformed += kinds[Malformed]
        return found

    def _tell(self, conversation: _Conversation, events: Sequence[AmqpEvent]) -> None:
        """Put events of one direction in their place."""
        if events:
            state, serial = conversation.state, self._serial
            first = place(state.connection.tcp.stream, from_client=events[0].from_client) + serial
            places = range(first, first + len(events))
            self._found += zip(map(_NUMBER, events), places, events, repeat(state))
            self._serial = serial + len(events)

    def _take(self, conversation: _Conversation, event: StreamEvent) -> None:
        if isinstance(event, Malformed):
            self._tell(conversation, (event,))
            return
        direction = conversation.client if event.from_client else conversation.broker
        frames = direction.frames
        skipped, held = frames.skipped, direction.held_bytes
        channel: int | None = None
        if direction.ended and not isinstance(event, StreamEnd):
            self._resumed(conversation, direction)
        if isinstance(event, StreamData):
            run, found = frames.feed(event)
        elif isinstance(event, StreamGap):
            run, found, channel = frames.gap(event.size)
        else:
            run, found = frames.pause()
        self.counts.skipped_bytes += frames.skipped - skipped
        if found:
            self.counts.frames += sum([kind > 0 for kind, _, _, _ in found])
            self._tell(conversation, direction.contents.feed(run, found))
        if isinstance(event, StreamGap):
            self._gap(conversation, direction, event, channel)
        elif isinstance(event, StreamEnd):
            self._end(conversation, direction, event)
        if frames.oldest_held is None or direction.ended:
            self._searching.pop(frames, None)
        else:
            self._searching[frames] = None
        self._held_bytes += direction.held_bytes - held
        if self._held_bytes > limits.UNFINISHED_BYTES and isinstance(event, StreamData):
            self._make_room(event.completed[-1], event.times_ns[-1])

    def _ended(self, stream: int, conversation: _Conversation) -> None:
        """Put a connection of which both directions have ended among those that are remembered for a while."""
        if not (conversation.client.ended and conversation.broker.ended):
            return
        self._conversations.pop(stream, None)
        forgotten = remember(self._closed, stream, conversation, limits.CLOSED_CONNECTIONS)
        if forgotten is not None:
            self._held_bytes -= forgotten[1].held_bytes

    def _resumed(self, conversation: _Conversation, direction: _Direction) -> None:
        """Take back the end of a direction, for it was none."""
        direction.ended = False
        self.counts.skipped_bytes -= direction.unfinished
        stream = _stream(conversation)
        if self._closed.pop(stream, None) is not None:
            self._conversations[stream] = conversation

    def _make_room(self, number: int, time_ns: int) -> None:
        """Give up the largest of what is unfinished, until it is well below the limit."""
        all_ = [*self._conversations.values(), *self._closed.values()]
        directions = [(each, direction) for each in all_ for direction in (each.client, each.broker)]
        for conversation, direction in sorted(directions, key=_held, reverse=True):
            if self._held_bytes <= limits.UNFINISHED_BYTES // 2:
                break
            held = direction.held_bytes
            reason = f"over {limits.UNFINISHED_BYTES} bytes of unfinished messages"
            self._tell(conversation, direction.contents.drop(number, time_ns, reason))
            direction.frames.gap(0)
            self._held_bytes += direction.held_bytes - held

    def _gap(self, conversation: _Conversation, direction: _Direction, event: StreamGap, channel: int | None) -> None:
        """Tell that bytes are missing, and what message that leaves unfinished."""
        number, time_ns = event.number, event.time_ns
        self.counts.gaps += 1
        self.counts.missing_bytes += event.size or 0
        detail = GAP_OF_UNKNOWN_SIZE if event.size is None else f"{event.size} bytes are missing"
        if channel is not None:
            self._tell(conversation, direction.contents.cut(channel, number, time_ns, detail))
        told = Event(conversation.state.connection, event.from_client, number, time_ns, 0, "gap", detail=detail)
        told.since_ns = event.since_ns
        self._tell(conversation, (told,))

    def _end(self, conversation: _Conversation, direction: _Direction, event: StreamEnd) -> None:
        """Tell that no more bytes come, and what that leaves unfinished."""
        number, time_ns, from_client = event.number, event.time_ns, event.from_client
        direction.ended = True
        direction.unfinished = direction.frames.held_bytes
        self.counts.skipped_bytes += direction.unfinished
        reason = _END_REASONS.get(event.reason, "the connection ends")
        self._tell(conversation, direction.contents.end(number, time_ns, reason))
        unread = direction.frames.unread() + direction.unfinished
        if unread:
            reason = f"{reason}: {unread} bytes before that are no whole AMQP frame"
            problem = Malformed("amqp", event.connection, from_client, number, time_ns, None, reason)
            self._tell(conversation, (problem,))
        told = Event(conversation.state.connection, from_client, number, time_ns, 0, "end", detail=event.reason)
        self._tell(conversation, (told,))


def _held(entry: tuple[_Conversation, _Direction]) -> int:
    return entry[1].held_bytes


def _stream(conversation: _Conversation) -> int:
    return conversation.state.connection.tcp.stream


_END_REASONS = {
    "capture_end": "the capture ends",
    "rst": "the connection is reset",
    "reused": "another connection takes its ports",
    "evicted": "there are too many connections",
}
