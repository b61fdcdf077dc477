"""A worker as its parent sees it: a process, and the way to it."""

import os
import signal
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from dissector.errors import WorkerError
from dissector.parallel.channel import Buffer, Channel, channel
from dissector.parallel.worker import IGNORED


class Process:
    """A worker's process. It ends when the parent does, in whatever way, for then its pipes end."""

    def __init__(self, run: Callable[[Channel], NoReturn], others: "Sequence[Process]") -> None:
        """Fork a process that does ``run``. ``others`` are those that were made before: it keeps no pipes of theirs.

        Raises `WorkerError` where there can be no more processes.
        """
        try:
            self.channel, its_channel = channel()
        except OSError as error:
            raise WorkerError(f"no process can be made: {error.strerror}; try --jobs 1") from None
        before = signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED)
        try:
            with warnings.catch_warnings():
                # A worker uses no locks but its own, whatever threads there are here.
                warnings.simplefilter("ignore", DeprecationWarning)
                self._number = os.fork()
            if not self._number:
                try:
                    for one in (self, *others):
                        one.channel.close()
                    run(its_channel)
                finally:
                    os._exit(1)
        except OSError as error:
            self.channel.close()
            raise WorkerError(f"no process can be made: {error.strerror}; try --jobs 1") from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            its_channel.close()

    def send(self, parcel: Buffer) -> None:
        """Send a parcel. Raises `WorkerError` where the process has ended."""
        try:
            self.channel.send(parcel)
        except BrokenPipeError:
            raise self._ended() from None

    def receive(self, read: Callable[[Buffer], Any]) -> Any:  # noqa: ANN401 - what ``read`` gives
        """Take what has come, as `Channel.receive` does. Raises `WorkerError` where the process has ended."""
        try:
            return self.channel.receive(read)
        except (EOFError, BrokenPipeError):
            raise self._ended() from None

    def end(self) -> None:
        """End the process, whatever it does, and wait for that."""
        self.channel.close()
        if self._number:
            os.kill(self._number, signal.SIGKILL)
            self._wait()

    def _ended(self) -> WorkerError:
        """Say how the process ended."""
        status = self._wait()
        how = "has ended"
        if status is not None and os.WIFSIGNALED(status):
            how = f"was killed ({signal.Signals(os.WTERMSIG(status)).name})"
        return WorkerError(f"a worker process {how}, the output is not complete; if memory is short, try --jobs 1")

    def _wait(self) -> int | None:
        number, self._number = self._number, 0
        try:
            return os.waitpid(number, 0)[1]
        except ChildProcessError:  # whoever started us lets nobody wait for children (SIGCHLD is ignored)
            return None
