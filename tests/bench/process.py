"""Runs whole processes on chosen cores, and tells their time and memory."""

import os
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

PIECE_BYTES: Final = 1 << 20


class Run(NamedTuple):
    """How a process went, with those that it started itself."""

    seconds: float
    """From start to end, by the clock on the wall."""
    user_seconds: float
    system_seconds: float
    peak_bytes: int
    """The largest resident set, of it or of one that it started."""
    said: str
    """What it wrote to standard error."""

    @property
    def cpu_seconds(self) -> float:
        """Of user and system."""
        return self.user_seconds + self.system_seconds


class Failed(Exception):
    """A process did not end as it should; says how."""


def cores() -> list[int]:
    """The cores that processes may run on."""
    return sorted(os.sched_getaffinity(0))


def pinned(words: Sequence[str], count: int) -> list[str]:
    """Give the command line that runs a command on the last so many cores."""
    return ["taskset", "-c", ",".join(map(str, cores()[-count:])), *words]


def run(words: Sequence[str], count: int = 1, *, source: IO[bytes] | None = None) -> Run:
    """Run a command on so many cores; its output is thrown away. Raises `Failed` where it does not end well.

    No peak is told that is below what this process itself takes: a fork begins as a copy. So the benches load little.
    """
    begin = time.perf_counter()
    process = subprocess.Popen(
        pinned(words, count),
        stdin=subprocess.DEVNULL if source is None else source,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    if source is not None:
        source.close()  # or a generator would not learn that its reader has gone
    assert process.stderr is not None
    said = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Failed(f"{' '.join(words)}: status {process.returncode}\n{said[-2000:]}")
    # Linux tells the peak in units of 1024 bytes.
    return Run(seconds, usage.ru_utime, usage.ru_stime, usage.ru_maxrss * 1024, said)


def output(words: Sequence[str], count: int = 1) -> int:
    """Run a command and count the lines that it writes."""
    process = subprocess.Popen(
        pinned(words, count), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    lines = 0
    assert process.stdout is not None
    while piece := process.stdout.read(PIECE_BYTES):
        lines += piece.count(b"\n")
    process.stdout.close()
    if process.wait():
        raise Failed(f"{' '.join(words)}: status {process.returncode}")
    return lines


def first_output(words: Sequence[str], source: Sequence[str] | None = None) -> float:
    """Say after how many seconds a command writes its first octets; then it is ended.

    ``source``: a command whose output it reads, that has begun to write by then.
    """
    feeding = subprocess.Popen(source, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) if source else None
    if feeding is not None:
        select.select([feeding.stdout], [], [])
    begin = time.perf_counter()
    process = subprocess.Popen(
        pinned(words, 1),
        stdin=subprocess.DEVNULL if feeding is None else feeding.stdout,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    there = os.read(process.stdout.fileno(), 1)
    seconds = time.perf_counter() - begin
    for some in (process, feeding):
        if some is not None:
            some.kill()
            assert some.stdout is not None
            some.stdout.close()
            some.wait()
    if not there:
        raise Failed(f"{' '.join(words)}: no output")
    return seconds


def warm(path: str) -> None:
    """Read a file once, so that it is in memory for all who read it."""
    with Path(path).open("rb") as file:
        while file.read(PIECE_BYTES):
            pass
