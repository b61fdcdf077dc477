"""Key logs, and the blocks that carry them."""

import os
import struct
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector import limits
from dissector.capture.keylog import SECRETS_BLOCK, KeyLog, key_blocks, keys_in
from dissector.capture.pcapng import PcapngReader
from dissector.capture.pcapng_writer import block
from dissector.errors import UsageError

RANDOM, SECRET = "0a" * 32, "b1" * 48
LINE = f"CLIENT_RANDOM {RANDOM} {SECRET}\n".encode()
OTHER = f"SERVER_TRAFFIC_SECRET_0 {RANDOM} {SECRET}\n".encode()


def test_only_keys_are_passed_on():
    text = b"# a comment\n" + LINE + b"password=secret\n\n" + OTHER.replace(b"\n", b"\r\n") + b"CLIENT_RANDOM zz yy\n"
    (body,) = key_blocks(text)
    assert keys_in(body, "<") == LINE + OTHER
    assert len(body) % 4 == 0
    assert list(key_blocks(b"no key\n")) == []


def test_many_keys_go_in_several_blocks(monkeypatch):
    monkeypatch.setattr("dissector.capture.keylog.SECRETS_BLOCK_BYTES", 3 * len(LINE))
    blocks = list(key_blocks(LINE * 10))
    assert len(blocks) == 4
    assert b"".join(keys_in(each, "<") for each in blocks) == LINE * 10


@given(st.binary(max_size=200))
def test_no_bytes_raise(octets):
    keys_in(octets, "<")
    for body in key_blocks(octets):
        assert keys_in(body, "<")


@pytest.mark.parametrize("order", "<>")
def test_a_capture_gives_the_keys_that_it_holds(order):
    section = struct.pack(order + "IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    size = 20 + len(LINE) + -len(LINE) % 4
    head = struct.pack(order + "IIII", SECRETS_BLOCK, size, 0x544C534B, len(LINE))
    secrets = head + LINE + bytes(-len(LINE) % 4) + struct.pack(order + "I", size)
    reader = PcapngReader()
    reader.feed(section + secrets + secrets.replace(b"\x4b\x53\x4c\x54", b"ssh?").replace(b"TLSK", b"ssh?"))
    assert bytes(reader.keys) == LINE + b"\n\n"
    assert reader.notices == []


def test_keys_of_a_capture_are_bounded(monkeypatch):
    monkeypatch.setattr("dissector.capture.pcapng.TLS_SECRETS_BYTES", 5 * len(LINE))
    reader = PcapngReader()
    reader.feed(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
    for body in key_blocks(LINE):
        reader.feed(block(SECRETS_BLOCK, body) * 20)
    assert 0 < len(reader.keys) <= 5 * len(LINE)


def test_a_log_that_grows(tmp_path):
    path = tmp_path / "keys"
    path.write_bytes(b"")
    log = KeyLog(str(path), grows=True)
    assert log.take() == b""
    with path.open("ab") as file:
        file.write(LINE + OTHER[:20])
        file.flush()
        assert log.take() == LINE
        file.write(OTHER[20:])
        file.flush()
        assert (log.take(), log.take()) == (OTHER, b"")
    log.close()
    assert log.take() == b""


def test_a_log_without_a_last_newline(tmp_path):
    path = tmp_path / "keys"
    path.write_bytes(LINE.strip())
    log = KeyLog(str(path), grows=False)
    assert log.take() == LINE.strip()
    log.close()


@pytest.mark.parametrize(
    ("content", "grows", "reason"),
    [
        (None, False, "No such file or directory"),
        (b"", False, "it is empty; see docs/tls.md"),
        (b"\xd4\xc3\xb2\xa1 a capture", True, "no TLS key in it; see docs/tls.md"),
        (b"x\n" * 60, False, "larger than 0 MiB; take out the lines of other connections"),
    ],
)
def test_what_is_no_key_log(content, grows, reason, tmp_path, monkeypatch):
    monkeypatch.setattr("dissector.capture.keylog.KEY_LOG_BYTES", 100)
    path = tmp_path / "keys"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as raised:
        KeyLog(str(path), grows=grows)
    assert raised.value.reason == f"key log {path}: {reason}"


def test_a_directory_is_none(tmp_path):
    with pytest.raises(UsageError, match="Is a directory"):
        KeyLog(str(tmp_path), grows=False)


def test_a_pipe_is_read_to_its_end_and_does_not_grow(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(UsageError, match="no file; what is read while it grows has to be one"):
        KeyLog(str(path), grows=True)
    with ThreadPoolExecutor(1) as writer:
        writer.submit(path.write_bytes, LINE)
        log = KeyLog(str(path), grows=False)
    assert log.take() == LINE
    log.close()


def test_the_limits_hold_what_they_say():
    assert limits.SECRETS_BLOCK_BYTES < limits.PCAPNG_BLOCK_BYTES
