import json
import os
import threading
import time

import msgspec
import pytest

from dissector import UsageError, limits
from dissector.reading import Reading
from dissector.tui.session import Session

from .. import outputs
from ..lab import truth
from .reading import messages_in, read

FIELDS = ("leg", "from_client", "number", "numbers", "time_ns", "channel", "method", "properties", "body", "queue")


def test_every_message_is_decoded_anew_from_its_packets(capture_name):
    path = truth.captures()[capture_name]
    with read(path) as session:
        expected = messages_in(path)
        assert session.error is None
        assert len(session.index) == len(expected)
        for row, message in enumerate(expected):
            found = session.index.message(row)
            assert [getattr(found, name) for name in FIELDS] == [getattr(message, name) for name in FIELDS]
            assert found.connection == message.connection
            assert row in session.index.rows_of(message.number)


def test_calls_and_statistics_are_those_of_the_commands(capture_name):
    path = str(truth.captures()[capture_name])
    with read(path) as session:
        theirs = outputs.run(["calls", "-q", "-T", "jsonl", path]).output
        ours = [msgspec.to_builtins(session.calls[row], builtin_types=(bytes,)) for row in range(len(session.calls))]
        assert json.loads(msgspec.json.encode(ours)) == [json.loads(line) for line in theirs.splitlines()]
        theirs = outputs.run(["stats", "-q", "-T", "jsonl", path]).output
        ours = session.statistics.finish(session.seconds)
        assert [json.loads(msgspec.json.encode(one)) for one in ours] == [
            json.loads(line) for line in theirs.splitlines()
        ]


def test_a_plain_file_is_not_copied_and_others_are():
    plain, compressed = truth.captures()["demo"], truth.captures()["channels"]
    with read(plain) as session:
        assert session.store._spool is None
        assert session.store.memory_bytes < 20 * session.reading.completeness.packets + 1000
        assert session.index.memory_bytes < 100 * len(session.index)
    with read(compressed) as session:
        assert session.store._spooled > 0
        assert os.fstat(session.store._spool).st_nlink == 0


def test_what_there_is_no_room_for_is_told(monkeypatch):
    path = truth.captures()["channels"]
    monkeypatch.setattr(limits, "SPOOL_BYTES", 1000)
    with read(path) as session:
        assert session.store.left_out == session.reading.completeness.packets
        assert session.index.message(0) is None
    monkeypatch.undo()
    monkeypatch.setattr(limits, "INDEXED_PACKETS", 0)
    with read(truth.captures()["demo"]) as session:
        assert session.store.left_out == session.reading.completeness.packets
    monkeypatch.undo()
    monkeypatch.setattr(limits, "INDEXED_MESSAGES", 5)
    monkeypatch.setattr(limits, "SHOWN_CALLS", 3)
    with read(truth.captures()["demo"]) as session:
        assert (len(session.index), session.index.left_out) == (5, 77)
        assert (len(session.calls), session.calls.left_out) == (3, 22)


def test_a_file_that_changes_afterwards_gives_nothing_wrong(tmp_path):
    path = tmp_path / "demo.pcap"
    path.write_bytes(truth.captures()["demo"].read_bytes())
    with read(path) as session:
        with path.open("r+b") as file:
            file.truncate(30_000)
        assert session.index.message(len(session.index) - 1) is None
        with path.open("r+b") as file:
            file.write(bytes(30_000))
        assert session.index.message(0) is None


def test_reading_is_ended_early(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    path = str(tmp_path / "pipe")
    data = truth.captures()["demo"].read_bytes()
    ready = threading.Event()

    def write():
        with open(path, "wb") as file:  # noqa: PTH123 - a pipe
            file.write(data[:100_000])
            file.flush()
            ready.wait(10)
            file.write(data[100_000:])

    writer = threading.Thread(target=write)
    writer.start()
    session = Session(Reading([path]), [path])
    session.start()
    deadline = time.monotonic() + 10
    while not len(session.index) and time.monotonic() < deadline:
        time.sleep(0.01)
    session.stop()
    ready.set()
    writer.join()
    session._thread.join(10)
    assert session.is_done
    assert 0 < len(session.index) < 82
    assert session.index.message(0) is not None
    session.close()


def test_a_pipe_that_is_no_capture_is_told(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    path = str(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(b"no capture, this is"))
    writer.start()
    session = Session(Reading([path]), [path])
    session.start()
    session._thread.join(10)
    writer.join()
    assert isinstance(session.error, UsageError)
    assert "not a pcap" in str(session.error)
    session.close()


@pytest.mark.parametrize("damage", [b"", b"\0" * 40])
def test_damaged_captures_are_read_as_far_as_they_go(tmp_path, damage):
    data = truth.captures()["demo"].read_bytes()
    path = tmp_path / "damaged.pcap"
    path.write_bytes(data[:100_000] + damage)
    with read(path) as session:
        assert session.error is None
        assert len(session.index) == len(messages_in(path)) > 0
        assert all(session.index.message(row) is not None for row in range(len(session.index)))
