"""A network namespace with a veth pair, what is sent into one end, and osloshark at the other."""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from ..cli.command import COMMAND
from .sender import send

R = TypeVar("R")

SENT, SEEN = "veth0", "veth1"
"""Ends of the pair: packets go into the first, and come out of the second."""
STARTED = "; Ctrl-C ends it"
WAIT_S = 30.0
_SETUP = f"""
set -e
ip link set lo up
ip link add name {SENT} mtu 9000 type veth peer name {SEEN} mtu 9000
for each in {SENT} {SEEN}; do
    ethtool -K $each tso off gso off gro off
    echo 1 >/proc/sys/net/ipv6/conf/$each/disable_ipv6 || true
    ip link set $each up
done
echo ready
exec cat
"""


class Wire:
    """The namespace; it lives as long as the process that holds it."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", _SETUP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"

    @property
    def pid(self) -> int:
        """The process that holds it."""
        return self._holder.pid

    def command(self, *words: object) -> list[str]:
        """The command line that runs a command in the namespace, and ends it with this process."""
        inside = ["nsenter", "--target", str(self._holder.pid), "--net", "--"]
        return [*inside, "setpriv", "--pdeathsig", "KILL", *map(str, words)]

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(self.command(*words), capture_output=True, text=True, check=False, timeout=120)

    def ip(self, *words: str) -> None:
        """Run ``ip``."""
        done = self.run("ip", *words)
        assert done.returncode == 0, done.stderr

    def send(self, path: Path, *, packets_per_s: int = 5000, times: int = 1, into: str = SENT) -> None:
        """Send the Ethernet packets of a capture, once or more often."""
        inside(self, lambda: send(into, path, packets_per_s, times))

    def close(self) -> None:
        """Let it go."""
        self._holder.kill()
        self._holder.communicate()

    @contextlib.contextmanager
    def live(
        self, folder: Path, *words: object, before: Sequence[str] = (), output: int | None = None
    ) -> Iterator["Live"]:
        """osloshark with a command line, capturing; ended at the end of the block."""
        running = Live(self, folder, [*before, COMMAND, *map(str, words)], output)
        try:
            running.wait_for(STARTED)
            yield running
        finally:
            running.kill()

    @contextlib.contextmanager
    def changed(
        self, folder: Path, change: str, *words: object, before: Sequence[str] = (), output: int | None = None
    ) -> Iterator["Live"]:
        """The same with a change: Python that is run before osloshark is."""
        program = folder / "program.py"
        program.write_text(f"import sys\ndel sys.argv[1]  # the command that `live` names\n{change}\nmain()\n")
        with self.live(folder, *words, before=[*before, sys.executable, str(program)], output=output) as running:
            yield running


class Live:
    """osloshark at work."""

    def __init__(self, wire: Wire, folder: Path, words: Sequence[str], output: int | None) -> None:
        self.output_path = folder / "output"
        self._errors_path = folder / "errors"
        with self.output_path.open("wb") as out, self._errors_path.open("wb") as errors:
            self._process = subprocess.Popen(
                wire.command(*words), stdin=subprocess.DEVNULL, stdout=output or out, stderr=errors
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> bytes:
        return self.output_path.read_bytes()

    @property
    def errors(self) -> str:
        return self._errors_path.read_text()

    @property
    def child(self) -> int:
        """The capture child."""
        (children,) = {Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()}
        return int(children.split()[0])

    def wait_for(self, text: str, *, where: str = "errors") -> None:
        """Wait until something stands on standard error, or in the output."""
        until = time.monotonic() + WAIT_S
        while text not in (self.errors if where == "errors" else self.output.decode()):
            assert self._process.poll() is None, self.errors
            assert time.monotonic() < until, f"{text!r} is not in: {self.errors}"
            time.sleep(0.02)

    def wait_for_packets(self) -> None:
        """Wait until dumpcap has passed on what it has, which takes 250 ms; what it has then is decoded at the end."""
        if "capturing with dumpcap" in self.errors:
            time.sleep(0.5)

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self, number: int = signal.SIGINT) -> int:
        """End it as a user does; its status."""
        self.send(number)
        return self.wait()

    def poll(self) -> int | None:
        """Its status, if it has ended."""
        return self._process.poll()

    def wait(self, seconds: float = WAIT_S) -> int:
        return self._process.wait(seconds)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def summary(self) -> dict[str, int]:
        """The counts of the closing line, by the words after them: packets, messages, dropped …"""
        line = self.errors.splitlines()[-1]
        found = re.findall(r"([\d,]+) ([a-z]+(?: dropped by the| dropped as)?)", line)
        return {
            words.replace("packets", "packet").replace("messages", "message"): int(n.replace(",", ""))
            for n, words in found
        }


def status_of(pid: int) -> list[dict[str, str]]:
    """What /proc says of each thread of a process."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/status"):
        pairs = (line.partition(":") for line in path.read_text().splitlines())
        found.append({name: value.strip() for name, _, value in pairs})
    return found


def inside(wire: Wire, body: Callable[[], R]) -> R:
    """Run something in the namespace, in a thread of its own: setns(2) changes that of the thread alone."""
    found: list[R] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with Path(f"/proc/{wire.pid}/ns/net").open() as namespace:
                libc = ctypes.CDLL(None, use_errno=True)
                assert libc.setns(namespace.fileno(), 0) == 0, os.strerror(ctypes.get_errno())
            found.append(body())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]
