"""The shape in which packets travel: one buffer and columns."""

import msgspec
import numpy as np
import numpy.typing as npt


class PacketBatch(msgspec.Struct, frozen=True):
    """A run of packets in capture order, as one buffer and one numpy array for each header field.

    All columns have the same length. Packet ``i`` of the batch is packet number ``first_number + i`` of the
    run (``frame.number``, counted from 1 over all files), and its bytes are
    ``buffer[start[i] : start[i] + captured[i]]``. There is no Python object for a packet.
    """

    buffer: bytes
    """The bytes that the packets lie in, each wholly; whatever lies between packets is not theirs. Where
    captures were merged, packets need not lie in it in the order of their numbers."""
    start: npt.NDArray[np.int64]
    """Offset of each packet's first byte in ``buffer``."""
    captured: npt.NDArray[np.int64]
    """Bytes of each packet that are in the capture (``frame.cap_len``)."""
    original: npt.NDArray[np.int64]
    """Bytes that each packet had on the wire (``frame.len``); more than ``captured`` where a snap length cut it."""
    time_ns: npt.NDArray[np.int64]
    """When each packet was captured: nanoseconds since 1970-01-01 00:00 UTC; 0 where the capture does not say."""
    link_type: npt.NDArray[np.uint16]
    """Each packet's LINKTYPE_ number (https://www.tcpdump.org/linktypes.html); raw IP is always 101."""
    first_number: int
    """``frame.number`` of the first packet of the batch."""

    def __len__(self) -> int:
        return len(self.start)

    def packet(self, index: int) -> bytes:
        """Copy out the captured bytes of packet ``index`` of the batch, from 0."""
        start = int(self.start[index])
        return self.buffer[start : start + int(self.captured[index])]


class Quiet(msgspec.Struct, frozen=True):
    """No packet has come up to now: what a live capture gives where someone waits for what comes."""

    time_ns: int
    """Now, on the clock of the packets' times: nanoseconds since 1970-01-01 00:00 UTC."""
