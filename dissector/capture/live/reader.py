"""The thread that takes packets from taps, and never waits for the decoder."""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from dissector import limits
from dissector.capture.batch import PacketBatch
from dissector.capture.live.interfaces import is_up
from dissector.capture.live.tap import Tap

_LOOK_MS: Final = 1000
"""How often interfaces and statistics are looked after."""
_END_S: Final = 10.0
"""Longest wait for what taps still have when they were told to stop."""
_GATHER_MS: Final = 10
"""How long packets gather where the decoder is busy anyway: large batches cost less than many small ones. A pipe of
1 MiB takes 100 ms to fill at 10 MB/s."""
_PACKET_OVERHEAD: Final = 42
"""Bytes that the columns of a batch take for each packet."""


class Captured(msgspec.Struct):
    """Packets with the interface that each came from."""

    batch: PacketBatch
    interface: npt.NDArray[np.uint16]
    """Of each packet, the index of its tap."""

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return len(self.batch.buffer) + _PACKET_OVERHEAD * len(self.batch)


class Reader(threading.Thread):
    """Reads taps until all have ended, or `stop` is called, into a queue that is bounded.

    Where the queue is full, what comes is dropped and counted. `take` is for one other thread.
    """

    def __init__(self, taps: Sequence[Tap]) -> None:
        super().__init__(name="capture", daemon=True)
        self.dropped = [0] * len(taps)
        """Packets of each tap that were dropped here."""
        self.received = [0] * len(taps)
        """Packets that each tap has given, those dropped here included."""
        self.news: deque[str] = deque()
        """What has happened to interfaces, a line each, to be told and taken out."""
        self._taps = taps
        self._queue: deque[Captured] = deque()
        self._queued_bytes = 0
        self._changed = threading.Condition()
        self._ended = False
        self._error: BaseException | None = None
        self._wake, self._waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._up = [True] * len(taps)

    @property
    def queued(self) -> int:
        """Packets that wait to be taken."""
        with self._changed:
            return sum(len(captured.batch) for captured in self._queue)

    def stop(self) -> None:
        """End soon: what the taps still hold is read. May be called by a signal handler."""
        os.write(self._waker, b"s")

    def take(self, timeout_s: float) -> Captured | None:
        """Give what has come, as one batch of `limits.BATCH_BYTES` or a little more; waits for something.

        An empty batch where nothing came in time; None where nothing comes any more. Raises what ended the thread.
        """
        with self._changed:
            if not self._queue and not self._ended:
                self._changed.wait(timeout_s)
            taken: list[Captured] = []
            size = 0
            while self._queue and size < limits.BATCH_BYTES:
                taken.append(self._queue.popleft())
                size += taken[-1].size
            self._queued_bytes -= size
            if not taken and self._ended:
                if self._error is not None:
                    raise self._error
                return None
        return _join(taken)

    def close(self) -> None:
        """End at once, and free everything."""
        if self.is_alive():
            self.stop()
            self.join()
        for tap in self._taps:
            tap.close()
        for descriptor in (self._wake, self._waker):
            os.close(descriptor)

    # -- the thread ------------------------------------------------------------------------------------

    def run(self) -> None:
        """Read until the end."""
        try:
            self._read_all()
        except BaseException as error:  # raised again by `take`, where somebody hears it
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def _read_all(self) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        open_: dict[int, int] = {}
        for index, tap in enumerate(self._taps):
            poll.register(tap.fileno(), select.POLLIN)
            open_[tap.fileno()] = index
        look_at = time.monotonic()
        stopped = False
        end = float("inf")
        while open_ and time.monotonic() < end:
            ready = poll.poll(0 if stopped else _LOOK_MS)
            parts: list[Captured] = []
            for descriptor, _ in ready:
                if descriptor == self._wake:
                    poll.unregister(self._wake)
                    stopped, end = True, time.monotonic() + _END_S
                    for index in open_.values():
                        self._taps[index].stop()
                elif not self._read(open_[descriptor], parts):
                    poll.unregister(descriptor)
                    self._tell_failure(open_.pop(descriptor))
            if stopped and not ready:
                # A packet socket has no end of its own, a child's pipe has.
                for descriptor, index in list(open_.items()):
                    if not self._read(index, parts):
                        poll.unregister(descriptor)
                        self._tell_failure(open_.pop(descriptor))
                time.sleep(_GATHER_MS / 1000)
            self._put(parts)
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + _LOOK_MS / 1000
                self._look_after(open_.values())
            if self._queue and not stopped:
                time.sleep(_GATHER_MS / 1000)
        for index in open_.values():
            self._taps[index].give_up()
            self._tell_failure(index)

    def _tell_failure(self, index: int) -> None:
        failure = self._taps[index].failure
        if failure is not None:
            self.news.append(failure)

    def _read(self, index: int, parts: list[Captured]) -> bool:
        """Take what a tap has; False where that was all for good."""
        batches = self._taps[index].read()
        if batches is None:
            return False
        for batch in batches:
            self.received[index] += len(batch)
            parts.append(Captured(batch, np.full(len(batch), index, np.uint16)))
        return True

    def _put(self, parts: list[Captured]) -> None:
        """Queue what was read at once, in time order over the interfaces, or drop it."""
        if not parts:
            return
        captured = _join(parts, in_order=True)
        with self._changed:
            if self._queued_bytes > limits.CAPTURED_BYTES or len(self._queue) >= limits.CAPTURED_BATCHES:
                for index, count in enumerate(np.bincount(captured.interface, minlength=len(self._taps)).tolist()):
                    self.dropped[index] += count
                return
            self._queue.append(captured)
            self._queued_bytes += captured.size
            self._changed.notify()

    def _look_after(self, indexes: Iterable[int]) -> None:
        for index in indexes:
            tap = self._taps[index]
            if (told := tap.look_after()) is not None:
                self.news.append(told)
            up = bool(is_up(tap.name))
            if up is not self._up[index]:
                self._up[index] = up
                self.news.append(f"{tap.name}: {'is up again' if up else 'has gone down; waiting for it'}")


def _join(parts: Sequence[Captured], *, in_order: bool = False) -> Captured:
    """Put batches together; ``in_order`` of their packets' times, where each batch's own order stands."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        none = np.empty(0, np.int64)
        batch = PacketBatch(b"", none, none, none, none, np.empty(0, np.uint16), 1)
        return Captured(batch, np.empty(0, np.uint16))
    batches = [part.batch for part in parts]
    base = np.cumsum([0, *(len(batch.buffer) for batch in batches[:-1])])
    columns = [
        np.concatenate([batch.start + at for batch, at in zip(batches, base.tolist(), strict=True)]),
        np.concatenate([batch.captured for batch in batches]),
        np.concatenate([batch.original for batch in batches]),
        np.concatenate([batch.time_ns for batch in batches]),
        np.concatenate([batch.link_type for batch in batches]),
        np.concatenate([part.interface for part in parts]),
    ]
    if in_order:
        latest = np.concatenate([np.maximum.accumulate(batch.time_ns) for batch in batches])
        order = np.argsort(latest, kind="stable")
        columns = [column[order] for column in columns]
    start, captured, original, time_ns, link_type, interface = columns
    buffer = b"".join([batch.buffer for batch in batches])
    return Captured(PacketBatch(buffer, start, captured, original, time_ns, link_type, 1), interface)
