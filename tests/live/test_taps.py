"""The two ways in, on a real interface: what they take at once, hold, cut and drop."""

import socket
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from dissector import limits
from dissector.capture.live import child
from dissector.capture.live.child import Child
from dissector.capture.live.packetsocket import PacketSocket
from dissector.errors import UsageError

from .wire import SEEN, SENT, inside

pytestmark = [pytest.mark.netns, pytest.mark.tshark, pytest.mark.xdist_group("wire")]

FILTER = "tcp port 5672"


def packet(number: int, size: int = 200) -> bytes:
    """A TCP segment to the broker's port, with a number in it."""
    ethernet = b"\2" * 12 + b"\x08\0"
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size - 14, 0, 0, 64, 6, 0, b"\x0a\x63\0\1", b"\x0a\x63\0\2")
    tcp = struct.pack(">HHIIBBHHH", 40000, 5672, number, 0, 0x50, 0x18, 100, 0, 0)
    head = ethernet + ip + tcp + struct.pack(">I", number)
    return head + bytes(size - len(head))


def send(numbers: range, size: int = 200) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((SENT, 0))
        for number in numbers:
            wire.send(packet(number, size))


def numbers_in(batches) -> list[int]:
    return [int.from_bytes(batch.packet(index)[54:58], "big") for batch in batches for index in range(len(batch))]


def wait_for(tap, count: int) -> list:
    batches: list = []
    until = time.monotonic() + 10
    while sum(map(len, batches)) < count:
        assert time.monotonic() < until
        batches += tap.read()
        time.sleep(0.01)
    return batches


def wait_for_stamps(tap) -> None:
    """Wait until the kernel notes when packets came: it begins to a moment after it is asked for, on a busy machine.

    What came before that is given the time of its reading (``__sock_recv_timestamp`` in net/socket.c).
    """
    until = time.monotonic() + 10
    while True:
        send(range(1))
        sent = time.time_ns()
        (batch,) = wait_for(tap, 1)
        if batch.time_ns[0] <= sent:
            return
        assert time.monotonic() < until


def test_many_packets_are_taken_at_once(wire):
    def body() -> None:
        tap = PacketSocket(SEEN, FILTER)
        try:
            assert tap.buffer_bytes == limits.CAPTURE_BUFFER_BYTES
            wait_for_stamps(tap)
            before = time.time_ns()
            send(range(600))
            batches = wait_for(tap, 600)
            assert numbers_in(batches) == list(range(600))
            assert max(map(len, batches)) == limits.CAPTURE_CALL_PACKETS
            times = np.concatenate([batch.time_ns for batch in batches])
            assert (np.diff(times) >= 0).all()
            assert before <= times[0] <= times[-1] <= time.time_ns()
            assert tap.read() == []
        finally:
            tap.close()

    inside(wire, body)


def test_what_finds_no_room_is_counted(wire, monkeypatch):
    monkeypatch.setattr(limits, "CAPTURE_BUFFER_BYTES", 100_000)

    def body() -> None:
        tap = PacketSocket(SEEN, FILTER)
        try:
            assert tap.buffer_bytes == 100_000
            send(range(2000))
            kept = numbers_in(tap.read())
            tap.look_after()
            assert 0 < len(kept) < 2000
            assert len(kept) + tap.drops == 2000
            assert kept == list(range(len(kept))), "the first ones are there"
        finally:
            tap.close()

    inside(wire, body)


@pytest.mark.parametrize("program", ["scapy", *child.PROGRAMS])
def test_after_a_stop_comes_what_is_there_and_then_the_end(program, wire):
    def body() -> None:
        tap = opened(program)
        try:
            send(range(10))
            time.sleep(0.4)
            tap.stop()
            send(range(10, 20))
            batches: list = []
            until = time.monotonic() + 10
            while (found := tap.read()) is not None:
                assert time.monotonic() < until
                batches += found
                time.sleep(0.01)
            assert numbers_in(batches)[:10] == list(range(10))
            assert tap.drops == 0
            assert tap.failure is None
            assert tap.read() is None
        finally:
            tap.close()

    inside(wire, body)


def opened(program: str):
    if program == "scapy":
        return PacketSocket(SEEN, FILTER)
    return Child(f"/usr/bin/{program}", SEEN, FILTER, None)


def test_packets_are_cut_at_the_snap_length(wire, monkeypatch):
    monkeypatch.setattr(limits, "CAPTURE_SNAP_BYTES", 100)

    def body() -> None:
        tap = opened("tcpdump")
        try:
            send(range(1))
            (batch,) = wait_for(tap, 1)
            assert (batch.captured[0], batch.original[0]) == (100, 200)
        finally:
            tap.close()

    inside(wire, body)


def test_large_packets_are_whole(wire):
    """Jumbo frames."""

    def body() -> None:
        for program in ("scapy", *child.PROGRAMS):
            tap = opened(program)
            try:
                send(range(2), 9014)
                batches = wait_for(tap, 2)
                assert [int(batch.captured[index]) for batch in batches for index in range(len(batch))] == [9014] * 2
            finally:
                tap.close()

    inside(wire, body)


def test_a_program_that_is_none(wire, tmp_path):
    broken = tmp_path / "dumpcap"
    for script, said in (
        ("#!/bin/sh\nexit 3\n", "dumpcap ended with status 3"),
        ("#!/bin/sh\necho nonsense; exec cat /dev/zero\n", None),
        ("#!/bin/sh\necho 'dumpcap: the moon is full' >&2; exit 1\n", "the moon is full"),
        ("no script\n", "cannot be started"),
    ):
        broken.write_text(script)
        broken.chmod(0o755)
        if said is None:
            tap = Child(str(broken), SEEN, FILTER, None)
            until = time.monotonic() + 10
            while tap.read() is not None:
                assert time.monotonic() < until
            assert "dumpcap has ended" in tap.failure
            tap.close()
        else:
            with pytest.raises(UsageError, match=said):
                Child(str(broken), SEEN, FILTER, None)


def test_nothing_is_left_open(wire):
    def body() -> None:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for program in ("scapy", *child.PROGRAMS):
            opened(program).close()
        assert len(list(Path("/proc/self/fd").iterdir())) == before

    inside(wire, body)
