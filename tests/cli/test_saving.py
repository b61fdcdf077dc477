import stat

import pytest

from ..lab import truth
from .command import osloshark

DEMO = truth.captures()["demo"]


@pytest.mark.parametrize("command", ["read", "calls"])
def test_scrub(tmp_path, command):
    raw, scrubbed = tmp_path / "raw.pcapng", tmp_path / "scrubbed.pcapng"
    osloshark(command, "-w", raw, "--handshake", DEMO)
    done = osloshark(command, "-w", scrubbed, "--handshake", "--scrub", DEMO)
    assert done.returncode == 0
    assert b" scrubbed\n" in done.stderr
    assert stat.S_IMODE(scrubbed.stat().st_mode) == 0o600
    assert raw.stat().st_size == scrubbed.stat().st_size
    shown = [osloshark("read", "-q", "-T", "jsonl", "--events", path).stdout for path in (raw, scrubbed)]
    assert shown[0] == shown[1]
    secrets = [osloshark("read", "-q", "-T", "jsonl", "--show-secrets", path).stdout for path in (raw, scrubbed)]
    assert secrets[0] != secrets[1]


def test_only_what_is_chosen(tmp_path):
    scrubbed = tmp_path / "scrubbed.pcapng"
    osloshark("read", "-Y", 'oslo.kind == "call"', "-w", scrubbed, "--scrub", DEMO)
    found = osloshark("read", "-q", "-T", "table", "-e", "oslo.kind", scrubbed).stdout.split()
    assert set(found) == {b"call"}


def test_scrub_goes_with_saving():
    for arguments in (["--scrub", DEMO], ["-o", "x", "--scrub", DEMO]):
        done = osloshark("read", *arguments)
        assert (done.returncode, b"--scrub goes with -w" in done.stderr) == (2, True)


def test_the_help_says_that_packets_are_raw():
    text = b" ".join(osloshark("read", "--help").stdout.split())
    assert b"They are raw, as captured, secrets included: --scrub takes these out." in text


def test_standard_input_is_refused(tmp_path):
    done = osloshark("read", "-w", tmp_path / "x", "--scrub", "-", stdin=DEMO.read_bytes())
    assert done.returncode == 2
    assert not (tmp_path / "x").exists()
