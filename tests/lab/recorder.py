"""tcpdump or dumpcap as a child that is listening before traffic begins and has written all of it at the end.

The filter is the services' ports alone, so the firehose's own connection is never in a capture.
"""

import contextlib
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from .broker import PORT, TLS_PORT
from .network import BRIDGE, Host

FILTER: Final = f"tcp port {PORT} or tcp port {TLS_PORT}"
SETTLE_S: Final = 0.5
"""A file that has not grown for so long has the last packet: it is written as each packet comes."""


@dataclass(frozen=True)
class Tap:
    """Where and how to capture: a device of a host, its link type, the program."""

    device: str = BRIDGE
    link_type: str | None = None
    """tcpdump's name (``LINUX_SLL``), or None for the device's own (Ethernet, ``LINUX_SLL2`` on any)."""
    program: str = "tcpdump"

    def command(self, path: Path) -> list[str]:
        if self.program == "dumpcap":
            return ["dumpcap", "-i", self.device, "-f", FILTER, "-B", "32", "-w", str(path)]
        link = ["-y", self.link_type] if self.link_type else []
        options = ["-n", "-U", "-Z", "root", "-B", "32768", "-s", "262144", "--immediate-mode"]
        return ["tcpdump", "-i", self.device, *link, *options, "-w", str(path), FILTER]


def _wait_ready(process: subprocess.Popen[str], ready: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if ready in line:
            return
    raise RuntimeError(f"{process.args!r} ended with status {process.wait()}")


def _dropped(output: str) -> int:
    """What the kernel dropped, by the closing lines of tcpdump or dumpcap; -1 when they do not tell."""
    found = re.search(r"^(\d+) packets? dropped by kernel|received/dropped on interface .*: \d+/(\d+)", output, re.M)
    return int(found[1] or found[2]) if found else -1


def _settle(path: Path) -> None:
    size = -1
    while size != (size := path.stat().st_size):
        time.sleep(SETTLE_S)


@contextlib.contextmanager
def recording(host: Host, tap: Tap, path: Path) -> Iterator[None]:
    """Everything on the services' port during the block, in *path*; RuntimeError when a packet is lost."""
    process = subprocess.Popen(
        host.command(*tap.command(path)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    errors: IO[str] | None = process.stderr
    assert errors is not None
    try:
        _wait_ready(process, "File:" if tap.program == "dumpcap" else "listening on")
        yield
        _settle(path)
        process.send_signal(signal.SIGINT)
        output = errors.read()
        if process.wait() != 0 or _dropped(output) != 0:
            raise RuntimeError(f"the capture is not complete: {output.strip()}")
    finally:
        process.kill()
        process.wait()
        errors.close()
