"""The ways that messages were seen to go: from processes to exchanges, to queues, to processes."""

from dissector import limits
from dissector.amqp import Message
from dissector.rpc.bounded import Table
from dissector.rpc.sight import Process, process_of
from dissector.rpc.traffic import Traffic
from dissector.rpc.vhosts import Name


class Flows:
    """Counts messages by each part of their way."""

    def __init__(self) -> None:
        self._published: Table[tuple[Process, Name], tuple[Process, Name, Traffic]] = Table(limits.TOPOLOGY_FLOWS)
        self._routed: Table[tuple[Name, str], tuple[Name, Name, Traffic]] = Table(limits.TOPOLOGY_FLOWS)
        self._taken: Table[tuple[Name, Process], tuple[Name, Process, Traffic]] = Table(limits.TOPOLOGY_FLOWS)

    def published(self, message: Message) -> None:
        """Count a publish."""
        process, exchange = process_of(message.connection), (message.connection.vhost, message.method.exchange)
        known = self._published.get((process, exchange))
        if known is None:
            known = (process, exchange, Traffic())
            self._published.add((process, exchange), known)
        known[2].add(len(message.body))

    def taken(self, message: Message, queue_name: str) -> None:
        """Count what came from a queue: how it had got there, and who took it."""
        vhost, size, process = message.connection.vhost, len(message.body), process_of(message.connection)
        exchange, queue = (vhost, message.method.exchange), (vhost, queue_name)
        routed = self._routed.get((exchange, queue_name))
        if routed is None:
            routed = (exchange, queue, Traffic())
            self._routed.add((exchange, queue_name), routed)
        routed[2].add(size)
        taken = self._taken.get((queue, process))
        if taken is None:
            taken = (queue, process, Traffic())
            self._taken.add((queue, process), taken)
        taken[2].add(size)

    def publishes(self) -> list[tuple[Process, Name, Traffic]]:
        """Give what each process published to each exchange."""
        return list(self._published)

    def routes(self) -> list[tuple[Name, Name, Traffic]]:
        """Give what was published to each exchange and seen to come from each queue."""
        return list(self._routed)

    def takes(self) -> list[tuple[Name, Process, Traffic]]:
        """Give what each process got from each queue."""
        return list(self._taken)

    @property
    def left_out(self) -> int:
        """How many found no room."""
        return self._published.left_out + self._routed.left_out + self._taken.left_out
