"""A run over live interfaces: the same attributes as a run over files, and packets as they come."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final, Protocol

import msgspec
import numpy as np

from dissector import limits
from dissector.capture.batch import PacketBatch, Quiet
from dissector.capture.live import child, interfaces
from dissector.capture.live.bpf import expression
from dissector.capture.live.packetsocket import PacketSocket
from dissector.capture.live.privileges import Account, drop
from dissector.capture.live.reader import Captured, Reader
from dissector.capture.live.tap import Tap
from dissector.errors import UsageError

_MANY_PACKETS: Final = 20_000
"""More packets than that are a matter of a second or two."""
_TOLD_EVERY_S: Final = 10.0
"""How often packets that are dropped here are told of."""


class Save(Protocol):
    """Where packets are saved, in the order in which they are numbered."""

    @property
    def is_over(self) -> bool:
        """Whether the capture shall end, as no more may be saved."""

    def write(self, captured: Captured, statistics: Callable[[], list[tuple[int, int]]], /) -> None:
        """Take packets; ``statistics`` gives `LiveCapture.statistics`."""

    def close(self, statistics: Callable[[], list[tuple[int, int]]], /) -> None:
        """Learn that no more come."""


class LiveCapture:
    """The packets of interfaces, to be iterated over once: `PacketBatch` es, and `Quiet` where none come.

    Opening takes the right to capture; iterating gives up all rights first.
    """

    bytes_total = None
    """Nobody knows."""
    is_live = True

    def __init__(
        self,
        names: Sequence[str],
        ports: Collection[int],
        *,
        method: str = "auto",
        more: str | None = None,
        whom: Account | None = None,
        duration_s: float | None = None,
        begin: Callable[[], None] = lambda: None,
        tell: Callable[[str], None],
    ) -> None:
        """Begin to capture on interfaces; ``more`` is added to the capture filter.

        ``method`` is ``child`` (dumpcap, else tcpdump), ``scapy``, or ``auto``: a child where there is one.

        ``whom`` is who this process becomes; ``begin`` is called once it has, before the first packet is given;
        ``tell`` is called, by who iterates, with a line for people. Raises `UsageError` where it cannot be done.
        """
        self.packets = 0
        """Packets given so far; the number of the last."""
        self.truncated_packets = 0
        """Packets given so far that were larger than `limits.CAPTURE_SNAP_BYTES`."""
        self.bytes_read = 0
        """Bytes of them."""
        self._tell = tell
        self.save: Save | None = None
        """Where packets are saved; set it before packets are taken."""
        self._whom = whom
        self._begin = begin
        self._duration_s = duration_s
        self._end_at = float("inf")
        self._stopped = self._closed = False
        self._told_drops = 0
        self._tell_drops_at = 0.0
        self._failures: list[str] = []
        self._taps: list[Tap] = []
        try:
            for name in dict.fromkeys(names):
                self._taps.append(_open(name, ports, method, more, whom))
        except BaseException:
            for tap in self._taps:
                tap.close()
            raise
        self._reader = Reader(self._taps)
        self._batches = self._read()

    @property
    def names(self) -> list[str]:
        """The interfaces, by the indexes that `Captured.interface` has."""
        return [tap.name for tap in self._taps]

    @property
    def program(self) -> str:
        """What captures, for people."""
        return self._taps[0].program

    @property
    def buffer_bytes(self) -> int:
        """What the kernel holds of each interface while nobody reads."""
        return min(tap.buffer_bytes for tap in self._taps)

    @property
    def kernel_drops(self) -> int | None:
        """Packets that the kernel dropped so far; a child tells when it ends. None where none told."""
        known = [drops for tap in self._taps if (drops := tap.drops) is not None]
        return sum(known) if known else None

    @property
    def own_drops(self) -> int:
        """Packets that were dropped because they came faster than they were decoded or written."""
        return sum(self._reader.dropped)

    @property
    def notices(self) -> list[str]:
        """What ended that should not have, one line each."""
        return self._failures

    def statistics(self) -> list[tuple[int, int]]:
        """Give, of each interface, how many packets came and how many of them were dropped, as far as is known."""
        received, dropped = self._reader.received, self._reader.dropped
        return [
            (came + (tap.drops or 0), lost + (tap.drops or 0))
            for tap, came, lost in zip(self._taps, received, dropped, strict=True)
        ]

    def __iter__(self) -> Iterator[PacketBatch | Quiet]:
        """Give the packets."""
        return self._batches

    def _read(self) -> Iterator[PacketBatch | Quiet]:
        drop(self._whom)
        self._reader.start()
        self._begin()
        told_rest = False
        if self._duration_s is not None:
            self._end_at = time.monotonic() + self._duration_s
        while (captured := self._reader.take(limits.QUIET_NS / 1e9)) is not None:
            if time.monotonic() >= self._end_at or (self.save is not None and self.save.is_over):
                self.stop()
            self._news()
            if self._stopped and not told_rest and (queued := self._reader.queued) > _MANY_PACKETS:
                told_rest = True
                self._tell(f"decoding {queued:,} packets that are left; to leave them out, press Ctrl-C again")
            batch = captured.batch
            if not len(batch):
                yield Quiet(time.time_ns())
                continue
            if self.save is not None:
                self.save.write(captured, self.statistics)
            number = self.packets + 1
            self.packets += len(batch)
            self.bytes_read += int(batch.captured.sum())
            self.truncated_packets += int(np.count_nonzero(batch.captured < batch.original))
            yield msgspec.structs.replace(batch, first_number=number)
        self._news(is_last=True)

    def _news(self, *, is_last: bool = False) -> None:
        """Tell what has happened in the other thread."""
        while self._reader.news:
            text = self._reader.news.popleft()
            self._tell(text)
        drops = self.own_drops
        now = time.monotonic()
        if drops > self._told_drops and (is_last or now >= self._tell_drops_at):
            since = drops - self._told_drops
            self._told_drops, self._tell_drops_at = drops, now + _TOLD_EVERY_S
            self._tell(f"{since:,} packets dropped: they come faster than they are decoded or written")
        self._failures = [failure for tap in self._taps if (failure := tap.failure) is not None]

    @property
    def is_ending(self) -> bool:
        """Whether it was asked to end, or is to."""
        return self._stopped or time.monotonic() >= self._end_at

    def stop(self) -> bool:
        """End soon: what was captured so far is still given. May be called by a signal handler, more than once."""
        if not self._stopped:
            self._stopped = True
            self._reader.stop()
        return True

    def close(self) -> None:
        """Close everything; there are no more packets then."""
        if self._closed:
            return
        self._closed = True
        self._batches = iter(())
        self._reader.close()
        if self.save is not None:
            self.save.close(self.statistics)


def _open(name: str, ports: Collection[int], method: str, more: str | None, whom: Account | None) -> Tap:
    interfaces.check(name)
    wanted = expression(ports, more, is_ethernet=interfaces.is_ethernet(name))
    path = child.find()
    if method == "child" and path is None:
        raise UsageError("neither dumpcap nor tcpdump is installed; install one, or use --capture scapy")
    if method != "scapy" and path is not None:
        return child.Child(path, name, wanted, whom)
    return PacketSocket(name, wanted)
