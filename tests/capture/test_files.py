import errno
import gzip
import os
import subprocess
import sys

import pytest

from dissector.capture.files import CaptureFile
from dissector.capture.sources import RawSource
from dissector.errors import UsageError

from .build import Packet, enhanced, interface, packets_of, pcap, section

NOW = 1_700_000_000 * 10**9
TWO = pcap([(NOW, b"one"), (NOW + 1000, b"two")])


def read(file, size=1 << 20):
    return packets_of(iter(lambda: file.read(size), None))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# notes\n", "not a pcap or pcapng capture (starts with 23 20 6e 6f)"),
        (b"#", "not a pcap or pcapng capture (starts with 23)"),
        (b"", "not a pcap or pcapng capture (it is empty)"),
        (b"\n\r\r\nlike pcapng", "not a pcap or pcapng capture (starts with 0a 0d 0d 0a)"),
        (gzip.compress(b"# notes\n"), "not a pcap or pcapng capture (its gzip data starts with 23 20 6e 6f)"),
        (gzip.compress(b""), "not a pcap or pcapng capture (its gzip data is empty)"),
        (gzip.compress(TWO)[:10], "not a pcap or pcapng capture (its gzip data is empty)"),
    ],
    ids=["text", "one byte", "empty", "nearly pcapng", "compressed text", "compressed nothing", "cut off at once"],
)
def test_what_is_no_capture(tmp_path, content, message):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(UsageError) as error:
        CaptureFile(path).first_time()
    assert str(error.value) == f"{path}: {message}"


def test_what_cannot_be_opened(tmp_path):
    with pytest.raises(UsageError, match=r"/none: No such file or directory$"):
        CaptureFile(tmp_path / "none")
    with pytest.raises(UsageError, match=r": a directory; give the capture files in it$"):
        CaptureFile(tmp_path)
    (tmp_path / "file").write_bytes(TWO)
    with pytest.raises(UsageError, match=r"/file/x: Not a directory$"):
        CaptureFile(tmp_path / "file" / "x")
    gone = CaptureFile(tmp_path / "file")
    (tmp_path / "file").unlink()
    with pytest.raises(UsageError, match=r"/file: No such file or directory$"):
        gone.read(100)


def test_a_terminal_is_not_waited_for():
    ours, theirs = os.openpty()
    code = "from dissector.capture import open_capture; open_capture(['-'])"
    process = subprocess.run([sys.executable, "-c", code], stdin=theirs, capture_output=True, text=True, check=False)
    os.close(ours)
    os.close(theirs)
    assert "UsageError: standard input is a terminal; pipe a capture into it" in process.stderr


def test_looking_for_the_first_packet_changes_nothing(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(TWO + b"cut")
    file = CaptureFile(path)
    assert (file.first_time(), file.first_time(), file.bytes_read, file.notices) == (NOW, NOW, 0, [])
    assert [packet.data for packet in read(file, 5)] == [b"one", b"two"]
    assert (file.size, file.bytes_read) == (65, 65)
    cut = "the last record's header is cut off after 3 of 16 bytes; the 2 packets before it were read"
    assert file.notices == [f"{path}: {cut}"]


def test_the_first_packet_of_a_pipe_is_kept(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with subprocess.Popen(["dd", f"of={path}", "status=none"], stdin=subprocess.PIPE) as writer:
        writer.stdin.write(TWO)
        writer.stdin.close()
        file = CaptureFile(path)
        assert (file.size, file.reopens) == (None, False)
        assert file.first_time() == NOW
        assert [packet.data for packet in read(file)] == [b"one", b"two"]
    assert file.bytes_read == len(TWO)


def test_a_capture_without_packets(tmp_path):
    for number, content in enumerate((pcap([]), section() + interface(), section())):
        path = tmp_path / f"{number}.cap"
        path.write_bytes(content)
        file = CaptureFile(path)
        assert file.first_time() is None
        assert (read(file), file.notices) == ([], [])


def test_the_format_is_found_whatever_the_name_and_the_read_size(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(gzip.compress(section(">") + interface(">", link_type=113) + enhanced(5, b"data", ">")))
    for size in (1, 7, 1 << 20):
        assert read(CaptureFile(path), size) == [Packet(5000, 4, b"data", 113)]


def test_closing_in_the_middle_ends_it(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(TWO)
    file = CaptureFile(path)
    assert file.read(45).packet(0) == b"one"
    file.close()
    assert (file.read(45), file.bytes_read) == (None, 45)


def test_a_disk_that_fails_in_the_middle(tmp_path, monkeypatch):
    path = tmp_path / "x.pcap"
    path.write_bytes(TWO)
    file = CaptureFile(path)
    assert file.read(45).packet(0) == b"one"

    def fail(source, size):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(RawSource, "read", fail)
    assert file.read(45) is None
    assert file.notices[0] == f"{path}: reading failed: Input/output error; the 1 packet before it was read"
    with pytest.raises(UsageError, match=r"x\.pcap: Input/output error$"):
        CaptureFile(path).read(45)
