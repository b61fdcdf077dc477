"""tshark as a source: packets that go through it, and come back with what it says of them.

It takes off link layers and tunnels that osloshark does not know, and decrypts TLS with the keys that it is given.
It reads the packets from a pipe, numbered as ours, with their keys among them as pcapng has them, so neither a file nor
a key need be readable for who it runs as; it opens no interface and needs no right.

pyshark would run the same child, and ask it for XML or JSON of all fields: tshark writes some twelve fields of each
packet ten to a hundred times as fast (docs/bench.json).
"""

import contextlib
import os
import re
import select
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec.structs import replace

from dissector import limits
from dissector.capture.batch import PacketBatch, Quiet
from dissector.capture.keylog import SECRETS_BLOCK, KeyLog, key_blocks
from dissector.capture.pcapng_writer import PcapngWriter, block
from dissector.capture.run import Capture
from dissector.capture.sources import widen
from dissector.capture.tsharkrows import FIELDS, DissectedBatch, Row, read_row
from dissector.errors import UsageError

if TYPE_CHECKING:
    from dissector.capture.live import LiveCapture

PROGRAM: Final = "tshark"
LEAST_VERSION: Final = (4, 0)
"""The oldest version that the tests run with."""
TLS_PORT: Final = 5671
"""IANA's TCP port of AMQP over TLS (amqps)."""

_VERSION: Final = re.compile(r"^TShark\b.*?(\d+)\.(\d+)\.(\d+)", re.M)
_VERSION_S: Final = 20.0
_END_S: Final = 5.0
_MESSAGE_BYTES: Final = 4096
_NOWHERE: Final = "/nonexistent"
_IDLE: Final = re.compile(r"^(Running as user|\s*$)")
_PREFERENCES: Final = (
    "tcp.desegment_tcp_streams:TRUE",
    "tcp.reassemble_out_of_order:TRUE",
    "tcp.analyze_sequence_numbers:TRUE",
    "tcp.check_checksum:FALSE",  # offloading network cards compute them behind the capture
    "tcp.try_heuristic_first:FALSE",
    "ip.defragment:TRUE",
    "ipv6.defragment:TRUE",
    "tls.desegment_ssl_records:TRUE",
    "tls.desegment_ssl_application_data:FALSE",
)
"""Settings on which what comes out depends. Others, such as the keys of IPsec, are those of the user's Wireshark."""


def find() -> str:
    """Find a tshark that can be used; give its path.

    Raises `UsageError` where there is none, or it is too old, with the remedy.
    """
    least = ".".join(map(str, LEAST_VERSION))
    path = shutil.which(PROGRAM)
    if path is None:
        raise UsageError(f"there is no tshark; install it, {least} or later (Debian: apt install tshark)")
    version = version_of(path)
    if version is None:
        raise UsageError(f"{path} does not tell its version; install tshark {least} or later")
    if version < LEAST_VERSION:
        found = ".".join(map(str, version))
        raise UsageError(f"{path} is version {found}, too old; install tshark {least} or later")
    return path


def version_of(path: str) -> tuple[int, ...] | None:
    """Ask a tshark for its version; None where it does not say."""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, timeout=_VERSION_S, check=False, text=True)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    found = _VERSION.search(said.stdout)
    return tuple(map(int, found.groups())) if found else None


class Tshark:
    """One tshark. Close it in any case: it ends then."""

    def __init__(self, path: str, ports: Collection[int]) -> None:
        """Start it; ``ports`` are the TCP ports on which there may be TLS. Raises `UsageError` where it cannot be."""
        self.failure: str | None = None
        """Why it ended, where nobody told it to."""
        self._number = self._last = 0
        """The packets that it has told of, and those that it was given, by the last one's number."""
        self._begun = bytearray()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        try:
            self._process = subprocess.Popen(
                _command(path, ports),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=_environment(),
                # Not the terminal's Ctrl-C: what it has is still wanted then.
                start_new_session=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            self._said.close()
            raise UsageError(f"{path} cannot be started: {error}") from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in = self._process.stdin
        self._out = self._process.stdout
        for pipe in (self._in, self._out):
            widen(pipe.fileno())
            os.set_blocking(pipe.fileno(), False)
        self._written = bytearray()
        self._writer = PcapngWriter(self)

    def write(self, data: bytes) -> None:
        """Put bytes behind those that wait to be written to it: it is the file that packets are written to."""
        self._written += data

    def dissect(self, batch: PacketBatch, keys: bytes) -> list[Row]:
        """Give what it says of the packets of a batch; ``keys`` are the lines of a key log that it did not have yet.

        Where it ends meanwhile, rows are missing, and `failure` says why. All packets must go through it, in order.
        """
        for body in key_blocks(keys):
            self.write(block(SECRETS_BLOCK, body))
        cut = np.minimum(batch.captured, limits.TSHARK_PACKET_BYTES)
        self._writer.write(replace(batch, captured=cut), np.arange(len(batch)))
        rows: list[Row] = []
        self._last = batch.first_number + len(batch) - 1
        self._exchange(rows)
        return rows

    def _exchange(self, rows: list[Row]) -> None:
        """Write what waits and read what comes, until it has told of all packets."""
        data = memoryview(bytes(self._written))
        self._written.clear()
        poll = select.poll()
        poll.register(self._out, select.POLLIN)
        poll.register(self._in, select.POLLOUT)
        while self._number < self._last and self.failure is None:
            ready = poll.poll(limits.TSHARK_SILENCE_S * 1000)
            if not ready:
                self.failure = f"tshark: not a word for {limits.TSHARK_SILENCE_S} s; {self._after()}"
            for descriptor, _ in ready:
                if descriptor == self._out.fileno():
                    self._read(rows)
                    continue
                try:
                    data = data[os.write(descriptor, data[: limits.PIPE_BYTES]) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    data = data[:0]  # it has ended: that is read where its output ends
                if not data:
                    poll.unregister(descriptor)

    def _read(self, rows: list[Row]) -> None:
        piece = os.read(self._out.fileno(), limits.PIPE_BYTES)
        if not piece:
            self._ended()
            return
        lines = piece.split(b"\n")
        if len(lines) > 1 and self._begun:
            lines[0] = bytes(self._begun) + lines[0]
            self._begun.clear()
        self._begun += lines.pop()
        if len(self._begun) > limits.TSHARK_LINE_BYTES:
            self.failure = f"tshark: a line of more than {limits.TSHARK_LINE_BYTES:,} bytes; {self._after()}"
            return
        try:
            for line in lines:
                number, row = read_row(line)
                if not self._number < number <= self._last:
                    raise ValueError(f"packet {number} after {self._number}")
                self._number = number
                if row is not None:
                    rows.append(row)
        except ValueError as error:
            self.failure = f"tshark: what it writes cannot be read ({error}); {self._after()}"

    def _ended(self) -> None:
        status = self._wait()
        how = f"killed by signal {-status}" if status < 0 else f"status {status}"
        self._said.seek(0)
        said = self._said.read(_MESSAGE_BYTES).decode(errors="replace").splitlines()
        reason = next((f": {line.removeprefix('tshark: ').strip()}" for line in said if not _IDLE.match(line)), "")
        self.failure = f"tshark has ended ({how}){reason}; {self._after()}"

    def _after(self) -> str:
        return f"packets after number {self._number:,} are not read"

    def _wait(self) -> int:
        try:
            return self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def close(self) -> None:
        """End it."""
        for pipe in (self._in, self._out):
            with contextlib.suppress(OSError):
                pipe.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._said.close()


def _command(path: str, ports: Collection[int]) -> list[str]:
    words = [path, "-r", "-", "-n", "-l", "-T", "fields", "--enable-protocol", "tls", "--disable-protocol", "osloshark"]
    for preference in _PREFERENCES:
        words += ["-o", preference]
    for port in sorted(ports):
        # On the ports that are watched TLS is looked for, whatever else Wireshark takes them for; what is no TLS is
        # taken from the segments. What was encrypted is bytes.
        words += ["-d", f"tcp.port=={port},tls", "-d", f"tls.port=={port},data"]
    for field in FIELDS:
        words += ["-e", field]
    return words


def _environment() -> dict[str, str]:
    """Let it have the settings of the user's Wireshark, but no plugins: ours would decode everything once more."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
    settings = os.environ.get("WIRESHARK_CONFIG_DIR") or str(Path(home, "wireshark"))
    if not os.access(settings, os.R_OK | os.X_OK):  # root's, who we are no more: tshark 4.0.17 crashes then
        settings = _NOWHERE
    return {**os.environ, "LC_ALL": "C", "HOME": _NOWHERE, "WIRESHARK_CONFIG_DIR": settings}


class TsharkCapture:
    """A run over captures or interfaces whose packets go through tshark: `DissectedBatch` es, to be iterated over once.

    All else is as with what it reads.
    """

    def __init__(
        self,
        capture: "Capture | LiveCapture",
        path: str,
        ports: Collection[int],
        keylog: KeyLog | None = None,
        *,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take over a run and a key log; ``path`` is what `find` gives, ``ports`` are those on which there may be TLS;
        ``tell`` is called with a line for people where tshark ends too early, on a live capture.

        tshark is started when the first packets are there: after a live capture has given up its rights.
        """
        self._capture = capture
        self._path = path
        self._ports = ports
        self._keylog = keylog
        self._tell = tell
        self._tshark: Tshark | None = None
        self._batches = self._read()
        self.bytes_total = capture.bytes_total
        self.is_live = capture.is_live

    @property
    def packets(self) -> int:
        """Packets given so far."""
        return self._capture.packets

    @property
    def truncated_packets(self) -> int:
        """Those of them of which there is less than was on the wire."""
        return self._capture.truncated_packets

    @property
    def bytes_read(self) -> int:
        """Bytes read so far."""
        return self._capture.bytes_read

    @property
    def kernel_drops(self) -> int | None:
        """Packets that the capturing system lost; None where nothing tells."""
        return self._capture.kernel_drops

    @property
    def own_drops(self) -> int:
        """Packets that came too fast."""
        return self._capture.own_drops

    @property
    def is_ending(self) -> bool:
        """Whether a live capture was asked to end."""
        return self._capture.is_ending

    @property
    def notices(self) -> list[str]:
        """What was wrong so far, one line each."""
        failure = None if self._tshark is None else self._tshark.failure
        return self._capture.notices + ([failure] if failure is not None else [])

    def __iter__(self) -> Iterator[PacketBatch | Quiet]:
        """Give the batches. Raises `UsageError` where tshark cannot be started."""
        return self._batches

    def _read(self) -> Iterator[PacketBatch | Quiet]:
        for batch in self._capture:
            if isinstance(batch, Quiet):
                yield batch
                continue
            if self._tshark is None:
                self._tshark = Tshark(self._path, self._ports)
            rows = self._tshark.dissect(batch, self._new_keys())
            yield DissectedBatch(**{name: getattr(batch, name) for name in batch.__struct_fields__}, rows=rows)
            if self._tshark.failure is not None:
                if self._capture.stop():
                    self._tell(self._tshark.failure)
                return

    def _new_keys(self) -> bytes:
        logged = b"" if self._keylog is None else self._keylog.take()
        return logged + (self._capture.take_keys() if isinstance(self._capture, Capture) else b"")

    def stop(self) -> bool:
        """End a live capture soon, all of it read; False where it is none. A signal handler may call it."""
        return self._capture.stop()

    def close(self) -> None:
        """End tshark, and close everything; there are no more packets then."""
        self._batches = iter(())
        if self._tshark is not None:
            self._tshark.close()
        if self._keylog is not None:
            self._keylog.close()
        self._capture.close()
