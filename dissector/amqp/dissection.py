"""From the byte streams of all connections to messages and events, in the order of their packets."""

from collections.abc import Iterable
from operator import itemgetter

import msgspec

from dissector.amqp.connection import ConnectionState
from dissector.amqp.constants import FRAME_TYPES
from dissector.amqp.contents import ContentReader, Ordered
from dissector.amqp.events import AmqpConnection, AmqpEvent, Event, Message
from dissector.amqp.frames import FrameReader
from dissector.net import Connection, Malformed, StreamData, StreamEnd, StreamEvent, StreamGap


class AmqpCounts(msgspec.Struct):
    """How complete the AMQP decode was."""

    frames: int = 0
    """AMQP frames that were read."""
    messages: int = 0
    gaps: int = 0
    """Holes in streams."""
    missing_bytes: int = 0
    """Bytes in holes whose size is known."""
    skipped_bytes: int = 0
    """Bytes that are in the capture and belong to no frame that could be read."""
    malformed: int = 0


class _Direction:
    """One direction of a connection."""

    __slots__ = ("contents", "ended", "frames")

    def __init__(self, connection: AmqpConnection, from_client: bool) -> None:
        self.frames = FrameReader()
        self.contents = ContentReader(connection, from_client)
        self.ended = False


class _Conversation:
    """Both directions of a connection and what they let one know."""

    __slots__ = ("broker", "client", "found", "state")

    def __init__(self, tcp: Connection) -> None:
        connection = AmqpConnection(tcp)
        self.client = _Direction(connection, True)
        self.broker = _Direction(connection, False)
        self.state = ConnectionState(connection)
        self.found: list[Ordered] = []


class Dissection:
    """Decodes the AMQP of any number of connections.

    ``feed`` takes the stream events of one batch of packets, of all connections, and gives what they complete,
    ordered by packet. Cut batches as you like: the events and their order stay the same.
    """

    def __init__(self) -> None:
        self.counts = AmqpCounts()
        self._conversations: dict[int, _Conversation] = {}

    def feed(self, events: Iterable[StreamEvent]) -> list[AmqpEvent]:
        """Take the stream events of a batch; give messages, events and what is malformed."""
        touched: dict[int, _Conversation] = {}
        over: list[_Conversation] = []
        for event in events:
            stream = event.connection.stream
            conversation = self._conversations.get(stream)
            if conversation is None:
                conversation = _Conversation(event.connection)
                if isinstance(event, Malformed):
                    # Of a connection that is over, or that has not begun, there is nothing to remember.
                    conversation.found.append((event.number, event))
                    over.append(conversation)
                    continue
                self._conversations[stream] = conversation
            touched[stream] = conversation
            self._take(conversation, event)
            if conversation.client.ended and conversation.broker.ended:
                over.append(conversation)
                del self._conversations[stream], touched[stream]
        ordered: list[Ordered] = []
        # Where several have something at one packet, the older connection comes first.
        for conversation in sorted((*over, *touched.values()), key=_stream):
            conversation.found.sort(key=itemgetter(0))
            feed = conversation.state.feed
            ordered += [entry for entry in conversation.found if feed(entry[1])]
            conversation.found.clear()
        ordered.sort(key=itemgetter(0))
        self.counts.messages += sum(isinstance(item, Message) for _, item in ordered)
        self.counts.malformed += sum(isinstance(item, Malformed) for _, item in ordered)
        return [item for _, item in ordered]

    def _take(self, conversation: _Conversation, event: StreamEvent) -> None:
        if isinstance(event, Malformed):
            conversation.found.append((event.number, event))
            return
        direction = conversation.client if event.from_client else conversation.broker
        skipped = direction.frames.skipped
        if isinstance(event, StreamData):
            direction.ended = False
            run, frames = direction.frames.feed(event)
        else:
            run, frames = direction.frames.gap(event.number)
        self.counts.skipped_bytes += direction.frames.skipped - skipped
        if frames:
            self.counts.frames += sum(kind in FRAME_TYPES for kind, _, _, _ in frames)
            conversation.found += direction.contents.feed(run, frames)
        if not isinstance(event, StreamData):
            self._interrupted(conversation, direction, event)

    def _interrupted(self, conversation: _Conversation, direction: _Direction, event: StreamGap | StreamEnd) -> None:
        """Tell that bytes are missing or that no more come, and what that leaves unfinished."""
        number, time_ns, from_client = event.number, event.time_ns, event.from_client
        if isinstance(event, StreamGap):
            self.counts.gaps += 1
            self.counts.missing_bytes += event.size or 0
            name, detail = "gap", "bytes are missing" if event.size is None else f"{event.size} bytes are missing"
            reason, unread = detail, 0
        else:
            direction.ended = True
            name, detail = "end", event.reason
            reason, unread = _END_REASONS.get(event.reason, "the connection ends"), direction.frames.unread()
        conversation.found += direction.contents.gap(number, time_ns, reason)
        if unread:
            reason = f"{reason}: {unread} bytes before that are no whole AMQP frame"
            problem = Malformed("amqp", event.connection, from_client, number, time_ns, None, reason)
            conversation.found.append((number, problem))
        told = Event(conversation.state.connection, from_client, number, time_ns, 0, name, detail=detail)
        if isinstance(event, StreamGap):
            told.since_ns = event.since_ns
        conversation.found.append((number, told))


def _stream(conversation: _Conversation) -> int:
    return conversation.state.connection.tcp.stream


_END_REASONS = {
    "capture_end": "the capture ends",
    "rst": "the connection is reset",
    "reused": "another connection takes its ports",
    "evicted": "there are too many connections",
}
