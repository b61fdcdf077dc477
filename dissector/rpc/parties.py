"""Who takes part: processes, a bounded number of them, in the order in which they were first seen."""

from collections.abc import Iterable

import msgspec

from dissector import limits
from dissector.fields import seconds
from dissector.rpc.records import ProcessRecord, PublisherRecord
from dissector.rpc.sight import Process


class Published(msgspec.Struct):
    """What a process published."""

    messages: int = 0
    bytes: int = 0
    last_ns: int = 0

    def add(self, size: int, time_ns: int) -> None:
        """Count one message."""
        self.messages += 1
        self.bytes += size
        self.last_ns = max(self.last_ns, time_ns)


def note(parties: dict[Process, None], process: Process) -> None:
    """Remember a process, where there is room."""
    if len(parties) < limits.TOPOLOGY_PARTIES:
        parties[process] = None


def published(publishers: dict[Process, Published], process: Process, size: int, time_ns: int) -> None:
    """Count what a process published, where there is room for it."""
    publisher = publishers.get(process)
    if publisher is None:
        if len(publishers) >= limits.TOPOLOGY_PARTIES:
            return
        publisher = publishers[process] = Published()
    publisher.add(size, time_ns)


def records(parties: Iterable[Process]) -> tuple[ProcessRecord, ...]:
    """Give processes' records."""
    return tuple(ProcessRecord(ip, name) for ip, name in parties)


def publisher_records(publishers: dict[Process, Published]) -> tuple[PublisherRecord, ...]:
    """Give publishers' records."""
    return tuple(
        PublisherRecord(ip, name, one.messages, one.bytes, seconds(one.last_ns))
        for (ip, name), one in publishers.items()
    )
