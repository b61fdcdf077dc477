"""Captures through tshark: plain ones as ever, TLS decrypted, its children ended on every path."""

import gzip
import os
import signal
import struct
import subprocess
import time
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector import limits
from dissector.amqp import Event, Message
from dissector.capture import open_capture
from dissector.capture.batch import PacketBatch
from dissector.capture.keylog import SECRETS_BLOCK, KeyLog
from dissector.capture.tshark import LEAST_VERSION, TLS_PORT, Tshark, TsharkCapture, find, version_of
from dissector.capture.tsharkrows import FIELDS, DissectedBatch, read_row
from dissector.net.dissected import DissectedStreams
from dissector.reading import Reading

from ..cli.command import COMMAND
from ..lab import truth
from ..lab.session import Recording
from ..net.encapsulation import fragments
from ..outputs import run
from ..test_against_firehose import counted, told
from . import build

HERE = Path(__file__).parent
PORTS = (5672, TLS_PORT)
TLS = [HERE / "tls12.pcapng.gz", HERE / "tls13.pcapng.gz"]
"""A call and its reply twice, recorded by the laboratory (scenario other_vhost), with the keys in the file."""

needs_tshark = pytest.mark.tshark


@cache
def program() -> str:
    """The path of tshark, which is asked for its version once."""
    return find()


def recorded(path: Path) -> Recording:
    return Recording(path, path.with_name(path.name.partition(".")[0] + ".firehose.jsonl.zst"), path)


def reading_of(*paths: Path, keylog: KeyLog | None = None) -> Reading:
    capture = TsharkCapture(open_capture(paths), program(), PORTS, keylog)
    return Reading(capture, ports=PORTS, streams=DissectedStreams(PORTS))


def events_of(reading: Reading) -> list:
    try:
        return list(reading)
    finally:
        reading.close()


@cache
def events_of_capture(path: Path) -> list:
    """All that a capture says, for tests that only look at it."""
    return events_of(reading_of(path))


def batch_of(path: Path) -> PacketBatch:
    with open_capture([path]) as capture:
        (batch,) = capture
    return batch


def count_of(path: Path) -> int:
    return len(batch_of(path))


def without_keys(capture: bytes) -> bytes:
    """A pcapng without its decryption secrets."""
    blocks, at = [], 0
    while at < len(capture):
        kind, size = struct.unpack_from("<II", capture, at)
        if kind != SECRETS_BLOCK:
            blocks.append(capture[at : at + size])
        at += size
    return b"".join(blocks)


# -- what comes out --------------------------------------------------------------------------------------------------


@needs_tshark
@pytest.mark.parametrize("path", TLS, ids=["tls12", "tls13"])
def test_tls_with_its_keys_in_the_capture_equals_the_firehose(path):
    done = run(["read", "--via", "tshark", "-T", "trace-json", "--show-secrets", str(path)])
    assert done.status == 0, done.errors
    assert done.errors.endswith(b"4 AMQP connections, 8 messages; complete\n")
    assert counted(done.output) == told(recorded(path))


@needs_tshark
def test_other_commands_read_it_too():
    calls = run(["calls", "-T", "table", "-e", "rpc.method", "-e", "rpc.status", "--via", "tshark", str(TLS[1])])
    assert calls.output.split() == [b"get_console_output", b"ok", b"echo", b"ok"]
    two = run(["topology", "--via", "tshark", *map(str, TLS)])
    assert two.output.count(b"nova-compute") >= 2
    assert b"8 AMQP connections, 16 messages; complete" in two.errors


@needs_tshark
@pytest.mark.parametrize("name", ["any-twice", "channels"])
def test_what_is_no_tls_is_as_ever(name):
    """To the event: numbers, times, ends, what is malformed."""
    path = truth.captures()[name]
    through, native = reading_of(path), Reading([path], ports=PORTS)
    assert list(map(repr, events_of(through))) == list(map(repr, events_of(native)))
    assert through.completeness.summary() == native.completeness.summary()


@needs_tshark
def test_fragments_are_named_as_ever(tmp_path):
    batch = batch_of(truth.captures()["demo"])
    packets = []
    for index in range(500):
        data = bytes(batch.packet(index))
        head, packet = data[:14], data[14:][: int.from_bytes(data[16:18], "big")]
        pieces = fragments(packet, 512, index) if len(packet) > 600 else [packet]
        packets += [(int(batch.time_ns[index]), head + piece) for piece in pieces]
    path = tmp_path / "fragments.pcap"
    path.write_bytes(build.pcap(packets))
    events = events_of(reading_of(path))
    assert any(len(event.numbers) > 1 for event in events if isinstance(event, Message))
    assert list(map(repr, events)) == list(map(repr, events_of(Reading([path], ports=PORTS))))


@needs_tshark
def test_numbers_and_times_are_those_of_the_file():
    batch = batch_of(TLS[1])
    messages = [event for event in events_of_capture(TLS[1]) if isinstance(event, Message)]
    assert [message.number for message in messages] == [91, 93, 117, 118, 122, 123, 126, 127]
    for message in messages:
        assert message.time_ns == batch.time_ns[message.number - 1]
        assert message.numbers == (message.number,)


@needs_tshark
def test_tls_without_keys_is_said_once_a_connection(tmp_path):
    path = tmp_path / "nokeys.pcapng"
    path.write_bytes(without_keys(gzip.decompress(TLS[0].read_bytes())))
    native = run(["read", "--port", str(TLS_PORT), str(path)]).errors.decode().splitlines()
    assert len(native) == 5
    assert all("speaks TLS, not AMQP 0-9-1" in line and "--via tshark --keylog FILE" in line for line in native[:4])
    through = run(["read", "--via", "tshark", str(path)]).errors.decode().splitlines()
    assert len(through) == 5
    assert all("its keys are not in the key log (--keylog), nor in the capture" in line for line in through[:4])
    assert through[4].endswith("bytes undecoded")
    unseen = run(["read", str(path)]).errors
    assert b"is it TLS on 5671 (--via tshark)?" in unseen


# -- loss, order, beginnings -----------------------------------------------------------------------------------------


class Packets:
    """A capture of some packets of another, in any order."""

    bytes_total = 1
    is_live = is_ending = False
    truncated_packets = bytes_read = own_drops = 0
    kernel_drops = None

    def __init__(self, path: Path, indexes: list[int], tmp: Path, *, size: int = 1 << 20) -> None:
        with open_capture([path]) as capture:
            (batch,) = capture
            taken = capture.take_keys()
        self.notices: list[str] = []
        self.packets = len(indexes)
        rows = np.array(indexes)
        columns = {
            "start": batch.start[rows],
            "captured": batch.captured[rows],
            "original": batch.original[rows],
            "time_ns": batch.time_ns[0] + np.arange(len(rows)) * 1_000_000,
            "link_type": batch.link_type[rows],
        }
        self._batches = [
            PacketBatch(
                batch.buffer, **{name: each[at : at + size] for name, each in columns.items()}, first_number=at + 1
            )
            for at in range(0, len(rows), size)
        ]
        keys = tmp / "keys"
        keys.write_bytes(taken)
        self.keylog = KeyLog(str(keys), grows=False)

    def __iter__(self):
        return iter(self._batches)

    def stop(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing is open."""


def events_of_packets(packets: Packets) -> list:
    capture = TsharkCapture(packets, program(), PORTS, packets.keylog)
    return events_of(Reading(capture, ports=PORTS, streams=DissectedStreams(PORTS)))


def legs(events: list) -> Counter:
    return Counter((event.leg, event.body) for event in events if isinstance(event, Message))


@needs_tshark
def test_repeated_and_swapped_packets_change_nothing(tmp_path):
    count = count_of(TLS[1])
    expected = legs(events_of_capture(TLS[1]))
    order = [at for pair in range(0, count - 1, 2) for at in (pair + 1, pair, pair + 1)]
    events = events_of_packets(Packets(TLS[1], order, tmp_path))
    assert legs(events) == expected
    assert not [event for event in events if isinstance(event, Event) and event.name == "gap"]


@needs_tshark
@pytest.mark.parametrize("lost", [60, 90])
def test_what_is_lost_is_told_and_costs_its_direction_alone(lost, tmp_path):
    """A lost packet of a handshake, and one of data."""
    expected = legs(events_of_capture(TLS[1]))
    count = count_of(TLS[1])
    events = events_of_packets(Packets(TLS[1], [at for at in range(count) if at != lost], tmp_path))
    found = legs(events)
    assert found <= expected
    assert sum(found.values()) >= 4
    gaps = [event.connection.tcp.stream for event in events if isinstance(event, Event) and event.name == "gap"]
    assert len(gaps) == 1


@needs_tshark
def test_from_the_middle_it_is_known_for_tls(tmp_path):
    count = count_of(TLS[1])
    events = events_of_packets(Packets(TLS[1], list(range(60, count)), tmp_path))
    foreign = {event.detail for event in events if isinstance(event, Event) and event.name == "foreign"}
    assert "TLS without its beginning" in foreign <= {"TLS without its beginning", "TLS"}


@needs_tshark
def test_a_packet_too_large_for_tshark_is_cut():
    size = limits.TSHARK_PACKET_BYTES + 10
    column, sizes = np.zeros(1, np.int64), np.array([size])
    batch = PacketBatch(bytes(size), column, sizes, sizes, column, np.array([1], np.uint16), 1)
    child = Tshark(program(), PORTS)
    try:
        assert child.dissect(batch, b"") == []
        assert child.failure is None
    finally:
        child.close()


@needs_tshark
def test_batches_do_not_matter(tmp_path):
    count = count_of(TLS[0])
    whole, pieces = (events_of_packets(Packets(TLS[0], list(range(count)), tmp_path, size=n)) for n in (1 << 20, 7))
    assert list(map(repr, whole)) == list(map(repr, pieces))


# -- lines -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.text(st.sampled_from("0123456789abcdef,:.x tcpi\t"), max_size=12), min_size=0, max_size=22))
def test_no_line_raises_but_value_error(columns):
    try:
        read_row("\t".join(columns).encode())
    except ValueError:
        return


def test_a_line():
    values = {
        "frame.number": "7",
        "frame.protocols": "eth:ethertype:ipv6:gre:ip:tcp:tls:data",
        "ip.src": "10.0.0.1",
        "ip.dst": "10.0.0.2",
        "ipv6.src": "fd00::1",
        "ipv6.dst": "fd00::2",
        "tcp.stream": "3",
        "tcp.srcport": "40000",
        "tcp.dstport": "5671",
        "tcp.flags": "0x0018",
        "tcp.seq_raw": "100",
        "tcp.ack_raw": "200",
        "tcp.len": "2",
        "tcp.payload": "16:03",
        "tls.record.content_type": "22,23",
        "tls.record.length": "1,2",
        "data.data": "414d,5150",
        "ip.fragment": "5,7",
        "ipv6.fragment": "",
    }
    line = "\t".join(values[field] for field in FIELDS).encode()
    number, row = read_row(line)
    assert (number, row.source, row.destination) == (7, ("10.0.0.1", 40000), ("10.0.0.2", 5671))
    assert (row.flags, row.sent, row.payload, row.decrypted) == (0x18, 2, b"\x16\x03", [b"AM", b"QP"])
    assert (row.types, row.sizes, row.fragments) == ([22, 23], [1, 2], (5, 7))
    outer = line.replace(b"ipv6:gre:ip:tcp", b"ip:gre:ipv6:tcp")
    assert read_row(outer)[1].source == ("fd00::1", 40000)
    quoted = line.replace(b"gre:ip:tcp", b"icmpv6:ipv6:tcp")
    assert read_row(quoted) == (7, None)


def test_only_batches_that_went_through_tshark_have_rows():
    batch = batch_of(TLS[0])
    streams = DissectedStreams(PORTS)
    assert list(streams.feed(batch)) == []
    assert streams.counts.packets == len(batch)
    columns = {name: getattr(batch, name) for name in batch.__struct_fields__}
    assert list(streams.feed(DissectedBatch(**columns, rows=[]))) == []
    assert list(streams.finish()) == []


# -- no tshark, or another ---------------------------------------------------------------------------------------------


def fake(folder: Path, script: str) -> str:
    """A PATH whose tshark is a script."""
    program = folder / "tshark"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def read_with(monkeypatch: pytest.MonkeyPatch, path: str) -> tuple[int, str]:
    monkeypatch.setenv("PATH", path)
    done = run(["read", "--via", "tshark", str(TLS[0])])
    return done.status, done.errors.decode()


def test_without_tshark(tmp_path, monkeypatch):
    status, said = read_with(monkeypatch, str(tmp_path))
    assert status == 2
    assert said == ("osloshark: there is no tshark; install it, 4.0 or later (Debian: apt install tshark)\n")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("TShark (Wireshark) 3.6.2 (Git v3.6.2)", "is version 3.6.2, too old; install tshark 4.0 or later"),
        ("something else", "does not tell its version; install tshark 4.0 or later"),
    ],
)
def test_a_tshark_too_old(answer, reason, tmp_path, monkeypatch):
    status, said = read_with(monkeypatch, fake(tmp_path, f"echo '{answer}'"))
    assert (status, said) == (2, f"osloshark: {tmp_path}/tshark {reason}\n")


TABS = "\\t" * (len(FIELDS) - 1)
VERSION = 'if [ "$1" = --version ]; then echo "TShark (Wireshark) 4.2.0."; exit; fi\n'


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("yes 1", "tshark: what it writes cannot be read (1 columns"),
        (f"printf '2{TABS}\\n1{TABS}\\n'; exec cat >/dev/null", "cannot be read (packet 1 after 2)"),
        ("echo 'tshark: no more' >&2; exit 3", "tshark has ended (status 3): no more; packets after number 0 are not"),
        ("kill -9 $$", "tshark has ended (killed by signal 9); packets after number 0 are not read"),
        ("echo nonsense; exec cat >/dev/null", "tshark: what it writes cannot be read (invalid literal for int()"),
        (
            "head -c 100 >/dev/null; yes | tr -d '\\n'",
            f"tshark: a line of more than {limits.TSHARK_LINE_BYTES:,} bytes",
        ),
    ],
)
def test_a_tshark_that_fails(script, reason, tmp_path, monkeypatch):
    status, said = read_with(monkeypatch, fake(tmp_path, VERSION + script))
    assert status == 1
    assert reason in said, said
    assert "Traceback" not in said


def test_a_tshark_that_hangs(tmp_path, monkeypatch):
    """It neither reads nor says anything."""
    monkeypatch.setattr(limits, "TSHARK_SILENCE_S", 0.1)
    fake(tmp_path, "exec sleep 60")
    reading = Reading(
        TsharkCapture(open_capture([TLS[0]]), str(tmp_path / "tshark"), PORTS), streams=DissectedStreams(PORTS)
    )
    assert events_of(reading) == []
    assert reading.completeness.notices == ("tshark: not a word for 0.1 s; packets after number 0 are not read",)


@needs_tshark
def test_the_least_version_is_the_tests_own():
    version = version_of(program())
    assert version is not None
    assert version >= LEAST_VERSION


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["read", "--keylog", "keys"], "a key log is for tshark, which decrypts: add --via tshark"),
        (["read", "--via", "tshark", "-w", "x.pcap"], "-w writes packets as captured"),
        (["read", "--via", "tshark", "-V", "--bytes"], "--bytes shows packets as captured"),
        (["read", "--via", "tshark", "--keylog", "/nowhere"], "key log /nowhere: No such file"),
        (["tui", "--via", "tshark"], "tui looks into packets as captured"),
    ],
)
def test_options_that_do_not_go_together(words, reason, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", fake(tmp_path, VERSION))
    done = run([*words, str(TLS[0])])
    assert done.status == 2
    assert reason in done.errors.decode()
    assert done.errors.count(b"\n") == 1


# -- its children end --------------------------------------------------------------------------------------------------


def children_of(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def is_gone(pid: int) -> bool:
    """Whether a process has ended; it takes a moment after its parent was killed."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


@needs_tshark
@pytest.mark.parametrize("how", ["closed", "twice", "raised"])
def test_tshark_ends_with_the_reading(how):
    reading = reading_of(TLS[0])
    before = set(children_of(os.getpid()))
    events = iter(reading)
    next(events)
    (child,) = set(children_of(os.getpid())) - before
    if how == "raised":
        with pytest.raises(RuntimeError):
            events.throw(RuntimeError)
    reading.close()
    if how == "twice":
        reading.close()
    assert is_gone(child)
    assert child not in children_of(os.getpid())


@needs_tshark
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_tshark_ends_with_the_command(number):
    """It reads a pipe to which nothing more comes."""
    words = [COMMAND, "read", "--via", "tshark", "-"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        process.stdin.write(gzip.decompress(TLS[0].read_bytes()))
        process.stdin.flush()
        until = time.monotonic() + 20
        while not (children := [child for child in children_of(process.pid) if "fields" in words_of(child)]):
            assert time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert all(is_gone(child) for child in children)
    assert b"Traceback" not in said


def words_of(pid: int) -> list[str]:
    """A process's command line; that of tshark --version may have ended already."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


@needs_tshark
def test_tshark_ends_with_a_broken_pipe():
    program = f"{COMMAND} read -T jsonl --via tshark {TLS[1]} | head -c 10; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("0\n")
    assert "Traceback" not in done.stderr
