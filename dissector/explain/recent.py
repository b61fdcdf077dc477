"""The last packets of a run, for who wants to look at those of a message again."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from dissector import limits
from dissector.capture import PacketBatch, Quiet
from dissector.explain.carriers import Packet
from dissector.reading import PacketSource


class Watched:
    """Packets from a source, each batch shown to somebody before it is given; all else is as the source has it."""

    def __init__(self, source: PacketSource, see: Callable[[PacketBatch], None]) -> None:
        self._source = source
        self._see = see

    def __iter__(self) -> Iterator[PacketBatch | Quiet]:
        """Give the packets."""
        for batch in self._source:
            if isinstance(batch, PacketBatch):
                self._see(batch)
            yield batch

    @property
    def packets(self) -> int:
        """Packets given so far."""
        return self._source.packets

    @property
    def truncated_packets(self) -> int:
        """Those of them of which there is less than was on the wire."""
        return self._source.truncated_packets

    @property
    def bytes_read(self) -> int:
        """Bytes read so far."""
        return self._source.bytes_read

    @property
    def bytes_total(self) -> int | None:
        """Bytes of all; None where nobody knows."""
        return self._source.bytes_total

    @property
    def kernel_drops(self) -> int | None:
        """Packets that the capturing system lost; None where nothing tells."""
        return self._source.kernel_drops

    @property
    def own_drops(self) -> int:
        """Packets that came too fast."""
        return self._source.own_drops

    @property
    def is_live(self) -> bool:
        """Whether it is a live capture."""
        return self._source.is_live

    @property
    def notices(self) -> list[str]:
        """What was wrong so far, one line each."""
        return self._source.notices

    @property
    def is_ending(self) -> bool:
        """Whether a live capture was asked to end."""
        return self._source.is_ending

    def stop(self) -> bool:
        """End a live capture soon; False where it is none."""
        return self._source.stop()

    def close(self) -> None:
        """Close everything."""
        self._source.close()


class RecentPackets:
    """Keeps the last batches of packets, as many as `limits.EXPLAINED_PACKETS_BYTES` allows."""

    def __init__(self) -> None:
        self._batches: deque[PacketBatch] = deque()
        self._bytes = 0

    def see(self, batch: PacketBatch) -> None:
        """Take the next batch."""
        self._batches.append(batch)
        self._bytes += len(batch.buffer)
        while self._bytes > limits.EXPLAINED_PACKETS_BYTES and len(self._batches) > 1:
            self._bytes -= len(self._batches.popleft().buffer)

    def of(self, numbers: Iterable[int]) -> list[Packet]:
        """Give packets by their numbers, which ascend; those that are no longer kept are left out."""
        found = []
        batches = iter(self._batches)
        batch = next(batches, None)
        for number in numbers:
            while batch is not None and number >= batch.first_number + len(batch):
                batch = next(batches, None)
            if batch is not None and number >= batch.first_number:
                found.append(packet_at(batch, number - batch.first_number))
        return found


def packet_at(batch: PacketBatch, index: int) -> Packet:
    """Copy a packet out of a batch."""
    number = batch.first_number + index
    return Packet(number, int(batch.time_ns[index]), int(batch.link_type[index]), batch.packet(index))
