import io
import subprocess

import numpy as np
import pytest

from dissector.capture import open_capture
from dissector.capture.batch import PacketBatch
from dissector.capture.pcapng_writer import PcapngWriter

from ..lab import truth


def packets(path):
    with open_capture([path]) as capture:
        return [
            (batch.packet(i), int(batch.time_ns[i]), int(batch.original[i]), int(batch.link_type[i]))
            for batch in capture
            for i in range(len(batch))
        ]


def test_what_is_written_is_read_back(capture_name, tmp_path):
    source = truth.captures()[capture_name]
    path = tmp_path / "copy.pcapng"
    with path.open("wb") as file, open_capture([source]) as capture:
        writer = PcapngWriter(file)
        for batch in capture:
            writer.write(batch, list(range(len(batch))))
    assert packets(path) == packets(source)
    assert writer.packets == len(packets(source))


def test_some_packets_of_mixed_link_types(tmp_path):
    zeros = np.zeros(3, np.int64)
    batch = PacketBatch(
        buffer=b"abcdefgh",
        start=np.array([0, 1, 5]),
        captured=np.array([1, 4, 3]),
        original=np.array([1, 900, 3]),
        time_ns=zeros + 1_637_000_000_123_456_789,
        link_type=np.array([1, 276, 1], np.uint16),
        first_number=1,
    )
    file = io.BytesIO()
    PcapngWriter(file).write(batch, [1, 2])
    path = tmp_path / "some.pcapng"
    path.write_bytes(file.getvalue())
    assert packets(path) == [
        (b"bcde", 1_637_000_000_123_456_789, 900, 276),
        (b"fgh", 1_637_000_000_123_456_789, 3, 1),
    ]


@pytest.mark.tshark
def test_tshark_reads_it(tmp_path):
    source = truth.captures()["demo"]
    path = tmp_path / "copy.pcapng"
    with path.open("wb") as file, open_capture([source]) as capture:
        writer = PcapngWriter(file)
        for batch in capture:
            writer.write(batch, list(range(0, len(batch), 2)))
    shown = subprocess.run(
        ["tshark", "-r", path, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    expected = [f"{ns // 10**9}.{ns % 10**9:09d}\t{original}" for _, ns, original, _ in packets(source)[::2]]
    assert shown == expected
