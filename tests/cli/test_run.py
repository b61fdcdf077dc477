"""Ctrl-C where what is written goes nowhere."""

import fcntl
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from ..lab import truth
from .command import COMMAND

DEMO = truth.captures()["demo"]
SECONDS = 30
PIPE_BYTES = 1 << 16


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_second_ctrl_c_ends_it_where_the_reader_has_stopped(jobs):
    """A pipe holds 64 KiB, and nobody takes them: the first Ctrl-C waits for that, the second does not."""
    words = [COMMAND, "read", "-V", "--jobs", str(jobs), *[DEMO] * 3]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: waiting(process.stdout) > PIPE_BYTES - select.PIPE_BUF)
        workers = children(process.pid)
        assert len(workers) == (jobs if jobs > 1 else 0)
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
        wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
        assert b"Traceback" not in process.communicate()[1]
    finally:
        process.kill()
        process.communicate()


def wait_for(is_so) -> None:
    until = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def waiting(pipe) -> int:
    """Bytes in a pipe that nobody has taken."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def children(pid: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
