"""However many processes there are, the same comes out: on standard output, on standard error, as exit status."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dissector
from dissector import limits
from dissector.api.filtering import EventFilter
from dissector.cli.showing import Describing
from dissector.reading import Reading
from dissector.views.jsonl import JsonlView

from ..damage import check
from ..damage.kinds import damaged
from ..damage.talk import read
from ..lab import truth
from ..outputs import run

COMMANDS = [
    ["read", "-T", "jsonl", "--events"],
    ["read", "-td"],
    ["read", "-V", "-c", "9", "-Y", "oslo.args"],
    ["read", "-T", "table", "-e", "frame.number", "-e", "oslo.method", "-E", "header=y"],
    ["read", "-T", "firehose", "--show-secrets"],
    ["calls", "-T", "jsonl"],
    ["calls", "-Y", 'oslo.args.host contains "dev" || rpc.kind != "call"'],
    ["stats", "-T", "jsonl"],
]
DAMAGE = ["loss of 5 %", "reordered by up to 64", "snap length 262", "start inside a packet", "burst loss"]


def test_shipped_captures(capture_name):
    path = str(truth.captures()[capture_name])
    for command in COMMANDS:
        alone = run([*command, "--jobs", "1", path])
        assert run([*command, "--jobs", "3", path]) == alone
        assert alone.errors


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_captures(kind, tmp_path):
    path = tmp_path / "damaged.pcap"
    check.write(path, damaged(read(truth.captures()["verdicts"]), kind, "parallel").packets)
    path.write_bytes(path.read_bytes()[:-7])  # the file ends within a packet
    for command in (COMMANDS[0], COMMANDS[5]):
        alone = run([*command, "--jobs", "1", str(path)])
        assert alone.status == 1
        assert run([*command, "--jobs", "2", str(path)]) == alone


def described(jobs: int, paths: list[Path]) -> Iterator[object]:
    """What comes of each batch, and how complete it was then."""
    view = JsonlView(events=True)
    reading = Reading(paths, jobs=jobs)
    try:
        for results in reading.results(Describing(view, EventFilter(None), events=True)):
            yield results, reading.completeness, reading.foreign
    finally:
        reading.close()


@settings(max_examples=8)
@given(
    batch=st.integers(4_000, 90_000),
    slots=st.tuples(st.integers(1, 9), st.integers(1_000, 50_000)),
    ahead=st.integers(0, 5),
    jobs=st.integers(2, 4),
    taken=st.integers(1, 50),
)
def test_sizes_of_batches_and_slots(batch, slots, ahead, jobs, taken):
    """Batch for batch the same, also for who stops at one of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "SLOTS", slots[0])
        patch.setattr(limits, "SLOT_BYTES", slots[1])
        patch.setattr(limits, "BATCHES_AHEAD", ahead)
        patch.setattr("dissector.capture.merge.FIRST_BATCH_BYTES", batch)
        patch.setattr("dissector.capture.merge.MERGE_READ_BYTES", batch)
        patch.setattr("dissector.capture.merge.BATCH_BYTES", batch)
        paths = [truth.captures()["demo"]]
        alone = list(itertools.islice(described(1, paths), taken))
        assert list(itertools.islice(described(jobs, paths), taken)) == alone
        assert alone


def test_python_interface():
    path = truth.captures()["neutron-nova"]
    records = list(dissector.read(path))
    assert list(dissector.read(path, jobs=2)) == records
    assert records


def test_so_many_processes_at_most():
    path = str(truth.captures()["demo"])
    done = run(["read", "--jobs", str(limits.MOST_JOBS + 1), path])
    assert done.status == 2
    assert str(limits.MOST_JOBS) in done.errors.decode()
    alone = run(["read", "--jobs", "1", path])
    assert run(["read", "--jobs", str(limits.MOST_JOBS), path]) == alone
