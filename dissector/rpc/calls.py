"""Joins each request with its legs and its reply over all connections.

Requests are joined by ``_unique_id``: one publish, its deliveries, what the broker gives back. Replies are joined to
their call by ``_msg_id``. Acks and confirms come by the ordinals of the messages that they settle. A request is given
out when its verdict is known; what still comes of it is then only counted.
"""

from collections import OrderedDict
from collections.abc import Iterator, ValuesView
from typing import Final

from msgspec import UNSET

from dissector import limits
from dissector.amqp import FROM_QUEUE, AmqpEvent, Event, Message
from dissector.amqp._methods import BasicAck
from dissector.bounded import remember
from dissector.fields import CallRecord
from dissector.net import Malformed
from dissector.oslo import HotMessage
from dissector.rpc.appointments import Appointments
from dissector.rpc.call import NO_REQUEST, Call, Key, Leg, failure_chars
from dissector.rpc.counts import CallCounts
from dissector.rpc.sight import Sight
from dissector.rpc.topics import Topics
from dissector.rpc.verdict import is_answered_elsewhere, misses_legs, verdict

_TELLING: Final = frozenset({"gap", "basic.consume", "queue.declare"})
"""Events that tell something of requests, beside those that settle their messages."""


class Calls:
    """Follows all requests. Feed it every event of a reading, in its order, with the hot decode of messages.

    ``late_ns`` is how long a call that timed out is kept for a late reply: 0 gives it out at once (live); None keeps it
    to the end (files), unless there are too many (`limits.KEPT_CALLS`).
    """

    def __init__(self, *, late_ns: int | None = None) -> None:
        self.counts = CallCounts()
        self._late_ns = late_ns
        self._sight = Sight()
        self._topics = Topics()
        self._open: OrderedDict[Key, Call] = OrderedDict()
        self._by_msg_id: dict[str, Call] = {}
        self._closed: OrderedDict[Key, Leg | None] = OrderedDict()
        self._given: OrderedDict[Key, _Signature | None] = OrderedDict()
        """Ids of requests that were given out; of a call's ``_msg_id``, its reply's deliver."""
        self._unsettled: OrderedDict[tuple[int, int], Call] = OrderedDict()
        """Stream and ordinal of messages that are not settled, to their request."""
        self._appointments = Appointments(self._open)
        self._failure_chars = 0
        """Of the failures of requests that are open."""
        self._now_ns = self._passed_ns = 0
        self._first_ns = 0
        self._out: list[CallRecord] = []

    @property
    def open(self) -> ValuesView[Call]:
        """The requests that were not given out yet."""
        return self._open.values()

    def feed(self, event: AmqpEvent, hot: HotMessage | None) -> list[CallRecord]:
        """Take the next event; give the requests whose verdict is known with it."""
        now_ns = event.time_ns
        if now_ns < self._now_ns - 1_000_000_000:
            self.counts.steps_back += 1
        self._now_ns = now_ns
        if not self._first_ns:
            self._first_ns = now_ns
        if self._appointments.next_ns < now_ns:
            for call in self._appointments.past(now_ns):
                self._look(call)
        if isinstance(event, Message):
            self._sight.saw(event)
            if hot is not None:
                self._message(event, hot)
        elif isinstance(event, Malformed):
            self._sight.learn(event)
        else:
            if event.method is not None:
                self._sight.saw(event)
            if event.name in _TELLING:
                self._sight.learn(event)
                self.counts.forgotten_queues += self._topics.learn(event)
            for ordinal in event.settled:
                self._settled(event, ordinal)
        if not self._out:
            return []
        out, self._out = self._out, []
        return out

    def pass_time(self, now_ns: int) -> list[CallRecord]:
        """Learn that there is nothing more up to a time of the capture's clock; give what is judged by that.

        What does come may still be older than that: it was held behind a hole, or in a buffer.
        """
        if now_ns > self._now_ns and self._appointments.next_ns < now_ns:
            event_ns, self._now_ns = self._now_ns, now_ns
            for call in self._appointments.past(now_ns):
                self._look(call)
            self._now_ns = event_ns
        self._passed_ns = now_ns
        out, self._out = self._out, []
        return out

    def finish(self) -> Iterator[CallRecord]:
        """Give the requests that are left, judged at the last event's time, or what has passed, and forget each."""
        self._now_ns = max(self._now_ns, self._passed_ns)
        left = sorted(self._open.values(), key=lambda call: call.begin_ns)
        left.reverse()
        while left:
            self._give(left.pop())
            yield self._out.pop()

    # -- requests --------------------------------------------------------------------------------------

    def _message(self, message: Message, hot: HotMessage) -> None:
        if hot.kind in ("reply", "heartbeat"):
            self._reply(message, hot)
            return
        call = self._request(message, hot)
        if call is None:
            self.counts.late += 1
        elif message.leg == "publish":
            self._published(call, message)
        elif message.leg == "return":
            call.returned = True
            if call.kind != "call":
                self._give(call)
        else:
            self._delivered(call, message)

    def _request(self, message: Message, hot: HotMessage) -> Call | None:
        """Find or open the request of a message; None where it was given out before."""
        alone = (message.connection.tcp.stream, message.ordinal)
        key: Key = hot.unique_id or hot.msg_id or hot.message_id or alone
        call = self._open.get(key)
        if call is not None and call.hot is not hot and _signature_of(call) != _signature(message, hot):
            self.counts.collisions += 1
            key, call = alone, None
        if call is None:
            if key in self._given:
                if self._given[key] in (None, _signature(message, hot)):
                    return None
                self.counts.collisions += 1
                key = alone
            call = self._of_reply(hot)
            if call is None:
                if hot.kind == "call" and hot.msg_id in self._closed:
                    return None
                call = self._enter(hot.kind, key)
            else:
                del self._open[call.key]
                call.key = key
                self._open[key] = call
        if call.hot is NO_REQUEST:
            method = message.method
            call.hot, call.request_bytes = hot, len(message.body)
            call.exchange = method.exchange
            call.topic, call.server = self._topics.split(hot, method.exchange, method.routing_key)
            if hot.kind == "call" and hot.timeout_s is None and message.properties.expiration is not UNSET:
                self.counts.bad_expirations += 1
            if hot.kind == "call" and hot.msg_id is not None:
                if self._by_msg_id.setdefault(hot.msg_id, call) is call:
                    call.msg_id = hot.msg_id
                else:
                    self.counts.collisions += 1
        return call

    def _of_reply(self, hot: HotMessage) -> Call | None:
        """Find the call whose reply was seen before its request, as merged captures of two clocks may show it."""
        call = self._by_msg_id.get(hot.msg_id or "") if hot.kind == "call" else None
        return call if call is not None and call.hot is NO_REQUEST else None

    def _leg(self, message: Message) -> Leg:
        connection = message.connection
        line = self._sight.line(connection)
        stream = connection.tcp.stream
        return Leg(message.time_ns, message.number, stream, message.ordinal, line.process, line.name, message.queue)

    def _published(self, call: Call, message: Message) -> None:
        leg = self._leg(message)
        if call.publish is not None:
            if leg.is_seen_twice(call.publish):
                self.counts.seen_twice += 1
            else:
                call.duplicates += 1
            return
        call.publish = leg
        self._await_settling(call, leg)
        if call.delivers:
            self._sight.delivered()
        if self._late_ns is not None and not call.delivers and not call.is_answered:
            self._appointments.make(call, leg.time_ns + limits.SETTLED_NS if call.kind != "call" else call.deadline_ns)

    def _delivered(self, call: Call, message: Message) -> None:
        leg, method = self._leg(message), message.method
        known = call.delivers.get(leg.line)
        if known is not None and leg.is_seen_twice(known):
            self.counts.seen_twice += 1
            return
        if isinstance(method, FROM_QUEUE):
            call.redelivered |= method.redelivered
        call.acks_missing += 1
        self._await_settling(call, leg)
        if known is None:
            call.delivers[leg.line] = leg
        if call.publish is not None:
            self._sight.delivered()
        if call.kind != "call":
            self._appointments.make(call, leg.time_ns + limits.SENT_NS)
        elif self._late_ns is not None and call.publish is None and not call.is_answered:
            self._appointments.make(call, call.deadline_ns)

    # -- replies ---------------------------------------------------------------------------------------

    def _reply(self, message: Message, hot: HotMessage) -> None:
        msg_id = hot.msg_id
        if msg_id is None:
            return
        leg = self._leg(message)
        if message.leg in ("deliver", "get") and message.method.routing_key:
            self._sight.consumes(message.method.routing_key, leg.process)
        call = self._by_msg_id.get(msg_id)
        if call is None:
            if msg_id in self._closed:
                known = self._closed[msg_id]
                if known is not None and leg.is_seen_twice(known):
                    self.counts.seen_twice += 1
                else:
                    self.counts.late += 1
                return
            call = self._enter("call", (leg.stream, leg.ordinal))
            call.msg_id = msg_id
            self._learn_unasked()
            self._by_msg_id[msg_id] = call
        if message.leg == "return":
            call.reply_returned = True
        elif hot.kind == "heartbeat":
            self._heartbeat(call, message, leg)
        elif message.leg == "publish":
            self._reply_published(call, message, hot, leg)
        else:
            self._reply_delivered(call, message, hot, leg)

    def _read_reply(self, call: Call, message: Message, hot: HotMessage) -> None:
        if call.failure is None and hot.failure is not None:
            call.failure = hot.failure
            self._failure_chars += failure_chars(hot.failure)
            self._open.move_to_end(call.key)  # it is not given out itself: it is worked on
            while self._failure_chars > limits.FAILURE_CHARS and len(self._open) > 1:
                self._evict()
        if call.reply_bytes is None or not hot.ending:
            call.reply_bytes = len(message.body)

    def _learn_unasked(self) -> None:
        """Learn that a reply came whose request was not seen: one that is no older than the capture was elsewhere."""
        sight, now_ns = self._sight, self._now_ns
        since_ns = now_ns - limits.ASKED_NS
        if not sight.is_partial and since_ns > self._first_ns:
            sight.is_partial = not sight.may_hide(since_ns, now_ns)

    def _heartbeat(self, call: Call, message: Message, leg: Leg) -> None:
        is_publish = message.leg == "publish"
        known = call.heartbeat_publish if is_publish else call.heartbeat_deliver
        if known is not None and leg.is_seen_twice(known):
            self.counts.seen_twice += 1
        elif is_publish:
            call.heartbeat_publish = leg
            call.heartbeats_published += 1
        else:
            call.heartbeat_deliver = leg
            call.heartbeats_delivered += 1

    def _reply_published(self, call: Call, message: Message, hot: HotMessage, leg: Leg) -> None:
        known = call.reply_publish
        if known is not None and leg.is_seen_twice(known):
            self.counts.seen_twice += 1
            return
        self._read_reply(call, message, hot)
        if known is None or (hot.ending and call.reply_published_ns is None):
            # Of servers with two replies the last counts, of retries the first.
            call.reply_publish = leg
        if hot.ending:
            # Where the return would not be seen, that it is sent again tells of it.
            is_retry = call.reply_published_ns is not None
            call.reply_returned = is_retry and not self._sight.hears(leg.process)
            call.reply_published_ns = leg.time_ns
            if call.hot is NO_REQUEST or not self._sight.hears_queue(call.hot.reply_q):
                self._appointments.make(call, leg.time_ns + limits.REPLY_SEEN_NS)

    def _reply_delivered(self, call: Call, message: Message, hot: HotMessage, leg: Leg) -> None:
        known = call.reply_deliver
        if known is not None and leg.is_seen_twice(known):
            self.counts.seen_twice += 1
            return
        self._read_reply(call, message, hot)
        if known is None or (hot.ending and not call.is_answered):
            call.reply_deliver = leg
        if not hot.ending:
            return
        call.is_answered = True
        if call.hot is NO_REQUEST:
            self._appointments.make(call, leg.time_ns + limits.REPLY_SEEN_NS)  # its request may come yet
            return
        self._learn_missing(call)
        self._give(call)

    # -- acks and confirms -----------------------------------------------------------------------------

    def _await_settling(self, call: Call, leg: Leg) -> None:
        if remember(self._unsettled, (leg.stream, leg.ordinal), call, limits.UNSETTLED_LEGS) is not None:
            self.counts.forgotten_legs += 1

    def _settled(self, event: Event, ordinal: int) -> None:
        call = self._unsettled.pop((event.connection.tcp.stream, ordinal), None)
        if call is None:
            return
        if not event.from_client:
            if isinstance(event.method, BasicAck) and call.confirm_ns is None:
                call.confirm_ns = event.time_ns
            return
        call.acks_missing -= 1
        if isinstance(event.method, BasicAck):
            call.ack_ns = event.time_ns if call.ack_ns is None else call.ack_ns
        elif call.kind != "call":
            self._appointments.make(call, event.time_ns + limits.SENT_NS)  # it may come again

    # -- time ------------------------------------------------------------------------------------------

    def _look(self, call: Call) -> None:
        now_ns = self._now_ns
        if call.kind != "call":
            last_ns = max((leg.time_ns for leg in call.delivers.values()), default=0) + limits.SETTLED_NS
            if call.delivers and call.acks_missing > 0 and now_ns <= last_ns:
                self._appointments.make(call, last_ns)
            else:
                self._give(call)
            return
        is_over = call.is_answered or (call.hot is NO_REQUEST and not call.reply_returned)
        if is_over or is_answered_elsewhere(call, self._sight, now_ns):
            self._give(call)
            return
        self._learn_missing(call)
        deadline = call.deadline_ns
        if deadline is None or self._late_ns is None:
            return
        if now_ns > deadline + self._late_ns:
            self._give(call)
        else:
            self._appointments.make(call, deadline if now_ns <= deadline else deadline + self._late_ns)

    def _learn_missing(self, call: Call) -> None:
        sight = self._sight
        sight.is_partial = sight.is_partial or misses_legs(call, sight, self._now_ns)

    # -- the tables ------------------------------------------------------------------------------------

    def _enter(self, kind: str, key: Key) -> Call:
        call = self._open[key] = Call(kind, key, self._now_ns)
        if len(self._open) > min(limits.KEPT_CALLS, limits.OPEN_CALLS):
            self._make_room()
        return call

    def _make_room(self) -> None:
        """Give the oldest request out if nothing more is to be expected of it, or else if there is no room at all."""
        oldest = self._open[next(iter(self._open))]
        if self._now_ns - (oldest.deadline_ns or oldest.begin_ns) > limits.LATE_NS:
            self._give(oldest)
        elif len(self._open) > limits.OPEN_CALLS:
            self._evict()

    def _evict(self) -> None:
        """Give the oldest request out as it is."""
        self.counts.evicted += 1
        self._give(self._open[next(iter(self._open))])

    def _give(self, call: Call) -> None:
        """Give a request out with its verdict."""
        self._out.append(call.record(*verdict(call, self._sight, self._now_ns)))
        self.counts.calls += 1
        self._failure_chars -= failure_chars(call.failure)
        del self._open[call.key]
        for leg in (call.publish, *call.delivers.values()):
            if leg is not None:
                self._unsettled.pop((leg.stream, leg.ordinal), None)
        remember(self._given, call.key, _signature_of(call), limits.CLOSED_IDS)
        if call.msg_id is not None:
            del self._by_msg_id[call.msg_id]
            remember(self._closed, call.msg_id, call.reply_deliver, limits.CLOSED_IDS)


_Signature = int
"""What all legs of a request have in common, as they have the same body: a hash of kind, method and size."""


def _signature(message: Message, hot: HotMessage) -> _Signature:
    return hash((hot.kind, hot.method, len(message.body)))


def _signature_of(call: Call) -> _Signature | None:
    return None if call.hot is NO_REQUEST else hash((call.kind, call.hot.method, call.request_bytes))
