"""Several captures as one, in time order.

A k-way merge by batches: as far as every open capture is known, packets are taken together and sorted by
column. A capture is opened only when the others have come to its first packet, so that a rotation of many
files is read one file after another, while captures of several hosts that overlap in time are read together.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from dissector.capture.batch import PacketBatch
from dissector.capture.files import CaptureFile
from dissector.limits import BATCH_BYTES, FIRST_BATCH_BYTES, MERGE_READ_BYTES

_NEVER: Final = -(1 << 63)
"""Comes before every time: stands for the first packet of a capture that has none."""


class _Stream:
    """An open capture: the batch at hand, and how far it was taken.

    Packets are sorted by the running maximum of their times: where a clock steps back, the order of the
    packets in their own capture stands.
    """

    def __init__(self, file: CaptureFile, rank: int) -> None:
        self.file = file
        self.rank = rank
        self.batch: PacketBatch | None = None
        self.keys: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.taken = 0
        self._latest = _NEVER

    def fill(self, size: int) -> bool:
        """Make sure that there are packets at hand; False at the end of the capture."""
        if self.taken < len(self.keys):
            return True
        self.batch = self.file.read(size)
        self.taken = 0
        if self.batch is None:
            self.file.close()
            return False
        self.keys = np.maximum(np.maximum.accumulate(self.batch.time_ns), self._latest)
        self._latest = int(self.keys[-1])
        return True

    def take(self, time_ns: int, rank: int) -> tuple[PacketBatch, npt.NDArray[np.int64]] | None:
        """Take the packets up to a time (those at that very time only if not ranked behind), with their keys."""
        side: Final = "right" if self.rank <= rank else "left"
        begin, end = self.taken, int(np.searchsorted(self.keys, time_ns, side=side))
        if self.batch is None or begin == end:
            return None
        self.taken = end
        if end - begin == len(self.keys):
            return self.batch, self.keys
        chosen = slice(begin, end)
        batch = PacketBatch(
            buffer=self.batch.buffer,
            start=self.batch.start[chosen],
            captured=self.batch.captured[chosen],
            original=self.batch.original[chosen],
            time_ns=self.batch.time_ns[chosen],
            link_type=self.batch.link_type[chosen],
            first_number=self.batch.first_number + begin,
        )
        return batch, self.keys[chosen]


def merge(files: Sequence[CaptureFile]) -> Iterator[PacketBatch]:
    """Give the packets of all captures in time order; packet numbers are not counted over them.

    Packets of the same time come in the order of their captures' first packets, or of ``files`` where those
    are of the same time, too. Every capture's own order is kept. Raises `UsageError` where a capture cannot
    be read at all.
    """
    if len(files) == 1:
        waiting = deque([(_NEVER, files[0])])
    else:
        times = [(_NEVER if (time_ns := file.first_time()) is None else time_ns, file) for file in files]
        waiting = deque(sorted(times, key=lambda item: item[0]))
    count = len(files)
    streams: list[_Stream] = []
    together = FIRST_BATCH_BYTES
    while waiting or streams:
        if not streams:
            streams.append(_Stream(waiting.popleft()[1], count - len(waiting)))
        size = max(together // len(streams), MERGE_READ_BYTES)
        together = min(2 * together, BATCH_BYTES)
        streams = [stream for stream in streams if stream.fill(size)]
        if not streams:
            continue
        # Nothing earlier than this can come from a capture that is open, nor from one that is not.
        time_ns, rank = min((int(stream.keys[-1]), stream.rank) for stream in streams)
        opens = bool(waiting) and waiting[0][0] < time_ns
        if opens:
            time_ns, rank = waiting[0][0], count
        parts = [part for stream in streams if (part := stream.take(time_ns, rank)) is not None]
        if parts:
            yield parts[0][0] if len(parts) == 1 else _join(parts)
        if opens:
            streams.append(_Stream(waiting.popleft()[1], count - len(waiting)))


def _join(parts: Sequence[tuple[PacketBatch, npt.NDArray[np.int64]]]) -> PacketBatch:
    """Put batches together, sorted by their keys; equal keys in the order of the batches."""
    buffers: list[memoryview] = []
    starts: list[npt.NDArray[np.int64]] = []
    length = 0
    for batch, _ in parts:
        begin, end = int(batch.start[0]), int(batch.start[-1] + batch.captured[-1])
        buffers.append(memoryview(batch.buffer)[begin:end])
        starts.append(batch.start + (length - begin))
        length += end - begin
    batches = [batch for batch, _ in parts]
    order = np.argsort(np.concatenate([keys for _, keys in parts]), kind="stable")
    return PacketBatch(
        buffer=b"".join(buffers),
        start=np.concatenate(starts)[order],
        captured=np.concatenate([batch.captured for batch in batches])[order],
        original=np.concatenate([batch.original for batch in batches])[order],
        time_ns=np.concatenate([batch.time_ns for batch in batches])[order],
        link_type=np.concatenate([batch.link_type for batch in batches])[order],
        first_number=batches[0].first_number,
    )
