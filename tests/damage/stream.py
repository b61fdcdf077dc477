"""A command of osloshark at the end of a generated stream: how much memory it takes, and how it ends."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tests.cli.command import COMMAND
from tests.generate import Written

_SUMMARY = re.compile(r"osloshark: ([\d,]+) packets, ([\d,]+) AMQP connections, ([\d,]+) messages; (.*)")


class Run(NamedTuple):
    """How it went."""

    words: Sequence[str]
    status: int
    peak_bytes: int
    """The largest resident set of the command."""
    seconds: float
    output_bytes: int
    written: Written
    told: list[str]
    """The lines on standard error."""

    def faults(self, memory: int) -> list[str]:
        """Say what is not as it should be, one line each."""
        found = []
        if self.status:
            found.append(f"status {self.status}")
        if self.peak_bytes > memory:
            found.append(f"{self.peak_bytes / 2**20:,.0f} MiB of memory, more than {memory / 2**20:,.0f}")
        if not self.output_bytes:
            found.append("no output")
        summary = next(filter(None, map(_SUMMARY.fullmatch, self.told)), None)
        if summary is None:
            return [*found, "no line that says how complete it was"]
        packets, connections, messages = (int(group.replace(",", "")) for group in summary.groups()[:3])
        if packets != self.written.packets:
            found.append(f"{packets:,} packets read of {self.written.packets:,} written")
        if connections != self.written.connections:
            found.append(f"{connections:,} connections read of {self.written.connections:,} written")
        if not messages:
            found.append("no messages")
        if ("not complete" in summary[4]) != bool(self.written.lost):
            found.append(f"of {self.written.lost:,} lost packets it says: {summary[4]}")
        return found


def run(words: Sequence[str], generator: Sequence[str]) -> Run:
    """Pipe what ``python -m tests.generate`` writes into a command; its output is counted and thrown away."""
    begin = time.monotonic()
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as errors:
        source = subprocess.Popen(
            [sys.executable, "-m", "tests.generate", *generator], stdout=subprocess.PIPE, stderr=told
        )
        assert source.stdout is not None
        command = subprocess.Popen([COMMAND, *words], stdin=source.stdout, stdout=subprocess.PIPE, stderr=errors)
        source.stdout.close()
        assert command.stdout is not None
        output_bytes = 0
        while piece := command.stdout.read(1 << 20):
            output_bytes += len(piece)
        command.stdout.close()
        _, status, usage = os.wait4(command.pid, 0)
        command.returncode = os.waitstatus_to_exitcode(status)
        source.wait()
        seconds = time.monotonic() - begin
        told.seek(0)
        errors.seek(0)
        lines = told.read().splitlines() or [b"{}"]
        # Where the command ended early the generator met a closed pipe, and what it says is no count.
        written = msgspec.json.decode(lines[-1], type=Written) if source.returncode == 0 else Written()
        said = errors.read().decode().splitlines()
    # Linux tells the peak in units of 1024 bytes.
    return Run(words, command.returncode, usage.ru_maxrss * 1024, seconds, output_bytes, written, said)
