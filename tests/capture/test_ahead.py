"""A pipe is read ahead, no further than it should be."""

import io
import os
import threading
import time
from contextlib import suppress
from random import Random

import pytest

from dissector import limits
from dissector.capture.ahead import AheadReader

SECONDS = 20


@pytest.fixture
def pipe():
    """A reader, and the end of the pipe that is written to."""
    read_end, write_end = os.pipe()
    reader = AheadReader(io.FileIO(read_end))
    yield reader, write_end
    reader.close()
    with suppress(OSError):
        os.close(write_end)


def wait_for(condition) -> None:
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "pipe"]


def test_what_there_is_is_given_at_once_and_the_end_after_it(pipe):
    reader, write_end = pipe
    os.write(write_end, b"abc")
    assert reader.read(100) == b"abc"
    os.write(write_end, b"def")
    os.close(write_end)
    assert reader.read(2) == b"de"
    assert reader.read(2) == b"f"
    assert reader.read(2) == b""
    assert reader.read(2) == b""


def test_nothing_is_lost_however_it_is_cut(pipe):
    reader, write_end = pipe
    dice = Random(7)
    octets = dice.randbytes(3 * limits.BATCH_BYTES)

    def write():
        at = 0
        while at < len(octets):
            at += os.write(write_end, octets[at : at + dice.randrange(1, 200_000)])
        os.close(write_end)

    writer = threading.Thread(target=write)
    writer.start()
    found = bytearray()
    sizes = Random(8)
    while piece := reader.read(size := sizes.randrange(1, 300_000)):
        assert len(piece) <= size
        found += piece
    writer.join()
    assert found == octets


def test_it_reads_so_far_ahead_and_no_further(monkeypatch, pipe):
    monkeypatch.setattr(limits, "PIPE_BYTES", 1 << 12)
    monkeypatch.setattr(limits, "BATCH_BYTES", 1 << 16)
    reader, write_end = pipe
    os.write(write_end, b"x")
    assert reader.read(1) == b"x"  # the thread knows the limits above from now on
    os.set_blocking(write_end, False)
    taken, quiet = 0, 0
    while quiet < 20:
        try:
            taken += os.write(write_end, bytes(1 << 12))
            quiet = 0
        except BlockingIOError:
            quiet += 1
            time.sleep(0.01)
    in_pipe = 1 << 16
    assert limits.BATCH_BYTES + in_pipe <= taken <= limits.BATCH_BYTES + limits.PIPE_BYTES + in_pipe
    given = len(reader.read(taken))
    assert limits.BATCH_BYTES <= given <= limits.BATCH_BYTES + limits.PIPE_BYTES
    wait_for(lambda: len(reader.read(taken)) > 0)


def test_a_pipe_that_does_not_block_is_waited_for(pipe):
    reader, write_end = pipe
    os.set_blocking(reader._file.fileno(), False)
    threading.Timer(0.2, os.write, (write_end, b"late")).start()
    assert reader.read(10) == b"late"


def test_a_closed_one_ends_its_thread_and_its_file(pipe):
    reader, write_end = pipe
    os.write(write_end, bytes(100))
    wait_for(lambda: reader._bytes)
    before = len(threads())
    reader.close()
    os.write(write_end, b"x")
    wait_for(lambda: len(threads()) < before)
    assert reader._file.closed


def test_an_error_comes_after_what_was_read_before_it():
    class Failing(io.FileIO):
        def read(self, size=-1):
            data = super().read(size)
            if not data:
                raise OSError(5, "Input/output error")
            return data

    read_end, write_end = os.pipe()
    os.write(write_end, b"abc")
    os.close(write_end)
    reader = AheadReader(Failing(read_end))
    assert reader.read(10) == b"abc"
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            reader.read(10)
