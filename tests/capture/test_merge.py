import heapq
import random
import resource
import subprocess
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissector.capture import merge as merge_module
from dissector.capture.files import CaptureFile
from dissector.capture.merge import merge

from .build import pcap, tshark_rows


def merged(paths):
    packets = []
    for batch in merge([CaptureFile(path) for path in paths]):
        packets += [(int(batch.time_ns[i]), batch.packet(i)) for i in range(len(batch))]
    return packets


def expected(captures):
    """Merge by the definition: running maxima of times, then rank by first packet, then order in the capture."""
    ranked = sorted((capture for capture in captures if capture), key=lambda capture: capture[0][0])
    keyed = [
        [(key, rank, i, packet) for i, (key, packet) in enumerate(zip(keys, capture, strict=True))]
        for rank, capture in enumerate(ranked)
        for keys in [accumulate((time_ns for time_ns, _ in capture), max)]
    ]
    return [packet for *_, packet in heapq.merge(*keyed)]


TIMES = st.integers(0, 30).map(lambda us: us * 1000)
CAPTURES = st.lists(st.lists(TIMES, max_size=12), min_size=1, max_size=5)


@given(CAPTURES, st.sampled_from((40, 200, 1 << 20)))
def test_any_captures_read_in_any_pieces(tmp_path_factory, captures, size):
    folder = tmp_path_factory.mktemp("merge")
    named = [[(time_ns, b"%d.%d" % (i, j)) for j, time_ns in enumerate(c)] for i, c in enumerate(captures)]
    paths = []
    for i, packets in enumerate(named):
        paths.append(folder / f"{i}.pcap")
        paths[-1].write_bytes(pcap(packets))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merge_module, "BATCH_BYTES", size)
        patch.setattr(merge_module, "MERGE_READ_BYTES", 40)
        assert merged(paths) == expected(named)


def test_the_order_given_does_not_matter(tmp_path):
    packets = [(i * 1000, b"%d" % i) for i in range(1, 1000)]
    paths = [tmp_path / name for name in ("trace.pcap", "trace.pcap1", "trace.pcap2", "trace.pcap10")]
    for i, path in enumerate(paths):
        path.write_bytes(pcap(packets[i * 250 : (i + 1) * 250]))
    for _ in range(5):
        random.shuffle(paths)
        assert merged(paths) == packets


def test_a_rotation_of_many_files_needs_few_open_files(tmp_path):
    packets = [(i * 1000, b"%d" % i) for i in range(400)]
    paths = [tmp_path / f"{i}.pcap" for i in range(400)]
    for packet, path in zip(packets, paths, strict=True):
        path.write_bytes(pcap([packet]))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 4, limits[1]))
    try:
        assert merged(paths) == packets
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_sequential_files_are_not_copied(tmp_path):
    first, second = tmp_path / "1.pcap", tmp_path / "2.pcap"
    first.write_bytes(pcap([(1000, b"a"), (2000, b"b"), (9000, b"c")]))
    second.write_bytes(pcap([(5000, b"d"), (9000, b"e")]))
    batches = list(merge([CaptureFile(second), CaptureFile(first)]))
    packets = [batch.packet(i) for batch in batches for i in range(len(batch))]
    assert packets == [b"a", b"b", b"d", b"c", b"e"]
    assert batches[0].buffer == first.read_bytes()


@pytest.mark.tshark
def test_mergecap_gives_the_same_order(tmp_path):
    chance = random.Random(1)
    paths = []
    for host in range(3):
        times = sorted(chance.sample(range(host, 30_000_000, 3), 2000))
        paths.append(tmp_path / f"host{host}.pcap")
        paths[-1].write_bytes(pcap([(us * 1000, chance.randbytes(60)) for us in times]))
    together = tmp_path / "together.pcapng"
    subprocess.run(["mergecap", "-w", str(together), *map(str, paths)], check=True, capture_output=True)
    rows = [(i, time_ns, len(data), len(data)) for i, (time_ns, data) in enumerate(merged(paths), 1)]
    assert rows == tshark_rows(together)
    assert [data for _, data in merged([together])] == [data for _, data in merged(paths)]
