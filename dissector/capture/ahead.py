"""A pipe that is read ahead, by a thread of its own: while one batch is worked on the next one gathers.

Without that a batch holds what fits into the pipe, an eighth of what it might, and the work on many connections costs
half as much again; and whoever writes into the pipe has to wait more often, or to drop packets.
"""

import io
import select
import threading
from collections import deque

from dissector import limits


class AheadReader:
    """Reads `limits.BATCH_BYTES` ahead of who takes them. It takes the file over, and closes it."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        """What they hold."""
        self._ended = False
        """Whether no more pieces come."""
        self._closed = False
        """Whether no more are wanted."""
        self._error: OSError | None = None
        self._changed = threading.Condition()
        # It may be waiting for the pipe when the program ends, which need not wait for that.
        threading.Thread(target=self._run, name="pipe", daemon=True).start()

    def read(self, size: int) -> bytes:
        """Give what there is, at most ``size`` bytes; wait where there is nothing. None are given at the end only.

        Raises the `OSError` that ended it.
        """
        taken: list[bytes] = []
        left = size
        with self._changed:
            while not self._pieces and not self._ended:
                self._changed.wait()
            while self._pieces and left:
                piece = self._pieces.popleft()
                if len(piece) > left:
                    self._pieces.appendleft(piece[left:])
                    piece = piece[:left]
                taken.append(piece)
                left -= len(piece)
            self._bytes -= size - left
            self._changed.notify_all()
            if not taken and self._error is not None:
                raise self._error
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def close(self) -> None:
        """Read no further. A thread that waits for the pipe sees that when something comes, or the pipe ends."""
        with self._changed:
            self._closed = True
            self._pieces.clear()
            self._changed.notify_all()

    # -- in the thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._file, select.POLLIN)
        try:
            while self._is_wanted():
                data = self._file.read(limits.PIPE_BYTES)
                if data is None:  # the other end of the pipe made it non-blocking
                    poll.poll()
                elif not data:
                    break
                else:
                    self._give(data)
        except OSError as error:
            self._error = error
        finally:
            self._file.close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _is_wanted(self) -> bool:
        """Wait until there is room; tell whether more is wanted."""
        with self._changed:
            while self._bytes >= limits.BATCH_BYTES and not self._closed:
                self._changed.wait()
            return not self._closed

    def _give(self, data: bytes) -> None:
        with self._changed:
            self._pieces.append(data)
            self._bytes += len(data)
            self._changed.notify_all()
