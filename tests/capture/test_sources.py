import os
import threading
import time

import pytest

from dissector.capture.sources import RawSource
from dissector.limits import PIPE_BYTES


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    source = RawSource(f"/dev/fd/{reading}")
    os.close(reading)
    yield source, writing
    source.close()


def test_a_file_gives_what_is_asked_for(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(bytes(range(100)))
    source = RawSource(str(path))
    assert not source.is_pipe
    assert [len(source.read(64)), len(source.read(64)), len(source.read(64))] == [64, 36, 0]
    assert source.bytes_read == 100
    source.close()


def test_a_pipe_gives_what_there_is(pipe):
    source, writing = pipe
    assert source.is_pipe
    os.write(writing, b"first")
    assert source.read(1 << 20) == b"first"
    os.write(writing, b"sec")
    os.write(writing, b"ond")
    assert source.read(4) == b"seco"
    assert source.read(1 << 20) == b"nd"
    os.close(writing)
    assert (source.read(9), source.read(9), source.bytes_read) == (b"", b"", 11)


def test_a_pipe_is_waited_for_even_if_it_does_not_block(pipe):
    source, writing = pipe
    os.set_blocking(source._file.fileno(), False)
    timer = threading.Timer(0.2, os.write, (writing, b"late"))
    before = time.monotonic()
    timer.start()
    assert source.read(100) == b"late"
    assert time.monotonic() - before > 0.1
    timer.join()
    os.close(writing)
    assert source.read(100) == b""


def test_a_fast_pipe_gives_large_pieces(pipe):
    source, writing = pipe
    data = os.urandom(PIPE_BYTES)

    def write():
        with os.fdopen(writing, "wb") as file:
            file.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    writer.join()  # it fits: the pipe was made as large
    pieces = list(iter(lambda: source.read(1 << 23), b""))
    assert b"".join(pieces) == data
    assert len(pieces) == 1
