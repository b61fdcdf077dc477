"""Writes the packets of chosen messages into a capture of their own."""

from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from typing import Final

import numpy as np

from dissector import limits
from dissector.amqp import AmqpEvent, Event, Message
from dissector.capture import PacketBatch, open_capture
from dissector.capture.pcapng_writer import PcapngWriter, Writable
from dissector.net import Connection, packets_of_syn

_LATER: Final = frozenset({"basic.ack", "basic.nack", "basic.reject", "heartbeat", "gap", "end"})
"""What goes on while a connection is used. All else opens it: the meaning of its messages (vhost and user, channels,
consumers and their queues) depends on it, and without holes in between it can be read in its order."""


Change = Callable[[PacketBatch, list[int]], PacketBatch]
"""Makes packets of a batch, given by their indexes, into what is to be written of them."""


class Selection:
    """The packets of chosen messages, and with ``handshake`` those that opened their connections.

    Feed it the events of a reading, and say which messages are chosen; then `save` reads the captures once more.
    """

    def __init__(self, *, handshake: bool = False) -> None:
        self.messages = 0
        """Messages chosen so far."""
        self._handshake = handshake
        self._numbers: set[int] = set()
        self._openings: dict[int, list[int]] = {}
        self._connections: dict[int, Connection] = {}

    def learn(self, events: Iterable[AmqpEvent]) -> None:
        """Remember the packets that open connections."""
        if not self._handshake:
            return
        for event in events:
            if isinstance(event, Event) and event.name not in _LATER:
                opening = self._openings.setdefault(event.connection.tcp.stream, [])
                if len(opening) < limits.OPENING_PACKETS:
                    opening.append(event.number)

    def choose(self, message: Message) -> None:
        """Take a message's packets."""
        self.messages += 1
        self._numbers.update(message.numbers)
        tcp = message.connection.tcp
        self._connections[tcp.stream] = tcp

    @property
    def streams(self) -> set[int]:
        """The connections (``tcp.stream``) of the chosen messages."""
        return set(self._connections)

    def packets(self) -> set[int]:
        """Give the numbers of the packets of the chosen messages, and of the openings; the first SYN is not in it."""
        wanted = set(self._numbers)
        for stream in self._connections:
            wanted.update(self._openings.get(stream, ()))
        return wanted

    def save(self, captures: Sequence[str | PathLike[str]], file: Writable, change: Change | None = None) -> int:
        """Write the packets to a file as pcapng; give how many. The captures are those of the reading.

        ``change`` is asked for the packets as they are to be written.
        """
        openings = ((tcp, self._openings.get(stream)) for stream, tcp in self._connections.items())
        before = {tcp: opening[0] for tcp, opening in openings if opening}
        writer = PcapngWriter(file)
        numbers = np.array(sorted(self.packets()), np.int64)
        with open_capture(captures) as capture:
            for batch in capture:
                indexes = _indexes(batch, numbers, before)
                writer.write(batch if change is None else change(batch, indexes), indexes)
        return writer.packets


def _indexes(
    batch: PacketBatch, numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]", before: dict[Connection, int]
) -> list[int]:
    """Give the indexes of the wanted packets of a batch, in order."""
    first = batch.first_number
    begin, end = np.searchsorted(numbers, [first, first + len(batch)])
    indexes = set((numbers[begin:end] - first).tolist())
    if before:
        indexes.update(index for index, tcp in packets_of_syn(batch, before) if first + index < before[tcp])
    return sorted(indexes)
