"""A run over live interfaces: the same attributes as a run over files, and packets as they come."""

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final, Protocol

import msgspec
import numpy as np

from dissector import limits
from dissector.capture.batch import PacketBatch, Quiet
from dissector.capture.live import child, interfaces
from dissector.capture.live.bpf import FilterError, expression
from dissector.capture.live.packetsocket import NoSocketError, PacketSocket
from dissector.capture.live.privileges import Account, drop
from dissector.capture.live.reader import Captured, Reader
from dissector.capture.live.tap import Tap
from dissector.errors import MissingExtraError, UsageError

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
        gives_up: bool = True,
        duration_s: float | None = None,
        nice: int = 0,
        begin: Callable[[], None] = lambda: None,
        tell: Callable[[str], None],
    ) -> None:
        """Begin to capture on interfaces; ``more`` is added to the capture filter.

        ``method`` is ``child`` (dumpcap, else tcpdump), ``scapy`` (a packet socket of our own), or ``auto``: a socket
        where it may be had with all of its buffer (root, and scapy installed), as it gives packets at once; else a
        child, if there is one.

        ``nice`` is by how much the thread that iterates is to give way to others, as nice(1) has it: this is a guest on
        the broker's host. The thread that takes packets does not, so that none are lost meanwhile.

        ``whom`` is who this process becomes, unless it ``gives_up`` nothing: that of somebody else's program keeps its
        rights. ``begin`` is called once it has, before the first packet is given; ``tell`` is called, by who iterates,
        with a line for people. Raises `UsageError` where it cannot be done.
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
        self._gives_up = gives_up
        self._begin = begin
        self._duration_s = duration_s
        self._nice = nice
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

    def give_up_rights(self) -> None:
        """Give up all rights now, and not when iterating begins: where other threads are started before that.

        Capabilities belong to a thread, so it is to be called before there are others. Raises `UsageError`.
        """
        if self._gives_up:
            self._gives_up = False
            drop(self._whom)

    def _read(self) -> Iterator[PacketBatch | Quiet]:
        self.give_up_rights()
        self._reader.start()
        _give_way(self._nice)
        self._begin()
        told_rest = False
        ahead_ns = time.time_ns() - _awake_ns()
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
                yield Quiet(_awake_ns() + ahead_ns)
                continue
            ahead_ns = time.time_ns() - _awake_ns()
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
        if not self._stopped and not self._closed:
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


def _awake_ns() -> int:
    """Give the time since the machine was started, what it slept included. A clock that is set does not move it, so
    that nobody takes an hour for past in which no packet came.
    """
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _give_way(nice: int) -> None:
    """Let others have the processor first; of this thread alone, as Linux has it (setpriority(2), sched(7))."""
    if not nice:
        return
    with contextlib.suppress(OSError):  # in a container that forbids it
        os.nice(nice)
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _open(name: str, ports: Collection[int], method: str, more: str | None, whom: Account | None) -> Tap:
    interfaces.check(name)
    wanted = expression(ports, more, is_ethernet=interfaces.is_ethernet(name))
    path = child.find()
    if method == "child" and path is None:
        raise UsageError("neither dumpcap nor tcpdump is installed; install one, or use --capture scapy")
    try:
        if method == "scapy" or path is None:
            return PacketSocket(name, wanted)
        own = _own_socket(name, wanted) if method == "auto" else None
        return own or child.Child(path, name, wanted, whom)
    except FilterError as error:
        # The user knows what was said with -f, and nothing of what it was put into.
        raise FilterError(name, more or wanted, error.why) from None


def _own_socket(name: str, wanted: str) -> PacketSocket | None:
    """Open a packet socket; None where there is none to be had, or a small one, as for who is not root."""
    try:
        own = PacketSocket(name, wanted)
    except (NoSocketError, MissingExtraError):
        return None
    if own.buffer_bytes < limits.CAPTURE_BUFFER_BYTES:
        own.close()
        return None
    return own
