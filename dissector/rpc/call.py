"""One request with what was seen of it so far."""

from typing import Final

import msgspec

from dissector.fields import CallFramesFields, CallRecord, ClientFields, FailureFields, RpcFields, ServerFields, seconds
from dissector.oslo import HotMessage
from dissector.rpc.sight import Process

OK: Final = "ok"
FAILED: Final = "failed"
TIMED_OUT: Final = "timed_out"
SENT: Final = "sent"
UNDELIVERED: Final = "undelivered"
PENDING: Final = "pending"

NOT_DELIVERED: Final = "not_delivered"
NO_REPLY: Final = "no_reply"
LATE_REPLY: Final = "late_reply"
REPLY_UNROUTABLE: Final = "reply_unroutable"
CAPTURE_GAP: Final = "capture_gap"

Key = str | tuple[int, int]
"""What a request is found by: its unique id, or another of its ids; stream and ordinal of its first message where it
has none of its own."""

NO_REQUEST: Final = HotMessage(
    kind="call",
    result_is_null=True,
    envelope=None,
    method=None,
    namespace=None,
    version=None,
    msg_id=None,
    reply_q=None,
    unique_id=None,
    request_id=None,
    global_request_id=None,
    timeout_s=None,
    failure=None,
    ending=None,
    event_type=None,
    publisher_id=None,
    priority=None,
    message_id=None,
)
"""Stands for a request of which only the reply was seen."""


_UNSEEN_CLIENT: Final = ClientFields(None, None)


class Leg(msgspec.Struct, gc=False):
    """A message as a leg of a call: when, in which packet, on which connection."""

    time_ns: int
    number: int
    stream: int
    ordinal: int
    process: Process
    connection_name: str | None
    queue: str | None
    """On a deliver, as in `Message.queue`."""

    @property
    def line(self) -> str | int:
        """The AMQP connection, which may cross several TCP connections: its name, or the stream of one without."""
        return self.stream if self.connection_name is None else self.connection_name

    def is_seen_twice(self, other: "Leg") -> bool:
        """Tell whether two legs are one, seen at two points: the same AMQP connection over two TCP connections."""
        return self.stream != other.stream and self.line == other.line


class Call:
    """A request, its legs and its reply, while they come in."""

    __slots__ = (
        "ack_ns",
        "acks_missing",
        "begin_ns",
        "confirm_ns",
        "delivers",
        "due_ns",
        "duplicates",
        "exchange",
        "failure",
        "heartbeat_deliver",
        "heartbeat_publish",
        "heartbeats_delivered",
        "heartbeats_published",
        "hot",
        "is_answered",
        "key",
        "kind",
        "msg_id",
        "publish",
        "redelivered",
        "reply_bytes",
        "reply_deliver",
        "reply_publish",
        "reply_published_ns",
        "reply_returned",
        "request_bytes",
        "returned",
        "server",
        "topic",
    )

    def __init__(self, kind: str, key: Key, begin_ns: int) -> None:
        self.kind = kind
        self.key = key
        self.begin_ns = begin_ns
        """When the first of it was seen."""
        self.hot = NO_REQUEST
        self.msg_id: str | None = None
        """By which its replies come; None where another request has the same, and in what is no call."""
        self.exchange: str | None = None
        self.topic: str | None = None
        self.server: str | None = None
        self.publish: Leg | None = None
        self.delivers: dict[str | int, Leg] = {}
        """The first on each connection, by `Leg.line`."""
        self.reply_publish: Leg | None = None
        self.reply_deliver: Leg | None = None
        self.reply_published_ns: int | None = None
        """When the last reply was published: servers before 4.0 may send two, of which the second ends the call,
        and to a queue that is gone it is sent again and again. None where only the first of two was."""
        self.is_answered = False
        """Whether the last reply was delivered."""
        self.confirm_ns: int | None = None
        self.ack_ns: int | None = None
        self.acks_missing = 0
        """Deliveries that were not acknowledged yet."""
        self.returned = False
        """The broker gave the request back (basic.return)."""
        self.reply_returned = False
        """The broker gave the last reply back, or it must have, as the server has sent it again."""
        self.heartbeats_published = 0
        self.heartbeats_delivered = 0
        self.heartbeat_publish: Leg | None = None
        self.heartbeat_deliver: Leg | None = None
        """The last that were counted."""
        self.redelivered = False
        self.duplicates = 0
        self.request_bytes: int | None = None
        self.reply_bytes: int | None = None
        self.failure: FailureFields | None = None
        self.due_ns = 0
        """When it is looked at again; 0 is never."""

    @property
    def first_deliver(self) -> Leg | None:
        """The first delivery of the request."""
        return next(iter(self.delivers.values()), None)

    @property
    def deadline_ns(self) -> int | None:
        """When the client gives up; None where that is not known, or it never does.

        Where only the delivery was seen, the latest time that it can be.
        """
        leg = self.publish or self.first_deliver
        if leg is None or self.hot.timeout_s is None:
            return None
        return leg.time_ns + int(self.hot.timeout_s * 1e9)

    @property
    def processes(self) -> list[Process]:
        """The client and the servers, as far as they were seen."""
        legs = (self.publish, self.reply_deliver, *self.delivers.values(), self.reply_publish)
        return [leg.process for leg in legs if leg is not None]

    def record(self, status: str, cause: str | None) -> CallRecord:
        """Give the record with its verdict."""
        hot = self.hot
        publish, deliver = self.publish, self.first_deliver
        reply_publish, reply_deliver = self.reply_publish, self.reply_deliver
        client = publish or reply_deliver
        if len(self.delivers) > 1:
            servers = tuple(dict.fromkeys(ServerFields(*leg.process, leg.queue) for leg in self.delivers.values()))
        elif deliver is not None:
            servers = (ServerFields(*deliver.process, deliver.queue),)
        else:
            servers = () if reply_publish is None else (ServerFields(*reply_publish.process, None),)
        return CallRecord(
            RpcFields(
                kind=self.kind,
                method=hot.event_type if self.kind == "notification" else hot.method,
                namespace=hot.namespace,
                version=hot.version,
                exchange=self.exchange,
                topic=self.topic,
                server=self.server,
                msg_id=self.msg_id or hot.msg_id,
                unique_id=hot.unique_id,
                request_id=hot.request_id,
                reply_q=hot.reply_q,
                client=_UNSEEN_CLIENT if client is None else ClientFields(*client.process),
                servers=servers,
                status=status,
                cause=cause,
                publish_time=_time(publish),
                confirm_time=_or_none(self.confirm_ns),
                deliver_time=_time(deliver),
                ack_time=_or_none(self.ack_ns),
                reply_publish_time=_time(reply_publish),
                reply_deliver_time=_time(reply_deliver),
                queue_wait_s=_between(publish, deliver),
                service_s=_between(deliver, reply_publish),
                return_s=_between(reply_publish, reply_deliver),
                latency_s=_between(publish, reply_deliver),
                timeout_s=hot.timeout_s,
                heartbeats=max(self.heartbeats_published, self.heartbeats_delivered),
                redelivered=self.redelivered,
                duplicates=self.duplicates,
                request_bytes=self.request_bytes,
                reply_bytes=self.reply_bytes,
                failure=self.failure,
                frames=CallFramesFields(
                    None if publish is None else publish.number,
                    None if deliver is None else deliver.number,
                    None if reply_publish is None else reply_publish.number,
                    None if reply_deliver is None else reply_deliver.number,
                ),
            )
        )


def failure_chars(failure: FailureFields | None) -> int:
    """Tell how long the texts of a failure are, in characters."""
    return 0 if failure is None else len(failure.message or "") + len(failure.traceback or "")


def _or_none(time_ns: int | None) -> float | None:
    return None if time_ns is None else seconds(time_ns)


def _time(leg: Leg | None) -> float | None:
    return None if leg is None else seconds(leg.time_ns)


def _between(begin: Leg | None, end: Leg | None) -> float | None:
    """Give the seconds between two legs; None where one was not seen, or the clock stepped back between them."""
    if begin is None or end is None or end.time_ns < begin.time_ns:
        return None
    return seconds(end.time_ns - begin.time_ns)
