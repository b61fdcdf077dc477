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


@pytest.mark.parametrize("command", ["read", "calls"])
@pytest.mark.parametrize("option", ["--scrub", "--handshake"])
def test_what_goes_with_saving(command, option):
    for more in ([], ["-o", "x"]):
        done = osloshark(command, *more, option, DEMO)
        assert done.returncode == 2
        told = f"osloshark: {option} goes with -w; name the capture to write with -w FILE"
        assert done.stderr.decode().startswith(told)


@pytest.mark.parametrize(
    "options",
    [
        ("read", "-o", "x"),
        ("read", "-T", "text"),
        ("read", "-V"),
        ("read", "-t", "r"),
        ("read", "--events"),
        ("calls", "-o", "x"),
        ("calls", "-T", "csv"),
        ("calls", "-e", "rpc.status"),
        ("calls", "-E", "header=y"),
        ("calls", "--sort", "time"),
        ("calls", "--color", "never"),
        ("calls", "--wide"),
    ],
)
def test_what_shows_something_does_not_go_with_saving(tmp_path, options):
    command, option, *value = options
    done = osloshark(command, "-w", tmp_path / "x", option, *value, DEMO)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith(f"osloshark: {option} does not go with -w, which writes packets")
    assert done.stderr.count(b"\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_first_messages(tmp_path):
    few = tmp_path / "few.pcapng"
    done = osloshark("read", "-c", 3, "-w", few, DEMO)
    assert b"(stopped as asked)" in done.stderr
    shown = [
        osloshark("read", "-q", "-T", "table", "-e", "oslo.msg_id", *some).stdout for some in ([few], ["-c3", DEMO])
    ]
    assert shown[0] == shown[1] != b""


@pytest.mark.parametrize("options", [("read", "-o"), ("read", "-w"), ("calls", "-w"), ("stats", "-o")])
def test_an_empty_name_is_refused(options):
    done = osloshark(*options, "", DEMO)
    assert done.returncode == 2
    assert b"the output file's name is empty; name a file, or - for standard output\n" in done.stderr


def test_the_help_says_that_packets_are_raw():
    text = b" ".join(osloshark("read", "--help").stdout.split())
    assert b"They are raw, as captured, secrets included: --scrub takes these out." in text


def test_standard_input_is_refused(tmp_path):
    done = osloshark("read", "-w", tmp_path / "x", "--scrub", "-", stdin=DEMO.read_bytes())
    assert done.returncode == 2
    assert not (tmp_path / "x").exists()
