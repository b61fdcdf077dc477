"""Other programs, asked a short question: bounded in time and in what they may answer."""

import contextlib
import os
import select
import signal
import subprocess
import time
from typing import Final

import msgspec

TIMEOUT_S: Final = 5.0
"""Longest wait for an answer: tshark was measured to take 0.2 s, on a busy machine some 2 s."""
_END_S: Final = 1.0
"""Longest wait for one that was killed."""
_MOST_BYTES: Final = 64 << 10
"""What is read of an answer; versions and folders take some 3 kB."""


class Answer(msgspec.Struct, frozen=True):
    """What a program said."""

    status: int | None
    """Its exit status; None where it could not be started, or did not end in time."""
    text: str
    """Standard output and standard error, as they came; where it could not be started, why."""

    @property
    def first_line(self) -> str:
        """The first line that is not empty, or nothing."""
        return next((line.strip() for line in self.text.splitlines() if line.strip()), "")


def ask(*words: str, timeout_s: float = TIMEOUT_S) -> Answer:
    """Run a program that is to answer and end; one that does not is killed, with what it has started."""
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return Answer(None, getattr(error, "strerror", None) or str(error))
    assert process.stdout is not None
    said = bytearray()
    until = time.monotonic() + timeout_s
    try:
        has_ended = _read(process.stdout.fileno(), said, until)
        if has_ended:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(until - time.monotonic(), 0))
    finally:
        if process.returncode is None:
            # The whole session: what a wrapper has started holds the pipe open. One that is set-uid root stays.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
            status = None
        else:
            status = process.returncode
        process.stdout.close()
    return Answer(status, said.decode(errors="replace"))


def _read(descriptor: int, said: bytearray, until: float) -> bool:
    """Read to the end; False where that did not come in time, or within `_MOST_BYTES`."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while len(said) < _MOST_BYTES and (left := until - time.monotonic()) > 0:
        if poll.poll(left * 1000):
            piece = os.read(descriptor, _MOST_BYTES)
            if not piece:
                return True
            said += piece
    return False
