"""Who calls whom: program by method by topic, with counts and rates."""

from collections.abc import Iterator

import msgspec

from dissector import limits
from dissector.amqp import AmqpEvent, Event, Message
from dissector.amqp import _methods as m
from dissector.fields import seconds
from dissector.oslo import HotMessage
from dissector.rpc.bounded import Table
from dissector.rpc.records import CallerRecord
from dissector.rpc.sight import Process, process_of
from dissector.rpc.topics import Topics
from dissector.rpc.traffic import Span, Traffic

_SECOND_NS = 1_000_000_000


class _Key(msgspec.Struct, frozen=True):
    """What makes a cell; the fields are those of `CallerRecord`."""

    program: str | None
    ip: str | None
    kind: str
    method: str
    namespace: str | None
    vhost: str | None
    exchange: str
    topic: str


class _Cell(msgspec.Struct):
    key: _Key
    first_ns: int
    last_ns: int
    sent: Traffic = msgspec.field(default_factory=Traffic)
    largest: int = 0
    processes: set[Process] = msgspec.field(default_factory=set)
    """One more than are told apart says that there were more."""
    second: int = 0
    in_second: int = 0
    peak: int = 0

    def add(self, process: Process, size: int, time_ns: int) -> None:
        self.sent.add(size)
        self.largest = max(self.largest, size)
        self.last_ns = max(self.last_ns, time_ns)
        if len(self.processes) <= limits.CALLER_PROCESSES:
            self.processes.add(process)
        second = time_ns // _SECOND_NS
        self.in_second = self.in_second + 1 if second == self.second else 1
        self.second = second
        self.peak = max(self.peak, self.in_second)

    def record(self, duration_s: float) -> CallerRecord:
        sent = self.sent.record(duration_s)
        return CallerRecord(
            **msgspec.structs.asdict(self.key),
            processes=min(len(self.processes), limits.CALLER_PROCESSES),
            messages=sent.messages,
            bytes=sent.bytes,
            messages_per_s=sent.messages_per_s,
            peak_per_s=self.peak,
            largest=self.largest,
            first_time=seconds(self.first_ns),
            last_time=seconds(self.last_ns),
        )


class Matrix:
    """Takes all events; afterwards gives the cells of the matrix. Publishes are counted."""

    def __init__(self) -> None:
        self._span = Span()
        self._topics = Topics()
        self._cells: Table[_Key, _Cell] = Table(limits.CALLERS)

    def feed(self, event: AmqpEvent, hot: HotMessage | None) -> None:
        """Learn from an event; ``hot`` is the hot decode of a message, None for all else."""
        self._span.add(event.time_ns)
        if isinstance(event, Event):
            self._topics.learn(event)
        elif isinstance(event, Message) and hot is not None and isinstance(event.method, m.BasicPublish):
            method = hot.event_type if hot.kind == "notification" else hot.method
            if method is not None:
                self._publish(event, event.method, hot, method)

    def finish(self) -> None:
        """Learn that no more come."""

    def records(self) -> Iterator[CallerRecord]:
        """Give the cells, those with the most messages first."""
        cells = sorted(self._cells, key=lambda cell: -cell.sent.messages)
        return (cell.record(self._span.seconds) for cell in cells)

    @property
    def left_out(self) -> dict[str, int]:
        """How many had to be left out, as there were too many."""
        most = limits.CALLER_PROCESSES
        over = {
            "callers": self._cells.left_out,
            f"callers' processes beyond {most:,}": sum(len(cell.processes) > most for cell in self._cells),
        }
        return {what: number for what, number in over.items() if number}

    def _publish(self, message: Message, publish: m.BasicPublish, hot: HotMessage, method: str) -> None:
        process = process_of(message.connection)
        ip, name = process
        topic, _ = self._topics.split(hot, publish.exchange, publish.routing_key)
        program = None if name is None else name.rpartition(":")[0]
        key = _Key(
            program,
            ip if program is None else None,
            hot.kind,
            method[: limits.AGENT_NAME_CHARS],
            None if hot.namespace is None else hot.namespace[: limits.AGENT_NAME_CHARS],
            message.connection.vhost,
            publish.exchange,
            topic,
        )
        cell = self._cells.get(key)
        if cell is None:
            cell = _Cell(key, message.time_ns, message.time_ns)
            self._cells.add(key, cell)
        cell.add(process, len(message.body), message.time_ns)
