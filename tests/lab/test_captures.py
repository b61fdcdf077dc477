"""What every shipped capture keeps."""

from pathlib import Path

import pytest

from . import captures, truth

SHIPPED = truth.captures()


def test_each_declared_capture_is_shipped_with_its_truth():
    assert {capture.file for capture in captures.CAPTURES} == {path.name for path in SHIPPED.values()}
    for name in SHIPPED:
        assert truth.load(name), name


@pytest.mark.parametrize(
    "path", [path for path in sorted(truth.PCAPS.iterdir()) if path.suffix != ".md"], ids=lambda path: path.name
)
def test_nothing_tells_where_it_was_made(path: Path):
    captures.check_neutral(path)


def test_all_of_them_are_small():
    assert sum(path.stat().st_size for path in truth.PCAPS.iterdir()) <= captures.TOTAL_BYTES


@pytest.mark.tshark
@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_tshark_sees_as_many_messages_as_the_broker_told_of(name: str):
    counts = captures.check_counts(SHIPPED[name], truth.load(name))
    assert counts["publish"] > 0


def test_a_forbidden_path_is_found(tmp_path: Path):
    path = tmp_path / "some.pcap"
    path.write_bytes(b'File "/home/someone/server.py"')
    with pytest.raises(ValueError, match="/home"):
        captures.check_neutral(path)
