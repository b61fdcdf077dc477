"""One end of the way between a parent and a worker: shared memory that bytes go by, and pipes that say where they are.

What is sent lies in slots of shared memory until the other end has taken it out, so nobody waits for the other to be
listening; what finds no free slot waits here. The pipes carry messages of one size, of which no more can be on their
way than there are slots: there is always room for them.
"""

import os
import struct
from collections import deque
from collections.abc import Callable
from mmap import mmap
from typing import Any, Final

from dissector import limits

Buffer = bytes | bytearray | memoryview

_FREED: Final = 0
"""Message: a slot of the other end may be written to again."""
_PIECE: Final = 1
"""Message: a slot holds the next piece of a parcel."""
_LAST: Final = 2
"""Message: a slot holds its last piece."""

_MESSAGE: Final = struct.Struct("=BIQ")
"""Which of these, the slot, the bytes in it."""


class Channel:
    """One end. It raises `EOFError` and `BrokenPipeError` where the other end is gone."""

    def __init__(self, sent: memoryview, received: memoryview, pipe_out: int, pipe_in: int) -> None:
        self._sent = sent
        self._received = received
        self._out = pipe_out
        self.pipe_in = pipe_in
        """It is readable when there is something to be received."""
        self._free = list(range(limits.SLOTS))
        self._waiting: deque[memoryview] = deque()
        """What has not gone into slots yet of each parcel."""
        self._pieces = bytearray()

    def send(self, parcel: Buffer) -> None:
        """Send a parcel, as far as there are slots; the rest goes as they are freed."""
        self._waiting.append(memoryview(parcel))
        self._fill()

    def receive(self, read: Callable[[Buffer], Any]) -> Any:  # noqa: ANN401 - what ``read`` gives
        """Take one message, or wait for it; give what ``read`` makes of a parcel that is whole with it, else None."""
        message = b""
        while len(message) < _MESSAGE.size:
            more = os.read(self.pipe_in, _MESSAGE.size - len(message))
            if not more:
                raise EOFError
            message += more
        kind, slot, size = _MESSAGE.unpack(message)
        if kind == _FREED:
            self._free.append(slot)
            self._fill()
            return None
        parcel: Buffer = _in_slot(self._received, slot, size)
        if self._pieces or kind != _LAST:
            self._pieces += parcel
            parcel = self._pieces
        made = None
        if kind == _LAST:
            made = read(parcel)
            self._pieces = bytearray()
        os.write(self._out, _MESSAGE.pack(_FREED, slot, 0))
        return made

    def close(self) -> None:
        """Close the pipes."""
        os.close(self._out)
        os.close(self.pipe_in)

    def _fill(self) -> None:
        while self._waiting and self._free:
            slot, parcel = self._free.pop(), self._waiting.popleft()
            piece, left = parcel[: limits.SLOT_BYTES], parcel[limits.SLOT_BYTES :]
            _in_slot(self._sent, slot, len(piece))[:] = piece
            if left:
                self._waiting.appendleft(left)
            os.write(self._out, _MESSAGE.pack(_PIECE if left else _LAST, slot, len(piece)))


def _in_slot(memory: memoryview, slot: int, size: int) -> memoryview:
    at = slot * limits.SLOT_BYTES
    return memory[at : at + size]


def channel() -> tuple[Channel, Channel]:
    """Make both ends, before the fork: that of the parent and that of the worker; each closes the other's.

    Memory that is never written to takes no room.
    """
    there, back = (memoryview(mmap(-1, limits.SLOTS * limits.SLOT_BYTES)) for _ in range(2))
    read_there, write_there = os.pipe()
    try:
        read_back, write_back = os.pipe()
    except OSError:
        os.close(read_there)
        os.close(write_there)
        raise
    return Channel(there, back, write_there, read_back), Channel(back, there, write_back, read_there)
