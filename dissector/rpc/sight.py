"""What the capture can show: who is accused of nothing because nobody could have seen it.

A capture on a compute node shows the requests that the node publishes, but not their delivery elsewhere; one on a
broker of a cluster shows some connections of a process and not its others; packets may be missing. That a message was
not delivered or not answered is said only where the capture would have shown it.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Collection

from dissector import limits
from dissector.amqp import AmqpConnection, Event, Message
from dissector.amqp._methods import BasicConsume
from dissector.bounded import memorize, remember
from dissector.net import Malformed

Process = tuple[str, str | None]
"""A process at the client's end of connections: its address, and ``program:pid`` where that is known."""


def process_of(connection: AmqpConnection) -> Process:
    """Name the process at a connection's client end."""
    return connection.tcp.client.ip, connection.process


class Line:
    """A connection, and which directions of it were seen."""

    __slots__ = ("connection", "hears", "name", "process", "speaks")

    def __init__(self, connection: AmqpConnection) -> None:
        self.connection = connection
        self.name = connection.name
        self.process = process_of(connection)
        self.hears = self.speaks = False


class Sight:
    """Remembers who and what the capture shows, what it was found not to show, and where it has holes."""

    def __init__(self) -> None:
        self.is_partial = False
        """Legs of requests were not seen although others were, and nothing is missing: there are connections that the
        capture does not show."""
        self._shows_deliveries = False
        self._hears: set[Process] = set()
        self._speaks: set[Process] = set()
        self._reply_queues: OrderedDict[str, Process] = OrderedDict()
        self._client_ips: set[str] = set()
        self._is_at_broker = False
        self._lines: dict[int, Line] = {}
        self._holes = Holes()

    # -- both directions ---------------------------------------------------------------------------------

    def line(self, connection: AmqpConnection) -> Line:
        """Find what is known of a connection: most messages come of one that was seen before."""
        line = self._lines.get(connection.tcp.stream)
        if line is None or line.connection is not connection:
            line = Line(connection)
            memorize(self._lines, connection.tcp.stream, line, limits.CONNECTIONS)
        return line

    def saw(self, event: Message | Event) -> None:
        """Learn that the capture shows a direction of a process."""
        line = self.line(event.connection)
        if event.from_client:
            if not line.speaks:
                line.speaks = True
                self._add(self._speaks, line)
        elif not line.hears:
            line.hears = True
            self._add(self._hears, line)

    def _add(self, known: set[Process], line: Line) -> None:
        if len(known) < limits.CONNECTIONS:
            known.add(line.process)
        if not self._is_at_broker:
            self._client_ips.add(line.process[0])
            self._is_at_broker = len(self._client_ips) > 1 or line.process[0] == line.connection.tcp.broker.ip

    def hears(self, process: Process) -> bool:
        """Tell whether the capture shows what the broker sends to a process."""
        return process in self._hears

    def speaks(self, process: Process) -> bool:
        """Tell whether the capture shows what a process sends."""
        return process in self._speaks

    # -- all legs ----------------------------------------------------------------------------------------

    def delivered(self) -> None:
        """Learn that a request was seen published and delivered."""
        self._shows_deliveries = True

    def consumes(self, queue: str, process: Process) -> None:
        """Learn who takes replies from a queue."""
        remember(self._reply_queues, queue, process, limits.REPLY_QUEUES)

    def hears_queue(self, reply_q: str | None) -> bool:
        """Tell whether a reply delivered from this queue would be in the capture, as far as that is sure."""
        process = self._reply_queues.get(reply_q or "")
        return process is not None and process in self._hears

    @property
    def shows_deliveries(self) -> bool:
        """Whether the delivery of a request would be in the capture, wherever it goes.

        It would where it was made at the broker: there it shows several hosts, or the broker's own processes.
        """
        return self._shows_deliveries and self._is_at_broker and not self.is_partial

    @property
    def shows_processes(self) -> bool:
        """Whether all connections of a process would be in the capture, of which one is.

        They would where it was made at the process's own host, but not necessarily at one broker of a cluster.
        """
        return not (self._is_at_broker and self.is_partial)

    # -- holes -------------------------------------------------------------------------------------------

    def learn(self, event: Event | Malformed) -> None:
        """Take note of missing or broken bytes, and of consumers of replies."""
        if isinstance(event, Malformed):
            self._holes.add(event.time_ns - limits.HOLE_NS, event.time_ns, (event.connection.client.ip, None))
        elif event.name == "gap":
            since_ns = event.time_ns - limits.HOLE_NS if event.since_ns is None else event.since_ns
            self._holes.add(since_ns, event.time_ns, self.line(event.connection).process)
        elif isinstance(event.method, BasicConsume) and event.method.queue.startswith("reply_"):
            self.consumes(event.method.queue, self.line(event.connection).process)

    def may_hide(self, since_ns: int, until_ns: int, processes: Collection[Process] | None = None) -> bool:
        """Tell whether packets of one of these processes, or with None of any, are missing from that time."""
        return self._holes.touch(since_ns, until_ns, processes)


class Holes:
    """Times in which packets of a process are missing."""

    def __init__(self) -> None:
        self._since_ns: list[int] = []
        self._until_ns: list[int] = []
        """Ascending."""
        self._processes: list[Process | None] = []
        """None is any."""

    def add(self, since_ns: int, until_ns: int, process: Process) -> None:
        """Take note of a hole. Where there are too many, the two oldest count as one of any process."""
        if self._until_ns:
            until_ns = max(until_ns, self._until_ns[-1])
        self._since_ns.append(since_ns)
        self._until_ns.append(until_ns)
        self._processes.append(process)
        if len(self._until_ns) > limits.HOLES:
            self._since_ns[1] = min(self._since_ns[:2])
            self._processes[1] = None
            del self._since_ns[0], self._until_ns[0], self._processes[0]

    def touch(self, since_ns: int, until_ns: int, processes: Collection[Process] | None) -> bool:
        """Tell whether there is a hole in this time, of one of these processes or with None of any."""
        first = bisect_left(self._until_ns, since_ns)
        return any(
            begin_ns <= until_ns
            and (hole is None or processes is None or any(_may_be(hole, process) for process in processes))
            for begin_ns, hole in zip(self._since_ns[first:], self._processes[first:], strict=True)
        )


def _may_be(one: Process, other: Process) -> bool:
    return one[0] == other[0] and (one[1] is None or other[1] is None or one[1] == other[1])
