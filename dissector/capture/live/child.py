"""A capture child: dumpcap or tcpdump, which writes what it captures to a pipe.

libpcap's ring in the kernel holds what comes while nobody reads. The child has CAP_NET_RAW, or may get it; it looks
into no packet but for the filter in the kernel. dumpcap passes packets on after 250 ms at the latest, tcpdump at once.
"""

import contextlib
import fcntl
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import termios
import threading
import time
from pathlib import Path
from typing import Final

from dissector import limits
from dissector.capture.batch import PacketBatch
from dissector.capture.live.bpf import FilterError
from dissector.capture.live.privileges import Account, for_capture_child, groups_of
from dissector.capture.pcap import PcapReader, is_pcap
from dissector.capture.pcapng import PcapngReader
from dissector.capture.sources import widen
from dissector.errors import UsageError

PROGRAMS: Final = ("dumpcap", "tcpdump")
"""Those that there are, the better one first."""
PATH: Final = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
"""Where they are looked for."""
_START_S: Final = 10.0
"""Longest wait for a child's first bytes: the head of the capture, once the interface is open."""
_END_S: Final = 5.0
"""Longest wait for a child that was told to end; one that waits for a full pipe may take its time."""
_LOOKS_S: Final = {"dumpcap": 0.3, "tcpdump": 0.05}
"""Longest time until a program looks what the kernel has: 250 ms (CAP_READ_TIMEOUT in dumpcap.c), and a bit."""
_PASS_ON_S: Final = 8.0
"""Longest wait for what the kernel has when a child is to end; the reader's own is longer."""
_HEAD_BYTES: Final = 4
_MESSAGE_BYTES: Final = 4096
_DROPPED: Final = re.compile(r"^(\d+) packets? dropped by kernel", re.M)
_PERMISSION: Final = re.compile(r"permi|not permitted", re.I)
_FILTER: Final = re.compile(r"filter|syntax error|expression|unknown host|illegal|VLAN support", re.I)
_FILTER_REASON: Final = re.compile(r"valid capture filter \((.*)\)")
"""What libpcap says, in what dumpcap says in several lines of a filter."""
_STOPPED: Final = "T"
"""The state of a process that SIGSTOP has stopped (proc(5))."""
_IDLE: Final = re.compile(
    r"^(Capturing on|File:|Packets captured|Packets received|\d+ packets? |tcpdump: listening|tcpdump: verbose|$)"
)
"""What they say when nothing is wrong."""


def find() -> str | None:
    """Give the path of the first program that there is and that may be run; None where there is none."""
    return next((path for name in PROGRAMS if (path := shutil.which(name, path=PATH)) is not None), None)


def grant(path: str) -> str:
    """Say what gives an ordinary user the right to capture with a program, once and for all."""
    if not os.stat(path).st_mode & 0o1:  # noqa: PTH116 - for its group alone, which the package gave the right
        return f"sudo usermod -aG {groups_of(path)} $USER, and log in anew"
    return f"sudo setcap cap_net_raw,cap_net_admin+eip {path}"


class Child:
    """One child for one interface."""

    def __init__(self, path: str, interface: str, expression: str, whom: Account | None) -> None:
        """Start it, and wait until it captures; ``whom`` is who it becomes. Raises `UsageError` where it cannot."""
        self.name = interface
        self.program = os.path.basename(path)  # noqa: PTH119 - a name, not a path
        self._path = path
        self._expression = expression
        self._is_frozen = False
        self._left_some = False
        self._reader: PcapReader | PcapngReader | None = None
        self._head = b""
        self._stopped = False
        self._ended = False
        self._drops: int | None = None
        self._ending: threading.Thread | None = None
        self._has_passed_on = threading.Event()
        self._stop_ns = 0
        self._read_at = 0.0
        self.failure: str | None = None
        """Why it ended, where nobody told it to."""
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        try:
            self._process = subprocess.Popen(
                _command(path, interface, expression),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._said,
                # Not the terminal's Ctrl-C, but we say when it ends: after that it tells what was dropped.
                start_new_session=True,
                preexec_fn=for_capture_child(path, whom),  # noqa: PLW1509 - no thread of ours runs yet
            )
        except (OSError, subprocess.SubprocessError) as error:
            self._said.close()
            raise UsageError(f"{interface}: {path} cannot be started: {error}") from None
        assert self._process.stdout is not None
        self._pipe = self._process.stdout
        widen(self._pipe.fileno())
        os.set_blocking(self._pipe.fileno(), False)
        try:
            self._wait_for_start()
        except BaseException:
            self.close()
            raise

    def _wait_for_start(self) -> None:
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        if not poll.poll(_START_S * 1000):
            raise UsageError(f"{self.name}: {self.program} does not start to capture; try another with --capture")
        self._head = os.read(self._pipe.fileno(), limits.PIPE_BYTES)
        if not self._head:
            self._process.wait()
            raise self._refusal()

    def _refusal(self) -> UsageError:
        """Say why the child did not begin, and what helps."""
        said = self._errors()
        reason = said[0] if said else f"{self.program} ended with status {self._process.returncode}"
        if any(_PERMISSION.search(line) for line in said):
            return UsageError(
                f"{self.name}: no right to capture ({reason}); start with sudo, or once: {grant(self._path)}"
            )
        if any(_FILTER.search(line) for line in said):
            told = next((found[1] for line in said if (found := _FILTER_REASON.search(line))), reason)
            return FilterError(self.name, self._expression, told)
        return UsageError(f"{self.name}: {reason}")

    def _errors(self) -> list[str]:
        """Give the lines in which the child complained, the telling part of each."""
        self._said.seek(0)
        lines = self._said.read(_MESSAGE_BYTES).decode(errors="replace").splitlines()
        return [line.removeprefix(f"{self.program}: ").strip() for line in lines if not _IDLE.match(line)]

    def fileno(self) -> int:
        """Give the pipe's descriptor."""
        return self._pipe.fileno()

    buffer_bytes = limits.CAPTURE_BUFFER_BYTES

    @property
    def drops(self) -> int | None:
        """Packets that the kernel dropped: told when the child ends, by dumpcap in the capture, by tcpdump after it."""
        return self._reader.drops if isinstance(self._reader, PcapngReader) else self._drops

    def read(self) -> list[PacketBatch] | None:
        """Take what is in the pipe; None at its end."""
        if self._ended:
            return None
        head, self._head = self._head, b""
        try:
            data = head or os.read(self._pipe.fileno(), limits.PIPE_BYTES)
        except BlockingIOError:
            return []
        if not data:
            self._end()
            return None
        if self._reader is None:
            self._reader = PcapReader() if is_pcap(data[:_HEAD_BYTES]) else PcapngReader()
        batches = self._reader.feed(data)
        self._read_at = time.monotonic()
        if self._stopped and any(len(batch) and batch.time_ns[-1] >= self._stop_ns for batch in batches):
            self._has_passed_on.set()
        if self._reader.ended and not batches:
            self._end()
            return None
        return batches

    def _end(self) -> None:
        self._ended = True
        if self._reader is not None:
            self._reader.finish()
        self._wait()
        self._said.seek(0)
        told = _DROPPED.search(self._said.read(_MESSAGE_BYTES).decode(errors="replace"))
        self._drops = int(told[1]) if told else None
        notices = [] if self._reader is None else self._reader.notices
        if not self._stopped or notices:
            status = self._process.returncode
            how = f"killed by signal {-status}" if status < 0 else f"status {status}"
            reason = "; ".join([*self._errors()[:1], *notices[:1]])
            self.failure = f"{self.name}: {self.program} has ended ({how}){f': {reason}' if reason else ''}"
        elif self._left_some:
            self.failure = f"{self.name}: {self.program} was ended before it had passed on all that was captured"

    def look_after(self) -> str | None:
        """Tell where somebody has stopped it, or lets it go on; libpcap itself goes on when an interface was down."""
        try:
            state = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(") ")[2][:1]
        except OSError:
            return None
        if (state == _STOPPED) is self._is_frozen:
            return None
        self._is_frozen = not self._is_frozen
        if self._is_frozen:
            return f"{self.name}: {self.program} is stopped: nothing comes until 'kill -CONT {self._process.pid}'"
        return f"{self.name}: {self.program} goes on"

    def give_up(self) -> None:
        """Kill it: it was told to end, and does not."""
        self._signal(signal.SIGKILL)
        self._ended = True
        self.failure = f"{self.name}: {self.program} did not end when told to: its last packets are lost"

    def stop(self) -> None:
        """Tell it to end: it passes on what it has, and what was dropped."""
        self._stop_ns, self._read_at = time.time_ns(), time.monotonic()
        self._stopped = True
        self._signal(signal.SIGCONT)  # one that is stopped would not hear
        self._ending = threading.Thread(target=self._end_when_passed_on, name="ending", daemon=True)
        self._ending.start()

    def _end_when_passed_on(self) -> None:
        """Tell it to end once it has passed on what came before: what the kernel has then it leaves behind, uncounted.

        That is when it gives a packet of after that, or nothing for as long as it takes to look.
        """
        until = time.monotonic() + _PASS_ON_S
        looks_s = _LOOKS_S.get(self.program, 0.0)
        while (now := time.monotonic()) < self._read_at + looks_s:
            if now >= until:
                self._left_some = True
                break
            if self._has_passed_on.wait(looks_s / 5):
                break
            if self._is_pipe_filled():
                self._read_at = time.monotonic()
        self._signal(signal.SIGINT)

    def _is_pipe_filled(self) -> bool:
        """Tell whether there is something that was not read: it may wait for that."""
        try:
            waiting = fcntl.ioctl(self._pipe, termios.FIONREAD, bytes(4))
        except (OSError, ValueError):  # closed meanwhile
            return False
        return any(waiting)

    def _signal(self, number: int) -> None:
        # One that is set-uid root cannot be signalled; it ends when its pipe does.
        with contextlib.suppress(PermissionError):
            self._process.send_signal(number)

    def _wait(self) -> None:
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait(_END_S)

    def close(self) -> None:
        """End it if it has not ended."""
        self._has_passed_on.set()
        if self._ending is not None:
            self._ending.join()
        self._pipe.close()
        if self._process.poll() is None:
            self._signal(signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_S)
        self._said.close()


def _command(path: str, interface: str, expression: str) -> list[str]:
    buffer = limits.CAPTURE_BUFFER_BYTES
    if path.endswith("dumpcap"):
        return [path, "-q", "-i", interface, "-f", expression, "-B", str(buffer >> 20), "-w", "-"]
    # --immediate-mode and -U: each packet at once. The ring then has a slot of the snap length for each packet.
    options = ["-n", "-U", "--immediate-mode", "--nano", "-s", str(limits.CAPTURE_SNAP_BYTES), "-B", str(buffer >> 10)]
    return [path, "-i", interface, *options, "-w", "-", expression]
