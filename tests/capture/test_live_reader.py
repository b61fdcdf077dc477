"""The reader thread on pipes of our own: it never waits for who takes, and counts what it drops."""

import os
import threading
import time

import numpy as np
import pytest

from dissector import limits
from dissector.capture.batch import PacketBatch
from dissector.capture.live.reader import Captured, Reader, _join


class Pipe:
    """A tap: each byte is a packet, whose time is its value."""

    def __init__(self, name: str = "lo") -> None:
        self.name, self.program, self.buffer_bytes = name, "a pipe", 0
        self.reading, self.writing = os.pipe2(os.O_NONBLOCK)
        self.drops = self.failure = None
        self.reads = 0

    def fileno(self):
        return self.reading

    def read(self):
        self.reads += 1
        try:
            data = os.read(self.reading, 1 << 16)
        except BlockingIOError:
            return []
        return [batch(data)] if data else None

    def look_after(self):
        pass

    def give_up(self):
        self.failure = "given up"

    def stop(self):
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1

    def close(self):
        self.stop()
        os.close(self.reading)


def batch(data: bytes) -> PacketBatch:
    count = len(data)
    ones = np.ones(count, np.int64)
    times = np.frombuffer(data, np.uint8).astype(np.int64)
    return PacketBatch(data, np.arange(count), ones, ones, times, ones.astype(np.uint16), 1)


def bytes_of(captured: Captured) -> bytes:
    return b"".join(captured.batch.packet(index) for index in range(len(captured.batch)))


@pytest.fixture
def taps():
    return [Pipe(), Pipe()]


@pytest.fixture
def reader(taps):
    running = Reader(taps)
    running.start()
    yield running
    running.close()


def take(reader: Reader, count: int) -> bytes:
    found = b""
    while len(found) < count:
        captured = reader.take(5)
        assert captured is not None
        found += bytes_of(captured)
    return found


def test_what_comes_is_given_at_once(reader, taps):
    for number in range(20):
        os.write(taps[0].writing, bytes([number]))
        assert take(reader, 1) == bytes([number])
    assert reader.received == [20, 0]


def test_nothing_in_time_is_an_empty_batch(reader):
    captured = reader.take(0.01)
    assert captured is not None
    assert len(captured.batch) == 0


def test_a_stop_gives_what_is_there_and_ends(reader, taps):
    os.write(taps[0].writing, b"abc")
    reader.stop()
    assert take(reader, 3) == b"abc"
    until = time.monotonic() + 10
    while (captured := reader.take(1)) is not None:
        assert not len(captured.batch)
        assert time.monotonic() < until


def test_when_nobody_takes_whole_batches_are_dropped_and_counted(reader, taps, monkeypatch):
    monkeypatch.setattr(limits, "CAPTURED_BYTES", 1000)
    sent = 0
    until = time.monotonic() + 10
    while sum(reader.dropped) < 500:
        assert time.monotonic() < until
        sent += os.write(taps[1].writing, bytes(50))
        time.sleep(0.001)
    reader.stop()
    kept = 0
    while (captured := reader.take(1)) is not None:
        kept += len(captured.batch)
        assert (captured.interface == 1).all()
    assert reader.dropped[0] == 0
    assert kept + reader.dropped[1] == reader.received[1] == sent
    assert kept <= 1000 / 43 + 100


def test_small_batches_are_bounded_too(reader, taps, monkeypatch):
    monkeypatch.setattr(limits, "CAPTURED_BATCHES", 3)
    until = time.monotonic() + 10
    while not sum(reader.dropped):
        assert time.monotonic() < until
        os.write(taps[0].writing, b"x")
        time.sleep(0.02)
    assert reader.queued == 3


def test_an_error_of_the_thread_is_heard(taps):
    def fail():
        raise ValueError("broken")

    taps[0].read = fail
    reader = Reader(taps)
    reader.start()
    os.write(taps[0].writing, b"x")
    reader.join(10)
    with pytest.raises(ValueError, match="broken"):
        reader.take(0)
    reader.close()


def test_one_tap_may_end_and_that_is_news(reader, taps):
    taps[0].failure = "lo: it has ended"
    taps[0].stop()
    until = time.monotonic() + 10
    while not reader.news:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert reader.news.popleft() == "lo: it has ended"
    os.write(taps[1].writing, b"y")
    assert take(reader, 1) == b"y"


def test_no_thread_is_left(taps):
    before = threading.active_count()
    reader = Reader(taps)
    reader.start()
    reader.close()
    assert threading.active_count() == before


def test_interfaces_are_joined_in_time_order_and_keep_their_own():
    first = Captured(batch(bytes([5, 3, 9])), np.zeros(3, np.uint16))
    second = Captured(batch(bytes([4, 5, 8])), np.ones(3, np.uint16))
    joined = _join([first, second], in_order=True)
    # 3 came after 5 on its interface: clocks step back, captures do not.
    assert bytes_of(joined) == bytes([4, 5, 3, 5, 8, 9])
    assert joined.interface.tolist() == [1, 0, 0, 1, 1, 0]
    assert bytes_of(_join([first, second])) == bytes([5, 3, 9, 4, 5, 8])


def test_a_tap_that_does_not_end_is_given_up(taps, monkeypatch):
    monkeypatch.setattr("dissector.capture.live.reader._END_S", 0.1)
    monkeypatch.setattr(taps[0], "stop", lambda: None)
    monkeypatch.setattr(taps[0], "read", lambda: [])
    running = Reader(taps)
    running.start()
    running.stop()
    running.join(10)
    assert list(running.news) == ["given up"]
    assert running.take(1) is None
    monkeypatch.undo()
    running.close()
